"""Escrows as rows, both parts of one in the same row."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping, and_, or_, select

from adapters.persistence.sql.due import take_due
from adapters.persistence.sql.money_tables import escrow as escrows
from adapters.persistence.sql.statements import Statements
from core.domain.customer import CustomerId
from core.domain.escrow import Escrow, EscrowNotFound, Part, PartStatus
from core.domain.item import EscrowId, EscrowPart
from core.domain.money import Money


class SqlEscrows:
    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def get(self, escrow_id: EscrowId) -> Escrow:
        return await self._one(escrow_id, select(escrows))

    async def lock(self, escrow_id: EscrowId) -> Escrow:
        return await self._one(escrow_id, select(escrows).with_for_update(key_share=True))

    async def page(
        self, customer_id: CustomerId, *, limit: int, after: EscrowId | None = None
    ) -> list[Escrow]:
        c = escrows.c
        wanted = select(escrows).where(or_(c.payer_id == customer_id, c.payee_id == customer_id))
        if after is not None:
            last = escrows.alias()
            older = or_(
                c.opened_at < last.c.opened_at,
                and_(c.opened_at == last.c.opened_at, c.id < last.c.id),
            )
            wanted = wanted.join(last, last.c.id == after).where(older)
        newest_first = wanted.order_by(c.opened_at.desc(), c.id.desc()).limit(limit)
        return [escrow_from_row(row) for row in await self._statements.all(newest_first)]

    async def add(self, escrow: Escrow) -> None:
        insert = self._statements.insert(escrows)
        await self._statements.run(insert, [row_from_escrow(escrow)], subject=escrow.id)

    async def save(self, escrow: Escrow) -> None:
        await self._statements.save(escrows, row_from_escrow(escrow))

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[EscrowId]:
        rows = await take_due(self._statements, escrows, now, until=until, limit=limit)
        return [row[escrows.c.id] for row in rows]

    async def _one(self, escrow_id: EscrowId, asked: Any) -> Escrow:
        row = await self._statements.first(asked.where(escrows.c.id == escrow_id))
        if row is None:
            raise EscrowNotFound(escrow_id)
        return escrow_from_row(row)


def escrow_from_row(row: RowMapping) -> Escrow:
    c = escrows.c
    down_payment = _part_from_row(row, EscrowPart.DOWN_PAYMENT)
    assert down_payment is not None
    return Escrow(
        id=row[c.id],
        payer_id=row[c.payer_id],
        payee_id=row[c.payee_id],
        title=row[c.title],
        down_payment=down_payment,
        remainder=_part_from_row(row, EscrowPart.REMAINDER),
        fee_basis_points=row[c.fee_basis_points],
        buffer=timedelta(seconds=row[c.buffer_seconds]),
        opened_at=row[c.opened_at],
        version=row[c.version],
    )


def _part_from_row(row: RowMapping, which: EscrowPart) -> Part | None:
    minor, status, releasing_at, ended_at = (
        row[escrows.c[f"{which}_{name}"]]
        for name in ("minor", "status", "releasing_at", "ended_at")
    )
    if minor is None:
        return None
    amount = Money.of(minor, row[escrows.c.currency])
    return Part(amount, PartStatus(status), releasing_at, ended_at)


def row_from_escrow(escrow: Escrow) -> dict[str, Any]:
    return {
        "id": escrow.id,
        "payer_id": escrow.payer_id,
        "payee_id": escrow.payee_id,
        "title": escrow.title,
        "currency": escrow.total.currency.code,
        **_row_from_part(EscrowPart.DOWN_PAYMENT, escrow.down_payment),
        **_row_from_part(EscrowPart.REMAINDER, escrow.remainder),
        "fee_basis_points": escrow.fee_basis_points,
        "buffer_seconds": escrow.buffer // timedelta(seconds=1),
        "opened_at": escrow.opened_at,
        "due_at": escrow.due_at,
        "version": escrow.version,
    }


def _row_from_part(which: EscrowPart, part: Part | None) -> dict[str, Any]:
    return {
        f"{which}_minor": None if part is None else part.amount.amount_minor,
        f"{which}_status": None if part is None else part.status,
        f"{which}_releasing_at": None if part is None else part.releasing_at,
        f"{which}_ended_at": None if part is None else part.ended_at,
    }
