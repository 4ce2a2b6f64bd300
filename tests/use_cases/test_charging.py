"""A saved method is charged with nobody there, once, whatever happens on the way."""

import asyncio
from contextlib import suppress

import pytest

from adapters.gateways.memory import MemoryGateway
from core.domain.cause import Cause, KeyUsedOtherwise
from core.domain.checkout import Checkout, CheckoutStatus
from core.domain.customer import CustomerBlocked, CustomerId
from core.domain.item import PaymentMethodId
from core.domain.money import Money
from core.domain.payment import PaymentFacts
from core.domain.payment_method import (
    MethodStatus,
    PaymentMethod,
    PaymentMethodNotFound,
    PaymentMethodNotVerified,
    PaymentMethodRemoved,
)
from core.domain.purchase import PurchaseId, PurchaseNotPending, PurchaseStatus
from core.ports.payment_gateway import CheckoutDeclined, Gateways
from core.use_cases.charging import ChargeMethod, MethodNotChargeable
from core.use_cases.checkouts import Started
from tests.builders import rub
from tests.contracts.units import again
from tests.market import ANN, BILLING, adds, opens_market, proves
from tests.world import World


@pytest.fixture
async def market(world: World) -> World:
    return await opens_market(world)


class Deadly(MemoryGateway):
    """Whoever asks it for money dies before the question leaves."""

    async def charge_saved(self, checkout: Checkout, token: str) -> PaymentFacts:
        raise MemoryError


async def wants_pro(world: World, who: CustomerId) -> PurchaseId:
    """An open purchase of PRO whose page nobody has open any more."""
    started = await world.buys(who)
    assert started.checkout is not None
    assert started.checkout.payment_id is not None
    world.gateway.cancel(started.checkout.payment_id)
    await world.settles(started.checkout.payment_id)
    return started.purchase.id


async def charges(
    world: World,
    purchase_id: PurchaseId,
    method: PaymentMethod,
    cause: Cause | None = None,
) -> Started:
    return await world.billing.charge_method(purchase_id, method.id, cause=cause or world.cause())


def charged(world: World, amount: Money) -> int:
    """How many payments of this amount the gateway has taken."""
    return [one.paid for one in world.gateway.payments.values()].count(amount)


async def kept(world: World, method: PaymentMethod) -> PaymentMethod:
    async with world.store.read() as view:
        return await view.methods.get(method.id)


async def test_a_saved_method_pays_for_the_plan(market: World) -> None:
    anna = await market.customer()
    method = await proves(market, anna)
    assert method.token is not None

    paid = await charges(market, await wants_pro(market, anna), method)

    assert paid.purchase.status is PurchaseStatus.PAID
    assert paid.checkout is not None
    assert (paid.checkout.status, paid.checkout.method_id) == (CheckoutStatus.PAID, method.id)
    assert paid.checkout.receipt is not None
    assert paid.checkout.receipt.contact == BILLING.email, "the customer gave no other"
    assert await market.plan(anna) == "PRO_MONTHLY"
    assert charged(market, rub(299)) == 1


async def test_the_same_cause_charges_once_and_another_request_with_it_is_refused(
    market: World,
) -> None:
    anna = await market.customer()
    method, purchase_id = await proves(market, anna), await wants_pro(market, anna)
    cause = market.cause("renewal 7")

    found = await asyncio.gather(
        *(again(lambda: charges(market, purchase_id, method, cause)) for _ in range(5))
    )

    assert len({one.checkout.id for one in found if one.checkout}) == 1
    assert charged(market, rub(299)) == 1
    with pytest.raises(KeyUsedOtherwise):
        await charges(market, purchase_id, method, market.cause("renewal 7", "another"))


async def test_two_causes_at_once_charge_once(market: World) -> None:
    anna = await market.customer()
    method, purchase_id = await proves(market, anna), await wants_pro(market, anna)
    causes = [market.cause() for _ in range(5)]

    async def one(cause: Cause) -> None:
        with suppress(PurchaseNotPending):  # Another one has paid it already.
            await again(lambda: charges(market, purchase_id, method, cause))

    await asyncio.gather(*(one(cause) for cause in causes))

    assert charged(market, rub(299)) == 1
    assert await market.cash(anna) == {}


@pytest.mark.parametrize("key_is_the_same", [True, False])
async def test_a_charge_without_an_answer_is_ended_by_asking_and_nothing_is_charged_meanwhile(
    market: World, key_is_the_same: bool
) -> None:
    anna = await market.customer()
    method, purchase_id = await proves(market, anna), await wants_pro(market, anna)
    cause = market.cause("renewal")
    market.gateway.act_then_fail(1)

    unknown = await charges(market, purchase_id, method, cause)

    assert unknown.checkout is not None
    assert unknown.checkout.status is CheckoutStatus.UNKNOWN
    more = await charges(market, purchase_id, method, cause if key_is_the_same else None)
    assert more.checkout == unknown.checkout
    assert charged(market, rub(299)) == 1
    await market.time_passes(minutes=5)
    assert (await market.purchase(anna, purchase_id)).purchase.status is PurchaseStatus.PAID
    assert charged(market, rub(299)) == 1


async def test_a_charge_that_never_arrived_is_given_up_and_then_another_may_be_made(
    market: World,
) -> None:
    anna = await market.customer()
    method, purchase_id = await proves(market, anna), await wants_pro(market, anna)
    market.gateway.unavailable(1)
    unknown = await charges(market, purchase_id, method)
    assert unknown.checkout is not None

    await market.time_passes(minutes=1)
    assert (await charges(market, purchase_id, method)).checkout is not None
    assert charged(market, rub(299)) == 0, "asked once, the gateway may only be slow"
    for _ in range(4):
        await market.time_passes(minutes=30)

    async with market.store.read() as view:
        assert (await view.checkouts.get(unknown.checkout.id)).status is CheckoutStatus.LAPSED
    assert charged(market, rub(299)) == 0
    paid = await charges(market, purchase_id, method)
    assert paid.purchase.status is PurchaseStatus.PAID


