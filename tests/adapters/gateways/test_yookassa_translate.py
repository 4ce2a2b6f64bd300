"""YooKassa's words and ours."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.gateways.yookassa.translate import facts_from_payment, request_from_checkout
from core.domain.checkout import Receipt
from core.domain.money import Money
from core.domain.payment import Foreign, OpenedCheckout, PaymentId, PaymentStatus
from core.domain.plan import ReceiptRule
from core.ports.payment_gateway import GatewayUnavailable
from tests.adapters.gateways.recorded import SHOP, TEST_SHOP, recorded
from tests.builders import a_checkout, an_asked_checkout

PAYMENT_ID = "3286c3c0-000f-5000-8000-1a2b3c4d5e6f"


def a_payment(**changes: Any) -> dict[str, Any]:
    return recorded("api-get-payment.succeeded") | changes


def an_amount(value: object, currency: object = "RUB") -> dict[str, object]:
    return {"value": value, "currency": currency}


def test_the_whole_request_is_built_from_the_checkout() -> None:
    assert request_from_checkout(a_checkout()) == {
        "amount": {"value": "299.00", "currency": "RUB"},
        "capture": True,
        "confirmation": {
            "type": "redirect",
            "return_url": "https://app.example/back?purchase=pur_00000001",
            "locale": "ru_RU",
        },
        "description": "PRO на месяц",
        "metadata": {
            "checkout_id": "chk_00000001",
            "purchase_id": "pur_00000001",
            "customer_id": "cus_anna0001",
        },
        "save_payment_method": True,
        "receipt": {
            "customer": {"email": "anna@example.com"},
            "items": [
                {
                    "description": "PRO на месяц",
                    "quantity": "1.00",
                    "amount": {"value": "299.00", "currency": "RUB"},
                    "vat_code": 1,
                    "payment_subject": "service",
                    "payment_mode": "full_payment",
                }
            ],
            "tax_system_code": 2,
        },
    }


def test_one_checkout_is_one_request_to_the_byte_whatever_became_of_it() -> None:
    first = json.dumps(request_from_checkout(a_checkout()))

    again = json.dumps(request_from_checkout(a_checkout(looked=9, opened=None, version=7)))

    assert again == first


@pytest.mark.parametrize(
    ("money", "value"),
    [
        (Money.of(1, "RUB"), "0.01"),
        (Money.of(100, "RUB"), "1.00"),
        (Money.of(35_000_000, "RUB"), "350000.00"),
        (Money.of(10**15 - 1, "RUB"), "9999999999999.99"),
        (Money.of(250, "XTR"), "250"),
        (Money.of(1, "USDT"), "0.000001"),
    ],
)
def test_an_amount_has_exactly_the_digits_of_its_currency(money: Money, value: str) -> None:
    request = request_from_checkout(a_checkout(amount=money))

    assert request["amount"] == {"value": value, "currency": money.currency.code}
    assert request["receipt"]["items"][0]["amount"] == request["amount"]


@pytest.mark.parametrize(
    ("contact", "customer"),
    [
        ("anna@example.com", {"email": "anna@example.com"}),
        ("79001234567", {"phone": "79001234567"}),
        ("+7 (900) 123-45-67", {"phone": "79001234567"}),
    ],
)
def test_a_receipt_goes_to_an_address_or_a_telephone(contact: str, customer: object) -> None:
    receipt = Receipt(contact, "PRO", ReceiptRule(4, "service", "full_payment"))

    told = request_from_checkout(a_checkout(receipt=receipt))["receipt"]

    assert told["customer"] == customer
    assert "tax_system_code" not in told


def test_without_a_receipt_none_is_told() -> None:
    assert "receipt" not in request_from_checkout(an_asked_checkout())


def test_long_texts_are_cut_to_what_is_taken() -> None:
    receipt = replace(a_checkout().receipt, title="ы" * 200)

    request = request_from_checkout(a_checkout(description="ы" * 200, receipt=receipt))

    assert request["description"] == "ы" * 128
    assert request["receipt"]["items"][0]["description"] == "ы" * 128


@pytest.mark.parametrize(("language", "locale"), [("ru", "ru_RU"), ("en", "en_US"), ("", "en_US")])
def test_the_page_speaks_the_language_of_the_customer(language: str, locale: str) -> None:
    assert request_from_checkout(a_checkout(language=language))["confirmation"]["locale"] == locale


@pytest.mark.parametrize(
    ("recording", "status"),
    [
        ("api-create-payment.pending", PaymentStatus.PENDING),
        ("api-get-payment.waiting_for_capture", PaymentStatus.AUTHORIZED),
        ("api-get-payment.succeeded", PaymentStatus.PAID),
        ("api-get-payment.succeeded-fully-refunded", PaymentStatus.PAID),
        ("api-create-payment.succeeded-recurring", PaymentStatus.PAID),
        ("api-get-payment.canceled-insufficient_funds", PaymentStatus.CANCELED),
        ("api-cancel-payment.canceled_by_merchant", PaymentStatus.CANCELED),
    ],
)
def test_recorded_payments_are_understood(recording: str, status: PaymentStatus) -> None:
    facts = facts_from_payment(recorded(recording), SHOP)

    assert facts.status is status
    assert facts.paid == (Money.of(99000, "RUB") if status is PaymentStatus.PAID else None)
    assert facts.charge_id == facts.payment_id == recorded(recording)["id"]
    assert facts.foreign is None


def test_a_pending_payment_can_be_paid_for_an_hour() -> None:
    facts = facts_from_payment(recorded("api-create-payment.pending"), SHOP)

    assert facts.opened == OpenedCheckout(
        PaymentId(PAYMENT_ID),
        f"https://yoomoney.ru/checkout/payments/v2/contract?orderId={PAYMENT_ID}",
        datetime(2026, 11, 20, 11, 0, 0, 123000, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    "created_at",
    [None, 5, "", "soon", "2026-11-20T10:00:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00+14:00"],
)
def test_a_strange_date_is_no_date(created_at: object) -> None:
    pending = recorded("api-create-payment.pending") | {"created_at": created_at}

    facts = facts_from_payment(pending, SHOP)

    assert facts.opened is not None
    assert facts.opened.expires_at is None


@pytest.mark.parametrize("url", [None, 5, "", "javascript:alert(1)", "/checkout"])
def test_a_strange_address_is_no_address(url: object) -> None:
    confirmation = {"type": "redirect", "confirmation_url": url}

    facts = facts_from_payment(a_payment(status="pending", confirmation=confirmation), SHOP)

    assert facts.opened is None


@pytest.mark.parametrize("status", [None, "", "SUCCEEDED", "frozen", "paid", 5, True, [], {}])
def test_a_strange_status_is_never_paid(status: object) -> None:
    facts = facts_from_payment(a_payment(status=status), SHOP)

    assert facts.status is PaymentStatus.UNKNOWN
    assert facts.paid is None


@pytest.mark.parametrize(
    ("value", "minor"), [("990.00", 99000), ("990", 99000), ("990.5", 99050), ("0.01", 1)]
)
def test_the_amount_is_read_exactly(value: str, minor: int) -> None:
    facts = facts_from_payment(a_payment(amount=an_amount(value)), SHOP)

    assert facts.paid == Money.of(minor, "RUB")


@pytest.mark.parametrize(
    "amount",
    [
        None,
        [],
        "990.00",
        {},
        *(an_amount(value) for value in (None, 990, 990.0, True, "", "1e3", "990,00", " 990")),
        *(an_amount(value) for value in ("990.001", "-990.00", "0.00", "NaN", "٩٩٠", "9" * 400)),
        *(an_amount("990.00", code) for code in (None, "", "rub", "KZT", 643, [])),
    ],
)
def test_money_that_cannot_be_read_is_not_money(amount: object) -> None:
    facts = facts_from_payment(a_payment(amount=amount), SHOP)

    assert facts.status is PaymentStatus.UNKNOWN
    assert facts.paid is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"recipient": {"account_id": "100501"}}, Foreign.OTHER_SHOP),
        ({"recipient": {"account_id": 100500}}, Foreign.OTHER_SHOP),
        ({"recipient": None}, Foreign.OTHER_SHOP),
        ({"test": True}, Foreign.OTHER_MODE),
        ({"test": None}, Foreign.OTHER_MODE),
        ({"test": 0}, Foreign.OTHER_MODE),
    ],
)
def test_what_is_not_ours_is_told_apart(changes: dict[str, Any], why: Foreign) -> None:
    assert facts_from_payment(a_payment(**changes), SHOP).foreign is why


def test_a_live_payment_is_not_of_a_test_shop() -> None:
    assert facts_from_payment(a_payment(), TEST_SHOP).foreign is Foreign.OTHER_MODE
    assert facts_from_payment(a_payment(test=True), TEST_SHOP).foreign is None


def test_our_ids_come_back_by_the_metadata() -> None:
    metadata = request_from_checkout(a_checkout())["metadata"]

    facts = facts_from_payment(a_payment(metadata=metadata), SHOP)

    assert (facts.checkout_id, facts.purchase_id) == ("chk_00000001", "pur_00000001")


@pytest.mark.parametrize("theirs", [None, 5, "", "a\0b", "x" * 65, "<b>", "пок", []])
def test_metadata_of_strangers_names_nothing_of_ours(theirs: object) -> None:
    metadata = {"checkout_id": theirs, "purchase_id": theirs}

    facts = facts_from_payment(a_payment(metadata=metadata), SHOP)

    assert facts.checkout_id is None
    assert facts.purchase_id is None


@pytest.mark.parametrize("payment_id", [None, 5, "", "a b", "../x", "x" * 65])
def test_what_has_no_id_is_no_payment(payment_id: object) -> None:
    with pytest.raises(GatewayUnavailable):
        facts_from_payment(a_payment(id=payment_id), SHOP)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
STRANGE = st.sampled_from(["succeeded", "pending", "RUB", "1.00", "100500"]) | JSON
AMOUNTS = st.fixed_dictionaries({}, optional={"value": STRANGE, "currency": STRANGE}) | JSON


@given(
    st.fixed_dictionaries(
        {"id": st.just(PAYMENT_ID)},
        optional={
            "status": STRANGE,
            "amount": AMOUNTS,
            "recipient": st.dictionaries(st.just("account_id"), STRANGE) | JSON,
            "test": JSON,
            "metadata": JSON,
            "confirmation": JSON,
            "created_at": STRANGE,
        },
    )
)
def test_whatever_a_payment_looks_like_it_is_paid_only_by_its_words(
    payload: dict[str, Any],
) -> None:
    facts = facts_from_payment(payload, SHOP)

    if facts.paid is not None:
        assert payload["status"] == "succeeded"
        assert facts.paid == Money.from_decimal_text(
            payload["amount"]["value"], payload["amount"]["currency"]
        )
