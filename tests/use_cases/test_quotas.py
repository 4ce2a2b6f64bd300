"""Quotas under many hands: grouped, exact, and nobody pays for a neighbour."""

import asyncio
from dataclasses import replace

import pytest

from adapters.catalog_file import catalog_from_file
from core.domain.customer import CustomerId, CustomerNotFound
from core.domain.period import WindowKind
from core.domain.plan import Feature, FeatureNotFound, QuotaRule
from core.domain.usage_quota import RequestIdUsedOtherwise, UnitsNotUsable
from core.use_cases.quotas import Ask
from tests.world import FITNESS, World


async def test_many_asks_at_once_against_three_give_exactly_three(world: World) -> None:
    anna = await world.customer()
    found = await asyncio.gather(*(world.uses(anna, f"r{n}") for n in range(200)))
    assert sum(one.allowed for one in found) == 3
    assert (await world.me(anna)).quotas[0].used == 3


async def test_asks_of_different_sizes_never_pass_the_limit(world: World) -> None:
    anna = await world.customer()
    sizes = [2, 2, 1, 3, 1, 2]
    found = await asyncio.gather(
        *(world.uses(anna, f"r{n}", units) for n, units in enumerate(sizes))
    )
    used = sum(units for units, one in zip(sizes, found, strict=True) if one.allowed)
    assert used == 3
    assert (await world.me(anna)).quotas[0].used == 3


async def test_one_request_id_is_one_use_however_often_it_is_sent(world: World) -> None:
    anna = await world.customer()
    found = await asyncio.gather(*(world.uses(anna, "same") for _ in range(20)))
    assert len(set(found)) == 1
    assert (await world.uses(anna, "same")) == found[0]
    assert (await world.me(anna)).quotas[0].used == 1


async def test_a_request_id_used_for_something_else_is_refused(world: World) -> None:
    anna = await world.customer()
    await world.uses(anna, "same", 1)
    with pytest.raises(RequestIdUsedOtherwise):
        await world.uses(anna, "same", 2)


async def test_a_bad_ask_does_not_spoil_its_neighbours(world: World) -> None:
    anna = await world.customer()
    good, unknown, feature, nothing, fine = await asyncio.gather(
        world.uses(anna, "good"),
        world.uses(CustomerId("cus_nobody00"), "unknown"),
        world.billing.consume_quota(Ask(anna, Feature("video"), 1, "feature")),
        world.uses(anna, "nothing", 0),
        world.uses(anna, "fine"),
        return_exceptions=True,
    )
    assert isinstance(unknown, CustomerNotFound)
    assert isinstance(feature, FeatureNotFound)
    assert isinstance(nothing, UnitsNotUsable)
    assert good.allowed
    assert fine.allowed
    assert (await world.me(anna)).quotas[0].used == 2


async def test_a_caller_that_goes_away_stops_nobody(world: World) -> None:
    anna = await world.customer()
    asks = [asyncio.ensure_future(world.uses(anna, f"r{n}")) for n in range(6)]
    await asyncio.sleep(0)
    asks[0].cancel()
    found = await asyncio.gather(*asks, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert (await world.me(anna)).quotas[0].used == 3
    assert not any(isinstance(one, Exception) for one in found[1:])


async def test_a_smaller_plan_keeps_what_was_used_and_allows_no_more(world: World) -> None:
    anna = await world.customer()
    await world.hears(world.pays(await world.buys(anna)))
    end = (await world.me(anna)).standing.subscription.due_at
    assert end is not None
    world.clock.at = end.replace(hour=end.hour - 1)
    for n in range(5):
        assert (await world.uses(anna, f"pro-{n}")).allowed
    world.clock.at = end
    decision = await world.uses(anna, "free again")
    assert (decision.allowed, decision.used, decision.limit, decision.remaining) == (False, 5, 3, 0)


async def test_a_month_that_began_before_the_last_day_used_is_shown_whole(world: World) -> None:
    anna = await world.customer()
    await _per(world, "month")
    await world.uses(anna, "in the month")
    await _per(world, "day")
    await world.uses(anna, "in the day")
    await _per(world, "month")
    assert (await world.me(anna)).quotas[0].used == 1


async def _per(world: World, kind: str) -> None:
    wanted = catalog_from_file(FITNESS)
    free = wanted.plans[0]
    rule = QuotaRule(limit=3, per=WindowKind(kind))
    free = replace(free, quotas={Feature("photo_ai"): rule})
    await world.billing.apply_catalog(replace(wanted, plans=(free, *wanted.plans[1:])))
