"""What the memory store has beyond the contract: it can be watched, and owners can die."""

import asyncio

import pytest

from adapters.persistence.memory import Committed, MemoryStore
from core.domain.cause import StoreBusy
from core.domain.customer import CustomerId
from core.ports.unit_of_work import HeldElsewhere
from tests.builders import (
    ANNA,
    BORIS,
    a_catalog,
    a_customer,
    a_free_subscription,
    a_job,
    a_pending_purchase,
    another_customer,
)
from tests.contracts.units import seen, written


class Processes:
    """Who is running now, as a simulation would say it."""

    def __init__(self) -> None:
        self.now = "app"

    def __call__(self) -> str:
        return self.now


@pytest.fixture
def processes() -> Processes:
    return Processes()


@pytest.fixture
async def memory(processes: Processes) -> MemoryStore:
    store = MemoryStore(owner=processes)
    async with store.write() as uow:
        await uow.catalogs.apply(a_catalog())
        await uow.customers.add(a_customer())
        await uow.customers.add(another_customer())
        await uow.commit()
    return store


async def turns(count: int = 20) -> None:
    """Let the others run; nothing here depends on real time."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_of_two_that_wait_for_each_other_the_second_is_told_to_repeat(memory):
    async def visit(first: CustomerId, second: CustomerId) -> str:
        try:
            async with memory.write() as uow:
                await uow.customers.lock(first)
                await turns()
                await uow.customers.lock(second)
                await turns()
                await uow.commit()
        except StoreBusy:
            return "busy"
        return "done"

    answers = await asyncio.gather(visit(ANNA, BORIS), visit(BORIS, ANNA))

    assert answers == ["done", "busy"]


async def test_a_circle_of_three_is_found_too(memory):
    await written(memory, lambda uow: uow.customers.add(a_customer(id="cus_3", identities=())))
    ring = [ANNA, BORIS, "cus_3"]

    async def visit(number: int) -> str:
        try:
            async with memory.write() as uow:
                await uow.customers.lock(ring[number])
                await turns()
                await uow.customers.lock(ring[(number + 1) % 3])
        except StoreBusy:
            return "busy"
        return "done"

    answers = await asyncio.gather(*(visit(number) for number in range(3)))

    assert sorted(answers) == ["busy", "done", "done"]


async def test_who_waits_longest_is_next(memory):
    order = []

    async def visit(number: int) -> None:
        async with memory.write() as uow:
            await uow.customers.lock(ANNA)
            order.append(number)
            await turns(3)

    await asyncio.gather(*(visit(number) for number in range(6)))

    assert order == list(range(6))


async def test_readers_neither_wait_nor_see_half_of_a_commit(memory):
    async with memory.write() as uow:
        await uow.customers.lock(ANNA)
        await uow.customers.save(a_customer(language="en"))
        await uow.subscriptions.add(a_free_subscription())

        assert await seen(memory, lambda view: view.customers.get(ANNA)) == a_customer()
        assert await seen(memory, lambda view: view.subscriptions.standings([ANNA])) == {}
        await uow.commit()


async def test_a_dead_owners_units_are_rolled_back_and_the_waiting_go_on(memory, processes):
    async def die() -> None:
        async with memory.write() as uow:
            await uow.purchases.add(a_pending_purchase())
            await uow.customers.lock(ANNA)
            await asyncio.Event().wait()

    dying = [asyncio.create_task(die()) for _ in range(2)]  # One holds, one waits.
    await turns()
    processes.now = "worker"
    waiting = asyncio.create_task(written(memory, lambda uow: uow.customers.lock(ANNA)))
    await turns()
    assert not waiting.done()

    memory.abandon("app")

    assert await waiting == a_customer()
    assert not any(task.done() for task in dying)
    assert await seen(memory, lambda view: view.purchases.find(a_pending_purchase().id)) is None
    for task in dying:
        task.cancel()
    await asyncio.gather(*dying, return_exceptions=True)


async def test_a_dead_owners_exclusive_right_is_free_again(memory, processes):
    async def hold() -> None:
        async with memory.exclusive("pump"):
            await asyncio.Event().wait()

    dying = asyncio.create_task(hold())
    await turns()
    processes.now = "worker"
    memory.abandon("somebody else")
    with pytest.raises(HeldElsewhere):
        async with memory.exclusive("pump"):
            pass

    memory.abandon("app")

    async with memory.exclusive("pump"):
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        with pytest.raises(HeldElsewhere):
            async with memory.exclusive("pump"):
                pass


async def test_every_commit_is_told_with_what_it_changed():
    seen_commits: list[tuple[dict[str, object], int]] = []

    def watch(committed: Committed) -> None:
        changed = {table: list(keys) for table, keys in committed.changed.items()}
        seen_commits.append((changed, len(committed.tables.customers.rows)))

    store = MemoryStore(watch=watch)
    async with store.write() as uow:
        await uow.customers.add(a_customer())
    await written(store, lambda uow: uow.customers.add(another_customer()))
    await written(store, lambda uow: uow.jobs.enqueue(a_job()))

    assert seen_commits == [({"customer": [BORIS]}, 1), ({"job": [1]}, 1)]


async def test_every_call_lets_the_others_run_first():
    pauses = []

    async def pause() -> None:
        pauses.append(1)
        await asyncio.sleep(0)

    store = MemoryStore(pause=pause)
    async with store.write() as uow:
        await uow.customers.add(a_customer())
        await uow.customers.get(ANNA)
        await uow.commit()

    assert len(pauses) == 3


async def test_a_unit_within_a_unit_is_a_mistake(memory):
    async with memory.write():
        with pytest.raises(AssertionError):
            async with memory.write():
                pass


async def test_a_unit_that_has_ended_does_nothing_more(memory):
    async with memory.write() as uow:
        await uow.commit()
        with pytest.raises(AssertionError):
            await uow.customers.lock(ANNA)
        with pytest.raises(AssertionError):
            await uow.commit()
