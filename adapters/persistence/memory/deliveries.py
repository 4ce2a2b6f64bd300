"""The memory store's deliveries to the business's own system."""

from datetime import datetime

from adapters.persistence.memory.repositories import Dated
from core.domain.delivery import Delivery, DeliveryId, DeliveryStatus


class MemoryDeliveries(Dated):
    async def find(self, delivery_id: DeliveryId) -> Delivery | None:
        await self._unit.called()
        return self._unit.get(self._tables.deliveries, delivery_id)

    async def page(
        self, status: DeliveryStatus | None, *, limit: int, after: DeliveryId | None = None
    ) -> list[Delivery]:
        await self._unit.called()
        found = [it for _, it in self._unit.all(self._tables.deliveries)]
        if after is not None:
            last = self._unit.get(self._tables.deliveries, after)
            found = [it for it in found if last is not None and _place(it) < _place(last)]
        wanted = [it for it in found if status in {None, it.status}]
        return sorted(wanted, key=_place, reverse=True)[:limit]

    async def delivered_since(self, at: datetime) -> bool:
        await self._unit.called()
        return any(
            it.status is DeliveryStatus.DELIVERED and it.ended_at is not None and it.ended_at >= at
            for _, it in self._unit.all(self._tables.deliveries)
        )

    async def add(self, delivery: Delivery) -> None:
        await self._unit.called()
        await self._unit.add(self._tables.deliveries, delivery.id, delivery)
        await self._put_due(self._tables.deliveries, delivery.id, delivery.due_at)

    async def save(self, delivery: Delivery) -> None:
        await self._unit.called()
        await self._unit.save(self._tables.deliveries, delivery.id, delivery)
        await self._put_due(self._tables.deliveries, delivery.id, delivery.due_at)

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[DeliveryId]:
        return await self._take_due(self._tables.deliveries, now, until, limit)

    async def forget(self, before: datetime, *, limit: int) -> int:
        await self._unit.called()
        old = [
            id_
            for id_, it in self._unit.all(self._tables.deliveries)
            if it.ended_at is not None and it.ended_at < before
        ]
        for id_ in old[:limit]:
            await self._unit.put(self._tables.deliveries, id_, None)
        return len(old[:limit])


def _place(delivery: Delivery) -> tuple[datetime, str]:
    return delivery.created_at, delivery.id
