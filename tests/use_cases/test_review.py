"""Money and purchases where two rare things meet."""

import pytest
from dependency_injector import providers

from adapters.gateways.memory import MemoryGateway
from adapters.http.bodies import body_from_started
from core.domain.checkout import CheckoutStatus
from core.domain.payment import Foreign, PaymentId
from core.domain.purchase import PurchaseStatus
from core.ports.payment_gateway import Gateways, GatewayUnavailable
from entrypoints.container import Container
from tests.world import World


def payment_of(started: object) -> PaymentId:
    payment_id = body_from_started(started).payment_id
    assert payment_id is not None
    return PaymentId(payment_id)


@pytest.mark.parametrize("ended", [PurchaseStatus.PAID, PurchaseStatus.CANCELED])
async def test_a_repeat_about_an_ended_purchase_opens_no_payment(
    world: World, ended: PurchaseStatus
) -> None:
    anna = await world.customer()
    cause = world.cause()
    world.gateway.act_then_fail(1)
    with pytest.raises(GatewayUnavailable):
        await world.buys(anna, cause=cause)
    [payment] = world.gateway.payments
    if ended is PurchaseStatus.PAID:
        world.gateway.pay(payment)
        await world.hears(payment)
    else:
        [waiting] = await world.billing.show_purchases.page(anna, limit=1)
        await world.billing.cancel_purchase(anna, waiting.purchase.id)

    for _ in range(2):
        started = await world.buys(anna, cause=cause)
        assert started.purchase.status is ended
        assert body_from_started(started).confirmation_url is None
    assert len(world.gateway.payments) == 1, "nobody is asked to pay for what has ended"


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
    payment = payment_of(await world.buys(anna))
    await world.hears(payment)  # The gateway does not say so yet ...
    world.clock.advance(hours=25)
    world.gateway.unavailable(0)
    await world.pump.drain()
    assert "unconfirmed" in await world.cases()
    world.gateway._change(payment, opened=None)
    world.gateway.pay(payment)
    await world.hears(payment)  # ... and somebody has it sent once more.
    assert await world.plan(anna) == "PRO_MONTHLY"


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
    assert len(told) < 6
    assert await world.cases() == ["foreign"]


async def test_a_gateway_switched_off_does_not_stand_in_the_way_of_another(world: World) -> None:
    anna = await world.customer()
    first = await world.buys(anna)
    other = MemoryGateway("other", now=world.clock)
    moved = Container(
        store=providers.Object(world.store),
        gateways=Gateways(other),
        now=providers.Object(world.clock),
        new_id=providers.Object(world.ids),
    ).billing()
    world.billing = moved
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
