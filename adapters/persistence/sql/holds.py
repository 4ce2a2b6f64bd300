"""Holds of usage as rows, each under the counter that its units came from."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, select

from adapters.persistence.sql.due import forget, take_due
from adapters.persistence.sql.statements import Statements
from adapters.persistence.sql.tables import usage_hold as holds
from core.domain.usage_quota import (
    RECEIPT_LIFE,
    HoldId,
    HoldStatus,
    UsageHold,
    UsageHoldNotFound,
    UsageKey,
)


class SqlHolds:
    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def get(self, hold_id: HoldId) -> UsageHold:
        row = await self._statements.first(select(holds).where(holds.c.id == hold_id))
        if row is None:
            raise UsageHoldNotFound(hold_id)
        return hold_from_row(row)

    async def add(self, new: Sequence[UsageHold]) -> None:
        await self._statements.add_all(holds, list(map(row_from_hold, new)), key="id")

    async def save(self, hold: UsageHold) -> None:
        await self._statements.save(holds, row_from_hold(hold))

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[HoldId]:
        rows = await take_due(self._statements, holds, now, until=until, limit=limit)
        return [row[holds.c.id] for row in rows]

    async def forget(self, now: datetime, *, limit: int) -> int:
        c = holds.c
        over = (c.due_at.is_(None), c.resets_at <= now - RECEIPT_LIFE)
        return await forget(self._statements, holds, *over, by=c.resets_at, limit=limit)


def row_from_hold(hold: UsageHold) -> dict[str, Any]:
    return {
        "id": hold.id,
        "customer_id": hold.key.customer_id,
        "feature": hold.key.feature,
        "window_start": hold.key.window_start,
        "units": hold.units,
        "quota": hold.limit,
        "resets_at": hold.resets_at,
        "held_at": hold.held_at,
        "expires_at": hold.expires_at,
        "status": hold.status,
        "captured": hold.captured,
        "of_packs": hold.of_packs or None,
        "ended_at": hold.ended_at,
        "due_at": hold.due_at,
        "version": hold.version,
    }


def hold_from_row(row: RowMapping) -> UsageHold:
    c = holds.c
    return UsageHold(
        id=row[c.id],
        key=UsageKey(row[c.customer_id], row[c.feature], row[c.window_start]),
        units=row[c.units],
        limit=row[c.quota],
        resets_at=row[c.resets_at],
        held_at=row[c.held_at],
        expires_at=row[c.expires_at],
        status=HoldStatus(row[c.status]),
        captured=row[c.captured],
        ended_at=row[c.ended_at],
        of_packs=row[c.of_packs] or 0,
        version=row[c.version],
    )
