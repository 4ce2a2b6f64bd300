"""A gateway that does not answer is left alone for a minute, then tried once, and nothing else."""

import asyncio
from datetime import timedelta

import pytest

from adapters.gateways.breaker import BreakerState, Group, GuardedGateway
from adapters.gateways.memory import MemoryGateway
from core.domain.checkout import Checkout, CheckoutId
from core.domain.payment import OpenedCheckout, PaymentId
from core.domain.payment_method import Billing
from core.ports.payment_gateway import CheckoutDeclined, GatewayUnavailable
from tests.builders import Clock, an_asked_checkout

SECOND = timedelta(seconds=1)
NOBODY = PaymentId("memory-99999999")


class CountedGateway(MemoryGateway):
    """Knows how often an opening was sent; `gate` holds those back that were sent."""

    sent = 0
    gate: asyncio.Event | None = None

    async def open_checkout(
        self, checkout: Checkout, billing: Billing | None = None
    ) -> OpenedCheckout:
        self.sent += 1
        if self.gate is not None:
            await self.gate.wait()
        return await super().open_checkout(checkout, billing)


@pytest.fixture
def inner(now: Clock) -> CountedGateway:
    return CountedGateway(now=now)


@pytest.fixture
def guarded(inner: CountedGateway, now: Clock) -> GuardedGateway:
    return GuardedGateway(inner, now)


def a_new_checkout(number: int = 0) -> Checkout:
    return an_asked_checkout(id=CheckoutId(f"chk_{number:08}"))


async def opens(guarded: GuardedGateway, number: int = 0) -> OpenedCheckout:
    return await guarded.open_checkout(a_new_checkout(number))


async def fails(guarded: GuardedGateway, times: int = 1) -> int:
    """The seconds to wait that the last of them told."""
    told = 0
    for _ in range(times):
        with pytest.raises(GatewayUnavailable) as silence:
            await opens(guarded)
        told = silence.value.retry_after_seconds
    return told


async def goes_down(guarded: GuardedGateway, inner: CountedGateway) -> None:
    inner.unavailable(5)
    await fails(guarded, times=5)
    inner.sent = 0


def state(guarded: GuardedGateway, group: Group = Group.OPENING) -> BreakerState:
    return guarded.breakers[group].told().state


async def test_five_silences_within_a_minute_and_nothing_more_is_sent(
    inner: CountedGateway, guarded: GuardedGateway, now: Clock
) -> None:
    inner.unavailable(5)
    await fails(guarded, times=4)
    assert not guarded.is_down
    now.advance(seconds=60)
    await fails(guarded)

    assert guarded.is_down
    now.advance(seconds=20.5)
    assert await fails(guarded) == 40, "what is left of the minute, rounded up"
    assert inner.sent == 5
    told = guarded.breakers[Group.OPENING].told()
    assert (told.state, told.since) == (BreakerState.OPEN, now.at - 20.5 * SECOND)


async def test_five_silences_in_more_than_a_minute_change_nothing(
    inner: CountedGateway, guarded: GuardedGateway, now: Clock
) -> None:
    inner.unavailable(5)
    await fails(guarded)
    now.advance(seconds=60, microseconds=1)
    await fails(guarded, times=4)

    assert guarded.breakers[Group.OPENING].told().failures == 4
    assert (await opens(guarded)).payment_id in inner.payments


async def test_refusals_and_our_own_mistakes_are_no_failures(
    inner: CountedGateway, guarded: GuardedGateway
) -> None:
    inner.decline(5)
    for number in range(5):
        with pytest.raises(CheckoutDeclined):
            await opens(guarded, number)

    class Mistaken(CountedGateway):
        async def open_checkout(
            self, checkout: Checkout, billing: Billing | None = None
        ) -> OpenedCheckout:
            raise KeyError

    mistaken = GuardedGateway(Mistaken(now=Clock()), Clock())
    for _ in range(6):
        with pytest.raises(KeyError):
            await opens(mistaken)

    assert state(guarded) is state(mistaken) is BreakerState.CLOSED


