"""Deliveries to the business's own system as rows."""

from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, and_, or_, select

from adapters.persistence.sql.due import forget, take_due
from adapters.persistence.sql.statements import Statements
from adapters.persistence.sql.tables import delivery as deliveries
from core.domain.delivery import Delivery, DeliveryId, DeliveryStatus


class SqlDeliveries:
    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def find(self, delivery_id: DeliveryId) -> Delivery | None:
        wanted = select(deliveries).where(deliveries.c.id == delivery_id)
        row = await self._statements.first(wanted)
        return None if row is None else delivery_from_row(row)

    async def page(
        self, status: DeliveryStatus | None, *, limit: int, after: DeliveryId | None = None
    ) -> list[Delivery]:
        c = deliveries.c
        wanted = select(deliveries)
        if status is not None:
            wanted = wanted.where(c.status == status)
        if after is not None:
            last = deliveries.alias()
            older = or_(
                c.created_at < last.c.created_at,
                and_(c.created_at == last.c.created_at, c.id < last.c.id),
            )
            wanted = wanted.join(last, last.c.id == after).where(older)
        newest_first = wanted.order_by(c.created_at.desc(), c.id.desc())
        rows = await self._statements.all(newest_first.limit(limit))
        return [delivery_from_row(row) for row in rows]

    async def delivered_since(self, at: datetime) -> bool:
        c = deliveries.c
        wanted = select(c.id).where(c.status == DeliveryStatus.DELIVERED, c.ended_at >= at)
        return await self._statements.first(wanted.limit(1)) is not None

    async def add(self, delivery: Delivery) -> None:
        row = row_from_delivery(delivery)
        await self._statements.run(self._statements.insert(deliveries), [row], subject=delivery.id)

    async def save(self, delivery: Delivery) -> None:
        await self._statements.save(deliveries, row_from_delivery(delivery))

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[DeliveryId]:
        rows = await take_due(self._statements, deliveries, now, until=until, limit=limit)
        return [row[deliveries.c.id] for row in rows]

    async def forget(self, before: datetime, *, limit: int) -> int:
        end = deliveries.c.ended_at
        return await forget(self._statements, deliveries, end < before, by=end, limit=limit)


def delivery_from_row(row: RowMapping) -> Delivery:
    c = deliveries.c
    return Delivery(
        id=row[c.id],
        event=row[c.event],
        host=row[c.host],
        body=row[c.body],
        created_at=row[c.created_at],
        status=DeliveryStatus(row[c.status]),
        attempts=row[c.attempts],
        answer=row[c.answer],
        due_at=row[c.due_at],
        ended_at=row[c.ended_at],
        version=row[c.version],
    )


def row_from_delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "event": delivery.event,
        "host": delivery.host,
        "body": delivery.body,
        "created_at": delivery.created_at,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "answer": delivery.answer,
        "due_at": delivery.due_at,
        "ended_at": delivery.ended_at,
        "version": delivery.version,
    }
