"""Rows found by time: those that are due, leased to whoever takes them; old ones, forgotten."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnExpressionArgument,
    RowMapping,
    Table,
    delete,
    select,
    tuple_,
    update,
)

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


async def forget(
    statements: Statements,
    table: Table,
    *old: ColumnExpressionArgument[bool],
    by: Column[Any],
    limit: int,
) -> int:
    """Drop up to `limit` rows that are old in every way that is told, the first by `by`; how many."""
    # Apart, so that it is asked once: PostgreSQL may ask a sub-select again for every row, and
    # passes over what it locked before, to rows beyond the limit.
    key = list(table.primary_key)
    first = select(*key).where(*old).order_by(by).limit(limit).with_for_update(skip_locked=True)
    gone = delete(table).where(tuple_(*key).in_(select(*first.cte("first").c)))
    return len(await statements.all(gone.returning(*key)))
