"""Jobs: enqueued with their unit or not at all, each for one worker at a time, never forgotten."""

import asyncio
from collections.abc import Collection
from datetime import datetime, timedelta

from core.domain.event import ClaimedJob, Event, Job
from core.ports.unit_of_work import Store
from core.use_cases.consequences import consequences
from tests.builders import ANNA, NOON, a_case, a_job
from tests.contracts.units import again, let_others_go_on, seen, written

LATER = NOON + timedelta(hours=1)


async def enqueue(store: Store, *jobs: Job) -> None:
    async with store.write() as uow:
        for job in jobs:
            await uow.jobs.enqueue(job)
        await uow.commit()


async def claim(store: Store, at: datetime = LATER, limit: int = 100) -> list[ClaimedJob]:
    return await written(store, lambda uow: uow.jobs.claim(at, limit=limit))


async def waiting(store: Store) -> int:
    return await seen(store, lambda view: view.jobs.waiting())


def numbered(number: int, run_at: datetime = NOON) -> Job:
    return a_job(payload={"number": str(number)}, run_at=run_at, dedupe=None)


async def test_a_job_comes_back_whole_with_its_first_attempt(shop):
    await enqueue(shop, a_job(), numbered(1))

    claimed = await claim(shop)

    assert [(it.job, it.attempt) for it in claimed] == [(a_job(), 1), (numbered(1), 1)]


async def test_due_jobs_are_claimed_the_oldest_first_and_a_few_at_a_time(shop):
    early = NOON - timedelta(minutes=1)
    late = NOON + timedelta(microseconds=1)
    await enqueue(shop, numbered(1, late), numbered(2), numbered(3), numbered(4, early))

    batches = [await claim(shop, NOON, limit=2) for _ in range(3)]

    assert [[it.job.payload["number"] for it in batch] for batch in batches] == [
        ["4", "2"],
        ["3"],
        [],
    ]
    assert await waiting(shop) == 1


async def test_the_oldest_of_those_that_wait_is_told(shop):
    async def oldest() -> datetime | None:
        return await seen(shop, lambda view: view.jobs.oldest())

    assert await oldest() is None
    early = NOON - timedelta(minutes=1)
    await enqueue(shop, numbered(1), numbered(2, early))
    assert await oldest() == early
    [taken] = await claim(shop, early)
    assert await oldest() == NOON
    later = NOON + timedelta(hours=1)
    await written(shop, lambda uow: uow.jobs.retry(taken, at=later, error="soup"))
    await claim(shop, NOON)
    assert await oldest() == later


async def test_jobs_are_claimed_by_name_or_all_but_some(shop):
    await enqueue(shop, *(a_job(name, dedupe=None) for name in ("a", "b", "c", "a", "b")))

    async def names(**wanted: Collection[str]) -> list[str]:
        claimed = await written(shop, lambda uow: uow.jobs.claim(LATER, limit=2, **wanted))
        return [it.job.name for it in claimed]

    assert await names(but={"a", "c"}) == ["b", "b"]
    assert await names(only=set()) == []
    assert await names(only={"a", "c"}) == ["a", "c"]
    assert await names() == ["a"]


async def test_of_two_waiting_jobs_of_the_same_kind_one_is_kept(shop):
    await enqueue(
        shop,
        a_job(),
        a_job(payload={"checkout_id": "another"}),
        a_job("activate"),
        a_job(dedupe="other"),
    )
    await enqueue(shop, a_job())

    assert await waiting(shop) == 3
    assert (await claim(shop))[0].job == a_job()


async def test_enqueuing_at_once_keeps_one_and_is_never_an_error(shop):
    async def enqueue_slowly() -> None:
        async with shop.write() as uow:
            await uow.jobs.enqueue(a_job())
            await let_others_go_on()
            await uow.commit()

    await asyncio.gather(*(enqueue_slowly() for _ in range(5)))

    assert await waiting(shop) == 1


async def test_the_one_kept_runs_at_the_earlier_of_their_times(shop):
    await enqueue(shop, a_job(run_at=LATER), a_job("activate", run_at=NOON))
    await enqueue(shop, a_job(run_at=NOON), a_job("activate", run_at=LATER))

    assert [it.job for it in await claim(shop, NOON)] == [a_job(), a_job("activate")]


async def test_a_job_enqueued_again_starts_only_after_that_unit_too(shop):
    """Started before, it would not see what the unit wrote, and nobody would come back for it."""
    await enqueue(shop, a_job())
    enqueued, steps = asyncio.Event(), []

    async def enqueue_again() -> None:
        async with shop.write() as uow:
            await uow.jobs.enqueue(a_job())
            enqueued.set()
            await asyncio.sleep(0.03)
            steps.append("enqueued again")
            await uow.commit()

    async def work() -> None:
        await enqueued.wait()
        while not await claim(shop):
            await let_others_go_on()
        steps.append("started")

    await asyncio.gather(enqueue_again(), work())

    assert steps == ["enqueued again", "started"]
    assert await waiting(shop) == 0


