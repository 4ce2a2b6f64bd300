"""Trials: once for each customer, whoever asks and however often; and what comes after one."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from core.domain.audit import Deed
from core.domain.customer import CustomerBlocked, CustomerId
from core.domain.money import Money
from core.domain.period import Period, PeriodUnit
from core.domain.renewal import FROM_WALLET
from core.domain.subscription import Subscription, SubscriptionStatus, TrialTaken
from core.ports.notifier import NewsKind
from core.use_cases.trials import PlanIsRunning, TrialNotOffered
from tests.builders import rub
from tests.world import World

THREE_DAYS = Period(3, PeriodUnit.DAY)


@pytest.fixture
async def shop(world: World) -> World:
    """PRO_MONTHLY can be tried for three days."""
    wanted = world.wanted()
    plans = tuple(
        replace(plan, trial=THREE_DAYS, prices=(rub(299), Money.of(250, "XTR")))
        if plan.code == "PRO_MONTHLY"
        else plan
        for plan in wanted.plans
    )
    await world.billing.apply_catalog(replace(wanted, plans=plans))
    return world


async def now(world: World, who: CustomerId) -> Subscription:
    account = await world.billing.show_account(who)
    return account.standing.subscription.at(account.at)


async def test_a_trial_lasts_its_days_costs_nothing_and_ends_by_itself(shop: World) -> None:
    anna = await shop.customer()

    await shop.billing.start_trial(anna)

    trial = await now(shop, anna)
    assert trial.period is not None
    assert (trial.status, trial.period.end) == (
        SubscriptionStatus.TRIALING,
        shop.clock() + timedelta(days=3),
    )
    assert await shop.plan(anna) == "PRO_MONTHLY"
    assert await shop.cash(anna) == {}
    await shop.time_passes(days=3)
    assert await shop.plan(anna) == "FREE"
    assert [news.kind for news in shop.notifier.told] == [NewsKind.ENDED]


async def test_there_is_one_trial_in_a_life(shop: World) -> None:
    anna = await shop.customer()
    await shop.billing.start_trial(anna)
    first = await now(shop, anna)

    shop.clock.advance(hours=1)
    await shop.billing.start_trial(anna)
    assert await now(shop, anna) == first
    await shop.time_passes(days=3)
    with pytest.raises(TrialTaken):
        await shop.billing.start_trial(anna)
    await shop.pays_and_is_heard(await shop.buys(anna))
    await shop.time_passes(days=400)

    with pytest.raises(TrialTaken):
        await shop.billing.start_trial(anna)


async def test_many_who_ask_at_once_get_one(shop: World) -> None:
    anna = await shop.customer()

    await asyncio.gather(
        *(shop.billing.start_trial(anna) for _ in range(10)), return_exceptions=True
    )

    async with shop.store.read() as view:
        names = [event.name for event in await view.history(anna)]
    assert names.count("subscription.trial_started") == 1


async def test_who_has_a_plan_has_nothing_to_try_and_may_later(shop: World) -> None:
    anna = await shop.customer()
    await shop.pays_and_is_heard(await shop.buys(anna))

    with pytest.raises(PlanIsRunning):
        await shop.billing.start_trial(anna)
    await shop.time_passes(days=40)

    await shop.billing.start_trial(anna)
    assert (await now(shop, anna)).is_trial


@pytest.mark.parametrize("plan", ["PRO_MONTHLY", "PRO_YEARLY"])
async def test_what_is_bought_during_a_trial_begins_where_it_ends_or_at_once(
    shop: World, plan: str
) -> None:
    anna = await shop.customer()
    await shop.billing.start_trial(anna)
    trial_end = shop.clock() + timedelta(days=3)
    shop.clock.advance(days=1)

    await shop.pays_and_is_heard(await shop.buys(anna, plan))

    bought = await now(shop, anna)
    assert bought.period is not None
    assert bought.status is SubscriptionStatus.ACTIVE
    begins = trial_end if plan == "PRO_MONTHLY" else shop.clock()
    months = 1 if plan == "PRO_MONTHLY" else 12
    assert bought.period.end == bought.period.anchor.after(months, PeriodUnit.MONTH)
    assert (bought.period.start, bought.period.anchor.at) == (begins, begins)
    assert await shop.cash(anna) == {}


async def test_all_of_what_was_paid_in_a_trial_is_for_the_time_after_it(shop: World) -> None:
    """Whoever changes their plan before the trial is over gets back all of it."""
    anna = await shop.customer()
    await shop.billing.start_trial(anna)
    shop.clock.advance(days=1)
    await shop.pays_and_is_heard(await shop.buys(anna))

    await shop.pays_and_is_heard(await shop.buys(anna, "PRO_YEARLY"))

    assert await shop.cash(anna) == {"RUB": 29900}


async def test_a_trial_that_renews_becomes_a_paid_month(shop: World) -> None:
    anna = await shop.customer()
    await shop.billing.start_trial(anna)
    end = shop.clock() + timedelta(days=3)
    await shop.billing.change_subscription.renew_from(anna, FROM_WALLET)
    await shop.deposits(anna, rub(300))

    await shop.time_passes(days=2)

    renewed = await now(shop, anna)
    assert renewed.period is not None
    assert (renewed.status, renewed.period.start) == (SubscriptionStatus.ACTIVE, end)
    assert await shop.cash(anna) == {"RUB": 100}


async def test_a_refund_of_what_followed_a_trial_ends_it(shop: World) -> None:
    anna = await shop.customer()
    await shop.billing.start_trial(anna)
    started = await shop.buys(anna)
    await shop.pays_and_is_heard(started)

    await shop.refunds(started)
    await shop.sweeps()

    assert await shop.plan(anna) == "FREE"


async def test_without_one_in_the_catalog_there_is_none_and_a_blocked_customer_gets_none(
    world: World, shop: World
) -> None:
    anna = await shop.customer()
    await shop.billing.block_customer(anna, deed=Deed("ann", "many accounts"))
    with pytest.raises(CustomerBlocked):
        await shop.billing.start_trial(anna)
    await shop.billing.unblock_customer(anna, deed=Deed("ann", "a mistake"))

    await shop.billing.apply_catalog(world.wanted())

    with pytest.raises(TrialNotOffered):
        await shop.billing.start_trial(anna)
