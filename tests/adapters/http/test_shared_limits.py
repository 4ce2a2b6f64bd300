"""Limits that several processes share, on a real Valkey; and what becomes of them without it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from limits import RateLimitItemPerMinute

from adapters.http.limits import LimitsAway, RateLimits, TooManyRequests, shared_storage
from adapters.persistence.memory import MemoryStore
from core.use_cases.consequences import consequences
from tests.adapters.http.api import Api, an_api
from tests.valkey_server import Valkey
from tests.world import World

FEW = RateLimitItemPerMinute(120, namespace="few")
TWO = RateLimitItemPerMinute(2, namespace="two")


def real_now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
async def processes(valkey_url: str) -> AsyncIterator[list[RateLimits]]:
    """The same limits in two processes, as far as the store can tell."""
    prefix = f"billhook-{uuid4().hex}"
    async with AsyncExitStack() as stack:
        storages = [
            await stack.enter_async_context(shared_storage(valkey_url, prefix)) for _ in range(2)
        ]
        yield [RateLimits(real_now, storage) for storage in storages]


async def passes(limits: RateLimits, limit: RateLimitItemPerMinute, key: str) -> bool:
    try:
        await limits.hit(limit, key)
    except TooManyRequests:
        return False
    return True


async def test_of_five_hundred_at_once_at_two_processes_exactly_the_amount_passes(
    processes: list[RateLimits],
) -> None:
    asks = (passes(processes[n % 2], FEW, "anna") for n in range(500))
    passed = await asyncio.gather(*asks)

    assert passed.count(True) == 120
    assert await passes(processes[0], FEW, "boris")


async def test_the_refusal_says_how_long_the_store_remembers(processes: list[RateLimits]) -> None:
    one, two = processes
    await one.hit(TWO, "anna")
    await two.hit(TWO, "anna")
    with pytest.raises(TooManyRequests) as refused:
        await one.hit(TWO, "anna")
    assert 50 <= refused.value.retry_after_seconds <= 60


async def test_a_repeat_is_known_in_the_other_process(processes: list[RateLimits]) -> None:
    one, two = processes
    for limits in (one, two, one, two, one):
        await limits.hit_once([TWO], "anna", "order-1", again=FEW)
    await two.hit_once([TWO], "anna", "order-2", again=FEW)
    with pytest.raises(TooManyRequests):
        await one.hit_once([TWO], "anna", "order-3", again=FEW)
    await one.hit_once([TWO], "anna", "order-2", again=FEW)


async def test_repeats_have_a_limit_of_their_own(processes: list[RateLimits]) -> None:
    one, two = processes
    for limits in (one, two, one):
        await limits.hit_once([FEW], "anna", "order-1", again=TWO)
    with pytest.raises(TooManyRequests):
        await two.hit_once([FEW], "anna", "order-1", again=TWO)


async def test_two_installations_with_prefixes_of_their_own_count_apart(valkey_url: str) -> None:
    for prefix in (uuid4().hex, uuid4().hex):
        async with shared_storage(valkey_url, prefix) as storage:
            limits = RateLimits(real_now, storage)
            assert [await passes(limits, TWO, "anna") for _ in range(3)] == [True, True, False]


@pytest.fixture
def mortal() -> Iterator[Valkey]:
    server = Valkey()
    server.start()
    yield server
    server.close()


async def test_a_store_that_is_away_or_silent_is_said_in_time_and_comes_back(
    mortal: Valkey,
) -> None:
    async with shared_storage(mortal.url, "billhook") as storage:
        limits = RateLimits(real_now, storage)
        await limits.hit(TWO, "anna")
        assert not await limits.is_away()

        mortal.stop()
        began = time.monotonic()
        with pytest.raises(LimitsAway):
            await limits.hit(TWO, "anna")
        assert await limits.is_away()
        assert time.monotonic() - began < 5

        mortal.start()
        await limits.hit(TWO, "anna")
        assert not await limits.is_away()


async def test_a_store_that_accepts_and_never_answers_is_away_in_time() -> None:
    over, gone = asyncio.Event(), asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        gone.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with shared_storage(f"redis://127.0.0.1:{port}/0", "billhook") as storage:
            began = time.monotonic()
            with pytest.raises(LimitsAway):
                await RateLimits(real_now, storage).hit(TWO, "anna")
            assert time.monotonic() - began < 5
    finally:
        over.set()
        await gone.wait()
        server.close()
        await server.wait_closed()


@pytest.fixture
async def cut_off() -> AsyncIterator[Api]:
    """The application while its shared store is away."""
    world = await World(MemoryStore(consequences)).opens()
    async with shared_storage("redis://127.0.0.1:1/0", "billhook") as storage:
        limits = RateLimits(real_now, storage)
        async with an_api(world, limits=limits, key_limit=TWO) as api:
            yield api


async def test_without_the_store_nobody_signs_in_or_buys(cut_off: Api) -> None:
    await cut_off.host("PUT", "customers/external:anna/", {})
    session = (await cut_off.host("POST", "customers/external:anna/sessions/")).json()
    token, plan = session["access_token"], {"plan": "PRO_MONTHLY"}
    for refused in (
        await cut_off.call("POST", "auth/telegram/", {"init_data": cut_off.init_data()}),
        await cut_off.call("POST", "auth/refresh/", token=token),
        await cut_off.call("POST", "purchases/", plan, token=token, key="k"),
        await cut_off.host("POST", "customers/external:anna/purchases/", plan, key="k"),
    ):
        assert refused.status_code == 503
        assert refused.json()["code"] == "limits_away"
        assert refused.headers["Retry-After"] == "5"
    assert (
        await cut_off.world.billing.show_purchases.page(
            (await cut_off.world.customer("external:anna")), limit=5
        )
        == []
    )


async def test_without_the_store_webhooks_health_and_the_business_go_on(cut_off: Api) -> None:
    world = cut_off.world
    anna = await world.customer("external:anna")
    webhook = world.gateway.webhook(world.pays(await world.buys(anna)))
    sent = await cut_off.client.post(
        "/api/v1/billing/webhooks/yookassa/", content=webhook.body, headers=dict(webhook.headers)
    )
    assert sent.status_code == 200
    assert (await cut_off.call("GET", "/health/live")).status_code == 200
    assert (await cut_off.call("GET", "/health/ready")).status_code == 200
    for n in range(3):
        use = {"amount": 1, "request_id": f"r{n}"}
        path = "customers/external:anna/usage/photo_ai/consume/"
        assert (await cut_off.host("POST", path, use)).status_code == 200
