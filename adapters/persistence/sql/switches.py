"""Switches as rows: those that somebody has turned."""

from sqlalchemy import select

from adapters.persistence.sql.statements import Statements
from adapters.persistence.sql.tables import switch as switches
from core.domain.switch import Switch


class SqlSwitches:
    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def turned(self) -> list[Switch]:
        c = switches.c
        rows = await self._statements.all(select(switches).order_by(c.name))
        return [Switch(row[c.name], row[c.is_on], row[c.changed_at], row[c.by]) for row in rows]

    async def off(self) -> frozenset[str]:
        return frozenset(one.name for one in await self.turned() if not one.is_on)

    async def put(self, switch: Switch) -> None:
        row = {
            "name": switch.name,
            "is_on": switch.is_on,
            "changed_at": switch.changed_at,
            "by": switch.by,
        }
        upsert = self._statements.insert(switches).values(row)
        await self._statements.run(
            upsert.on_conflict_do_update(index_elements=["name"], set_=row), subject=switch.name
        )
