"""Holds of usage: added together, ended once, found when due, forgotten when old."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from core.domain.usage_quota import (
    RECEIPT_LIFE,
    HoldId,
    UsageHold,
    UsageHoldNotFound,
    UsageQuota,
)
from core.ports.unit_of_work import SavedMeanwhile, Store
from tests.builders import NOON, a_hold, an_open_hold
from tests.contracts.units import let_others_go_on, seen, written

HOLD = an_open_hold(units=3)


async def keep(store: Store, *holds: UsageHold, used: int = 3) -> None:
    async with store.write() as uow:
        await uow.usage.lock({hold.key for hold in holds})
        quotas = {hold.key: UsageQuota(hold.key, hold.resets_at, None, used) for hold in holds}
        await uow.usage.save(list(quotas.values()))
        await uow.holds.add(holds)
        await uow.commit()


async def used(store: Store) -> int:
    return (await seen(store, lambda view: view.usage.used([HOLD.key])))[HOLD.key]


async def test_many_holds_are_added_at_once(shop):
    holds = [an_open_hold(id=HoldId(f"hld_{number:08}"), units=number) for number in range(1, 9)]

    await keep(shop, *holds)

    assert [await seen(shop, lambda view, it=it: view.holds.get(it.id)) for it in holds] == holds


async def test_an_unknown_hold_is_said_so(shop):
    with pytest.raises(UsageHoldNotFound) as absent:
        await seen(shop, lambda view: view.holds.get(HoldId("hld_nowhere0")))

    assert absent.value.hold_id == "hld_nowhere0"


async def test_a_hold_is_saved_over_the_version_that_was_read_and_no_other(shop):
    await keep(shop, HOLD)
    await written(shop, lambda uow: uow.holds.save(HOLD.becomes_released(at=NOON)))

    with pytest.raises(SavedMeanwhile):
        await written(shop, lambda uow: uow.holds.save(HOLD.becomes_captured(None, at=NOON)))

    assert (await seen(shop, lambda view: view.holds.get(HOLD.id))).captured == 0


async def test_of_many_that_end_a_hold_without_looking_one_wins(shop):
    """Even where the counter is not locked first: compare-and-set alone."""
    await keep(shop, HOLD)

    async def end(units: int) -> None:
        async with shop.write() as uow:
            hold = await uow.holds.get(HOLD.id)
            await let_others_go_on()
            await uow.holds.save(hold.becomes_captured(units, at=NOON))
            await uow.commit()

    answers = await asyncio.gather(*(end(units) for units in (1, 2, 3)), return_exceptions=True)

    assert sum(answer is None for answer in answers) == 1


async def test_what_is_due_is_taken_in_order_and_leased(shop):
    holds = [
        an_open_hold(id=HoldId(f"hld_{n:08}"), expires_at=NOON + timedelta(minutes=9 - n))
        for n in range(1, 5)
    ]
    ended = a_hold(id=HoldId("hld_00000009"), expires_at=NOON + timedelta(minutes=1))
    await keep(shop, *holds, ended)
    at, until = NOON + timedelta(minutes=7), NOON + timedelta(minutes=10)

    async def take(limit: int) -> list[HoldId]:
        return await written(shop, lambda uow: uow.holds.take_due(at, until=until, limit=limit))

    assert await take(2) == [holds[3].id, holds[2].id]
    assert await take(9) == [holds[1].id]
    assert await take(9) == []
    assert await written(
        shop, lambda uow: uow.holds.take_due(until, until=until + timedelta(1), limit=9)
    ) == [holds[0].id, *(hold.id for hold in holds[1:])]


async def test_a_lease_changes_nothing_of_the_hold_itself(shop):
    await keep(shop, HOLD)
    later = NOON + timedelta(minutes=6)
    await written(shop, lambda uow: uow.holds.take_due(later, until=later, limit=9))

    assert await seen(shop, lambda view: view.holds.get(HOLD.id)) == HOLD


async def test_a_hold_that_has_ended_is_due_no_more(shop):
    await keep(shop, HOLD)
    await written(shop, lambda uow: uow.holds.save(HOLD.becomes_captured(1, at=NOON)))

    later = NOON + timedelta(days=1)
    assert (await written(shop, lambda uow: uow.holds.take_due(later, until=later, limit=9))) == []


async def test_ended_holds_are_forgotten_with_their_receipts_and_open_ones_never(shop):
    old = [a_hold(id=HoldId(f"hld_{number:08}")) for number in range(3, 6)]
    young = a_hold(id=HoldId("hld_00000006"), resets_at=NOON + timedelta(days=2))
    await keep(shop, HOLD, *old, young)
    at = HOLD.resets_at + RECEIPT_LIFE

    async def forget(moment) -> int:
        return await written(shop, lambda uow: uow.holds.forget(moment, limit=2))

    assert await forget(at - timedelta(microseconds=1)) == 0
    assert [await forget(at) for _ in range(3)] == [2, 1, 0]
    assert await seen(shop, lambda view: view.holds.get(HOLD.id)) == HOLD
    assert await seen(shop, lambda view: view.holds.get(young.id)) == young


async def test_a_hold_that_was_not_committed_never_was(shop):
    async with shop.write() as uow:
        await uow.usage.lock([HOLD.key])
        await uow.holds.add([HOLD])
        assert await uow.holds.get(HOLD.id) == HOLD

    with pytest.raises(UsageHoldNotFound):
        await seen(shop, lambda view: view.holds.get(HOLD.id))


async def test_a_hold_is_added_once(shop):
    await keep(shop, HOLD)

    with pytest.raises(SavedMeanwhile):
        await keep(shop, replace(HOLD, units=1), used=0)

    assert await used(shop) == 3
