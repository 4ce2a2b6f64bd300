"""Money and purchases where two rare things meet."""

import asyncio
from pathlib import Path

import pytest
from dependency_injector import providers

from adapters.catalog_file import catalog_from_file
from adapters.gateways.memory import MemoryGateway
from adapters.http.bodies import body_from_started
from core.domain.checkout import CheckoutStatus
from core.domain.payment import Foreign, PaymentId
from core.domain.purchase import PurchaseStatus
from core.ports.payment_gateway import Gateways, GatewayUnavailable
from entrypoints.container import Container
from tests.world import FITNESS, World


def payment_of(started: object) -> PaymentId:
    payment_id = body_from_started(started).payment_id
    assert payment_id is not None
    return PaymentId(payment_id)


async def test_a_repeat_about_a_purchase_paid_meanwhile_opens_no_second_payment(
    world: World,
) -> None:
    anna = await world.customer()
    cause = world.cause()
    world.gateway.act_then_fail(1)
    with pytest.raises(GatewayUnavailable):
        await world.buys(anna, cause=cause)
    [payment] = world.gateway.payments
    world.gateway.pay(payment)
    await world.hears(payment)
    for _ in range(2):
        repeated = await world.buys(anna, cause=cause)
        assert repeated.purchase.status is PurchaseStatus.PAID
        assert body_from_started(repeated).confirmation_url is None
    assert list(world.gateway.payments) == [payment]


async def test_a_repeat_about_a_purchase_canceled_meanwhile_opens_no_payment(
    world: World,
) -> None:
    anna = await world.customer()
    cause = world.cause()
    world.gateway.unavailable(1)
    with pytest.raises(GatewayUnavailable):
        await world.buys(anna, cause=cause)
    [waiting] = await world.billing.show_purchases.page(anna, limit=1)
    await world.billing.cancel_purchase(anna, waiting.purchase.id)
    for _ in range(2):
        repeated = await world.buys(anna, cause=cause)
        assert repeated.purchase.status is PurchaseStatus.CANCELED
    assert not world.gateway.payments


async def test_a_status_that_nobody_knows_is_a_persons_even_without_a_notice(
    world: World,
) -> None:
    anna = await world.customer()
    world.gateway.puzzle(payment_of(await world.buys(anna)))
    for _ in range(3):
        await world.time_passes(hours=12)
    assert await world.cases() == ["unconfirmed"]


async def test_a_repeat_of_a_notice_that_was_given_up_on_asks_again(world: World) -> None:
    anna = await world.customer()
    early = PaymentId("yookassa-00000001")
    await world.hears(early)  # Nobody knows of such a payment, not in a whole day.
    await world.time_passes(hours=25)
    assert await world.cases() == ["unconfirmed"]
    assert world.pays(await world.buys(anna)) == early
    await world.hears(early)
    assert await world.plan(anna) == "PRO_MONTHLY"
    assert await world.cases() == ["unconfirmed"]


async def test_an_open_checkout_that_turns_out_foreign_is_not_asked_about_for_ever(
    world: World,
) -> None:
    anna = await world.customer()
    payment = payment_of(await world.buys(anna))
    world.gateway.foreign(payment, Foreign.OTHER_MODE)
    for _ in range(20):
        await world.time_passes(hours=1)
    async with world.store.read() as view:
        told = await view.history(f"{world.gateway.name} {payment}")
    assert [event.name for event in told] == ["payment.foreign"]
    assert await world.cases() == ["foreign"]


async def test_a_gateway_switched_off_does_not_stand_in_the_way_of_another(
    world: World, tmp_path: Path
) -> None:
    catalog = tmp_path / "catalog.toml"
    catalog.write_text(FITNESS.read_text().replace('["yookassa"]', '["yookassa", "other"]'))
    await world.billing.apply_catalog(catalog_from_file(catalog))
    anna = await world.customer()
    first = await world.buys(anna)
    world.billing = Container(
        store=providers.Object(world.store),
        gateways=Gateways(MemoryGateway("other", now=world.clock)),
        notifier=providers.Object(world.notifier),
        webhooks=providers.Object(world.webhooks),
        now=providers.Object(world.clock),
        new_id=providers.Object(world.ids),
    ).billing()
    again = await world.buys(anna)
    assert again.purchase.id == first.purchase.id
    assert again.checkout is not None
    assert again.checkout.gateway == "other"
    assert again.checkout.status is CheckoutStatus.OPEN


async def test_a_gateway_down_for_hours_makes_no_case_of_each_open_checkout(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    payment = world.pays(started)
    world.gateway.unavailable(100_000)
    for _ in range(6 * 30):
        await world.time_passes(minutes=2)
    assert await world.cases() == []
    world.gateway.unavailable(0)
    await world.time_passes(minutes=3)
    assert await world.plan(anna) == "PRO_MONTHLY"
    assert payment in world.gateway.payments


async def test_money_of_nobody_is_told_of_once_however_many_ask_at_once(world: World) -> None:
    anna = await world.customer()
    payment = world.pays(await world.buys(anna))
    stranger = world.gateway.pay_again(payment)
    world.gateway.forget_metadata(stranger)
    await asyncio.gather(*(world.settles(stranger) for _ in range(8)))
    async with world.store.read() as view:
        told = await view.history(f"{world.gateway.name} {stranger}")
    assert [event.name for event in told] == ["payment.in_suspense"]
    assert await world.cases() == ["suspense"]
