"""What an operator sees of webhooks to the business's own system, and does about them."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from adapters.http.tokens import api_key_hash
from adapters.memory_notifier import MemoryWebhooks
from adapters.persistence.memory import MemoryStore
from core.domain.credentials import Scope
from core.domain.delivery import Reply
from core.use_cases.announcements import announcing
from core.use_cases.consequences import consequences
from tests.adapters.http.api import PEPPER, Api, an_api
from tests.world import World

OLGA = "bh_test_key_of_olga"


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    webhooks = MemoryWebhooks("app.example.com")
    store = MemoryStore(announcing(consequences, webhooks.wants))
    world = await World(store, webhooks=webhooks).opens()
    webhooks.replies.append(Reply(None, "no answer in time"))
    for ref in ("telegram:1001", "telegram:1002", "telegram:1003"):
        await world.uses(await world.customer(ref), "all of them", units=3)
        await world.pump.drain()
        world.clock.advance(timedelta(minutes=1))
    async with an_api(world) as client:
        await world.billing.put_key("olga", api_key_hash(OLGA, PEPPER), frozenset({Scope.OPERATOR}))
        yield client


async def listed(api: Api, query: str = "") -> dict:
    answer = await api.call("GET", f"operator/deliveries/{query}", token=OLGA)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_they_are_listed_the_newest_first_page_by_page(api: Api) -> None:
    first = await listed(api, "?limit=2")
    rest = await listed(api, f"?limit=2&cursor={first['next_cursor']}")

    assert [one["status"] for one in first["items"]] == ["delivered", "delivered"]
    assert rest["next_cursor"] is None
    [waiting] = rest["items"]
    assert waiting == {
        "id": waiting["id"],
        "event": "quota.exhausted",
        "host": "app.example.com",
        "status": "waiting",
        "attempts": 1,
        "answer": "no answer in time",
        "created_at": waiting["created_at"],
        "next_at": waiting["next_at"],
        "ended_at": None,
    }
    assert (await listed(api, "?status=waiting"))["items"] == [waiting]
    assert (await listed(api, "?status=failed"))["items"] == []


async def test_one_is_told_again_with_a_reason_that_is_kept(api: Api) -> None:
    [waiting] = (await listed(api, "?status=waiting"))["items"]
    path = f"operator/deliveries/{waiting['id']}/replay/"
    without = await api.call("POST", path, {}, token=OLGA)
    answer = await api.call("POST", path, {"reason": "it was down"}, token=OLGA)
    await api.world.pump.drain()

    assert (without.status_code, without.json()["code"]) == (422, "fields_not_valid")
    assert (answer.status_code, answer.json()["attempts"]) == (200, 0)
    assert (await listed(api, "?status=waiting"))["items"] == []
    [line] = (await api.call("GET", "operator/audit/", token=OLGA)).json()["items"]
    assert (line["actor"], line["action"], line["subject"], line["reason"]) == (
        "olga",
        "delivery.replay",
        waiting["id"],
        "it was down",
    )


async def test_where_nobody_listens_nothing_is_told_again(api: Api) -> None:
    [waiting] = (await listed(api, "?status=waiting"))["items"]
    api.world.webhooks.host = None
    path = f"operator/deliveries/{waiting['id']}/replay/"
    answer = await api.call("POST", path, {"reason": "it was down"}, token=OLGA)

    assert (answer.status_code, answer.json()["code"]) == (409, "webhooks_off")
