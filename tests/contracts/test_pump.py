"""The job pump on every store: retries with patience, gives up aloud, loses nothing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import structlog
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from adapters.jobs.pump import SWEEP, TRIES_MAX, TRIES_MAX_UNAVAILABLE, Ended, Ending, Pump
from core.domain.case import CaseKind
from core.domain.cause import StoreBusy
from core.domain.errors import Conflict, Unavailable
from core.domain.event import Job
from core.ports.unit_of_work import HeldElsewhere, Store, UnitOfWork
from tests.builders import NOON, Clock, a_job
from tests.contracts.units import seen, written


@dataclass(eq=False)
class GatewayDown(Unavailable):
    """The gateway does not answer."""


@dataclass(eq=False)
class AlreadyOver(Conflict):
    """It has ended."""


class Kitchen:
    """Does jobs named `cook`; `fails` says with what the next attempts end."""

    def __init__(self, store: Store, now: Clock, **options: object) -> None:
        self.now = now
        self.cooked: list[str] = []
        self.fails: list[Exception] = []
        self.told: list[str] = []
        self.ended: list[Ended] = []
        self.at_table = 0
        self.guests = asyncio.Event()
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        self.pump = Pump(
            store,
            {"cook": self.cook, "serve": self.serve},
            now,
            poll_every=0.01,
            on_error=lambda error: self.told.append(type(error).__name__),
            on_ended=self.ended.append,
            **options,
        )

    async def cook(self, payload: Mapping[str, str]) -> None:
        if self.meanwhile is not None:
            await self.meanwhile()
        if self.fails:
            raise self.fails.pop(0)
        self.cooked.append(payload["dish"])

    async def serve(self, _: Mapping[str, str]) -> None:
        """Waits for a guest, who does not come."""
        self.at_table += 1
        await self.guests.wait()

    @asynccontextmanager
    async def open(self):
        stop = asyncio.Event()
        running = asyncio.create_task(self.pump.run(stop))
        yield
        stop.set()
        await running

    async def has_cooked(self, *dishes: str) -> None:
        async with asyncio.timeout(20):
            while sorted(self.cooked) != sorted(dishes):
                await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    quiet = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    with capture_logs(processors=[merge_contextvars]) as entries:
        yield entries
    structlog.configure(wrapper_class=quiet)


@pytest.fixture
def kitchen(shop: Store, now: Clock) -> Kitchen:
    return Kitchen(shop, now)


def cook(dish: str, **fields: object) -> Job:
    return a_job("cook", payload={"dish": dish}, **{"dedupe": None} | fields)


async def order(store: Store, *dishes: str) -> None:
    async with store.write() as uow:
        for dish in dishes:
            await uow.jobs.enqueue(cook(dish))
        await uow.commit()


async def parked(store: Store) -> list[str]:
    found = await seen(store, lambda view: view.jobs.parked(limit=9))
    return [error for _, error in found]


async def waiting(store: Store) -> int:
    return await seen(store, lambda view: view.jobs.waiting())


async def test_what_is_due_is_done_once(shop, kitchen):
    await order(shop, "soup", "fish")

    tried = [await kitchen.pump.drain(), await kitchen.pump.drain()]

    assert tried == [2, 0]
    assert sorted(kitchen.cooked) == ["fish", "soup"]
    assert await written(shop, lambda uow: uow.jobs.release()) == 0
    assert await waiting(shop) == 0


async def test_more_jobs_than_hands_are_all_done_a_few_at_a_time(shop, now):
    kitchen = Kitchen(shop, now, concurrency=2)
    at_hand, most = [], []

    async def simmer() -> None:
        at_hand.append(1)
        most.append(len(at_hand))
        await asyncio.sleep(0.002)
        at_hand.pop()

    kitchen.meanwhile = simmer
    await order(shop, *"abcde")

    assert await kitchen.pump.drain() == 5
    assert sorted(kitchen.cooked) == list("abcde")
    assert max(most) == 2


async def test_what_waits_aside_holds_nobody_else_up(shop, now):
    kitchen = Kitchen(shop, now, concurrency=2, aside={"serve"})
    for number in range(9):
        await written(shop, lambda uow, to=number: uow.jobs.enqueue(a_job("serve", dedupe=str(to))))
    await order(shop, *"abc")

    async with kitchen.open():
        await kitchen.has_cooked(*"abc")
        assert kitchen.at_table == 2
        kitchen.guests.set()

    async with kitchen.open():
        async with asyncio.timeout(20):
            while await waiting(shop):
                await asyncio.sleep(0.005)
    assert kitchen.at_table == 9


async def test_what_a_job_enqueues_is_drained_with_it(shop, kitchen):
    async def ask_for_more() -> None:
        kitchen.meanwhile = None
        await order(shop, "dessert")

    kitchen.meanwhile = ask_for_more
    await order(shop, "soup")

    assert await kitchen.pump.drain() == 2
    assert sorted(kitchen.cooked) == ["dessert", "soup"]


async def test_a_failed_job_is_tried_again_each_time_after_twice_the_wait(shop, kitchen, now):
    kitchen.fails = [RuntimeError("salt"), AlreadyOver(), GatewayDown()]
    await order(shop, "soup")

    tries = []
    for second in range(8):
        tries += [second] * await kitchen.pump.drain()
        now.advance(seconds=1)

    assert tries == [0, 1, 3, 7]
    assert kitchen.cooked == ["soup"]
    assert kitchen.told == ["RuntimeError", "AlreadyOver", "GatewayDown"]


@pytest.mark.parametrize(
    ("error", "tries_max", "kept"),
    [
        (RuntimeError("soup of anna@example.com"), TRIES_MAX, "RuntimeError"),
        (AlreadyOver(), TRIES_MAX, "already_over()"),
        (GatewayDown(), TRIES_MAX_UNAVAILABLE, "gateway_down()"),
    ],
    ids=["unexpected", "refused", "unavailable"],
)
async def test_a_job_that_keeps_failing_is_parked_and_told(
    shop, kitchen, now, logged, error, tries_max, kept
):
    kitchen.fails = [error] * 100
    await order(shop, "soup")

    tries = 0
    while await waiting(shop):
        tries += await kitchen.pump.drain()
        now.advance(hours=1)

    assert tries == tries_max
    assert await parked(shop) == [kept]
    alarms = [it["event"] for it in logged if it["log_level"] in {"warning", "error"}]
    assert alarms == ["job failed"] * tries_max + ["job parked"]
    (case,) = await seen(shop, lambda view: view.open_cases(limit=9))
    assert (case.kind, case.facts) == (
        CaseKind.POISON,
        {"job": "cook", "dish": "soup", "error": kept},
    )


async def test_what_is_enqueued_again_and_fails_again_is_one_case(shop, kitchen, now):
    kitchen.fails = [RuntimeError("salt")] * 100

    for _ in range(3):
        await written(shop, lambda uow: uow.jobs.enqueue(cook("soup", dedupe="soup")))
        while await waiting(shop):
            await kitchen.pump.drain()
            now.advance(minutes=1)

    assert len(await parked(shop)) == 1
    assert len(await seen(shop, lambda view: view.open_cases(limit=9))) == 1


async def test_a_job_asked_for_anew_has_all_its_tries_again(shop, kitchen, now):
    kitchen.fails = [RuntimeError("salt")] * (2 * TRIES_MAX - 2)

    for _ in range(TRIES_MAX - 1):
        await written(shop, lambda uow: uow.jobs.enqueue(cook("soup", dedupe="soup")))
        await kitchen.pump.drain()
    while await waiting(shop):
        now.advance(minutes=1)
        await written(shop, lambda uow: uow.jobs.enqueue(cook("soup", dedupe="soup")))
        await kitchen.pump.drain()

    assert kitchen.cooked == ["soup"]
    assert await parked(shop) == []


async def test_what_is_down_for_most_of_a_day_is_waited_for(shop, kitchen, now):
    kitchen.fails = [GatewayDown()] * (TRIES_MAX_UNAVAILABLE - 1)
    await order(shop, "soup")

    while not kitchen.cooked:
        await kitchen.pump.drain()
        now.advance(minutes=20)

    assert timedelta(hours=34) < now() - NOON < timedelta(hours=42)


async def test_a_job_that_nobody_knows_is_parked_at_once(shop, kitchen):
    await written(shop, lambda uow: uow.jobs.enqueue(a_job("bake")))

    assert await kitchen.pump.drain() == 1
    assert await parked(shop) == ["LookupError"]


async def test_one_bad_job_does_not_hold_up_the_others(shop, kitchen):
    kitchen.fails = [RuntimeError("salt")]
    await order(shop, "soup", "fish", "dessert")

    await kitchen.pump.drain()

    assert len(kitchen.cooked) == 2


async def test_a_running_pump_does_what_comes_up(shop, kitchen):
    async with kitchen.open():
        await order(shop, "soup")
        kitchen.pump.wake()
        await kitchen.has_cooked("soup")
        await order(shop, "fish")
        await kitchen.has_cooked("soup", "fish")

    assert await waiting(shop) == 0


async def test_a_pump_told_to_stop_ends_the_job_at_hand(shop, kitchen):
    begun = asyncio.Event()

    async def simmer() -> None:
        begun.set()
        await asyncio.sleep(0.03)

    kitchen.meanwhile = simmer
    await order(shop, "soup")

    async with kitchen.open():
        await begun.wait()

    assert kitchen.cooked == ["soup"]
    assert await written(shop, lambda uow: uow.jobs.release()) == 0


async def test_what_a_dead_pump_had_begun_is_done_by_the_next(shop, kitchen, now):
    begun = asyncio.Event()

    async def hang() -> None:
        begun.set()
        await asyncio.Event().wait()

    kitchen.meanwhile = hang
    await order(shop, "soup")
    dying = asyncio.create_task(kitchen.pump.run(asyncio.Event()))
    await begun.wait()
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying

    following = Kitchen(shop, now)
    async with following.open():
        await following.has_cooked("soup")

    assert kitchen.cooked == []


async def test_a_second_pump_is_refused(shop, kitchen, now):
    async with kitchen.open():
        await order(shop, "soup")
        await kitchen.has_cooked("soup")
        with pytest.raises(HeldElsewhere):
            await Kitchen(shop, now).pump.run(asyncio.Event())


async def test_sweeps_go_round_and_their_failures_are_told(shop, now):
    rounds = []

    async def sweep() -> int:
        rounds.append(1)
        if len(rounds) == 1:
            raise StoreBusy
        if len(rounds) == 2:
            await order(shop, "soup")
        return 1

    kitchen = Kitchen(shop, now, sweep=sweep, sweep_every=0.001)
    async with kitchen.open():
        await kitchen.has_cooked("soup")

    assert kitchen.told == ["StoreBusy"]


class FlakyStore:
    """A store whose commits fail sometimes, before or after they count."""

    def __init__(self, store: Store, fails: list[str]) -> None:
        self._store = store
        self._fails = fails
        self.exclusive = store.exclusive

    @asynccontextmanager
    async def write(self):
        async with self._store.write() as uow:
            yield FlakyUnit(uow, self._fails)


class FlakyUnit:
    def __init__(self, uow: UnitOfWork, fails: list[str]) -> None:
        self._uow = uow
        self._fails = fails
        self.jobs = uow.jobs

    async def commit(self) -> None:
        how = self._fails.pop(0) if self._fails else "well"
        if how != "before":
            await self._uow.commit()
        if how != "well":
            raise StoreBusy


@pytest.mark.parametrize("how", ["before", "after"])
@pytest.mark.parametrize("which", [0, 1], ids=["claim", "done"])
async def test_a_store_that_fails_is_waited_for_and_no_job_is_lost(shop, now, how, which):
    flaky = FlakyStore(shop, ["well"] * which + [how])
    kitchen = Kitchen(flaky, now)
    await order(shop, "soup")

    await kitchen.pump.drain()

    assert set(kitchen.cooked) == {"soup"}
    assert kitchen.told == ["StoreBusy"]
    assert await waiting(shop) == 0
    assert await written(shop, lambda uow: uow.jobs.release()) == 0


async def test_every_try_and_every_round_is_told_from_start_to_end(shop, now, logged):
    async def sweep() -> int:
        stop.set()
        return 1

    stop = asyncio.Event()
    kitchen = Kitchen(shop, now, sweep=sweep)
    kitchen.fails = [GatewayDown()]
    await order(shop, "fish")
    await kitchen.pump.drain()
    now.advance(seconds=1)
    await kitchen.pump.drain()
    await kitchen.pump.run(stop)

    told = [(it["run"], it["event"], it.get("ending")) for it in logged]
    number = told[0][0].partition(".")[0]
    assert told == [
        (f"{number}.1", "job started", None),
        (f"{number}.1", "job failed", None),
        (f"{number}.1", "job ended", Ending.AGAIN),
        (f"{number}.2", "job started", None),
        (f"{number}.2", "job ended", Ending.DONE),
        ("sweep 1", "round started", None),
        ("sweep 1", "round ended", None),
    ]
    assert [(it.name, it.ending) for it in kitchen.ended] == [
        ("cook", Ending.AGAIN),
        ("cook", Ending.DONE),
        (SWEEP, Ending.DONE),
    ]
    assert all(it.seconds >= 0 for it in kitchen.ended)
