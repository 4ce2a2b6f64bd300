"""Access over HTTP: what a plan gives outside, where it is, and an operator's second try."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from adapters.persistence.memory import MemoryStore
from core.use_cases.consequences import consequences
from tests.adapters.http.api import Api, an_api
from tests.world import World

ANNA = "customers/telegram:1001"


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    world = World(MemoryStore(consequences))
    wanted = world.wanted()
    granting = tuple(replace(one, grants=("vpn",) if one.prices else ()) for one in wanted.plans)
    await world.billing.apply_catalog(replace(wanted, plans=granting))
    async with an_api(world) as client:
        yield client


async def test_access_is_pending_then_retried_by_an_operator_and_there(api: Api) -> None:
    world = api.world
    anna = await world.customer()
    nothing = (await api.host("GET", f"{ANNA}/subscription/access/")).json()
    assert nothing == {"activation": "none", "grants": [], "until": None, "link": None}
    world.panel.down(1)
    await world.pays_and_is_heard(await world.buys(anna))

    me = (await api.host("GET", f"{ANNA}/")).json()
    assert me["subscription"]["activation"] == "pending"
    waiting = (await api.host("GET", f"{ANNA}/subscription/access/")).json()
    assert (waiting["activation"], waiting["link"]) == ("pending", None)

    again = f"operator/{ANNA}/access/retry/"
    answer = await api.host("POST", again, {"reason": "the panel is up"})
    await world.pump.drain()

    assert answer.status_code == 200
    there = (await api.host("GET", f"{ANNA}/subscription/access/")).json()
    assert there["activation"] == "active"
    assert there["grants"] == ["vpn"]
    assert there["link"] == f"https://panel.example.com/{anna}"
    assert there["until"] == me["subscription"]["current_period_end"]
