"""An app in front of the pure rules of Crypto Pay, and the samples of what it is sent."""

import json
from datetime import UTC, datetime
from pathlib import Path

from sandbox.cryptopay.rules import CryptoPayRules
from sandbox.gateway_rules import Answer, Call, Json

TOKEN = "12345:AAExampleTokenExampleTokenExample00"
TEN = datetime(2026, 11, 20, 10, 0, 0, 123000, tzinfo=UTC)
RECORDINGS = Path(__file__).parents[1] / "recordings" / "cryptopay"


def recorded(name: str) -> Json:
    return json.loads((RECORDINGS / f"{name}.json").read_text())


CRYPTO = recorded("request-createInvoice.crypto")
FIAT = recorded("request-createInvoice.fiat")
TRANSFER = recorded("request-transfer")


def crypto_pay(**settings) -> CryptoPayRules:
    return CryptoPayRules(token=TOKEN, **settings)


def ask(
    rules: CryptoPayRules,
    method: str,
    fields: object = None,
    *,
    at: datetime = TEN,
    http: str = "POST",
    user: str | None = TOKEN,
) -> Answer:
    return rules.answer(Call(http, f"/{method}", user, body=fields), at=at)


def told(rules: CryptoPayRules, method: str, fields: object = None, *, at: datetime = TEN):
    """The result of what must go well."""
    answer = ask(rules, method, fields, at=at)
    assert (answer.status, answer.body["ok"]) == (200, True), answer.body
    return answer.body["result"]


def refusal(answer: Answer) -> tuple[int, str]:
    assert answer.body["ok"] is False
    assert answer.body["error"]["code"] == answer.status
    return answer.status, answer.body["error"]["name"]


def opened(rules: CryptoPayRules, asked: Json = CRYPTO, *, at: datetime = TEN, **changes) -> str:
    return str(told(rules, "createInvoice", asked | changes, at=at)["invoice_id"])
