"""Subscriptions as rows, and standings: customer, subscription and catalog in one statement."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, Select, bindparam, func, select, tuple_

from adapters.persistence.sql.catalogs import SqlCatalogs, newest_revision
from adapters.persistence.sql.column_types import Words, moment_from_stored
from adapters.persistence.sql.customers import customer_columns, customer_from_row
from adapters.persistence.sql.data_key import DataKey
from adapters.persistence.sql.due import take_due
from adapters.persistence.sql.money_tables import balance
from adapters.persistence.sql.statements import Statements, json_rows
from adapters.persistence.sql.tables import customer, usage_counter
from adapters.persistence.sql.tables import subscription as subscriptions
from core.domain.customer import CustomerId, CustomerNotFound
from core.domain.ledger import Account
from core.domain.money import Money, currency
from core.domain.period import Anchor
from core.domain.plan import Feature, PlanVersion, PlanVersionId
from core.domain.renewal import Renewal
from core.domain.subscription import (
    Activation,
    PaidPeriod,
    Standing,
    Subscription,
    SubscriptionStatus,
)
from core.domain.usage_quota import UsageKey
from core.ports.unit_of_work import AccountOverview


class SqlSubscriptions:
    def __init__(self, statements: Statements, catalogs: SqlCatalogs, data_key: DataKey) -> None:
        self._statements = statements
        self._catalogs = catalogs
        self._data_key = data_key

    async def get(self, customer_id: CustomerId) -> Subscription:
        c = subscriptions.c
        row = await self._statements.first(
            select(subscriptions).where(c.customer_id == customer_id)
        )
        if row is None:
            raise CustomerNotFound(customer_id)
        plans = await self._catalogs.versions([row[c.period_plan_version_id]])
        return subscription_from_row(row, plans)

    async def standings(
        self, customer_ids: Collection[CustomerId]
    ) -> Mapping[CustomerId, Standing]:
        given = self._statements.given([customer.c.id], ([one] for one in set(customer_ids)))
        rows = await self._statements.all(_standing.where(customer.c.id.in_(select(given.c.id))))
        await self._catalogs.versions(row[subscriptions.c.period_plan_version_id] for row in rows)
        return {row[customer.c.id]: await self._standing_from(row) for row in rows}

    async def overview(self, customer_id: CustomerId) -> AccountOverview:
        """Standing, usage and balances in one statement."""
        rows = await self._statements.run(_overview, [{"of_customer": customer_id}])
        row = rows.mappings().first()
        if row is None:
            raise CustomerNotFound(customer_id)
        return AccountOverview(
            standing=await self._standing_from(row),
            used={
                UsageKey(customer_id, Feature(feature), moment_from_stored(start)): units
                for feature, start, units in row["used"] or ()
            },
            balances={
                (Account(account), currency(code)): Money.of(amount, code)
                for account, code, amount in row["balances"] or ()
            },
        )

    async def add(self, subscription: Subscription) -> None:
        row = row_from_subscription(subscription)
        insert = self._statements.insert(subscriptions)
        await self._statements.run(insert, [row], subject=subscription.id)

    async def save(self, subscription: Subscription) -> None:
        await self._statements.save(subscriptions, row_from_subscription(subscription))

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[CustomerId]:
        rows = await take_due(self._statements, subscriptions, now, until=until, limit=limit)
        return [row[subscriptions.c.customer_id] for row in rows]

    async def _standing_from(self, row: RowMapping) -> Standing:
        plans = await self._catalogs.versions([row[subscriptions.c.period_plan_version_id]])
        return Standing(
            customer_from_row(row, self._data_key),
            subscription_from_row(row, plans),
            await self._catalogs.at(row["revision"]),
        )


_standing = select(
    *customer_columns, *subscriptions.c, newest_revision.label("revision")
).join_from(customer, subscriptions)


def _overview_statement() -> Select[Any]:
    u, b, of_customer = usage_counter.c, balance.c, bindparam("of_customer", type_=Words())
    newest = (
        select(u.feature, func.max(u.window_start))
        .where(u.customer_id == of_customer)
        .group_by(u.feature)
    )
    used = (
        select(json_rows(u.feature, u.window_start, u.used))
        .where(u.customer_id == of_customer, tuple_(u.feature, u.window_start).in_(newest))
        .scalar_subquery()
    )
    balances = (
        select(json_rows(b.account, b.currency, b.balance_minor))
        .where(b.customer_id == of_customer, b.seq > 0)
        .scalar_subquery()
    )
    return _standing.add_columns(used.label("used"), balances.label("balances")).where(
        customer.c.id == of_customer
    )


_overview: Final = _overview_statement()


def subscription_from_row(
    row: RowMapping, plans: Mapping[PlanVersionId, PlanVersion]
) -> Subscription:
    c = subscriptions.c
    period = None
    if row[c.period_plan_version_id] is not None:
        period = PaidPeriod(
            plan=plans[row[c.period_plan_version_id]],
            start=row[c.period_start],
            end=row[c.period_end],
            anchor=Anchor(row[c.anchor_at], row[c.anchor_zone]),
            count=row[c.period_count],
            paid=Money.of(row[c.paid_minor], row[c.paid_currency]),
            of_bonus=Money.of(row[c.bonus_minor] or 0, row[c.paid_currency]),
            given=row[c.given_days] or 0,
        )
    renewal = None
    if row[c.renewal_source] is not None:
        renewal = Renewal(
            row[c.renewal_source],
            row[c.renewal_next_at],
            row[c.renewal_grace_until],
            row[c.renewal_purchase_id],
        )
    return Subscription(
        id=row[c.id],
        customer_id=row[c.customer_id],
        period=period,
        status=SubscriptionStatus(row[c.status]),
        renewal=renewal,
        cancel_at_period_end=row[c.cancel_at_period_end],
        activation=Activation(row[c.activation]),
        trialed_at=row[c.trialed_at],
        version=row[c.version],
    )


def row_from_subscription(subscription: Subscription) -> dict[str, Any]:
    period, renewal = subscription.period, subscription.renewal
    return {
        "id": subscription.id,
        "customer_id": subscription.customer_id,
        "status": subscription.status,
        "auto_renew": renewal is not None,
        "renewal_source": None if renewal is None else renewal.source,
        "renewal_next_at": None if renewal is None else renewal.next_at,
        "renewal_grace_until": None if renewal is None else renewal.grace_until,
        "renewal_purchase_id": None if renewal is None else renewal.purchase_id,
        "cancel_at_period_end": subscription.cancel_at_period_end,
        "activation": subscription.activation,
        "period_plan_version_id": None if period is None else period.plan.id,
        "period_start": None if period is None else period.start,
        "period_end": None if period is None else period.end,
        "anchor_at": None if period is None else period.anchor.at,
        "anchor_zone": None if period is None else period.anchor.zone,
        "period_count": None if period is None else period.count,
        "paid_minor": None if period is None else period.paid.amount_minor,
        "bonus_minor": None if period is None else period.of_bonus.amount_minor,
        "given_days": None if period is None else period.given,
        "paid_currency": None if period is None else period.paid.currency.code,
        "trialed_at": subscription.trialed_at,
        "due_at": subscription.due_at,
        "version": subscription.version,
    }
