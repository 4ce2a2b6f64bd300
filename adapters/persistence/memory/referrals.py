"""The memory store's referrals and rewards."""

from collections import Counter
from datetime import datetime

from adapters.persistence.memory.repositories import Dated, Repository
from core.domain.customer import CustomerId
from core.domain.money import Currency, Money
from core.domain.purchase import PurchaseId
from core.domain.referral_program import (
    Referral,
    ReferralFigures,
    ReferralStatus,
    Reward,
    RewardStatus,
)


class MemoryReferrals(Repository):
    async def find(self, customer_id: CustomerId) -> Referral | None:
        await self._unit.called()
        return self._unit.get(self._tables.referrals, customer_id)

    async def add(self, referral: Referral) -> None:
        await self._unit.called()
        await self._unit.add(self._tables.referrals, referral.customer_id, referral)

    async def save(self, referral: Referral) -> None:
        await self._unit.called()
        await self._unit.save(self._tables.referrals, referral.customer_id, referral)


class MemoryRewards(Dated):
    async def find(self, purchase_id: PurchaseId) -> Reward | None:
        await self._unit.called()
        return self._unit.get(self._tables.rewards, purchase_id)

    async def figures(self, referrer_id: CustomerId) -> ReferralFigures:
        await self._unit.called()
        came = [it for _, it in self._unit.find(self._tables.referrals, "referrer", referrer_id)]
        active = [it for it in came if it.status is not ReferralStatus.REGISTERED]
        standing = [it for it in self._of(referrer_id) if it.left.is_positive]
        earned, waiting = (
            _sums([it.left for it in standing if it.status is status])
            for status in (RewardStatus.EARNED, RewardStatus.WAITING)
        )
        paying = len({it.customer_id for it in standing})
        return ReferralFigures(len(came), len(active), paying, earned, waiting)

    async def count_paying(self, referrer_id: CustomerId, *, but: CustomerId) -> int:
        await self._unit.called()
        standing = (it for it in self._of(referrer_id) if it.left.is_positive)
        return len({it.customer_id for it in standing} - {but})

    async def sum_since(self, referrer_id: CustomerId, unit: Currency, since: datetime) -> Money:
        await self._unit.called()
        theirs = (it for it in self._of(referrer_id) if it.at >= since)
        return sum((it.left for it in theirs if it.left.currency == unit), Money(0, unit))

    async def add(self, reward: Reward) -> None:
        await self._unit.called()
        await self._unit.add(self._tables.rewards, reward.purchase_id, reward)
        await self._put_due(self._tables.rewards, reward.purchase_id, reward.due_at)

    async def save(self, reward: Reward) -> None:
        await self._unit.called()
        await self._unit.save(self._tables.rewards, reward.purchase_id, reward)
        await self._put_due(self._tables.rewards, reward.purchase_id, reward.due_at)

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[PurchaseId]:
        return await self._take_due(self._tables.rewards, now, until, limit)

    def _of(self, referrer_id: CustomerId) -> list[Reward]:
        return [it for _, it in self._unit.find(self._tables.rewards, "referrer", referrer_id)]


def _sums(amounts: list[Money]) -> tuple[Money, ...]:
    """One for each currency, in the order of their codes."""
    sums: Counter[str] = Counter()
    for amount in amounts:
        sums[amount.currency.code] += amount.amount_minor
    return tuple(Money.of(minor, code) for code, minor in sorted(sums.items()))
