"""Holds of usage: the units are taken at once, and what is not captured in time comes back."""

import asyncio
from datetime import timedelta

import pytest

from core.domain.usage_quota import (
    CaptureNotUsable,
    HoldId,
    HoldLifeNotUsable,
    HoldStatus,
    QuotaDecision,
    RequestIdUsedOtherwise,
    UsageHoldEnded,
    UsageHoldNotFound,
)
from core.use_cases.quotas import EndedHold
from tests.contracts.units import again, seen
from tests.world import World


def id_of(decision: QuotaDecision) -> HoldId:
    assert decision.hold is not None
    return decision.hold.id


async def open_holds(world: World) -> list[HoldId]:
    """Anna's three photos of the day, each held."""
    anna = await world.customer()
    return [id_of(await world.holds(anna, f"r{number}")) for number in range(3)]


async def test_two_hundred_uses_and_holds_at_once_against_three_give_exactly_three(
    world: World,
) -> None:
    anna = await world.customer()
    asks = (
        world.holds(anna, f"r{number}") if number % 2 else world.uses(anna, f"r{number}")
        for number in range(200)
    )
    found = await asyncio.gather(*asks)

    assert sum(one.allowed for one in found) == 3
    assert await world.used(anna) == 3
    for number, one in enumerate(found):
        assert (one.hold is not None) == (one.allowed and number % 2 == 1)


async def test_a_hold_takes_its_units_at_once(world: World) -> None:
    anna = await world.customer()
    decision = await world.holds(anna, "r", 2)

    assert (decision.allowed, decision.used, decision.limit, decision.remaining) == (True, 2, 3, 1)
    assert decision.hold is not None
    assert decision.hold.expires_at == world.clock() + timedelta(minutes=5)
    assert (await world.uses(anna, "too much", 2)).allowed is False


async def test_a_captured_hold_is_used_for_good(world: World) -> None:
    anna = await world.customer()
    hold_id = id_of(await world.holds(anna, "r", 3))
    ended = await world.billing.capture_hold(hold_id)
    await world.time_passes(minutes=10)

    assert (ended.hold.status, ended.hold.captured) == (HoldStatus.CAPTURED, 3)
    assert (ended.decision.used, ended.decision.limit, ended.decision.remaining) == (3, 3, 0)
    assert await world.used(anna) == 3


async def test_what_is_not_captured_goes_back_in_the_same_unit(world: World) -> None:
    anna = await world.customer()
    ended = await world.billing.capture_hold(id_of(await world.holds(anna, "r", 3)), 1)

    assert (ended.hold.captured, ended.decision.used, ended.decision.remaining) == (1, 1, 2)
    assert await world.used(anna) == 1
    assert (await world.uses(anna, "again", 2)).allowed


async def test_a_released_hold_gives_everything_back(world: World) -> None:
    anna = await world.customer()
    ended = await world.billing.release_hold(id_of(await world.holds(anna, "r", 3)))

    assert (ended.hold.status, ended.hold.captured) == (HoldStatus.RELEASED, 0)
    assert ended.decision.used == await world.used(anna) == 0


async def test_a_hold_that_nobody_ends_expires_and_gives_back(world: World) -> None:
    anna = await world.customer()
    hold_id = id_of(await world.holds(anna, "r", 3, seconds=60))
    await world.time_passes(seconds=59.9)
    assert await world.used(anna) == 3
    await world.time_passes(seconds=0.1)

    assert await world.used(anna) == 0
    hold = await seen(world.store, lambda view: view.holds.get(hold_id))
    assert (hold.status, hold.ended_at) == (HoldStatus.EXPIRED, hold.expires_at)
    await world.billing.expire_hold(hold_id)
    assert await world.used(anna) == 0


