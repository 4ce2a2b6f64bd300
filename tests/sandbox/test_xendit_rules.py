"""The double of Xendit keeps the rules that its documents tell."""

import json
from datetime import datetime, timedelta

import pytest

from sandbox.gateway_rules import Answer, MoveNotAllowed, NoSuchThing
from sandbox.xendit.rules import XenditRules
from tests.sandbox.xendit_shop import (
    KEY,
    PAYOUT,
    SESSION,
    TEN,
    TOKEN,
    ask,
    opened,
    outline,
    paid,
    recorded,
    refund,
    sent,
    xendit,
)


@pytest.fixture
def rules() -> XenditRules:
    return xendit()


# As the samples show it.


def test_a_session_looks_as_it_does_there_through_its_life(rules):
    session_id = opened(rules)
    read = ask(rules, "GET", f"/sessions/{session_id}").body
    assert outline(read) == outline(recorded("api-create-session.active"))

    rules.pay(session_id, at=TEN)
    completed = recorded("api-get-session.completed")
    completed["payment_token_id"] = None
    assert outline(ask(rules, "GET", f"/sessions/{session_id}").body) == outline(completed)

    canceled = ask(rules, "POST", f"/sessions/{opened(rules)}/cancel").body
    assert outline(canceled) == outline(recorded("api-cancel-session.canceled"))


def test_webhooks_look_as_they_do_there(rules):
    session_id = opened(rules)
    rules.decline(session_id, at=TEN)
    rules.pay(session_id, at=TEN)
    rules.expire(opened(rules), at=TEN)

    told = {one["event"]: outline(one) for one in sent(rules)}

    names = ("payment.failure", "payment.capture", "payment_session.completed")
    for name in (*names, "payment_session.expired"):
        assert told[name] == outline(recorded(name)), name


def test_a_refund_and_a_payout_look_as_they_do_there(rules):
    asked = ask(rules, "POST", "/refunds", refund(paid(rules)) | {"reference_id": "r"}).body
    assert outline(asked) == outline(recorded("api-create-refund.pending"))
    sent(rules)
    rules.finish_refund(asked["id"], at=TEN)
    assert [outline(one) for one in sent(rules)] == [outline(recorded("refund.succeeded"))]

    payout = ask(rules, "POST", "/v2/payouts", PAYOUT, key="k").body
    there = recorded("api-create-payout-v2.accepted")
    del there["receipt_notification"]
    assert outline(payout) == outline(there)


@pytest.mark.parametrize(
    ("name", "method", "path", "body"),
    [
        ("400-expiry", "POST", "/sessions", SESSION | {"expires_at": "2026-11-20T10:09:00Z"}),
        ("400-invalid_amount", "POST", "/sessions", SESSION | {"amount": 0}),
        (
            "400-validation",
            "POST",
            "/sessions",
            {name: one for name, one in SESSION.items() if name != "session_type"},
        ),
        ("404-session", "GET", "/sessions/ps-000000000000000000000000", None),
    ],
)
def test_refusals_are_worded_as_they_are_there(rules, name, method, path, body):
    there = recorded(f"api-error.{name}")

    answer = ask(rules, method, path, body)

    assert answer == Answer(int(name[:3]), there)


def test_a_wrong_key_a_flood_and_a_fall_are_told_apart(rules):
    assert ask(rules, "GET", "/refunds", user="xnd_development_other").body == recorded(
        "api-error.401"
    )
    rules.faults.plan("flood", 1)
    assert ask(rules, "GET", "/refunds") == Answer(429, recorded("api-error.429"))
    rules.faults.plan("down", 1)
    assert ask(rules, "GET", "/refunds") == Answer(500, recorded("api-error.500"))
    assert ask(rules, "GET", "/refunds").status == 200


def test_each_answer_says_how_many_calls_are_left(rules):
    for _ in range(2):
        ask(rules, "GET", "/refunds", at=TEN)

    assert rules.rate_limit(TEN) == {
        "Rate-Limit-Limit": "60",
        "Rate-Limit-Remaining": "58",
        "Rate-Limit-Reset": "60",
    }
    assert rules.rate_limit(TEN + timedelta(minutes=1))["Rate-Limit-Remaining"] == "60"


