"""Crypto Pay's words: signatures over the very bytes, and every sample of what it says."""

import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from adapters.gateways.cryptopay.account import CryptoPayAccount
from adapters.gateways.cryptopay.translate import (
    check_signature,
    facts_from_invoice,
    facts_from_transfer,
    notice_from_body,
    opened_from_invoice,
    request_from_checkout,
    request_from_order,
)
from core.domain.money import Money
from core.domain.payment import Foreign, NoticeKind, OutgoingStatus, PaymentStatus
from core.domain.payout import PayoutAccount, PayoutOrder
from core.ports.payment_gateway import GatewayUnavailable, WebhookNotReadable, WebhookNotTrusted
from tests.adapters.gateways.recorded import raw, recorded
from tests.builders import NOON, an_asked_checkout, rub

TOKEN = "12345:AAExampleTokenExampleTokenExample00"
ACCOUNT = CryptoPayAccount(TOKEN, live=False)
VECTOR_BODY = (
    '{"update_id":1,"update_type":"invoice_paid","request_date":"2026-11-20T10:04:02.000Z",'
    '"payload":{"invoice_id":528890,"status":"paid","amount":"10.5","asset":"USDT",'
    '"description":"Привет / <b>"}}'
).encode()
VECTOR_PROOF = "112e3f9f38043cd2aee28abb8366074f96d1ca0029f03796c50fe8ba8f5e6e45"
IDS = {"checkout_id": "chk_1", "purchase_id": "pur_1", "customer_id": "cus_1"}


def signed(body: bytes, token: str = TOKEN) -> str:
    return hmac.new(sha256(token.encode()).digest(), body, sha256).hexdigest()


def an_invoice(kind: str = "crypto", **changes: object) -> dict:
    return recorded(f"invoice_paid-{kind}", "cryptopay")["payload"] | changes


def facts(kind: str = "crypto", **changes: object):
    return facts_from_invoice(an_invoice(kind, **changes), ACCOUNT)


# Proof.


def test_the_documented_vector_is_proven() -> None:
    check_signature(VECTOR_PROOF, VECTOR_BODY, ACCOUNT)


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "0" * 64,
        VECTOR_PROOF[:-1],
        VECTOR_PROOF + "0",
        VECTOR_PROOF.upper(),
        f"sha256={VECTOR_PROOF}",
        "ё" * 64,
        "\udcff",
        signed(VECTOR_BODY, "12345:another"),
        # The token itself, and the digest as text, are not the key.
        hmac.new(TOKEN.encode(), VECTOR_BODY, sha256).hexdigest(),
        hmac.new(sha256(TOKEN.encode()).hexdigest().encode(), VECTOR_BODY, sha256).hexdigest(),
        sha256(VECTOR_BODY).hexdigest(),
    ],
)
def test_what_is_not_proven_is_not_trusted(forged: str) -> None:
    with pytest.raises(WebhookNotTrusted):
        check_signature(forged, VECTOR_BODY, ACCOUNT)


@pytest.mark.parametrize(
    "changed",
    [
        VECTOR_BODY[:-1],
        VECTOR_BODY + b"\n",
        b"\xef\xbb\xbf" + VECTOR_BODY,
        VECTOR_BODY.replace(b"10.5", b"10.50"),
        VECTOR_BODY.replace(b"/", b"\\/"),
        json.dumps(json.loads(VECTOR_BODY)).encode(),
        json.dumps(json.loads(VECTOR_BODY), separators=(",", ":")).encode(),
        json.dumps(json.loads(VECTOR_BODY), ensure_ascii=False, sort_keys=True).encode(),
        b"",
    ],
)
def test_a_body_written_anew_is_another_body(changed: bytes) -> None:
    assert changed != VECTOR_BODY
    with pytest.raises(WebhookNotTrusted):
        check_signature(VECTOR_PROOF, changed, ACCOUNT)


def test_escapes_are_signed_as_they_are_written() -> None:
    escaped = json.dumps(json.loads(VECTOR_BODY)).replace("/", "\\/").encode()

    check_signature(signed(escaped), escaped, ACCOUNT)

    assert b"\\/" in escaped
    assert b"\\u041f" in escaped
    assert notice_from_body(escaped).payment_id == "528890"


