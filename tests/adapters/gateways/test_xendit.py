"""Xendit's own: sessions without keys, two events for one sale, and trouble."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio

from adapters.gateways.xendit.account import XenditAccount, XenditKeyOfOtherMode
from adapters.gateways.xendit.gateway import XenditGateway
from core.domain.money import Money
from core.domain.payment import (
    Foreign,
    NoticeKind,
    PaymentId,
    PaymentStatus,
)
from core.ports.payment_gateway import (
    CheckoutDeclined,
    GatewayUnavailable,
)
from sandbox.gateway_rules import MoveNotAllowed
from tests.adapters.gateways.served import Script, Stage, a_stage
from tests.adapters.gateways.xendit_desk import (
    ACCOUNT,
    NOWHERE,
    PESOS,
    XenditDesk,
    a_refund_of,
    a_xendit_desk,
    an_order,
    asked,
    found,
    paid,
)
from tests.builders import Clock, an_asked_checkout

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with a_stage() as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="module")
async def desk(stage: Stage, now: Clock) -> AsyncIterator[XenditDesk]:
    async with a_xendit_desk(stage, now) as desk:
        yield desk


# Account.


@pytest.mark.parametrize(
    ("key", "live"), [("xnd_production_1", False), ("xnd_development_1", True)]
)
async def test_a_key_of_the_other_mode_is_refused(key: str, live: bool) -> None:
    with pytest.raises(XenditKeyOfOtherMode):
        XenditAccount(key, "token", live=live)


async def test_neither_the_key_nor_the_token_is_ever_shown() -> None:
    assert ACCOUNT.secret_key not in repr(ACCOUNT)
    assert ACCOUNT.callback_token not in repr(ACCOUNT)


# Sessions.


@pytest.mark.parametrize(
    ("minor", "text"),
    [(1, "0.01"), (100, "1.00"), (990_50, "990.50"), (10**15 - 1, "9999999999999.99")],
)
async def test_amounts_are_written_as_exact_numbers(stage: Stage, minor: int, text: str) -> None:
    script = Script((400, b'{"error_code": "INVALID_AMOUNT"}'))
    stage.app = script.app
    gateway = XenditGateway(ACCOUNT, api_url=stage.url)

    with pytest.raises(CheckoutDeclined):
        await gateway.open_checkout(an_asked_checkout(amount=Money.of(minor, "PHP")))

    sent = json.loads(script.asked[0][1], parse_float=str)
    assert (sent["amount"], sent["currency"]) == (text, "PHP")
    await gateway.close()


async def test_dollars_are_taken_too_and_roubles_are_not(desk: XenditDesk) -> None:
    dollars = Money.of(19_99, "USD")
    assert desk.gateway.abilities.takes(dollars)
    assert not desk.gateway.abilities.takes(Money.of(19_99, "RUB"))

    opened = await desk.gateway.open_checkout(asked(desk, amount=dollars))
    desk.pay(opened.payment_id)

    assert (await found(desk, opened.payment_id)).paid == dollars


async def test_the_request_says_all_that_a_session_needs(desk: XenditDesk) -> None:
    checkout = asked(desk)
    opened = await desk.gateway.open_checkout(checkout)
    session = desk.rules.find("session", opened.payment_id)

    assert session["reference_id"] == checkout.id
    assert session["metadata"] == {
        "checkout_id": checkout.id,
        "purchase_id": checkout.purchase_id,
        "customer_id": checkout.customer_id,
    }
    assert session["allow_save_payment_method"] == "DISABLED"
    assert (session["success_return_url"], session["cancel_return_url"]) == (
        checkout.return_url,
        checkout.return_url,
    )
    assert opened.expires_at is not None
    assert timedelta() <= checkout.asked_at + timedelta(hours=1) - opened.expires_at
    assert checkout.asked_at + timedelta(hours=1) - opened.expires_at < timedelta(milliseconds=1)


async def test_opening_twice_opens_two_since_no_key_is_honoured(desk: XenditDesk) -> None:
    assert desk.gateway.abilities.key_memory == timedelta(0)

    first = await desk.gateway.open_checkout(asked(desk))
    second = await desk.gateway.open_checkout(asked(desk))

    assert first.payment_id != second.payment_id


async def test_a_lost_session_is_found_by_nobody(desk: XenditDesk) -> None:
    desk.lose_answers(1)
    with pytest.raises(GatewayUnavailable):
        await desk.gateway.open_checkout(asked(desk))

    assert desk.opened() == 1
    assert await desk.gateway.find_checkout(asked(desk)) is None


async def test_a_return_url_that_is_not_safe_is_declined_with_its_code(desk: XenditDesk) -> None:
    with pytest.raises(CheckoutDeclined) as refusal:
        await desk.gateway.open_checkout(asked(desk, return_url="http://shop.example/"))

    assert refusal.value.reason == "invalid_url"


async def test_a_declined_try_leaves_the_session_open_and_is_no_news(desk: XenditDesk) -> None:
    opened = await desk.gateway.open_checkout(asked(desk))
    desk.rules.decline(opened.payment_id, at=desk.now())

    [notification] = desk.rules.due_notifications(desk.now())
    failed = desk.webhook(notification.body["data"]["payment_id"], "payment.failure")

    assert desk.gateway.read_webhook(failed).kind is NoticeKind.OTHER
    facts = await found(desk, opened.payment_id)
    assert (facts.status, facts.opened) == (PaymentStatus.PENDING, opened)


async def test_a_failed_payment_by_itself_was_refused(desk: XenditDesk) -> None:
    opened = await desk.gateway.open_checkout(asked(desk))
    desk.rules.decline(opened.payment_id, at=desk.now())
    [payment] = desk.rules.all("payment")

    facts = await found(desk, PaymentId(payment["payment_id"]))

    assert (facts.status, facts.was_refused) == (PaymentStatus.CANCELED, True)


async def test_a_closed_session_is_canceled_and_closing_twice_changes_nothing(
    desk: XenditDesk,
) -> None:
    opened = await desk.gateway.open_checkout(asked(desk))
    for _ in range(2):
        await desk.gateway.close_checkout(opened.payment_id)

    assert (await found(desk, opened.payment_id)).status is PaymentStatus.CANCELED
    with pytest.raises(MoveNotAllowed):
        desk.pay(opened.payment_id)


async def test_a_session_that_was_paid_before_it_was_closed_is_paid(desk: XenditDesk) -> None:
    facts = await paid(desk)

    await desk.gateway.close_checkout(facts.payment_id)

    assert await found(desk, facts.payment_id) == facts
    assert (facts.status, facts.paid) == (PaymentStatus.PAID, PESOS)
    assert dict(facts.details) == {"rail": "gcash"}


async def test_both_events_of_a_sale_lead_to_one_charge(desk: XenditDesk) -> None:
    session = await paid(desk)

    capture = desk.gateway.read_webhook(desk.webhook(session.charge_id, "payment.capture"))
    completed = desk.gateway.read_webhook(desk.webhook(session.payment_id))
    assert capture.payment_id is not None
    assert completed.payment_id == session.payment_id
    alone = await found(desk, capture.payment_id)

    assert capture.dedupe_key != completed.dedupe_key
    assert capture.claims_paid
    assert completed.claims_paid
    assert (alone.charge_id, alone.paid) == (session.charge_id, session.paid)
    assert (alone.checkout_id, alone.purchase_id) == (session.checkout_id, session.purchase_id)


async def test_a_second_payment_is_a_charge_of_its_own(desk: XenditDesk) -> None:
    first = await paid(desk)
    desk.rules.pay(first.payment_id, at=desk.now(), again=True)
    *_, told = desk.rules.due_notifications(desk.now())
    other = told.body["data"]["payment_id"]

    notice = desk.gateway.read_webhook(desk.webhook(other, "payment.capture"))
    assert notice.payment_id == other
    second = await found(desk, notice.payment_id)

    assert second.charge_id == other != first.charge_id
    assert (second.checkout_id, second.paid) == (first.checkout_id, PESOS)
    assert await found(desk, first.payment_id) == first


async def test_a_session_whose_payment_is_not_found_teaches_nothing(desk: XenditDesk) -> None:
    facts = await paid(desk)
    del desk.rules.tables["payment"][facts.charge_id]

    with pytest.raises(GatewayUnavailable):
        await desk.gateway.find_payment(facts.payment_id)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("FAILED", PaymentStatus.UNKNOWN),
        ("EXPIRED", PaymentStatus.UNKNOWN),
        ("PENDING", PaymentStatus.PENDING),
        ("AUTHORIZED", PaymentStatus.AUTHORIZED),
        ("succeeded", PaymentStatus.UNKNOWN),
        ("", PaymentStatus.UNKNOWN),
    ],
)
async def test_a_completed_session_is_paid_only_where_its_payment_is(
    desk: XenditDesk, said: str, status: PaymentStatus
) -> None:
    before = await paid(desk)
    desk.rules.find("payment", before.charge_id)["status"] = said

    facts = await found(desk, before.payment_id)

    assert (facts.status, facts.paid, facts.opened) == (status, None, None)


@pytest.mark.parametrize("where", ["session", "payment"])
async def test_another_business_is_foreign_wherever_it_is_named(
    desk: XenditDesk, where: str
) -> None:
    facts = await paid(desk)
    id_ = facts.payment_id if where == "session" else facts.charge_id
    desk.rules.find(where, id_)["business_id"] = "661f87c614802d6c402cd82e"

    assert (await found(desk, facts.payment_id)).foreign is Foreign.OTHER_SHOP


async def test_without_a_business_id_the_key_alone_says_whose_it_is(
    desk: XenditDesk, stage: Stage
) -> None:
    facts = await paid(desk)
    anybodys = XenditGateway(
        replace(ACCOUNT, business_id=""), api_url=f"{stage.url}/sandbox/xendit"
    )

    told = await anybodys.find_payment(facts.payment_id)

    assert told == facts
    await anybodys.close()


# Trouble.


async def test_a_flood_says_how_long_to_wait(desk: XenditDesk) -> None:
    desk.rules.faults.plan("flood", 1)
    with pytest.raises(GatewayUnavailable) as flood:
        await desk.gateway.find_payment(NOWHERE)

    assert flood.value.retry_after_seconds == 60 - desk.now().second
    assert await desk.gateway.find_payment(NOWHERE) is None


async def test_what_is_down_leaves_everything_unknown(desk: XenditDesk) -> None:
    facts = await paid(desk)
    desk.down(99)

    for call in (
        desk.gateway.open_checkout(asked(desk, 2)),
        desk.gateway.find_payment(facts.payment_id),
        desk.gateway.close_checkout(facts.payment_id),
        desk.gateway.refund(a_refund_of(facts, 100)),
        desk.gateway.find_refunds(facts.payment_id),
        desk.gateway.pay_out(an_order()),
        desk.gateway.find_payout(an_order(), None),
    ):
        with pytest.raises(GatewayUnavailable):
            await call


async def test_other_credentials_are_told_apart_from_a_refusal(desk: XenditDesk) -> None:
    desk.rules.secret_key = "xnd_development_other"

    with pytest.raises(GatewayUnavailable):
        await desk.gateway.open_checkout(asked(desk))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"null"),
        (200, b"{}"),
        (200, b'{"payment_session_id": 5, "payment_link_url": "https://x"}'),
        (200, b'{"payment_session_id": "ps-1", "payment_link_url": "javascript:1"}'),
        (200, b'{"amount": 1e99999999999999999999}'),
        (200, b"[" * 100_000),
        (302, b"{}"),
        (403, b"{}"),
        (408, b"{}"),
        (502, b"<html>Bad Gateway</html>"),
    ],
)
async def test_an_answer_that_makes_no_sense_teaches_nothing(
    stage: Stage, status: int, body: bytes
) -> None:
    stage.app = Script((status, body)).app
    gateway = XenditGateway(ACCOUNT, api_url=stage.url)

    with pytest.raises(GatewayUnavailable):
        await gateway.open_checkout(an_asked_checkout(amount=PESOS))
    with pytest.raises(GatewayUnavailable):
        await gateway.find_payment(NOWHERE)
    with pytest.raises(GatewayUnavailable):
        await gateway.find_payout(an_order(), None)

    await gateway.close()


async def test_the_prose_of_a_refusal_is_not_repeated(stage: Stage) -> None:
    stage.app = Script((400, b'{"error_code": "juan@example.com", "message": "juan"}')).app
    gateway = XenditGateway(ACCOUNT, api_url=stage.url)

    with pytest.raises(CheckoutDeclined) as refusal:
        await gateway.open_checkout(an_asked_checkout(amount=PESOS))

    assert refusal.value.reason == "refused"
    await gateway.close()
