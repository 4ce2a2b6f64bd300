"""Charges and refunds as rows. The contact of a receipt is sealed."""

from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, select

from adapters.persistence.sql.checkouts import receipt_from_row, row_from_receipt
from adapters.persistence.sql.data_key import DataKey
from adapters.persistence.sql.due import take_due
from adapters.persistence.sql.money_tables import charge as charges
from adapters.persistence.sql.money_tables import refund as refunds
from adapters.persistence.sql.purchases import money_or_none
from adapters.persistence.sql.statements import Statements
from core.domain.charge import Charge, ChargeKey
from core.domain.money import Money
from core.domain.payment import PaymentId
from core.domain.plan import GatewayName
from core.domain.purchase import PurchaseId
from core.domain.refund import OurRefundId, Refund, RefundNotFound, RefundStatus


class SqlCharges:
    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def find(self, key: ChargeKey) -> Charge | None:
        c = charges.c
        found = await self._all(c.gateway == key.gateway, c.charge_id == key.charge_id)
        return found[0] if found else None

    async def of_purchase(self, purchase_id: PurchaseId) -> list[Charge]:
        return await self._all(charges.c.purchase_id == purchase_id)

    async def of_payment(self, gateway: GatewayName, payment_id: PaymentId) -> list[Charge]:
        return await self._all(charges.c.gateway == gateway, charges.c.payment_id == payment_id)

    async def since(
        self, gateway: GatewayName, since: datetime, *, limit: int, after: str = ""
    ) -> list[Charge]:
        """Along the key, so that all pages together pass over a gateway's charges once."""
        c = charges.c
        rules = (c.gateway == gateway, c.charge_id > after, c.charged_at >= since)
        page = select(charges).where(*rules).order_by(c.charge_id).limit(limit)
        return [charge_from_row(row) for row in await self._statements.all(page)]

    async def add(self, charge: Charge) -> None:
        row = row_from_charge(charge)
        insert = self._statements.insert(charges)
        await self._statements.run(insert, [row], subject=charge.key.charge_id)

    async def save(self, charge: Charge) -> None:
        key = ("gateway", "charge_id")
        await self._statements.save(charges, row_from_charge(charge), key=key)

    async def _all(self, *rules: Any) -> list[Charge]:
        c = charges.c
        ordered = select(charges).where(*rules).order_by(c.charged_at, c.gateway, c.charge_id)
        return [charge_from_row(row) for row in await self._statements.all(ordered)]


class SqlRefunds:
    def __init__(self, statements: Statements, data_key: DataKey) -> None:
        self._statements = statements
        self._data_key = data_key

    async def get(self, refund_id: OurRefundId) -> Refund:
        found = await self._all(refunds.c.id == refund_id)
        if not found:
            raise RefundNotFound(refund_id)
        return found[0]

    async def of_purchase(self, purchase_id: PurchaseId) -> list[Refund]:
        return await self._all(refunds.c.purchase_id == purchase_id)

    async def of_payment(self, gateway: GatewayName, payment_id: PaymentId) -> list[Refund]:
        return await self._all(refunds.c.gateway == gateway, refunds.c.payment_id == payment_id)

    async def since(
        self, gateway: GatewayName, since: datetime, *, limit: int, after: str = ""
    ) -> list[Refund]:
        """As that of charges."""
        c = refunds.c
        rules = (c.gateway == gateway, c.id > after, c.asked_at >= since)
        page = select(refunds).where(*rules).order_by(c.id).limit(limit)
        return [refund_from_row(row, self._data_key) for row in await self._statements.all(page)]

    async def add(self, refund: Refund) -> None:
        row = row_from_refund(refund, self._data_key)
        await self._statements.run(self._statements.insert(refunds), [row], subject=refund.id)

    async def save(self, refund: Refund) -> None:
        await self._statements.save(refunds, row_from_refund(refund, self._data_key))

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[OurRefundId]:
        rows = await take_due(self._statements, refunds, now, until=until, limit=limit)
        return [row[refunds.c.id] for row in rows]

    async def _all(self, *rules: Any) -> list[Refund]:
        ordered = select(refunds).where(*rules).order_by(refunds.c.asked_at, refunds.c.id)
        return [refund_from_row(row, self._data_key) for row in await self._statements.all(ordered)]


def charge_from_row(row: RowMapping) -> Charge:
    c = charges.c
    code = row[c.currency]
    return Charge(
        key=ChargeKey(row[c.gateway], row[c.charge_id]),
        payment_id=row[c.payment_id],
        amount=Money.of(row[c.amount_minor], code),
        charged_at=row[c.charged_at],
        settled=row[c.settled],
        customer_id=row[c.customer_id],
        purchase_id=row[c.purchase_id],
        fee=money_or_none(row[c.fee_minor], code),
        returning=money_or_none(row[c.returning_minor], code),
        details=row[c.details],
        version=row[c.version],
    )


def row_from_charge(charge: Charge) -> dict[str, Any]:
    fee, returning = charge.fee, charge.returning
    return {
        "gateway": charge.key.gateway,
        "charge_id": charge.key.charge_id,
        "payment_id": charge.payment_id,
        "customer_id": charge.customer_id,
        "purchase_id": charge.purchase_id,
        "amount_minor": charge.amount.amount_minor,
        "currency": charge.amount.currency.code,
        "fee_minor": None if fee is None else fee.amount_minor,
        "returning_minor": None if returning is None else returning.amount_minor,
        "settled": charge.settled,
        "charged_at": charge.charged_at,
        "details": dict(charge.details),
        "version": charge.version,
    }


def refund_from_row(row: RowMapping, data_key: DataKey) -> Refund:
    c = refunds.c
    code = row[c.currency]
    return Refund(
        id=row[c.id],
        purchase_id=row[c.purchase_id],
        customer_id=row[c.customer_id],
        gateway=row[c.gateway],
        payment_id=row[c.payment_id],
        charge_id=row[c.charge_id],
        amount=Money.of(row[c.amount_minor], code),
        paid=Money.of(row[c.paid_minor], code),
        reason=row[c.reason],
        asked_at=row[c.asked_at],
        receipt=receipt_from_row(row, refunds, data_key),
        status=RefundStatus(row[c.status]),
        provider_id=row[c.provider_id],
        is_chargeback=row[c.is_chargeback],
        ended_at=row[c.ended_at],
        looked=row[c.looked],
        due_at=row[c.due_at],
        version=row[c.version],
    )


def row_from_refund(refund: Refund, data_key: DataKey) -> dict[str, Any]:
    return {
        "id": refund.id,
        "purchase_id": refund.purchase_id,
        "customer_id": refund.customer_id,
        "gateway": refund.gateway,
        "payment_id": refund.payment_id,
        "charge_id": refund.charge_id,
        "amount_minor": refund.amount.amount_minor,
        "paid_minor": refund.paid.amount_minor,
        "currency": refund.amount.currency.code,
        "reason": refund.reason,
        "asked_at": refund.asked_at,
        **row_from_receipt(refund.receipt, data_key),
        "status": refund.status,
        "provider_id": refund.provider_id,
        "is_chargeback": refund.is_chargeback,
        "ended_at": refund.ended_at,
        "looked": refund.looked,
        "due_at": refund.due_at,
        "version": refund.version,
    }