def test_the_token_is_in_no_picture_of_the_account() -> None:
    assert "AAExample" not in repr(ACCOUNT)


# Notices.


@pytest.mark.parametrize("kind", ["crypto", "fiat", "swapped"])
def test_each_recorded_webhook_is_understood(kind: str) -> None:
    notice = notice_from_body(raw(f"invoice_paid-{kind}", "cryptopay"))

    assert (notice.kind, notice.event) == (NoticeKind.PAYMENT, "invoice_paid")
    assert (notice.payment_id, notice.claims_paid) == ("528890", True)
    for personal in ("thanks", "PRO subscription", "order:100042", "t.me", "IVDoTcNBYEfk"):
        assert personal not in notice.body


def test_repeats_are_told_by_the_invoice_since_update_ids_are_not_unique() -> None:
    told = recorded("invoice_paid-crypto", "cryptopay")
    later = told | {"update_id": 77, "request_date": "2026-11-22T10:04:02.000Z"}
    other = told | {"payload": an_invoice(invoice_id=528891)}

    first, again, another = (
        notice_from_body(json.dumps(one).encode()) for one in (told, later, other)
    )

    assert first == again
    assert first.dedupe_key != another.dedupe_key


def test_an_event_that_is_not_known_is_taken_and_not_acted_on() -> None:
    told = {"update_id": 1, "update_type": "check_activated", "payload": {"check_id": 7}}
    one, other = (
        notice_from_body(json.dumps(told | {"update_id": number}).encode()) for number in (1, 2)
    )

    assert (one.kind, one.payment_id, one.claims_paid) == (NoticeKind.OTHER, None, False)
    assert one.dedupe_key != other.dedupe_key


@pytest.mark.parametrize("status", ["active", "expired", "", "PAID", 1])
def test_an_invoice_that_does_not_say_paid_claims_nothing(status: object) -> None:
    told = {"update_type": "invoice_paid", "payload": an_invoice(status=status)}

    assert not notice_from_body(json.dumps(told).encode()).claims_paid


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b"[" * 100_000,
        b'{"update_type":"invoice_paid"}',
        b'{"update_type":"invoice_paid","payload":{"invoice_id":"528890"}}',
        b'{"update_type":"invoice_paid","payload":{"invoice_id":true}}',
        b'{"update_type":"invoice_paid","payload":{"invoice_id":-5}}',
        b'{"update_type":"invoice_paid","payload":{"invoice_id":1e3}}',
        b'{"update_type":"invoice_paid","payload":[528890]}',
        b'{"update_type":5,"payload":{"invoice_id":528890}}',
        b'{"update_type":"Invoice Paid","payload":{"invoice_id":528890}}',
    ],
)
def test_what_is_no_update_is_not_readable(body: bytes) -> None:
    with pytest.raises(WebhookNotReadable):
        notice_from_body(body)


# Facts.


def test_a_crypto_invoice_is_booked_in_its_asset_with_its_fee() -> None:
    told = facts("crypto")

    assert told.status is PaymentStatus.PAID
    assert (told.payment_id, told.charge_id) == ("528890", "528890")
    assert (told.paid, told.fee) == (Money.of(10_500_000, "USDT"), Money.of(315_000, "USDT"))
    assert told.details == {"fee_asset": "USDT", "fee_amount": "0.315"}
    assert (told.foreign, told.opened) == (None, None)


def test_a_fiat_invoice_is_booked_as_it_was_agreed_and_says_what_it_was_paid_in() -> None:
    told = facts("fiat")

    assert told.paid == rub(990)
    assert told.fee is None, "the fee is in another currency"
    assert told.details == {
        "paid_asset": "TON",
        "paid_amount": "3.7152",
        "paid_fiat_rate": "266.47",
        "fee_asset": "TON",
        "fee_amount": "0.111456",
    }


def test_a_swap_changes_what_is_left_and_not_what_was_paid() -> None:
    told = facts("swapped")

    assert (told.paid, told.fee) == (facts("crypto").paid, facts("crypto").fee)
    assert (told.details["swapped_to"], told.details["swapped_output"]) == ("USDC", "10.17")


