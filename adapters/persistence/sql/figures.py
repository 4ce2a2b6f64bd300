"""How the business stands, counted by the database: each count follows an index of its own."""

from datetime import datetime

from sqlalchemy import ColumnElement, ScalarSelect, Table, TextClause, case, func, select

from adapters.persistence.sql.money_tables import (
    purchase as purchases,
)
from adapters.persistence.sql.money_tables import (
    purchase_is_paid,
    withdrawal_is_open,
)
from adapters.persistence.sql.money_tables import (
    withdrawal as withdrawals,
)
from adapters.persistence.sql.statements import Statements
from adapters.persistence.sql.tables import billing_case as cases
from adapters.persistence.sql.tables import customer as customers
from adapters.persistence.sql.tables import inbox, inbox_is_not_done
from adapters.persistence.sql.tables import subscription as subscriptions
from core.domain.money import Money
from core.domain.payment import InboxStatus
from core.domain.purchase import NO_SALES
from core.domain.subscription import SubscriptionStatus
from core.ports.operators import Figures, Sold


class SqlFigures:
    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def told(self, now: datetime, *, day: datetime, month: datetime) -> Figures:
        runs = subscriptions.c.period_end > now
        is_trial = subscriptions.c.status == SubscriptionStatus.TRIALING
        failed = inbox.c.status == InboxStatus.FAILED
        counts = {
            "new": _count(customers, customers.c.created_at >= day),
            "active": _count(subscriptions, runs, ~is_trial),
            "trials": _count(subscriptions, runs, is_trial),
            "withdrawals": _count(withdrawals, withdrawal_is_open, withdrawals.c.due_at.is_(None)),
            "cases": _count(cases, cases.c.closed_at.is_(None)),
            "failed_notices": _count(inbox, inbox_is_not_done, failed),
        }
        counted = await self._statements.first(select(*(it.label(n) for n, it in counts.items())))
        assert counted is not None, "counts are one row"
        sold, sold_since_month = await self._sold(day, month)
        return Figures(
            **{name: counted[name] for name in counts},
            sold=sold,
            sold_since_month=sold_since_month,
        )

    async def _sold(
        self, day: datetime, month: datetime
    ) -> tuple[tuple[Sold, ...], tuple[Sold, ...]]:
        c = purchases.c
        left = c.amount_minor - func.coalesce(c.refunded_minor, 0)
        is_of_day = c.ended_at >= day
        rows = await self._statements.all(
            select(
                c.currency,
                func.count().label("of_month"),
                func.sum(left).label("month_minor"),
                func.sum(case((is_of_day, 1), else_=0)).label("of_day"),
                func.sum(case((is_of_day, left), else_=0)).label("day_minor"),
            )
            .where(purchase_is_paid, c.ended_at >= min(day, month), c.item.not_in(NO_SALES))
            .group_by(c.currency)
            .order_by(c.currency)
        )
        day_and_month = [
            tuple(
                Sold(int(row[f"of_{span}"]), Money.of(int(row[f"{span}_minor"]), row[c.currency]))
                for row in rows
                if row[f"of_{span}"]
            )
            for span in ("day", "month")
        ]
        return day_and_month[0], day_and_month[1]


def _count(table: Table, *rules: ColumnElement[bool] | TextClause) -> ScalarSelect[int]:
    return select(func.count()).select_from(table).where(*rules).scalar_subquery()
