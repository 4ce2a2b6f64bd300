"""The wallet and the operator over HTTP: what is sent, what is heard, what is refused."""

from collections.abc import AsyncIterator

import pytest

from adapters.http.tokens import api_key_hash
from adapters.persistence.memory import MemoryStore
from core.domain.credentials import Scope
from core.domain.payment import PaymentId
from core.use_cases.consequences import consequences
from tests.adapters.http.api import PEPPER, ROOT, Api, an_api
from tests.world import World

ANNA = "customers/external:anna"
BACKEND = "bh_test_key_of_the_backend"


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    world = await World(MemoryStore(consequences)).opens()
    async with an_api(world) as client:
        await client.host("PUT", f"{ANNA}/", {})
        yield client


def roubles(minor: int, currency: str = "RUB") -> dict[str, object]:
    return {"amount": {"amount_minor": minor, "currency": currency}}


async def deposited(api: Api, minor: int = 50000, key: str = "d-1") -> dict:
    answer = await api.host("POST", f"{ANNA}/wallet/deposits/", roubles(minor), key=key)
    assert answer.status_code == 201, answer.text
    payment_id = PaymentId(answer.json()["payment_id"])
    api.world.gateway.pay(payment_id)
    await api.world.hears(payment_id)
    return answer.json()


async def wallet(api: Api) -> dict[str, list[int]]:
    told = (await api.host("GET", f"{ANNA}/wallet/")).json()
    return {name: [one["amount_minor"] for one in amounts] for name, amounts in told.items()}


async def test_a_deposit_is_opened_paid_and_shown(api: Api) -> None:
    opened = await deposited(api)

    assert opened["item"]["deposit"]["amount_minor"] == 50000
    assert opened["confirmation_url"].startswith("https://")
    assert await wallet(api) == {
        "balances": [50000],
        "bonus": [0],
        "held": [0],
        "escrow": [0],
        "owed": [0],
        "withdrawable": [50000],
    }


async def test_a_session_deposits_for_itself(api: Api) -> None:
    token = await api.session()
    answer = await api.call("POST", "wallet/deposits/", roubles(100), token=token, key="k")

    assert answer.status_code == 201
    assert (await api.call("GET", "wallet/", token=token)).status_code == 200
    stale = await api.session(1002, age_seconds=4000)
    refused = await api.call("POST", "wallet/deposits/", roubles(100), token=stale, key="k")
    assert refused.json()["code"] == "sign_in_too_old_for_money"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (roubles(0), 422, "deposit_not_taken"),
        (roubles(-100), 422, "deposit_not_taken"),
        (roubles(99), 422, "deposit_not_taken"),
        (roubles(10_000_001), 422, "deposit_not_taken"),
        (roubles(10**15 + 1), 422, "fields_not_valid"),
        (roubles(500, "PHP"), 422, "deposit_not_taken"),
        (roubles(500, "ABC"), 422, "unknown_currency"),
        (roubles(500) | {"gateway": "wallet"}, 422, "gateway_not_found"),
        (roubles(500) | {"gateway": "paypal"}, 422, "gateway_not_found"),
        ({"amount": 500}, 422, "fields_not_valid"),
        ({"amount": {"amount_minor": 500.5, "currency": "RUB"}}, 422, "fields_not_valid"),
        (roubles(500) | {"return_url": "https://evil.example/"}, 422, "return_url_not_listed"),
    ],
)
async def test_a_deposit_that_cannot_be_is_refused(
    api: Api, body: dict, status: int, code: str
) -> None:
    answer = await api.host("POST", f"{ANNA}/wallet/deposits/", body, key="k")

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_money_needs_an_idempotency_key(api: Api) -> None:
    answer = await api.host("POST", f"{ANNA}/wallet/deposits/", roubles(500))

    assert (answer.status_code, answer.json()["code"]) == (400, "headers_not_valid")