async def test_a_death_before_the_gateway_was_asked_charges_nothing_by_itself(
    market: World,
) -> None:
    anna = await market.customer()
    method, purchase_id = await proves(market, anna), await wants_pro(market, anna)
    cause = market.cause("renewal")

    gateways = Gateways(Deadly("yookassa", now=market.clock))
    dying = ChargeMethod(market.store, gateways, market.clock, market.ids)
    with pytest.raises(MemoryError):
        await dying(purchase_id, method.id, cause=cause)

    asked = await charges(market, purchase_id, method, cause)
    assert asked.checkout is not None
    assert asked.checkout.status is CheckoutStatus.ASKED
    for _ in range(4):
        await market.time_passes(minutes=30)
    assert charged(market, rub(299)) == 0
    async with market.store.read() as view:
        assert (await view.checkouts.get(asked.checkout.id)).status is CheckoutStatus.LAPSED


async def test_a_slow_charge_waits_at_no_address_until_it_is_paid(market: World) -> None:
    anna = await market.customer()
    method, purchase_id = await proves(market, anna), await wants_pro(market, anna)
    market.gateway.slow_charges(1)

    slow = await charges(market, purchase_id, method)

    assert slow.checkout is not None
    assert slow.checkout.status is CheckoutStatus.OPEN
    assert not slow.checkout.can_be_paid_at(market.clock())
    payment_id = slow.checkout.payment_id
    assert payment_id is not None
    by_hand = await market.buys(anna)  # The customer comes by all the same.
    assert by_hand.checkout is not None
    assert by_hand.checkout.id != slow.checkout.id
    market.gateway.pay(payment_id)
    await market.hears(payment_id)
    assert await market.plan(anna) == "PRO_MONTHLY"


async def test_a_charge_that_the_bank_refuses_is_over_and_the_customer_hears_of_it(
    market: World,
) -> None:
    anna = await market.customer()
    method, purchase_id = await proves(market, anna), await wants_pro(market, anna)
    market.gateway.refuse_charges(1)

    refused = await charges(market, purchase_id, method)

    assert refused.purchase.is_pending
    assert refused.checkout is not None
    assert refused.checkout.status is CheckoutStatus.LAPSED
    async with market.store.read() as view:
        names = [event.name for event in await view.history(purchase_id)]
    assert names[-1] == "payment.refused"
    assert (await kept(market, method)).token == method.token
    paid = await charges(market, purchase_id, method)
    assert paid.purchase.status is PurchaseStatus.PAID


async def test_a_token_that_is_of_no_more_use_is_forgotten_and_the_account_stays(
    market: World,
) -> None:
    anna = await market.customer()
    method, purchase_id = await proves(market, anna), await wants_pro(market, anna)
    assert method.token is not None
    market.gateway.revoke(method.token)

    with pytest.raises(CheckoutDeclined):
        await charges(market, purchase_id, method)

    present = await kept(market, method)
    assert (present.status, present.token) == (MethodStatus.VERIFIED, None)
    with pytest.raises(MethodNotChargeable):
        await charges(market, purchase_id, method)


async def test_only_a_proven_method_of_ones_own_is_charged(market: World) -> None:
    anna, ben = await market.customer(), await market.customer("telegram:1002")
    purchase_id = await wants_pro(market, anna)
    bens = await proves(market, ben)
    unproven, _ = await adds(market, anna)
    removed = await proves(market, anna)
    await market.billing.remove_payment_method(anna, removed.id)

    for method, refusal in (
        (bens, PaymentMethodNotFound),
        (unproven, PaymentMethodNotVerified),
        (removed, PaymentMethodRemoved),
    ):
        with pytest.raises(refusal):
            await charges(market, purchase_id, method)
    with pytest.raises(PaymentMethodNotFound):
        await market.billing.charge_method(
            purchase_id, PaymentMethodId("pm_none"), cause=market.cause()
        )
    assert charged(market, rub(299)) == 0


async def test_what_is_no_plan_or_has_ended_or_is_a_blocked_customers_is_not_charged(
    market: World,
) -> None:
    anna = await market.customer()
    method, purchase_id = await proves(market, anna), await wants_pro(market, anna)
    deposit = await market.starts_deposit(anna, rub(50))
    assert deposit.checkout is not None
    assert deposit.checkout.payment_id is not None
    market.gateway.cancel(deposit.checkout.payment_id)
    await market.settles(deposit.checkout.payment_id)

    with pytest.raises(MethodNotChargeable):
        await charges(market, deposit.purchase.id, method)
    await market.billing.block_customer(anna, deed=ANN)
    with pytest.raises(CustomerBlocked):
        await charges(market, purchase_id, method)
    await market.billing.unblock_customer(anna, deed=ANN)
    await market.billing.cancel_purchase(anna, purchase_id)
    with pytest.raises(PurchaseNotPending):
        await charges(market, purchase_id, method)
    assert charged(market, rub(299)) == charged(market, rub(50)) == 0


async def test_while_somebody_is_at_the_page_to_pay_nothing_is_charged(market: World) -> None:
    anna = await market.customer()
    method = await proves(market, anna)
    started = await market.buys(anna)

    found = await charges(market, started.purchase.id, method)

    assert found.checkout is not None
    assert started.checkout is not None
    assert found.checkout.id == started.checkout.id
    assert charged(market, rub(299)) == 0
