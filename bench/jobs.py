"""Jobs that do nothing, on PostgreSQL: enqueued in a unit each, and worked off by one and by two."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

from adapters.persistence.sql.migrate import migrate
from adapters.persistence.sql.store import SqlStore
from bench.databases import a_store, new_database, verdict
from bench.rounds import Plan, Report, by_turns
from bench.workers import NOTHING, work_off
from core.domain.event import Event, Job

JOBS: Final = 500
CONCURRENCY: Final = 16
NOW: Final = datetime(2026, 3, 10, tzinfo=UTC)


async def measure(plan: Plan) -> Report:
    url = new_database(plan.postgres_url, "bench_jobs")
    migrate(url)
    report = Report()
    async with a_store(url) as store:
        report.lines += await by_turns(
            f"an event and a job, {CONCURRENCY} units at once",
            plan.rounds,
            partial(_units, store, 1),
            {"an event alone": partial(_units, store, 0)},
        )
        await _drained(url, store, 2)
        report.lines += await by_turns(
            "jobs worked off by two workers",
            plan.rounds,
            partial(_drained, url, store, 2),
            {"by one": partial(_drained, url, store, 1)},
        )
        told, report.findings = await verdict("jobs on PostgreSQL", store, uses=0)
        report.notes.append(told)
    return report


async def _units(store: SqlStore, jobs: int) -> float:
    """Committed in a second, each with so many jobs."""
    numbers = iter(range(JOBS))

    async def enqueue() -> None:
        for number in numbers:
            async with store.write() as uow:
                await uow.record(Event("bench.done", f"bench {number}", NOW))
                for _ in range(jobs):
                    await uow.jobs.enqueue(Job(NOTHING, {"n": str(number)}, NOW, dedupe=None))
                await uow.commit()

    return await _rate(lambda: asyncio.gather(*(enqueue() for _ in range(CONCURRENCY))))


async def _drained(url: str, store: SqlStore, workers: int) -> float:
    async with store.write() as uow:
        for number in range(JOBS):
            await uow.jobs.enqueue(Job(NOTHING, {"n": str(number)}, NOW, dedupe=None))
        await uow.commit()
    async with store.read() as view:
        waiting = await view.jobs.waiting()
    seconds, _ = await work_off(url, NOTHING, workers, NOW, partial(all_done, store))
    return waiting / seconds


async def all_done(store: SqlStore) -> bool:
    async with store.read() as view:
        taken, waiting = await view.jobs.takers(), await view.jobs.waiting()
        return not (taken or waiting or await view.jobs.takers())


async def _rate(work: Callable[[], "asyncio.Future[list[None]]"]) -> float:
    started = time.perf_counter()
    await work()
    return JOBS / (time.perf_counter() - started)
