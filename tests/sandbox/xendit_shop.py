"""A shop in front of the pure rules of Xendit, and the samples of what it sends and answers."""

import json
from datetime import UTC, datetime
from pathlib import Path

from sandbox.gateway_rules import Answer, Call, Json
from sandbox.xendit.rules import XenditRules

KEY = "xnd_development_EXAMPLE"
TOKEN = "callback-token-of-test-mode"
TEN = datetime(2026, 11, 20, 10, 0, 0, 123000, tzinfo=UTC)
RECORDINGS = Path(__file__).parents[1] / "recordings" / "xendit"
TELLING = {"event", "status", "type", "mode", "session_type", "error_code", "failure_code"} | {
    "currency",
    "country",
    "capture_method",
    "allow_save_payment_method",
    "api_version",
    "amount",
    "request_amount",
    "capture_amount",
    "reason",
}


def recorded(name: str) -> Json:
    return json.loads((RECORDINGS / f"{name}.json").read_text())


SESSION = recorded("request-create-session")
PAYOUT = recorded("request-create-payout-v2")


def xendit() -> XenditRules:
    return XenditRules(secret_key=KEY, callback_token=TOKEN)


def ask(
    rules: XenditRules,
    method: str,
    path: str,
    body: object = None,
    *,
    at: datetime = TEN,
    key: str | None = None,
    user: str | None = KEY,
    **query: str,
) -> Answer:
    return rules.answer(Call(method, path, user, key, query, body), at=at)


def opened(rules: XenditRules, **changes: object) -> str:
    answer = ask(rules, "POST", "/sessions", SESSION | changes)
    assert answer.status == 201, answer.body
    return answer.body["payment_session_id"]


def paid(rules: XenditRules, channel: str = "GCASH", **changes: object) -> Json:
    return rules.pay(opened(rules, **changes), at=TEN, channel=channel)


def refund(session: Json, amount: object = 300, **changes: object) -> Json:
    asked = {"payment_request_id": session["payment_request_id"], "amount": amount}
    return asked | {"currency": "PHP", "reason": "REQUESTED_BY_CUSTOMER"} | changes


def sent(rules: XenditRules, at: datetime = TEN) -> list[Json]:
    """Takes all that is due, as a receiver that answers 200; the bodies as they are posted."""
    told = []
    for notification in rules.due_notifications(at):
        told.append(json.loads(rules.signed(notification, at)[0]))
        rules.delivered(notification.id)
    return told


def outline(value: object, name: str = "") -> object:
    if isinstance(value, dict):
        return {key: outline(inner, key) for key, inner in value.items()}
    if name in TELLING:
        return value
    if isinstance(value, list):
        return [outline(inner) for inner in value]
    return type(value).__name__
