"""The job runner: takes due jobs from the store and runs each until it is done."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from itertools import count
from typing import Final, TypeVar

import structlog
from structlog.contextvars import bound_contextvars

from core.domain.case import Case, CaseKind
from core.domain.errors import BillingError, Unavailable
from core.domain.event import ALONE, ClaimedJob
from core.ports.unit_of_work import HeldElsewhere, Now, Store, UnitOfWork

FIRST_WAIT: Final = timedelta(seconds=1)
LAST_WAIT: Final = timedelta(hours=1)
FIRST_WAIT_FOR_STORE: Final = timedelta(milliseconds=50)
LAST_WAIT_FOR_STORE: Final = timedelta(seconds=30)
TRIES_MAX: Final = 5
TRIES_MAX_UNAVAILABLE: Final = 48
"""A day and a half: 1, 2, 4 … seconds, then every hour. Whoever is patient for a day ends first."""

Work = Mapping[str, Callable[[Mapping[str, str]], Awaitable[object]]]
"""What does a job of this name, given its payload."""

Answer = TypeVar("Answer")

SWEEP: Final = "sweep"
RESCUE: Final = "rescue"

log: Final = structlog.get_logger(__name__)


class Ending(StrEnum):
    """How one try of a job, or one round of the sweep or the rescue, ended."""

    DONE = "done"
    AGAIN = "again"  # It failed, and is tried again later.
    PARKED = "parked"  # It failed for the last time; there is a case.


@dataclass(frozen=True, slots=True)
class Ended:
    """`name` is the job's, SWEEP or RESCUE; `seconds` is how long it took, its end written down."""

    name: str
    ending: Ending
    seconds: float


