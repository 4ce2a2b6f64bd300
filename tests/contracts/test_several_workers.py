"""
Several workers on one store, as a fleet has them: each job is for one of them, what a dead one had
begun is taken up by another, and one that was taken for dead changes nothing any more.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters.jobs.pump import Pump
from core.domain.event import Job
from core.ports.unit_of_work import HeldElsewhere, Store
from tests.builders import NOON, a_job
from tests.contracts.units import let_others_go_on, seen, written

RESCUED_WITHIN_SECONDS = 3
"""Here they look for dead ones ten times a second; a real one every five seconds."""


@pytest.fixture(autouse=True)
def logged():
    with capture_logs() as entries:
        yield entries


class Workshop:
    """Where workers do jobs named `carve`, each of which takes as long as `pace` says."""

    def __init__(self, store: Store, now) -> None:
        self.store = store
        self.now = now
        self.carved: list[tuple[str, str]] = []
        self.begun: list[str] = []
        self.pace = let_others_go_on

    def worker(self, name: str, **options) -> Pump:
        async def carve(payload: Mapping[str, str]) -> None:
            self.begun.append(name)
            await self.pace()
            self.carved.append((name, payload["piece"]))

        return Pump(
            self.store,
            {"carve": carve},
            self.now,
            name=name,
            poll_every=0.01,
            rescue_every=0.1,
            **options,
        )

    @asynccontextmanager
    async def at_work(self, *names: str, **options):
        stop = asyncio.Event()
        running = [asyncio.create_task(self.worker(name, **options).run(stop)) for name in names]
        yield
        stop.set()
        await asyncio.gather(*running)

    async def order(self, *pieces: str) -> None:
        async with self.store.write() as uow:
            for piece in pieces:
                await uow.jobs.enqueue(carving(piece))
            await uow.commit()

    async def is_done(self) -> None:
        async with asyncio.timeout(20):
            while await seen(self.store, jobs_left):
                await asyncio.sleep(0.01)


async def jobs_left(view) -> bool:
    # A job may be taken or released between two looks; one that is twice in no look is done.
    taken, waiting = await view.jobs.takers(), await view.jobs.waiting()
    return bool(taken or waiting or await view.jobs.takers())


@pytest.fixture
def workshop(shop, now) -> Workshop:
    return Workshop(shop, now)


def carving(piece: str) -> Job:
    return a_job("carve", payload={"piece": piece}, dedupe=None)


async def test_two_workers_share_the_jobs_and_do_each_once(workshop):
    pieces = [str(number) for number in range(40)]
    await workshop.order(*pieces)

    async with workshop.at_work("worker a", "worker b", concurrency=2):
        await workshop.is_done()

    assert Counter(piece for _, piece in workshop.carved) == Counter(pieces)
    assert {name for name, _ in workshop.carved} == {"worker a", "worker b"}


async def test_what_a_dead_worker_had_begun_another_does_and_leaves_the_living_theirs(
    workshop, logged
):
    async def for_ever() -> None:
        await asyncio.Event().wait()

    workshop.pace = for_ever
    await workshop.order("spoon")
    dying = asyncio.create_task(workshop.worker("worker a", concurrency=1).run(asyncio.Event()))
    async with asyncio.timeout(10):
        while not workshop.begun:
            await asyncio.sleep(0.01)

    workshop.pace = let_others_go_on
    async with workshop.at_work("worker b"):
        await workshop.order("fork")
        async with asyncio.timeout(10):
            while not workshop.carved:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.25)  # It has looked twice, and the other lives.
        assert workshop.carved == [("worker b", "fork")]

        dying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dying
        await workshop.is_done()

    assert workshop.carved == [("worker b", "fork"), ("worker b", "spoon")]
    assert [it["worker"] for it in logged] == ["worker a"]


async def test_two_workers_of_one_name_are_one_too_many(workshop):
    async with workshop.at_work("worker a"):
        await workshop.order("spoon")
        await workshop.is_done()
        with pytest.raises(HeldElsewhere):
            await workshop.worker("worker a").run(asyncio.Event())


async def test_a_worker_told_to_stop_ends_what_it_began_and_leaves_the_rest(workshop):
    await workshop.order(*"abcdef")
    begun = asyncio.Event()

    async def simmer() -> None:
        begun.set()
        await asyncio.sleep(0.05)

    workshop.pace = simmer
    async with workshop.at_work("worker a", concurrency=2):
        await begun.wait()

    assert sorted(piece for _, piece in workshop.carved) == ["a", "b"]
    assert await seen(workshop.store, lambda view: view.jobs.takers()) == set()
    assert await seen(workshop.store, lambda view: view.jobs.waiting()) == 4


@pytest.mark.parametrize("again_by", ["worker b", "worker a"])
@pytest.mark.parametrize("how", ["done", "retry", "park"])
async def test_whoever_was_taken_for_dead_ends_nothing_of_the_others(shop, how, again_by):
    await written(shop, lambda uow: uow.jobs.enqueue(a_job()))
    (late,) = await written(shop, lambda uow: uow.jobs.claim(NOON, limit=1, by="worker a"))
    assert await written(shop, lambda uow: uow.jobs.release("worker b")) == 0
    assert await written(shop, lambda uow: uow.jobs.release("worker a")) == 1
    (taken,) = await written(shop, lambda uow: uow.jobs.claim(NOON, limit=1, by=again_by))

    if how == "done":
        await written(shop, lambda uow: uow.jobs.done(late))
    elif how == "retry":
        later = NOON + timedelta(hours=1)
        await written(shop, lambda uow: uow.jobs.retry(late, at=later, error="late"))
    else:
        assert not await written(shop, lambda uow: uow.jobs.park(late, error="late"))

    assert await seen(shop, lambda view: view.jobs.takers()) == {again_by}
    assert await written(shop, lambda uow: uow.jobs.park(taken, error="in time"))
    assert await seen(shop, lambda view: view.jobs.parked(limit=9)) == [(taken, "in time")]


WORKER = """
import asyncio, logging, structlog, sys
from datetime import timedelta
from adapters.jobs.pump import Pump
from adapters.persistence.sql.data_key import DataKey
from adapters.persistence.sql.store import open_store
from tests.builders import NOON

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))

async def carve(_):
    print("begun", flush=True)
    await asyncio.Event().wait()

async def work(url):
    key = DataKey(["ZRkjn8v2I8CqhZpfHoab3etpe4W56VgEC7XcxSbsXRI="])
    store = open_store(url, consequences=lambda event: [], data_key=key)
    await Pump(store, {"carve": carve}, lambda: NOON, name="worker a").run(asyncio.Event())

asyncio.run(work(sys.argv[1]))
"""


@pytest.mark.parametrize(
    "store", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
async def test_what_a_worker_had_begun_when_it_was_killed_another_does_soon(workshop, request):
    url = request.getfixturevalue(f"{request.node.callspec.params['store']}_url")
    await workshop.order("spoon")
    killed = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WORKER,
        url,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert killed.stdout is not None
    assert await killed.stdout.readline() == b"begun\n"

    async with workshop.at_work("worker b"):
        await asyncio.sleep(0.25)
        assert workshop.carved == []

        killed.kill()
        at = time.monotonic()
        await workshop.is_done()
        assert time.monotonic() - at < RESCUED_WITHIN_SECONDS
        await killed.wait()

    assert workshop.carved == [("worker b", "spoon")]
