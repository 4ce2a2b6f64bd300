"""What happened lately, counted and summed along an index of its time."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from adapters.persistence.sql.money_tables import charge as charges
from adapters.persistence.sql.money_tables import checkout as checkouts
from adapters.persistence.sql.money_tables import purchase as purchases
from adapters.persistence.sql.money_tables import reward as rewards
from adapters.persistence.sql.money_tables import withdrawal as withdrawals
from adapters.persistence.sql.statements import Statements
from adapters.persistence.sql.tables import event as events
from core.domain.checkout import CheckoutStatus
from core.domain.money import Currency, Money
from core.domain.safety import Rewarded
from core.domain.withdrawal import LEAVING, WithdrawalStatus


class SqlLately:
    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def events(self, subject: str, names: Collection[str], *, since: datetime) -> int:
        c = events.c
        return await self._number(
            func.count(), c.subject == subject, c.name.in_(names), c.at > since
        )

    async def charges(self, *, since: datetime) -> tuple[int, int]:
        c = checkouts.c
        began = c.method_id.is_not(None), c.asked_at > since
        failed = c.status.in_((CheckoutStatus.DECLINED, CheckoutStatus.LAPSED))
        return (
            await self._number(func.count(), *began, c.status == CheckoutStatus.PAID),
            await self._number(func.count(), *began, failed),
        )

    async def withdrawals(self, currency: Currency, *, since: datetime) -> Money:
        c = withdrawals.c
        # The rule of the index comes beside our own, which PostgreSQL does not conclude it from.
        is_indexed = c.currency == currency.code, c.status != WithdrawalStatus.FAILED
        leaving = *is_indexed, c.requested_at > since, c.status.in_(LEAVING)
        return Money(await self._number(func.sum(c.amount_minor), *leaving), currency)

    async def rewards(self, *, since: datetime) -> list[Rewarded]:
        """A reward is never decided before its purchase was paid, so that its own time finds it."""
        c, left = rewards.c, rewards.c.amount_minor - rewards.c.taken_back_minor
        rows = await self._statements.all(
            select(c.currency, func.count().label("count"), func.sum(left).label("left"))
            .join(purchases, purchases.c.id == c.id)
            .where(c.at > since, left > 0, purchases.c.ended_at > since)
            .group_by(c.currency)
            .order_by(c.currency)
        )
        return [
            Rewarded(
                row["count"],
                Money.of(int(row["left"]), row["currency"]),
                Money.of(await self._came_in(row["currency"], since), row["currency"]),
            )
            for row in rows
        ]

    async def _came_in(self, code: str, since: datetime) -> int:
        c = charges.c
        return await self._number(
            func.sum(c.amount_minor), c.currency == code, c.charged_at > since
        )

    async def _number(self, what: Any, *rules: Any) -> int:
        row = await self._statements.first(select(what.label("number")).where(*rules))
        assert row is not None, "a sum is one row"
        return int(row["number"] or 0)
