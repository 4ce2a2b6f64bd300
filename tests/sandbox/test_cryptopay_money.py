"""The double of Crypto Pay keeps its books: the balance, transfers by their keys, statistics."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from sandbox.gateway_rules import Call
from tests.sandbox.cryptopay_app import (
    CRYPTO,
    FIAT,
    TEN,
    TRANSFER,
    ask,
    crypto_pay,
    opened,
    recorded,
    refusal,
    told,
)


def balance(rules, asset: str) -> str:
    [one] = [one for one in told(rules, "getBalance") if one["currency_code"] == asset]
    assert one.keys() == recorded("api-getBalance")["result"][0].keys()
    return one["available"]


def test_the_balance_follows_what_is_paid_less_the_fee_and_what_is_transferred():
    rules = crypto_pay()
    rules.pay(opened(rules), at=TEN)
    assert balance(rules, "USDT") == "10.185"

    rules.pay(opened(rules, FIAT), at=TEN, asset="TON")
    told(rules, "transfer", TRANSFER)

    assert balance(rules, "USDT") == "4.935"
    assert Decimal(balance(rules, "TON")) == Decimal("3.71544914") * Decimal("0.97")


def test_a_swapped_invoice_lands_in_the_other_asset():
    rules = crypto_pay()

    paid = rules.pay(opened(rules, swap_to="USDC"), at=TEN)

    swapped = {name for name in recorded("invoice_paid-swapped")["payload"] if "swapped" in name}
    assert swapped <= paid.keys()
    assert (paid["asset"], paid["amount"]) == ("USDT", "10.5")
    assert (balance(rules, "USDT"), balance(rules, "USDC")) == ("0", paid["swapped_output"])


def test_a_transfer_is_told_without_its_key_and_found_by_it():
    rules = crypto_pay()
    rules.top_up("USDT", "100")

    made = told(rules, "transfer", TRANSFER)

    expected = recorded("api-transfer")["result"]
    assert made == expected | {"completed_at": made["completed_at"]}
    [found] = told(rules, "getTransfers", {"spend_id": TRANSFER["spend_id"]})["items"]
    assert found == made | {"spend_id": TRANSFER["spend_id"]}
    assert told(rules, "getTransfers", {"spend_id": "payout-56"})["items"] == []
    assert told(rules, "getTransfers", {"transfer_ids": "1001"})["items"] == [found]


def test_one_spend_id_is_one_transfer_for_ever():
    rules = crypto_pay()
    rules.top_up("USDT", "100")
    told(rules, "transfer", TRANSFER)

    for at, change in ((TEN, {}), (TEN + timedelta(days=400), {"amount": "6"})):
        assert ask(rules, "transfer", TRANSFER | change, at=at).status == 400

    assert balance(rules, "USDT") == "94.75"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"user_id": 404}, "USER_NOT_FOUND"),
        ({"user_id": 0}, "USER_ID_INVALID"),
        ({"user_id": "anna"}, "USER_ID_INVALID"),
        ({"amount": "100.01"}, "INSUFFICIENT_FUNDS"),
        ({"amount": "0.99"}, "AMOUNT_INVALID"),
        ({"amount": "25000"}, "AMOUNT_INVALID"),
        ({"asset": "RUB"}, "UNSUPPORTED_ASSET"),
        ({"spend_id": ""}, "SPEND_ID_INVALID"),
        ({"spend_id": "x" * 65}, "SPEND_ID_INVALID"),
        ({"comment": "x" * 1025}, "COMMENT_TOO_LONG"),
    ],
)
def test_a_transfer_that_cannot_be_is_refused_and_costs_nothing(change, name):
    rules = crypto_pay()
    rules.top_up("USDT", "100")
    rules.forget(404)

    assert refusal(ask(rules, "transfer", TRANSFER | change)) == (400, name)
    assert balance(rules, "USDT") == "100"
    assert told(rules, "getTransfers") == {"items": []}


def test_transfers_can_be_switched_off():
    rules = crypto_pay()
    rules.top_up("USDT", "100")
    rules.switch(transfers=False, webhooks=True)

    assert refusal(ask(rules, "transfer", TRANSFER)) == (400, "METHOD_DISABLED")

    rules.switch(transfers=True, webhooks=True)
    assert told(rules, "transfer", TRANSFER)["status"] == "completed"


def test_what_the_app_is_and_what_is_traded():
    rules = crypto_pay(testnet=False)

    me = told(rules, "getMe")
    assert me == {
        "app_id": 12345,
        "name": "Sandbox",
        "payment_processing_bot_username": "CryptoBot",
    }
    ton = {"source": "TON", "target": "RUB", "rate": "266.455"}
    assert {"is_valid": True, "is_crypto": True, "is_fiat": False} | ton in told(
        rules, "getExchangeRates"
    )
    assert "JET" not in {one["code"] for one in told(rules, "getCurrencies")}
    assert "JET" in {one["code"] for one in told(crypto_pay(), "getCurrencies")}


def test_statistics_are_of_the_last_day():
    rules = crypto_pay()
    opened(rules, at=TEN - timedelta(days=2), expires_in=None)
    rules.pay(opened(rules), at=TEN)
    opened(rules)

    stats = told(rules, "getStats")

    assert stats.keys() == recorded("api-getStats")["result"].keys()
    assert (stats["created_invoice_count"], stats["paid_invoice_count"]) == (2, 1)
    assert (stats["conversion"], stats["volume"]) == (0.5, 10.5)


def test_an_answer_may_be_lost_after_the_deed_and_an_outage_does_nothing():
    rules = crypto_pay()
    rules.faults.plan("down", 1)
    assert ask(rules, "createInvoice", CRYPTO).status == 500

    rules.faults.plan("timeout_after_acting", 1)
    assert ask(rules, "createInvoice", CRYPTO).lost
    assert len(told(rules, "getInvoices")["items"]) == 1
    assert [one.status for one in rules.calls] == [500, None, 200]


def test_a_restart_remembers_everything():
    rules = crypto_pay()
    rules.pay(opened(rules), at=TEN)
    opened(rules, FIAT)
    told(rules, "transfer", TRANSFER)
    rules.forget(404)
    rules.switch(transfers=False, webhooks=True)
    rules.faults.plan("drop", 2)
    state = json.loads(json.dumps(rules.snapshot(), default=str))

    other = crypto_pay()
    other.restore(state)

    assert other.snapshot() == rules.snapshot()
    assert refusal(ask(other, "transfer", TRANSFER)) == (400, "METHOD_DISABLED")
    call = Call("POST", "/createInvoice", "12345:AAExampleTokenExampleTokenExample00", body=CRYPTO)
    assert other.answer(call, at=TEN) == rules.answer(call, at=TEN)
