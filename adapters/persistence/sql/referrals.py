"""Referrals, and the rewards for what they bought, as rows."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, and_, case, func, select

from adapters.persistence.sql.due import take_due
from adapters.persistence.sql.money_tables import referral as referrals
from adapters.persistence.sql.money_tables import reward as rewards
from adapters.persistence.sql.statements import Statements
from core.domain.customer import CustomerId
from core.domain.money import Currency, Money
from core.domain.purchase import PurchaseId
from core.domain.referral_program import (
    Door,
    NoReward,
    Referral,
    ReferralFigures,
    ReferralStatus,
    Reward,
    RewardStatus,
)

_left: Final = rewards.c.amount_minor - rewards.c.taken_back_minor


class SqlReferrals:
    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def find(self, customer_id: CustomerId) -> Referral | None:
        wanted = select(referrals).where(referrals.c.customer_id == customer_id)
        row = await self._statements.first(wanted)
        return None if row is None else referral_from_row(row)

    async def add(self, referral: Referral) -> None:
        insert = self._statements.insert(referrals)
        subject = referral.customer_id
        await self._statements.run(insert, [row_from_referral(referral)], subject=subject)

    async def save(self, referral: Referral) -> None:
        row = row_from_referral(referral)
        await self._statements.save(referrals, row, key=("customer_id",))


class SqlRewards:
    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def find(self, purchase_id: PurchaseId) -> Reward | None:
        row = await self._statements.first(select(rewards).where(rewards.c.id == purchase_id))
        return None if row is None else reward_from_row(row)

    async def figures(self, referrer_id: CustomerId) -> ReferralFigures:
        c = rewards.c
        is_active = referrals.c.status != ReferralStatus.REGISTERED
        paying = select(func.count(c.customer_id.distinct())).where(
            c.referrer_id == referrer_id, _left > 0
        )
        counted = await self._statements.first(
            select(
                func.count().label("came"),
                func.coalesce(func.sum(case((is_active, 1), else_=0)), 0).label("activated"),
                paying.scalar_subquery().label("paying"),
            ).where(referrals.c.referrer_id == referrer_id)
        )
        assert counted is not None, "a count is one row"
        sums = await self._statements.all(
            select(c.currency, c.status, func.sum(_left).label("left"))
            .where(c.referrer_id == referrer_id, _left > 0)
            .group_by(c.currency, c.status)
            .order_by(c.currency)
        )
        earned, waiting = (
            tuple(
                Money.of(int(row["left"]), row["currency"]) for row in sums if row["status"] == one
            )
            for one in (RewardStatus.EARNED, RewardStatus.WAITING)
        )
        figures = counted["came"], int(counted["activated"]), counted["paying"]
        return ReferralFigures(*figures, earned, waiting)

    async def count_paying(self, referrer_id: CustomerId, *, but: CustomerId) -> int:
        c = rewards.c
        row = await self._statements.first(
            select(func.count(c.customer_id.distinct()).label("paying")).where(
                c.referrer_id == referrer_id, c.customer_id != but, _left > 0
            )
        )
        assert row is not None, "a count is one row"
        return int(row["paying"])

    async def sum_since(self, referrer_id: CustomerId, unit: Currency, since: datetime) -> Money:
        c = rewards.c
        theirs = and_(c.referrer_id == referrer_id, c.at >= since, c.currency == unit.code)
        row = await self._statements.first(select(func.sum(_left).label("left")).where(theirs))
        assert row is not None, "a sum is one row"
        return Money(int(row["left"] or 0), unit)

    async def add(self, reward: Reward) -> None:
        insert = self._statements.insert(rewards)
        subject = reward.purchase_id
        await self._statements.run(insert, [row_from_reward(reward)], subject=subject)

    async def save(self, reward: Reward) -> None:
        await self._statements.save(rewards, row_from_reward(reward))

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[PurchaseId]:
        rows = await take_due(self._statements, rewards, now, until=until, limit=limit)
        return [row[rewards.c.id] for row in rows]


def referral_from_row(row: RowMapping) -> Referral:
    c = referrals.c
    return Referral(
        row[c.customer_id],
        row[c.referrer_id],
        Door(row[c.door]),
        row[c.at],
        ReferralStatus(row[c.status]),
        row[c.version],
    )


def row_from_referral(referral: Referral) -> dict[str, Any]:
    return {
        "customer_id": referral.customer_id,
        "referrer_id": referral.referrer_id,
        "door": referral.door,
        "at": referral.at,
        "status": referral.status,
        "version": referral.version,
    }


def reward_from_row(row: RowMapping) -> Reward:
    c = rewards.c
    base, amount, taken_back = (
        Money.of(row[minor], row[c.currency])
        for minor in (c.base_minor, c.amount_minor, c.taken_back_minor)
    )
    return Reward(
        purchase_id=row[c.id],
        customer_id=row[c.customer_id],
        referrer_id=row[c.referrer_id],
        base=base,
        count=row[c.count],
        basis_points=row[c.basis_points],
        amount=amount,
        taken_back=taken_back,
        in_cash=row[c.in_cash],
        at=row[c.at],
        ripe_at=row[c.ripe_at],
        status=RewardStatus(row[c.status]),
        why=None if row[c.why] is None else NoReward(row[c.why]),
        version=row[c.version],
    )


def row_from_reward(reward: Reward) -> dict[str, Any]:
    return {
        "id": reward.purchase_id,
        "customer_id": reward.customer_id,
        "referrer_id": reward.referrer_id,
        "base_minor": reward.base.amount_minor,
        "currency": reward.base.currency.code,
        "count": reward.count,
        "basis_points": reward.basis_points,
        "amount_minor": reward.amount.amount_minor,
        "taken_back_minor": reward.taken_back.amount_minor,
        "in_cash": reward.in_cash,
        "at": reward.at,
        "ripe_at": reward.ripe_at,
        "status": reward.status,
        "why": reward.why,
        "due_at": reward.due_at,
        "version": reward.version,
    }
