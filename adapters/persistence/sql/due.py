"""Work found by time: rows whose `due_at` has come, leased to whoever takes them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import RowMapping, Table, select, update

from adapters.persistence.sql.statements import Statements


async def take_due(
    statements: Statements, table: Table, now: datetime, *, until: datetime, limit: int
) -> Sequence[RowMapping]:
    """Up to `limit` rows, the oldest first, as they were before their lease to `until`."""
    due = table.c.due_at
    rows = await statements.all(
        select(table)
        .where(due <= now)
        .order_by(due, table.c.id)
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True)
    )
    if rows:
        ids = [row[table.c.id] for row in rows]
        await statements.run(update(table).where(table.c.id.in_(ids)).values(due_at=until))
    return rows