@pytest.mark.parametrize(
    ("text", "minor"), [("10.5", 10_500_000), ("10.50", 10_500_000), ("10", 10_000_000)]
)
def test_amounts_are_equal_however_they_are_written(text: str, minor: int) -> None:
    assert facts(amount=text).paid == Money.of(minor, "USDT")


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": "10.5000001"},
        {"amount": "-10.5"},
        {"amount": "0"},
        {"amount": 10.5},
        {"amount": "1e1"},
        {"amount": "9" * 16},
        {"amount": None},
        {"asset": "BTC"},
        {"asset": None},
        {"currency_type": "fiat"},
        {"currency_type": "shells"},
        {"status": "swapping"},
    ],
)
def test_what_cannot_be_booked_exactly_is_never_paid(changes: dict) -> None:
    told = facts(**changes)

    assert (told.status, told.paid, told.fee) == (PaymentStatus.UNKNOWN, None, None)


@pytest.mark.parametrize(
    "changes",
    [{"fee_amount": "0.3150001"}, {"fee_asset": "TON"}, {"fee_amount": "11"}, {"fee_amount": 1}],
)
def test_a_fee_that_is_not_sure_is_not_known(changes: dict) -> None:
    assert facts(**changes).fee is None
    assert facts(**changes).paid == Money.of(10_500_000, "USDT")


def test_details_are_plain_words_only() -> None:
    told = facts("fiat", paid_asset="<b>", paid_amount="1'; --", paid_fiat_rate=["266"])

    assert told.details == {"fee_asset": "TON", "fee_amount": "0.111456"}


def test_listed_invoices_are_what_they_say() -> None:
    paid, expired = recorded("api-getInvoices", "cryptopay")["result"]["items"]

    assert facts_from_invoice(paid, ACCOUNT).status is PaymentStatus.PAID
    told = facts_from_invoice(expired, ACCOUNT)
    assert (told.status, told.paid, told.opened) == (PaymentStatus.CANCELED, None, None)


@pytest.mark.parametrize("kind", ["crypto", "fiat"])
def test_a_fresh_invoice_says_where_and_until_when_it_can_be_paid(kind: str) -> None:
    made = recorded(f"api-createInvoice.{kind}", "cryptopay")["result"]

    opened = opened_from_invoice(made)

    assert opened.payment_id == "528890"
    assert opened.confirmation_url == "https://t.me/CryptoTestnetBot?start=IVDoTcNBYEfk"
    assert opened.expires_at == datetime(2026, 11, 20, 11, 0, 0, 123000, tzinfo=UTC)
    told = facts_from_invoice(made, ACCOUNT)
    assert (told.status, told.opened) == (PaymentStatus.PENDING, opened)


@pytest.mark.parametrize(
    "invoice",
    [
        None,
        [],
        True,
        {},
        {"invoice_id": "528890", "bot_invoice_url": "https://t.me/x"},
        {"invoice_id": 528890},
        {"invoice_id": 528890, "bot_invoice_url": "javascript:alert(1)"},
    ],
)
def test_what_is_no_invoice_opens_nothing(invoice: object) -> None:
    with pytest.raises(GatewayUnavailable):
        opened_from_invoice(invoice)


@pytest.mark.parametrize("told", ["", "11:00", "2026-11-20T11:00:00", 5])
def test_an_end_that_is_not_clear_is_not_told(told: object) -> None:
    made = recorded("api-createInvoice.fiat", "cryptopay")["result"]

    assert opened_from_invoice(made | {"expiration_date": told}).expires_at is None


def test_the_payload_says_whose_it_is() -> None:
    told = facts(payload=json.dumps(IDS))

    assert (told.checkout_id, told.purchase_id) == ("chk_1", "pur_1")


@pytest.mark.parametrize(
    "payload",
    [
        None,
        "",
        "order:100042",
        "[" * 4000,
        '["chk_1"]',
        '{"checkout_id": 5}',
        '{"checkout_id": "chk_../../x", "purchase_id": "cus_1 or 1=1"}',
        {"checkout_id": "chk_1"},
    ],
)
def test_what_others_keep_in_payloads_is_nobody_of_ours(payload: object) -> None:
    told = facts(payload=payload)

    assert (told.checkout_id, told.purchase_id) == (None, None)
    assert told.paid == Money.of(10_500_000, "USDT")


