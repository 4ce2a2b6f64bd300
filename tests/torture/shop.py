"""An application that is mortal, its database, and a double of the gateways that outlives it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import SO_REUSEADDR, SOL_SOCKET, socket
from typing import Any, TypeVar

import httpx
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from adapters.persistence.sql.books import check_books
from adapters.persistence.sql.data_key import DataKey
from adapters.persistence.sql.store import SqlStore, open_store
from core.domain.cause import StoreBusy
from entrypoints.settings import DEVELOPMENT_DATA_KEY
from sandbox.app import DEMO, DEMO_SECRET, DEMO_SHOP_ID
from tests.torture.mortal import replace

KEY = "bh_torture"
PATIENCE_SECONDS = 120
DEAD_FOR = timedelta(seconds=61)

Told = TypeVar("Told")
Act = Callable[["Shop"], object]


class Died(Exception):
    """The process is gone, as planned."""


class Shop:
    """
    Each run of a story kills the application once; the shop and its books go on, so that what was
    done in all the runs before is still there to be spoiled.
    """

    def __init__(
        self, folder: Path, database_url: str, catalog: str, roles: tuple[str, ...] = ("run",)
    ) -> None:
        """`roles` are the processes that it is run by: see `mortal`."""
        self.data = folder
        self.roles = roles
        self.database_url = database_url
        self.catalog = catalog
        self.held = [_held_port(), _held_port()]
        self.ports = [one.getsockname()[1] for one in self.held]
        self.url = f"http://127.0.0.1:{self.ports[0]}"
        self.client = httpx.Client(
            base_url=f"{self.url}/api/v1/billing/",
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=10,
        )
        self.double = httpx.Client(base_url=f"http://127.0.0.1:{self.ports[1]}/sandbox/")
        self.double_process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "--port", str(self.ports[1]),
             "--webhooks-url", f"{self.client.base_url}webhooks"]
        )  # fmt: skip
        self.processes: list[subprocess.Popen[bytes]] = []
        self.runs = 0
        self.customer = "external:nobody"

    def environment(self) -> dict[str, str]:
        double = f"{self.double.base_url}"
        settings = {
            "DATABASE_URL": self.database_url,
            "DATA_DIR": str(self.data),
            "PORT": str(self.ports[0]),
            "CATALOG": self.catalog,
            "GATEWAYS": "yookassa,paymongo,xendit",
            "DEV_API_KEY": KEY,
            "YOOKASSA_SHOP_ID_TEST": DEMO_SHOP_ID,
            "YOOKASSA_SECRET_KEY_TEST": DEMO_SECRET,
            "YOOKASSA_RECURRING": "true",
            "YOOKASSA_API_URL": f"{double}yookassa/v3",
            "YOOKASSA_NETWORKS": "127.0.0.0/8",
            "PAYMONGO_SECRET_KEY_TEST": DEMO["paymongo"][0],
            "PAYMONGO_WEBHOOK_SECRET_TEST": DEMO["paymongo"][1],
            "PAYMONGO_WALLET_NUMBER": "1" * 12,
            "PAYMONGO_WALLET_NAME": "SANDBOX",
            "PAYMONGO_API_URL": f"{double}paymongo",
            "XENDIT_SECRET_KEY_TEST": DEMO["xendit"][0],
            "XENDIT_CALLBACK_TOKEN_TEST": DEMO["xendit"][1],
            "XENDIT_API_URL": f"{double}xendit",
            "WEBHOOK_URL": "",  # Each job more is a step more to die at.
            "LOG_LEVEL": "error",
        }
        return os.environ | {f"BILLHOOK_{name}": value for name, value in settings.items()}

    def opens(self) -> None:
        self.starts()
        self.until(lambda: self.double.get("").is_success)

    def starts(self) -> None:
        self.processes = []
        for role in self.roles:
            command = [sys.executable, "-m", "tests.torture.mortal", role]
            one = subprocess.Popen(command, env=self.environment(), stdout=subprocess.DEVNULL)
            self.processes.append(one)
        self.until(self._is_ready)

    def _is_ready(self) -> bool:
        return self.client.get(f"{self.url}/health/ready", timeout=2).is_success

    def restarts(self) -> None:
        """
        A minute after the death, which is that of all: leases of the dead are over, the first look
        at a checkout is due.
        """
        for one in self.processes:
            one.kill()
            assert one.wait(10) == -signal.SIGKILL
        self._disarm()
        clock = self.data / "sandbox" / "clock.json"
        offset = json.loads(clock.read_text())["offset_seconds"] if clock.exists() else 0
        offset += DEAD_FOR.total_seconds()
        clock.parent.mkdir(exist_ok=True)
        clock.write_text(json.dumps({"offset_seconds": offset}))
        self._passes(self.double.base_url, DEAD_FOR)
        self.starts()
        present = datetime.fromisoformat(self.status()["time"])
        ahead = present - datetime.now(UTC) - timedelta(seconds=offset)
        assert abs(ahead) < timedelta(seconds=30), "it follows another clock"

    def time_passes(self, time: timedelta) -> None:
        for place in (self.double.base_url, f"{self.url}/sandbox/"):
            self._passes(place, time)

    def closes(self) -> None:
        for one in self.processes:
            one.terminate()
            one.wait(20)
        self.client.close()
        self.double.close()
        self.double_process.terminate()
        self.double_process.wait(20)
        for port in self.held:
            port.close()

    def steps_of(self, *story: Act) -> list[int]:
        """All that an undisturbed run takes."""
        with self.run():
            for act in story:
                act(self)
        steps = int((self.data / "steps").read_text())
        assert steps > 10
        return list(range(1, steps + 1))

    @contextmanager
    def run(self, mortal_at: int = 0, victim: str = "process") -> Iterator[None]:
        """
        What is done meanwhile takes steps; at one of them the application dies, if it gets so far,
        or the `database`.
        """
        self.runs += 1
        replace(self.data / "armed", f"{self.runs} {mortal_at} {victim}")
        try:
            yield
        except BaseException as error:
            error.add_note(f"killed at step {mortal_at}")
            raise
        finally:
            self._disarm()

    def _disarm(self) -> None:
        (self.data / "armed").unlink(missing_ok=True)

    # What a client does.

    def surely(self, act: Callable[["Shop"], Told]) -> Told:
        """Do it, again after a death, as an honest client does."""
        try:
            return act(self)
        except Died:
            self.restarts()
            return act(self)

    def until(self, claim: Callable[[], bool], told: Callable[[], object] = str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                if claim():
                    return
            except httpx.TransportError:
                pass
            if any(one.poll() is not None for one in self.processes):
                raise Died
            time.sleep(0.05)
        raise AssertionError(f"it did not happen in time: {told()}")

    def told(self, path: str) -> Any:
        """The JSON at this path of the customer's, as soon as there is an answer."""
        return self._answered("GET", path)

    def does(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        """What is answered to the request, repeated under the same key until it succeeds."""
        headers = {"Idempotency-Key": f"{method}-{self.mine(path)}-{self.runs}"}
        return self._answered(method, path, json=body, headers=headers)

    def _answered(self, method: str, path: str, **request: Any) -> Any:
        answers: list[httpx.Response] = []

        def is_taken() -> bool:
            answers.append(self.client.request(method, self.mine(path), **request))
            assert answers[-1].status_code not in {400, 401, 403, 422}, answers[-1].text
            return answers[-1].is_success

        self.until(is_taken, lambda: [one.text for one in answers[-1:]])
        return answers[-1].json()

    def mine(self, path: str) -> str:
        return f"customers/{self.customer}/{path}"

    def status(self) -> Any:
        answers: list[httpx.Response] = []

        def is_told() -> bool:
            answers.append(httpx.get(f"{self.url}/health/status", timeout=10))
            return answers[-1].is_success

        self.until(is_told, lambda: [one.text for one in answers[-1:]])
        return answers[-1].json()

    def welcomes(self, name: str) -> None:
        """Somebody new, who does all that is done from now on, and is not registered yet."""
        self.customer = f"external:{name}-{self.runs}"

    def registers(self) -> None:
        self.does("PUT", "", {})

    def purchases(self) -> list[dict[str, Any]]:
        return self.told("purchases/")["items"]

    def wallet(self) -> dict[str, list[int]]:
        """The sums in minor units, by what they are; of a catalog with one currency."""
        return {
            kind: [one["amount_minor"] for one in sums]
            for kind, sums in self.told("wallet/").items()
        }

    def keys_sent(self, gateway: str, path: str) -> list[str]:
        """The keys of all calls that ask the gateway to make something, the oldest first."""
        calls = self.double.get(f"{gateway}/calls").raise_for_status().json()["items"]
        made = [one for one in calls if one["method"] == "POST" and one["path"].endswith(path)]
        return [one["key"] for one in made]

    def rests(self) -> None:
        """
        All that was begun has come to an end, nothing waits for a person, and the books hold. Nobody
        dies any more: whoever looks now at what came of it is answered.
        """
        left: list[str] = []

        def is_at_rest() -> bool:
            try:
                left[:] = asyncio.run(_left(self.database_url))
            except (StoreBusy, OperationalError) as error:  # The database has just died.
                left[:] = [repr(error)]
            return not left

        self.until(is_at_rest, lambda: left)
        self._disarm()
        self.until(self._is_ready)

    def _passes(self, sandbox: object, time: timedelta) -> None:
        moved = httpx.post(f"{sandbox}clock/advance", json={"seconds": time.total_seconds()})
        moved.raise_for_status()


_LEFT = text("""
    SELECT 'job ' || name || ', ' || state AS found FROM job
    UNION ALL SELECT 'notice ' || id || ', ' || status FROM inbox WHERE status <> 'done'
    UNION ALL SELECT cause FROM billing_case WHERE closed_at IS NULL
    UNION ALL SELECT 'withdrawal ' || id FROM withdrawal WHERE status IN ('requested', 'sent')
    UNION ALL SELECT 'checkout ' || id || ', ' || status FROM checkout WHERE status = 'asked'
""")


async def _left(url: str) -> list[str]:
    async with books(url) as store, store.snapshot() as statements:
        waiting = [str(row["found"]) for row in await statements.all(_LEFT)]
        return [*waiting, *await check_books(store)]


@asynccontextmanager
async def books(url: str) -> AsyncIterator[SqlStore]:
    """To look at."""
    key = DataKey([DEVELOPMENT_DATA_KEY])
    store = open_store(url, consequences=lambda _: (), data_key=key)
    try:
        yield store
    finally:
        await store.close()


def _held_port() -> socket:
    """
    A free port of this machine, bound here and never listened on: so long the system gives it to
    nobody, while a server that asks for it by its number may listen on it, again and again.
    """
    held = socket()
    held.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held
