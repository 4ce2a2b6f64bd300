"""Access outside as rows. A link lets in whoever has it, so it is sealed."""

from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, select

from adapters.persistence.sql.data_key import DataKey
from adapters.persistence.sql.due import take_due
from adapters.persistence.sql.statements import Statements
from adapters.persistence.sql.tables import access
from core.domain.access import Access, AccessState
from core.domain.customer import CustomerId


class SqlAccess:
    def __init__(self, statements: Statements, data_key: DataKey) -> None:
        self._statements = statements
        self._data_key = data_key

    async def find(self, customer_id: CustomerId) -> AccessState | None:
        row = await self._statements.first(select(access).where(access.c.id == customer_id))
        return None if row is None else state_from_row(row, self._data_key)

    async def add(self, state: AccessState) -> None:
        row = row_from_state(state, self._data_key)
        await self._statements.run(
            self._statements.insert(access), [row], subject=state.customer_id
        )

    async def save(self, state: AccessState) -> None:
        await self._statements.save(access, row_from_state(state, self._data_key))

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[CustomerId]:
        rows = await take_due(self._statements, access, now, until=until, limit=limit)
        return [row[access.c.id] for row in rows]


def state_from_row(row: RowMapping, data_key: DataKey) -> AccessState:
    c = access.c
    return AccessState(
        customer_id=row[c.id],
        made=Access(tuple(row[c.grants]), row[c.until]),
        link=None if row[c.link] is None else data_key.open(row[c.link]),
        waiting_since=row[c.waiting_since],
        tries=row[c.tries],
        due_at=row[c.due_at],
        version=row[c.version],
    )


def row_from_state(state: AccessState, data_key: DataKey) -> dict[str, Any]:
    return {
        "id": state.customer_id,
        "grants": state.made.grants,
        "until": state.made.until,
        "link": None if state.link is None else data_key.seal(state.link),
        "waiting_since": state.waiting_since,
        "tries": state.tries,
        "due_at": state.due_at,
        "version": state.version,
    }
