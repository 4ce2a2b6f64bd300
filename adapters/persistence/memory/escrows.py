"""The memory store's escrows."""

from datetime import datetime

from adapters.persistence.memory.repositories import Dated
from core.domain.customer import CustomerId
from core.domain.escrow import Escrow, EscrowNotFound
from core.domain.item import EscrowId


class MemoryEscrows(Dated):
    async def get(self, escrow_id: EscrowId) -> Escrow:
        await self._unit.called()
        escrow = self._unit.get(self._tables.escrows, escrow_id)
        if escrow is None:
            raise EscrowNotFound(escrow_id)
        return escrow

    async def lock(self, escrow_id: EscrowId) -> Escrow:
        await self.get(escrow_id)
        escrow = await self._unit.lock(self._tables.escrows, escrow_id)
        assert escrow is not None, "escrows are never deleted"
        return escrow

    async def page(
        self, customer_id: CustomerId, *, limit: int, after: EscrowId | None = None
    ) -> list[Escrow]:
        await self._unit.called()
        found = self._unit.find(self._tables.escrows, "customer", customer_id)
        newest = sorted(((it.opened_at, id_, it) for id_, it in found), reverse=True)
        ids = [id_ for _, id_, _ in newest]
        start = 0 if after is None else ids.index(after) + 1
        return [it for _, _, it in newest[start : start + limit]]

    async def add(self, escrow: Escrow) -> None:
        await self._unit.called()
        await self._unit.add(self._tables.escrows, escrow.id, escrow)
        await self._put_due(self._tables.escrows, escrow.id, escrow.due_at)

    async def save(self, escrow: Escrow) -> None:
        await self._unit.called()
        await self._unit.save(self._tables.escrows, escrow.id, escrow)
        await self._put_due(self._tables.escrows, escrow.id, escrow.due_at)

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[EscrowId]:
        return await self._take_due(self._tables.escrows, now, until, limit)