async def test_jobs_without_a_dedupe_key_are_all_kept(shop):
    await enqueue(shop, *(a_job(dedupe=None) for _ in range(3)))

    assert await waiting(shop) == 3


async def test_while_a_job_runs_the_same_may_be_enqueued_again(shop):
    await enqueue(shop, a_job())
    await claim(shop)

    await enqueue(shop, a_job())

    assert await waiting(shop) == 1
    assert len(await claim(shop)) == 1


async def test_a_job_put_off_while_its_like_waits_leaves_one_waiting(shop):
    await enqueue(shop, a_job())
    (running,) = await claim(shop)
    await enqueue(shop, a_job())

    await written(shop, lambda uow: uow.jobs.retry(running, at=LATER, error="down"))

    assert await waiting(shop) == 1
    assert len(await claim(shop)) == 1


async def test_a_done_job_is_done(shop):
    await enqueue(shop, numbered(1), numbered(2))
    first, _ = await claim(shop)

    await written(shop, lambda uow: uow.jobs.done(first))

    assert await written(shop, lambda uow: uow.jobs.release()) == 1
    assert [it.job for it in await claim(shop)] == [numbered(2)]


async def test_a_job_put_off_runs_again_at_its_time_and_counts_its_attempts(shop):
    await enqueue(shop, a_job())
    (first,) = await claim(shop)

    await written(shop, lambda uow: uow.jobs.retry(first, at=LATER, error="down"))

    assert await claim(shop, LATER - timedelta(microseconds=1)) == []
    (second,) = await claim(shop, LATER)
    assert (second.id, second.attempt) == (first.id, 2)
    assert second.job == a_job(run_at=LATER)


async def test_a_job_given_up_on_is_kept_shown_and_not_tried_again(shop):
    await enqueue(shop, numbered(1), numbered(2), numbered(3))
    first, second, _ = await claim(shop)

    await written(shop, lambda uow: uow.jobs.park(first, error="first broke"))
    await written(shop, lambda uow: uow.jobs.park(second, error="second broke"))

    parked = await seen(shop, lambda view: view.jobs.parked(limit=9))
    assert parked == [(second, "second broke"), (first, "first broke")]
    assert await seen(shop, lambda view: view.jobs.parked(limit=1)) == parked[:1]
    assert await written(shop, lambda uow: uow.jobs.release()) == 1
    assert [it.job for it in await claim(shop)] == [numbered(3)]


async def test_a_parked_job_does_not_stand_in_the_way_of_a_new_one(shop):
    await enqueue(shop, a_job())
    (poison,) = await claim(shop)
    await written(shop, lambda uow: uow.jobs.park(poison, error="broke"))

    await enqueue(shop, a_job())

    assert await waiting(shop) == 1


async def test_of_what_is_found_and_given_up_on_again_and_again_the_latest_is_kept(shop):
    keyless = a_job(dedupe=None)
    for error in ("broke", "broke again"):
        await enqueue(shop, a_job(), a_job(dedupe="another"), keyless)
        for poison in await claim(shop):
            await written(shop, lambda uow: uow.jobs.park(poison, error=error))  # noqa: B023

    parked = await seen(shop, lambda view: view.jobs.parked(limit=9))

    assert [(job.job.dedupe, error) for job, error in parked] == [
        (None, "broke again"),
        ("another", "broke again"),
        (a_job().dedupe, "broke again"),
        (None, "broke"),
    ]


async def test_only_parked_jobs_of_a_key_are_dropped(shop):
    alike, other, keyless = a_job(), a_job(dedupe="another"), a_job(dedupe=None)
    await enqueue(shop, alike, other, keyless)
    for poison in await claim(shop):
        await written(shop, lambda uow: uow.jobs.park(poison, error="broke"))  # noqa: B023
    await enqueue(shop, alike)

    dropped = await written(shop, lambda uow: uow.jobs.drop_parked(str(alike.dedupe)))

    assert dropped == 1
    left = await seen(shop, lambda view: view.jobs.parked(limit=9))
    assert [job.job for job, _ in left] == [keyless, other]
    assert await waiting(shop) == 1


async def test_what_a_dead_worker_had_taken_waits_again(shop):
    await enqueue(shop, numbered(1), numbered(2), numbered(3, LATER))
    await claim(shop, NOON)

    released = await written(shop, lambda uow: uow.jobs.release())

    assert released == 2
    assert [(it.job, it.attempt) for it in await claim(shop)] == [
        (numbered(1), 2),
        (numbered(2), 2),
        (numbered(3, LATER), 1),
    ]


