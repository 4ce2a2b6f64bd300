"""Payment methods and withdrawals over HTTP: what is sent, what is heard, what is never told."""

from collections.abc import AsyncIterator

import httpx
import pytest

from adapters.http.tokens import api_key_hash
from adapters.persistence.memory import MemoryStore
from core.domain.credentials import Scope
from core.domain.payment import PaymentId
from core.use_cases.consequences import consequences
from tests.adapters.http.api import PEPPER, Api, an_api
from tests.adapters.http.test_wallet_api import deposited, roubles, wallet
from tests.market import opens_market
from tests.world import World

ANNA = "customers/external:anna"
METHODS, WITHDRAWALS = f"{ANNA}/payment-methods/", f"{ANNA}/wallet/withdrawals/"
BILLING = {"name": "Juan Dela Cruz", "email": "juan@example.com", "phone": "+639171234567"}
METHOD = {
    "type": "gcash",
    "account_number": "09181234567",
    "holder_name": "JUAN DELA CRUZ",
    "billing": BILLING,
}
SECRETS = ("0918", "JUAN", "Juan", "juan@", "+639", "-saved")


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    world = await opens_market(await World(MemoryStore(consequences)).opens())
    async with an_api(world) as client:
        await client.host("PUT", f"{ANNA}/", {})
        yield client


async def added(api: Api, key: str = "m-1", **fields: object) -> httpx.Response:
    return await api.host("POST", METHODS, METHOD | fields, key=key)


async def proven(api: Api, key: str = "m-1", **fields: object) -> str:
    told = (await added(api, key, **fields)).json()
    payment_id = PaymentId(told["purchase"]["payment_id"])
    api.world.gateway.pay(payment_id)
    await api.world.hears(payment_id)
    return str(told["id"])


async def asked(api: Api, minor: int, method: str, key: str = "w-1") -> httpx.Response:
    body = roubles(minor) | {"payment_method": method}
    answer = await api.host("POST", WITHDRAWALS, body, key=key)
    await api.world.pump.drain()
    return answer


async def test_a_method_is_added_proven_listed_masked_and_removed(api: Api) -> None:
    answer = await added(api)

    told = answer.json()
    assert answer.status_code == 201
    assert (told["type"], told["account"], told["gateway"]) == ("gcash", "••••4567", "yookassa")
    assert told["status"] == "unverified"
    assert told["confirmation_url"].startswith("https://")
    assert told["purchase"]["item"]["payment_method"] == told["id"]
    assert (await api.host("GET", METHODS)).json() == {"items": [], "next_cursor": None}

    assert await proven(api) == told["id"], "the same request is the same method"
    listed = await api.host("GET", METHODS)
    [one] = listed.json()["items"]
    assert (one["id"], one["status"], one["account"]) == (told["id"], "verified", "••••4567")
    assert (await wallet(api))["bonus"] == [100]
    for text in (answer.text, listed.text):
        assert not any(secret in text for secret in SECRETS)

    for _ in range(2):
        removed = await api.host("DELETE", f"{METHODS}{told['id']}/")
        assert (removed.status_code, removed.json()["status"]) == (200, "removed")
    assert (await api.host("GET", METHODS)).json()["items"] == []


async def test_a_session_does_the_same_for_itself_and_nothing_to_others(api: Api) -> None:
    annas = await proven(api)
    token = await api.session()
    own = (await api.call("POST", "payment-methods/", METHOD, token=token, key="k")).json()

    assert own["status"] == "unverified"
    assert (await api.call("GET", "payment-methods/", token=token)).json()["items"] == []
    assert (await api.call("GET", "wallet/withdrawals/", token=token)).json()["items"] == []
    body = roubles(5000) | {"payment_method": annas}
    for answer in (
        await api.call("DELETE", f"payment-methods/{annas}/", token=token),
        await api.call("POST", "wallet/withdrawals/", body, token=token, key="w"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "payment_method_not_found")
    unproven = await api.call(
        "POST", "wallet/withdrawals/", body | {"payment_method": own["id"]}, token=token, key="w"
    )
    assert unproven.json()["code"] == "payment_method_not_verified"


async def test_an_old_sign_in_moves_no_money(api: Api) -> None:
    stale = await api.session(1002, age_seconds=4000)
    body = roubles(5000) | {"payment_method": "pm_00000001"}

    for path, sent in (("payment-methods/", METHOD), ("wallet/withdrawals/", body)):
        answer = await api.call("POST", path, sent, token=stale, key="k")
        assert (answer.status_code, answer.json()["code"]) == (403, "sign_in_too_old_for_money")


@pytest.mark.parametrize("path", [METHODS, WITHDRAWALS])
async def test_money_needs_an_idempotency_key(api: Api, path: str) -> None:
    body = METHOD if path == METHODS else roubles(5000) | {"payment_method": "pm_00000001"}

    answer = await api.host("POST", path, body)

    assert (answer.status_code, answer.json()["code"]) == (400, "headers_not_valid")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"type": "GCash"}, "fields_not_valid"),
        ({"account_number": "09"}, "fields_not_valid"),
        ({"account_number": 9181234567}, "fields_not_valid"),
        ({"holder_name": ""}, "fields_not_valid"),
        ({"holder_name": " JUAN"}, "account_not_usable"),
        ({"billing": None}, "fields_not_valid"),
        ({"billing": BILLING | {"email": "nobody"}}, "fields_not_valid"),
        ({"billing": BILLING | {"phone": "call me"}}, "fields_not_valid"),
        ({"billing": BILLING | {"name": "\u202eJuan"}}, "billing_not_usable"),
        ({"billing": {"name": "Juan", "email": "juan@example.com"}}, "fields_not_valid"),
        ({"gateway": "wallet"}, "gateway_not_found"),
        ({"gateway": "paypal"}, "gateway_not_found"),
        ({"token": "pm_stolen"}, "fields_not_valid"),
        ({"status": "verified"}, "fields_not_valid"),
        ({"return_url": "https://evil.example/"}, "return_url_not_listed"),
    ],
)
async def test_a_method_that_cannot_be_is_refused_and_not_repeated_back(
    api: Api, fields: dict, code: str
) -> None:
    answer = await added(api, **fields)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert not any(secret in answer.text for secret in SECRETS)