async def test_too_little_in_the_wallet_is_402_with_what_is_missing(api: Api) -> None:
    body = {"plan": "PRO_MONTHLY", "gateway": "wallet"}
    answer = await api.host("POST", f"{ANNA}/purchases/", body, key="p-1")

    told = answer.json()
    assert (answer.status_code, told["code"]) == (402, "wallet_too_low")
    assert told["missing"] == {"amount_minor": 29900, "currency": "RUB"}
    assert told["deposit_path"] == f"{ROOT}/{ANNA}/wallet/deposits/"
    await deposited(api, 29900)
    purchase = (await api.host("GET", f"{ANNA}/purchases/{told['purchase_id']}/")).json()
    assert (purchase["status"], purchase["gateway"]) == ("paid", "wallet")
    again = await api.host("POST", f"{ANNA}/purchases/", body, key="p-1")
    assert (again.status_code, again.json()["id"]) == (201, told["purchase_id"])


async def test_one_less_than_the_price_waits_until_one_more_is_added_where_it_says(
    api: Api,
) -> None:
    token = await api.session()
    opened = await api.call("POST", "purchases/", {"plan": "PRO_MONTHLY"}, token=token, key="p")
    purchase_id = opened.json()["id"]
    reason = {"account": "bonus", "reason": "a welcome"}
    body = roubles(29799) | reason
    await api.host("POST", "operator/customers/telegram:1001/adjust/", body, key="a")

    path = f"purchases/{purchase_id}/checkouts/"
    short = await api.call("POST", path, {"gateway": "wallet"}, token=token, key="c")

    told = short.json()
    assert (short.status_code, told["missing"]["amount_minor"]) == (402, 101)
    assert told["purchase_id"] == purchase_id
    assert told["deposit_path"] == f"{ROOT}/wallet/deposits/"
    added = await api.call("POST", told["deposit_path"], roubles(101), token=token, key="d")
    api.world.gateway.pay(PaymentId(added.json()["payment_id"]))
    await api.world.hears(PaymentId(added.json()["payment_id"]))
    again = await api.call("POST", path, {"gateway": "wallet"}, token=token, key="c2")
    assert again.json()["code"] == "purchase_not_pending"
    shown = (await api.call("GET", f"purchases/{purchase_id}/", token=token)).json()
    assert (shown["status"], shown["gateway"]) == ("paid", "wallet")


async def test_nobody_pays_anothers_purchase_from_a_wallet(api: Api) -> None:
    anna, boris = await api.session(1001), await api.session(1002)
    opened = await api.call("POST", "purchases/", {"plan": "PRO_MONTHLY"}, token=anna, key="p")
    body = roubles(29900) | {"reason": "a welcome"}
    await api.host("POST", "operator/customers/telegram:1002/adjust/", body, key="a")

    path = f"purchases/{opened.json()['id']}/checkouts/"
    answer = await api.call("POST", path, {"gateway": "wallet"}, token=boris, key="c")

    assert (answer.status_code, answer.json()["code"]) == (404, "purchase_not_found")
    wallet = (await api.call("GET", "wallet/", token=boris)).json()
    assert wallet["balances"][0]["amount_minor"] == 29900


async def test_a_repeated_deposit_is_one_purchase_and_another_with_its_key_a_conflict(
    api: Api,
) -> None:
    path = f"{ANNA}/wallet/deposits/"
    one, two = [await api.host("POST", path, roubles(500), key="same") for _ in range(2)]
    other = await api.host("POST", path, roubles(501), key="same")

    assert (one.status_code, one.json()) == (two.status_code, two.json())
    assert (other.status_code, other.json()["code"]) == (409, "key_used_otherwise")


@pytest.mark.parametrize("minor", [100, 10_000_000])
async def test_the_bounds_of_a_deposit_are_taken(api: Api, minor: int) -> None:
    await deposited(api, minor)

    assert (await wallet(api))["balances"] == [minor]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "currency=rub",
        "currency=RUB&account=revenue",
        "currency=RUB&limit=0",
        "currency=RUB&limit=101",
        "currency=RUB&cursor=0",
        "currency=RUB&cursor=cus_1",
        "currency=RUB&at=yesterday",
        "currency=RUB&at=2026-03-10T09:00:00",
        "currency=ABC",
    ],
)
async def test_a_statement_that_cannot_be_is_refused(api: Api, query: str) -> None:
    assert (await api.host("GET", f"{ANNA}/wallet/entries/?{query}")).status_code == 422


