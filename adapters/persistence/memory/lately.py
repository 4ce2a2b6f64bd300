"""The memory store's counts and sums of what happened lately."""

from collections.abc import Collection
from datetime import datetime

from adapters.persistence.memory.repositories import Repository
from core.domain.checkout import CheckoutStatus
from core.domain.money import Currency, Money
from core.domain.purchase import PurchaseId
from core.domain.safety import Rewarded
from core.domain.withdrawal import LEAVING


class MemoryLately(Repository):
    async def events(self, subject: str, names: Collection[str], *, since: datetime) -> int:
        await self._unit.called()
        found = self._unit.find(self._tables.events, "subject", subject)
        return sum(it.name in names and it.at > since for _, it in found)

    async def charges(self, *, since: datetime) -> tuple[int, int]:
        await self._unit.called()
        began = [
            it.status
            for _, it in self._unit.all(self._tables.checkouts)
            if it.is_charge and it.asked_at > since
        ]
        failed = began.count(CheckoutStatus.DECLINED) + began.count(CheckoutStatus.LAPSED)
        return began.count(CheckoutStatus.PAID), failed

    async def withdrawals(self, currency: Currency, *, since: datetime) -> Money:
        await self._unit.called()
        asked = (it for _, it in self._unit.all(self._tables.withdrawals))
        leaving = (it for it in asked if it.requested_at > since and it.status in LEAVING)
        theirs = (it.amount for it in leaving if it.amount.currency == currency)
        return sum(theirs, Money(0, currency))

    async def rewards(self, *, since: datetime) -> list[Rewarded]:
        await self._unit.called()
        lately = [
            it.left
            for _, it in self._unit.all(self._tables.rewards)
            if it.left.is_positive and self._paid_at(it.purchase_id) > since
        ]
        charged = [
            it.amount for _, it in self._unit.all(self._tables.charges) if it.charged_at > since
        ]

        def rewarded(unit: Currency) -> Rewarded:
            given = [one for one in lately if one.currency == unit]
            came_in = (one for one in charged if one.currency == unit)
            nothing = Money(0, unit)
            return Rewarded(len(given), sum(given, nothing), sum(came_in, nothing))

        units = {one.currency.code: one.currency for one in lately}
        return [rewarded(unit) for _, unit in sorted(units.items())]

    def _paid_at(self, purchase_id: PurchaseId) -> datetime:
        purchase = self._unit.get(self._tables.purchases, purchase_id)
        assert purchase is not None, "rewards are of purchases"
        assert purchase.ended_at is not None, "that were paid"
        return purchase.ended_at