async def test_after_its_end_a_hold_is_not_captured_though_no_sweep_came(world: World) -> None:
    anna = await world.customer()
    hold_id = id_of(await world.holds(anna, "r"))
    expires_at = world.clock.advance(minutes=5)

    for end in (world.billing.capture_hold, world.billing.release_hold):
        with pytest.raises(UsageHoldEnded) as over:
            await end(hold_id)
        assert over.value.facts == {
            "hold_id": hold_id,
            "hold_status": "expired",
            "captured": 0,
            "ended_at": expires_at,
        }
    assert await world.used(anna) == 0
    world.clock.advance(minutes=-2)  # Another process, whose clock is slow, hears the same.
    with pytest.raises(UsageHoldEnded):
        await world.billing.capture_hold(hold_id)


async def test_an_expiry_that_comes_too_early_changes_nothing(world: World) -> None:
    anna = await world.customer()
    hold_id = id_of(await world.holds(anna, "r"))
    await world.billing.expire_hold(hold_id)

    assert await world.used(anna) == 1
    assert (await world.billing.capture_hold(hold_id)).hold.captured == 1


async def test_units_go_back_to_the_window_they_were_taken_from(world: World) -> None:
    anna = await world.customer()
    world.clock.at = world.clock().replace(hour=20, minute=59)  # A minute to midnight in Moscow.
    hold_id = id_of(await world.holds(anna, "yesterday", 3))
    world.clock.advance(minutes=2)
    assert (await world.uses(anna, "today")).used == 1
    ended = await world.billing.release_hold(hold_id)

    assert (ended.decision.used, ended.decision.remaining) == (0, 3)
    assert ended.decision.resets_at < world.clock()
    assert await world.used(anna) == 1


async def test_ending_it_the_same_way_again_answers_the_same(world: World) -> None:
    taken, given, _ = await open_holds(world)
    captured = await world.billing.capture_hold(taken)
    released = await world.billing.release_hold(given)
    await world.time_passes(minutes=10)

    again_captured, again_released = (
        await world.billing.capture_hold(taken, 1),
        await world.billing.release_hold(given),
    )
    for first, second in ((captured, again_captured), (released, again_released)):
        assert (first.hold.status, first.hold.captured, first.hold.ended_at) == (
            second.hold.status,
            second.hold.captured,
            second.hold.ended_at,
        )


async def test_what_has_ended_ends_no_other_way(world: World) -> None:
    anna = await world.customer()
    hold_id = id_of(await world.holds(anna, "r", 3))
    await world.billing.capture_hold(hold_id, 2)

    for attempt in (
        world.billing.capture_hold(hold_id),
        world.billing.capture_hold(hold_id, 1),
        world.billing.release_hold(hold_id),
    ):
        with pytest.raises(UsageHoldEnded) as over:
            await attempt
        assert (over.value.hold_status, over.value.captured) == ("captured", 2)
    assert await world.used(anna) == 2


@pytest.mark.parametrize("units", [-1, 0, 4])
async def test_a_capture_is_of_some_of_what_was_held(world: World, units: int) -> None:
    anna = await world.customer()
    hold_id = id_of(await world.holds(anna, "r", 3))

    with pytest.raises(CaptureNotUsable) as refused:
        await world.billing.capture_hold(hold_id, units)
    assert refused.value.facts == {"units": units, "held": 3}
    assert await world.used(anna) == 3


async def test_an_unknown_hold_is_not_found(world: World) -> None:
    nobodys = HoldId("hld_99999999")
    for end in (world.billing.capture_hold, world.billing.release_hold):
        with pytest.raises(UsageHoldNotFound):
            await end(nobodys)
    await world.billing.expire_hold(nobodys)


@pytest.mark.parametrize("seconds", [-1, 0, 3601])
async def test_a_hold_lives_from_a_second_to_an_hour(world: World, seconds: int) -> None:
    anna = await world.customer()
    for units in (1, 4):  # Whether it is allowed or not.
        with pytest.raises(HoldLifeNotUsable):
            await world.holds(anna, "r", units, seconds=seconds)
    assert await world.used(anna) == 0
    assert (await world.holds(anna, "r", seconds=3600)).allowed


