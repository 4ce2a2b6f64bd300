"""Holds over HTTP: what a business's backend sends and hears."""

from collections.abc import AsyncIterator

import pytest

from adapters.http.tokens import api_key_hash
from adapters.persistence.memory import MemoryStore
from core.domain.credentials import Scope
from core.use_cases.consequences import consequences
from tests.adapters.http.api import PEPPER, Api, an_api
from tests.world import World

HOLDS = "customers/external:anna/usage/photo_ai/holds/"
TOMORROW = "2026-03-10T21:00:00Z"


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    world = await World(MemoryStore(consequences)).opens()
    async with an_api(world) as client:
        await client.host("PUT", "customers/external:anna/", {})
        yield client


async def held(api: Api, **fields: object) -> str:
    answer = await api.host("POST", HOLDS, {"request_id": "r", **fields})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["hold_id"])


async def test_units_are_held_and_captured_in_part(api: Api) -> None:
    opened = await api.host("POST", HOLDS, {"amount": 3, "request_id": "r"})
    told = opened.json()
    hold_id = told.pop("hold_id")
    assert (opened.status_code, told) == (
        200,
        {
            "allowed": True,
            "used": 3,
            "limit": 3,
            "remaining": 0,
            "resets_at": TOMORROW,
            "packs": None,
            "expires_at": "2026-03-10T09:05:00.123457Z",
        },
    )
    ended = await api.host("POST", f"usage/holds/{hold_id}/capture/", {"amount": 1})
    assert (ended.status_code, ended.json()) == (
        200,
        {
            "hold_id": hold_id,
            "status": "captured",
            "captured": 1,
            "used": 1,
            "limit": 3,
            "remaining": 2,
            "resets_at": TOMORROW,
            "packs": None,
        },
    )


@pytest.mark.parametrize("body", [None, {}])
async def test_a_body_may_stay_away_where_nothing_in_it_is_needed(api: Api, body: object) -> None:
    hold_id = await held(api, amount=2)
    captured = await api.host("POST", f"usage/holds/{hold_id}/capture", body)
    assert (captured.json()["status"], captured.json()["captured"]) == ("captured", 2)
    other = await held(api, request_id="other")
    released = await api.host("POST", f"usage/holds/{other}/release", body)
    assert (released.json()["status"], released.json()["captured"]) == ("released", 0)
    assert released.json()["used"] == 2


async def test_a_denied_hold_is_an_answer_without_an_id(api: Api) -> None:
    answer = await api.host("POST", HOLDS, {"amount": 4, "request_id": "r"})
    assert answer.status_code == 200
    told = answer.json()
    assert (told["allowed"], told["hold_id"], told["expires_at"]) == (False, None, None)
    assert told["remaining"] == 3


async def test_a_repeat_hears_the_same_hold_and_another_ask_a_conflict(api: Api) -> None:
    assert await held(api) == await held(api)
    consume = "customers/external:anna/usage/photo_ai/consume/"
    for path, body in (
        (HOLDS, {"request_id": "r", "expires_in_seconds": 60}),
        (consume, {"request_id": "r"}),
    ):
        answer = await api.host("POST", path, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "request_id_used_otherwise")


async def test_a_hold_that_has_ended_says_how(api: Api) -> None:
    hold_id = await held(api, expires_in_seconds=60)
    api.world.clock.advance(seconds=60)
    answer = await api.host("POST", f"usage/holds/{hold_id}/capture/")
    told = answer.json()
    assert (answer.status_code, told["code"]) == (409, "usage_hold_ended")
    assert (told["hold_status"], told["captured"]) == ("expired", 0)
    assert told["ended_at"] == "2026-03-10T09:01:00.123457Z"


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (HOLDS, {"request_id": "r", "expires_in_seconds": 0}, 422, "fields_not_valid"),
        (HOLDS, {"request_id": "r", "expires_in_seconds": 3601}, 422, "fields_not_valid"),
        (HOLDS, {"amount": 1}, 422, "fields_not_valid"),
        (HOLDS, {"amount": 0, "request_id": "r"}, 422, "fields_not_valid"),
        ("usage/holds/{}/capture/", {"amount": 0}, 422, "fields_not_valid"),
        ("usage/holds/{}/capture/", {"amount": 3}, 422, "capture_not_usable"),
        ("usage/holds/hld_nowhere0/capture/", {}, 404, "usage_hold_not_found"),
        ("usage/holds/hld_nowhere0/release/", {}, 404, "usage_hold_not_found"),
        ("usage/holds/pur_00000001/release/", {}, 404, "path_not_found"),
        ("customers/external:nobody/usage/photo_ai/holds/", {"request_id": "r"}, 404,
         "customer_not_found"),
        ("customers/external:anna/usage/video/holds/", {"request_id": "r"}, 404,
         "feature_not_found"),
    ],
)  # fmt: skip
async def test_what_makes_no_sense_is_said_so(
    api: Api, path: str, body: object, status: int, code: str
) -> None:
    hold_id = await held(api, request_id="before", amount=2)
    answer = await api.host("POST", path.format(hold_id), body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_holds_are_for_keys_with_the_scope_of_usage(api: Api) -> None:
    hold_id = await held(api)
    others = frozenset(Scope) - {Scope.USAGE}
    await api.world.billing.put_key("other", api_key_hash("bh_other", PEPPER), others)
    session = await api.session()
    paths = (HOLDS, f"usage/holds/{hold_id}/capture/", f"usage/holds/{hold_id}/release/")
    for path in paths:
        for token, status in ((None, 401), (session, 401), ("bh_no", 401), ("bh_other", 403)):
            answer = await api.call("POST", path, {"request_id": "r"} if path == HOLDS else {},
                                    token=token)  # fmt: skip
            assert answer.status_code == status, (path, token)
