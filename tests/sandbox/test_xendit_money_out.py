"""The double of Xendit gives money back and pays it out as its documents tell."""

from datetime import timedelta

import pytest

from sandbox.gateway_rules import Answer, MoveNotAllowed
from sandbox.xendit.rules import XenditRules
from tests.sandbox.xendit_shop import (
    PAYOUT,
    SESSION,
    TEN,
    ask,
    opened,
    paid,
    recorded,
    refund,
    sent,
    xendit,
)


@pytest.fixture
def rules() -> XenditRules:
    return xendit()


# Refunds.


@pytest.mark.parametrize(
    ("channel", "changes", "code"),
    [
        ("GCASH", {"amount": 990.51}, "MAXIMUM_REFUND_AMOUNT_REACHED"),
        ("GCASH", {"amount": 0}, "API_VALIDATION_ERROR"),
        ("GCASH", {"reason": "because"}, "API_VALIDATION_ERROR"),
        ("GCASH", {"currency": "USD"}, "API_VALIDATION_ERROR"),
        ("GCASH", {"payment_request_id": "pr-other"}, "DATA_NOT_FOUND"),
        ("GCASH", {"payment_request_id": None}, "API_VALIDATION_ERROR"),
        ("QRPH", {}, "REFUND_NOT_SUPPORTED"),
        ("GRABPAY", {}, "PARTIAL_REFUND_NOT_SUPPORTED"),
    ],
)
def test_what_cannot_be_refunded_is_refused_by_its_code(rules, channel, changes, code):
    answer = ask(rules, "POST", "/refunds", refund(paid(rules, channel)) | changes)

    assert answer.body["error_code"] == code
    assert rules.all("refund") == []


def test_a_payment_that_failed_cannot_be_refunded(rules):
    rules.decline(opened(rules), at=TEN)
    [payment] = rules.all("payment")

    answer = ask(rules, "POST", "/refunds", refund(payment, 1))

    assert answer.body["error_code"] == "INELIGIBLE_TRANSACTION"


def test_refunds_add_up_and_a_failed_one_counts_no_more(rules):
    session = paid(rules)
    first = ask(rules, "POST", "/refunds", refund(session, 990.5)).body
    assert ask(rules, "POST", "/refunds", refund(session, 0.01)).status == 400

    rules.finish_refund(first["id"], at=TEN, failure_code="INSUFFICIENT_BALANCE")

    assert ask(rules, "POST", "/refunds", refund(session, 990.5)).status == 200
    assert [one["event"] for one in sent(rules)][-1] == "refund.failed"
    with pytest.raises(MoveNotAllowed):
        rules.finish_refund(first["id"], at=TEN)


def test_a_refund_key_is_honoured_for_one_request(rules):
    session = paid(rules)
    first, again = (ask(rules, "POST", "/refunds", refund(session), key="k") for _ in range(2))

    assert first.body == again.body
    other = ask(rules, "POST", "/refunds", refund(session, 200), key="k")
    assert other == Answer(409, recorded("api-error.409"))


def test_two_refunds_of_one_payment_are_two_events(rules):
    session = paid(rules)
    for _ in range(2):
        asked = ask(rules, "POST", "/refunds", refund(session)).body
        rules.finish_refund(asked["id"], at=TEN)

    due = rules.due_notifications(TEN)
    told = {rules.signed(one, TEN)[1]["webhook-id"] for one in due}

    assert len(told) == len(due) == 4


def test_refunds_are_listed_by_their_payment_page_by_page(rules):
    session, other = paid(rules), paid(rules)
    for amount in (1, 2, 3):
        ask(rules, "POST", "/refunds", refund(session, amount))
    ask(rules, "POST", "/refunds", refund(other, 9))
    query = {"payment_request_id": session["payment_request_id"], "limit": "2.0"}

    first = ask(rules, "GET", "/refunds", **query).body
    last = ask(rules, "GET", "/refunds", **query, after_id=first["data"][-1]["id"]).body

    assert [one["amount"] for one in first["data"]] == [3, 2]
    assert [one["amount"] for one in last["data"]] == [1]
    assert (first["has_more"], last["has_more"]) == (True, False)


# Payouts.


def test_a_payout_needs_a_key_and_honours_it(rules):
    assert ask(rules, "POST", "/v2/payouts", PAYOUT).status == 400
    first, again = (ask(rules, "POST", "/v2/payouts", PAYOUT, key="k") for _ in range(2))
    assert first.body == again.body

    other = ask(rules, "POST", "/v2/payouts", PAYOUT | {"amount": 1501}, key="k")
    assert other == Answer(409, recorded("api-error.409-idempotency"))
    assert len(rules.all("payout")) == 1


