"""The double of PayMongo keeps the rules that its documents and probes tell."""

import json
from datetime import timedelta

import pytest

from sandbox.gateway_rules import Call, MoveNotAllowed
from sandbox.paymongo.rules import PayMongoRules
from tests.builders import NOON

KEY = "sk_test_EXAMPLE"
SESSION = {
    "line_items": [{"name": "PRO", "amount": 99000, "currency": "PHP", "quantity": 1}],
    "payment_method_types": ["gcash", "qrph"],
    "success_url": "https://shop.example/ok",
    "metadata": {"order": "1"},
}


@pytest.fixture
def rules() -> PayMongoRules:
    return PayMongoRules(secret_key=KEY, webhook_secret="whsk_EXAMPLE")


def ask(rules: PayMongoRules, method: str, path: str, body=None, *, at=NOON, key=None, user=KEY):
    return rules.answer(Call(method, path, user, key, {}, body), at=at)


def attributes(**fields) -> dict:
    return {"data": {"attributes": fields}}


def opened(rules: PayMongoRules) -> str:
    return ask(rules, "POST", "/v1/checkout_sessions", attributes(**SESSION)).body["data"]["id"]


def charged(rules: PayMongoRules) -> str:
    return rules.pay(opened(rules), at=NOON)["attributes"]["payments"][0]["id"]


def refund(payment_id: str, amount: int = 30000) -> dict:
    return attributes(amount=amount, payment_id=payment_id, reason="others")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"line_items": []}, "parameter_required"),
        ({"payment_method_types": []}, "parameter_required"),
        ({"payment_method_types": ["visa"]}, "parameter_invalid"),
        ({"line_items": [SESSION["line_items"][0] | {"amount": 99}]}, "parameter_below_minimum"),
        ({"line_items": [SESSION["line_items"][0] | {"amount": 990.0}]}, "parameter_invalid"),
        ({"metadata": {"order": 1}}, "parameter_invalid"),
    ],
)
def test_what_is_wrong_is_refused_by_its_code(rules, change, code):
    answer = ask(rules, "POST", "/v1/checkout_sessions", attributes(**SESSION | change))

    assert (answer.status, answer.body["errors"][0]["code"]) == (400, code)


def test_another_key_is_401_and_an_unknown_thing_404(rules):
    assert ask(rules, "GET", "/v1/payments", user="sk_test_other").status == 401
    for path in ("/v1/checkout_sessions/cs_missing", "/v1/payments/pay_1", "/v1/nothing"):
        assert ask(rules, "GET", path).status == 404


def test_sessions_honour_no_key_and_expire_only_once(rules):
    body = attributes(**SESSION)
    first, second = (ask(rules, "POST", "/v1/checkout_sessions", body, key="k") for _ in range(2))
    assert first.body["data"]["id"] != second.body["data"]["id"]

    expire = f"/v1/checkout_sessions/{first.body['data']['id']}/expire"
    assert [ask(rules, "POST", expire).status for _ in range(2)] == [200, 400]


def test_a_refund_key_is_honoured_for_a_day_and_for_one_request(rules):
    payment_id = charged(rules)
    first, again = (
        ask(rules, "POST", "/v1/refunds", refund(payment_id), key="k") for _ in range(2)
    )
    assert first.body == again.body
    assert ask(rules, "POST", "/v1/refunds", refund(payment_id, 200), key="k").status == 400

    tomorrow = NOON + timedelta(hours=24)
    later = ask(rules, "POST", "/v1/refunds", refund(payment_id), key="k", at=tomorrow)
    assert later.body["data"]["id"] != first.body["data"]["id"]


def test_a_paid_session_stays_active_and_repeats_only_its_webhook(rules):
    session_id = opened(rules)
    for _ in range(2):
        session = rules.pay(session_id, at=NOON)
    assert session["attributes"]["status"] == "active"
    assert len(session["attributes"]["payments"]) == 1

    events = [one.body["data"]["attributes"]["type"] for one in rules.due_notifications(NOON)]
    assert events == ["payment.paid"] + ["checkout_session.payment.paid"] * 2


def test_an_expired_session_cannot_be_paid(rules):
    session_id = opened(rules)
    rules.expire(session_id, at=NOON)

    with pytest.raises(MoveNotAllowed):
        rules.pay(session_id, at=NOON)


def test_three_events_that_nobody_took_turn_the_webhook_off(rules):
    at = NOON
    for _ in range(3):
        rules.pay(opened(rules), at=at, method="card")
        rules._deliveries._waiting.popitem()  # The session's; one event is enough.
        for _ in range(13):
            [one] = rules.due_notifications(at + timedelta(days=1))
            rules.failed(one.id, at=one.due_at)
        assert rules.due_notifications(at + timedelta(days=1)) == []
    assert rules.webhooks_are_off

    rules.pay(opened(rules), at=at)
    assert rules.due_notifications(at + timedelta(days=1)) == []


def test_a_payment_is_disputed_once_and_ends_once(rules):
    session = opened(rules)
    with pytest.raises(MoveNotAllowed):
        rules.dispute(session, at=NOON)
    rules.pay(session, at=NOON)

    dispute = rules.dispute(session, at=NOON, amount=100)
    with pytest.raises(MoveNotAllowed):
        rules.dispute(session, at=NOON)
    rules.resolve_dispute(dispute["id"], "lost", at=NOON)
    with pytest.raises(MoveNotAllowed):
        rules.resolve_dispute(dispute["id"], "won", at=NOON)

    told = [one.body["data"]["attributes"] for one in rules.due_notifications(NOON)][-2:]
    assert [one["type"] for one in told] == ["dispute.created", "dispute.resolved"]
    assert [one["data"]["attributes"]["amount"] for one in told] == [100, 100]
    payment = dispute["attributes"]["payment_id"]
    asked = ask(rules, "GET", f"/v1/payments/{payment}").body["data"]["attributes"]
    assert (asked["disputed"], asked["status"]) == (True, "paid")


def test_a_webhook_is_signed_at_each_try(rules):
    rules.pay(opened(rules), at=NOON)
    one = rules.due_notifications(NOON)[0]
    body, first = rules.signed(one, NOON)
    again, later = rules.signed(one, NOON + timedelta(hours=1))

    assert body == again
    assert json.loads(body) == one.body
    assert first != later


def test_what_a_restart_remembers(rules):
    payment_id = charged(rules)
    ask(rules, "POST", "/v1/refunds", refund(payment_id), key="k")
    state = json.loads(json.dumps(rules.snapshot(), default=str))

    other = PayMongoRules(secret_key=KEY, webhook_secret="whsk_EXAMPLE")
    other.restore(state)

    assert other.snapshot() == rules.snapshot()
    too_much = ask(other, "POST", "/v1/refunds", refund(payment_id, 69001), key="k2")
    assert too_much.body["errors"][0]["code"] == "allowed_amount_exceeded"
    [known] = other.all("refund")
    other.finish_refund(known["id"], at=NOON)
    [session] = other.all("checkout_session")
    [payment] = session["attributes"]["payments"]
    assert payment["attributes"]["refunds"][0]["attributes"]["status"] == "succeeded"
