"""The memory store's claims, inbox and jobs: what came in and what is to be done."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from adapters.persistence.memory.repositories import Repository
from adapters.persistence.memory.tables import JobStatus, KeptJob
from core.domain.cause import Cause, Claim
from core.domain.event import ALONE, ClaimedJob, Job
from core.domain.payment import InboxItem, InboxStatus, NoticeKind, PaymentId, PayoutId
from core.domain.plan import GatewayName


class MemoryClaims(Repository):
    async def take(self, claim: Claim) -> Claim:
        await self._unit.called()
        place = (claim.cause.scope, claim.cause.key)
        taken = await self._unit.lock(self._tables.claims, place)
        if taken is None:
            await self._unit.put(self._tables.claims, place, claim)
        return taken or claim

    async def find(self, cause: Cause) -> Claim | None:
        await self._unit.called()
        return self._unit.get(self._tables.claims, (cause.scope, cause.key))

    async def save(self, claim: Claim) -> None:
        await self._unit.called()
        place = (claim.cause.scope, claim.cause.key)
        await self._unit.save(self._tables.claims, place, claim)


class MemoryInbox(Repository):
    async def find(self, item_id: str) -> InboxItem | None:
        await self._unit.called()
        return self._unit.get(self._tables.inbox, item_id)

    async def of_payment(self, gateway: GatewayName, payment_id: PaymentId) -> list[InboxItem]:
        await self._unit.called()
        about = (gateway, payment_id)
        found = (it for _, it in self._unit.all(self._tables.inbox))
        theirs = [it for it in found if (it.notice.gateway, it.notice.payment_id) == about]
        return sorted(theirs, key=lambda it: (it.received_at, it.id))

    async def not_done(self, status: InboxStatus, *, limit: int) -> list[InboxItem]:
        await self._unit.called()
        found = [it for _, it in self._unit.all(self._tables.inbox) if it.status is status]
        return sorted(found, key=lambda it: (it.received_at, it.id))[:limit]

    async def take(self, item: InboxItem) -> InboxItem:
        await self._unit.called()
        same = (item.notice.gateway, item.notice.dedupe_key)
        for id_, _ in await self._unit.lock_value(self._tables.inbox, "notice", same):
            stored = await self._unit.lock(self._tables.inbox, id_)
            assert stored is not None, "what may still be repeated is not deleted"
            return stored
        await self._unit.add(self._tables.inbox, item.id, item)
        return item

    async def save(self, item: InboxItem) -> None:
        await self._unit.called()
        await self._unit.save(self._tables.inbox, item.id, item)

    async def erase_bodies(
        self, about: Collection[tuple[GatewayName, PaymentId | PayoutId]], chat: int | None
    ) -> None:
        await self._unit.called()
        for id_, item in self._unit.all(self._tables.inbox):
            notice = item.notice
            theirs = (notice.gateway, notice.payment_id or notice.payout_id) in about
            theirs |= notice.body.endswith(f'"user": {chat}}}')
            if theirs and item.status is not InboxStatus.STORED and notice.body:
                erased = replace(item, notice=replace(notice, body=""))
                await self._unit.save(self._tables.inbox, id_, erased)

    async def forget(self, before: datetime, *, limit: int) -> int:
        await self._unit.called()
        old = [
            id_
            for id_, item in self._unit.all(self._tables.inbox)
            if item.notice.kind is NoticeKind.OTHER
            and item.status is InboxStatus.DONE
            and item.handled_at is not None
            and item.handled_at < before
        ]
        for id_ in old[:limit]:
            await self._unit.put(self._tables.inbox, id_, None)
        return len(old[:limit])


class MemoryJobs(Repository):
    async def waiting(self) -> int:
        await self._unit.called()
        return len(self._unit.find(self._tables.jobs, "status", JobStatus.WAITING))

    async def oldest(self) -> datetime | None:
        await self._unit.called()
        waiting = self._unit.find(self._tables.jobs, "status", JobStatus.WAITING)
        return min((kept.job.run_at for _, kept in waiting), default=None)

    async def parked(self, *, limit: int) -> list[tuple[ClaimedJob, str]]:
        await self._unit.called()
        found = self._unit.find(self._tables.jobs, "status", JobStatus.PARKED)
        newest = sorted(found, key=lambda row: row[0], reverse=True)
        return [(_claimed(id_, kept), kept.error) for id_, kept in newest[:limit]]

    async def about(self, ids: Collection[str]) -> list[tuple[ClaimedJob, bool]]:
        await self._unit.called()
        found = [
            (_claimed(id_, kept), kept.status is JobStatus.PARKED)
            for id_, kept in self._unit.all(self._tables.jobs)
            if not set(ids).isdisjoint(kept.job.payload.values())
        ]
        return sorted(found, key=lambda row: (row[0].job.run_at, row[0].id))

    async def takers(self) -> set[str]:
        await self._unit.called()
        taken = self._unit.find(self._tables.jobs, "status", JobStatus.TAKEN)
        return {kept.taken_by for _, kept in taken}

    async def enqueue(self, job: Job) -> None:
        await self._unit.called()
        await self._wait(next(self._tables.numbers), KeptJob(job))

    async def claim(
        self,
        now: datetime,
        *,
        limit: int,
        by: str = ALONE,
        only: Collection[str] | None = None,
        but: Collection[str] = (),
    ) -> list[ClaimedJob]:
        await self._unit.called()
        jobs = self._tables.jobs
        waiting = self._unit.find(jobs, "status", JobStatus.WAITING)
        claimed: list[ClaimedJob] = []
        for id_, kept in sorted(waiting, key=lambda row: (row[1].job.run_at, row[0])):
            if kept.job.run_at > now or len(claimed) == limit:
                break
            name = kept.job.name
            if name in but or (only is not None and name not in only):
                continue
            if not self._unit.is_locked_elsewhere(jobs, id_):
                tries = kept.attempts + 1
                taken = replace(kept, status=JobStatus.TAKEN, attempts=tries, taken_by=by)
                await self._unit.put(jobs, id_, taken)
                claimed.append(_claimed(id_, taken))
        return claimed

    async def done(self, job: ClaimedJob) -> None:
        await self._unit.called()
        if await self._is_its_own(job):
            await self._unit.put(self._tables.jobs, job.id, None)

    async def retry(self, job: ClaimedJob, *, at: datetime, error: str) -> None:
        await self._unit.called()
        if await self._is_its_own(job):
            later = replace(job.job, run_at=at)
            await self._wait(job.id, KeptJob(later, attempts=job.attempt, error=error))

    async def park(self, job: ClaimedJob, *, error: str) -> bool:
        await self._unit.called()
        if not await self._is_its_own(job):
            return False
        kept = KeptJob(job.job, JobStatus.PARKED, job.attempt, error, job.by)
        for id_, other in self._unit.find(self._tables.jobs, "status", JobStatus.PARKED):
            like = (other.job.name, other.job.dedupe) == (job.job.name, job.job.dedupe)
            if like and job.job.dedupe is not None:
                await self._unit.put(self._tables.jobs, id_, None)
        await self._unit.put(self._tables.jobs, job.id, kept)
        return True

    async def drop_parked(self, dedupe: str) -> int:
        await self._unit.called()
        parked = self._unit.find(self._tables.jobs, "status", JobStatus.PARKED)
        dropped = [id_ for id_, kept in parked if kept.job.dedupe == dedupe]
        for id_ in dropped:
            await self._unit.put(self._tables.jobs, id_, None)
        return len(dropped)

    async def release(self, by: str = ALONE) -> int:
        await self._unit.called()
        taken = self._unit.find(self._tables.jobs, "status", JobStatus.TAKEN)
        released = 0
        for id_, kept in taken:
            if kept.taken_by == by and await self._is_its_own(_claimed(id_, kept)):
                await self._wait(id_, replace(kept, status=JobStatus.WAITING))
                released += 1
        return released

    async def _is_its_own(self, job: ClaimedJob) -> bool:
        """Still the worker's that took it, and by the same taking; locked."""
        kept = await self._unit.lock(self._tables.jobs, job.id)
        if kept is None or kept.status is not JobStatus.TAKEN:
            return False
        return (kept.taken_by, kept.attempts) == (job.by, job.attempt)

    async def _wait(self, id_: int, kept: KeptJob) -> None:
        """
        Make it wait, unless its like waits already. That one is locked and so claimed only after
        this unit's end: whoever runs it sees what made this one necessary.
        """
        jobs, job = self._tables.jobs, kept.job
        if job.dedupe is not None:
            same = (job.name, job.dedupe)
            for other, _ in await self._unit.lock_value(jobs, "dedupe", same):
                alike = await self._unit.lock(jobs, other)
                assert alike is not None, "whoever ends a waiting job holds its dedupe key"
                sooner = min(alike.job.run_at, job.run_at)
                tries = alike.attempts if kept.attempts else 0  # Asked for anew: all of them.
                sooner_job = replace(alike.job, run_at=sooner)
                await self._unit.put(jobs, other, replace(alike, job=sooner_job, attempts=tries))
                await self._unit.put(jobs, id_, None)
                return
        await self._unit.put(jobs, id_, kept)


def _claimed(id_: int, kept: KeptJob) -> ClaimedJob:
    return ClaimedJob(id_, kept.job, kept.attempts, kept.taken_by)
