"""Safety bounds: a runaway stops itself, is told once, and what is in order is never stopped."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from adapters.persistence.memory import MemoryStore
from core.domain.audit import Deed
from core.domain.customer import CustomerId, identity
from core.domain.money_terms import MoneyTerms
from core.domain.referral_program import Door, Invitation, ReferralTerms, RewardLevel, code_of
from core.domain.renewal import FROM_WALLET, RenewalTerms
from core.domain.safety import SafetyTerms
from core.domain.subscription import Subscription
from core.domain.switch import Switch
from core.ports.unit_of_work import Store
from core.use_cases.consequences import consequences
from simulation.mutants import Changed, ChangedStore
from tests.builders import rub
from tests.market import held, opens_market, proves, withdraws
from tests.world import World

PRICE = 29900
OLGA = Deed("olga", "looked at it: mended")


def never_moves_on(store: Store, now: Callable[[], datetime]) -> ChangedStore:
    """A planted bug: whatever was tried, and whatever came of it, is due again at once."""

    def change(uow: Any) -> None:
        real = uow.subscriptions

        async def save(has: Subscription) -> None:
            had = (await real.get(has.customer_id)).renewal
            if had is not None and had.next_at <= now():
                has = replace(has, renewal=replace(has.renewal or had, next_at=now()))
            await real.save(has)

        uow.subscriptions = Changed(real, save=save)

    return ChangedStore(store, change)


async def runaway(store: Store) -> World:
    """A market whose renewals run away."""
    known = World(store)
    world = World(never_moves_on(store, known.clock), clock=known.clock)
    return await opens_market(world)


async def subscribes(world: World, who: CustomerId, *, by_method: bool) -> timedelta:
    """With plenty in the wallet; how long until it is first due."""
    source = (await proves(world, who)).id if by_method else FROM_WALLET
    await world.deposits(who, rub(50_000))
    await world.pays_and_is_heard(await world.buys(who))
    await world.billing.change_subscription.renew_from(who, source)
    period = (await world.me(who)).standing.subscription.period
    assert period is not None
    return period.end - timedelta(hours=24) - world.clock()


async def off(world: World) -> list[Switch]:
    return [one for one in await world.billing.list_switches() if not one.is_on]


async def charges(world: World, who: CustomerId) -> int:
    """How often a renewal was paid, from wherever."""
    _, *renewed = [
        one
        for one in await world.billing.show_purchases.page(who, limit=99)
        if one.purchase.plan is not None and one.purchase.status == "paid"
    ]
    return len(renewed)


@pytest.mark.parametrize("by_method", [False, True])
async def test_a_renewal_that_runs_away_is_stopped_for_everybody(
    store: Store, by_method: bool
) -> None:
    world = await runaway(store)
    anna = await world.customer()
    due_in = await subscribes(world, anna, by_method=by_method)
    await world.time_passes(days=due_in.days - 1)  # Her own word is older than a day.

    await world.time_passes(days=1, seconds=due_in.seconds + 1)

    assert await charges(world, anna) == 3
    [switch] = await off(world)
    assert (switch.name, switch.by) == ("renewals", "billhook")
    assert await world.cases() == ["safety"]
    [line] = [one for _, one, _ in await world.billing.show_audit(limit=9)]
    assert (line.action, line.actor, line.subject) == ("switch.off", "billhook", "renewals")
    assert "3 times in a day" in line.reason
    [told] = await world.billing.watch_bounds()
    assert told.customer_id == anna
    await world.time_passes(minutes=2)
    assert await world.billing.watch_bounds() == [], "told once"


async def test_turned_on_again_it_is_believed_and_stopped_once_more(store: Store) -> None:
    world = await runaway(store)
    anna = await world.customer()
    await world.time_passes(
        seconds=(await subscribes(world, anna, by_method=False)).total_seconds() + 1
    )
    first = await world.billing.watch_bounds()
    await world.billing.turn_switch("renewals", is_on=True, deed=OLGA)

    await world.time_passes(minutes=3)

    assert await charges(world, anna) == 6
    assert [one.name for one in await off(world)] == ["renewals"]
    again = await world.billing.watch_bounds()
    assert len(first) == len(again) == 1
    assert first[0].cause != again[0].cause


@pytest.fixture
async def market() -> World:
    return await opens_market(World(MemoryStore(consequences)))


async def test_who_chooses_again_and_again_stops_nobody_else(market: World) -> None:
    world, anna = market, await market.customer()
    due_in = await subscribes(world, anna, by_method=True)
    await world.time_passes(seconds=due_in.total_seconds() - 60)
    [method] = await world.billing.list_payment_methods(anna)
    known = len(world.gateway.payments)
    for _ in range(9):
        world.gateway.refuse_charges()
        await world.billing.change_subscription.renew_from(anna, None)
        await world.billing.change_subscription.renew_from(anna, method.id)
        await world.time_passes(minutes=3)

    assert len(world.gateway.payments) - known <= 3
    assert await off(world) == []
    assert await world.cases() == ["safety"]


async def binds(world: World, **terms: Any) -> None:
    wanted = await world.billing.show_catalog()
    money = replace(wanted.money, safety=SafetyTerms(**terms))
    await world.billing.apply_catalog(replace(world.wanted(), money=money))


async def stopped(world: World) -> list[tuple[str, str]]:
    """A minute later: which bounds were reached, and the switches that are off."""
    world.clock.advance(timedelta(minutes=1))
    cases = [one.facts["bound"] for one in await world.billing.watch_bounds()]
    assert {one.by for one in await off(world)} <= {"billhook"}
    return list(zip(cases, [one.name for one in await off(world)], strict=True))


async def try_to_renew(world: World, number: int, *, failing: int) -> None:
    """Somebody new for each; the bank says no to so many of them."""
    for one in range(number):
        who = await world.customer(f"external:{world.ids('n')}")
        method = await proves(world, who)
        order = await world.buys(who)
        assert order.checkout is not None
        assert order.checkout.payment_id is not None
        world.gateway.cancel(order.checkout.payment_id)
        await world.settles(order.checkout.payment_id)
        world.gateway.refuse_charges(1 if one < failing else 0)
        await world.billing.charge_method(order.purchase.id, method.id, cause=world.cause())


async def test_charges_that_fail_stop_the_renewals_until_a_person_believes_them(
    market: World,
) -> None:
    await binds(market, failing=50, failing_least=4)
    await try_to_renew(market, 3, failing=3)
    assert await stopped(market) == [], "too few to say"

    await try_to_renew(market, 1, failing=0)
    assert await stopped(market) == [("renewals_failing", "renewals")]
    [*_, line] = [one for _, one, _ in await market.billing.show_audit(limit=99)]
    assert line.reason == "safety bound: 3 of 4 charges of saved methods failed"

    assert await market.billing.watch_bounds() == []
    await market.billing.turn_switch("renewals", is_on=True, deed=OLGA)
    await try_to_renew(market, 3, failing=3)
    market.clock.advance(timedelta(minutes=1))
    assert await market.billing.watch_bounds() == []
    assert await off(market) == [], "what was before does not count any more"


async def test_as_many_failures_as_a_bad_day_has_stop_nothing(market: World) -> None:
    await try_to_renew(market, 12, failing=12)
    assert await stopped(market) == []
    await try_to_renew(market, 8, failing=3)
    assert await stopped(market) == []


async def test_payouts_above_the_sum_of_a_day_stop_and_nothing_that_waits_is_lost(
    market: World,
) -> None:
    await binds(market, payouts=(rub(1000),))
    people = [await market.customer(f"telegram:{n}") for n in (1, 2, 3)]
    methods = [await proves(market, who) for who in people]
    for who in people:
        await market.deposits(who, rub(9000))
    for who, method in zip(people[:2], methods, strict=False):
        await withdraws(market, who, method, rub(500))
    await withdraws(market, people[2], methods[2], rub(501))  # Above a brake: it is not leaving.
    assert await stopped(market) == [], "no more than the sum"

    await withdraws(market, people[2], methods[2], rub(10))
    assert await stopped(market) == [("payouts", "payouts")]

    waiting = await withdraws(market, people[0], methods[0], rub(10))
    assert await held(market, people[0]) == 51000
    sent = len(market.gateway.payouts)
    await market.time_passes(hours=1)
    assert len(market.gateway.payouts) == sent
    await market.billing.turn_switch("payouts", is_on=True, deed=OLGA)
    await market.time_passes(minutes=3)
    assert len(market.gateway.payouts) == sent + 1
    assert (await market.billing.show_withdrawals.one(people[0], waiting.id)).status == "sent"


async def brings(market: World, number: int) -> None:
    """A tenth for whoever brought those who buy; all of them at once."""
    anna = await market.customer("telegram:1")
    market.clock.advance(timedelta(seconds=1))
    for _ in range(number):
        boris = await market.billing.register_customer(
            identity(f"external:{market.ids('n')}"),
            language="ru",
            invitation=Invitation(f"r_{code_of(anna)}", Door.BOT),
        )
        await market.pays_and_is_heard(await market.buys(boris.id))


async def test_rewards_above_their_share_of_what_came_in_stop(market: World) -> None:
    wanted = await market.billing.show_catalog()
    referral = ReferralTerms(levels=(RewardLevel(1, 1000),))
    terms = replace(wanted.money, referral=referral, safety=SafetyTerms(rewards=9, rewards_least=3))
    await market.billing.apply_catalog(replace(market.wanted(), money=terms))
    await brings(market, 2)
    assert await stopped(market) == [], "too few to say"

    await brings(market, 1)
    assert await stopped(market) == [("rewards", "rewards")]


def test_what_the_catalog_does_not_say_follows_from_the_rest() -> None:
    hours = tuple(timedelta(hours=one) for one in (-3, -2, -1, 0, 30))
    many = MoneyTerms(renewal=RenewalTerms(hours, timedelta(hours=30)))
    generous = MoneyTerms(referral=ReferralTerms(levels=(RewardLevel(1, 9550),)))

    assert (MoneyTerms().tries_a_day, many.tries_a_day) == (3, 5)
    assert (MoneyTerms().rewards_percent, generous.rewards_percent) == (50, 100)
