"""Quotas: decide whether a customer may use a feature, many asks at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.domain.customer import CustomerId, CustomerNotFound
from core.domain.plan import Feature
from core.domain.subscription import Standing
from core.domain.usage_quota import (
    RECEIPT_LIFE,
    QuotaDecision,
    UsageQuota,
    UsageReceipt,
)
from core.ports.unit_of_work import Now, Store
from core.use_cases.grouping import Grouped


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to use `units` of a feature. Its id is its idempotency key."""

    customer_id: CustomerId
    feature: Feature
    units: int
    request_id: str


class ConsumeQuota:
    """
    Decide an ask, exactly once per request id; N asks at once against K left give exactly K.
    Asks that arrive while a unit is open share the next one, and hear their answer after its
    commit.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now
        self._grouped = Grouped(self._decide)

    async def __call__(self, ask: Ask) -> QuotaDecision:
        """
        Raises:
            CustomerNotFound, FeatureNotFound, UnitsNotUsable: nothing was counted.
            RequestIdUsedOtherwise: the id was used for another ask.
            TooManyAsks: the queue is full; nothing was counted.
        """
        return await self._grouped(ask)

    async def _decide(self, asks: Sequence[Ask]) -> list[QuotaDecision]:
        """One unit: standings, counters, receipts; then the frozen entities decide in order."""
        async with self._store.write() as uow:
            now = self._now()
            standings = await uow.subscriptions.standings([ask.customer_id for ask in asks])
            fresh = [_quota(standings.get(ask.customer_id), ask, now) for ask in asks]
            used = await uow.usage.lock({quota.key for quota in fresh})
            quotas = {quota.key: replace(quota, used=used[quota.key]) for quota in fresh}
            # Read after the lock: of two units with one request id the second sees the first's.
            receipts = dict(
                await uow.usage.receipts([(ask.customer_id, ask.request_id) for ask in asks])
            )
            decisions: list[QuotaDecision] = []
            added: list[UsageReceipt] = []
            for ask, key in zip(asks, (quota.key for quota in fresh), strict=True):
                known = receipts.get((ask.customer_id, ask.request_id))
                if known is not None:
                    decisions.append(known.repeated(ask.feature, ask.units))
                    continue
                quotas[key], decision = quotas[key].decide(ask.units)
                decisions.append(decision)
                added.append(_receipt(ask, decision))
                receipts[ask.customer_id, ask.request_id] = added[-1]
            if added:
                await uow.usage.save([q for q in quotas.values() if q.used != used[q.key]])
                await uow.usage.add_receipts(added)
                await uow.commit()
        return decisions


def _quota(standing: Standing | None, ask: Ask, now: datetime) -> UsageQuota:
    if standing is None:
        raise CustomerNotFound(ask.customer_id)
    return standing.quota(ask.feature, now)


def _receipt(ask: Ask, decision: QuotaDecision) -> UsageReceipt:
    return UsageReceipt(
        ask.customer_id,
        ask.request_id,
        ask.feature,
        ask.units,
        decision,
        expires_at=decision.resets_at + RECEIPT_LIFE,
    )
