"""Quotas: decide whether a customer may use a feature, many asks at a time."""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from core.domain.customer import CustomerId, CustomerNotFound
from core.domain.errors import Unavailable
from core.domain.plan import Feature
from core.domain.subscription import Standing
from core.domain.usage_quota import (
    RECEIPT_LIFE,
    QuotaDecision,
    UsageQuota,
    UsageReceipt,
)
from core.ports.unit_of_work import Now, Store

GROUP_MAX: Final = 64
QUEUE_MAX: Final = 4096


@dataclass(eq=False)
class TooManyAsks(Unavailable):
    """More asks are waiting than can be decided in time; slow down and repeat."""

    retry_after_seconds: int = 1


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

    Asks that arrive while a unit is open share the next one, in the order they came, at most
    GROUP_MAX of them. The group runs in a task of its own, so nobody's cancellation stops it, and
    answers after the commit. If a group fails, each of its asks is tried alone, so that nobody
    pays for a neighbour's bad request.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now
        self._waiting: list[tuple[Ask, asyncio.Future[QuotaDecision]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def __call__(self, ask: Ask) -> QuotaDecision:
        """
        Raises:
            CustomerNotFound, FeatureNotFound, UnitsNotUsable: nothing was counted.
            RequestIdUsedOtherwise: the id was used for another ask.
            TooManyAsks: the queue is full; nothing was counted.
        """
        if len(self._waiting) >= QUEUE_MAX:
            raise TooManyAsks
        answer: asyncio.Future[QuotaDecision] = asyncio.get_running_loop().create_future()
        self._waiting.append((ask, answer))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:GROUP_MAX], self._waiting[GROUP_MAX:]
                await self._answer(group)
        finally:
            self._worker = None

    async def _answer(self, group: list[tuple[Ask, asyncio.Future[QuotaDecision]]]) -> None:
        try:
            decisions = await self._decide([ask for ask, _ in group])
        except BaseException as error:
            if len(group) == 1 or not isinstance(error, Exception):
                for _, answer in group:
                    _fail(answer, error)
                if not isinstance(error, Exception):
                    raise
                return
            for one in group:
                await self._answer([one])
            return
        for (_, answer), decision in zip(group, decisions, strict=True):
            if not answer.done():  # The caller may have gone away; the decision stands.
                answer.set_result(decision)

    async def _decide(self, asks: list[Ask]) -> list[QuotaDecision]:
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


def _fail(answer: asyncio.Future[QuotaDecision], error: BaseException) -> None:
    if answer.done():
        return
    if isinstance(error, Exception):
        answer.set_exception(error)
    else:
        answer.cancel()
