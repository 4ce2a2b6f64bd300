"""The memory store's switches: those that somebody has turned."""

from adapters.persistence.memory.repositories import Repository
from core.domain.switch import Switch


class MemorySwitches(Repository):
    async def turned(self) -> list[Switch]:
        await self._unit.called()
        return [switch for _, switch in sorted(self._unit.all(self._tables.switches))]

    async def off(self) -> frozenset[str]:
        return frozenset(one.name for one in await self.turned() if not one.is_on)

    async def put(self, switch: Switch) -> None:
        await self._unit.called()
        await self._unit.put(self._tables.switches, switch.name, switch)
