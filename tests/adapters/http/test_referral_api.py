"""Referrals over HTTP: by the business's backend, by a Mini App's start link, by an operator."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from adapters.http.tokens import api_key_hash
from adapters.persistence.memory import MemoryStore
from core.domain.credentials import Scope
from core.domain.customer import identity
from core.domain.referral_program import Door, ReferralTerms, RewardLevel, code_of
from core.use_cases.consequences import consequences
from tests.adapters.http.api import PEPPER, Api, an_api
from tests.world import World

ANNA, BEN, OLGA = (f"customers/telegram:{n}/" for n in (1001, 1002, 1003))
OPERATOR = "bh_test_key_of_olga"
TERMS = ReferralTerms((RewardLevel(1, 1000), RewardLevel(5, 2550)))


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    world = await World(MemoryStore(consequences)).opens()
    wanted = world.wanted()
    await world.billing.apply_catalog(replace(wanted, money=replace(wanted.money, referral=TERMS)))
    async with an_api(world) as client:
        yield client


async def comes(api: Api, path: str, **body: str) -> str:
    api.world.clock.advance(seconds=1)
    me = (await api.host("PUT", path, body)).json()
    return str(me["referral"]["code"])


async def test_a_backend_brings_a_customer_in_and_both_see_it(api: Api) -> None:
    code = await comes(api, ANNA)
    await comes(api, BEN, referral_code=f"r_{code}")

    ben = (await api.host("GET", f"{BEN}referral/")).json()
    anna = (await api.host("GET", f"{ANNA}referral/")).json()

    assert (ben["was_referred"], anna["was_referred"]) == (True, False)
    assert (anna["came"], anna["activated"], anna["paying"]) == (1, 0, 0)
    assert anna["start_parameter"] == f"r_{code}"
    assert (anna["percent"], anna["levels"][1]) == ("10", {"since": 5, "percent": "25.5"})


async def test_what_is_wrong_with_a_code_is_said(api: Api) -> None:
    anna, ben = await comes(api, ANNA), await comes(api, BEN)
    olga = await comes(api, OLGA)

    async def joins(path: str, code: str) -> tuple[int, str]:
        answer = await api.host("POST", f"{path}referral/", {"code": code})
        return answer.status_code, answer.json().get("code")

    assert await joins(ANNA, anna) == (409, "own_referral_code")
    assert await joins(ANNA, olga) == (409, "referrer_not_older")
    assert await joins(OLGA, "nobody12345") == (404, "referral_code_not_found")
    assert (await joins(OLGA, ben))[0] == 200
    assert (await joins(OLGA, ben))[0] == 200
    assert await joins(OLGA, anna) == (409, "referred_already")
    again = await api.host("PUT", OLGA, {"referral_code": anna})
    assert again.json()["code"] == "referred_already"


async def test_an_operator_attaches_late_with_a_reason(api: Api) -> None:
    anna = await comes(api, ANNA)
    await comes(api, BEN)
    api.world.clock.advance(days=3)
    late = await api.host("POST", f"{BEN}referral/", {"code": anna})
    assert late.json()["code"] == "too_late_to_join"

    said = {"code": anna, "reason": "her screenshot shows the link"}
    key_hash = api_key_hash(OPERATOR, PEPPER)
    await api.world.billing.put_key("olga", key_hash, frozenset({Scope.OPERATOR}))
    attached = await api.call("POST", f"operator/{BEN}referral/", said, token=OPERATOR)

    assert attached.json()["was_referred"]
    ben = await api.world.billing.find_customer(identity("telegram:1002"))
    async with api.world.store.read() as view:
        referral = await view.referrals.find(ben)
    assert referral is not None
    assert referral.door is Door.OPERATOR


async def test_a_mini_app_opened_by_a_friends_link_brings_one_in(api: Api) -> None:
    code = await comes(api, ANNA)
    api.world.clock.advance(seconds=1)

    for start_param in (f"r_{code}", f"r_{code}", "r_nobody12345", "p_PRO_MONTHLY"):
        token = await api.session(1002, start_param=start_param)
    told = await api.call("GET", "referral/", token=token)

    assert told.json()["was_referred"]
    ben = await api.world.billing.find_customer(identity("telegram:1002"))
    async with api.world.store.read() as view:
        referral = await view.referrals.find(ben)
    assert referral is not None
    assert (referral.door, code_of(referral.referrer_id)) == (Door.MINI_APP, code)


async def test_a_mini_app_seen_before_the_link_was_pressed_loses_no_referral(api: Api) -> None:
    code = await comes(api, ANNA)
    api.world.clock.advance(seconds=1)
    await api.session(1002)
    api.world.clock.advance(minutes=5)

    token = await api.session(1002, start_param=f"r_{code}")

    assert (await api.call("GET", "referral/", token=token)).json()["was_referred"]