def test_an_invoice_of_the_other_network_is_foreign() -> None:
    live = CryptoPayAccount(TOKEN, live=True)
    mainnet = {
        "bot_invoice_url": "https://t.me/CryptoBot?start=IV1",
        "mini_app_invoice_url": "https://t.me/CryptoBot/app?startapp=invoice-IV1",
        "web_app_invoice_url": "https://app.send.tg/invoices/IV1",
    }

    assert facts_from_invoice(an_invoice(), live).foreign is Foreign.OTHER_MODE
    assert facts_from_invoice(an_invoice(**mainnet), live).foreign is None
    assert facts_from_invoice(an_invoice(**mainnet), ACCOUNT).foreign is Foreign.OTHER_MODE


def test_each_mode_has_its_network() -> None:
    assert ACCOUNT.api_url == "https://testnet-pay.crypt.bot/api"
    assert CryptoPayAccount(TOKEN, live=True).api_url == "https://pay.crypt.bot/api"


def test_a_transfer_is_done_when_it_is_completed() -> None:
    made = recorded("api-transfer", "cryptopay")["result"]
    [listed] = recorded("api-getTransfers", "cryptopay")["result"]["items"]

    told = facts_from_transfer(made, "wd_1")

    assert (told.payout_id, told.status) == ("1001", OutgoingStatus.DONE)
    assert (told.amount, told.our_id) == (Money.of(5_250_000, "USDT"), "wd_1")
    assert facts_from_transfer(listed, "wd_1") == told
    odd = facts_from_transfer(made | {"status": "frozen"}, None)
    assert odd.status is OutgoingStatus.UNKNOWN


@pytest.mark.parametrize("change", [{"transfer_id": None}, {"amount": "x"}, {"asset": "BTC"}])
def test_what_is_no_transfer_teaches_nothing(change: dict) -> None:
    with pytest.raises(GatewayUnavailable):
        facts_from_transfer(recorded("api-transfer", "cryptopay")["result"] | change, None)


# Requests.


def test_a_price_of_a_state_is_asked_for_in_its_currency() -> None:
    account = replace(ACCOUNT, assets=("USDT", "TON", "BTC"))
    checkout = an_asked_checkout(amount=rub(990), return_url="https://shop.example/ok")

    asked = json.loads(request_from_checkout(checkout, account))

    sample = recorded("request-createInvoice.fiat", "cryptopay")
    same = ("currency_type", "fiat", "accepted_assets", "expires_in")
    assert {name: asked[name] for name in same} == {name: sample[name] for name in same}
    assert (asked["amount"], asked["description"]) == ("990.00", checkout.description)
    assert json.loads(asked["payload"])["checkout_id"] == checkout.id
    assert (asked["paid_btn_name"], asked["paid_btn_url"]) == (
        "callback",
        "https://shop.example/ok",
    )
    assert "asset" not in asked


@pytest.mark.parametrize(
    ("amount", "said"),
    [(Money.of(10_500_000, "USDT"), "10.500000"), (Money.of(1, "TON"), "0.000000001")],
)
def test_a_price_in_an_asset_is_asked_for_in_it(amount: Money, said: str) -> None:
    asked = json.loads(request_from_checkout(an_asked_checkout(amount=amount), ACCOUNT))

    assert (asked["currency_type"], asked["asset"]) == ("crypto", amount.currency.code)
    assert asked["amount"] == said
    assert not {"fiat", "accepted_assets"} & asked.keys()


def test_a_button_has_an_address_or_is_not_there() -> None:
    asked = json.loads(request_from_checkout(an_asked_checkout(return_url="shop"), ACCOUNT))

    assert not {"paid_btn_name", "paid_btn_url"} & asked.keys()


def test_the_same_checkout_is_the_same_request() -> None:
    checkout = an_asked_checkout()
    later = checkout.becomes_unknown(at=NOON + timedelta(minutes=1))

    assert request_from_checkout(checkout, ACCOUNT) == request_from_checkout(later, ACCOUNT)


def test_a_payout_is_a_transfer_under_our_key() -> None:
    account = PayoutAccount("telegram", "123456789", "Anna")
    order = PayoutOrder("wd_1", Money.of(5_250_000, "USDT"), account, "Payout 55", NOON)

    assert json.loads(request_from_order(order)) == {
        "user_id": 123456789,
        "asset": "USDT",
        "amount": "5.250000",
        "spend_id": "wd_1",
        "comment": "Payout 55",
    }
