"""The job table: work enqueued by the unit that makes it necessary, taken by one worker each."""

from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, and_, delete, exists, func, or_, select, update

from adapters.persistence.sql.statements import Statements
from adapters.persistence.sql.tables import PARKED, TAKEN, WAITING
from adapters.persistence.sql.tables import job as jobs
from core.domain.event import ClaimedJob, Job


class SqlJobs:
    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def waiting(self) -> int:
        count = select(func.count().label("jobs")).where(jobs.c.state == WAITING)
        row = await self._statements.first(count.select_from(jobs))
        assert row is not None
        return int(row["jobs"])

    async def parked(self, *, limit: int) -> list[tuple[ClaimedJob, str]]:
        rows = await self._statements.all(
            select(jobs).where(jobs.c.state == PARKED).order_by(jobs.c.id.desc()).limit(limit)
        )
        return [(claimed_job_from_row(row), row[jobs.c.error]) for row in rows]

    async def enqueue(self, job: Job) -> None:
        insert = self._statements.insert(jobs)
        await self._statements.run(insert.on_conflict_do_nothing(), [row_from_job(job)])

    async def claim(self, now: datetime, *, limit: int) -> list[ClaimedJob]:
        due = (
            select(jobs.c.id)
            .where(jobs.c.state == WAITING, jobs.c.run_at <= now)
            .order_by(jobs.c.run_at, jobs.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        rows = await self._statements.all(
            update(jobs)
            .where(jobs.c.id.in_(due))
            .values(state=TAKEN, attempts=jobs.c.attempts + 1)
            .returning(*jobs.c)
        )
        claimed = [claimed_job_from_row(row) for row in rows]
        return sorted(claimed, key=lambda it: (it.job.run_at, it.id))

    async def done(self, job: ClaimedJob) -> None:
        await self._statements.run(delete(jobs).where(jobs.c.id == job.id))

    async def retry(self, job: ClaimedJob, *, at: datetime, error: str) -> None:
        like = jobs.alias()
        has_a_like = exists().where(
            like.c.name == jobs.c.name, like.c.dedupe == jobs.c.dedupe, like.c.state == WAITING
        )
        waits = await self._statements.run(
            update(jobs)
            .where(jobs.c.id == job.id, ~has_a_like)
            .values(state=WAITING, run_at=at, error=error)
        )
        if waits.rowcount == 0:  # The same was enqueued meanwhile; one of the two is enough.
            await self.done(job)

    async def park(self, job: ClaimedJob, *, error: str) -> None:
        await self._statements.run(
            update(jobs).where(jobs.c.id == job.id).values(state=PARKED, error=error)
        )

    async def release(self) -> int:
        like = jobs.alias()
        has_a_like = exists().where(
            like.c.name == jobs.c.name,
            like.c.dedupe == jobs.c.dedupe,
            or_(like.c.state == WAITING, and_(like.c.state == TAKEN, like.c.id < jobs.c.id)),
        )
        taken = jobs.c.state == TAKEN
        dropped = await self._statements.run(delete(jobs).where(taken, has_a_like))
        waits = await self._statements.run(update(jobs).where(taken).values(state=WAITING))
        return dropped.rowcount + waits.rowcount


def row_from_job(job: Job) -> dict[str, Any]:
    return {
        "name": job.name,
        "payload": dict(job.payload),
        "run_at": job.run_at,
        "dedupe": job.dedupe,
        "state": WAITING,
        "attempts": 0,
        "error": None,
    }


def claimed_job_from_row(row: RowMapping) -> ClaimedJob:
    c = jobs.c
    job = Job(row[c.name], row[c.payload], row[c.run_at], row[c.dedupe])
    return ClaimedJob(row[c.id], job, row[c.attempts])
