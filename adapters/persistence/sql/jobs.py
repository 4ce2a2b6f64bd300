"""The job table: work enqueued by the unit that makes it necessary, taken by one worker each."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Text,
    case,
    cast,
    delete,
    false,
    func,
    literal,
    or_,
    select,
    true,
    update,
)

from adapters.persistence.sql.column_types import Moment
from adapters.persistence.sql.statements import Statements
from adapters.persistence.sql.tables import PARKED, TAKEN, WAITING, job_is_waiting
from adapters.persistence.sql.tables import job as jobs
from core.domain.event import ALONE, ClaimedJob, Job


class SqlJobs:
    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def waiting(self) -> int:
        count = select(func.count().label("jobs")).where(jobs.c.state == WAITING)
        row = await self._statements.first(count.select_from(jobs))
        assert row is not None
        return int(row["jobs"])

    async def oldest(self) -> datetime | None:
        first = select(jobs.c.run_at).where(jobs.c.state == WAITING).order_by(jobs.c.run_at)
        row = await self._statements.first(first.limit(1))
        return None if row is None else row[jobs.c.run_at]

    async def parked(self, *, limit: int) -> list[tuple[ClaimedJob, str]]:
        rows = await self._statements.all(
            select(jobs).where(jobs.c.state == PARKED).order_by(jobs.c.id.desc()).limit(limit)
        )
        return [(claimed_job_from_row(row), row[jobs.c.error]) for row in rows]

    async def about(self, ids: Collection[str]) -> list[tuple[ClaimedJob, bool]]:
        named = cast(jobs.c.payload, Text)  # Ids hold nothing that JSON would write otherwise.
        wanted = or_(false(), *(named.contains(f'"{one}"', autoescape=True) for one in ids))
        rows = await self._statements.all(
            select(jobs).where(wanted).order_by(jobs.c.run_at, jobs.c.id)
        )
        return [(claimed_job_from_row(row), row[jobs.c.state] == PARKED) for row in rows]

    async def takers(self) -> set[str]:
        taken = select(_taker.label("by")).where(jobs.c.state == TAKEN).distinct()
        return {row["by"] for row in await self._statements.all(taken)}

    async def enqueue(self, job: Job) -> None:
        new = self._statements.insert(jobs)
        # An update, so that the one kept is locked and nobody starts it before this unit ends.
        once = new.on_conflict_do_update(
            index_elements=["name", "dedupe"],
            index_where=job_is_waiting,
            set_={"run_at": _earlier(new.excluded.run_at), "attempts": 0},
        )
        await self._statements.run(once, [row_from_job(job)])

    async def claim(
        self,
        now: datetime,
        *,
        limit: int,
        by: str = ALONE,
        only: Collection[str] | None = None,
        but: Collection[str] = (),
    ) -> list[ClaimedJob]:
        due = (
            select(jobs.c.id)
            .where(jobs.c.state == WAITING, jobs.c.run_at <= now)
            .where(jobs.c.name.not_in(but), true() if only is None else jobs.c.name.in_(only))
            .order_by(jobs.c.run_at, jobs.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("due")  # Evaluated once; PostgreSQL may run a sub-select again for each row.
        )
        rows = await self._statements.all(
            update(jobs)
            .where(jobs.c.id.in_(select(due.c.id)))
            .values(state=TAKEN, taken_by=by, attempts=jobs.c.attempts + 1)
            .returning(*jobs.c)
        )
        claimed = [claimed_job_from_row(row) for row in rows]
        return sorted(claimed, key=lambda it: (it.job.run_at, it.id))

    async def done(self, job: ClaimedJob) -> None:
        await self._statements.run(delete(jobs).where(*_is_its_own(job)))

    async def retry(self, job: ClaimedJob, *, at: datetime, error: str) -> None:
        own = select(jobs.c.id).where(*_is_its_own(job)).with_for_update()
        if await self._statements.first(own) is not None:
            await self._wait(job, at=at, error=error)

    async def park(self, job: ClaimedJob, *, error: str) -> bool:
        parked = await self._statements.run(
            update(jobs).where(*_is_its_own(job)).values(state=PARKED, error=error)
        )
        if parked.rowcount and job.job.dedupe is not None:
            like = (jobs.c.name == job.job.name, jobs.c.dedupe == job.job.dedupe)
            before = (*like, jobs.c.state == PARKED, jobs.c.id != job.id)
            await self._statements.run(delete(jobs).where(*before))
        return bool(parked.rowcount)

    async def drop_parked(self, dedupe: str) -> int:
        parked = (jobs.c.state == PARKED, jobs.c.dedupe == dedupe)
        return (await self._statements.run(delete(jobs).where(*parked))).rowcount

    async def release(self, by: str = ALONE) -> int:
        rows = await self._statements.all(
            select(jobs)
            .where(jobs.c.state == TAKEN, _taker == by)
            .order_by(jobs.c.id)
            .with_for_update()
        )
        for row in rows:
            job = claimed_job_from_row(row)
            await self._wait(job, at=job.job.run_at, error=row[jobs.c.error])
        return len(rows)

    async def _wait(self, job: ClaimedJob, *, at: datetime, error: str | None) -> None:
        """Have it wait again; where its like waits already, that one is enough."""
        if job.job.dedupe is not None:
            like = await self._statements.run(
                update(jobs)
                .where(
                    jobs.c.name == job.job.name,
                    jobs.c.dedupe == job.job.dedupe,
                    jobs.c.state == WAITING,
                )
                .values(run_at=_earlier(literal(at, Moment())))
            )
            if like.rowcount:
                await self._statements.run(delete(jobs).where(jobs.c.id == job.id))
                return
        waits = {"state": WAITING, "taken_by": None, "run_at": at, "error": error}
        await self._statements.run(
            update(jobs).where(jobs.c.id == job.id).values(waits), subject=f"job {job.id}"
        )


_taker: Final = func.coalesce(jobs.c.taken_by, ALONE)
"""Nobody is named where a worker of an older version took it, and that one was alone."""


def _is_its_own(job: ClaimedJob) -> tuple[ColumnElement[bool], ...]:
    """Still the worker's that took it, and by the same taking."""
    return (
        jobs.c.id == job.id,
        jobs.c.state == TAKEN,
        _taker == job.by,
        jobs.c.attempts == job.attempt,
    )


def _earlier(at: ColumnElement[datetime]) -> ColumnElement[datetime]:
    return case((at < jobs.c.run_at, at), else_=jobs.c.run_at)


def row_from_job(job: Job) -> dict[str, Any]:
    return {
        "name": job.name,
        "payload": dict(job.payload),
        "run_at": job.run_at,
        "dedupe": job.dedupe,
        "state": WAITING,
        "taken_by": None,
        "attempts": 0,
        "error": None,
    }


def claimed_job_from_row(row: RowMapping) -> ClaimedJob:
    c = jobs.c
    job = Job(row[c.name], row[c.payload], row[c.run_at], row[c.dedupe])
    return ClaimedJob(row[c.id], job, row[c.attempts], row[c.taken_by] or ALONE)
