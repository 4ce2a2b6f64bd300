"""Invoices of Telegram's double: what may be asked for, who may pay, and what comes back."""

import json
from datetime import datetime

import pytest

from sandbox.app import DEMO
from sandbox.telegram.invoices import NoSuchInvoice, NotPossible
from tests.sandbox.telegram_room import ANNA, BEN, Room, button, keyboard

MONTH = 2_592_000
LATE = "400 Bad Request: query is too old and response timeout expired or query ID is invalid"


@pytest.fixture
def room() -> Room:
    return Room()


def an_invoice(**fields: object) -> dict:
    stars = {
        "title": "PRO",
        "description": "PRO for 30 days",
        "payload": "chk_1.1773137000",
        "currency": "XTR",
        "prices": '[{"label": "PRO", "amount": 250}]',
    }
    return stars | fields


def in_roubles(*amounts: int, **fields: object) -> dict:
    prices = json.dumps([{"label": "part", "amount": amount} for amount in amounts or (29900,)])
    own = {"currency": "RUB", "prices": prices, "provider_token": DEMO["telegram_payments"][0]}
    return an_invoice(**own | fields)


def slug_of(room: Room, **fields: object) -> str:
    link = room.result("createInvoiceLink", **(fields or an_invoice()))
    assert link.startswith("https://t.me/$")
    return link.partition("$")[2]


def asks(room: Room, slug: str, who: int = ANNA) -> dict:
    """Presses Pay; what the bot is asked."""
    room.rules.pay(slug, who, at=room.at)
    return news(room, "pre_checkout_query")


def pays(room: Room, slug: str, who: int = ANNA) -> dict:
    """Pays, and the bot lets it; what it is told."""
    query = asks(room, slug, who)
    assert room.result("answerPreCheckoutQuery", pre_checkout_query_id=query["id"], ok=True) is True
    return news(room, "message")["successful_payment"]


def news(room: Room, kind: str) -> dict:
    """The one update that waits; it is taken."""
    [update] = room.updates()
    room.rules.updates.clear()
    return update[kind]


def test_a_payment_is_asked_for_first_and_then_told(room: Room) -> None:
    slug = slug_of(room)

    query = asks(room, slug)

    assert query["from"]["id"] == ANNA
    assert query["invoice_payload"] == "chk_1.1773137000"
    assert (query["currency"], query["total_amount"]) == ("XTR", 250)
    assert room.rules.invoice_view(slug, at=room.at)["attempts"][0]["status"] == "asked"
    assert room.result("getMyStarBalance")["amount"] == 0, "to ask is not to pay"

    room.result("answerPreCheckoutQuery", pre_checkout_query_id=query["id"], ok=True)

    message = news(room, "message")
    paid = message["successful_payment"]
    assert message["from"]["id"] == message["chat"]["id"] == ANNA
    assert paid["invoice_payload"] == "chk_1.1773137000"
    assert (paid["currency"], paid["total_amount"]) == ("XTR", 250)
    assert paid["telegram_payment_charge_id"]
    assert paid["provider_payment_charge_id"]
    assert "is_recurring" not in paid
    assert room.rules.messages(ANNA)[-1]["text"] == "You paid 250 XTR"
    assert room.result("getMyStarBalance")["amount"] == 250


def test_a_refusal_takes_nothing_and_is_shown(room: Room) -> None:
    slug = slug_of(room)
    query = asks(room, slug)
    answer = {"pre_checkout_query_id": query["id"], "ok": "false"}
    assert room.refusal("answerPreCheckoutQuery", **answer) == "400 Bad Request: ERROR_TEXT_EMPTY"

    room.result("answerPreCheckoutQuery", **answer, error_message="Sold out")

    [attempt] = room.rules.invoice_view(slug, at=room.at)["attempts"]
    assert (attempt["status"], attempt["error_message"]) == ("refused", "Sold out")
    assert room.updates() == []
    assert room.refusal("answerPreCheckoutQuery", **answer | {"ok": True}) == LATE


def test_after_ten_seconds_the_payment_is_off(room: Room) -> None:
    slug = slug_of(room)
    in_time, late = asks(room, slug), asks(room, slug)
    room.wait(seconds=10)
    assert room.result("answerPreCheckoutQuery", pre_checkout_query_id=in_time["id"], ok=True)
    room.wait(seconds=1)

    assert room.refusal("answerPreCheckoutQuery", pre_checkout_query_id=late["id"], ok=True) == LATE

    statuses = [one["status"] for one in room.rules.invoice_view(slug, at=room.at)["attempts"]]
    assert statuses == ["paid", "timed_out"]
    assert room.refusal("answerPreCheckoutQuery", pre_checkout_query_id="7", ok=True) == LATE


