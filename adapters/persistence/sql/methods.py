"""Payment methods and withdrawals as rows. Accounts, billing data and tokens are sealed."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, and_, func, or_, select

from adapters.persistence.sql.data_key import DataKey
from adapters.persistence.sql.due import take_due
from adapters.persistence.sql.money_tables import payment_method as methods
from adapters.persistence.sql.money_tables import withdrawal as withdrawals
from adapters.persistence.sql.money_tables import withdrawal_is_open
from adapters.persistence.sql.statements import Statements
from core.domain.customer import CustomerId
from core.domain.item import PaymentMethodId
from core.domain.money import Currency, Money
from core.domain.payment import PayoutId
from core.domain.payment_method import (
    Billing,
    MethodStatus,
    PaymentMethod,
    PaymentMethodNotFound,
)
from core.domain.payout import PayoutAccount
from core.domain.plan import GatewayName
from core.domain.withdrawal import (
    Withdrawal,
    WithdrawalId,
    WithdrawalNotFound,
    WithdrawalStatus,
)


class SqlMethods:
    def __init__(self, statements: Statements, data_key: DataKey) -> None:
        self._statements = statements
        self._data_key = data_key

    async def get(self, method_id: PaymentMethodId) -> PaymentMethod:
        found = await self._all(methods.c.id == method_id)
        if not found:
            raise PaymentMethodNotFound(method_id)
        return found[0]

    async def of_customer(self, customer_id: CustomerId) -> list[PaymentMethod]:
        return await self._all(methods.c.customer_id == customer_id)

    async def add(self, method: PaymentMethod) -> None:
        row = row_from_method(method, self._data_key)
        await self._statements.run(self._statements.insert(methods), [row], subject=method.id)

    async def save(self, method: PaymentMethod) -> None:
        await self._statements.save(methods, row_from_method(method, self._data_key))

    async def take_due(
        self, now: datetime, *, until: datetime, limit: int
    ) -> list[PaymentMethodId]:
        rows = await take_due(self._statements, methods, now, until=until, limit=limit)
        return [row[methods.c.id] for row in rows]

    async def _all(self, *rules: Any) -> list[PaymentMethod]:
        ordered = select(methods).where(*rules).order_by(methods.c.created_at, methods.c.id)
        return [method_from_row(row, self._data_key) for row in await self._statements.all(ordered)]


class SqlWithdrawals:
    def __init__(self, statements: Statements, data_key: DataKey) -> None:
        self._statements = statements
        self._data_key = data_key

    async def get(self, withdrawal_id: WithdrawalId) -> Withdrawal:
        found = await self._all(select(withdrawals).where(withdrawals.c.id == withdrawal_id))
        if not found:
            raise WithdrawalNotFound(withdrawal_id)
        return found[0]

    async def find_by_payout(self, gateway: GatewayName, payout_id: PayoutId) -> Withdrawal | None:
        c = withdrawals.c
        wanted = select(withdrawals).where(c.gateway == gateway, c.payout_id == payout_id)
        found = await self._all(wanted)
        return found[0] if found else None

    async def page(
        self, customer_id: CustomerId, *, limit: int, after: WithdrawalId | None = None
    ) -> list[Withdrawal]:
        c = withdrawals.c
        wanted = select(withdrawals).where(c.customer_id == customer_id)
        if after is not None:
            last = withdrawals.alias()
            older = or_(
                c.requested_at < last.c.requested_at,
                and_(c.requested_at == last.c.requested_at, c.id < last.c.id),
            )
            wanted = wanted.join(last, last.c.id == after).where(older)
        return await self._all(wanted.order_by(c.requested_at.desc(), c.id.desc()).limit(limit))

    async def waiting(self, *, limit: int, after: WithdrawalId | None = None) -> list[Withdrawal]:
        c = withdrawals.c
        wanted = select(withdrawals).where(withdrawal_is_open, c.due_at.is_(None))
        if after is not None:
            last = await self.get(after)
            at = last.requested_at
            wanted = wanted.where(
                or_(c.requested_at > at, and_(c.requested_at == at, c.id > after))
            )
        return await self._all(wanted.order_by(c.requested_at, c.id).limit(limit))

    async def since(
        self, gateway: GatewayName, since: datetime, *, limit: int, after: str = ""
    ) -> list[Withdrawal]:
        """As `SqlCharges.since`."""
        c = withdrawals.c
        rules = (c.gateway == gateway, c.id > after, c.requested_at >= since)
        return await self._all(select(withdrawals).where(*rules).order_by(c.id).limit(limit))

    async def asked_since(
        self, since: datetime, currency: Currency, customer_id: CustomerId | None = None
    ) -> Money:
        c = withdrawals.c
        wanted = select(func.coalesce(func.sum(c.amount_minor), 0).label("total")).where(
            c.currency == currency.code,
            c.requested_at > since,
            c.status != WithdrawalStatus.FAILED,
        )
        if customer_id is not None:
            wanted = wanted.where(c.customer_id == customer_id)
        row = await self._statements.first(wanted)
        assert row is not None
        return Money(int(row["total"]), currency)

    async def add(self, withdrawal: Withdrawal) -> None:
        row = row_from_withdrawal(withdrawal, self._data_key)
        insert = self._statements.insert(withdrawals)
        await self._statements.run(insert, [row], subject=withdrawal.id)

    async def save(self, withdrawal: Withdrawal) -> None:
        await self._statements.save(withdrawals, row_from_withdrawal(withdrawal, self._data_key))

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[WithdrawalId]:
        rows = await take_due(self._statements, withdrawals, now, until=until, limit=limit)
        return [row[withdrawals.c.id] for row in rows]

    async def _all(self, wanted: Any) -> list[Withdrawal]:
        rows = await self._statements.all(wanted)
        return [withdrawal_from_row(row, self._data_key) for row in rows]


def _sealed(thing: PayoutAccount | Billing, data_key: DataKey) -> str:
    return data_key.seal(json.dumps(asdict(thing)))


def method_from_row(row: RowMapping, data_key: DataKey) -> PaymentMethod:
    c = methods.c
    token = row[c.token]
    return PaymentMethod(
        id=row[c.id],
        customer_id=row[c.customer_id],
        gateway=row[c.gateway],
        account=PayoutAccount(**json.loads(data_key.open(row[c.account]))),
        billing=Billing(**json.loads(data_key.open(row[c.billing]))),
        created_at=row[c.created_at],
        status=MethodStatus(row[c.status]),
        token=None if token is None else data_key.open(token),
        ended_at=row[c.ended_at],
        version=row[c.version],
    )


def row_from_method(method: PaymentMethod, data_key: DataKey) -> dict[str, Any]:
    return {
        "id": method.id,
        "customer_id": method.customer_id,
        "gateway": method.gateway,
        "kind": method.account.kind,
        "account": _sealed(method.account, data_key),
        "billing": _sealed(method.billing, data_key),
        "token": None if method.token is None else data_key.seal(method.token),
        "created_at": method.created_at,
        "status": method.status,
        "ended_at": method.ended_at,
        "due_at": method.due_at,
        "version": method.version,
    }


def withdrawal_from_row(row: RowMapping, data_key: DataKey) -> Withdrawal:
    c = withdrawals.c
    return Withdrawal(
        id=row[c.id],
        customer_id=row[c.customer_id],
        method_id=row[c.method_id],
        gateway=row[c.gateway],
        account=PayoutAccount(**json.loads(data_key.open(row[c.account]))),
        amount=Money.of(row[c.amount_minor], row[c.currency]),
        requested_at=row[c.requested_at],
        status=WithdrawalStatus(row[c.status]),
        payout_id=row[c.payout_id],
        reason=row[c.reason],
        ended_at=row[c.ended_at],
        looked=row[c.looked],
        due_at=row[c.due_at],
        version=row[c.version],
    )


def row_from_withdrawal(withdrawal: Withdrawal, data_key: DataKey) -> dict[str, Any]:
    return {
        "id": withdrawal.id,
        "customer_id": withdrawal.customer_id,
        "method_id": withdrawal.method_id,
        "gateway": withdrawal.gateway,
        "kind": withdrawal.account.kind,
        "account": _sealed(withdrawal.account, data_key),
        "amount_minor": withdrawal.amount.amount_minor,
        "currency": withdrawal.amount.currency.code,
        "requested_at": withdrawal.requested_at,
        "status": withdrawal.status,
        "payout_id": withdrawal.payout_id,
        "reason": withdrawal.reason,
        "ended_at": withdrawal.ended_at,
        "looked": withdrawal.looked,
        "due_at": withdrawal.due_at,
        "version": withdrawal.version,
    }
