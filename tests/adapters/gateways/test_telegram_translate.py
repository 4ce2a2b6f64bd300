"""Telegram's updates and transactions as we read them, by what it was seen to send."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.gateways.telegram.gateway import PAYMENTS, STARS
from adapters.gateways.telegram.translate import (
    facts_from_notice,
    invoice_from_checkout,
    made_at,
    notice_from_update,
    our_payload,
    payload_of,
    renewal_from_notice,
    row_from_transaction,
    unpaid_facts,
)
from core.domain.checkout import CheckoutId
from core.domain.money import Money
from core.domain.payment import (
    Notice,
    NoticeKind,
    OutgoingStatus,
    PaymentFacts,
    PaymentId,
    PaymentStatus,
    Recurrence,
    RefundFacts,
    RenewalFacts,
)
from core.ports.payment_gateway import WebhookNotReadable
from tests.builders import NOON, a_checkout, an_asked_checkout, rub

RECORDINGS = Path(__file__).parents[2] / "recordings" / "telegram"
CHARGE = "stxExampleChargeIdAbCdEfGhIjKlMnOpQrStUvWxYz0123456789_-"
OURS = "chk_018f0001.1795172400"
SECRETS = ("Ivan", "ivan_sample", "buyer@example.com", "first_name", "username", "order_info")


def recorded(name: str) -> Any:
    return json.loads((RECORDINGS / f"{name}.json").read_bytes())


def read(told: Any, *, stars: bool = True) -> Notice:
    return notice_from_update(json.dumps(told).encode(), STARS if stars else PAYMENTS, stars=stars)


def paid(**fields: object) -> dict[str, Any]:
    """The recording of a payment in Stars, with our payload."""
    told = recorded("successful_payment-stars")
    told["message"]["successful_payment"] |= {"invoice_payload": OURS} | fields
    return dict(told)


def test_a_payment_in_stars_proves_itself() -> None:
    notice = read(paid())

    assert notice.kind is NoticeKind.PAYMENT
    assert notice.claims_paid
    assert notice.payment_id == OURS
    assert notice.dedupe_key == f"successful_payment {CHARGE}"
    facts = facts_from_notice(notice)
    assert facts is not None
    assert facts.status is PaymentStatus.PAID
    assert facts.paid == Money.of(250, "XTR")
    assert facts.charge_id == CHARGE
    assert facts.checkout_id == "chk_018f0001"
    assert facts.details == {}


def test_a_payment_by_a_provider_is_in_minor_units() -> None:
    told = recorded("successful_payment-provider")

    facts = facts_from_notice(read(told, stars=False))

    assert facts is not None
    assert facts.gateway == PAYMENTS
    assert facts.paid == rub(990)
    assert facts.charge_id == "7000000001_123456789_100042_7390000000000000000"
    assert facts.payment_id == "order:100042"
    assert facts.checkout_id is None, "somebody else's payload names no checkout of ours"


@pytest.mark.parametrize("name", ["first-recurring", "renewal"])
def test_a_renewal_is_a_charge_of_its_own_and_says_until_when(name: str) -> None:
    facts = facts_from_notice(read(recorded(f"successful_payment-stars-{name}")))

    assert facts is not None
    assert facts.payment_id == "sub:77"
    assert facts.charge_id.endswith("-S1" if name == "first-recurring" else "-S2")
    assert facts.details["is_recurring"] == "true"
    assert ("is_first_recurring" in facts.details) is (name == "first-recurring")
    assert facts.details["subscription_expiration_date"].isdecimal()
    is_first = name == "first-recurring"
    assert facts.recurrence is (Recurrence.FIRST if is_first else Recurrence.LATER)


def test_a_refund_is_about_the_payment_it_came_from() -> None:
    notice = read(recorded("refunded_payment-stars"))

    assert notice.kind is NoticeKind.REFUND
    assert not notice.claims_paid
    assert notice.payment_id == "order:100042"
    assert notice.dedupe_key == f"refunded_payment {CHARGE}"
    assert facts_from_notice(notice) is None


@pytest.mark.parametrize("state", ["active", "canceled", "failed"])
def test_what_becomes_of_a_subscription_moves_no_money(state: str) -> None:
    notice = read(recorded(f"subscription-{state}"))

    assert notice.kind is NoticeKind.OTHER
    assert notice.event == f"subscription.{state}"
    assert json.loads(notice.body) == {
        "invoice_payload": "sub:77",
        "state": state,
    }, "the payer, whom nobody needs, may have been erased by then"
    assert facts_from_notice(notice) is None
    renewal = renewal_from_notice(notice)
    assert (renewal is None) is (state == "failed")
    if renewal is not None:
        assert renewal == RenewalFacts(PaymentId("sub:77"), state == "active")


def test_a_checkout_that_is_to_be_charged_again_asks_for_thirty_days() -> None:
    stars = Money.of(250, "XTR")
    once = invoice_from_checkout(an_asked_checkout(amount=stars, saves_method=False), "")
    monthly = invoice_from_checkout(an_asked_checkout(amount=stars, saves_method=True), "")

    assert "subscription_period" not in once
    assert monthly == once | {"subscription_period": 2_592_000}


@pytest.mark.parametrize(
    ("days", "recurrence"), [(0, Recurrence.FIRST), (30, Recurrence.LATER), (None, None)]
)
def test_the_list_tells_the_first_charge_from_later_ones_by_its_day(
    days: int | None, recurrence: Recurrence | None
) -> None:
    until = our_payload(OURS)
    assert until is not None
    partner = {"user": {"id": 5}, "invoice_payload": OURS}
    made = until.expires_at + timedelta(days=days or 0)
    told = {"id": CHARGE, "amount": 250, "date": int(made.timestamp())}

    row = row_from_transaction(
        told | {"source": partner | ({} if days is None else {"subscription_period": 2_592_000})}
    )

    assert row is not None
    assert row.facts(STARS).recurrence is recurrence  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "name",
    ["successful_payment-stars", "refunded_payment-stars", "successful_payment-provider"],
)
def test_nothing_personal_but_the_payers_number_is_kept(name: str) -> None:
    kept = read(recorded(name), stars=not name.endswith("provider")).body

    assert not [one for one in SECRETS if one in kept]
    assert json.loads(kept)["payer"] == 123456789
    assert json.loads(kept)["provider_payment_charge_id"]


def test_each_gateway_reads_its_own_currency_alone() -> None:
    with pytest.raises(WebhookNotReadable):
        read(paid(), stars=False)
    with pytest.raises(WebhookNotReadable):
        read(recorded("successful_payment-provider"), stars=True)
    with pytest.raises(WebhookNotReadable):
        read(recorded("subscription-active"), stars=False)


@pytest.mark.parametrize(
    "fields",
    [
        {"telegram_payment_charge_id": ""},
        {"telegram_payment_charge_id": 5},
        {"telegram_payment_charge_id": "a b"},
        {"telegram_payment_charge_id": "x" * 256},
        {"total_amount": "250"},
        {"total_amount": 250.0},
        {"total_amount": True},
    ],
)
def test_what_cannot_be_booked_is_not_readable(fields: dict[str, object]) -> None:
    with pytest.raises(WebhookNotReadable):
        read(paid(**fields))


@pytest.mark.parametrize("amount", [0, -250, 10**15 + 1])
def test_a_sum_without_sense_is_never_paid(amount: int) -> None:
    facts = facts_from_notice(read(paid(total_amount=amount)))

    assert facts is not None
    assert facts.status is PaymentStatus.UNKNOWN
    assert facts.paid is None


def test_a_currency_without_books_is_never_paid() -> None:
    told = recorded("successful_payment-provider")
    told["message"]["successful_payment"]["currency"] = "UAH"

    facts = facts_from_notice(read(told, stars=False))

    assert facts is not None
    assert facts.status is PaymentStatus.UNKNOWN


@pytest.mark.parametrize("payload", ["a\0b", "счёт", "x" * 256, 7, None])
def test_money_with_a_strange_payload_is_money_all_the_same(payload: object) -> None:
    facts = facts_from_notice(read(paid(invoice_payload=payload)))

    assert facts is not None
    assert facts.paid == Money.of(250, "XTR")
    assert facts.payment_id == "unreadable-payload"
    assert facts.checkout_id is None


def test_a_payload_names_the_checkout_and_its_term() -> None:
    checkout = an_asked_checkout(id=CheckoutId(f"chk_{'0' * 32}"))

    payload = payload_of(checkout)

    assert len(payload.encode()) <= 128
    ours = our_payload(payload)
    assert ours is not None
    assert ours.checkout_id == checkout.id
    assert ours.expires_at == (NOON + timedelta(hours=1)).replace(microsecond=0)


@pytest.mark.parametrize(
    "payload", ["", "chk_1", "chk_1.", "chk_1.5x", "order:1", "pur_1.1795172400"]
)
def test_a_payload_of_others_is_none_of_ours(payload: str) -> None:
    assert our_payload(payload) is None
    assert unpaid_facts(STARS, PaymentId(payload), at=NOON) is None


def test_nobody_pays_after_the_term() -> None:
    payment_id = payload_of(an_asked_checkout())
    ends_at = (NOON + timedelta(hours=1)).replace(microsecond=0)

    before = unpaid_facts(STARS, payment_id, at=ends_at - timedelta(microseconds=1))
    after = unpaid_facts(STARS, payment_id, at=ends_at)

    assert before is not None
    assert before.status is PaymentStatus.PENDING
    assert after is not None
    assert after.status is PaymentStatus.CANCELED
    assert not after.was_refused


def test_an_invoice_in_stars_is_as_telegram_wants_it() -> None:
    checkout = an_asked_checkout(description="PRO на месяц " * 9, amount=Money.of(250, "XTR"))

    invoice = invoice_from_checkout(checkout, "")

    assert set(invoice) == set(recorded("request-createInvoiceLink.stars"))
    assert invoice["title"] == "PRO на месяц PRO на месяц PRO на"
    assert invoice["prices"] == [{"label": invoice["title"], "amount": 250}]
    assert (invoice["currency"], invoice["provider_token"]) == ("XTR", "")


def test_a_receipt_goes_to_the_provider() -> None:
    checkout = a_checkout()

    invoice = invoice_from_checkout(checkout, "1:TEST:x")

    receipt = json.loads(invoice["provider_data"])["receipt"]
    assert receipt["customer"] == {"email": "anna@example.com"}
    [item] = receipt["items"]
    assert item["amount"] == {"value": "299.00", "currency": "RUB"}
    assert item["vat_code"] == 1
    assert receipt["tax_system_code"] == 2
    assert "provider_data" not in invoice_from_checkout(checkout, "")


def test_transactions_are_told_apart_by_their_direction() -> None:
    told = recorded("api-getStarTransactions")["result"]["transactions"]

    rows = [row_from_transaction(one) for one in told]

    payment, subscription, refund, withdrawal = rows
    assert withdrawal is None
    assert payment is not None
    assert refund is not None
    assert subscription is not None
    assert payment.charge_id == refund.charge_id == CHARGE
    assert payment.payer == 123456789
    got, given_back = payment.facts(STARS), refund.facts(STARS)
    assert isinstance(got, PaymentFacts)
    assert isinstance(given_back, RefundFacts)
    assert got.paid == given_back.amount == Money.of(250, "XTR")
    assert given_back.status is OutgoingStatus.DONE
    assert given_back.payment_id == "order:100042"
    assert made_at(told[0]) == datetime.fromtimestamp(1795168870, UTC)


def test_parts_of_a_star_are_never_rounded() -> None:
    [told, *_] = recorded("api-getStarTransactions")["result"]["transactions"]

    row = row_from_transaction(told | {"nanostar_amount": 1})

    assert row is not None
    facts = row.facts(STARS)
    assert isinstance(facts, PaymentFacts)
    assert facts.status is PaymentStatus.UNKNOWN