# Sessions.


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"reference_id": "r" * 65}, "API_VALIDATION_ERROR"),
        ({"reference_id": 5}, "API_VALIDATION_ERROR"),
        ({"session_type": "AUTHORIZATION"}, "SESSION_TYPE_NOT_SUPPORTED"),
        ({"mode": "COMPONENTS"}, "MODE_NOT_SUPPORTED"),
        ({"amount": "990.50"}, "INVALID_AMOUNT"),
        ({"amount": 990.505}, "INVALID_AMOUNT"),
        ({"amount": -1}, "INVALID_AMOUNT"),
        ({"amount": True}, "INVALID_AMOUNT"),
        ({"currency": "RUB"}, "INVALID_CURRENCY"),
        ({"country": "RU"}, "INVALID_COUNTRY"),
        ({"capture_method": "MANUAL"}, "DISALLOWED_CAPTURE_METHOD"),
        ({"allowed_payment_channels": ["VISA"]}, "INVALID_PAYMENT_CHANNEL"),
        ({"allow_save_payment_method": "FORCED"}, "MISSING_CUSTOMER"),
        ({"description": ""}, "API_VALIDATION_ERROR"),
        ({"description": "d" * 1001}, "API_VALIDATION_ERROR"),
        ({"metadata": {"k": "v" * 81}}, "INVALID_METADATA"),
        ({"metadata": {"k" * 41: "v"}}, "INVALID_METADATA"),
        ({"metadata": {"k": 1}}, "INVALID_METADATA"),
        ({"metadata": {str(number): "v" for number in range(21)}}, "INVALID_METADATA"),
        ({"success_return_url": "http://shop.example/ok"}, "INVALID_URL"),
        ({"cancel_return_url": "shop"}, "INVALID_URL"),
        ({"success_return_url": "https://["}, "INVALID_URL"),
        ({"expires_at": "tomorrow"}, "API_VALIDATION_ERROR"),
        ({"items": [{"name": "PRO"}]}, "API_VALIDATION_ERROR"),
    ],
)
def test_what_is_wrong_with_a_session_is_refused_by_its_code(rules, changes, code):
    answer = ask(rules, "POST", "/sessions", SESSION | changes)

    assert (answer.status, answer.body["error_code"]) == (400, code)
    assert rules.all("session") == []


def test_limits_are_met_exactly(rules):
    metadata = {f"{number:040}": "v" * 80 for number in range(20)}
    limits = {"reference_id": "r" * 64, "description": "d" * 1000, "metadata": metadata}
    opened(rules, **limits, expires_at="2026-11-20T10:10:00.123Z", amount=0.01)


def test_only_this_machine_may_be_returned_to_without_https(rules):
    local = {"success_return_url": "http://127.0.0.1:8000/sandbox/"}
    opened(rules, **local)

    strict = XenditRules(secret_key=KEY, callback_token=TOKEN, accepts_local_urls=False)
    refused = ask(strict, "POST", "/sessions", SESSION | local)
    assert refused.body["error_code"] == "INVALID_URL"


def test_sessions_honour_no_key_and_share_a_reference(rules):
    first, second = (ask(rules, "POST", "/sessions", SESSION, key="k").body for _ in range(2))

    assert first["payment_session_id"] != second["payment_session_id"]
    assert first["reference_id"] == second["reference_id"]


def test_without_a_time_a_session_ends_after_half_an_hour_and_says_so_once(rules):
    session_id = opened(rules, expires_at=None)
    almost, then = TEN + timedelta(minutes=29), TEN + timedelta(minutes=30)
    assert ask(rules, "GET", f"/sessions/{session_id}", at=almost).body["status"] == "ACTIVE"

    assert ask(rules, "GET", f"/sessions/{session_id}", at=then).body["status"] == "EXPIRED"
    assert [one["event"] for one in sent(rules, then)] == ["payment_session.expired"]
    with pytest.raises(MoveNotAllowed):
        rules.pay(session_id, at=then)


def test_nothing_tells_of_a_canceled_session_and_it_cannot_be_paid(rules):
    session_id = opened(rules)
    cancel = f"/sessions/{session_id}/cancel"

    assert [ask(rules, "POST", cancel).status for _ in range(2)] == [200, 400]
    assert sent(rules) == []
    with pytest.raises(MoveNotAllowed):
        rules.pay(session_id, at=TEN)


def test_a_declined_payer_may_try_again(rules):
    session_id = opened(rules)
    assert rules.decline(session_id, at=TEN)["status"] == "ACTIVE"

    session = rules.pay(session_id, at=TEN)
    payment = ask(rules, "GET", f"/v3/payments/{session['payment_id']}").body
    request = ask(rules, "GET", f"/v3/payment_requests/{session['payment_request_id']}").body

    assert session["status"] == "COMPLETED"
    assert payment["status"] == "SUCCEEDED"
    assert [one["capture_amount"] for one in payment["captures"]] == [990.5]
    assert request["latest_payment_id"] == payment["payment_id"]
    assert len(rules.all("payment")) == 2


