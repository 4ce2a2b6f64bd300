"""A plan that Telegram renews by itself: every charge renews once, and nobody pays for nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.gateways.telegram.translate import SUBSCRIPTION_SECONDS
from adapters.persistence.memory import MemoryStore
from core.domain.renewal import FROM_WALLET
from core.domain.subscription import SubscriptionStatus
from core.ports.unit_of_work import Store
from core.use_cases.consequences import consequences
from tests.market import ANN
from tests.stars import PRICE, StarsShop

MONTH = timedelta(seconds=SUBSCRIPTION_SECONDS)


@pytest.fixture
async def shop() -> StarsShop:
    return await StarsShop(MemoryStore(consequences)).opens()


@pytest.fixture
async def any_shop(store: Store) -> StarsShop:
    """As `shop`, on each store."""
    return await StarsShop(store).opens()


async def test_each_charge_of_telegram_renews_it_once(any_shop: StarsShop) -> None:
    shop = any_shop
    first = await shop.subscribes()
    began = (await shop.present()).period
    assert began is not None

    for months in (1, 2):
        await shop.passes(days=30)
        renewed = (await shop.present()).period
        assert renewed is not None
        assert renewed.end == began.end + months * MONTH
        assert len(shop.charges()) == months + 1

    present = await shop.present()
    assert present.renewal is not None
    assert present.renewal.source == f"telegram_stars {first}"
    assert await shop.stars() == 0
    assert await shop.paid() == ["paid"] * 3
    assert await shop.world.cases() == []


async def test_a_charge_that_is_told_again_counts_once(shop: StarsShop) -> None:
    await shop.subscribes()
    shop.rules.faults.plan("duplicate", 1)
    await shop.passes(days=30)
    renewed = (await shop.present()).period
    assert renewed is not None
    assert renewed.paid == PRICE + PRICE

    await shop.settles()

    assert (await shop.present()).period == renewed
    assert await shop.paid() == ["paid", "paid"]
    assert await shop.stars() == 0


async def test_a_charge_that_comes_early_is_added_to_the_end(shop: StarsShop) -> None:
    first = await shop.subscribes()
    before = (await shop.present()).period
    assert before is not None

    shop.rules.renew(first, at=shop.world.clock())
    await shop.settles()

    after = (await shop.present()).period
    assert after is not None
    assert after.end == before.end + MONTH


async def test_a_charge_within_the_grace_leaves_no_gap(shop: StarsShop) -> None:
    first = await shop.subscribes()
    shop.rules.till.charge(first).renews = False
    before = (await shop.present()).period
    assert before is not None
    await shop.passes(days=31)
    assert (await shop.present()).status is SubscriptionStatus.PAST_DUE
    assert await shop.plan() == "PRO_MONTHLY"

    shop.rules.till.charge(first).renews = True
    shop.rules.renew(first, at=shop.world.clock())
    await shop.settles()

    after = await shop.present()
    assert after.status is SubscriptionStatus.ACTIVE
    assert after.period is not None
    assert after.period.end == before.end + MONTH


async def test_a_charge_after_the_end_begins_it_anew_and_renews_on(shop: StarsShop) -> None:
    first = await shop.subscribes()
    shop.rules.till.charge(first).renews = False
    await shop.passes(days=30)
    await shop.passes(days=10)
    assert await shop.plan() == "FREE"

    shop.rules.change_subscription(first, "active", at=shop.world.clock())
    await shop.passes(minutes=1)

    assert await shop.plan() == "PRO_MONTHLY"
    assert (await shop.present()).renews_by(f"telegram_stars {first}")
    assert await shop.stars() == 0


async def test_two_charges_at_once_are_two_periods(shop: StarsShop) -> None:
    await shop.subscribes()
    before = (await shop.present()).period
    assert before is not None

    shop.rules.pass_time(shop.world.clock() + 2 * MONTH)
    await shop.settles()

    after = (await shop.present()).period
    assert after is not None
    assert after.end == before.end + 2 * MONTH
    assert await shop.paid() == ["paid"] * 3


async def test_another_sum_stays_in_the_wallet_for_a_person(shop: StarsShop) -> None:
    first = await shop.subscribes()
    before = (await shop.present()).period
    invoice = shop.rules.till.of(shop.rules.till.charge(first))
    shop.rules.till.invoices[invoice.slug] = replace(invoice, total=200)

    shop.rules.renew(first, at=shop.world.clock())
    await shop.settles()

    assert (await shop.present()).period == before
    assert await shop.stars() == 200
    assert await shop.world.cases() == ["mismatch"]


async def test_who_cancels_here_is_not_charged_and_may_resume(shop: StarsShop) -> None:
    first = await shop.subscribes()
    anna = await shop.customer()
    await shop.billing.change_subscription.cancel(anna)
    await shop.settles()
    assert not shop.renews_there(first)

    await shop.billing.change_subscription.resume(anna)
    await shop.settles()
    assert shop.renews_there(first)
    await shop.passes(days=30)
    assert len(shop.charges()) == 2

    await shop.billing.change_subscription.renew_from(anna, None)
    await shop.settles()
    await shop.passes(days=30)
    assert len(shop.charges()) == 2
    assert await shop.plan() == "FREE"


async def test_who_cancels_in_telegram_keeps_it_to_the_end_and_may_take_it_up_there(
    shop: StarsShop,
) -> None:
    first = await shop.subscribes()
    calls = len(shop.rules.calls)
    shop.rules.change_subscription(first, "canceled", at=shop.world.clock())
    await shop.settles()
    stopped = await shop.present()
    assert stopped.cancel_at_period_end
    assert stopped.renews is None
    edits = [one.method for one in list(shop.rules.calls)[calls:]]
    assert "editUserStarSubscription" not in edits

    shop.rules.change_subscription(first, "active", at=shop.world.clock())
    await shop.settles()
    await shop.passes(days=30)

    assert (await shop.present()).renews_by(f"telegram_stars {first}")
    assert len(shop.charges()) == 2


async def test_a_charge_that_crossed_a_cancellation_gives_its_month_and_no_more(
    shop: StarsShop,
) -> None:
    first = await shop.subscribes()
    before = (await shop.present()).period
    assert before is not None
    anna = await shop.customer()
    await shop.billing.change_subscription.cancel(anna)
    shop.rules.renew(first, at=shop.world.clock())
    await shop.settles()

    after = await shop.present()
    assert after.period is not None
    assert after.period.end == before.end + MONTH
    assert after.cancel_at_period_end
    assert not shop.renews_there(first)
    await shop.billing.change_subscription.resume(anna)
    await shop.settles()
    assert shop.renews_there(first)


async def test_a_second_subscription_to_the_same_is_refused_before_it_is_paid(
    shop: StarsShop,
) -> None:
    await shop.subscribes()
    again = await shop.orders()
    invoice = shop.rules.till.invoice(again)
    assert invoice.subscription_period == 0, "what renews already is extended by one payment"
    anna = await shop.customer()
    await shop.billing.change_subscription.cancel(anna)
    await shop.settles()
    [pending, _] = await shop.billing.show_purchases.page(anna, limit=9)
    await shop.billing.cancel_purchase(anna, pending.purchase.id)

    subscription = await shop.orders()
    assert shop.rules.till.invoice(subscription).subscription_period == SUBSCRIPTION_SECONDS
    await shop.billing.change_subscription.resume(anna)
    await shop.settles()
    refused = await shop.pays(subscription)

    assert refused["status"] == "refused"
    assert "уже продлевается" in refused["error_message"]
    assert len(shop.charges()) == 1


async def test_a_refund_takes_the_last_month_and_stops_it_there(any_shop: StarsShop) -> None:
    shop = any_shop
    first = await shop.subscribes()
    began = (await shop.present()).period
    await shop.passes(days=30)
    anna = await shop.customer()
    [latest, *_] = await shop.billing.show_purchases.page(anna, limit=1)

    await shop.billing.refund_purchase(latest.purchase.id, deed=ANN, cause=shop.world.cause())
    await shop.settles()

    assert began is not None
    assert await shop.plan() == "FREE", "the month that is left was given back"
    assert not shop.renews_there(first)
    assert shop.rules.till.charge(shop.charges()[-1]).refunded
    assert not shop.rules.till.charge(first).refunded


async def test_another_plan_or_source_stops_it_there(shop: StarsShop) -> None:
    first = await shop.subscribes()
    anna = await shop.customer()

    await shop.billing.change_subscription.renew_from(anna, FROM_WALLET)
    await shop.settles()

    assert not shop.renews_there(first)
    assert (await shop.present()).renews_by(FROM_WALLET)


async def test_what_is_not_sold_any_more_is_stopped_there_a_day_before(shop: StarsShop) -> None:
    first = await shop.subscribes()
    await shop.opens(prices=(), period=None, stars_subscription=False)

    await shop.passes(days=29, hours=1)

    assert not shop.renews_there(first)
    assert (await shop.present()).renewal is None
    assert shop.heard("больше не продлевается сам") == 1


async def test_without_stars_it_ends_after_the_grace(shop: StarsShop) -> None:
    await shop.subscribes()
    shop.rules.till.purses[1001] = 249
    await shop.passes(days=30)
    assert (await shop.present()).status is SubscriptionStatus.PAST_DUE

    await shop.passes(days=3)

    assert await shop.plan() == "FREE"
    assert len(shop.charges()) == 1


async def test_what_telegram_refuses_to_stop_is_a_persons(shop: StarsShop) -> None:
    first = await shop.subscribes()
    shop.rules.till.charge(first).first_id = "another"

    await shop.billing.change_subscription.cancel(await shop.customer())
    await shop.settles()

    assert await shop.world.cases() == ["difference"]


async def test_a_silent_telegram_is_told_later(shop: StarsShop) -> None:
    first = await shop.subscribes()
    shop.rules.faults.plan("down", 1)
    await shop.billing.change_subscription.cancel(await shop.customer())
    await shop.settles()
    assert shop.renews_there(first)

    await shop.passes(minutes=5)

    assert not shop.renews_there(first)


async def test_a_charge_whose_update_was_lost_is_found_in_the_list(shop: StarsShop) -> None:
    await shop.subscribes()
    shop.rules.faults.plan("drop", 1)
    await shop.passes(days=30)
    assert (await shop.present()).status is SubscriptionStatus.PAST_DUE

    await shop.billing.reconcile("telegram_stars")
    await shop.settles()

    assert (await shop.present()).status is SubscriptionStatus.ACTIVE
    assert await shop.stars() == 0
    assert await shop.paid() == ["paid", "paid"]
