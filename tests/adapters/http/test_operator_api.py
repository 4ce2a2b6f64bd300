"""An operator's calls at their edges: what is refused, repeated, paged, and whose it is."""

from collections.abc import AsyncIterator

import pytest

from adapters.http.app import operations
from adapters.http.tokens import api_key_hash
from adapters.persistence.memory import MemoryStore
from core.domain.case import Case, CaseKind
from core.domain.credentials import Scope
from core.use_cases.consequences import consequences
from tests.adapters.http.api import PEPPER, Api, an_api
from tests.contracts.units import written
from tests.world import World

ADJUST = "operator/customers/external:anna/adjust/"
OLGA = "bh_test_key_of_olga"


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    world = await World(MemoryStore(consequences)).opens()
    async with an_api(world) as client:
        await client.host("PUT", "customers/external:anna/", {})
        key_hash = api_key_hash(OLGA, PEPPER)
        await world.billing.put_key("olga", key_hash, frozenset({Scope.OPERATOR}))
        yield client


def adjustment(minor: object, currency: str = "RUB", **more: object) -> dict[str, object]:
    amount = {"amount_minor": minor, "currency": currency}
    return {"amount": amount, "reason": "by hand", **more}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (adjustment(0), 422, "adjustment_not_usable"),
        (adjustment(1, "USDT"), 422, "adjustment_not_usable"),
        (adjustment(1, "ABC"), 422, "unknown_currency"),
        (adjustment(10**15 + 1), 422, "fields_not_valid"),
        (adjustment(-(10**15) - 1), 422, "fields_not_valid"),
        (adjustment(1.5), 422, "fields_not_valid"),
        (adjustment("1"), 422, "fields_not_valid"),
        (adjustment(True), 422, "fields_not_valid"),
        (adjustment(1, account="hold"), 422, "fields_not_valid"),
        (adjustment(1, reason="  "), 422, "fields_not_valid"),
        (adjustment(1, reason="   a   "), 422, "reason_missing"),
        (adjustment(1, actor="somebody else"), 422, "fields_not_valid"),
        ({"reason": "by hand"}, 422, "fields_not_valid"),
    ],
)
async def test_an_adjustment_that_cannot_be_is_refused(
    api: Api, body: dict, status: int, code: str
) -> None:
    answer = await api.call("POST", ADJUST, body, token=OLGA, key="k")

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await api.call("GET", "operator/audit/", token=OLGA)).json()["items"] == []


@pytest.mark.parametrize("minor", [1, -1, 10**15, -(10**15)])
async def test_the_least_and_the_most_can_be_given_and_taken(api: Api, minor: int) -> None:
    answer = await api.call("POST", ADJUST, adjustment(minor), token=OLGA, key="k")

    assert answer.status_code == 200, answer.text
    wallet = (await api.host("GET", "customers/external:anna/wallet/")).json()
    assert wallet["balances"][0]["amount_minor"] == max(minor, 0)
    assert wallet["owed"][0]["amount_minor"] == max(-minor, 0)


async def test_more_than_can_be_counted_is_refused_and_nothing_moves(api: Api) -> None:
    await api.call("POST", ADJUST, adjustment(10**15), token=OLGA, key="k1")

    answer = await api.call("POST", ADJUST, adjustment(1), token=OLGA, key="k2")

    assert (answer.status_code, answer.json()["code"]) == (422, "amount_not_usable")
    assert len((await api.call("GET", "operator/audit/", token=OLGA)).json()["items"]) == 1


async def test_a_repeat_of_a_key_moves_money_once_and_another_request_with_it_is_refused(
    api: Api,
) -> None:
    first, again = [
        await api.call("POST", ADJUST, adjustment(500), token=OLGA, key="same") for _ in range(2)
    ]
    other = await api.call("POST", ADJUST, adjustment(501), token=OLGA, key="same")
    by_another = await api.host("POST", ADJUST, adjustment(500), key="same")

    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert (other.status_code, other.json()["code"]) == (409, "key_used_otherwise")
    assert by_another.status_code == 200, "another operator's key has idempotency keys of its own"
    wallet = (await api.host("GET", "customers/external:anna/wallet/")).json()
    assert wallet["balances"][0]["amount_minor"] == 1000
    lines = (await api.call("GET", "operator/audit/", token=OLGA)).json()["items"]
    assert [line["actor"] for line in lines] == ["olga", "host"]


