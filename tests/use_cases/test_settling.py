"""What is booked, once, whatever is told how often and in which order."""

import asyncio
from dataclasses import replace

import pytest

from core.domain.payment import Foreign, InboxStatus
from core.domain.purchase import PurchaseStatus
from core.ports.payment_gateway import GatewayUnavailable, SenderNotListed, WebhookNotTrusted
from core.ports.unit_of_work import Store
from core.use_cases.settling import Settlement
from tests.contracts.units import again
from tests.world import World


async def test_a_hundred_copies_of_a_webhook_settle_once(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    payment = world.pays(started)
    webhook = world.gateway.webhook(payment, "payment.succeeded")

    await asyncio.gather(
        *(again(lambda: world.billing.take_in_webhook("yookassa", webhook)) for _ in range(100))
    )
    await asyncio.gather(*(again(lambda: world.settles(payment)) for _ in range(10)))
    await world.pump.drain()

    period = (await world.me(anna)).standing.subscription.period
    assert period is not None
    assert period.count == 1
    assert await world.cash(anna) == {}


async def test_two_purchases_of_one_customer_settled_at_once_extend_twice(world: World) -> None:
    anna = await world.customer()
    await world.buys(anna)
    await world.time_passes(hours=23, minutes=30)
    first = await world.buys(anna)  # A fresh address for the same purchase ...
    await world.time_passes(minutes=45)  # ... which outlives it.
    second = await world.buys(anna)
    assert first.purchase.id != second.purchase.id
    payments = [world.pays(first), world.pays(second)]

    found = await asyncio.gather(*(again(lambda p=p: world.settles(p)) for p in payments))

    assert found == [Settlement.SETTLED, Settlement.SETTLED]
    period = (await world.me(anna)).standing.subscription.period
    assert period is not None
    assert period.count == 2
    assert period.paid.amount_minor == 2 * 29900


async def test_a_webhook_that_overtakes_the_answer_settles_and_the_answer_still_comes(
    world: World,
) -> None:
    anna = await world.customer()
    world.gateway.act_then_fail(1)
    cause = world.cause()
    with pytest.raises(GatewayUnavailable):
        await world.buys(anna, cause=cause)
    [payment] = world.gateway.payments
    world.gateway.pay(payment)
    await world.hears(payment)
    assert await world.plan(anna) == "PRO_MONTHLY"
    started = await world.buys(anna, cause=cause)
    assert started.purchase.status is PurchaseStatus.PAID


async def test_a_claim_that_the_gateway_does_not_confirm_moves_nothing(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    assert started.checkout is not None
    assert started.checkout.payment_id is not None
    world.gateway.puzzle(started.checkout.payment_id)  # Never a word that we know.
    await world.hears(started.checkout.payment_id)
    assert await world.plan(anna) == "FREE"
    for _ in range(30):
        await world.time_passes(hours=1)
    assert await world.plan(anna) == "FREE"
    assert await world.cases() == ["unconfirmed"]


async def test_a_claim_ahead_of_the_gateway_is_settled_when_the_gateway_follows(
    world: World,
) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    assert started.checkout is not None
    assert started.checkout.payment_id is not None
    await world.hears(started.checkout.payment_id)
    world.pays(started)
    await world.time_passes(seconds=5)
    assert await world.plan(anna) == "PRO_MONTHLY"


@pytest.mark.parametrize("foreign", list(Foreign))
async def test_a_foreign_payment_books_nothing_and_alarms(world: World, foreign: Foreign) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    payment = world.pays(started)
    world.gateway.foreign(payment, foreign)
    await world.hears(payment)
    assert await world.plan(anna) == "FREE"
    assert await world.cash(anna) == {}
    assert await world.cases() == ["foreign"]


async def test_forged_webhooks_leave_no_trace(world: World) -> None:
    anna = await world.customer()
    payment = world.pays(await world.buys(anna))
    forged = replace(world.gateway.webhook(payment), headers={"memory-webhook-secret": "guess"})
    with pytest.raises((SenderNotListed, WebhookNotTrusted)):
        await world.billing.take_in_webhook("yookassa", forged)
    async with world.store.read() as view:
        assert await view.jobs.waiting() == 0


async def test_a_repeat_of_a_settled_notice_is_counted_and_asks_nobody(world: World) -> None:
    anna = await world.customer()
    payment = world.pays(await world.buys(anna))
    await world.hears(payment)
    world.gateway.unavailable(1)  # Whoever asks now is told so.
    item = await world.billing.take_in_webhook(
        "yookassa", world.gateway.webhook(payment, "payment.succeeded")
    )
    await world.pump.drain()
    assert item.copies == 2
    assert item.status is InboxStatus.DONE
    async with world.store.read() as view:
        assert await view.jobs.waiting() == 0


async def test_news_in_any_order_ends_the_same(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    payment = world.pays(started)
    for event in ("payment.succeeded", "payment.canceled", "payment.waiting_for_capture"):
        await world.hears(payment, event)
    assert (await world.purchase(anna, started.purchase.id)).purchase.status is PurchaseStatus.PAID
    assert await world.cash(anna) == {}


async def test_a_canceled_payment_lapses_and_buying_again_opens_another(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    assert started.checkout is not None
    assert started.checkout.payment_id is not None
    world.gateway.cancel(started.checkout.payment_id)
    await world.hears(started.checkout.payment_id, "payment.canceled")
    again_ = await world.buys(anna)
    assert again_.purchase.id == started.purchase.id
    assert again_.checkout is not None
    assert again_.checkout.id != started.checkout.id


async def test_every_settled_purchase_has_its_history(world: World, store: Store) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    await world.hears(world.pays(started))
    async with store.read() as view:
        names = [event.name for event in await view.history(started.purchase.id)]
    assert names == ["purchase.started", "purchase.paid"]
