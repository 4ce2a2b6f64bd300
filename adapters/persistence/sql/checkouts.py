"""Checkouts as rows. The contact of a receipt is sealed; its other terms are JSON."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Table, select

from adapters.persistence.sql.data_key import DataKey
from adapters.persistence.sql.due import take_due
from adapters.persistence.sql.money_tables import checkout as checkouts
from adapters.persistence.sql.statements import Statements
from core.domain.checkout import (
    Checkout,
    CheckoutId,
    CheckoutNotFound,
    CheckoutStatus,
    Receipt,
)
from core.domain.money import Money
from core.domain.payment import OpenedCheckout, PaymentId
from core.domain.plan import GatewayName, ReceiptRule
from core.domain.purchase import PurchaseId


class SqlCheckouts:
    def __init__(self, statements: Statements, data_key: DataKey) -> None:
        self._statements = statements
        self._data_key = data_key

    async def get(self, checkout_id: CheckoutId) -> Checkout:
        found = await self.find(checkout_id)
        if found is None:
            raise CheckoutNotFound(checkout_id)
        return found

    async def find(self, checkout_id: CheckoutId) -> Checkout | None:
        return await self._one(checkouts.c.id == checkout_id)

    async def find_by_payment(self, gateway: GatewayName, payment_id: PaymentId) -> Checkout | None:
        return await self._one(checkouts.c.gateway == gateway, checkouts.c.payment_id == payment_id)

    async def of_purchases(self, purchase_ids: Collection[PurchaseId]) -> list[Checkout]:
        rows = await self._statements.all(
            select(checkouts)
            .where(checkouts.c.purchase_id.in_(sorted(purchase_ids)))
            .order_by(checkouts.c.asked_at, checkouts.c.id)
        )
        return [checkout_from_row(row, self._data_key) for row in rows]

    async def add(self, checkout: Checkout) -> None:
        row = row_from_checkout(checkout, self._data_key)
        insert = self._statements.insert(checkouts)
        await self._statements.run(insert, [row], subject=checkout.id)

    async def save(self, checkout: Checkout) -> None:
        await self._statements.save(checkouts, row_from_checkout(checkout, self._data_key))

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[CheckoutId]:
        rows = await take_due(self._statements, checkouts, now, until=until, limit=limit)
        return [row[checkouts.c.id] for row in rows]

    async def _one(self, *rules: Any) -> Checkout | None:
        row = await self._statements.first(select(checkouts).where(*rules))
        return None if row is None else checkout_from_row(row, self._data_key)


def checkout_from_row(row: RowMapping, data_key: DataKey) -> Checkout:
    c = checkouts.c
    opened = None
    if row[c.payment_id] is not None:
        opened = OpenedCheckout(
            row[c.payment_id], row[c.confirmation_url], row[c.opened_expires_at]
        )
    return Checkout(
        id=row[c.id],
        purchase_id=row[c.purchase_id],
        customer_id=row[c.customer_id],
        gateway=row[c.gateway],
        amount=Money.of(row[c.amount_minor], row[c.currency]),
        description=row[c.description],
        return_url=row[c.return_url],
        language=row[c.language],
        receipt=receipt_from_row(row, checkouts, data_key),
        asked_at=row[c.asked_at],
        saves_method=bool(row[c.saves_method]),
        method_id=row[c.method_id],
        status=CheckoutStatus(row[c.status]),
        opened=opened,
        looked=row[c.looked],
        due_at=row[c.due_at],
        version=row[c.version],
    )


def receipt_from_row(row: RowMapping, of_table: Table, data_key: DataKey) -> Receipt | None:
    contact, terms = row[of_table.c.receipt_contact], row[of_table.c.receipt_terms]
    if contact is None:
        return None
    return Receipt(data_key.open(contact), terms["title"], ReceiptRule(**terms["rule"]))


def row_from_receipt(receipt: Receipt | None, data_key: DataKey) -> dict[str, Any]:
    if receipt is None:
        return {"receipt_contact": None, "receipt_terms": None}
    terms = {"title": receipt.title, "rule": asdict(receipt.rule)}
    return {"receipt_contact": data_key.seal(receipt.contact), "receipt_terms": terms}


def row_from_checkout(checkout: Checkout, data_key: DataKey) -> dict[str, Any]:
    opened = checkout.opened
    return {
        "id": checkout.id,
        "purchase_id": checkout.purchase_id,
        "customer_id": checkout.customer_id,
        "gateway": checkout.gateway,
        "amount_minor": checkout.amount.amount_minor,
        "currency": checkout.amount.currency.code,
        "description": checkout.description,
        "return_url": checkout.return_url,
        "language": checkout.language,
        **row_from_receipt(checkout.receipt, data_key),
        "asked_at": checkout.asked_at,
        "saves_method": checkout.saves_method,
        "method_id": checkout.method_id,
        "status": checkout.status,
        "payment_id": checkout.payment_id,
        "confirmation_url": None if opened is None else opened.confirmation_url,
        "opened_expires_at": None if opened is None else opened.expires_at,
        "looked": checkout.looked,
        "due_at": checkout.due_at,
        "version": checkout.version,
    }
