"""Purchases as rows."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, and_, or_, select

from adapters.persistence.sql.catalogs import SqlCatalogs
from adapters.persistence.sql.due import take_due
from adapters.persistence.sql.money_tables import purchase as purchases
from adapters.persistence.sql.statements import Statements
from adapters.persistence.sql.terms import json_from_pack_terms, pack_terms_from_json
from core.domain.customer import CustomerId
from core.domain.item import (
    Deposit,
    EscrowPart,
    EscrowShare,
    Item,
    PackItem,
    PlanItem,
    Verification,
)
from core.domain.money import Money
from core.domain.plan import PlanVersion, PlanVersionId
from core.domain.purchase import (
    PAID,
    Meeting,
    Purchase,
    PurchaseId,
    PurchaseNotFound,
    PurchaseStatus,
    Reduction,
    Remark,
)


class SqlPurchases:
    def __init__(self, statements: Statements, catalogs: SqlCatalogs) -> None:
        self._statements = statements
        self._catalogs = catalogs

    async def get(self, purchase_id: PurchaseId) -> Purchase:
        found = await self.find(purchase_id)
        if found is None:
            raise PurchaseNotFound(purchase_id)
        return found

    async def find(self, purchase_id: PurchaseId) -> Purchase | None:
        return await self._one(purchases.c.id == purchase_id)

    async def several(self, purchase_ids: Collection[PurchaseId]) -> list[Purchase]:
        if not purchase_ids:
            return []
        wanted = select(purchases).where(purchases.c.id.in_(purchase_ids))
        return await self._from(await self._statements.all(wanted))

    async def find_pending(
        self, customer_id: CustomerId, item: Item, amount: Money | None
    ) -> Purchase | None:
        c = purchases.c
        same = [
            c.customer_id == customer_id,
            c.item_key == item.key,
            c.status == PurchaseStatus.PENDING,
        ]
        if amount is not None:
            same += [c.amount_minor == amount.amount_minor, c.currency == amount.currency.code]
        return await self._one(*same)

    async def has_paid(self, customer_id: CustomerId) -> bool:
        c = purchases.c
        theirs = select(c.id).where(c.customer_id == customer_id, c.status.in_(PAID)).limit(1)
        return await self._statements.first(theirs) is not None

    async def waiting(self, customer_id: CustomerId) -> list[Purchase]:
        c = purchases.c
        wanted = select(purchases).where(
            c.customer_id == customer_id, c.status == PurchaseStatus.PENDING, c.from_wallet
        )
        return await self._from(await self._statements.all(wanted.order_by(c.created_at, c.id)))

    async def reduced(self, customer_id: CustomerId) -> list[Purchase]:
        c = purchases.c
        wanted = select(purchases).where(
            c.customer_id == customer_id,
            c.status == PurchaseStatus.PENDING,
            c.promo_code.is_not(None),
        )
        return await self._from(await self._statements.all(wanted))

    async def page(
        self, customer_id: CustomerId, *, limit: int, after: PurchaseId | None = None
    ) -> list[Purchase]:
        c = purchases.c
        wanted = select(purchases).where(c.customer_id == customer_id)
        if after is not None:
            last = purchases.alias()
            older = or_(
                c.created_at < last.c.created_at,
                and_(c.created_at == last.c.created_at, c.id < last.c.id),
            )
            wanted = wanted.join(last, last.c.id == after).where(older)
        newest_first = wanted.order_by(c.created_at.desc(), c.id.desc())
        return await self._from(await self._statements.all(newest_first.limit(limit)))

    async def add(self, purchase: Purchase) -> None:
        insert = self._statements.insert(purchases)
        await self._statements.run(insert, [row_from_purchase(purchase)], subject=purchase.id)

    async def save(self, purchase: Purchase) -> None:
        await self._statements.save(purchases, row_from_purchase(purchase))

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[PurchaseId]:
        rows = await take_due(self._statements, purchases, now, until=until, limit=limit)
        return [row[purchases.c.id] for row in rows]

    async def _one(self, *rules: Any) -> Purchase | None:
        found = await self._from(await self._statements.all(select(purchases).where(*rules)))
        return found[0] if found else None

    async def _from(self, rows: Sequence[RowMapping]) -> list[Purchase]:
        plans = await self._catalogs.versions(row[purchases.c.plan_version_id] for row in rows)
        return [purchase_from_row(row, plans) for row in rows]


def purchase_from_row(row: RowMapping, plans: Mapping[PlanVersionId, PlanVersion]) -> Purchase:
    c = purchases.c
    remark = None
    if row[c.remark_code] is not None:
        received = Money.of(row[c.remark_minor], row[c.remark_currency])
        remark = Remark(Meeting(row[c.remark_code]), received)
    return Purchase(
        id=row[c.id],
        customer_id=row[c.customer_id],
        item=_item_from_row(row, plans),
        amount=Money.of(row[c.amount_minor], row[c.currency]),
        created_at=row[c.created_at],
        expires_at=row[c.expires_at],
        status=PurchaseStatus(row[c.status]),
        ended_at=row[c.ended_at],
        remark=remark,
        from_wallet=row[c.from_wallet],
        refunded=money_or_none(row[c.refunded_minor], row[c.currency]),
        reduction=None
        if row[c.promo_code] is None
        else Reduction(row[c.promo_code], Money.of(row[c.full_minor], row[c.currency])),
        version=row[c.version],
    )


def money_or_none(minor: int | None, code: str) -> Money | None:
    return None if minor is None else Money.of(minor, code)


def _item_from_row(row: RowMapping, plans: Mapping[PlanVersionId, PlanVersion]) -> Item:
    c = purchases.c
    match row[c.item]:
        case "plan":
            return PlanItem(plans[row[c.plan_version_id]])
        case "pack":
            return PackItem(pack_terms_from_json(row[c.pack]))
        case "deposit":
            return Deposit()
        case "verification":
            return Verification(row[c.method_id])
        case _:
            return EscrowShare(row[c.escrow_id], EscrowPart(row[c.escrow_part]))


def _row_from_item(item: Item) -> dict[str, Any]:
    row: dict[str, Any] = {
        "item_key": item.key,
        "plan_version_id": None,
        "pack": None,
        "method_id": None,
        "escrow_id": None,
        "escrow_part": None,
    }
    match item:
        case PlanItem(plan):
            return row | {"item": "plan", "plan_version_id": plan.id}
        case PackItem(terms):
            return row | {"item": "pack", "pack": json_from_pack_terms(terms)}
        case Deposit():
            return row | {"item": "deposit"}
        case Verification(method_id):
            return row | {"item": "verification", "method_id": method_id}
        case EscrowShare(escrow_id, part):
            return row | {"item": "escrow", "escrow_id": escrow_id, "escrow_part": part}


def row_from_purchase(purchase: Purchase) -> dict[str, Any]:
    remark, refunded, reduction = purchase.remark, purchase.refunded, purchase.reduction
    return _row_from_item(purchase.item) | {
        "id": purchase.id,
        "customer_id": purchase.customer_id,
        "amount_minor": purchase.amount.amount_minor,
        "currency": purchase.amount.currency.code,
        "created_at": purchase.created_at,
        "expires_at": purchase.expires_at,
        "status": purchase.status,
        "ended_at": purchase.ended_at,
        "remark_code": None if remark is None else remark.code,
        "remark_minor": None if remark is None else remark.received.amount_minor,
        "remark_currency": None if remark is None else remark.received.currency.code,
        "from_wallet": purchase.from_wallet,
        "refunded_minor": None if refunded is None else refunded.amount_minor,
        "promo_code": None if reduction is None else reduction.code,
        "full_minor": None if reduction is None else reduction.full.amount_minor,
        "due_at": purchase.due_at,
        "version": purchase.version,
    }
