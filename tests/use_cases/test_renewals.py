"""Subscriptions that renew by themselves: one charge for a period, access kept while it is tried."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from core.domain.customer import CustomerId
from core.domain.money import Money
from core.domain.purchase import PurchaseStatus
from core.domain.renewal import FROM_WALLET, RenewalTerms
from core.domain.subscription import Subscription, SubscriptionStatus
from core.ports.notifier import NewsKind
from core.use_cases.charging import MethodNotChargeable
from core.use_cases.subscriptions import NothingToRenew
from tests.builders import rub
from tests.market import ANN, opens_market, proves
from tests.world import RETURN, World

PRICE = rub(299)


@pytest.fixture
async def market(world: World) -> World:
    return await opens_market(world)


async def subscribes(world: World, source: str = FROM_WALLET) -> tuple[CustomerId, datetime]:
    """Anna is on PRO for a month, and it renews by itself; and when it ends."""
    anna = await world.customer()
    if source != FROM_WALLET:
        source = (await proves(world, anna)).id
    await world.pays_and_is_heard(await world.buys(anna))
    await world.billing.change_subscription.renew_from(anna, source)
    return anna, await end_of(world, anna)


async def now(world: World, who: CustomerId) -> Subscription:
    account = await world.billing.show_account(who)
    return account.standing.subscription.at(account.at)


async def end_of(world: World, who: CustomerId) -> datetime:
    period = (await now(world, who)).period
    assert period is not None
    return period.end


async def comes(world: World, moment: datetime, **after: int) -> None:
    """Time passes until then, and everything that is due is done."""
    left = moment + timedelta(**after) - world.clock()
    await world.time_passes(seconds=left // timedelta(seconds=1) + 1)


def charged(world: World) -> int:
    return [one.paid for one in world.gateway.payments.values()].count(PRICE)


def told(world: World, kind: NewsKind) -> int:
    return [one.kind for one in world.notifier.told].count(kind)


async def test_the_wallet_renews_it_a_day_before_its_end_once(market: World) -> None:
    anna, end = await subscribes(market)
    await market.deposits(anna, rub(500))

    await comes(market, end, hours=-25)
    assert await end_of(market, anna) == end
    await comes(market, end, hours=-24)

    renewed = await now(market, anna)
    assert renewed.status is SubscriptionStatus.ACTIVE
    assert await end_of(market, anna) > end + timedelta(days=27)
    assert await market.cash(anna) == {"RUB": 20100}
    await comes(market, end, days=2)
    assert await market.cash(anna) == {"RUB": 20100}
    assert told(market, NewsKind.PAID) == 3


async def test_a_saved_method_renews_it_month_after_month(market: World) -> None:
    anna, end = await subscribes(market, "method")

    for months in (2, 3, 4):
        await comes(market, end, hours=-24)
        assert charged(market) == months
        end = await end_of(market, anna)

    assert (await now(market, anna)).status is SubscriptionStatus.ACTIVE


async def test_without_money_access_is_kept_for_the_grace_and_a_deposit_renews_it_without_a_gap(
    market: World,
) -> None:
    anna, end = await subscribes(market)

    for hours in (-24, 0, 24, 25):
        await comes(market, end, hours=hours)
    late = await now(market, anna)
    assert late.status is SubscriptionStatus.PAST_DUE
    assert await market.plan(anna) == "PRO_MONTHLY"
    assert told(market, NewsKind.NOT_RENEWED) == 3
    await market.deposits(anna, rub(299))

    renewed = await now(market, anna)
    assert renewed.status is SubscriptionStatus.ACTIVE
    assert renewed.period is not None
    assert timedelta(days=27) < renewed.period.end - end < timedelta(days=32)
    assert renewed.period.paid == rub(598)
    assert renewed.renewal is not None
    assert renewed.renewal.next_at == renewed.period.end - timedelta(hours=24)


async def test_when_the_grace_is_over_it_ends_and_no_deposit_is_taken_for_it(market: World) -> None:
    anna, end = await subscribes(market)

    for hours in (-24, 0, 24, 48, 72):
        await comes(market, end, hours=hours)

    over = await now(market, anna)
    assert (over.period, over.renewal, over.status) == (None, None, SubscriptionStatus.ACTIVE)
    assert told(market, NewsKind.NOT_RENEWED) == 4
    assert told(market, NewsKind.ENDED) == 1
    assert told(market, NewsKind.EXPIRED) == 0
    await market.deposits(anna, rub(299))
    assert await market.cash(anna) == {"RUB": 29900}
    assert await market.plan(anna) == "FREE"


async def test_who_cancels_is_not_charged_and_keeps_it_to_the_end(market: World) -> None:
    anna, end = await subscribes(market, "method")
    for _ in range(2):
        await market.billing.change_subscription.cancel(anna)

    await comes(market, end, minutes=-1)
    assert await market.plan(anna) == "PRO_MONTHLY"
    assert (await now(market, anna)).cancel_at_period_end
    await comes(market, end, days=4)

    assert await market.plan(anna) == "FREE"
    assert charged(market) == 1


async def test_who_resumes_is_renewed_at_once_where_it_was_due(market: World) -> None:
    anna, end = await subscribes(market, "method")
    await market.billing.change_subscription.cancel(anna)
    await comes(market, end, hours=-2)
    assert charged(market) == 1

    await market.billing.change_subscription.resume(anna)
    await market.time_passes(minutes=1)

    assert charged(market) == 2


async def test_who_cancels_past_due_is_over_and_nothing_waits_for_money(market: World) -> None:
    anna, end = await subscribes(market)
    await comes(market, end, hours=1)

    await market.billing.change_subscription.cancel(anna)
    await market.deposits(anna, rub(299))

    assert await market.plan(anna) == "FREE"
    assert await market.cash(anna) == {"RUB": 29900}


async def test_who_switches_it_off_is_not_charged(market: World) -> None:
    anna, end = await subscribes(market, "method")
    await comes(market, end, hours=-30)
    await market.billing.change_subscription.renew_from(anna, None)

    await comes(market, end, days=4)

    assert charged(market) == 1
    assert await market.plan(anna) == "FREE"


async def test_many_looking_at_once_begin_one_try(market: World) -> None:
    anna, end = await subscribes(market, "method")
    market.clock.advance(seconds=(end - market.clock()) // timedelta(seconds=1) - 3600)

    await asyncio.gather(*(market.billing.tend_subscription(anna) for _ in range(5)))
    await market.pump.drain()
    await market.time_passes(minutes=30)

    assert charged(market) == 2


async def test_a_refused_card_is_tried_at_the_times_of_the_catalog_and_no_more(
    market: World,
) -> None:
    terms = RenewalTerms((timedelta(hours=-10), timedelta(hours=5)), grace=timedelta(hours=20))
    wanted = market.wanted()
    money = (await market.billing.show_catalog()).money
    await market.billing.apply_catalog(replace(wanted, money=replace(money, renewal=terms)))
    anna, end = await subscribes(market, "method")
    tries = []
    market.gateway.refuse_charges(9)

    for hours in range(-26, 21):
        before = len(market.gateway.payments)
        await comes(market, end, hours=hours)
        if len(market.gateway.payments) > before:
            tries.append(hours)

    assert tries == [-10, 5]
    assert await market.plan(anna) == "FREE"
    assert charged(market) == 1


async def test_a_charge_without_an_answer_is_not_followed_by_another(market: World) -> None:
    anna, end = await subscribes(market, "method")
    market.gateway.act_then_fail(1)

    for hours in range(-24, 3):
        await comes(market, end, hours=hours)

    assert charged(market) == 2
    assert (await now(market, anna)).status is SubscriptionStatus.ACTIVE


async def test_the_price_is_that_of_the_day_and_a_plan_that_is_not_sold_renews_no_more(
    market: World,
) -> None:
    anna, end = await subscribes(market)
    await market.deposits(anna, rub(1000))
    wanted = market.wanted()
    money = (await market.billing.show_catalog()).money
    dearer = tuple(
        replace(one, prices=(rub(399),)) if one.code == "PRO_MONTHLY" else one
        for one in wanted.plans
    )
    await market.billing.apply_catalog(replace(wanted, plans=dearer, money=money))
    await comes(market, end, hours=-24 * 9)  # In time to be told of it.
    await comes(market, end, hours=-24)
    assert await market.cash(anna) == {"RUB": 60100}

    gone = tuple(one for one in wanted.plans if one.code != "PRO_MONTHLY")
    await market.billing.apply_catalog(replace(wanted, plans=gone, money=money))
    await comes(market, await end_of(market, anna), hours=-24)

    assert await market.cash(anna) == {"RUB": 60100}
    assert (await now(market, anna)).renewal is None
    assert told(market, NewsKind.RENEWS_NO_MORE) == 1


async def test_whoever_was_given_money_back_is_not_charged_again(market: World) -> None:
    anna, _ = await subscribes(market, "method")
    await market.pays_and_is_heard(await market.buys(anna))
    [latest, *_] = await market.billing.show_purchases.page(anna, limit=1)
    await market.billing.refund_purchase(latest.purchase.id, deed=ANN, cause=market.cause())

    assert (await now(market, anna)).renewal is None


async def test_what_cannot_renew_is_refused(market: World) -> None:
    anna = await market.customer()
    change = market.billing.change_subscription
    for asked in (change.renew_from(anna, FROM_WALLET), change.cancel(anna), change.resume(anna)):
        with pytest.raises(NothingToRenew):
            await asked
    await market.pays_and_is_heard(await market.buys(anna))
    method = await proves(market, anna)
    async with market.store.write() as uow:
        await uow.methods.save((await uow.methods.get(method.id)).forgets_token())
        await uow.commit()

    with pytest.raises(MethodNotChargeable):
        await change.renew_from(anna, method.id)
    assert (await now(market, anna)).renewal is None


async def test_a_method_that_was_removed_is_told_and_money_from_elsewhere_renews(
    market: World,
) -> None:
    anna, end = await subscribes(market, "method")
    [method] = await market.billing.list_payment_methods(anna)
    await market.billing.remove_payment_method(anna, method.id)

    await comes(market, end, hours=-24)

    assert told(market, NewsKind.NOT_RENEWED) == 1
    assert await market.billing.list_cases(limit=9) == []
    await market.billing.change_subscription.renew_from(anna, FROM_WALLET)
    await market.deposits(anna, rub(299))
    await comes(market, end, hours=1)
    assert (await now(market, anna)).status is SubscriptionStatus.ACTIVE
    assert await end_of(market, anna) > end


async def test_paying_by_hand_meanwhile_is_the_renewal(market: World) -> None:
    anna, end = await subscribes(market)
    await comes(market, end, hours=-24)
    await market.pays_and_is_heard(await market.buys(anna))
    await market.deposits(anna, rub(500))

    await comes(market, end, days=3)

    assert await market.cash(anna) == {"RUB": 50000}
    statuses = [
        one.purchase.status for one in await market.billing.show_purchases.page(anna, limit=9)
    ]
    assert PurchaseStatus.PENDING not in statuses
    assert Money.of(59800, "RUB") == (await now(market, anna)).period.paid  # type: ignore[union-attr]


async def test_who_buys_another_plan_while_the_renewal_waits_for_money_stays_on_it(
    market: World,
) -> None:
    anna, end = await subscribes(market)
    await comes(market, end, hours=-24)
    await market.pays_and_is_heard(await market.buys(anna, "PRO_YEARLY"))

    await market.deposits(anna, rub(1000))
    await comes(market, end, hours=1)

    assert await market.plan(anna) == "PRO_YEARLY"
    assert (await market.cash(anna))["RUB"] >= 100000, "and what was left of the month"


async def test_a_page_to_pay_the_renewal_at_stays_open_when_the_wallet_is_to_pay_it_no_more(
    market: World,
) -> None:
    anna, end = await subscribes(market)
    await comes(market, end, hours=-24)
    page = await market.buys(anna)
    await market.pays_and_is_heard(await market.buys(anna, "PRO_YEARLY"))
    rest = await market.cash(anna)

    await market.deposits(anna, rub(1000))
    assert await market.plan(anna) == "PRO_YEARLY"
    await market.pays_and_is_heard(page)

    assert await market.plan(anna) == "PRO_MONTHLY"
    assert (await market.cash(anna))["RUB"] > rest["RUB"] + 100000


async def test_who_buys_the_plan_otherwise_while_the_renewal_waits_for_money_pays_once(
    market: World,
) -> None:
    anna, end = await subscribes(market)
    await comes(market, end, hours=-24)
    wanted, money = market.wanted(), (await market.billing.show_catalog()).money
    cheaper = tuple(
        replace(one, prices=(rub(199),)) if one.code == "PRO_MONTHLY" else one
        for one in wanted.plans
    )
    await market.billing.apply_catalog(replace(wanted, plans=cheaper, money=money))
    await market.pays_and_is_heard(await market.buys(anna))

    await market.deposits(anna, rub(1000))
    await comes(market, end, hours=1)

    assert await market.cash(anna) == {"RUB": 100000}


async def test_what_is_given_back_does_not_pay_the_renewal_that_waited_for_money(
    market: World,
) -> None:
    anna = await market.customer()
    await market.deposits(anna, rub(299))
    started = await market.billing.start_purchase(
        anna, "PRO_MONTHLY", return_url=RETURN, cause=market.cause(), gateway=FROM_WALLET
    )
    await market.billing.change_subscription.renew_from(anna, FROM_WALLET)
    await comes(market, await end_of(market, anna), hours=-24)
    assert told(market, NewsKind.NOT_RENEWED) == 1

    await market.refunds(started)
    await market.sweeps()

    assert await market.cash(anna) == {"RUB": 29900}
    assert await market.plan(anna) == "FREE"


async def test_what_is_not_sold_any_more_is_not_renewed_by_money_that_comes_later(
    market: World,
) -> None:
    anna, end = await subscribes(market)
    await comes(market, end, hours=-24)
    wanted, money = market.wanted(), (await market.billing.show_catalog()).money
    gone = tuple(one for one in wanted.plans if one.code != "PRO_MONTHLY")
    await market.billing.apply_catalog(replace(wanted, plans=gone, money=money))
    await comes(market, end, hours=-1)
    await comes(market, end, seconds=-1)
    assert told(market, NewsKind.RENEWS_NO_MORE) == 1

    await market.deposits(anna, rub(1000))

    assert await market.cash(anna) == {"RUB": 100000}