async def test_of_what_waits_again_and_its_like_one_is_kept(shop):
    await enqueue(shop, a_job())
    await claim(shop)
    await enqueue(shop, a_job())
    await claim(shop)
    await enqueue(shop, a_job())

    await written(shop, lambda uow: uow.jobs.release())

    assert await waiting(shop) == 1
    assert len(await claim(shop)) == 1


async def test_a_claim_that_is_not_committed_takes_nothing(shop):
    await enqueue(shop, a_job())

    async with shop.write() as uow:
        assert len(await uow.jobs.claim(NOON, limit=9)) == 1

    assert [it.attempt for it in await claim(shop)] == [1]


async def test_no_job_is_handed_to_two_workers(shop):
    await enqueue(shop, *(numbered(number) for number in range(20)))

    async def take() -> list[ClaimedJob]:
        async with shop.write() as uow:
            claimed = await uow.jobs.claim(NOON, limit=3)
            await let_others_go_on()
            await uow.commit()
        return claimed

    taken = await asyncio.gather(*(again(take) for _ in range(5)))

    ids = [it.id for batch in taken for it in batch]
    assert len(ids) == len(set(ids))
    assert len(ids) + len(await claim(shop)) == 20


async def test_an_event_brings_its_consequences_with_its_commit(shop):
    event = Event("notice.taken", "inb_1", NOON, facts={"gateway": "yookassa", "about": "2d8f"})
    due = list(consequences(event))
    assert due, "this event is here because something follows from it"

    async with shop.write() as uow:
        await uow.record(event)
    assert await waiting(shop) == 0
    await written(shop, lambda uow: uow.record(event))

    assert [it.job for it in await claim(shop)] == due


async def test_history_is_of_one_subject_and_the_oldest_is_first(shop):
    events = [
        Event("purchase.started", "pur_1", NOON, ANNA, {"amount_minor": 29900}),
        Event("purchase.paid", "pur_1", NOON + timedelta(minutes=1), ANNA),
        Event("purchase.started", "pur_2", NOON, ANNA),
    ]
    for event in events:
        await written(shop, lambda uow, event=event: uow.record(event))

    assert await seen(shop, lambda view: view.history("pur_1")) == events[:2]
    assert await seen(shop, lambda view: view.history("pur_404")) == []


async def test_a_case_is_opened_once_per_cause(shop):
    case = a_case(closed_at=None, reason=None)

    async def open_it(number: int) -> bool:
        async with shop.write() as uow:
            new = await uow.open_case(a_case(id=f"cas_{number}", closed_at=None, reason=None))
            await let_others_go_on()
            await uow.commit()
        return new

    opened = await asyncio.gather(*(again(lambda n=n: open_it(n)) for n in range(4)))
    assert sorted(opened) == [False, False, False, True]
    assert not await written(shop, lambda uow: uow.open_case(case))

    cases = await seen(shop, lambda view: view.open_cases(limit=9))
    assert [found.cause for found in cases] == [case.cause]


async def test_cases_are_shown_up_to_a_limit_and_closed_ones_are_not(shop):
    await written(shop, lambda uow: uow.open_case(a_case(id="cas_0", cause="closed")))
    for number in range(1, 4):
        case = a_case(id=f"cas_{number}", cause=f"c{number}", closed_at=None, reason=None)
        await written(shop, lambda uow, case=case: uow.open_case(case))

    assert len(await seen(shop, lambda view: view.open_cases(limit=2))) == 2
    cases = await seen(shop, lambda view: view.open_cases(limit=9))
    assert sorted(case.id for case in cases) == ["cas_1", "cas_2", "cas_3"]


async def test_jobs_are_found_by_an_id_that_they_name_whole(shop):
    about, other = (a_job(payload={"purchase_id": it}, dedupe=it) for it in ("pur_1", "pur_12"))
    later = a_job(payload={"inbox_id": "inb_%"}, dedupe=None, run_at=LATER)
    await enqueue(shop, later, other, about)
    (first, *_) = [it for it in await claim(shop, at=NOON) if it.job == about]
    await written(shop, lambda uow: uow.jobs.park(first, error="broke"))

    found = await seen(shop, lambda view: view.jobs.about(["pur_1", "inb_%"]))

    assert [(it.job, is_parked) for it, is_parked in found] == [(about, True), (later, False)]
    for nobodys in ([], ["pur_"], ["inb__"]):
        assert await seen(shop, lambda view: view.jobs.about(nobodys)) == []  # noqa: B023