def test_paying_twice_repeats_both_webhooks_and_charges_once(rules):
    session_id = opened(rules)
    first = rules.pay(session_id, at=TEN)
    before = {one["event"] for one in sent(rules)}

    assert rules.pay(session_id, at=TEN) == first
    assert {one["event"] for one in sent(rules)} == before
    assert before == {"payment.capture", "payment_session.completed"}
    assert len(rules.all("payment")) == 1


def test_the_two_events_of_a_sale_come_in_either_order(rules):
    firsts = set()
    for _ in range(20):
        paid(rules)
        firsts.add(sent(rules)[0]["event"])

    assert firsts == {"payment.capture", "payment_session.completed"}


def test_a_second_payment_carries_the_same_metadata_and_is_unknown_to_the_session(rules):
    session = paid(rules)
    sent(rules)

    again = rules.pay(session["payment_session_id"], at=TEN, again=True)

    [told] = sent(rules)
    assert again == session
    assert told["event"] == "payment.capture"
    assert told["data"]["metadata"] == session["metadata"]
    assert told["data"]["payment_id"] != session["payment_id"]
    with pytest.raises(MoveNotAllowed):
        rules.pay(opened(rules), at=TEN, again=True)


def test_a_payer_may_be_charged_less_than_was_asked(rules):
    rules.faults.plan("amount", 1)
    payment = rules.find("payment", paid(rules)["payment_id"])

    assert (payment["request_amount"], payment["captures"][0]["capture_amount"]) == (990.5, 990.49)


def test_a_method_is_saved_where_that_was_agreed(rules):
    customer = {
        "type": "INDIVIDUAL",
        "reference_id": "c",
        "individual_detail": {"given_names": "Ana"},
    }
    agreed = {"allow_save_payment_method": "FORCED", "customer": customer}
    session = paid(rules, **agreed)
    told = {one["event"]: outline(one) for one in sent(rules)}

    assert session["payment_token_id"].startswith("pt-")
    for name in ("payment_session.completed-saved", "payment_token.activation"):
        assert told[name.partition("-")[0]] == outline(recorded(name)), name


# Webhooks.


def test_a_retry_is_stamped_anew_and_keeps_its_id(rules):
    paid(rules)
    one = rules.due_notifications(TEN)[0]
    body, headers = rules.signed(one, TEN)
    later, again = rules.signed(one, TEN + timedelta(minutes=15))

    assert headers == again
    assert headers["x-callback-token"] == TOKEN
    assert json.loads(body)["created"] == "2026-11-20T10:00:00.123Z"
    assert json.loads(later)["created"] == "2026-11-20T10:15:00.123Z"
    assert json.loads(body)["data"] == json.loads(later)["data"]
    assert "webhook_id" not in json.loads(body)


def test_two_copies_of_a_webhook_share_their_id_and_two_events_do_not(rules):
    rules.faults.plan("duplicate", 1)
    paid(rules)

    ids = [rules.signed(one, TEN)[1]["webhook-id"] for one in rules.due_notifications(TEN)]

    assert len(ids) == 3
    assert len(set(ids)) == 2


def test_a_webhook_is_tried_seven_times_within_a_day(rules):
    rules.expire(opened(rules), at=TEN)
    tries = []
    while due := rules.due_notifications(TEN + timedelta(days=9)):
        tries.append(due[0].due_at - TEN)
        rules.failed(due[0].id, at=due[0].due_at)

    hours = [0, 0.25, 1, 3, 6, 12, 24]
    assert tries == [timedelta(hours=one) for one in hours]


# Memory.


def test_the_same_seed_makes_the_same_ids():
    made = []
    for seed in (1, 1, 2):
        rules = XenditRules(secret_key=KEY, callback_token=TOKEN, seed=seed)
        made.append(paid(rules))

    assert made[0] == made[1]
    assert made[0]["payment_id"] != made[2]["payment_id"]


def test_what_a_restart_remembers(rules):
    session = paid(rules)
    first = ask(rules, "POST", "/refunds", refund(session), key="k")
    state = json.loads(json.dumps(rules.snapshot(), default=datetime.isoformat))

    other = XenditRules(secret_key=KEY, callback_token=TOKEN)
    other.restore(state)

    assert other.snapshot() == rules.snapshot()
    assert ask(other, "POST", "/refunds", refund(session), key="k") == first
    other.finish_refund(first.body["id"], at=TEN)
    assert len(sent(other)) == 3


def test_what_is_not_there_is_not_found(rules):
    for method, path in (("GET", "/v3/payments/py-1"), ("GET", "/"), ("POST", "/v2/payouts/x/y")):
        assert ask(rules, method, path).status == 404
    with pytest.raises(NoSuchThing):
        rules.pay("ps-1", at=TEN)
