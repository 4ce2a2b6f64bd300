"""Quotas: decide whether a customer may use a feature, many asks at a time; end what was held."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from core.domain.customer import CustomerId, CustomerNotFound
from core.domain.event import Event
from core.domain.plan import Feature
from core.domain.subscription import Standing
from core.domain.usage_quota import (
    RECEIPT_LIFE,
    HoldId,
    QuotaDecision,
    UsageHold,
    UsageHoldNotFound,
    UsageQuota,
    UsageReceipt,
)
from core.ports.unit_of_work import NewId, Now, Store
from core.use_cases.grouping import Grouped


@dataclass(frozen=True, slots=True)
class Ask:
    """
    One request to use `units` of a feature, at once or (with `hold_seconds`) by a hold that lives
    so long. Its id is its idempotency key.
    """

    customer_id: CustomerId
    feature: Feature
    units: int
    request_id: str
    hold_seconds: int | None = None


class ConsumeQuota:
    """
    Decide an ask, exactly once per request id; N asks at once against K left give exactly K,
    whether they use or hold. Asks that arrive while a unit is open share the next one, and hear
    their answer after its commit.
    """

    def __init__(self, store: Store, now: Now, new_id: NewId) -> None:
        self._store = store
        self._now = now
        self._new_id = new_id
        self._grouped = Grouped(self._decide)

    async def __call__(self, ask: Ask) -> QuotaDecision:
        """
        Raises:
            CustomerNotFound, FeatureNotFound, UnitsNotUsable, HoldLifeNotUsable: nothing was counted.
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
            wanted = {key for quota in fresh for key in (quota.key, quota.key.of_packs)}
            counters = await uow.usage.lock(wanted)
            before = {quota.key: quota.counted(counters) for quota in fresh}
            quotas = dict(before)
            # Read after the lock: of two units with one request id the second sees the first's.
            receipts = dict(
                await uow.usage.receipts([(ask.customer_id, ask.request_id) for ask in asks])
            )
            decisions: list[QuotaDecision] = []
            added: list[UsageReceipt] = []
            holds: list[UsageHold] = []
            for ask, key in zip(asks, (quota.key for quota in fresh), strict=True):
                known = receipts.get((ask.customer_id, ask.request_id))
                if known is not None:
                    decisions.append(
                        known.repeated(ask.feature, ask.units, hold_seconds=ask.hold_seconds)
                    )
                    continue
                present = quotas[key]
                quotas[key], decision = present.decide(ask.units)
                if ask.hold_seconds is not None:
                    hold_id = HoldId(self._new_id("hld"))
                    hold = present.held(hold_id, ask.units, seconds=ask.hold_seconds, at=now)
                    if decision.allowed:
                        holds.append(hold)
                        decision = replace(decision, hold=hold.ticket)
                decisions.append(decision)
                added.append(_receipt(ask, decision))
                receipts[ask.customer_id, ask.request_id] = added[-1]
            if added:
                changed = [quota for key, quota in quotas.items() if quota != before[key]]
                await uow.usage.save(changed)
                await uow.usage.add_receipts(added)
                for quota in changed:
                    if quota.line not in {None, before[quota.key].line}:
                        await uow.record(_reached(quota, now))
                if holds:
                    await uow.holds.add(holds)
                await uow.commit()
        return decisions


def _quota(standing: Standing | None, ask: Ask, now: datetime) -> UsageQuota:
    if standing is None:
        raise CustomerNotFound(ask.customer_id)
    return standing.quota(ask.feature, now)


def _reached(quota: UsageQuota, at: datetime) -> Event:
    assert quota.limit is not None, "who has no limit reaches no line"
    told: dict[str, str | int] = {
        "feature": quota.key.feature,
        "used": quota.used,
        "limit": quota.limit,
        "window_start": quota.key.window_start.isoformat(),
        "resets_at": quota.resets_at.isoformat(),
    }
    whose = quota.key.customer_id
    return Event(f"quota.{quota.line}", whose, at, whose, told)


def _receipt(ask: Ask, decision: QuotaDecision) -> UsageReceipt:
    return UsageReceipt(
        ask.customer_id,
        ask.request_id,
        ask.feature,
        ask.units,
        decision,
        expires_at=decision.resets_at + RECEIPT_LIFE,
        hold_seconds=ask.hold_seconds,
    )


@dataclass(frozen=True, slots=True)
class EndedHold:
    """A hold that has ended, and the counter of its window as it is now."""

    hold: UsageHold
    decision: QuotaDecision


class _Ending:
    """
    What ends a hold, once: under the lock of the counter that its units came from. Every unit
    that ends a hold takes that one counter and then writes that one hold; nobody who has a hold's
    row waits for a counter. So no two wait for each other.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def _end(
        self, hold_id: HoldId, become: Callable[[UsageHold, datetime], UsageHold]
    ) -> EndedHold:
        async with self._store.read() as view:
            key = (await view.holds.get(hold_id)).key
        async with self._store.write() as uow:
            now = self._now()
            counters = await uow.usage.lock([key, key.of_packs])
            hold = await uow.holds.get(hold_id)
            former = UsageQuota(key, hold.resets_at, hold.limit, used=0).counted(counters)
            quota, ended = former, hold.at(now)
            if ended == hold:
                ended = become(hold, now)
            if ended != hold:
                quota = former.given_back(ended.returned, of_packs=ended.returned_to_packs)
                if quota != former:
                    await uow.usage.save([quota])
                await uow.holds.save(ended)
                await uow.commit()
        # What time had ended is written down before it is told: no clock that is slow revives it.
        return EndedHold(become(ended, now), quota.decision(allowed=True))


class CaptureHold(_Ending):
    """
    The work was done: so many of the held units (None: all) are used for good, the rest goes
    back in the same unit. Capturing the same units again answers the same.
    """

    async def __call__(self, hold_id: HoldId, units: int | None = None) -> EndedHold:
        """
        Raises:
            UsageHoldNotFound
            CaptureNotUsable: none, or more than were held.
            UsageHoldEnded: otherwise, or with other units.
        """
        return await self._end(hold_id, lambda hold, now: hold.becomes_captured(units, at=now))


class ReleaseHold(_Ending):
    """The work failed: all units go back. Releasing again answers the same."""

    async def __call__(self, hold_id: HoldId) -> EndedHold:
        """
        Raises:
            UsageHoldNotFound
            UsageHoldEnded: it was captured, or has expired.
        """
        return await self._end(hold_id, lambda hold, now: hold.becomes_released(at=now))


class ExpireHold(_Ending):
    """Nobody ended it in time: write that down, and give the units back."""

    async def __call__(self, hold_id: HoldId) -> None:
        with suppress(UsageHoldNotFound):  # Ended, and forgotten since.
            await self._end(hold_id, lambda hold, now: hold.at(now))