async def test_a_statement_of_what_never_moved_is_empty(api: Api) -> None:
    for account in ("cash", "bonus", "hold", "escrow", "receivable"):
        told = await api.host("GET", f"{ANNA}/wallet/entries/?currency=PHP&account={account}")
        assert told.status_code == 200
        assert told.json()["items"] == []
        assert told.json()["balance"]["amount_minor"] == 0


async def test_the_statement_is_paged_and_looks_back(api: Api) -> None:
    before = api.world.clock().isoformat().replace("+00:00", "Z")
    api.world.clock.advance(hours=1)
    for number in (1, 2, 3):
        await deposited(api, 10000 * number, key=f"d-{number}")
    path = f"{ANNA}/wallet/entries/?currency=RUB&limit=2"
    first = (await api.host("GET", path)).json()
    rest = (await api.host("GET", f"{path}&cursor={first['next_cursor']}")).json()

    amounts = [line["amount"]["amount_minor"] for line in first["items"] + rest["items"]]
    assert amounts == [30000, 20000, 10000]
    assert rest["next_cursor"] is None
    assert first["balance"]["amount_minor"] == 60000
    past = (await api.host("GET", f"{path}&at={before}")).json()
    assert past["balance"]["amount_minor"] == 0


# Operators.


async def test_an_operator_refunds_with_a_reason_and_leaves_a_line(api: Api) -> None:
    purchase = await deposited(api)
    path = f"operator/purchases/{purchase['id']}/refund/"
    body = {"amount": {"amount_minor": 20000, "currency": "RUB"}, "reason": "asked for it"}

    first, again = [await api.host("POST", path, body, key="r-1") for _ in range(2)]

    assert first.status_code == 200, first.text
    assert first.json()["status"] == "done"
    assert first.json()["refund"] == again.json()["refund"]
    assert (await wallet(api))["balances"] == [30000]
    too_much = await api.host("POST", path, {"reason": "x" * 3} | roubles(30001), key="r-2")
    assert (too_much.status_code, too_much.json()["code"]) == (409, "refund_too_large")
    [line] = (await api.host("GET", f"operator/audit/?subject={purchase['id']}")).json()["items"]
    assert (line["actor"], line["action"], line["reason"]) == (
        "host",
        "purchase.refund",
        "asked for it",
    )


async def test_an_operator_books_what_a_bank_took(api: Api) -> None:
    purchase = await deposited(api)
    path = f"operator/purchases/{purchase['id']}/refund/"
    body = {"reason": "lost, says the bank", "chargeback": True}

    first, again = [await api.host("POST", path, body, key="r-1") for _ in range(2)]

    assert (first.status_code, first.json()["status"]) == (200, "done"), first.text
    assert first.json()["refund"] == again.json()["refund"]
    assert (await wallet(api))["balances"] == [0]
    clash = await api.host("POST", path, body | {"chargeback": False}, key="r-1")
    assert clash.status_code == 409
    [line] = (await api.host("GET", f"operator/audit/?subject={purchase['id']}")).json()["items"]
    assert line["action"] == "purchase.chargeback"


@pytest.mark.parametrize("reason", [None, "", "ab", "   ", "x" * 501])
async def test_a_deed_needs_a_reason(api: Api, reason: str | None) -> None:
    body = roubles(100) | ({} if reason is None else {"reason": reason})
    answer = await api.host("POST", f"operator/{ANNA}/adjust/", body, key="a-1")

    assert answer.status_code == 422
    assert (await wallet(api))["balances"] == [0]