@pytest.mark.parametrize(
    "changes",
    [{"amount": 0}, {"channel_code": "GCASH"}, {"channel_properties": {}}, {"currency": "RUB"}],
)
def test_what_is_wrong_with_a_payout_is_refused(rules, changes):
    assert ask(rules, "POST", "/v2/payouts", PAYOUT | changes, key="k").status == 400


def test_a_payout_goes_forward_only_and_may_come_back_after_it_had_arrived(rules):
    id_ = ask(rules, "POST", "/v2/payouts", PAYOUT, key="k").body["id"]
    later = TEN + timedelta(minutes=1)
    assert ask(rules, "GET", f"/v2/payouts/{id_}", at=later).body["status"] == "REQUESTED"
    assert ask(rules, "POST", f"/v2/payouts/{id_}/cancel", at=later).status == 400
    with pytest.raises(MoveNotAllowed):
        rules.finish_payout(id_, at=later, status="REVERSED")

    rules.finish_payout(id_, at=later)
    with pytest.raises(MoveNotAllowed):
        rules.finish_payout(id_, at=later, status="FAILED")
    rules.finish_payout(id_, at=later + timedelta(days=2), status="REVERSED")

    told = [(one["event"], one["data"]["status"]) for one in sent(rules, later)]
    told += [(one["event"], one["data"]["status"]) for one in sent(rules, TEN + timedelta(days=3))]
    assert told == [("payout.succeeded", "SUCCEEDED"), ("payout.reversed", "REVERSED")]


def test_a_payout_is_canceled_while_it_is_only_accepted(rules):
    id_ = ask(rules, "POST", "/v2/payouts", PAYOUT, key="k").body["id"]

    canceled = ask(rules, "POST", f"/v2/payouts/{id_}/cancel").body

    assert canceled["status"] == "CANCELLED"
    with pytest.raises(MoveNotAllowed):
        rules.finish_payout(id_, at=TEN)


def test_payouts_are_found_by_our_reference_only(rules):
    made = ask(rules, "POST", "/v2/payouts", PAYOUT, key="k").body

    assert ask(rules, "GET", "/v2/payouts").status == 400
    found = ask(rules, "GET", "/v2/payouts", reference_id=PAYOUT["reference_id"]).body
    assert found == {"data": [made], "has_more": False, "links": []}
    assert ask(rules, "GET", "/v2/payouts", reference_id="x").body["data"] == []


# Transactions.


def test_what_moved_is_listed_newest_first_page_by_page(rules):
    paid_at = [TEN + timedelta(minutes=number) for number in range(3)]
    for at in paid_at:
        session = ask(rules, "POST", "/sessions", SESSION | {"expires_at": None}, at=at).body
        rules.pay(session["payment_session_id"], at=at)
    rules.refund_at_dashboard(session["payment_session_id"], at=TEN + timedelta(hours=1))
    ask(rules, "POST", "/v2/payouts", PAYOUT, key="p", at=TEN + timedelta(hours=2))

    everything = ask(rules, "GET", "/transactions").body["data"]
    kinds = [(one["type"], one["status"], one["cashflow"]) for one in everything]
    assert kinds == [
        ("DISBURSEMENT", "PENDING", "MONEY_OUT"),
        ("REFUND", "SUCCESS", "MONEY_OUT"),
        *[("PAYMENT", "SUCCESS", "MONEY_IN")] * 3,
    ]
    payments = [one["product_id"] for one in everything[2:]]
    assert payments == [one["payment_id"] for one in reversed(rules.all("payment"))]

    first = ask(rules, "GET", "/transactions", limit="4").body
    last = ask(rules, "GET", "/transactions", limit="4", after_id=first["data"][-1]["id"]).body
    assert (first["has_more"], last["has_more"]) == (True, False)
    assert first["data"] + last["data"] == everything
    assert ask(rules, "GET", "/transactions", before_id=everything[1]["id"]).body["data"] == [
        everything[0]
    ]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"types": "PAYMENT"}, 1),
        ({"types": "REFUND"}, 0),
        ({"statuses": "SUCCESS"}, 1),
        ({"created[gte]": "2026-11-20T10:00:00.123Z"}, 1),
        ({"created[gte]": "2026-11-20T10:00:00.124Z"}, 0),
        ({"created[lte]": "2026-11-20T10:00:00.122Z"}, 0),
        ({"currency": "IDR"}, 0),
        ({"product_id": "py-0"}, 0),
    ],
)
def test_transactions_are_filtered(rules, query, count):
    paid(rules)

    assert len(ask(rules, "GET", "/transactions", **query).body["data"]) == count


@pytest.mark.parametrize(
    ("query", "status"),
    [({"limit": "51"}, 400), ({"created[gte]": "lately"}, 400), ({"after_id": "txn_0"}, 404)],
)
def test_what_cannot_be_listed_is_refused(rules, query, status):
    paid(rules)

    assert ask(rules, "GET", "/transactions", **query).status == status
