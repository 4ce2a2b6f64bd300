"""Crypto Pay on the wire: what is asked, what is found by payloads and keys, what goes wrong."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from adapters.gateways.cryptopay.gateway import CryptoPayGateway
from core.domain.checkout import Checkout, CheckoutId
from core.domain.money import Money
from core.domain.payment import (
    Foreign,
    OutgoingStatus,
    PaymentFacts,
    PaymentId,
    PaymentStatus,
    PayoutFacts,
)
from core.domain.payout import PayoutAccount, PayoutOrder
from core.domain.plan import GatewayName
from core.ports.payment_gateway import (
    CheckoutDeclined,
    GatewayUnavailable,
    PayoutDeclined,
    Refunding,
    Webhook,
    WebhookNotReadable,
    WebhookNotTrusted,
)
from core.ports.unit_of_work import unit_is_open
from tests.adapters.gateways.cryptopay_desk import (
    ACCOUNT,
    PROOF,
    TOKEN,
    CryptoPayDesk,
    a_cryptopay_desk,
)
from tests.adapters.gateways.recorded import raw, recorded
from tests.adapters.gateways.served import Script, Stage
from tests.adapters.gateways.test_cryptopay_translate import signed
from tests.builders import NOON, Clock, an_asked_checkout, rub

pytestmark = pytest.mark.asyncio(loop_scope="module")

CRYPTOPAY = GatewayName("cryptopay")
USDT = Money.of(10_500_000, "USDT")


@pytest_asyncio.fixture(loop_scope="module")
async def desk(stage: Stage, now: Clock) -> AsyncIterator[CryptoPayDesk]:
    async with a_cryptopay_desk(stage, now) as desk:
        yield desk


def asked(number: int = 1, **fields: object) -> Checkout:
    own = {"id": CheckoutId(f"chk_{number}"), "gateway": CRYPTOPAY, "amount": rub(990)}
    return an_asked_checkout(**own | fields)


def an_order(id_: str = "wd_1", *, number: str = "123456789", micro: int = 5_250_000):
    account = PayoutAccount("telegram", number, "Anna")
    return PayoutOrder(id_, Money.of(micro, "USDT"), account, "Withdrawal", NOON)


@asynccontextmanager
async def scripted(
    stage: Stage, *answers: tuple[int, bytes]
) -> AsyncIterator[tuple[CryptoPayGateway, Script]]:
    script = Script(*answers)
    stage.app = script.app
    gateway = CryptoPayGateway(ACCOUNT, api_url=stage.url, timeout=httpx.Timeout(2))
    try:
        yield gateway, script
    finally:
        await gateway.close()


def said(result: object) -> tuple[int, bytes]:
    return 200, json.dumps({"ok": True, "result": result}).encode()


def no(name: str, code: int = 400) -> tuple[int, bytes]:
    return code, json.dumps({"ok": False, "error": {"code": code, "name": name}}).encode()


# Opening.


async def test_what_can_be_paid_and_paid_out_is_declared(desk: CryptoPayDesk) -> None:
    able = desk.gateway.abilities

    assert able.currencies == {"RUB", "USD", "EUR", "USDT", "TON"}
    assert (able.key_memory, able.refunding) == (timedelta(0), Refunding.NONE)
    assert able.sends(USDT, "telegram")
    assert not able.sends(USDT, "gcash")
    assert not able.sends(rub(990), "telegram")
    assert not able.sends(Money.of(999_999, "USDT"), "telegram")


async def test_a_fiat_invoice_takes_the_assets_of_the_account(desk: CryptoPayDesk) -> None:
    await desk.gateway.open_checkout(asked())

    [invoice] = desk.rules.all("invoice")
    assert (invoice["currency_type"], invoice["fiat"], invoice["amount"]) == ("fiat", "RUB", "990")
    assert invoice["accepted_assets"] == ["USDT", "TON"]


async def test_the_token_goes_in_its_header_and_in_no_address(stage: Stage) -> None:
    made = recorded("api-createInvoice.fiat", "cryptopay")["result"]
    async with scripted(stage, said(made)) as (gateway, script):
        await gateway.open_checkout(asked())

    [(request, _)] = script.asked
    assert (request.method, request.url.path, request.url.query) == ("POST", "/createInvoice", "")
    assert request.headers["Crypto-Pay-API-Token"] == TOKEN


async def test_opening_twice_opens_two_since_no_key_is_honoured(desk: CryptoPayDesk) -> None:
    first = await desk.gateway.open_checkout(asked())
    second = await desk.gateway.open_checkout(asked())

    assert first.payment_id != second.payment_id


@pytest.mark.parametrize(
    "name", ["UNSUPPORTED_ASSET", "AMOUNT_INVALID", "EXPIRES_IN_INVALID", "PAID_BTN_URL_REQUIRED"]
)
async def test_a_recorded_refusal_is_declined_by_its_name(stage: Stage, name: str) -> None:
    async with scripted(stage, (400, raw(f"api-error.400-{name}", "cryptopay"))) as (gateway, _):
        with pytest.raises(CheckoutDeclined) as declined:
            await gateway.open_checkout(asked())

    assert declined.value.reason == name.lower()


@pytest.mark.parametrize(
    "answer",
    [
        (401, raw("api-error.401-UNAUTHORIZED", "cryptopay")),
        no("FLOOD", 429),
        no("INTERNAL", 500),
        (502, b"<html>Bad gateway</html>"),
        (400, b"<html>Bad request</html>"),
        (200, b'{"ok":true,"resu'),
        (200, b'{"ok":true}'),
        (200, b"[]"),
        said({"invoice_id": "528890"}),
        said(True),
    ],
)
async def test_what_is_no_clear_answer_leaves_the_outcome_unknown(
    stage: Stage, answer: tuple[int, bytes]
) -> None:
    async with scripted(stage, answer) as (gateway, script):
        with pytest.raises(GatewayUnavailable):
            await gateway.open_checkout(asked())

    assert len(script.asked) == 1, "nothing is tried again in here"


async def test_a_refusal_with_a_good_status_is_a_refusal(stage: Stage) -> None:
    async with scripted(stage, (200, no("<b>x</b>")[1])) as (gateway, _):
        with pytest.raises(CheckoutDeclined) as declined:
            await gateway.open_checkout(asked())

    assert declined.value.reason == "refused"


async def test_logs_hold_no_secret(stage: Stage) -> None:
    async with scripted(stage, (401, raw("api-error.401-UNAUTHORIZED", "cryptopay"))) as (
        gateway,
        _,
    ):
        with capture_logs() as logs, pytest.raises(GatewayUnavailable):
            await gateway.open_checkout(asked())

    assert logs
    assert TOKEN not in str(logs)
    assert "chk_1" not in str(logs)


# What was paid.


async def test_a_fiat_invoice_is_told_as_agreed_in_whatever_it_was_paid(
    desk: CryptoPayDesk,
) -> None:
    for number, asset in enumerate(("USDT", "TON")):
        opened = await desk.gateway.open_checkout(asked(number))
        desk.pay(opened.payment_id, asset=asset)

        facts = await desk.gateway.find_payment(opened.payment_id)

        assert facts is not None
        assert (facts.paid, facts.fee) == (rub(990), None)
        assert facts.details["paid_asset"] == asset
        assert (facts.charge_id, facts.checkout_id) == (opened.payment_id, f"chk_{number}")


async def test_a_crypto_invoice_is_told_in_its_asset(desk: CryptoPayDesk) -> None:
    opened = await desk.gateway.open_checkout(asked(amount=USDT))
    desk.pay(opened.payment_id)

    facts = await desk.gateway.find_payment(opened.payment_id)

    assert facts is not None
    assert (facts.paid, facts.fee) == (USDT, Money.of(315_000, "USDT"))


async def test_less_than_asked_is_told_as_it_is(desk: CryptoPayDesk) -> None:
    opened = await desk.gateway.open_checkout(asked())
    desk.rules.faults.plan("amount", 1)
    desk.pay(opened.payment_id)

    facts = await desk.gateway.find_payment(opened.payment_id)

    assert facts is not None
    assert facts.paid == Money.of(989_99, "RUB")


async def test_an_invoice_of_the_other_network_is_foreign(
    desk: CryptoPayDesk, stage: Stage
) -> None:
    opened = await desk.gateway.open_checkout(asked())
    desk.pay(opened.payment_id)
    live = CryptoPayGateway(
        replace(ACCOUNT, live=True), api_url=f"{stage.url}/sandbox/cryptopay/api"
    )

    of_test = await live.find_payment(opened.payment_id)
    await live.close()
    desk.foreign(opened.payment_id, Foreign.OTHER_MODE)
    of_live = await desk.gateway.find_payment(opened.payment_id)

    assert of_test is not None
    assert of_live is not None
    assert of_test.foreign is of_live.foreign is Foreign.OTHER_MODE


async def test_another_answer_than_asked_for_is_no_answer(stage: Stage) -> None:
    other = recorded("api-getInvoices", "cryptopay")["result"]
    async with scripted(stage, said(other)) as (gateway, _):
        assert await gateway.find_payment(PaymentId("1")) is None


# What had no answer.


async def test_a_paid_invoice_is_found_before_others_of_the_same_checkout(
    desk: CryptoPayDesk,
) -> None:
    first = await desk.gateway.open_checkout(asked())
    for _ in range(2):
        await desk.gateway.open_checkout(asked())
    desk.pay(first.payment_id)

    facts = await desk.gateway.find_checkout(asked())

    assert facts is not None
    assert (facts.payment_id, facts.status) == (first.payment_id, PaymentStatus.PAID)


async def test_a_checkout_in_an_asset_is_found_among_those_in_currencies(
    desk: CryptoPayDesk,
) -> None:
    opened = await desk.gateway.open_checkout(asked(1, amount=USDT))
    await desk.gateway.open_checkout(asked(2))

    facts = await desk.gateway.find_checkout(asked(1, amount=USDT))

    assert facts is not None
    assert facts.payment_id == opened.payment_id


def invoices(first: int, count: int, minutes: int = 0) -> list[dict]:
    """As of a list, each a second older than the one before."""
    [sample, _] = recorded("api-getInvoices", "cryptopay")["result"]["items"]
    made = NOON + timedelta(minutes=minutes)
    return [
        sample
        | {
            "invoice_id": first - number,
            "payload": json.dumps({"checkout_id": f"chk_{first - number}"}),
            "created_at": (made - timedelta(seconds=number)).isoformat(),
        }
        for number in range(count)
    ]


def page(*items: object) -> tuple[int, bytes]:
    return said({"items": items})


async def test_no_more_is_looked_through_than_was_made_since(stage: Stage) -> None:
    pages = [page(*invoices(1000 - minutes, 3, -minutes)) for minutes in (-60, 0, 60, 120)]
    async with scripted(stage, *pages) as (gateway, script):
        assert await gateway.find_checkout(asked(9, asked_at=NOON)) is None

    offsets = [request.query_params["offset"] for request, _ in script.asked]
    assert offsets == ["0", "3", "6"]
    assert {request.query_params["fiat"] for request, _ in script.asked} == {"RUB"}


async def test_a_list_in_another_order_is_looked_through_to_its_end(stage: Stage) -> None:
    oldest_first = [*invoices(1, 1, -90), *invoices(2, 1, -60)]
    pages = [page(*oldest_first), page(*invoices(3, 1)), page()]
    async with scripted(stage, *pages) as (gateway, _):
        found = await gateway.find_checkout(asked(3, asked_at=NOON))

    assert found is not None
    assert found.payment_id == "3"


async def test_what_cannot_be_looked_through_is_not_said_to_be_missing(stage: Stage) -> None:
    async with scripted(stage, page(*invoices(1000, 2, 60))) as (gateway, script):
        with pytest.raises(GatewayUnavailable):
            await gateway.find_checkout(asked(5, asked_at=NOON))

    assert len(script.asked) == 50


@pytest.mark.parametrize("answer", [no("COUNT_INVALID"), said([]), said({}), page(5)])
async def test_what_is_no_list_says_nothing(stage: Stage, answer: tuple[int, bytes]) -> None:
    async with scripted(stage, answer) as (gateway, _):
        with pytest.raises(GatewayUnavailable):
            await gateway.find_checkout(asked())
        with pytest.raises(GatewayUnavailable):
            await gateway.find_payment(PaymentId("528890"))


async def test_everything_since_is_listed(desk: CryptoPayDesk, now: Clock) -> None:
    await desk.gateway.open_checkout(asked(0))
    now.advance(hours=1)
    since = now()
    opened = [await desk.gateway.open_checkout(asked(number)) for number in (1, 2, 3)]
    desk.pay(opened[0].payment_id)
    desk.rules.top_up("USDT", "100")
    await desk.gateway.pay_out(an_order())

    found = [one async for one in desk.gateway.since(since)]

    payments = [one for one in found if isinstance(one, PaymentFacts)]
    assert [one.checkout_id for one in payments] == ["chk_3", "chk_2", "chk_1"]
    assert [one.status for one in payments] == [PaymentStatus.PENDING] * 2 + [PaymentStatus.PAID]
    [payout] = [one for one in found if isinstance(one, PayoutFacts)]
    assert payout.our_id == "wd_1"


# Webhooks.


async def test_a_header_is_found_however_it_is_written(desk: CryptoPayDesk) -> None:
    opened = await desk.gateway.open_checkout(asked())
    desk.pay(opened.payment_id)
    true = desk.webhook(opened.payment_id)

    shouted = Webhook(None, {PROOF.upper(): true.headers[PROOF]}, true.body)

    assert desk.gateway.read_webhook(shouted).payment_id == opened.payment_id


async def test_a_forged_webhook_is_turned_away_before_it_is_read(desk: CryptoPayDesk) -> None:
    opened = await desk.gateway.open_checkout(asked(description="Привет / <b>"))
    desk.pay(opened.payment_id)
    true = desk.webhook(opened.payment_id)
    anew = json.dumps(json.loads(true.body)).encode()
    escaped = true.body.replace(b"/", b"\\/")

    for headers, body in (
        ({}, true.body),
        ({PROOF: ""}, true.body),
        ({PROOF: true.headers[PROOF][:-2]}, true.body),
        ({PROOF: signed(true.body, "12345:another")}, true.body),
        (true.headers, true.body[:-1]),
        (true.headers, anew),
        (true.headers, escaped),
        (true.headers, b"[" * 100_000),
    ):
        assert (headers, body) != (true.headers, true.body)
        with pytest.raises(WebhookNotTrusted):
            desk.gateway.read_webhook(Webhook(None, headers, body))


async def test_a_true_sender_who_makes_no_sense_is_told_so(desk: CryptoPayDesk) -> None:
    for body in (b"", b"\xff", b"[]", b"{}", b"null", b"[" * 100_000):
        with pytest.raises(WebhookNotReadable):
            desk.gateway.read_webhook(Webhook(None, {PROOF: signed(body)}, body))


# Payouts.


async def test_a_payout_asked_twice_is_one(desk: CryptoPayDesk) -> None:
    desk.rules.top_up("USDT", "100")
    desk.lose_answers(1)
    with pytest.raises(GatewayUnavailable):
        await desk.gateway.pay_out(an_order())

    sent = await desk.gateway.pay_out(an_order())

    assert (sent.status, sent.our_id) == (OutgoingStatus.DONE, "wd_1")
    assert len(desk.rules.all("transfer")) == 1
    assert await desk.gateway.find_payout(an_order(), None) == sent
    assert await desk.gateway.find_payout(an_order(), sent.payout_id) == sent
    assert await desk.gateway.find_payout(an_order("wd_2"), None) is None


async def test_a_provider_that_repeats_its_answer_is_understood_too(stage: Stage) -> None:
    made = recorded("api-transfer", "cryptopay")["result"]
    async with scripted(stage, said(made)) as (gateway, _):
        first, again = [await gateway.pay_out(an_order()) for _ in range(2)]

    assert first == again
    assert first.our_id == "wd_1"


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda rules: None, "insufficient_funds"),
        (lambda rules: rules.forget(123456789), "user_not_found"),
        (lambda rules: rules.switch(transfers=False, webhooks=True), "method_disabled"),
    ],
)
async def test_a_payout_that_is_refused_says_why_and_sends_nothing(
    desk: CryptoPayDesk, prepare, reason: str
) -> None:
    prepare(desk.rules)

    with pytest.raises(PayoutDeclined) as declined:
        await desk.gateway.pay_out(an_order())

    assert declined.value.reason == reason
    assert await desk.gateway.find_payout(an_order(), None) is None


async def test_a_key_that_is_refused_and_not_found_is_not_said_to_have_sent_nothing(
    stage: Stage,
) -> None:
    answers = (no("SPEND_ID_ALREADY_USED"), page())
    async with scripted(stage, *answers) as (gateway, _):
        with pytest.raises(GatewayUnavailable):
            await gateway.pay_out(an_order())


async def test_a_refusal_of_which_nothing_can_be_asked_is_no_refusal(stage: Stage) -> None:
    async with scripted(stage, no("INSUFFICIENT_FUNDS"), no("INTERNAL", 500)) as (gateway, _):
        with pytest.raises(GatewayUnavailable):
            await gateway.pay_out(an_order())


@pytest.mark.parametrize("number", ["anna", "+79161234567", "@anna", "0123", "12345678901234567"])
async def test_only_a_user_of_telegram_can_be_sent_money(desk: CryptoPayDesk, number: str) -> None:
    with pytest.raises(PayoutDeclined):
        await desk.gateway.pay_out(an_order(number=number))

    assert not desk.rules.calls


async def test_nothing_is_paid_out_or_looked_for_inside_a_unit_of_work(
    desk: CryptoPayDesk,
) -> None:
    token = unit_is_open.set(True)
    try:
        with pytest.raises(AssertionError):
            await desk.gateway.pay_out(an_order())
        with pytest.raises(AssertionError):
            await desk.gateway.pay_out(an_order(number="anna"))
        with pytest.raises(AssertionError):
            await desk.gateway.find_payout(an_order(), None)
    finally:
        unit_is_open.reset(token)

    assert not desk.rules.calls
