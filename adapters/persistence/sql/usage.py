"""Usage counters and receipts as rows, many at a time."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, literal, or_, select, tuple_, update

from adapters.persistence.sql.due import forget
from adapters.persistence.sql.statements import Statements
from adapters.persistence.sql.tables import usage_counter as counters
from adapters.persistence.sql.tables import usage_receipt as receipts
from core.domain.customer import CustomerId
from core.domain.usage_quota import (
    PACKS,
    HoldTicket,
    QuotaDecision,
    UsageKey,
    UsageQuota,
    UsageReceipt,
)

_key = list(counters.primary_key)
_receipt_key = list(receipts.primary_key)


class SqlUsage:
    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def used(self, keys: Collection[UsageKey]) -> Mapping[UsageKey, int]:
        given = self._statements.given(_key, map(_values, keys))
        return _counted(
            await self._statements.all(select(counters).where(tuple_(*_key).in_(select(*given.c))))
        )

    async def lock(self, keys: Collection[UsageKey]) -> Mapping[UsageKey, int]:
        """
        One statement makes, locks and reads, row by row in the order of the keys, so that two
        units wait for each other one way only. Writing a row as it is locks it. Most customers
        have no packs: their counters are not made, and what is not there is not locked.
        """
        given = self._statements.given(_key, map(_values, sorted(keys)))
        there = select(literal(1)).where(*(c == given.c[c.name] for c in _key)).exists()
        made = self._statements.insert(counters).from_select(
            [*(c.name for c in _key), "used"],
            select(*given.c, literal(0))
            .where(or_(given.c.window_start != PACKS, there))
            .order_by(*given.c),
        )
        held = made.on_conflict_do_update(index_elements=_key, set_={"used": counters.c.used})
        return _counted(await self._statements.all(held.returning(*counters.c)))

    async def receipts(
        self, requests: Collection[tuple[CustomerId, str]]
    ) -> Mapping[tuple[CustomerId, str], UsageReceipt]:
        given = self._statements.given(_receipt_key, requests)
        rows = await self._statements.all(
            select(receipts).where(tuple_(*_receipt_key).in_(select(*given.c)))
        )
        found = (receipt_from_row(row) for row in rows)
        return {(receipt.customer_id, receipt.request_id): receipt for receipt in found}

    async def save(self, quotas: Sequence[UsageQuota]) -> None:
        values = (
            (*_values(key), units) for quota in quotas for key, units in quota.counters.items()
        )
        given = self._statements.given([*_key, counters.c.used], values)
        same = [c == given.c[c.name] for c in _key]
        await self._statements.run(update(counters).where(*same).values(used=given.c.used))

    async def give(self, key: UsageKey, units: int) -> int:
        insert = self._statements.insert(counters)
        given = insert.values(
            customer_id=key.customer_id,
            feature=key.feature,
            window_start=key.window_start,
            used=units,
        )
        more = given.on_conflict_do_update(
            index_elements=_key, set_={"used": counters.c.used + units}
        )
        [row] = await self._statements.all(more.returning(counters.c.used))
        left: int = row[counters.c.used]
        return left

    async def add_receipts(self, new: Sequence[UsageReceipt]) -> None:
        await self._statements.add_all(receipts, list(map(row_from_receipt, new)), key="request_id")

    async def forget_receipts(self, now: datetime, *, limit: int) -> int:
        end = receipts.c.expires_at
        return await forget(self._statements, receipts, end <= now, by=end, limit=limit)


def _values(key: UsageKey) -> tuple[str, str, datetime]:
    return key.customer_id, key.feature, key.window_start


def _counted(rows: Sequence[RowMapping]) -> dict[UsageKey, int]:
    c = counters.c
    return {
        UsageKey(row[c.customer_id], row[c.feature], row[c.window_start]): row[c.used]
        for row in rows
    }


def row_from_receipt(receipt: UsageReceipt) -> dict[str, Any]:
    hold = receipt.decision.hold
    return {
        "customer_id": receipt.customer_id,
        "request_id": receipt.request_id,
        "feature": receipt.feature,
        "units": receipt.units,
        "allowed": receipt.decision.allowed,
        "used": receipt.decision.used,
        "quota": receipt.decision.limit,
        "resets_at": receipt.decision.resets_at,
        "expires_at": receipt.expires_at,
        "packs": receipt.decision.packs,
        "hold_seconds": receipt.hold_seconds,
        "hold_id": None if hold is None else hold.id,
        "hold_expires_at": None if hold is None else hold.expires_at,
    }


def receipt_from_row(row: RowMapping) -> UsageReceipt:
    c = receipts.c
    hold = None
    if row[c.hold_id] is not None:
        hold = HoldTicket(row[c.hold_id], row[c.hold_expires_at])
    return UsageReceipt(
        customer_id=row[c.customer_id],
        request_id=row[c.request_id],
        feature=row[c.feature],
        units=row[c.units],
        decision=QuotaDecision(
            row[c.allowed], row[c.used], row[c.quota], row[c.resets_at], hold, row[c.packs]
        ),
        expires_at=row[c.expires_at],
        hold_seconds=row[c.hold_seconds],
    )