async def test_after_a_minute_exactly_one_of_many_is_let_through(
    inner: CountedGateway, guarded: GuardedGateway, now: Clock
) -> None:
    await goes_down(guarded, inner)
    now.advance(seconds=60)
    assert (state(guarded), guarded.is_down) == (BreakerState.HALF_OPEN, False)
    inner.gate = asyncio.Event()

    many = [asyncio.create_task(opens(guarded, number)) for number in range(20)]
    await asyncio.sleep(0.01)
    assert guarded.is_down, "the one place is taken"
    inner.gate.set()
    ended = await asyncio.gather(*many, return_exceptions=True)

    assert inner.sent == 1
    assert sum(isinstance(one, OpenedCheckout) for one in ended) == 1
    assert sum(isinstance(one, GatewayUnavailable) for one in ended) == 19
    assert state(guarded) is BreakerState.CLOSED
    assert guarded.breakers[Group.OPENING].told().failures == 0


async def test_a_failed_trial_costs_another_minute(
    inner: CountedGateway, guarded: GuardedGateway, now: Clock
) -> None:
    await goes_down(guarded, inner)
    now.advance(seconds=60)
    inner.unavailable(1)

    await fails(guarded)
    assert await fails(guarded) == 60
    assert inner.sent == 1
    now.advance(seconds=60)
    assert await opens(guarded)


async def test_a_refusal_closes_it_as_a_success_does(
    inner: CountedGateway, guarded: GuardedGateway, now: Clock
) -> None:
    await goes_down(guarded, inner)
    now.advance(seconds=60)
    inner.decline(1)

    with pytest.raises(CheckoutDeclined):
        await opens(guarded)

    assert state(guarded) is BreakerState.CLOSED


async def test_a_trial_whose_caller_went_away_makes_room_for_the_next(
    inner: CountedGateway, guarded: GuardedGateway, now: Clock
) -> None:
    await goes_down(guarded, inner)
    now.advance(seconds=60)
    inner.gate = asyncio.Event()
    trial = asyncio.create_task(opens(guarded))
    await asyncio.sleep(0)
    trial.cancel()
    await asyncio.wait([trial])

    inner.gate = None
    assert state(guarded) is BreakerState.HALF_OPEN
    assert await opens(guarded)


async def test_what_was_sent_before_it_opened_neither_opens_nor_closes_it(
    inner: CountedGateway, guarded: GuardedGateway, now: Clock
) -> None:
    inner.gate = asyncio.Event()
    late = [asyncio.create_task(opens(guarded, number)) for number in range(2)]
    await asyncio.sleep(0)
    gate, inner.gate = inner.gate, None
    await goes_down(guarded, inner)
    now.advance(seconds=30)
    inner.unavailable(1)
    gate.set()

    ended = await asyncio.gather(*late, return_exceptions=True)

    assert [type(one) for one in ended] == [GatewayUnavailable, OpenedCheckout]
    assert await fails(guarded) == 30


async def test_enquiries_that_are_down_keep_nobody_from_buying(
    inner: CountedGateway, guarded: GuardedGateway
) -> None:
    inner.unavailable(5)
    for _ in range(6):
        with pytest.raises(GatewayUnavailable):
            await guarded.find_payment(NOBODY)
    with pytest.raises(GatewayUnavailable):  # Enquiries stand and fall together.
        await guarded.find_refunds(NOBODY)

    assert state(guarded, Group.ENQUIRY) is BreakerState.OPEN
    assert not guarded.is_down
    assert await opens(guarded)


async def test_a_list_that_cannot_be_had_is_one_failure(
    inner: CountedGateway, guarded: GuardedGateway, now: Clock
) -> None:
    for number in range(3):
        await opens(guarded, number)
    start = now.at

    assert len([one async for one in guarded.since(start)]) == 3
    inner.unavailable(1)
    with pytest.raises(GatewayUnavailable):
        await anext(aiter(guarded.since(start)))
    assert guarded.breakers[Group.ENQUIRY].told().failures == 1


async def test_a_person_may_have_it_called_again_at_once(
    inner: CountedGateway, guarded: GuardedGateway
) -> None:
    await goes_down(guarded, inner)

    guarded.trust_again()

    assert state(guarded) is BreakerState.CLOSED
    assert await opens(guarded)


async def test_a_clock_that_is_put_back_keeps_nobody_out_for_longer(
    inner: CountedGateway, guarded: GuardedGateway, now: Clock
) -> None:
    await goes_down(guarded, inner)

    now.advance(hours=-3)

    assert await opens(guarded)
