"""`kill -9` of the real process at a step of a purchase, then a restart: nothing lost or doubled.

A sample of the steps, drawn anew each day, runs always; all of them with
BILLHOOK_TEST_TORTURE=whole.
"""

import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import make_url

from adapters.persistence.sql.books import check_books
from adapters.persistence.sql.data_key import DataKey
from adapters.persistence.sql.store import open_store
from entrypoints.settings import DEVELOPMENT_DATA_KEY
from sandbox.app import DEMO_SECRET, DEMO_SHOP_ID

WHOLE = os.environ.get("BILLHOOK_TEST_TORTURE") == "whole"
SAMPLES = 2
KEY = "bh_torture"
PATIENCE_SECONDS = 30

pytestmark = [pytest.mark.torture, pytest.mark.timeout(3600 if WHOLE else 300)]


class Died(Exception):
    """The process is gone, as planned."""


class Shop:
    """One database, one double that outlives everything, and an application that is mortal."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.data = folder
        self.database_url = database_url
        self.held = [_held_port(), _held_port()]
        self.ports = [one.getsockname()[1] for one in self.held]
        self.process: subprocess.Popen[bytes] | None = None
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.ports[0]}/api/v1/billing/",
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=10,
        )
        self.double = httpx.Client(base_url=f"http://127.0.0.1:{self.ports[1]}/sandbox/")

    def environment(self) -> dict[str, str]:
        settings = {
            "DATABASE_URL": self.database_url,
            "DATA_DIR": str(self.data),
            "PORT": str(self.ports[0]),
            "DEV_API_KEY": KEY,
            "YOOKASSA_SHOP_ID_TEST": DEMO_SHOP_ID,
            "YOOKASSA_SECRET_KEY_TEST": DEMO_SECRET,
            "YOOKASSA_API_URL": f"http://127.0.0.1:{self.ports[1]}/sandbox/yookassa/v3",
            "YOOKASSA_NETWORKS": "127.0.0.0/8",
            "LOG_LEVEL": "error",
        }
        return os.environ | {f"BILLHOOK_{name}": value for name, value in settings.items()}

    def starts(self, mortal_at: int = 0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.mortal", str(mortal_at)],
            env=self.environment(),
            stdout=subprocess.DEVNULL,
        )
        ready = f"http://127.0.0.1:{self.ports[0]}/health/ready"
        self.until(lambda: self.client.get(ready, timeout=2).status_code == 200)

    def restarts(self) -> None:
        """A minute after the death: leases of the dead are over, the first look at a checkout due."""
        assert self.process is not None
        assert self.process.wait(10) != 0
        clock = self.data / "sandbox" / "clock.json"
        offset = json.loads(clock.read_text())["offset_seconds"] if clock.exists() else 0
        clock.parent.mkdir(exist_ok=True)
        clock.write_text(json.dumps({"offset_seconds": offset + 61}))
        self.starts()
        present = datetime.fromisoformat(
            self.told(f"http://127.0.0.1:{self.ports[0]}/health/status")["time"]
        )
        assert present - datetime.now(UTC) > timedelta(seconds=60), "it follows another clock"

    def until(self, claim: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                if claim():
                    return
            except httpx.TransportError:
                assert self.process is not None
                if self.process.poll() is not None:
                    raise Died from None
            time.sleep(0.05)
        raise AssertionError("it did not happen in time")

    def surely(self, act: Callable[[], Any]) -> Any:
        """Do it, again after a death, as an honest client does."""
        try:
            return act()
        except Died:
            self.restarts()
            return act()

    def told(self, path: str) -> Any:
        """The JSON at this path, as soon as there is an answer."""
        answers: list[httpx.Response] = []
        self.until(lambda: answers.append(self.client.get(path)) or answers[-1].is_success)
        return answers[-1].json()

    def registers(self) -> None:
        self.until(lambda: self.client.put("customers/external:anna/", json={}).is_success)

    def buys(self) -> None:
        headers = {"Idempotency-Key": "order-1"}

        def bought() -> bool:
            answer = self.client.post(
                "customers/external:anna/purchases/", json={"plan": "PRO_MONTHLY"}, headers=headers
            )
            return answer.status_code == 201

        self.until(bought)

    def has_an_address(self) -> None:
        """Nobody repeats the request: what was begun is finished by itself."""
        self.until(lambda: bool(self.purchases()[0]["confirmation_url"]))

    def pays(self) -> None:
        self.until(lambda: bool(self.purchases()))
        payment = self.purchases()[0]["payment_id"]
        assert self.double.post(f"yookassa/payments/{payment}/pay").is_success

    def is_pro(self) -> None:
        self.until(lambda: self.me()["subscription"]["plan"] == "PRO_MONTHLY")

    def me(self) -> dict[str, Any]:
        return self.told("customers/external:anna/")

    def purchases(self) -> list[dict[str, str]]:
        return self.told("customers/external:anna/purchases/")["items"]

    def steps(self) -> int:
        return int((self.data / "steps").read_text())

    def stops(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def new_shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Shop]]:
    """Shops with a fresh database each; all their processes end with the test."""
    shops: list[tuple[Shop, subprocess.Popen[bytes]]] = []

    def new() -> Shop:
        folder = tmp_path_factory.mktemp("shop")
        url = f"sqlite:///{folder / 'billhook.db'}"
        if request.param == "postgres":
            url = _new_database(request.getfixturevalue("postgres_admin_url"), folder.name)
        shop = Shop(folder, url)
        webhooks_url = f"http://127.0.0.1:{shop.ports[0]}/api/v1/billing/webhooks"
        double = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "--port", str(shop.ports[1]),
             "--webhooks-url", webhooks_url]
        )  # fmt: skip
        shops.append((shop, double))
        _until_answered(shop.double)
        return shop

    yield new
    for shop, double in shops:
        shop.stops()
        shop.client.close()
        shop.double.close()
        double.terminate()
        double.wait(20)
        for port in shop.held:
            port.close()


def test_a_paid_purchase_ends_active_once_wherever_the_process_died(
    new_shop: Callable[[], Shop],
) -> None:
    for step in _chosen(new_shop, _whole_purchase):
        shop = new_shop()
        with _mortal(shop, step):
            for act in (shop.registers, shop.buys, shop.pays, shop.is_pro):
                shop.surely(act)
        _holds(shop, step)


def test_a_started_purchase_ends_with_an_address_though_nobody_repeats_the_request(
    new_shop: Callable[[], Shop],
) -> None:
    for step in _chosen(new_shop, _only_started):
        shop = new_shop()
        with _mortal(shop, step):
            shop.surely(shop.registers)
            try:
                shop.buys()
            except Died:
                shop.restarts()
                if not shop.purchases():  # Death before the intent was kept: nothing was begun.
                    shop.buys()
            shop.surely(shop.has_an_address)
            assert len(shop.surely(shop.purchases)) == 1, f"killed at step {step}"
            shop.stops()


def _whole_purchase(shop: Shop) -> None:
    for act in (shop.registers, shop.buys, shop.pays, shop.is_pro):
        act()


def _only_started(shop: Shop) -> None:
    shop.registers()
    shop.buys()


def _chosen(new_shop: Callable[[], Shop], story: Callable[[Shop], None]) -> list[int]:
    """All steps that an undisturbed run takes, or some of them."""
    shop = new_shop()
    with _mortal(shop, 0):
        story(shop)
    steps = shop.steps()
    assert steps > 10
    shop.stops()
    if WHOLE:
        return list(range(1, steps + 1))
    return random.Random(datetime.now(UTC).date().isoformat()).sample(range(1, steps), SAMPLES)


@contextmanager
def _mortal(shop: Shop, step: int) -> Iterator[None]:
    shop.starts(mortal_at=step)
    (shop.data / "armed").touch()
    yield


def _holds(shop: Shop, step: int) -> None:
    told = f"killed at step {step}"
    [purchase] = shop.surely(shop.purchases)
    assert purchase["status"] == "paid", told
    me = shop.surely(shop.me)
    assert [one["amount_minor"] for one in me["wallet"]["balances"]] == [0], told
    made = [
        call
        for call in shop.double.get("yookassa/calls").json()["items"]
        if call["method"] == "POST" and call["path"].endswith("/payments")
    ]
    assert len({call["key"] for call in made}) == 1, told
    shop.stops()
    assert asyncio.run(_findings(shop.database_url)) == [], told
    assert asyncio.run(_periods(shop.database_url)) == 1, told


async def _findings(url: str) -> list[str]:
    store = open_store(url, consequences=lambda _: (), data_key=_KEY)
    try:
        return list(await check_books(store))
    finally:
        await store.close()


async def _periods(url: str) -> int:
    """How many periods the customer was given in all."""
    store = open_store(url, consequences=lambda _: (), data_key=_KEY)
    try:
        async with store.read() as view:
            from core.domain.customer import identity  # noqa: PLC0415

            customer = await view.customers.get(identity("external:anna"))
            subscription = await view.subscriptions.get(customer.id)
    finally:
        await store.close()
    assert subscription.period is not None
    return subscription.period.count


_KEY = DataKey([DEVELOPMENT_DATA_KEY])


def _new_database(admin_url: str, name: str) -> str:
    name = name.replace("-", "_")
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {name}")
    return make_url(admin_url).set(database=name).render_as_string(hide_password=False)


def _held_port() -> socket.socket:
    """
    A free port of this machine, bound here and never listened on: so long the system gives it to
    nobody, while a server that asks for it by its number may listen on it, again and again.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


def _until_answered(client: httpx.Client) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            client.get("")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the double did not start")
