"""The memory store's access, one state for each customer who was ever to have any."""

from datetime import datetime

from adapters.persistence.memory.repositories import Dated
from core.domain.access import AccessState
from core.domain.customer import CustomerId


class MemoryAccess(Dated):
    async def find(self, customer_id: CustomerId) -> AccessState | None:
        await self._unit.called()
        return self._unit.get(self._tables.access, customer_id)

    async def add(self, state: AccessState) -> None:
        await self._unit.called()
        await self._unit.add(self._tables.access, state.customer_id, state)
        await self._put_due(self._tables.access, state.customer_id, state.due_at)

    async def save(self, state: AccessState) -> None:
        await self._unit.called()
        await self._unit.save(self._tables.access, state.customer_id, state)
        await self._put_due(self._tables.access, state.customer_id, state.due_at)

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[CustomerId]:
        return await self._take_due(self._tables.access, now, until, limit)
