"""What every payment gateway promises, whoever the provider is."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from core.domain.checkout import CheckoutId
from core.domain.money import Money
from core.domain.payment import Foreign, NoticeKind, PaymentId, PaymentStatus
from core.domain.purchase import PURCHASE_LIFE
from core.ports.payment_gateway import (
    CheckoutDeclined,
    GatewayUnavailable,
    SenderNotListed,
    Webhook,
    WebhookNotReadable,
    WebhookNotTrusted,
)
from core.ports.unit_of_work import unit_is_open
from tests.adapters.gateways.desks import Desk, MemoryDesk
from tests.adapters.gateways.paymongo_desk import PayMongoDesk
from tests.adapters.gateways.served import Stage, a_stage
from tests.adapters.gateways.xendit_desk import XenditDesk
from tests.builders import Clock, a_checkout, an_asked_checkout, rub
from tests.contracts.gateways import (
    ALL,
    HONOUR_KEYS,
    HOSTED,
    AnyDesk,
    FoundDesk,
    HostedDesk,
    SigningDesk,
    a_desk,
    asked,
    currency_of,
    learned,
)
from tests.market import BILLING

CHECKOUT = an_asked_checkout()


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with a_stage() as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="module", params=ALL)
async def desk(request: pytest.FixtureRequest, stage: Stage, now: Clock) -> AsyncIterator[AnyDesk]:
    """Every gateway that claims to keep the promise, with nothing opened yet."""
    async with a_desk(request.param, stage, now) as desk:
        yield desk


of_hosted = pytest.mark.parametrize("desk", HOSTED, indirect=True)
"""Where the provider keeps a payment from its opening on."""

of_found = pytest.mark.parametrize("desk", ["memory", "yookassa", "cryptopay"], indirect=True)
"""Where it also finds a payment by our ids."""

of_keyed = pytest.mark.parametrize("desk", ["memory", "yookassa"], indirect=True)
"""Where it also keeps our keys."""

of_repeatable = pytest.mark.parametrize("desk", HONOUR_KEYS, indirect=True)
"""Where asking again is the same request (`key_memory`)."""

of_ending = pytest.mark.parametrize("desk", [*HONOUR_KEYS, "xendit", "cryptopay"], indirect=True)
"""Where what nobody pays ends by itself: PayMongo keeps a session open until it is closed."""


def vouched(desk: AnyDesk, true: Webhook, body: bytes) -> Webhook:
    """From the same sender as the true one."""
    if isinstance(desk, SigningDesk):
        return desk.vouched(body)
    return Webhook(true.sender, true.headers, body)


@pytest.mark.parametrize("place", ["lowest", "one more", "middle", "one less", "highest"])
async def test_exactly_the_price_is_asked_for(desk: AnyDesk, place: str) -> None:
    lowest, highest = desk.gateway.abilities.bounds[currency_of(desk)]
    one = Money(1, lowest.currency)
    prices = {"lowest": lowest, "one more": lowest + one, "one less": highest - one}
    prices |= {"highest": highest, "middle": Money(29999, lowest.currency)}
    price = prices[place]
    assert desk.gateway.abilities.takes(price)

    opened = await desk.gateway.open_checkout(asked(desk, amount=price))
    desk.pay(opened.payment_id)

    facts = await learned(desk, opened.payment_id)
    assert facts is not None
    assert facts.paid == price


async def test_a_checkout_opens_with_an_address_that_ends(desk: AnyDesk, now: Clock) -> None:
    opened = await desk.gateway.open_checkout(asked(desk))

    assert opened.confirmation_url.startswith("http")
    assert opened.expires_at is not None
    assert now() < opened.expires_at <= now() + PURCHASE_LIFE


async def test_a_receipt_is_taken_along(desk: AnyDesk) -> None:
    desk.decline_next()
    with pytest.raises(CheckoutDeclined):
        await desk.gateway.open_checkout(asked(desk))

    with_receipt = asked(desk, id=CheckoutId("chk_2"), receipt=a_checkout().receipt)

    assert await desk.gateway.open_checkout(with_receipt)


@pytest.mark.parametrize("desk", ["memory", "paymongo", "xendit"], indirect=True)
async def test_who_pays_is_told_as_it_was_given_and_again_alike(
    desk: MemoryDesk | PayMongoDesk | XenditDesk,
) -> None:
    plain = await desk.gateway.open_checkout(asked(desk, id=CheckoutId("chk_2")))
    first = await desk.gateway.open_checkout(asked(desk), BILLING)
    again = await desk.gateway.open_checkout(asked(desk), BILLING)

    assert desk.billing(plain.payment_id) is None
    assert desk.billing(first.payment_id) == BILLING
    assert desk.billing(again.payment_id) == BILLING


@of_repeatable
async def test_asking_again_opens_nothing_new(desk: AnyDesk, now: Clock) -> None:
    first = await desk.gateway.open_checkout(asked(desk))
    now.advance(minutes=50)

    again = await desk.gateway.open_checkout(asked(desk))

    assert (again.payment_id, again.expires_at) == (first.payment_id, first.expires_at)
    assert desk.opened() == 1


@of_repeatable
async def test_what_became_of_the_checkout_does_not_change_the_request(desk: AnyDesk) -> None:
    first = await desk.gateway.open_checkout(asked(desk))

    unknown = asked(desk).becomes_unknown(at=CHECKOUT.asked_at)
    again = await desk.gateway.open_checkout(unknown)

    assert again.payment_id == first.payment_id
    assert desk.opened() == 1


async def test_two_checkouts_are_two_payments(desk: AnyDesk) -> None:
    one = await desk.gateway.open_checkout(asked(desk))
    other = await desk.gateway.open_checkout(asked(desk, id=CheckoutId("chk_2")))

    assert one.payment_id != other.payment_id
    assert one.confirmation_url != other.confirmation_url
    assert desk.opened() == 2


@of_keyed
async def test_one_key_for_two_requests_opens_nothing_new(desk: Desk) -> None:
    await desk.gateway.open_checkout(CHECKOUT)

    with pytest.raises(GatewayUnavailable):
        await desk.gateway.open_checkout(an_asked_checkout(amount=rub(300)))

    assert desk.opened() == 1


@of_keyed
async def test_a_key_is_new_after_the_memory_that_is_declared(desk: Desk, now: Clock) -> None:
    await desk.gateway.open_checkout(CHECKOUT)
    now.advance(desk.gateway.abilities.key_memory)

    await desk.gateway.open_checkout(CHECKOUT)

    assert desk.opened() == 2


async def test_a_decline_says_why_and_is_not_a_silence(desk: AnyDesk) -> None:
    desk.decline_next()

    with pytest.raises(CheckoutDeclined) as declined:
        await desk.gateway.open_checkout(asked(desk))

    assert declined.value.gateway == desk.gateway.name
    assert declined.value.reason
    assert desk.opened() == 0


@of_keyed
async def test_a_refused_key_stays_refused(desk: Desk) -> None:
    desk.decline_next()

    for _ in range(2):
        with pytest.raises(CheckoutDeclined):
            await desk.gateway.open_checkout(CHECKOUT)


@of_found
async def test_a_gateway_that_is_down_leaves_the_outcome_unknown(desk: FoundDesk) -> None:
    older = await desk.gateway.open_checkout(an_asked_checkout(id=CheckoutId("chk_older")))
    desk.down(3)

    with pytest.raises(GatewayUnavailable):
        await desk.gateway.open_checkout(CHECKOUT)
    with pytest.raises(GatewayUnavailable):
        await desk.gateway.find_payment(older.payment_id)
    with pytest.raises(GatewayUnavailable):
        await desk.gateway.find_checkout(CHECKOUT)

    assert await desk.gateway.open_checkout(CHECKOUT)


@of_repeatable
async def test_a_lost_answer_is_got_by_asking_again(desk: AnyDesk) -> None:
    desk.lose_answers(1)
    with pytest.raises(GatewayUnavailable):
        await desk.gateway.open_checkout(asked(desk))

    opened = await desk.gateway.open_checkout(asked(desk))

    assert opened.confirmation_url
    assert desk.opened() == 1


@of_found
async def test_a_lost_answer_is_found_by_its_checkout(desk: FoundDesk) -> None:
    await desk.gateway.open_checkout(an_asked_checkout(id=CheckoutId("chk_older")))
    desk.lose_answers(1)
    with pytest.raises(GatewayUnavailable):
        await desk.gateway.open_checkout(CHECKOUT)
    await desk.gateway.open_checkout(an_asked_checkout(id=CheckoutId("chk_newer")))

    facts = await desk.gateway.find_checkout(CHECKOUT)

    assert facts is not None
    assert facts.checkout_id == CHECKOUT.id
    assert facts.purchase_id == CHECKOUT.purchase_id
    assert facts.status is PaymentStatus.PENDING
    assert facts.opened is not None
    assert facts == await desk.gateway.find_payment(facts.payment_id)
    if desk.gateway.abilities.key_memory:
        assert facts.opened == await desk.gateway.open_checkout(CHECKOUT)


@of_found
async def test_a_checkout_is_found_at_any_age(desk: FoundDesk, now: Clock) -> None:
    opened = await desk.gateway.open_checkout(CHECKOUT)
    desk.pay(opened.payment_id)
    now.advance(days=90)

    facts = await desk.gateway.find_checkout(CHECKOUT)

    assert facts is not None
    assert facts.paid == CHECKOUT.amount


async def test_what_was_never_opened_is_not_found(desk: AnyDesk) -> None:
    assert await desk.gateway.find_checkout(asked(desk)) is None


@pytest.mark.parametrize(
    "payment_id",
    ["2d8f0001-000f-5000-8000-18db351245c7", "of-another-provider", "../me", "", "ы" * 99, "a\0"],
)
async def test_an_unknown_payment_is_not_found(desk: AnyDesk, payment_id: str) -> None:
    assert await desk.gateway.find_payment(PaymentId(payment_id)) is None


@of_hosted
async def test_a_pending_payment_is_not_paid(desk: HostedDesk) -> None:
    opened = await desk.gateway.open_checkout(asked(desk))

    facts = await desk.gateway.find_payment(opened.payment_id)

    assert facts is not None
    assert facts.status is PaymentStatus.PENDING
    assert facts.paid is None
    assert facts.opened == opened


@of_hosted
async def test_a_canceled_payment_is_not_paid(desk: HostedDesk) -> None:
    opened = await desk.gateway.open_checkout(asked(desk))
    desk.cancel(opened.payment_id)

    facts = await desk.gateway.find_payment(opened.payment_id)

    assert facts is not None
    assert facts.status is PaymentStatus.CANCELED
    assert facts.paid is None
    assert facts.opened is None


@of_ending
async def test_what_nobody_pays_in_time_is_canceled(desk: AnyDesk, now: Clock) -> None:
    opened = await desk.gateway.open_checkout(asked(desk))
    now.advance(hours=1)

    facts = await desk.gateway.find_payment(opened.payment_id)

    assert facts is not None
    assert facts.status is PaymentStatus.CANCELED


async def test_a_paid_payment_says_whose_it_is(desk: AnyDesk) -> None:
    opened = await desk.gateway.open_checkout(asked(desk))
    desk.pay(opened.payment_id)

    facts = await learned(desk, opened.payment_id)

    assert facts is not None
    assert facts.status is PaymentStatus.PAID
    assert facts.gateway == desk.gateway.name
    assert facts.payment_id == opened.payment_id
    assert facts.charge_id
    assert facts.checkout_id == CHECKOUT.id
    assert facts.purchase_id in {CHECKOUT.purchase_id, None}, "the checkout names it too"
    assert facts.foreign is None


@of_hosted
async def test_paying_twice_is_one_charge(desk: HostedDesk) -> None:
    opened = await desk.gateway.open_checkout(asked(desk))
    desk.pay(opened.payment_id)
    once = await desk.gateway.find_payment(opened.payment_id)
    desk.pay(opened.payment_id)

    assert await desk.gateway.find_payment(opened.payment_id) == once


@pytest.mark.parametrize(
    "paid", [Money.of(29899, "RUB"), Money.of(29901, "RUB"), Money.of(29900, "USD")]
)
@of_hosted
async def test_another_amount_than_asked_is_told_as_it_is(desk: HostedDesk, paid: Money) -> None:
    opened = await desk.gateway.open_checkout(asked(desk))
    desk.pay(opened.payment_id, paid)

    facts = await desk.gateway.find_payment(opened.payment_id)

    assert facts is not None
    assert facts.paid == paid


@of_hosted
async def test_an_unknown_status_is_never_paid(desk: HostedDesk) -> None:
    opened = await desk.gateway.open_checkout(asked(desk))
    desk.pay(opened.payment_id)
    desk.puzzle(opened.payment_id)

    facts = await desk.gateway.find_payment(opened.payment_id)

    assert facts is not None
    assert facts.status is PaymentStatus.UNKNOWN
    assert facts.paid is None


@pytest.mark.parametrize(
    ("desk", "why"),
    # PayMongo and Crypto Pay do not find what is another account's at all.
    [
        (name, why)
        for name in HOSTED
        for why in Foreign
        if why is not Foreign.OTHER_SHOP or name not in ("paymongo", "cryptopay")
    ],
    indirect=["desk"],
)
async def test_what_is_none_of_our_business_says_so(desk: HostedDesk, why: Foreign) -> None:
    opened = await desk.gateway.open_checkout(asked(desk))
    desk.pay(opened.payment_id)
    desk.foreign(opened.payment_id, why)

    facts = await desk.gateway.find_payment(opened.payment_id)

    assert facts is not None
    assert facts.foreign is why


async def test_a_webhook_says_what_to_ask_about(desk: AnyDesk) -> None:
    opened = await desk.gateway.open_checkout(asked(desk))
    desk.pay(opened.payment_id)

    notice = desk.gateway.read_webhook(desk.webhook(opened.payment_id))

    assert notice.gateway == desk.gateway.name
    assert notice.kind is NoticeKind.PAYMENT
    assert notice.payment_id is not None
    assert notice.claims_paid
    # It may name the charge as well; asked about, it is what was opened.
    facts = desk.gateway.proven(notice) or await desk.gateway.find_payment(notice.payment_id)
    assert facts is not None
    assert facts.payment_id == opened.payment_id


async def test_the_same_webhook_twice_is_one_notice(desk: AnyDesk) -> None:
    opened = await desk.gateway.open_checkout(asked(desk))
    other = await desk.gateway.open_checkout(asked(desk, id=CheckoutId("chk_2")))
    desk.pay(opened.payment_id)
    desk.pay(other.payment_id)

    first = desk.gateway.read_webhook(desk.webhook(opened.payment_id))
    again = desk.gateway.read_webhook(desk.webhook(opened.payment_id))
    different = desk.gateway.read_webhook(desk.webhook(other.payment_id))

    assert first == again
    assert first.dedupe_key != different.dedupe_key


@pytest.mark.parametrize("body", [b"", b"\xff\x00 no JSON", b"[" * 100_000, b"{}"])
async def test_a_stranger_is_turned_away_unread(desk: AnyDesk, body: bytes) -> None:
    with pytest.raises((SenderNotListed, WebhookNotTrusted)):
        desk.gateway.read_webhook(desk.forged(body))


async def test_a_true_sender_who_makes_no_sense_is_told_so(desk: AnyDesk) -> None:
    opened = await desk.gateway.open_checkout(asked(desk))
    desk.pay(opened.payment_id)
    true = desk.webhook(opened.payment_id)

    no_text = b'{"event": "payment.succeeded", "payment_id": 5, "object": {"id": 5}}'

    for body in (b"", b"\xff", b"[]", b"{}", b"null", b"[" * 100_000, b'{"event": 5}', no_text):
        with pytest.raises(WebhookNotReadable):
            desk.gateway.read_webhook(vouched(desk, true, body))


async def test_no_gateway_is_called_inside_a_unit_of_work(desk: AnyDesk) -> None:
    token = unit_is_open.set(True)
    try:
        with pytest.raises(AssertionError):
            await desk.gateway.open_checkout(asked(desk))
        with pytest.raises(AssertionError):
            await desk.gateway.find_payment(PaymentId("2d8f0001-000f-5000-8000-18db351245c7"))
        with pytest.raises(AssertionError):
            await desk.gateway.find_checkout(asked(desk))
    finally:
        unit_is_open.reset(token)

    assert desk.opened() == 0