def test_a_link_is_payable_by_anybody_and_again(room: Room) -> None:
    slug = slug_of(room)

    paid = [pays(room, slug, who) for who in (ANNA, BEN, ANNA)]

    assert len({one["telegram_payment_charge_id"] for one in paid}) == 3
    assert {one["invoice_payload"] for one in paid} == {"chk_1.1773137000"}


def test_a_bot_that_forgot_to_ask_for_the_question_never_hears_it(room: Room) -> None:
    room.updates(allowed_updates='["message"]')
    slug = slug_of(room)

    room.rules.pay(slug, ANNA, at=room.at)

    assert room.updates() == []


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        (an_invoice(payload=""), 'parameter "payload" is required'),
        (an_invoice(payload="ы" * 65), "INVOICE_PAYLOAD_INVALID"),
        (an_invoice(title="x" * 33), "INVOICE_TITLE_INVALID"),
        (an_invoice(description="x" * 256), "INVOICE_DESCRIPTION_INVALID"),
        (an_invoice(provider_token=DEMO["telegram_payments"][0]), "PAYMENT_PROVIDER_INVALID"),
        (in_roubles(100, currency="XTR", provider_token=""), None),
        (in_roubles(100, 1, currency="XTR", provider_token=""), "STARS_INVOICE_INVALID"),
        (in_roubles(0, currency="XTR", provider_token=""), "CURRENCY_TOTAL_AMOUNT_INVALID"),
        (in_roubles(100_001, currency="XTR", provider_token=""), "CURRENCY_TOTAL_AMOUNT_INVALID"),
        (in_roubles(provider_token=""), "PAYMENT_PROVIDER_INVALID"),
        (in_roubles(provider_token="1:LIVE:x"), "PAYMENT_PROVIDER_INVALID"),
        (in_roubles(30000, -100), None),
        (in_roubles(8652), "CURRENCY_TOTAL_AMOUNT_INVALID"),
        (in_roubles(currency="XXX"), "CURRENCY_INVALID"),
        (an_invoice(prices="[]"), "can't parse prices: expected an Array of LabeledPrice"),
        (an_invoice(subscription_period=MONTH), None),
        (an_invoice(subscription_period=MONTH - 1), "SUBSCRIPTION_PERIOD_INVALID"),
        (in_roubles(subscription_period=MONTH), "SUBSCRIPTION_PERIOD_INVALID"),
    ],
)
def test_what_is_no_invoice_is_refused_by_its_name(
    room: Room, fields: dict, complaint: str | None
) -> None:
    if complaint is None:
        assert slug_of(room, **fields)
    else:
        assert room.refusal("createInvoiceLink", **fields) == f"400 Bad Request: {complaint}"


def test_an_invoice_comes_as_a_message_whose_button_opens_it(room: Room) -> None:
    message = room.result("sendInvoice", chat_id=ANNA, **an_invoice(start_parameter="pro"))

    assert message["invoice"]["total_amount"] == 250
    assert "invoice_payload" not in message["invoice"]
    slug = room.press("Pay 250 XTR")["invoice"]
    assert pays(room, slug)["total_amount"] == 250
    no_text = room.refusal("editMessageText", chat_id=ANNA, message_id=2, text="x")
    assert no_text == "400 Bad Request: there is no text in the message to edit"


def test_a_link_in_a_button_is_opened_by_the_client(room: Room) -> None:
    link = room.result("createInvoiceLink", **an_invoice())
    room.says("Pay", reply_markup=keyboard(button("Pay", url=link)))

    assert room.press("Pay") == {"url": link}


def test_stars_go_back_once_and_whole(room: Room) -> None:
    paid = pays(room, slug_of(room))
    charge = {"user_id": ANNA, "telegram_payment_charge_id": paid["telegram_payment_charge_id"]}
    assert room.refusal("refundStarPayment", **charge | {"user_id": BEN}).endswith("_NOT_FOUND")

    assert room.result("refundStarPayment", **charge) is True

    told = news(room, "message")["refunded_payment"]
    assert told["telegram_payment_charge_id"] == charge["telegram_payment_charge_id"]
    assert (told["currency"], told["total_amount"]) == ("XTR", 250)
    again = room.refusal("refundStarPayment", **charge)
    assert again == "400 Bad Request: CHARGE_ALREADY_REFUNDED"
    incoming, outgoing = room.result("getStarTransactions")["transactions"]
    assert incoming["id"] == outgoing["id"]
    assert "receiver" not in incoming
    assert "source" not in outgoing
    assert outgoing["receiver"]["invoice_payload"] == "chk_1.1773137000"