async def test_the_same_request_hears_the_same_hold_for_ever(world: World) -> None:
    anna = await world.customer()
    found = await asyncio.gather(*(world.holds(anna, "same", 2) for _ in range(20)))
    await world.billing.release_hold(id_of(found[0]))
    await world.time_passes(days=30)

    assert set(found) == {await world.holds(anna, "same", 2)}
    assert await world.used(anna) == 0


async def test_a_denial_of_a_hold_is_remembered_too(world: World) -> None:
    anna = await world.customer()
    denied = await world.holds(anna, "r", 4)
    assert (denied.allowed, denied.hold, denied.used) == (False, None, 0)
    assert await world.holds(anna, "r", 4) == denied
    with pytest.raises(RequestIdUsedOtherwise):
        await world.uses(anna, "r", 4)


async def test_one_request_id_is_one_ask_of_one_kind(world: World) -> None:
    anna = await world.customer()
    await world.holds(anna, "held")
    await world.uses(anna, "used")

    for attempt in (
        world.uses(anna, "held"),
        world.holds(anna, "used"),
        world.holds(anna, "held", 2),
        world.holds(anna, "held", seconds=60),
    ):
        with pytest.raises(RequestIdUsedOtherwise):
            await attempt
    assert await world.used(anna) == 2


async def test_capture_release_and_expiry_at_once_give_one_outcome(world: World) -> None:
    anna = await world.customer()
    for number in range(50):
        hold_id = id_of(await world.holds(anna, f"r{number}", 3, seconds=60))
        if number % 3 == 0:
            world.clock.advance(seconds=60)
        await _ends_once(world, hold_id, swept=bool(number % 5))
        hold = await seen(world.store, lambda view, it=hold_id: view.holds.get(it))
        assert await world.used(anna) == hold.captured, (number, hold)
        assert (hold.status is HoldStatus.EXPIRED) == (number % 3 == 0)
        world.clock.advance(days=1)


async def _ends_once(world: World, hold_id: HoldId, *, swept: bool) -> None:
    async def sweeps() -> None:
        if swept:
            await world.billing.sweep()
        await world.billing.expire_hold(hold_id)

    answers = await asyncio.gather(
        again(lambda: world.billing.capture_hold(hold_id, 2)),
        again(lambda: world.billing.release_hold(hold_id)),
        again(lambda: world.billing.capture_hold(hold_id, 1)),
        again(sweeps),
        return_exceptions=True,
    )
    heard = [one for one in answers if isinstance(one, EndedHold)]
    refused = [one for one in answers if isinstance(one, UsageHoldEnded)]
    assert answers[3] is None
    assert len(heard) + len(refused) == 3
    hold = await seen(world.store, lambda view: view.holds.get(hold_id))
    assert len(heard) == (hold.status is not HoldStatus.EXPIRED)
    for one in (*heard, *refused):
        status = one.hold.status if isinstance(one, EndedHold) else one.hold_status
        captured = one.hold.captured if isinstance(one, EndedHold) else one.captured
        assert (status, captured) == (hold.status, hold.captured)


async def test_uses_holds_and_endings_at_once_leave_the_counter_exact(world: World) -> None:
    anna = await world.customer()

    async def holds(number: int) -> int:
        decision = await again(lambda: world.holds(anna, f"hold-{number}"))
        if decision.hold is None:
            return 0
        if number % 2:
            return (await again(lambda: world.billing.capture_hold(id_of(decision)))).hold.captured
        return (await again(lambda: world.billing.release_hold(id_of(decision)))).hold.captured

    async def uses(number: int) -> int:
        return int((await again(lambda: world.uses(anna, f"use-{number}"))).allowed)

    found = await asyncio.gather(*(do(number) for number in range(30) for do in (holds, uses)))

    assert await world.used(anna) == sum(found) <= 3


async def test_old_holds_are_forgotten_with_their_receipts(world: World) -> None:
    hold_id, open_, _ = await open_holds(world)
    await world.billing.capture_hold(hold_id)
    world.clock.advance(days=40)
    await world.sweeps()
    await world.sweeps()

    for one in (hold_id, open_):
        with pytest.raises(UsageHoldNotFound):
            await seen(world.store, lambda view, it=one: view.holds.get(it))
