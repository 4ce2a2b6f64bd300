"""Packs: units on top of the plan's, taken after them, never twice, and never lost by a window's end."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from core.domain import ledger
from core.domain.customer import CustomerId
from core.domain.item import PackItem, PlanItem
from core.domain.money import Money
from core.domain.plan import Feature, PackCode, PackNotFound, PlanNotFound
from core.domain.purchase import PurchaseStatus
from core.domain.usage_quota import HoldId, QuotaDecision
from core.use_cases.packs import give_units, take_units
from tests.world import RETURN, World

PHOTO_AI = Feature("photo_ai")


async def gives(world: World, who: CustomerId, units: int) -> None:
    async with world.store.write() as uow:
        await uow.customers.lock(who)
        await give_units(uow, who, PHOTO_AI, units, by="pur_test0001", at=world.clock())
        await uow.commit()


async def reached(world: World, who: CustomerId) -> int:
    """How often it was found that everything is used up."""
    async with world.store.read() as view:
        return [event.name for event in await view.history(who)].count("quota.used_up")


def id_of(decision: QuotaDecision) -> HoldId:
    assert decision.hold is not None
    return decision.hold.id


async def left(world: World, who: CustomerId) -> tuple[int, int | None]:
    [quota] = (await world.me(who)).quotas
    return quota.used, quota.packs


async def test_many_asks_at_once_get_exactly_what_window_and_pack_have(world: World) -> None:
    anna, boris = await world.customer(), await world.customer("telegram:1002")
    await gives(world, anna, 40)
    found = await asyncio.gather(
        *(world.uses(anna, f"r{n}") for n in range(100)),
        *(world.holds(anna, f"h{n}") for n in range(100)),
        *(world.uses(boris, f"b{n}") for n in range(10)),
    )
    assert sum(one.allowed for one in found[:200]) == 43
    assert sum(one.allowed for one in found[200:]) == 3
    assert await left(world, anna) == (3, 0)
    assert await left(world, boris) == (3, None)


async def test_the_window_goes_first_and_a_denial_takes_nothing(world: World) -> None:
    anna = await world.customer()
    await gives(world, anna, 2)
    first = await world.uses(anna, "first", 2)
    assert (first.used, first.limit, first.packs, first.remaining) == (2, 3, 2, 3)
    denied = await world.uses(anna, "denied", 4)
    assert (denied.allowed, denied.remaining) == (False, 3)
    both = await world.uses(anna, "both", 2)
    assert (both.allowed, both.used, both.packs, both.remaining) == (True, 3, 1, 1)
    assert await world.uses(anna, "both", 2) == both
    assert await world.uses(anna, "denied", 4) == denied
    world.clock.advance(timedelta(days=1))
    assert await left(world, anna) == (0, 1)
    assert (await world.uses(anna, "both", 2)) == both


async def test_what_a_hold_took_of_a_pack_goes_back_to_it_after_the_window_too(
    world: World,
) -> None:
    anna = await world.customer()
    await gives(world, anna, 5)
    await world.uses(anna, "one")
    four = await world.holds(anna, "four", 4)
    assert (four.used, four.packs) == (3, 3)
    two = await world.holds(anna, "two", 2, seconds=3600)
    assert (two.packs, two.remaining) == (1, 1)
    ended = await world.billing.capture_hold(id_of(four), 1)
    assert (ended.hold.captured, ended.decision.used) == (1, 2)
    assert ended.decision.packs == 3  # The two of the pack first, then one of the day's.
    world.clock.at = two.resets_at + timedelta(minutes=-30)
    late = await world.holds(anna, "late", 4, seconds=3600)
    assert (late.allowed, late.used, late.packs) == (True, 3, 0)
    await world.time_passes(minutes=45)
    assert await left(world, anna) == (0, 2)  # What "two" held came back when it expired.
    await world.billing.release_hold(id_of(late))
    assert await left(world, anna) == (0, 5)


async def test_who_has_no_limit_uses_no_pack(world: World) -> None:
    anna = await world.customer()
    await gives(world, anna, 5)
    await world.pays_and_is_heard(await world.buys(anna))
    found = await world.uses(anna, "many", 100)
    assert (found.allowed, found.limit, found.remaining, found.packs) == (True, None, None, 5)
    held = await world.holds(anna, "held", 100)
    assert (await world.billing.release_hold(id_of(held))).decision.packs == 5


async def test_units_are_taken_back_as_far_as_they_are_there(world: World) -> None:
    anna = await world.customer()
    await gives(world, anna, 5)
    await world.uses(anna, "some", 5)
    async with world.store.write() as uow:
        await uow.customers.lock(anna)
        await take_units(uow, anna, PHOTO_AI, 5, by="pur_test0001", at=world.clock())
        await uow.commit()
    assert await left(world, anna) == (3, 0)
    async with world.store.read() as view:
        told = [(event.name, dict(event.facts)) for event in await view.history("pur_test0001")]
    assert told == [
        ("units.given", {"feature": PHOTO_AI, "units": 5, "left": 5}),
        ("units.taken_back", {"feature": PHOTO_AI, "units": 3, "used": 2}),
    ]


async def test_the_limit_is_reached_when_the_pack_is_used_up_too(world: World) -> None:
    anna = await world.customer()
    await gives(world, anna, 1)
    await world.uses(anna, "window", 3)
    assert await reached(world, anna) == 0
    await world.uses(anna, "pack")
    assert await reached(world, anna) == 1
    assert not (await world.uses(anna, "more")).allowed


async def test_a_pack_is_bought_once_at_a_gateway_and_its_revenue_is_its_own(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna, "PHOTOS_50")
    again = await world.buys(anna, "PHOTOS_50")
    assert again.purchase.id == started.purchase.id
    payment_id = await world.pays_and_is_heard(started)
    await world.hears(payment_id)
    assert await left(world, anna) == (0, 50)
    assert await world.books(ledger.revenue(PackCode("PHOTOS_50"))) == 299_00
    assert await world.plan(anna) == "FREE"
    await world.pays_and_is_heard(await world.buys(anna, "PHOTOS_50"))
    assert await left(world, anna) == (0, 100)


async def test_whoever_agreed_on_a_pack_keeps_its_terms(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna, "PHOTOS_50")
    wanted = world.wanted()
    [pack] = wanted.packs
    smaller = replace(wanted, packs=(replace(pack, units=5, prices=(Money.of(100, "RUB"),)),))
    assert (await world.billing.apply_catalog(smaller)).changed == ("PHOTOS_50",)
    assert (await world.billing.diff_catalog(smaller)).is_empty
    await world.pays_and_is_heard(started)
    assert await left(world, anna) == (0, 50)
    assert (await world.billing.apply_catalog(replace(wanted, packs=()))).removed == ("PHOTOS_50",)
    with pytest.raises(PackNotFound):
        await world.billing.preview_purchase(anna, "PHOTOS_50", kind=PackItem)
    [shown] = await world.billing.show_purchases.page(anna, limit=1)
    assert (shown.title("en"), shown.purchase.item) == ("50 photos", PackItem(pack))


async def test_a_code_names_a_plan_or_a_pack_and_never_the_other(world: World) -> None:
    anna = await world.customer()
    with pytest.raises(PlanNotFound):
        await world.billing.preview_purchase(anna, "PHOTOS_50", kind=PlanItem)
    with pytest.raises(PackNotFound):
        await world.billing.preview_purchase(anna, "PRO_MONTHLY", kind=PackItem)
    shown = await world.billing.preview_purchase(anna, "PHOTOS_50", kind=PackItem)
    assert (shown.amount, shown.ends_at, shown.returned) == (Money.of(299_00, "RUB"), None, None)


async def test_a_pack_is_paid_from_the_wallet_and_goes_back_there(world: World) -> None:
    anna = await world.customer()
    await world.deposits(anna, Money.of(300_00, "RUB"))
    started = await world.billing.start_purchase(
        anna, "PHOTOS_50", return_url=RETURN, gateway="wallet", cause=world.cause()
    )
    assert started.purchase.status is PurchaseStatus.PAID
    await world.uses(anna, "some", 13)
    assert await left(world, anna) == (3, 40)
    await world.refunds(started, Money.of(99_00, "RUB"))
    assert await left(world, anna) == (3, 40)  # What was bought stays after a refund of a part.
    await world.refunds(started)
    assert await left(world, anna) == (3, 0)
    assert await world.cash(anna) == {"RUB": 300_00}
    assert await world.books(ledger.revenue(PackCode("PHOTOS_50"))) == 0


async def test_a_gateway_takes_a_pack_back_with_what_is_left_of_it(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna, "PHOTOS_50")
    await world.pays_and_is_heard(started)
    await gives(world, anna, 10)
    await world.refunds(started)
    await world.time_passes(minutes=5)
    [shown] = await world.billing.show_purchases.page(anna, limit=1)
    assert shown.purchase.status is PurchaseStatus.REFUNDED
    assert await left(world, anna) == (0, 10)