def test_roubles_are_the_providers_and_in_no_list_of_stars(room: Room) -> None:
    paid = pays(room, slug_of(room, **in_roubles()))

    assert (paid["currency"], paid["total_amount"]) == ("RUB", 29900)
    assert room.result("getStarTransactions") == {"transactions": []}
    charge = {"user_id": ANNA, "telegram_payment_charge_id": paid["telegram_payment_charge_id"]}
    assert room.refusal("refundStarPayment", **charge).endswith("CHARGE_NOT_FOUND")


def test_transactions_come_in_pages_the_oldest_first(room: Room) -> None:
    slug = slug_of(room)
    ids = [pays(room, slug)["telegram_payment_charge_id"] for _ in range(3)]

    page = room.result("getStarTransactions", offset=1, limit=1)["transactions"]

    assert [one["id"] for one in page] == ids[1:2]
    assert room.refusal("getStarTransactions", limit=101) == "400 Bad Request: LIMIT_INVALID"


def test_a_subscription_renews_until_it_is_stopped(room: Room) -> None:
    first = pays(room, slug_of(room, **an_invoice(subscription_period=MONTH)))
    first_id = first["telegram_payment_charge_id"]
    assert first["is_first_recurring"] is True
    assert first["subscription_expiration_date"] == int(room.at.timestamp()) + MONTH
    room.wait(days=30)

    room.rules.renew(first_id, at=room.at)

    renewal = news(room, "message")["successful_payment"]
    assert renewal["is_recurring"] is True
    assert "is_first_recurring" not in renewal
    assert renewal["telegram_payment_charge_id"] != first_id
    end = datetime.fromtimestamp(renewal["subscription_expiration_date"], room.at.tzinfo)
    assert (end - room.at).days == 30

    edit = {"user_id": ANNA, "telegram_payment_charge_id": first_id, "is_canceled": True}
    assert room.result("editUserStarSubscription", **edit) is True
    with pytest.raises(NotPossible):
        room.rules.renew(first_id, at=room.at)
    with pytest.raises(NotPossible):
        room.rules.change_subscription(first_id, "active", at=room.at)
    assert room.result("editUserStarSubscription", **edit | {"is_canceled": False}) is True
    assert not [one for one in room.updates() if "subscription" in one]
    room.rules.change_subscription(first_id, "canceled", at=room.at)
    told = news(room, "subscription")
    assert (told["user"]["id"], told["state"]) == (ANNA, "canceled")
    with pytest.raises(NotPossible):
        room.rules.renew(first_id, at=room.at)
    room.rules.change_subscription(first_id, "active", at=room.at)
    assert news(room, "subscription")["state"] == "active"
    assert room.rules.renew(first_id, at=room.at)["is_recurring"] is True


def test_each_period_is_charged_once_as_time_passes_while_there_are_stars(room: Room) -> None:
    pays(room, slug_of(room, **an_invoice(subscription_period=MONTH)))
    room.rules.till.purses[ANNA] = 600
    room.wait(days=29)
    room.rules.pass_time(room.at)
    assert len(room.rules.till.charges) == 1

    room.wait(days=31)
    for _ in range(2):
        room.rules.pass_time(room.at)
    assert len(room.rules.till.charges) == 3
    room.wait(days=30)
    room.rules.pass_time(room.at)

    assert len(room.rules.till.charges) == 3
    assert news(room, "subscription")["state"] == "failed"
    [mine] = room.rules.view(ANNA, at=room.at)["subscriptions"]
    assert (mine["renews"], mine["stopped"]) == (False, False)


def test_what_is_not_there_says_so(room: Room) -> None:
    with pytest.raises(NoSuchInvoice):
        room.rules.pay("nothing", ANNA, at=room.at)
    with pytest.raises(NoSuchInvoice):
        room.rules.renew("stx", at=room.at)


def test_a_planned_decline_refuses_the_next_link(room: Room) -> None:
    room.rules.faults.plan("decline", 1)

    refusal = room.refusal("createInvoiceLink", **an_invoice())

    assert refusal == "400 Bad Request: PROVIDER_ACCOUNT_INVALID"
    assert slug_of(room)


def test_the_till_outlives_a_restart(room: Room) -> None:
    slug = slug_of(room, **an_invoice(subscription_period=MONTH))
    paid = pays(room, slug)
    asks(room, slug, BEN)

    other = Room(started=False)
    kept = json.dumps(room.rules.snapshot(), default=datetime.isoformat)
    other.rules.restore(json.loads(kept))
    other.at = room.at

    assert other.rules.invoice_view(slug, at=room.at) == room.rules.invoice_view(slug, at=room.at)
    assert other.rules.charges_view() == room.rules.charges_view()
    other.rules.renew(paid["telegram_payment_charge_id"], at=room.at)
    assert other.result("getMyStarBalance")["amount"] == 500
