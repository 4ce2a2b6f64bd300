"""Starting, continuing and ending purchases, whatever the gateway does."""

import asyncio
from datetime import timedelta

import pytest

from adapters.gateways.memory import MemoryGateway
from adapters.http.bodies import body_from_started
from core.domain.cause import KeyUsedOtherwise, StillRunning, claim
from core.domain.checkout import Checkout, CheckoutStatus
from core.domain.item import PlanItem
from core.domain.money import Money
from core.domain.payment import OpenedCheckout
from core.domain.payment_method import Billing
from core.domain.plan import NoWayToPay, PlanNotForSale, PlanNotFound
from core.domain.purchase import PurchaseNotFound, PurchaseNotPending, PurchaseStatus
from core.ports.payment_gateway import (
    CheckoutDeclined,
    GatewayNotFound,
    Gateways,
    GatewayUnavailable,
)
from core.use_cases.checkouts import offer
from core.use_cases.purchases import PreviewOutdated, StartPurchase
from tests.builders import Clock, a_catalog, a_plan_version, rub
from tests.world import RETURN, World


async def test_the_same_key_hears_the_same_answer_for_ever(world: World) -> None:
    anna = await world.customer()
    cause = world.cause()
    first = await world.buys(anna, cause=cause)
    again = await world.buys(anna, cause=cause)
    await world.hears(world.pays(first))
    long_after = await world.buys(anna, cause=cause)
    told = body_from_started(first)
    assert told.confirmation_url is not None
    assert body_from_started(again) == told
    assert body_from_started(long_after) == told, "as it was answered, paid or not"


async def test_inside_telegram_no_step_leads_to_a_gateway_without_the_operators_word(
    world: World,
) -> None:
    await world.lets_telegram_sell_for_stars_alone()
    anna = await world.customer()
    outside = await world.buys(anna)
    billing, told = world.billing, {"return_url": RETURN, "in_telegram": True}
    for act in (
        billing.preview_purchase(anna, "PRO_MONTHLY", in_telegram=True),
        billing.start_purchase(anna, "PRO_MONTHLY", cause=world.cause(), **told),
        billing.add_checkout(anna, outside.purchase.id, cause=world.cause(), **told),
    ):
        with pytest.raises(NoWayToPay):
            await act


async def test_the_same_key_with_another_request_is_refused(world: World) -> None:
    anna = await world.customer()
    await world.buys(anna, cause=world.cause("k", "one"))
    with pytest.raises(KeyUsedOtherwise):
        await world.buys(anna, cause=world.cause("k", "other"))


async def test_buying_twice_is_one_purchase_and_one_payment(world: World) -> None:
    anna = await world.customer()
    one, two = await asyncio.gather(world.buys(anna), world.buys(anna))
    assert one.purchase.id == two.purchase.id
    assert body_from_started(one) == body_from_started(two)
    assert len(await world.billing.show_purchases.page(anna, limit=10)) == 1


async def test_two_plans_are_two_purchases(world: World) -> None:
    anna = await world.customer()
    monthly, yearly = await world.buys(anna), await world.buys(anna, "PRO_YEARLY")
    assert monthly.purchase.id != yearly.purchase.id
    found = await world.billing.show_purchases.page(anna, limit=10)
    assert {one.purchase.id for one in found} == {monthly.purchase.id, yearly.purchase.id}


async def test_what_cannot_be_bought_is_said_and_leaves_nothing(world: World) -> None:
    anna = await world.customer()
    cause = world.cause("k")
    for plan, refusal in (("FREE", PlanNotForSale), ("NONE", PlanNotFound)):
        with pytest.raises(refusal):
            await world.buys(anna, plan, cause)
    with pytest.raises(GatewayNotFound):
        await world.billing.start_purchase(
            anna, "PRO_MONTHLY", return_url=RETURN, cause=cause, gateway="nowhere"
        )
    started = await world.buys(anna, cause=cause)
    assert started.purchase.is_pending, "a refused request does not use up its key"


async def test_a_gateway_that_is_down_leaves_a_purchase_that_a_repeat_continues(
    world: World,
) -> None:
    anna = await world.customer()
    cause = world.cause()
    world.gateway.unavailable(1)
    with pytest.raises(GatewayUnavailable):
        await world.buys(anna, cause=cause)
    [waiting] = await world.billing.show_purchases.page(anna, limit=10)
    assert waiting.checkout is not None
    assert waiting.checkout.status is CheckoutStatus.UNKNOWN

    started = await world.buys(anna, cause=cause)
    assert started.purchase.id == waiting.purchase.id
    assert started.checkout is not None
    assert started.checkout.id == waiting.checkout.id
    assert started.checkout.opened is not None


async def test_an_answer_that_was_lost_is_one_payment_after_the_watcher_looked(
    world: World,
) -> None:
    anna = await world.customer()
    world.gateway.act_then_fail(1)
    with pytest.raises(GatewayUnavailable):
        await world.buys(anna)
    await world.time_passes(minutes=2)
    [found] = await world.billing.show_purchases.page(anna, limit=10)
    assert found.checkout is not None
    assert found.checkout.status is CheckoutStatus.OPEN
    assert len(world.gateway.payments) == 1
    await world.hears(world.pays(found))
    assert await world.plan(anna) == "PRO_MONTHLY"


async def test_after_the_providers_memory_an_unknown_opening_is_only_asked_about(
    world: World,
) -> None:
    anna = await world.customer()
    world.gateway.act_then_fail(1)
    with pytest.raises(GatewayUnavailable):
        await world.buys(anna)
    world.clock.advance(timedelta(hours=23, minutes=30))  # Nobody looked in all that time.
    await world.sweeps()
    assert len(world.gateway.payments) == 1, "the key might be forgotten: never sent again"