class Pump:
    """
    Runs jobs, up to `concurrency` at a time, and as many more of those put `aside`: they wait for
    somebody whom the others must not wait for. A job that fails is tried again, each time after
    twice the wait: TRIES_MAX times, or for a day and a half where something outside was unavailable.
    Then it is parked, and a case tells a person.

    A job runs outside any unit and is marked done afterwards in a unit of its own, so one whose
    end was not written runs again: jobs converge.

    Its start and its end are told to the log; whatever is told between them carries the same
    `run`: the job's number and which try it is, or the number of the sweep's round here.

    Several pumps share a store, each under a name of its own that nobody else has while it runs:
    whoever has taken a job and is not there is dead, and the others take up what it had begun.
    """

    def __init__(
        self,
        store: Store,
        work: Work,
        now: Now,
        *,
        concurrency: int = 8,
        aside: Collection[str] = (),
        name: str = ALONE,
        sweep: Callable[[], Awaitable[int]] | None = None,
        sweep_every: float = 5.0,
        rescue_every: float = 5.0,
        poll_every: float = 0.25,
        on_error: Callable[[Exception], None] | None = None,
        on_ended: Callable[[Ended], None] | None = None,
    ) -> None:
        """
        `aside` are names of jobs. `name`: several pumps need one each; without, this one is alone.
        `sweep` finds work by time and says how much; all waits are in seconds. `on_error` is told
        of every failure that the log is told of, `on_ended` of every try and every round.
        """
        self._store = store
        self._work = work
        self._now = now
        self._concurrency = concurrency
        self._aside = aside
        self._name = name
        self._sweep = sweep
        self._sweep_every = sweep_every
        self._rescue_every = rescue_every
        self._poll_every = poll_every
        self._on_error = on_error
        self._on_ended = on_ended
        self._running = {False: 0, True: 0}  # By whether they are put aside.
        # Jobs may be taken under our name that nobody runs: left by a life before this one, or by
        # a lost answer to a commit.
        self._has_orphans = True
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There may be something to do: do not wait for the next poll."""
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """
        Work until told to stop, then end the jobs at hand. Canceled, it leaves them to the others,
        or to the next start. A failing store is waited for.

        Raises:
            HeldElsewhere: another pump of this name runs on this store.
        """
        async with self._store.exclusive(self._name):
            self._has_orphans = True
            async with asyncio.TaskGroup() as tasks:
                if self._sweep is not None:
                    every = self._sweep_every
                    tasks.create_task(self._keep(SWEEP, self._sweep, every, stop))
                if self._name != ALONE:
                    every = self._rescue_every
                    tasks.create_task(self._keep(RESCUE, self.rescue, every, stop))
                while not stop.is_set():
                    self._woken.clear()
                    if not await self._start_due(tasks):
                        await _first_of(self._woken, self._poll_every)

    async def drain(self) -> int:
        """Work until nothing is due; how many times a job was tried. For whoever runs alone."""
        tried = 0
        while True:
            async with asyncio.TaskGroup() as tasks:
                started = await self._start_due(tasks)
            if not started and not self._has_orphans:
                return tried
            tried += started

    async def rescue(self) -> int:
        """Have what dead pumps had taken wait again; how many jobs."""
        async with self._store.read() as view:
            others = await view.jobs.takers() - {self._name}
        rescued = 0
        for name in sorted(others):
            with suppress(HeldElsewhere):  # It lives.
                async with self._store.exclusive(name), self._store.write() as uow:
                    found = await uow.jobs.release(name)
                    await uow.commit()
                log.warning("a worker died; its jobs are taken up", worker=name, jobs=found)
                rescued += found
        return rescued

    async def _keep(
        self, what: str, find: Callable[[], Awaitable[int]], every: float, stop: asyncio.Event
    ) -> None:
        """Look for work, time and again."""
        for number in count(1):
            if stop.is_set():
                return
            with bound_contextvars(run=f"{what} {number}"):
                await self._find_once(what, find)
            await _first_of(stop, every)

    async def _find_once(self, what: str, find: Callable[[], Awaitable[int]]) -> None:
        began, ending, found = _elapsed(), Ending.DONE, 0
        log.debug("round started")
        try:
            found = await find()
        except Exception as error:  # noqa: BLE001  # It is told, and the next round comes.
            ending = Ending.AGAIN
            self._tell(f"{what} failed", error)
        if found:
            self.wake()
        seconds = _elapsed() - began
        # Every few seconds one finds nothing, and that is no news.
        say = log.info if found else log.debug
        say("round ended", found=found, seconds=round(seconds, 3))
        self._ended(Ended(what, ending, seconds))

    async def _start_due(self, tasks: asyncio.TaskGroup) -> int:
        """Begin as many due jobs as there is room for; how many."""
        if min(self._running.values()) == self._concurrency:
            return 0
        claimed = await self._surely(self._claim)
        for job in claimed:
            self._running[job.job.name in self._aside] += 1
            tasks.create_task(self._do(job))
        return len(claimed)

    async def _claim(self) -> list[ClaimedJob]:
        if any(self._running.values()) and self._has_orphans:
            return []
        async with self._store.write() as uow:
            released = await uow.jobs.release(self._name) if self._has_orphans else 0
            now, claimed, by = self._now(), [], self._name
            if free := self._concurrency - self._running[False]:
                claimed += await uow.jobs.claim(now, limit=free, by=by, but=self._aside)
            if self._aside and (free := self._concurrency - self._running[True]):
                claimed += await uow.jobs.claim(now, limit=free, by=by, only=self._aside)
            if claimed or released:
                self._has_orphans = True  # Until we know that the commit took place.
                await uow.commit()
        self._has_orphans = False
        return claimed

    async def _do(self, job: ClaimedJob) -> None:
        began, name = _elapsed(), job.job.name
        try:
            with bound_contextvars(run=f"{job.id}.{job.attempt}", job=name):
                log.debug("job started", payload=dict(job.job.payload))
                error = await self._try(job)
                ending = await self._surely(partial(self._write_down, job, error))
                seconds = _elapsed() - began
                log.info("job ended", ending=ending, seconds=round(seconds, 3))
            self._ended(Ended(name, ending, seconds))
        finally:
            self._running[name in self._aside] -= 1
            self.wake()

    def _ended(self, ended: Ended) -> None:
        if self._on_ended is not None:
            self._on_ended(ended)

    async def _try(self, job: ClaimedJob) -> Exception | None:
        """Why it failed; None where it did not."""
        try:
            await self._work.get(job.job.name, _nobody)(job.job.payload)
        except Exception as error:  # noqa: BLE001  # It is told, and decides what follows.
            self._tell("job failed", error)
            return error
        return None

    async def _write_down(self, job: ClaimedJob, error: Exception | None) -> Ending:
        async with self._store.write() as uow:
            if error is None:
                ending = Ending.DONE
                await uow.jobs.done(job)
            elif job.attempt < self._tries_max(job, error):
                wait = min(FIRST_WAIT * 2 ** (job.attempt - 1), LAST_WAIT)
                wait = max(wait, _asked_for(error))
                ending = Ending.AGAIN
                await uow.jobs.retry(job, at=self._now() + wait, error=_named(error))
            else:
                ending = Ending.PARKED
                await self._give_up(uow, job, error)
            await uow.commit()
        return ending

    def _tries_max(self, job: ClaimedJob, error: Exception) -> int:
        if job.job.name not in self._work:
            return 1
        return TRIES_MAX_UNAVAILABLE if isinstance(error, Unavailable) else TRIES_MAX

    async def _give_up(self, uow: UnitOfWork, job: ClaimedJob, error: Exception) -> None:
        if not await uow.jobs.park(job, error=_named(error)):
            return  # Another took it up meanwhile, and this is no longer ours to say.
        log.error("job parked")
        # What is found by time is enqueued again: one case for the same thing, not one a round.
        cause = f"job {job.job.name} {job.job.dedupe or job.id}"
        facts = {**job.job.payload, "job": job.job.name, "error": _named(error)}
        await uow.open_case(Case(f"case {cause}", CaseKind.POISON, cause, self._now(), facts))

    async def _surely(self, act: Callable[[], Awaitable[Answer]]) -> Answer:
        """Do this to the store, as often as it takes."""
        wait = FIRST_WAIT_FOR_STORE
        while True:
            try:
                return await act()
            except Exception as error:  # noqa: BLE001  # It is told; a pump that ends helps nobody.
                self._tell("store failed", error)
            await asyncio.sleep(wait.total_seconds())
            wait = min(wait * 2, LAST_WAIT_FOR_STORE)

    def _tell(self, what: str, error: Exception, **facts: object) -> None:
        unexpected = not isinstance(error, BillingError)
        log.warning(what, error=_named(error), exc_info=error if unexpected else None, **facts)
        if self._on_error is not None:
            self._on_error(error)


def _elapsed() -> float:
    """Seconds by the loop's own clock, which never goes back."""
    return asyncio.get_running_loop().time()


async def _nobody(_: Mapping[str, str]) -> None:
    raise LookupError("nobody does jobs of this name")


def _asked_for(error: Exception) -> timedelta:
    """The wait that whoever was unavailable asked for, within reason."""
    told = error.facts.get("retry_after_seconds") if isinstance(error, BillingError) else None
    return min(timedelta(seconds=told if isinstance(told, int) else 0), LAST_WAIT)


def _named(error: Exception) -> str:
    """What may be kept: the text of an error that is not ours can hold anything."""
    return str(error) if isinstance(error, BillingError) else type(error).__name__


async def _first_of(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
