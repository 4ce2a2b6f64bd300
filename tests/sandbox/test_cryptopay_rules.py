"""The double of Crypto Pay keeps the rules that its documentation and samples tell: invoices."""

import hmac
import json
from datetime import timedelta
from hashlib import sha256

import pytest

from sandbox.gateway_rules import Call, MoveNotAllowed, NoSuchThing
from tests.sandbox.cryptopay_app import (
    CRYPTO,
    FIAT,
    TEN,
    TOKEN,
    ask,
    crypto_pay,
    opened,
    recorded,
    refusal,
    told,
)

CREATED = ["createInvoice.crypto", "createInvoice.fiat"]


def shape(value: object) -> object:
    """Names and kinds, without what is said."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value[:1]]
    return type(value).__name__


def told_items(rules, *, at):
    return told(rules, "getInvoices", at=at)["items"]


@pytest.mark.parametrize("name", CREATED)
def test_an_invoice_is_told_as_it_is_by_the_provider(name):
    asked, expected = recorded(f"request-{name}"), recorded(f"api-{name}")["result"]

    made = told(crypto_pay(), "createInvoice", asked)

    # The sample was made from a request without these.
    extra = {"hidden_message", "paid_btn_name", "paid_btn_url"} & asked.keys()
    assert shape(made) == shape(expected) | dict.fromkeys(extra, "str")
    same = ("currency_type", "amount", "status", "created_at", "expiration_date", "payload")
    assert {one: made[one] for one in same} == {one: expected[one] for one in same}
    assert made.get("accepted_assets") == expected.get("accepted_assets")


@pytest.mark.parametrize(
    ("asked", "asset", "sample"),
    [(CRYPTO, None, "invoice_paid-crypto"), (FIAT, "TON", "invoice_paid-fiat")],
)
def test_a_paid_invoice_is_told_as_it_is_by_the_provider(asked, asset, sample):
    rules = crypto_pay()
    expected = recorded(sample)

    rules.pay(opened(rules, asked), at=TEN, asset=asset)

    [one] = rules.due_notifications(TEN)
    extra = {"hidden_message", "paid_btn_name", "paid_btn_url"} & asked.keys()
    said = {name: v for name, v in one.body["payload"].items() if name not in extra}
    wanted = {name: v for name, v in expected["payload"].items() if name != "comment"}
    assert shape(one.body | {"payload": said}) == shape(expected | {"payload": wanted})


def test_a_fiat_invoice_says_in_what_it_was_paid_and_a_crypto_invoice_does_not():
    rules = crypto_pay()

    fiat = rules.pay(opened(rules, FIAT), at=TEN, asset="TON")
    crypto = rules.pay(opened(rules), at=TEN)

    assert (fiat["fiat"], fiat["amount"]) == ("RUB", "990")
    assert (fiat["paid_asset"], fiat["paid_fiat_rate"]) == ("TON", "266.455")
    assert fiat["paid_amount"] == "3.71544914"
    assert not {"paid_asset", "paid_amount", "paid_fiat_rate"} & crypto.keys()
    assert (crypto["fee_asset"], crypto["fee_amount"]) == ("USDT", "0.315")


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"asset": "FFF"}, "UNSUPPORTED_ASSET"),
        ({"asset": None}, "UNSUPPORTED_ASSET"),
        ({"amount": "0"}, "AMOUNT_INVALID"),
        ({"amount": "-1"}, "AMOUNT_INVALID"),
        ({"amount": "1e3"}, "AMOUNT_INVALID"),
        ({"amount": "ten"}, "AMOUNT_INVALID"),
        ({"amount": True}, "AMOUNT_INVALID"),
        ({"amount": None}, "AMOUNT_INVALID"),
        ({"expires_in": 0}, "EXPIRES_IN_INVALID"),
        ({"expires_in": 2678401}, "EXPIRES_IN_INVALID"),
        ({"expires_in": "soon"}, "EXPIRES_IN_INVALID"),
        ({"paid_btn_url": None}, "PAID_BTN_URL_REQUIRED"),
        ({"paid_btn_name": "callback", "paid_btn_url": ""}, "PAID_BTN_URL_REQUIRED"),
        ({"paid_btn_url": "shop.example"}, "PAID_BTN_URL_INVALID"),
        ({"paid_btn_name": "pay"}, "PAID_BTN_NAME_INVALID"),
        ({"description": "я" * 1025}, "DESCRIPTION_TOO_LONG"),
        ({"payload": "я" * 2049}, "PAYLOAD_TOO_LONG"),
        ({"currency_type": "shells"}, "CURRENCY_TYPE_INVALID"),
        ({"currency_type": "fiat", "fiat": "XXX"}, "UNSUPPORTED_FIAT"),
        ({"currency_type": "fiat", "fiat": "RUB", "accepted_assets": "A"}, "UNSUPPORTED_ASSET"),
    ],
)
def test_what_is_wrong_is_refused_by_its_name(change, name):
    rules = crypto_pay()

    assert refusal(ask(rules, "createInvoice", CRYPTO | change)) == (400, name)
    assert told(rules, "getInvoices") == {"items": []}


def test_another_token_is_401_and_an_unknown_method_405():
    rules = crypto_pay()

    assert ask(rules, "getMe", user="12345:other").body == recorded("api-error.401-UNAUTHORIZED")
    assert refusal(ask(rules, "getMe", user=None)) == (401, "UNAUTHORIZED")
    unknown = recorded("api-error.405-METHOD_NOT_FOUND")
    assert ask(rules, "createPayment").body == unknown
    assert ask(rules, "getMe", http="DELETE").body == unknown


def test_every_method_takes_a_query_and_a_body():
    rules = crypto_pay()
    texts = {name: str(value) for name, value in FIAT.items()}

    made = rules.answer(Call("GET", "/createInvoice", TOKEN, query=texts), at=TEN).body["result"]

    for http, query, body in (
        ("GET", {"invoice_ids": str(made["invoice_id"])}, {}),
        ("POST", {}, {"invoice_ids": [made["invoice_id"]]}),
        ("POST", {"invoice_ids": str(made["invoice_id"])}, None),
    ):
        answer = rules.answer(Call(http, "/getInvoices", TOKEN, query=query, body=body), at=TEN)
        assert answer.body == {"ok": True, "result": {"items": [made]}}


def test_amounts_lose_their_zeros_and_nothing_else():
    rules = crypto_pay()

    for asked, said in (("10.50", "10.5"), (10.5, "10.5"), ("0.000001", "0.000001"), (100, "100")):
        assert told(rules, "createInvoice", CRYPTO | {"amount": asked})["amount"] == said


def test_asking_twice_makes_two_invoices():
    rules = crypto_pay()

    assert opened(rules) != opened(rules)


def test_the_same_calls_have_the_same_answers_in_every_run():
    one, other, seeded = crypto_pay(), crypto_pay(), crypto_pay(seed=1)

    assert ask(one, "createInvoice", CRYPTO) == ask(other, "createInvoice", CRYPTO)
    assert ask(one, "createInvoice", CRYPTO) != ask(seeded, "createInvoice", CRYPTO)


def test_invoices_are_listed_newest_first_and_by_what_is_asked():
    rules = crypto_pay()
    ids = [opened(rules), opened(rules, FIAT), opened(rules)]
    rules.pay(ids[0], at=TEN)

    def listed(**fields: object) -> list[str]:
        return [str(one["invoice_id"]) for one in told(rules, "getInvoices", fields)["items"]]

    assert listed() == ids[::-1]
    assert listed(offset=1, count=1) == [ids[1]]
    assert listed(status="paid") == [ids[0]]
    assert listed(status="active", asset="USDT") == [ids[2]]
    assert listed(fiat="RUB") == [ids[1]]
    assert listed(invoice_ids=f"{ids[0]}, {ids[2]}") == [ids[2], ids[0]]
    assert listed(invoice_ids="1") == []
    assert refusal(ask(rules, "getInvoices", {"count": 1001})) == (400, "COUNT_INVALID")
    assert refusal(ask(rules, "getInvoices", {"offset": "-1"})) == (400, "OFFSET_INVALID")


def test_an_invoice_expires_by_time_alone_and_tells_nobody():
    rules = crypto_pay()
    timed, endless = opened(rules, expires_in=3600), opened(rules, expires_in=None)
    just_before = TEN + timedelta(hours=1, milliseconds=-1)
    assert rules.invoice(timed, at=just_before)["status"] == "active"

    later = TEN + timedelta(hours=1)

    statuses = {one["invoice_id"]: one["status"] for one in told_items(rules, at=later)}
    assert statuses == {int(timed): "expired", int(endless): "active"}
    assert rules.due_notifications(later) == []
    with pytest.raises(MoveNotAllowed):
        rules.pay(timed, at=later)


def test_a_deleted_invoice_is_in_no_list_and_its_id_is_not_given_again():
    rules = crypto_pay()
    id_ = opened(rules)

    assert told(rules, "deleteInvoice", {"invoice_id": int(id_)}) is True

    assert told_items(rules, at=TEN) == []
    assert ask(rules, "deleteInvoice", {"invoice_id": int(id_)}).status == 400
    with pytest.raises(NoSuchThing):
        rules.pay(id_, at=TEN)
    assert opened(rules) != id_


@pytest.mark.parametrize("end", ["pay", "expire"])
def test_what_has_ended_is_not_deleted(end):
    rules = crypto_pay()
    id_ = opened(rules)
    getattr(rules, end)(id_, at=TEN)

    assert refusal(ask(rules, "deleteInvoice", {"invoice_id": id_}))[0] == 400
    assert len(told_items(rules, at=TEN)) == 1


def test_paying_twice_repeats_the_webhook_and_not_the_charge():
    rules = crypto_pay()
    id_ = opened(rules)

    first, again = rules.pay(id_, at=TEN), rules.pay(id_, at=TEN + timedelta(minutes=1))

    assert first == again
    assert len(rules.due_notifications(TEN + timedelta(minutes=1))) == 2
    assert str(rules.available("USDT")) == "10.185"


def test_an_asset_that_is_not_accepted_does_not_pay():
    rules = crypto_pay()

    for asked, asset in ((FIAT, "ETH"), (CRYPTO, "TON")):
        with pytest.raises(MoveNotAllowed):
            rules.pay(opened(rules, asked), at=TEN, asset=asset)


def test_faults_of_the_payer_and_of_the_app():
    rules = crypto_pay()
    id_ = opened(rules, FIAT)
    rules.faults.plan("decline", 1)
    rules.faults.plan("amount", 1)
    rules.faults.plan("refuse", 1)

    assert rules.pay(id_, at=TEN)["status"] == "active"
    assert rules.due_notifications(TEN) == []
    assert rules.pay(id_, at=TEN)["amount"] == "989.99"
    assert refusal(ask(rules, "createInvoice", CRYPTO)) == (400, "UNSUPPORTED_ASSET")
    assert rules.faults.left == {}


def test_the_signature_is_over_the_bytes_that_are_sent():
    rules = crypto_pay()
    rules.pay(opened(rules, description="Привет / <b>"), at=TEN)
    [one] = rules.due_notifications(TEN)

    body, headers = rules.signed(one, TEN)

    key = sha256(TOKEN.encode()).digest()
    proof = hmac.new(key, body, sha256).hexdigest()
    assert headers == {"crypto-pay-api-signature": proof}
    assert json.loads(body) == one.body
    assert "Привет / <b>" in body.decode()
    assert rules.signed(one, TEN + timedelta(days=1)) == (body, headers)


def test_update_ids_are_not_unique():
    rules = crypto_pay()
    for _ in range(4):
        rules.pay(opened(rules), at=TEN)

    ids = [one.body["update_id"] for one in rules.due_notifications(TEN)]

    assert len(set(ids)) < len(ids)


def test_after_17_tries_in_three_days_webhooks_are_off_until_the_owner_has_them_on():
    rules = crypto_pay()
    rules.pay(opened(rules), at=TEN)
    at, tries = TEN, 0
    while due := rules.due_notifications(at):
        rules.failed(due[0].id, at=at)
        tries, at = tries + 1, rules.next_event_at() or at

    assert (tries, rules.webhooks_are_off) == (17, True)
    assert TEN + timedelta(days=2) < at < TEN + timedelta(days=3)
    rules.pay(opened(rules, at=at), at=at)
    assert rules.due_notifications(at) == []

    rules.switch(transfers=True, webhooks=True)
    rules.pay(opened(rules, at=at), at=at)
    assert len(rules.due_notifications(at)) == 1