async def test_a_declined_checkout_leaves_the_purchase_open_for_another_try(world: World) -> None:
    anna = await world.customer()
    world.gateway.decline(1)
    with pytest.raises(CheckoutDeclined):
        await world.buys(anna)
    started = await world.buys(anna)
    assert started.checkout is not None
    assert started.checkout.status is CheckoutStatus.OPEN
    assert len(await world.billing.show_purchases.page(anna, limit=10)) == 1


class NeverAnswers(MemoryGateway):
    """Whoever asks it for a checkout waits for ever."""

    def __init__(self, now: Clock) -> None:
        super().__init__("yookassa", now=now)
        self.is_asked = asyncio.Event()

    async def open_checkout(
        self, checkout: Checkout, billing: Billing | None = None
    ) -> OpenedCheckout:
        self.is_asked.set()
        return await asyncio.get_running_loop().create_future()


async def test_a_request_that_died_is_continued_after_its_lease_with_the_same_purchase(
    world: World,
) -> None:
    anna = await world.customer()
    cause, gateway = world.cause("dead"), NeverAnswers(world.clock)
    start = StartPurchase(world.store, Gateways(gateway), world.clock, world.ids)
    asked = start(anna, "PRO_MONTHLY", return_url=RETURN, cause=cause)
    task = asyncio.ensure_future(asked)
    await gateway.is_asked.wait()
    task.cancel()  # The process dies between the intent and the gateway's answer.
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(StillRunning):
        await world.buys(anna, cause=cause)
    world.clock.advance(timedelta(seconds=31))
    started = await world.buys(anna, cause=cause)
    assert started.checkout is not None
    assert started.checkout.opened is not None
    assert len(await world.billing.show_purchases.page(anna, limit=10)) == 1


async def test_a_claim_let_go_is_taken_up_at_once(world: World) -> None:
    cause = world.cause()
    held = claim(cause, "pur_1", at=world.clock())
    assert held.let_go(at=world.clock()).taken_again(cause, at=world.clock()).subject == "pur_1"


async def test_another_checkout_needs_an_open_purchase_of_ones_own(world: World) -> None:
    anna, boris = await world.customer(), await world.customer("telegram:1002")
    started = await world.buys(anna)

    async def adds(who: str) -> None:
        await world.billing.add_checkout(
            who, started.purchase.id, return_url=RETURN, cause=world.cause()
        )

    with pytest.raises(PurchaseNotFound):
        await adds(boris)
    await world.hears(world.pays(started))
    with pytest.raises(PurchaseNotPending):
        await adds(anna)


async def test_somebody_elses_purchase_looks_like_none(world: World) -> None:
    anna, boris = await world.customer(), await world.customer("telegram:1002")
    started = await world.buys(anna)
    for ask in (world.billing.show_purchases.one, world.billing.cancel_purchase):
        with pytest.raises(PurchaseNotFound):
            await ask(boris, started.purchase.id)


async def test_canceling_twice_is_canceling_once(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    for _ in range(2):
        ended = await world.billing.cancel_purchase(anna, started.purchase.id)
        assert ended.purchase.status is PurchaseStatus.CANCELED
    paid = await world.buys(anna)
    await world.hears(world.pays(paid))
    with pytest.raises(PurchaseNotPending):
        await world.billing.cancel_purchase(anna, paid.purchase.id)


async def test_nothing_expires_while_its_gateway_cannot_be_asked(world: World) -> None:
    anna = await world.customer()
    started = await world.buys(anna)
    world.gateway.unavailable(1000)
    world.clock.advance(timedelta(hours=25))
    await world.billing.sweep()
    await world.pump.drain()
    assert (await world.purchase(anna, started.purchase.id)).purchase.is_pending


async def test_a_preview_that_no_longer_tells_the_truth_is_refused(world: World) -> None:
    anna = await world.customer()
    preview = await world.billing.preview_purchase(anna, "PRO_YEARLY")
    await world.hears(world.pays(await world.buys(anna)))

    async def confirms(preview_id: str) -> None:
        await world.billing.start_purchase(
            anna, "PRO_YEARLY", return_url=RETURN, cause=world.cause(), preview_id=preview_id
        )

    with pytest.raises(PreviewOutdated):
        await confirms(preview.id)
    await confirms((await world.billing.preview_purchase(anna, "PRO_YEARLY")).id)


async def test_purchases_are_listed_page_by_page_the_newest_first(world: World) -> None:
    anna = await world.customer()
    ids = []
    for _ in range(5):
        started = await world.buys(anna)
        ids.append(started.purchase.id)
        await world.billing.cancel_purchase(anna, started.purchase.id)
        world.clock.advance(timedelta(minutes=1))
    first = await world.billing.show_purchases.page(anna, limit=3)
    rest = await world.billing.show_purchases.page(anna, limit=3, after=first[-1].purchase.id)
    assert [one.purchase.id for one in first + rest] == ids[::-1]


def test_the_offer_is_the_first_listed_price_that_the_gateway_takes() -> None:
    gateway = MemoryGateway("yookassa", now=Clock())
    gateways = Gateways(gateway)

    def price_of(*prices: Money) -> Money:
        item = PlanItem(a_plan_version(prices=prices))
        return offer(a_catalog(), item, gateways, None, prices=prices)[1]

    stars, dear = Money.of(250, "XTR"), Money.of(10**11 + 1, "RUB")
    assert price_of(rub(299), stars) == rub(299)
    assert price_of(stars, rub(299)) == stars
    assert price_of(Money.of(5, "TON"), dear, stars) == stars, "not taken: TON, nor so many roubles"
    with pytest.raises(PlanNotForSale):
        price_of(dear)
