"""A process keeps working off the jobs, whatever happens to its database meanwhile."""

import asyncio
import os
import re
import socket
import subprocess
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx

from adapters.http.client_address import TrustedProxies
from adapters.http.edge import Edge, UpdatesDoor
from adapters.http.limits import RateLimits
from adapters.http.return_urls import ReturnUrls
from adapters.http.tokens import AccessTokens
from adapters.persistence.memory import MemoryStore
from adapters.provisioning.memory import NoProvisioner
from core.domain.cause import StoreBusy
from core.use_cases.consequences import consequences
from entrypoints.commands import prepare, welcome
from entrypoints.process import Opened, application, work
from entrypoints.settings import Settings
from tests.builders import Clock
from tests.sandbox.served_sandbox import listening
from tests.world import World


class StartingStore(MemoryStore):
    """Its database does not answer the first two times that the right to pump is asked for."""

    asked = 0

    def exclusive(self, name: str) -> AbstractAsyncContextManager[None]:
        self.asked += 1
        if self.asked < 3:
            raise StoreBusy
        return super().exclusive(name)


async def test_a_database_that_is_down_at_the_start_does_not_end_the_worker() -> None:
    store = StartingStore(consequences)
    world = await World(store).opens()
    anna = await world.customer()
    payment = world.pays(await world.buys(anna))
    await world.billing.take_in_webhook("yookassa", world.gateway.webhook(payment))
    parts = Opened(
        Settings(_env_file=None),
        store,
        world.gateways,
        NoProvisioner(),
        world.billing,
        world.webhooks,
        world.clock,
        "proof",
    )
    stop = asyncio.Event()

    working = asyncio.create_task(work(parts, stop, again_after=0.001))
    async with asyncio.timeout(10):
        while await world.plan(anna) != "PRO_MONTHLY":
            assert not working.done()
            await asyncio.sleep(0.005)
    stop.set()
    await working


async def _nobody(_: object) -> None: ...


def test_the_edge_tells_nobody_its_secrets(world: World, now: Clock) -> None:
    edge = Edge(
        billing=world.billing,
        now=now,
        tokens=AccessTokens("k" * 32, now=now),
        limits=RateLimits(now),
        own_limits=RateLimits(now),
        return_urls=ReturnUrls(["https://shop.example.com"], "https://shop.example.com/"),
        proxies=TrustedProxies.parsed([]),
        bot_token="1:secret-of-the-bot",
        updates=UpdatesDoor("secret-of-the-webhook", _nobody),
        own_origin="https://billing.example.com",
        key_peppers=("secret-pepper", "another-secret"),
    )
    assert "secret" not in repr(edge)


def test_the_mini_app_of_the_sandbox_works_on_the_very_process(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    settings = Settings(_env_file=None, data_dir=tmp_path, port=port, telegram_token="42:own")
    prepare(settings)
    with (
        httpx.Client(base_url=settings.base_url, trust_env=False) as client,
        listening(application(settings, whole=False), listener),
    ):
        double = settings.model_copy(update={"telegram_token": None})
        pages = re.findall(r"http\S+", welcome(double))[:4]
        assert pages[0].endswith("/sandbox/telegram/")
        assert [client.get(page).status_code for page in pages] == [200] * 4
        assert "Write /start to your bot" in welcome(settings)
        assert client.get("/").headers["Location"] == "/sandbox/"
        told = client.post("/sandbox/telegram/users/1001/init_data").json()
        signed_in = client.post("/api/v1/billing/auth/telegram/", json=told)
        assert signed_in.status_code == 200
        photo = client.post(
            "/sandbox/app/photo",
            json={"photo": "meal.jpg", "request_id": "one"},
            headers={"Authorization": f"tma {told['init_data']}"},
        )
        assert (photo.status_code, photo.json()["remaining"]) == (200, 2)


def test_nobody_is_welcomed_where_it_cannot_listen(tmp_path: Path) -> None:
    environment = {n: v for n, v in os.environ.items() if not n.startswith("BILLHOOK_")}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [Path(sys.prefix) / "bin" / "billhook", "run", "--port", port]
        done = subprocess.run(
            [*command, "--data-dir", tmp_path],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
            timeout=60,
        )

    assert done.returncode != 0
    assert "address already in use" in done.stderr + done.stdout
    assert "is running" not in done.stdout
