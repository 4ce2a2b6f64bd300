"""Days that nobody pays for: from where they are counted, and that they never become money."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from core.domain.audit import Deed
from core.domain.cause import Cause
from core.domain.customer import CustomerId
from core.domain.period import Period, PeriodUnit
from core.domain.plan import PlanCode
from core.domain.promo_code import DaysOf
from core.domain.renewal import FROM_WALLET
from core.domain.subscription import PaidPeriod
from core.ports.notifier import NewsKind
from core.use_cases.gifts import AnotherPlanRuns, DaysNotGivable
from core.use_cases.promo_codes import WantedCode
from tests.builders import rub
from tests.contracts.units import seen
from tests.world import World

ANN = Deed("ann", "the server was away")


async def gives(
    world: World, who: CustomerId, days: int, plan: str = "PRO_MONTHLY", cause: Cause | None = None
) -> PaidPeriod:
    await world.billing.grant_days(who, plan, days, deed=ANN, cause=cause or world.cause())
    return await period(world, who)


async def period(world: World, who: CustomerId) -> PaidPeriod:
    running = (await world.me(who)).standing.subscription.at(world.clock()).period
    assert running is not None
    return running


async def test_days_begin_now_are_no_trial_and_end_by_themselves(world: World) -> None:
    anna, key = await world.customer(), world.cause("once")

    first = await gives(world, anna, 7, cause=key)
    assert await gives(world, anna, 7, cause=key) == first

    standing = (await world.me(anna)).standing
    assert (first.start, first.end) == (world.clock(), world.clock() + timedelta(days=7))
    assert not standing.subscription.is_trial
    assert standing.subscription.renews is None
    [(_, line, _)] = await world.billing.show_audit(limit=9)
    assert (line.action, line.subject, line.facts["days"]) == ("customer.grant_days", anna, 7)
    await world.time_passes(days=7)
    assert await world.plan(anna) == "FREE"


async def test_days_follow_what_is_paid_for_and_what_is_paid_for_follows_them(
    world: World,
) -> None:
    anna = await world.customer()
    await world.pays_and_is_heard(await world.buys(anna))
    await world.billing.change_subscription.renew_from(anna, FROM_WALLET)
    bought = await period(world, anna)

    longer = await gives(world, anna, 10)

    assert longer.end == bought.end + timedelta(days=10)
    renewal = (await world.me(anna)).standing.subscription.renewal
    assert renewal is not None
    assert renewal.next_at == longer.end - timedelta(hours=24)
    await world.pays_and_is_heard(await world.buys(anna))
    again = await period(world, anna)
    two_months = bought.anchor.after(2, PeriodUnit.MONTH)
    assert (again.end, again.count) == (two_months + timedelta(days=10), 2)


async def test_days_are_never_money(world: World) -> None:
    anna = await world.customer()
    await world.pays_and_is_heard(await world.buys(anna))
    bought = await period(world, anna)
    await gives(world, anna, 300)

    assert (await period(world, anna)).rest(bought.end) == rub(0)
    await world.time_passes(seconds=(bought.end - world.clock()).total_seconds())
    await world.pays_and_is_heard(await world.buys(anna, "PRO_YEARLY"))

    assert await world.cash(anna) == {}
    assert (await period(world, anna)).start == world.clock()


async def test_a_refund_takes_what_was_paid_for_and_leaves_the_days(world: World) -> None:
    anna = await world.customer()
    await world.pays_and_is_heard(await world.buys(anna))
    first = await period(world, anna)
    again = await world.buys(anna)
    await world.pays_and_is_heard(again)
    await gives(world, anna, 5)

    await world.refunds(again)

    assert (await period(world, anna)).end == first.end + timedelta(days=5)


async def test_a_refund_of_all_leaves_the_days_alone(world: World) -> None:
    anna = await world.customer()
    bought = await world.buys(anna)
    await world.pays_and_is_heard(bought)
    await gives(world, anna, 5)
    world.clock.advance(days=1)

    await world.refunds(bought)

    left = await period(world, anna)
    assert (left.end, left.is_free) == (world.clock() + timedelta(days=4), True)


async def test_money_paid_during_given_days_buys_all_of_its_time(world: World) -> None:
    anna = await world.customer()
    given = await gives(world, anna, 5)
    world.clock.advance(days=1)
    await world.pays_and_is_heard(await world.buys(anna))

    bought = await period(world, anna)
    assert (bought.start, bought.given) == (given.end, 0)
    assert bought.end == bought.anchor.after(1, PeriodUnit.MONTH)
    assert bought.rest(world.clock()) == rub(299)


async def test_what_cannot_be_given(world: World) -> None:
    anna = await world.customer()
    for plan, days in (("FREE", 3), ("PRO_MONTHLY", 0), ("PRO_MONTHLY", -3), ("PRO_MONTHLY", 3661)):
        with pytest.raises(DaysNotGivable):
            await gives(world, anna, days, plan)
    await gives(world, anna, 3, "PRO_YEARLY")
    with pytest.raises(AnotherPlanRuns):
        await gives(world, anna, 3)
    assert len(await world.billing.show_audit(limit=9)) == 1


async def test_many_at_once_under_one_cause_give_once_and_all_else_each(world: World) -> None:
    anna, key = await world.customer(), world.cause("once")

    await asyncio.gather(
        *(gives(world, anna, 2, cause=key) for _ in range(3)),
        *(gives(world, anna, 1) for _ in range(3)),
    )

    assert (await period(world, anna)).end == world.clock() + timedelta(days=5)
    events = await seen(world.store, lambda view: view.history(anna))
    assert [one.name for one in events].count("subscription.given") == 4


async def test_days_that_an_operator_gives_are_told_once(world: World) -> None:
    anna, key = await world.customer(), world.cause("once")

    for _ in range(2):
        await gives(world, anna, 7, cause=key)
        await world.sweeps()

    [told] = world.notifier.told
    assert (told.kind, told.days) == (NewsKind.GIVEN, 7)
    assert told.standing.subscription.period == await period(world, anna)
    await gives(world, anna, 7)
    await world.sweeps()
    assert [one.kind for one in world.notifier.told] == [NewsKind.GIVEN] * 2


async def test_days_of_a_promo_code_are_told_by_whoever_asked_for_it_alone(world: World) -> None:
    anna = await world.customer()
    wanted = WantedCode(DaysOf(PlanCode("PRO_MONTHLY"), 7), "WEEK")
    await world.billing.create_promo_code(wanted, deed=ANN, cause=world.cause())

    await world.billing.redeem_promo_code(anna, "week", cause=world.cause())
    await world.sweeps()

    assert (await period(world, anna)).end == world.clock() + timedelta(days=7)
    assert world.notifier.told == []


async def test_a_gift_at_night_is_told_in_the_morning_if_it_is_still_true(world: World) -> None:
    anna, ben = await world.customer(), await world.customer("telegram:1002")
    world.clock.advance(hours=12)  # Midnight in Moscow.
    for who in (anna, ben):
        await gives(world, who, 7)
    await world.pays_and_is_heard(await world.buys(ben, "PRO_YEARLY"))
    assert [one.kind for one in world.notifier.told] == [NewsKind.PAID]

    await world.time_passes(hours=9)

    assert [(one.kind, one.standing.customer.id) for one in world.notifier.told[1:]] == [
        (NewsKind.GIVEN, anna)
    ]


async def test_who_is_not_served_is_told_of_no_gift(world: World) -> None:
    anna = await world.customer()
    await world.billing.block_customer(anna, deed=ANN)
    await gives(world, anna, 7)
    await world.sweeps()
    assert world.notifier.told == []


async def test_whoever_is_past_due_has_the_days_at_once(world: World) -> None:
    anna = await world.customer()
    await world.pays_and_is_heard(await world.buys(anna))
    await world.billing.change_subscription.renew_from(anna, FROM_WALLET)
    end = (await period(world, anna)).end
    await world.time_passes(seconds=(end - world.clock()).total_seconds() + 86_400)

    given = await gives(world, anna, 1)

    assert (given.start, given.end) == (world.clock(), world.clock() + timedelta(days=1))
    assert (await gives(world, anna, 4)).end == given.end + timedelta(days=4)


async def test_days_had_before_a_purchase_outlive_its_refund(world: World) -> None:
    anna = await world.customer()
    given = await gives(world, anna, 30)
    world.clock.advance(days=2)
    bought = await world.buys(anna)
    await world.pays_and_is_heard(bought)
    again = await world.buys(anna)
    await world.pays_and_is_heard(again)

    await world.refunds(again)
    assert (await period(world, anna)).start == given.end
    await world.refunds(bought)

    left = await period(world, anna)
    assert (left.end, left.is_free) == (given.end, True)
    await world.pays_and_is_heard(await world.buys(anna))
    assert (await period(world, anna)).start == given.end


async def test_a_refund_of_what_was_bought_during_days_takes_its_time_in_whatever_unit(
    world: World,
) -> None:
    anna = await world.customer()
    given = await gives(world, anna, 30)
    world.clock.advance(days=2)
    bought = await world.buys(anna)
    await world.pays_and_is_heard(bought)
    wanted = world.wanted()
    plans = tuple(
        replace(one, period=Period(30, PeriodUnit.DAY)) if one.code == "PRO_MONTHLY" else one
        for one in wanted.plans
    )
    await world.billing.apply_catalog(replace(wanted, plans=plans))
    world.clock.advance(days=2)
    await world.pays_and_is_heard(await world.buys(anna))

    await world.refunds(bought)

    left = await period(world, anna)
    assert (left.start, left.end) == (given.end, given.end + timedelta(days=30))
    assert left.paid == rub(299)


async def test_a_refund_of_what_has_ended_leaves_days_as_they_are(world: World) -> None:
    anna = await world.customer()
    ended = await world.buys(anna)
    await world.pays_and_is_heard(ended)
    await world.time_passes(days=40)
    given = await gives(world, anna, 30)

    await world.refunds(ended)

    assert await period(world, anna) == given


async def test_a_refund_of_what_has_ended_takes_nothing_of_what_runs(world: World) -> None:
    anna = await world.customer()
    ended = await world.buys(anna)
    await world.pays_and_is_heard(ended)
    await world.time_passes(days=40)
    await gives(world, anna, 60)
    await world.pays_and_is_heard(await world.buys(anna))
    runs = await period(world, anna)

    await world.refunds(ended, rub(99))
    await world.refunds(ended)

    assert await period(world, anna) == runs


async def test_days_given_let_the_order_of_a_late_renewal_go(world: World) -> None:
    anna = await world.customer()
    await world.pays_and_is_heard(await world.buys(anna))
    await world.billing.change_subscription.renew_from(anna, FROM_WALLET)
    end = (await period(world, anna)).end
    await world.time_passes(seconds=(end - world.clock()).total_seconds() + 3600)

    given = await gives(world, anna, 30)
    await world.deposits(anna, rub(299))

    assert await period(world, anna) == given
    assert await world.cash(anna) == {"RUB": 299_00}
    await world.time_passes(seconds=(given.end - world.clock()).total_seconds())
    assert await world.cash(anna) == {}