async def test_an_operator_gives_and_takes_and_what_is_missing_is_owed(api: Api) -> None:
    path = f"operator/{ANNA}/adjust/"
    for key, minor, account in (("a", 5000, "bonus"), ("b", 3000, "cash"), ("c", -4000, "cash")):
        body = roubles(minor) | {"account": account, "reason": "by hand"}
        assert (await api.host("POST", path, body, key=key)).status_code == 200

    told = await wallet(api)
    assert (told["balances"], told["bonus"], told["owed"]) == ([0], [5000], [1000])


async def test_only_an_operators_key_does_an_operators_work(api: Api) -> None:
    scopes = frozenset({Scope.CUSTOMERS, Scope.PURCHASES, Scope.USAGE})
    await api.world.billing.put_key("backend", api_key_hash(BACKEND, PEPPER), scopes)
    session = await api.session()
    calls = [
        ("POST", f"operator/{ANNA}/adjust/", roubles(5) | {"reason": "by hand"}),
        ("POST", f"operator/{ANNA}/block/", {"reason": "by hand"}),
        ("POST", "operator/cases/close/", {"cause": "x", "reason": "by hand"}),
        ("GET", "operator/cases/", None),
        ("GET", "operator/audit/", None),
    ]
    for method, path, body in calls:
        key = {"key": "k"} if path.endswith("adjust/") else {}
        by_backend = await api.call(method, path, body, token=BACKEND, **key)
        by_customer = await api.call(method, path, body, token=session, **key)
        assert by_backend.json()["code"] == "scope_missing"
        assert by_customer.json()["code"] == "not_signed_in"


async def test_cases_are_listed_and_closed_once(api: Api) -> None:
    answer = await api.host("POST", f"{ANNA}/wallet/deposits/", roubles(500_00), key="k")
    payment_id = PaymentId(answer.json()["payment_id"])
    api.world.gateway.puzzle(payment_id)
    await api.world.settles(payment_id)
    [case] = (await api.host("GET", "operator/cases/")).json()["items"]
    assert case["kind"] == "unconfirmed"
    body = {"cause": case["cause"], "reason": "looked at it"}

    closed, again = [await api.host("POST", "operator/cases/close/", body) for _ in range(2)]

    assert (closed.status_code, again.json()["code"]) == (200, "case_not_found")
    assert (await api.host("GET", "operator/cases/")).json()["items"] == []


async def test_a_notice_that_was_given_up_is_replayed(api: Api) -> None:
    world = api.world
    anna = await world.customer("external:anna")
    started = await world.starts_deposit(anna, world.wanted().money.deposit.bounds[0][0])
    payment_id = started.checkout.payment_id
    item = await world.billing.take_in_webhook("yookassa", world.gateway.webhook(payment_id))
    world.gateway.puzzle(payment_id)
    for _ in range(30):
        world.clock.advance(hours=1)
        await world.pump.drain()
    async with world.store.read() as view:
        assert (await view.inbox.find(item.id)).status == "failed"
    world.gateway.pay_late(payment_id)
    path = f"operator/inbox/{item.id}/replay/"

    answer = await api.host("POST", path, {"reason": "the bank was late"})
    await world.pump.drain()

    assert answer.status_code == 200
    assert await world.cash(anna) == {"RUB": 100}
    done = await api.host("POST", path, {"reason": "once more"})
    assert done.json()["code"] == "notice_not_replayable"
    unknown = await api.host("POST", "operator/inbox/inb_none/replay/", {"reason": "who knows"})
    assert unknown.status_code == 404


async def test_a_customer_is_blocked_and_unblocked_by_an_operator(api: Api) -> None:
    for verb, blocked in (("block", True), ("unblock", False)):
        answer = await api.host("POST", f"operator/{ANNA}/{verb}/", {"reason": "charged back"})
        assert answer.status_code == 200
        me = (await api.host("GET", f"{ANNA}/")).json()
        assert me["customer"]["blocked"] is blocked
    lines = (await api.host("GET", "operator/audit/?limit=1")).json()
    assert lines["items"][0]["action"] == "customer.block"
    rest = (await api.host("GET", f"operator/audit/?cursor={lines['next_cursor']}")).json()
    assert [line["action"] for line in rest["items"]] == ["customer.unblock"]