async def test_an_adjustment_is_taken_back_by_what_it_was_answered_with(api: Api) -> None:
    given = (await api.call("POST", ADJUST, adjustment(500), token=OLGA, key="k")).json()
    body = {"entry": given["entry"], "reason": "the wrong customer"}

    first, again = [
        await api.call("POST", "operator/entries/reverse/", body, token=OLGA) for _ in range(2)
    ]
    unknown = await api.call(
        "POST", "operator/entries/reverse/", {**body, "entry": "purchase pur_1"}, token=OLGA
    )

    assert first.json() == again.json()
    assert first.json()["amount"]["amount_minor"] == -500
    assert (unknown.status_code, unknown.json()["code"]) == (404, "adjustment_not_found")
    wallet = (await api.host("GET", "customers/external:anna/wallet/")).json()
    assert wallet["balances"][0]["amount_minor"] == 0


async def test_nobody_is_adjusted_who_is_not_there(api: Api) -> None:
    path = "operator/customers/external:nobody/adjust/"
    answer = await api.call("POST", path, adjustment(1), token=OLGA, key="k")

    assert (answer.status_code, answer.json()["code"]) == (404, "customer_not_found")


async def test_an_operators_key_is_no_key_of_a_backend(api: Api) -> None:
    for path in ("customers/external:anna/wallet/", "customers/external:anna/purchases/"):
        answer = await api.call("GET", path, token=OLGA)
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


def test_every_write_of_an_operator_takes_a_reason() -> None:
    writes = [one for one in operations() if "/operator/" in one.path and one.method != "GET"]

    assert len(writes) >= 10
    for one in writes:
        assert one.body is not None, one.path
        assert one.body.model_fields["reason"].is_required(), one.path


async def test_cases_are_paged_and_a_closed_one_ends_no_page(api: Api) -> None:
    world = api.world
    causes = [f"charge yookassa {n}" for n in range(5)]
    for cause in causes:
        case = Case(f"case {cause}", CaseKind.MISMATCH, cause, world.clock(), {})
        await written(world.store, lambda uow: uow.open_case(case))  # noqa: B023

    async def page(**query: object) -> dict:
        asked = await api.client.get(
            "/api/v1/billing/operator/cases/",
            params={"limit": 2, **query},
            headers={"Authorization": f"Bearer {OLGA}"},
        )
        assert asked.status_code == 200, asked.text
        return asked.json()

    found, told = [], await page()
    while True:
        found += [item["cause"] for item in told["items"]]
        if told["next_cursor"] is None:
            break
        body = {"cause": told["next_cursor"], "reason": "seen to"}
        closed = await api.call("POST", "operator/cases/close/", body, token=OLGA)
        assert closed.status_code == 200
        told = await page(cursor=told["next_cursor"])
    assert found == causes

    unknown = await api.call("GET", "operator/cases/?cursor=nothing", token=OLGA)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "case_not_found")


async def test_a_gateway_is_called_again_with_a_reason_and_a_line(api: Api) -> None:
    for name, why in (("yookassa", "  they wrote that it is back "), ("nowhere", "why not")):
        path = f"operator/breakers/{name}/reset/"
        answer = await api.call("POST", path, {"reason": why}, token=OLGA)
        assert answer.status_code == (200 if name == "yookassa" else 404), answer.text
    assert answer.json()["code"] == "breakers_not_found"

    [line] = (await api.call("GET", "operator/audit/", token=OLGA)).json()["items"]
    assert (line["actor"], line["action"], line["subject"]) == (
        "olga",
        "breakers.reset",
        "yookassa",
    )
    assert line["reason"] == "they wrote that it is back"
