"""Promo codes over HTTP: made by an operator, used by customers, seen in prices."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.http.tokens import api_key_hash
from adapters.persistence.memory import MemoryStore
from core.domain.credentials import Scope
from core.use_cases.consequences import consequences
from tests.adapters.http.api import PEPPER, Api, an_api
from tests.world import World

OLGA = "bh_test_key_of_olga"
SPRING = {"gives": {"percent": 20}, "name": "Spring-20", "reason": "the spring sale"}


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    world = await World(MemoryStore(consequences)).opens()
    async with an_api(world) as api:
        key_hash = api_key_hash(OLGA, PEPPER)
        await world.billing.put_key("olga", key_hash, frozenset({Scope.OPERATOR}))
        yield api


async def test_a_code_from_its_making_to_the_purchase_it_reduces(api: Api) -> None:
    anna = await api.session(1001)

    made = await api.call("POST", "operator/promo-codes/", SPRING, token=OLGA, key="k")
    again = await api.call("POST", "operator/promo-codes/", SPRING, token=OLGA, key="k")
    used = await api.call("POST", "promo/", {"code": "spring-20"}, token=anna, key="k")
    repeat = await api.call("POST", "promo/", {"code": "spring-20"}, token=anna, key="k")
    twice = await api.call("POST", "promo/", {"code": "spring-20"}, token=anna, key="another")
    me = await api.call("GET", "me/", token=anna)
    wanted = {"plan": "PRO_MONTHLY"}
    preview = await api.call("POST", "purchases/preview/", wanted, token=anna)
    bought = await api.call("POST", "purchases/", wanted, token=anna, key="k")
    stop = {"reason": "over"}
    stopped = await api.call("POST", "operator/promo-codes/Spring-20/stop/", stop, token=OLGA)
    listed = await api.call("GET", "operator/promo-codes/", token=OLGA)

    gives = {"percent": 20, "plans": [], **dict.fromkeys(("plan", "days", "feature", "units"))}
    assert (made.status_code, made.json()["name"], made.json()["used"]) == (200, "SPRING-20", 0)
    assert again.json() == made.json()
    assert used.json() == repeat.json() == {"code": "SPRING-20", "gives": gives}
    assert (twice.status_code, twice.json()["code"]) == (409, "promo_code_used")
    assert me.json()["discount"] == {"code": "SPRING-20", "percent": 20, "plans": []}
    for answer in (preview, bought):
        told: dict[str, Any] = answer.json()
        assert told["amount"]["amount_minor"] == 23920
        assert told["reduction"]["code"] == "SPRING-20"
        assert told["reduction"]["full"]["amount_minor"] == 29900
    assert stopped.json()["stopped_at"] is not None
    assert [(one["name"], one["used"]) for one in listed.json()["items"]] == [("SPRING-20", 1)]


async def test_what_cannot_be_is_refused_and_a_guesser_is_told_to_wait(api: Api) -> None:
    await api.host("PUT", "customers/telegram:1001/", {})
    path = "customers/telegram:1001/promo/"
    for code in ("abc", "AAAA BBBB", "<b>x</b>", "\u202eGNIRPS", "x" * 60_000, 7, None, ["A"]):
        answer = await api.host("POST", path, {"code": code}, key="k")
        assert (answer.status_code, answer.json()["code"]) == (422, "fields_not_valid"), code
    for number in range(10):
        answer = await api.host("POST", path, {"code": f"GUESS-{number}"}, key=f"k{number}")
        assert (answer.status_code, answer.json()["code"]) == (409, "promo_code_not_taken")
    answer = await api.host("POST", path, {"code": "GUESS"}, key="more")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_wrong_codes")
    assert answer.json()["at"] == "2026-03-10T10:00:00.123457Z"
    for gives in ({}, {"percent": 91}, {"percent": 10, "days": 3}, {"days": 3}, {"plan": "X"},
                  {"units": 3}, {"units": 0, "feature": "photo_ai"}, {"feature": "photo_ai"}):  # fmt: skip
        body = {**SPRING, "gives": gives}
        answer = await api.call("POST", "operator/promo-codes/", body, token=OLGA, key="k")
        assert answer.status_code == 422, gives
    unknown = await api.call("GET", "operator/promo-codes/NO-SUCH/", token=OLGA)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "promo_code_not_found")


async def test_a_code_gives_units_of_a_feature_that_some_plan_counts(api: Api) -> None:
    anna = await api.session(1001)
    made = {**SPRING, "gives": {"feature": "photo_ai", "units": 50}}
    unknown = {**SPRING, "gives": {"feature": "teleport", "units": 50}}

    refused = await api.call("POST", "operator/promo-codes/", unknown, token=OLGA, key="j")
    answer = await api.call("POST", "operator/promo-codes/", made, token=OLGA, key="k")
    used = await api.call("POST", "promo/", {"code": "spring-20"}, token=anna, key="k")
    me = await api.call("GET", "me/", token=anna)

    assert (refused.status_code, refused.json()["code"]) == (404, "feature_not_found")
    assert answer.status_code == 200, answer.text
    assert used.json()["gives"]["units"] == 50
    assert me.json()["usage"]["photo_ai"]["packs"] == {"remaining": 50}


async def test_an_operator_gives_days_once(api: Api) -> None:
    await api.host("PUT", "customers/telegram:1001/", {})
    body = {"plan": "PRO_MONTHLY", "days": 7, "reason": "the server was away"}
    path = "operator/customers/telegram:1001/grant/"

    first = await api.call("POST", path, body, token=OLGA, key="k")
    again = await api.call("POST", path, body, token=OLGA, key="k")
    other = await api.call("POST", path, {**body, "plan": "PRO_YEARLY"}, token=OLGA, key="k2")
    everybodys = await api.call("POST", path, {**body, "plan": "FREE"}, token=OLGA, key="k3")

    assert first.status_code == 200, first.text
    assert first.json() == again.json()
    assert (other.status_code, other.json()["code"]) == (409, "another_plan_runs")
    assert (everybodys.status_code, everybodys.json()["code"]) == (422, "days_not_givable")
