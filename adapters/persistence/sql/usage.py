"""Usage counters and receipts as rows, many at a time."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, delete, select, tuple_

from adapters.persistence.sql.statements import Statements
from adapters.persistence.sql.tables import usage_counter as counters
from adapters.persistence.sql.tables import usage_receipt as receipts
from core.domain.customer import CustomerId
from core.domain.usage_quota import QuotaDecision, UsageKey, UsageQuota, UsageReceipt

_counter_key = tuple_(counters.c.customer_id, counters.c.feature, counters.c.window_start)
_receipt_key = tuple_(receipts.c.customer_id, receipts.c.request_id)


class SqlUsage:
    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def used(self, keys: Collection[UsageKey]) -> Mapping[UsageKey, int]:
        return await self._counters(_of(keys)) if keys else {}

    async def lock(self, keys: Collection[UsageKey]) -> Mapping[UsageKey, int]:
        if not keys:
            return {}
        await self._statements.run(
            self._statements.insert(counters).on_conflict_do_nothing(),
            [_row_from_counter(key, used=0) for key in sorted(keys)],
        )
        return await self._counters(_of(keys).order_by(*counters.primary_key).with_for_update())

    async def receipts(
        self, requests: Collection[tuple[CustomerId, str]]
    ) -> Mapping[tuple[CustomerId, str], UsageReceipt]:
        if not requests:
            return {}
        rows = await self._statements.all(
            select(receipts).where(_receipt_key.in_(sorted(requests)))
        )
        found = (receipt_from_row(row) for row in rows)
        return {(receipt.customer_id, receipt.request_id): receipt for receipt in found}

    async def save(self, quotas: Sequence[UsageQuota]) -> None:
        if not quotas:
            return
        upsert = self._statements.insert(counters)
        await self._statements.run(
            upsert.on_conflict_do_update(
                index_elements=list(counters.primary_key), set_={"used": upsert.excluded.used}
            ),
            [_row_from_counter(quota.key, used=quota.used) for quota in quotas],
        )

    async def add_receipts(self, new: Sequence[UsageReceipt]) -> None:
        if new:
            rows = [row_from_receipt(receipt) for receipt in new]
            insert = self._statements.insert(receipts)
            await self._statements.run(insert, rows, subject=new[0].request_id)

    async def forget_receipts(self, now: datetime, *, limit: int) -> int:
        expired = (
            select(*receipts.primary_key)
            .where(receipts.c.expires_at <= now)
            .order_by(receipts.c.expires_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return (
            await self._statements.run(delete(receipts).where(_receipt_key.in_(expired)))
        ).rowcount

    async def _counters(self, wanted: Select[Any]) -> dict[UsageKey, int]:
        c = counters.c
        return {
            UsageKey(row[c.customer_id], row[c.feature], row[c.window_start]): row[c.used]
            for row in await self._statements.all(wanted)
        }


def _of(keys: Iterable[UsageKey]) -> Select[Any]:
    values = [(key.customer_id, key.feature, key.window_start) for key in sorted(keys)]
    return select(counters).where(_counter_key.in_(values))


def _row_from_counter(key: UsageKey, *, used: int) -> dict[str, Any]:
    return {
        "customer_id": key.customer_id,
        "feature": key.feature,
        "window_start": key.window_start,
        "used": used,
    }


def row_from_receipt(receipt: UsageReceipt) -> dict[str, Any]:
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
    }


def receipt_from_row(row: RowMapping) -> UsageReceipt:
    c = receipts.c
    return UsageReceipt(
        customer_id=row[c.customer_id],
        request_id=row[c.request_id],
        feature=row[c.feature],
        units=row[c.units],
        decision=QuotaDecision(row[c.allowed], row[c.used], row[c.quota], row[c.resets_at]),
        expires_at=row[c.expires_at],
    )