async def test_a_withdrawal_is_asked_for_sent_and_shown(api: Api) -> None:
    await deposited(api, 50000)
    method = await proven(api)

    answer = await asked(api, 20000, method)

    told = answer.json()
    assert answer.status_code == 201
    assert (told["status"], told["amount"]["amount_minor"]) == ("requested", 20000)
    assert (told["payment_method"], told["account"]) == (method, "••••4567")
    assert (await wallet(api))["held"] == [20000]
    assert (await asked(api, 20000, method)).json()["id"] == told["id"]
    other = await asked(api, 20001, method)
    assert (other.status_code, other.json()["code"]) == (409, "key_used_otherwise")
    api.world.gateway.finish_payouts()
    await api.world.time_passes(minutes=10)
    [listed] = (await api.host("GET", WITHDRAWALS)).json()["items"]
    assert (listed["id"], listed["status"]) == (told["id"], "done")
    assert not any(secret in answer.text for secret in SECRETS)


@pytest.mark.parametrize(
    ("minor", "currency", "status", "code"),
    [
        (0, "RUB", 422, "withdrawal_not_taken"),
        (-5000, "RUB", 422, "withdrawal_not_taken"),
        (999, "RUB", 422, "withdrawal_not_taken"),
        (5000, "PHP", 422, "withdrawal_not_taken"),
        (5000, "ABC", 422, "unknown_currency"),
        (10**15 + 1, "RUB", 422, "fields_not_valid"),
        (20001, "RUB", 402, "wallet_too_low"),
    ],
)
async def test_what_cannot_be_withdrawn_is_refused(
    api: Api, minor: int, currency: str, status: int, code: str
) -> None:
    await deposited(api, 20000)
    body = roubles(minor, currency) | {"payment_method": await proven(api)}

    answer = await api.host("POST", WITHDRAWALS, body, key="w-1")

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await wallet(api))["balances"] == [20000]


async def test_withdrawals_are_paged(api: Api) -> None:
    await deposited(api, 50000)
    method = await proven(api)
    for number in range(3):
        await asked(api, 1000 + number, method, key=f"w-{number}")
        api.world.clock.advance(seconds=1)

    first = (await api.host("GET", f"{WITHDRAWALS}?limit=2")).json()
    rest = (await api.host("GET", f"{WITHDRAWALS}?limit=2&cursor={first['next_cursor']}")).json()

    amounts = [one["amount"]["amount_minor"] for one in first["items"] + rest["items"]]
    assert amounts == [1002, 1001, 1000]
    assert rest["next_cursor"] is None
    token = await api.session()
    stolen = await api.call(
        "GET", f"wallet/withdrawals/?cursor={first['next_cursor']}", token=token
    )
    assert (stolen.status_code, stolen.json()["code"]) == (404, "withdrawal_not_found")


# Operators.


@pytest.mark.parametrize(
    ("verb", "status", "cash"), [("approve", "requested", 0), ("reject", "failed", 60000)]
)
async def test_an_operator_decides_what_waits(api: Api, verb: str, status: str, cash: int) -> None:
    await deposited(api, 60000)
    held = (await asked(api, 60000, await proven(api))).json()
    assert held["status"] == "held"
    [case] = (await api.host("GET", "operator/cases/")).json()["items"]
    assert case["kind"] == "withdrawal"
    path = f"operator/withdrawals/{held['id']}/{verb}/"
    without = await api.host("POST", path, {})
    assert without.status_code == 422

    answer = await api.host("POST", path, {"reason": "asked the customer"})

    assert (answer.status_code, answer.json()["status"]) == (200, status)
    assert (await wallet(api))["balances"] == [cash]
    assert (await api.host("GET", "operator/cases/")).json()["items"] == []
    [line] = (await api.host("GET", f"operator/audit/?subject={held['id']}")).json()["items"]
    assert (line["actor"], line["action"]) == ("host", f"withdrawal.{verb}")


async def test_an_operator_says_what_was_sent_by_hand(api: Api) -> None:
    await deposited(api, 30000)
    by_hand = (await asked(api, 30000, await proven(api, type="bank_bdo"))).json()
    path = f"operator/withdrawals/{by_hand['id']}/mark-done/"

    answer = await api.host("POST", path, {"reason": "sent by the bank"})

    assert (answer.status_code, answer.json()["status"]) == (200, "done")
    assert (await wallet(api))["held"] == [0]
    too_late = await api.host(
        "POST", path.replace("mark-done", "reject"), {"reason": "changed my mind"}
    )
    assert (too_late.status_code, too_late.json()["code"]) == (409, "withdrawal_moved")


async def test_only_an_operators_key_decides(api: Api) -> None:
    scopes = frozenset({Scope.CUSTOMERS, Scope.PURCHASES, Scope.USAGE})
    await api.world.billing.put_key("backend", api_key_hash("bh_backend", PEPPER), scopes)
    session = await api.session()

    for verb in ("approve", "reject", "mark-done"):
        path = f"operator/withdrawals/wd_00000001/{verb}/"
        for token, code in (("bh_backend", "scope_missing"), (session, "not_signed_in")):
            answer = await api.call("POST", path, {"reason": "by hand"}, token=token)
            assert answer.json()["code"] == code
