"""Worker processes of a measurement. `python -m bench.workers KIND URL NAME NOW` is one of them."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from dependency_injector import providers

from adapters.gateways.memory import MemoryGateway
from adapters.jobs.pump import Pump
from adapters.jobs.work import ASIDE, work_of
from adapters.memory_notifier import MemoryNotifier, MemoryWebhooks
from adapters.persistence.sql.store import SqlStore
from adapters.provisioning.memory import NoProvisioner
from bench.counting import counted
from bench.databases import a_store
from core.ports.payment_gateway import Gateways
from core.ports.unit_of_work import Now
from core.use_cases.billing import Billing
from entrypoints.container import Container
from entrypoints.logs import configure_logs

NOTHING: Final = "nothing"
"""The name of jobs that do nothing, and of the kind of worker that does them."""

RENEWALS: Final = "renewals"
LOOK_SECONDS: Final = 0.05
PAGE_MEBIBYTES: Final = os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True)
class Worked:
    """What one worker did, and its memory (RSS, MiB) when it began, at most, and at the end."""

    statements: int
    began_with: float
    at_most: float
    ended_with: float


async def work_off(
    url: str, kind: str, workers: int, now: datetime, is_done: Callable[[], Awaitable[bool]]
) -> tuple[float, list[Worked]]:
    """Have so many processes work until all is done; the seconds that took them."""
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.workers", kind, url, f"worker {number}"),
            now.isoformat(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for number in range(workers)
    ]
    for process in processes:
        assert process.stdout is not None
        await process.stdout.readline()
    started = time.perf_counter()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
    while not await is_done():  # noqa: ASYNC110 - It is asked of the database.
        await asyncio.sleep(LOOK_SECONDS)
    seconds = time.perf_counter() - started
    told = [(await process.communicate(b"stop\n"))[0].decode() for process in processes]
    for one in told:
        sys.stderr.write(one[: one.rindex("{")])  # What it logged.
    return seconds, [Worked(**json.loads(one[one.rindex("{") :])) for one in told]


def billing_on(store: SqlStore, now: Now) -> Billing:
    return Container(
        store=providers.Object(store),
        gateways=Gateways(MemoryGateway("yookassa", now=now)),
        notifier=providers.Object(MemoryNotifier()),
        provisioner=providers.Object(NoProvisioner()),
        webhooks=providers.Object(MemoryWebhooks()),
        now=providers.Object(now),
    ).billing()


async def _work(kind: str, url: str, name: str, began: datetime) -> Worked:
    at = time.monotonic()
    stop = asyncio.Event()
    memory: list[float] = []

    def now() -> datetime:
        return began + timedelta(seconds=time.monotonic() - at)

    async def nothing(_: Mapping[str, str]) -> None: ...

    async def watch() -> None:
        while not stop.is_set():
            memory.append(_resident())
            await asyncio.sleep(0.2)

    async with a_store(url) as store:
        await store.revision()
        if kind == NOTHING:
            pump = Pump(store, {NOTHING: nothing}, now, name=name)
        else:
            billing = billing_on(store, now)
            pump = Pump(
                store, work_of(billing), now, aside=ASIDE, name=name, sweep=billing.sweep, sweep_every=1
            )  # fmt: skip
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        watching = asyncio.create_task(watch())
        with counted() as said:
            working = asyncio.create_task(pump.run(stop))
            await asyncio.to_thread(sys.stdin.readline)
            stop.set()
            await working
        await watching
    return Worked(said.verbs.total(), memory[0], max(memory), _resident())


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_MEBIBYTES


if __name__ == "__main__":
    _kind, _url, _name, _now = sys.argv[1:]
    configure_logs("warning", for_people=True)  # What it prints is read by who began it.
    print(json.dumps(asdict(asyncio.run(_work(_kind, _url, _name, datetime.fromisoformat(_now))))))
