"""What a store promises of promo codes: uses are counted, one waits, and all comes back whole."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from core.domain.customer import CustomerId
from core.domain.plan import Feature, PlanCode
from core.domain.promo_code import (
    DaysOf,
    Discount,
    PercentOff,
    PromoCode,
    Redemption,
    UnitsOf,
    WrongCodes,
)
from core.domain.purchase import PurchaseStatus, Reduction
from core.ports.unit_of_work import SavedMeanwhile, Store
from tests.builders import ANNA, BORIS, NOON, a_pending_purchase, rub
from tests.contracts.units import again, let_others_go_on, seen, written

OFF = PercentOff(20, (PlanCode("PRO_MONTHLY"), PlanCode("PRO_YEARLY")))
SPRING = PromoCode("SPRING", OFF, NOON, 3, NOON + timedelta(days=9), only_new=True)
DAYS = PromoCode("DAYS-7", DaysOf(PlanCode("PRO_MONTHLY"), 7), NOON - timedelta(days=1))
UNITS = PromoCode("UNITS", UnitsOf(Feature("photo_ai"), 50), NOON - timedelta(days=2))


@pytest.fixture
async def codes(shop: Store) -> Store:
    for code in (SPRING, DAYS, UNITS):
        assert await written(shop, lambda uow, code=code: uow.promos.add(code))
    return shop


async def test_codes_come_back_whole_the_newest_first_and_a_name_is_there_once(codes):
    assert not await written(codes, lambda uow: uow.promos.add(replace(DAYS, name="SPRING")))

    assert await seen(codes, lambda view: view.promos.find("SPRING")) == SPRING
    assert await seen(codes, lambda view: view.promos.find("NOTHING")) is None
    assert await seen(codes, lambda view: view.promos.page(limit=9)) == [SPRING, DAYS, UNITS]
    assert await seen(codes, lambda view: view.promos.page(limit=1, after="SPRING")) == [DAYS]
    assert await seen(codes, lambda view: view.promos.page(limit=9, after="NOTHING")) == []


async def test_many_who_come_at_once_take_as_many_uses_as_there_are(codes):
    async def take(customer: CustomerId) -> bool:
        async with codes.write() as uow:
            await uow.customers.lock(customer)
            read_before = await uow.promos.find("SPRING")
            assert read_before is not None
            await let_others_go_on()
            taken = await uow.promos.take_use("SPRING")
            await uow.commit()
        return taken

    took = await asyncio.gather(*(again(lambda w=w: take(w)) for w in (ANNA, BORIS) * 4))

    assert sorted(took) == [False] * 5 + [True] * 3
    found = await seen(codes, lambda view: view.promos.find("SPRING"))
    assert found == replace(SPRING, used=3)


async def test_a_use_that_is_not_committed_is_none_and_who_waited_has_it(codes):
    last = replace(SPRING, name="LAST", limit=1)
    await written(codes, lambda uow: uow.promos.add(last))
    async with codes.write() as uow:
        assert await uow.promos.take_use("LAST")

    assert await written(codes, lambda uow: uow.promos.take_use("LAST"))
    assert not await written(codes, lambda uow: uow.promos.take_use("LAST"))


async def test_what_is_stopped_takes_nobody_and_stops_once(codes):
    assert await written(codes, lambda uow: uow.promos.stop("DAYS-7", at=NOON))
    assert not await written(codes, lambda uow: uow.promos.stop("DAYS-7", at=NOON))
    assert not await written(codes, lambda uow: uow.promos.stop("NOTHING", at=NOON))
    assert not await written(codes, lambda uow: uow.promos.take_use("DAYS-7"))
    assert not await written(codes, lambda uow: uow.promos.take_use("NOTHING"))
    found = await seen(codes, lambda view: view.promos.find("DAYS-7"))
    assert found == replace(DAYS, stopped_at=NOON)


async def test_whether_any_code_can_still_be_used_is_told(shop: Store) -> None:
    async def is_any_open() -> bool:
        return await seen(shop, lambda view: view.promos.any_open(NOON))

    over = replace(DAYS, name="OVER", until=NOON)
    used_up = replace(DAYS, name="USED-UP", limit=1)
    stopped = replace(DAYS, name="STOPPED")
    for code in (over, used_up, stopped):
        await written(shop, lambda uow, code=code: uow.promos.add(code))
    await written(shop, lambda uow: uow.promos.take_use("USED-UP"))
    await written(shop, lambda uow: uow.promos.stop("STOPPED", at=NOON))

    assert not await is_any_open()
    await written(shop, lambda uow: uow.promos.add(SPRING))
    assert await is_any_open()


async def test_one_discount_waits_and_is_in_the_standing_until_it_is_used(codes):
    off = Discount("SPRING", 20, OFF.plans)
    mine = Redemption(ANNA, "SPRING", NOON, off)
    given = Redemption(ANNA, "DAYS-7", NOON)
    order = a_pending_purchase()
    await written(codes, lambda uow: uow.purchases.add(order))
    for one in (mine, given, replace(mine, customer_id=BORIS)):
        await written(codes, lambda uow, one=one: uow.promos.redeem(one))
    second = replace(SPRING, name="SECOND")
    await written(codes, lambda uow: uow.promos.add(second))
    for twice in (mine, given, replace(mine, code="SECOND")):
        with pytest.raises(SavedMeanwhile):
            await written(codes, lambda uow, twice=twice: uow.promos.redeem(twice))

    assert await seen(codes, lambda view: view.promos.redemption(ANNA, "SPRING")) == mine
    assert await seen(codes, lambda view: view.promos.redemption(ANNA, "DAYS-7")) == given
    assert await seen(codes, lambda view: view.promos.redemption(ANNA, "SECOND")) is None
    overview = await seen(codes, lambda view: view.overview(ANNA))
    standings = await seen(codes, lambda view: view.subscriptions.standings([ANNA]))
    assert overview.standing.discount == standings[ANNA].discount == off

    used = mine.used_up(order.id)
    await written(codes, lambda uow: uow.promos.save(used))

    with pytest.raises(SavedMeanwhile):
        await written(codes, lambda uow: uow.promos.save(used))
    assert (await seen(codes, lambda view: view.overview(ANNA))).standing.discount is None
    found = await seen(codes, lambda view: view.promos.redemption(ANNA, "SPRING"))
    assert found == replace(used, version=1)
    anew = replace(mine, code="SECOND", discount=replace(off, code="SECOND"))
    await written(codes, lambda uow: uow.promos.redeem(anew))


async def test_wrong_codes_are_counted_for_each_customer(codes):
    assert await seen(codes, lambda view: view.promos.wrong(ANNA)) is None
    for count in (1, 2):
        wrong = WrongCodes(ANNA, NOON, count)
        await written(codes, lambda uow, wrong=wrong: uow.promos.put_wrong(wrong))

    assert await seen(codes, lambda view: view.promos.wrong(ANNA)) == WrongCodes(ANNA, NOON, 2)
    assert await seen(codes, lambda view: view.promos.wrong(BORIS)) is None


async def test_open_purchases_with_a_discount_are_found(codes):
    full, off = a_pending_purchase(), Reduction("SPRING", rub(299))
    reduced = replace(full, id="pur_00000002", amount=rub(239), reduction=off)
    is_paid = {"status": PurchaseStatus.PAID, "ended_at": NOON}
    paid = replace(reduced, id="pur_00000003", **is_paid)
    for one in (full, reduced, paid):
        await written(codes, lambda uow, one=one: uow.purchases.add(one))

    assert await seen(codes, lambda view: view.purchases.reduced(ANNA)) == [reduced]
    assert await seen(codes, lambda view: view.purchases.reduced(BORIS)) == []
