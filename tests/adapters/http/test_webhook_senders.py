"""YooKassa's webhooks at the door: who may send them, behind a proxy too, and how often one may try."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from adapters.gateways.yookassa.gateway import YooKassaGateway
from adapters.gateways.yookassa.shop import YooKassaShop
from adapters.persistence.memory import MemoryStore
from core.ports.payment_gateway import Gateways
from core.use_cases.consequences import consequences
from core.use_cases.webhooks import TakeInWebhook
from tests.adapters.http.api import ROOT, Api, an_api
from tests.world import World

PATH = f"{ROOT}/webhooks/yookassa/"
RECORDED = Path(__file__).parents[2] / "recordings" / "yookassa" / "payment.succeeded.json"
PROVIDER, STRANGER = "185.71.76.1", "203.0.113.9"


@dataclass(frozen=True)
class Door:
    api: Api
    world: World

    async def hears(self, sender: str | None, body: bytes = RECORDED.read_bytes()) -> int:
        headers = {"Content-Type": "application/json"}
        if sender is not None:
            headers["X-Forwarded-For"] = sender
        answer = await self.api.client.post(PATH, content=body, headers=headers)
        if answer.status_code == 429:
            assert 0 < int(answer.headers["Retry-After"]) <= 3600
        return answer.status_code

    async def jobs(self) -> int:
        async with self.world.store.read() as view:
            return await view.jobs.waiting()


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    world = await World(MemoryStore(consequences)).opens()
    gateway = YooKassaGateway(YooKassaShop("100500", "test_secret", live=False))
    taking_in = TakeInWebhook(world.store, Gateways(gateway), world.clock, world.ids)
    world.billing = replace(world.billing, take_in_webhook=taking_in)
    async with an_api(world) as api:
        yield Door(api, world)
    await gateway.close()


async def test_the_provider_is_heard_and_a_stranger_is_not(door: Door) -> None:
    assert await door.hears(STRANGER) == 403
    assert await door.hears(None) == 403, "the proxy itself is nobody's provider"
    assert await door.jobs() == 0
    assert await door.hears(PROVIDER) == 200
    assert await door.hears(f"{STRANGER}, {PROVIDER}") == 200
    assert await door.hears(f"{PROVIDER}, {STRANGER}") == 403, "the left is whatever was sent"
    assert await door.jobs() == 1


async def test_a_strangers_hundred_and_first_try_is_told_to_wait_and_starves_nobody(
    door: Door,
) -> None:
    answers = [await door.hears(STRANGER, b"garbage") for _ in range(101)]
    assert answers == [403] * 100 + [429]
    assert await door.hears(PROVIDER) == 200
    assert await door.hears("198.51.100.7") == 403, "another stranger has tries of his own"
    door.world.clock.advance(hours=1, seconds=1)
    assert await door.hears(STRANGER) == 403


async def test_what_the_inbox_keeps_names_nobody(door: Door) -> None:
    assert await door.hears(PROVIDER) == 200
    async with door.world.store.write() as uow:
        [job] = await uow.jobs.claim(door.world.clock(), limit=1)
        item = await uow.inbox.find(job.job.payload["inbox_id"])
    assert item is not None
    for personal in ("4477", "555555", "expiry", "rrn", "first6", "last4"):
        assert personal not in item.notice.body
    assert item.notice.payment_id is not None


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"event": 1}', b"[" * 100_000])
async def test_nonsense_of_the_provider_is_refused_and_breaks_nothing(
    door: Door, body: bytes
) -> None:
    assert await door.hears(PROVIDER, body) == 400
    assert await door.jobs() == 0
