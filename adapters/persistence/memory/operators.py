"""The memory store's operators: who has a role, and what each has begun."""

from adapters.persistence.memory.repositories import Repository
from core.domain.customer import Identity
from core.domain.operator import Draft, Operator


class MemoryOperators(Repository):
    async def find(self, identity: Identity) -> Operator | None:
        await self._unit.called()
        return self._unit.get(self._tables.operators, identity)

    async def everybody(self) -> list[Operator]:
        await self._unit.called()
        return [operator for _, operator in sorted(self._unit.all(self._tables.operators))]

    async def draft(self, operator: Identity) -> Draft | None:
        await self._unit.called()
        return self._unit.get(self._tables.drafts, operator)

    async def put(self, operator: Operator) -> None:
        await self._unit.called()
        await self._unit.put(self._tables.operators, operator.identity, operator)

    async def remove(self, identity: Identity) -> bool:
        await self._unit.called()
        known = await self._unit.lock(self._tables.operators, identity)
        await self._unit.put(self._tables.operators, identity, None)
        return known is not None

    async def put_draft(self, draft: Draft) -> None:
        await self._unit.called()
        await self._unit.put(self._tables.drafts, draft.operator, draft)
