"""Telegram's gateways on the wire: what is asked, what is found, and what goes wrong."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.gateways.telegram.gateway import (
    PROOF,
    TelegramPaymentsGateway,
    TelegramProviderTokenOfOtherMode,
    TelegramStarsGateway,
)
from adapters.gateways.telegram.translate import payload_of
from core.domain.checkout import Checkout, CheckoutId
from core.domain.money import Money
from core.domain.payment import OutgoingStatus, PaymentFacts, PaymentStatus, RefundFacts
from core.domain.plan import GatewayName
from core.domain.refund import OurRefundId, Refund
from core.ports.payment_gateway import (
    CheckoutDeclined,
    GatewayUnavailable,
    RefundDeclined,
    RenewalDeclined,
    Webhook,
    WebhookNotReadable,
    WebhookNotTrusted,
)
from sandbox.telegram.wire import Json
from tests.adapters.gateways.served import Script, Stage
from tests.adapters.gateways.telegram_desk import (
    ANNA,
    BEN,
    SECRET,
    TOKEN,
    TelegramDesk,
    a_telegram_desk,
    a_webhook,
)
from tests.adapters.gateways.test_telegram_translate import RECORDINGS
from tests.builders import NOON, Clock, a_checkout, an_asked_checkout

pytestmark = pytest.mark.asyncio(loop_scope="module")

STARS = Money.of(250, "XTR")


def in_stars(number: int = 1, **fields: object) -> Checkout:
    own: Json = {"id": CheckoutId(f"chk_{number:08d}"), "amount": STARS}
    return an_asked_checkout(**own | fields)


def a_refund(checkout: Checkout, charge_id: str, **fields: Any) -> Refund:
    refund = Refund(
        id=OurRefundId("rfd_00000001"),
        purchase_id=checkout.purchase_id,
        customer_id=checkout.customer_id,
        gateway=GatewayName("telegram_stars"),
        payment_id=payload_of(checkout),
        charge_id=charge_id,
        amount=checkout.amount,
        paid=checkout.amount,
        reason="asked for",
        asked_at=NOON,
    )
    return replace(refund, **fields)


@asynccontextmanager
async def stars(stage: Stage, now: Clock) -> AsyncIterator[TelegramDesk]:
    async with a_telegram_desk(stage, now, "telegram_stars") as desk:
        yield desk


@asynccontextmanager
async def answering(stage: Stage, *answers: tuple[int, bytes]) -> AsyncIterator[Any]:
    """A gateway of Stars, and what stands in for Telegram."""
    script = Script(*answers)
    stage.app = script.app
    gateway = TelegramStarsGateway(TOKEN, now=Clock(), secret=SECRET, api_url=stage.url)
    try:
        yield gateway, script
    finally:
        await gateway.close()


def raw(name: str) -> bytes:
    return (RECORDINGS / f"{name}.json").read_bytes()


async def test_the_link_is_asked_for_at_the_bots_own_address(stage: Stage) -> None:
    async with answering(stage, (200, raw("api-createInvoiceLink"))) as (gateway, script):
        opened = await gateway.open_checkout(in_stars())

    [(request, body)] = script.asked
    assert request.url.path == f"/bot{TOKEN}/createInvoiceLink"
    assert json.loads(body)["payload"] == opened.payment_id
    assert opened.confirmation_url == "https://t.me/$AbCdEfGhIjKlMnOp"
    assert opened.expires_at == NOON + timedelta(hours=1)


@pytest.mark.parametrize("word", ["CURRENCY_TOTAL_AMOUNT_INVALID", "PAYMENT_PROVIDER_INVALID"])
async def test_a_refusal_is_told_by_its_name(stage: Stage, word: str) -> None:
    async with answering(stage, (400, raw(f"api-error.400-{word}"))) as (gateway, _):
        with pytest.raises(CheckoutDeclined) as declined:
            await gateway.open_checkout(in_stars())

    assert declined.value.reason == word


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, raw("api-error.401")),
        (404, raw("api-error.404")),
        (500, b'{"ok": false, "error_code": 500, "description": "Internal Server Error"}'),
        (502, b"<html>Bad Gateway</html>"),
        (200, b"{}"),
        (200, b"[]"),
        (200, b'{"ok": true}'),
        (200, b'{"ok": true, "result": 5}'),
        (200, b'{"ok": true, "result": "javascript:alert(1)"}'),
        (200, b'{"ok": false, "result": "https://t.me/$a"}'),
        (400, b"nonsense"),
        (302, b""),
    ],
)
async def test_whatever_else_comes_says_nothing_and_no_log_has_the_token(
    stage: Stage, status: int, body: bytes
) -> None:
    async with answering(stage, (status, body)) as (gateway, _):
        with capture_logs() as logs, pytest.raises(GatewayUnavailable) as silence:
            await gateway.open_checkout(in_stars())

    assert TOKEN not in str(logs)
    assert TOKEN not in f"{silence.value!r} {silence.value.__cause__!r}"


async def test_telegram_says_how_long_to_wait(stage: Stage, now: Clock) -> None:
    async with stars(stage, now) as desk:
        desk.rules.faults.plan("flood", 1)

        with pytest.raises(GatewayUnavailable) as waiting:
            await desk.gateway.open_checkout(in_stars())

    assert waiting.value.retry_after_seconds == 3


async def test_nobody_there_is_a_silence(now: Clock) -> None:
    gateway = TelegramStarsGateway(TOKEN, now=now, secret=SECRET, api_url="http://127.0.0.1:9")
    with pytest.raises(GatewayUnavailable):
        await gateway.open_checkout(in_stars())
    await gateway.close()


@pytest.mark.parametrize("secret", [None, "", "A-secret_of_the_webhook", SECRET + "x", "\u00e9"])
async def test_a_forged_secret_opens_nothing(stage: Stage, now: Clock, secret: str | None) -> None:
    async with stars(stage, now) as desk:
        opened = await desk.gateway.open_checkout(in_stars())
        desk.pay(opened.payment_id)
        true = desk.webhook(opened.payment_id)
        forged = Webhook(None, {} if secret is None else {PROOF: secret}, true.body)

        with pytest.raises(WebhookNotTrusted):
            desk.gateway.read_webhook(forged)
        assert desk.gateway.read_webhook(true).claims_paid


async def test_what_is_not_about_money_is_not_readable(stage: Stage, now: Clock) -> None:
    async with stars(stage, now) as desk:
        for told in ({"update_id": 1}, {"update_id": 1, "message": {"text": "hi"}}, [], None):
            with pytest.raises(WebhookNotReadable):
                desk.gateway.read_webhook(a_webhook(told))


async def test_a_subscription_is_stopped_and_let_go_on_by_its_first_charge(
    stage: Stage, now: Clock
) -> None:
    async with stars(stage, now) as desk:
        opened = await desk.gateway.open_checkout(in_stars(saves_method=True))
        first = desk.pay(opened.payment_id)

        for renews in (False, False, True):
            await desk.gateway.set_renewal(first, str(ANNA), renews=renews)
            assert desk.rules.charge_view(desk.rules.till.charge(first))["renews"] is renews
        with pytest.raises(RenewalDeclined) as refused:
            await desk.gateway.set_renewal("another", str(ANNA), renews=False)
        assert refused.value.reason == "CHARGE_ID_INVALID"
        desk.down(1)
        with pytest.raises(GatewayUnavailable):
            await desk.gateway.set_renewal(first, str(ANNA), renews=False)


async def test_a_second_payment_is_a_second_charge(stage: Stage, now: Clock) -> None:
    async with stars(stage, now) as desk:
        opened = await desk.gateway.open_checkout(in_stars())
        first, second = desk.pay(opened.payment_id), desk.pay(opened.payment_id, who=BEN)

        told = desk.rules.updates.fetched(0, 100, at=now())
        paid = [one for one in told if "successful_payment" in one.get("message", {})]
        notices = [desk.gateway.read_webhook(a_webhook(one)) for one in paid]
        facts = [desk.gateway.proven(one) for one in notices]

        assert [one.charge_id for one in facts if one is not None] == [first, second]
        assert len({one.dedupe_key for one in notices}) == 2
        assert {one.payment_id for one in notices} == {opened.payment_id}
        found = await desk.gateway.find_payment(opened.payment_id)
        assert found is not None
        assert found.charge_id == first


async def test_a_payment_whose_update_was_lost_is_found_among_thousands(
    stage: Stage, now: Clock
) -> None:
    async with stars(stage, now) as desk:
        early = await desk.gateway.open_checkout(in_stars(1))
        desk.pay(early.payment_id)
        [row] = desk.rules.till.rows
        now.advance(days=10)
        checkout = in_stars(2, asked_at=now())
        for minute in range(3000):
            stamp = int((now() + timedelta(minutes=minute - 2990)).timestamp())
            partner = row["source"] | {"invoice_payload": f"chk_x{minute}.1773136800"}
            other = {"id": f"stx{minute}", "amount": 1, "date": stamp, "source": partner}
            desk.rules.till.rows.append(other)
        desk.rules.till.rows.sort(key=lambda one: one["date"])
        opened = await desk.gateway.open_checkout(checkout)
        before = len(desk.rules.calls)
        assert await desk.gateway.find_checkout(checkout) is None
        charge_id = desk.pay(opened.payment_id)
        desk.rules.till.rows.sort(key=lambda one: one["date"])

        found = await desk.gateway.find_checkout(checkout)

        assert found is not None
        assert (found.charge_id, found.paid) == (charge_id, STARS)
        assert found == await desk.gateway.find_payment(opened.payment_id)
        assert len(desk.rules.calls) - before < 80, "it looks where it must be, not everywhere"
        old = await desk.gateway.find_payment(early.payment_id)
        assert old is not None
        assert old.status is PaymentStatus.PAID


async def test_what_cannot_be_looked_through_is_never_said_to_be_unpaid(stage: Stage) -> None:
    partner = {"type": "user", "user": {"id": 1}, "invoice_payload": "other"}
    row = {"id": "stx", "amount": 1, "date": int(NOON.timestamp()), "source": partner}
    page = json.dumps({"ok": True, "result": {"transactions": [row] * 100}}).encode()
    empty = json.dumps({"ok": True, "result": {"transactions": []}}).encode()

    async with answering(stage, *[(200, empty)] * 8, (200, page)) as (gateway, _):
        with pytest.raises(GatewayUnavailable):
            await gateway.find_payment(payload_of(in_stars()))


@pytest.mark.parametrize("name", ["telegram_stars", "telegram_payments"])
async def test_who_has_not_paid_has_an_hour(stage: Stage, now: Clock, name: str) -> None:
    async with a_telegram_desk(stage, now, name) as desk:
        payment_id = payload_of(in_stars())
        pending = await desk.gateway.find_payment(payment_id)
        now.advance(hours=1)
        over = await desk.gateway.find_payment(payment_id)

        assert pending is not None
        assert pending.status is PaymentStatus.PENDING
        assert over is not None
        assert over.status is PaymentStatus.CANCELED


async def test_stars_that_are_down_say_nothing(stage: Stage, now: Clock) -> None:
    async with stars(stage, now) as desk:
        desk.down(3)
        for ask in (
            desk.gateway.open_checkout(in_stars()),
            desk.gateway.find_payment(payload_of(in_stars())),
            desk.gateway.find_checkout(in_stars()),
        ):
            with pytest.raises(GatewayUnavailable):
                await ask
        assert await desk.gateway.open_checkout(in_stars())


async def test_a_refund_gives_all_back_to_whoever_paid_once(stage: Stage, now: Clock) -> None:
    async with stars(stage, now) as desk:
        checkout = in_stars()
        opened = await desk.gateway.open_checkout(checkout)
        charge_id = desk.pay(opened.payment_id, who=BEN)
        now.advance(days=3)

        first = await desk.gateway.refund(a_refund(checkout, charge_id))
        again = await desk.gateway.refund(a_refund(checkout, charge_id))

        assert first == again
        assert first.status is OutgoingStatus.DONE
        assert first.amount == STARS
        assert desk.rules.till.stars == 0
        assert await desk.gateway.find_refunds(opened.payment_id) == [first]
        notice = desk.gateway.read_webhook(desk.webhook(opened.payment_id, "refunded_payment"))
        assert notice.payment_id == opened.payment_id


async def test_a_refund_whose_answer_was_lost_is_the_same_refund(stage: Stage, now: Clock) -> None:
    async with stars(stage, now) as desk:
        checkout = in_stars()
        opened = await desk.gateway.open_checkout(checkout)
        charge_id = desk.pay(opened.payment_id)
        desk.lose_answers(1)
        with pytest.raises(GatewayUnavailable):
            await desk.gateway.refund(a_refund(checkout, charge_id))

        facts = await desk.gateway.refund(a_refund(checkout, charge_id))

        assert facts.status is OutgoingStatus.DONE
        assert len(desk.rules.till.rows) == 2


async def test_what_telegram_will_not_give_back_is_declined(stage: Stage, now: Clock) -> None:
    async with stars(stage, now) as desk:
        checkout = in_stars()
        opened = await desk.gateway.open_checkout(checkout)
        charge_id = desk.pay(opened.payment_id)
        part = a_refund(checkout, charge_id, amount=Money.of(1, "XTR"))
        desk.rules.till.stars = 249

        for refund, why in (
            (part, "only_whole"),
            (a_refund(checkout, "stx-of-nobody"), "CHARGE_NOT_FOUND"),
            (a_refund(checkout, charge_id), "BALANCE_TOO_LOW"),
        ):
            with pytest.raises(RefundDeclined) as declined:
                await desk.gateway.refund(refund)
            assert declined.value.reason == why


async def test_all_since_a_time_is_listed_in_telegrams_order(stage: Stage, now: Clock) -> None:
    async with stars(stage, now) as desk:
        early = await desk.gateway.open_checkout(in_stars(1))
        desk.pay(early.payment_id)
        now.advance(hours=5)
        since = now()
        opened = await desk.gateway.open_checkout(in_stars(2, asked_at=now()))
        charge_id = desk.pay(opened.payment_id)
        now.advance(seconds=1)
        desk.give_back(charge_id)

        found = [one async for one in desk.gateway.since(since)]

        assert [type(one) for one in found] == [PaymentFacts, RefundFacts]
        assert {one.payment_id for one in found} == {opened.payment_id}


async def test_a_receipt_is_sent_to_the_provider_alone(stage: Stage) -> None:
    script = Script((200, raw("api-createInvoiceLink")))
    stage.app = script.app
    gateway = TelegramPaymentsGateway(
        TOKEN, "1:TEST:x", live=False, now=Clock(), secret=SECRET, api_url=stage.url
    )
    await gateway.open_checkout(a_checkout())
    await gateway.close()

    [(_, body)] = script.asked
    sent = json.loads(body)
    assert sent["provider_token"] == "1:TEST:x"
    assert json.loads(sent["provider_data"])["receipt"]["items"][0]["quantity"] == "1.00"


@pytest.mark.parametrize(("token", "live"), [("1:TEST:x", True), ("1:LIVE:x", False)])
async def test_a_token_of_the_other_mode_is_refused(token: str, live: bool) -> None:
    with pytest.raises(TelegramProviderTokenOfOtherMode):
        TelegramPaymentsGateway(TOKEN, token, live=live, now=Clock(), secret=SECRET)
