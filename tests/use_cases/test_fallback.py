"""Who names no gateway is sent to the next one where the first fails, and is never stranded."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.gateways.breaker import GuardedGateway
from adapters.gateways.memory import MemoryGateway
from core.domain.cause import Cause
from core.domain.checkout import Checkout, CheckoutStatus
from core.domain.customer import CustomerId
from core.domain.payment import OpenedCheckout
from core.domain.payment_method import Billing
from core.domain.plan import GatewayName
from core.ports.payment_gateway import Abilities, CheckoutDeclined, GatewayUnavailable
from core.ports.unit_of_work import Store
from core.use_cases.checkouts import Started, Terms
from tests.builders import Clock, rub
from tests.market import adds, opens_market, proves
from tests.world import RETURN, World

LEASE = 31
"""Seconds after which somebody else may go on with what a dead process began."""


class MortalGateway(MemoryGateway):
    """Those who ask it for an address die, as often as it is told."""

    deaths_before = deaths_after = 0

    async def open_checkout(
        self, checkout: Checkout, billing: Billing | None = None
    ) -> OpenedCheckout:
        if self.deaths_before > 0:
            self.deaths_before -= 1
            raise MemoryError
        opened = await super().open_checkout(checkout, billing)
        if self.deaths_after > 0:
            self.deaths_after -= 1
            raise MemoryError
        return opened


class Shop(World):
    """Takes deposits at three gateways: `first`, `second`, and then `gateway`."""

    def __init__(self, store: Store) -> None:
        clock = Clock()
        self.first = MortalGateway("paymongo", now=clock)
        self.second = MortalGateway("xendit", now=clock)
        self.guarded = GuardedGateway(self.first, clock)
        super().__init__(store, more_gateways=[self.guarded, self.second], clock=clock)

    async def starts(
        self, who: CustomerId, cause: Cause | None = None, gateway: str | None = None
    ) -> Started:
        terms = Terms(RETURN, gateway)
        return await self.billing.start_deposit(who, rub(100), terms, cause=cause or self.cause())

    async def attempts(self, started: Started) -> list[tuple[str, CheckoutStatus]]:
        async with self.store.read() as view:
            found = await view.checkouts.of_purchases([started.purchase.id])
        return [(one.gateway, one.status) for one in found]


@pytest.fixture
async def shop(store: Store) -> Shop:
    shop = Shop(store)
    await shop.opens()
    return shop


def gateway_of(started: Started) -> str:
    assert started.checkout is not None
    assert started.checkout.can_be_paid_at(started.checkout.asked_at)
    return started.checkout.gateway


async def test_where_the_first_does_not_answer_the_next_is_asked(shop: Shop) -> None:
    anna, cause = await shop.customer(), shop.cause()
    shop.first.unavailable(1)

    started = await shop.starts(anna, cause)

    assert gateway_of(started) == "xendit"
    assert await shop.attempts(started) == [
        ("paymongo", CheckoutStatus.UNKNOWN),
        ("xendit", CheckoutStatus.OPEN),
    ]
    again = await shop.starts(anna, cause)
    assert again.checkout is not None
    assert started.checkout is not None
    assert again.checkout.id == started.checkout.id, "a repeat hears the same answer"
    assert (len(shop.first.payments), len(shop.second.payments)) == (0, 1)


async def test_where_the_first_declines_the_next_is_asked(shop: Shop) -> None:
    anna = await shop.customer()
    shop.first.decline(1)
    shop.second.decline(1)

    started = await shop.starts(anna)

    assert gateway_of(started) == "yookassa"
    assert [status for _, status in await shop.attempts(started)] == [
        CheckoutStatus.DECLINED,
        CheckoutStatus.DECLINED,
        CheckoutStatus.OPEN,
    ]


async def test_each_is_asked_once_and_the_first_failure_is_the_answer(shop: Shop) -> None:
    anna, cause = await shop.customer(), shop.cause()
    shop.first.decline(1)
    shop.second.unavailable(1)
    shop.gateway.unavailable(1)

    with pytest.raises(CheckoutDeclined) as no:
        await shop.starts(anna, cause)
    assert no.value.gateway == "paymongo"

    # The same may be asked again at once, and is the same purchase.
    started = await shop.starts(anna, cause)
    assert gateway_of(started) == "yookassa"
    assert len(await shop.attempts(started)) == 3


async def test_what_was_opened_without_an_answer_is_paid_by_nobody_and_counted_never(
    shop: Shop,
) -> None:
    anna = await shop.customer()
    shop.first.act_then_fail(1)

    started = await shop.starts(anna)
    assert gateway_of(started) == "xendit"
    assert started.checkout is not None
    assert started.checkout.payment_id is not None
    shop.second.pay(started.checkout.payment_id)
    await shop.billing.settle_payment("xendit", started.checkout.payment_id)
    for _ in range(30):
        await shop.time_passes(hours=1)

    assert await shop.cash(anna) == {"RUB": 100_00}
    assert await shop.attempts(started) == [
        ("paymongo", CheckoutStatus.LAPSED),
        ("xendit", CheckoutStatus.PAID),
    ]


async def test_a_gateway_that_was_named_is_the_only_one_asked(shop: Shop) -> None:
    anna = await shop.customer()
    shop.first.unavailable(1)

    with pytest.raises(GatewayUnavailable):
        await shop.starts(anna, gateway="paymongo")

    assert not shop.second.payments


async def test_only_those_that_the_plan_allows_are_asked(shop: Shop) -> None:
    anna = await shop.customer()
    shop.gateway.unavailable(1)

    with pytest.raises(GatewayUnavailable) as silence:
        await shop.buys(anna)  # PRO_MONTHLY is for YooKassa alone.

    assert silence.value.gateway == "yookassa"
    assert not shop.first.payments


async def test_another_way_to_pay_falls_back_too(shop: Shop) -> None:
    anna = await shop.customer()
    started = await shop.starts(anna, gateway="yookassa")
    assert started.checkout is not None
    assert started.checkout.payment_id is not None
    shop.gateway.cancel(started.checkout.payment_id)
    await shop.settles(started.checkout.payment_id)
    shop.first.unavailable(1)
    cause = shop.cause()

    other, again = [
        await shop.billing.add_checkout(anna, started.purchase.id, return_url=RETURN, cause=cause)
        for _ in range(2)
    ]

    assert gateway_of(other) == gateway_of(again) == "xendit"
    assert len(shop.second.payments) == 1


async def test_a_check_stays_with_the_gateway_of_its_method(shop: Shop) -> None:
    anna = await (await opens_market(shop)).customer()
    shop.first.decline(1)

    with pytest.raises(CheckoutDeclined):
        await adds(shop, anna)

    assert not shop.second.payments


async def test_a_charge_of_a_saved_method_never_goes_elsewhere(shop: Shop) -> None:
    anna = await (await opens_market(shop)).customer()
    shop.first.abilities = Abilities({}, timedelta())
    shop.second.abilities = Abilities({}, timedelta())
    method = await proves(shop, anna)
    del shop.first.abilities, shop.second.abilities
    started = await shop.buys(anna)
    assert started.checkout is not None
    assert started.checkout.payment_id is not None
    shop.gateway.cancel(started.checkout.payment_id)
    await shop.settles(started.checkout.payment_id)
    shop.gateway.unavailable(1)

    charged = await shop.billing.charge_method(started.purchase.id, method.id, cause=shop.cause())

    assert charged.checkout is not None
    assert (charged.checkout.gateway, charged.checkout.status) == (
        "yookassa",
        CheckoutStatus.UNKNOWN,
    )
    assert not shop.first.payments
    assert not shop.second.payments


@pytest.mark.parametrize("where", ["first", "before second", "after second"])
@pytest.mark.parametrize("who", ["repeat", "watcher"])
async def test_a_death_on_the_way_strands_nobody(shop: Shop, where: str, who: str) -> None:
    anna, cause = await shop.customer(), shop.cause()
    if where == "first":
        shop.first.deaths_before = 1
    else:
        shop.first.unavailable(1)
        shop.second.deaths_before = int(where == "before second")
        shop.second.deaths_after = int(where == "after second")
    with pytest.raises(MemoryError):
        await shop.starts(anna, cause)

    if who == "watcher":
        await shop.time_passes(seconds=LEASE)
    else:
        shop.clock.advance(seconds=LEASE)
    started = await shop.starts(anna, cause)

    assert gateway_of(started) == ("paymongo" if where == "first" else "xendit")
    assert started.purchase.id == (await shop.starts(anna, cause)).purchase.id
    assert len(await shop.billing.show_purchases.page(anna, limit=9)) == 1
    assert len(shop.second.payments) == (0 if where == "first" else 1)


async def test_a_repeat_meanwhile_goes_on_with_the_same_checkout(shop: Shop) -> None:
    anna, cause = await shop.customer(), shop.cause()
    shop.first.unavailable(1)
    shop.second.deaths_before = 1
    with pytest.raises(MemoryError):
        await shop.starts(anna, cause)
    shop.clock.advance(seconds=LEASE)
    shop.first.unavailable(1)
    shop.second.unavailable(1)

    # Where it stopped first; then those that are left, the one before among them.
    started = await shop.starts(anna, cause)

    assert gateway_of(started) == "yookassa"
    assert len(await shop.attempts(started)) == 3


async def test_two_at_once_end_at_one_address(shop: Shop) -> None:
    anna = await shop.customer()
    shop.first.unavailable(2)
    causes = shop.cause(), shop.cause()

    one, other = await asyncio.gather(*(shop.starts(anna, cause) for cause in causes))

    assert one.checkout is not None
    assert other.checkout is not None
    assert one.checkout.id == other.checkout.id
    assert len(shop.second.payments) == 1


async def test_a_gateway_without_keys_is_asked_by_one_at_a_time(shop: Shop) -> None:
    anna = await shop.customer()
    shop.second.abilities = replace(shop.second.abilities, key_memory=timedelta())
    shop.first.unavailable(2)
    causes = shop.cause(), shop.cause()

    ended = await asyncio.gather(
        *(shop.starts(anna, cause) for cause in causes), return_exceptions=True
    )
    [lost] = [cause for cause, end in zip(causes, ended, strict=True) if not _is_started(end)]

    assert len(shop.second.payments) == 1
    assert gateway_of(await shop.starts(anna, lost)) == "xendit"
    assert len(shop.second.payments) == 1


def _is_started(end: object) -> bool:
    return isinstance(end, Started)


async def test_what_is_down_is_offered_last_and_not_asked(shop: Shop) -> None:
    anna = await shop.customer()
    shop.first.unavailable(5)
    for _ in range(5):
        await shop.starts(anna)
        for started in await shop.billing.show_purchases.page(anna, limit=1):
            await shop.billing.cancel_purchase(anna, started.purchase.id)
    assert shop.guarded.is_down

    offer = await shop.billing.show_offer()
    started = await shop.starts(anna)

    names = list(dict.fromkeys(way.gateway for way in offer.ways))
    assert names == ["xendit", "yookassa", "paymongo"]
    assert {way.gateway for way in offer.ways if way.is_down} == {"paymongo"}
    assert offer.of_deposit(rub(1), rub(9))[-1] == GatewayName("paymongo")
    assert [name for name, _ in await shop.attempts(started)] == ["xendit"]
    shop.clock.advance(seconds=60)
    trial = await shop.starts(await shop.customer("telegram:1002"))
    assert await shop.attempts(trial) == [("paymongo", CheckoutStatus.OPEN)]
