"""The simulated loop: the same every time, and a killed process runs nothing more."""

import asyncio

import pytest

from simulation.loop import Deadlock, Escaped, Node, SimulatedLoop


async def _bustle(heard: list[int]) -> None:
    async def works(number: int) -> None:
        for _ in range(20):
            await asyncio.sleep(0.001 * (number % 3))
            heard.append(number)

    async with asyncio.TaskGroup() as tasks:
        for number in range(10):
            tasks.create_task(works(number))


def test_one_seed_is_one_run_and_another_seed_another():
    orders, hashes = [], []
    for seed in (1, 1, 2):
        loop, heard = SimulatedLoop(seed), []
        loop.run_until_complete(_bustle(heard))
        orders.append(heard)
        hashes.append(loop.trace_hash)

    assert orders[0] == orders[1] != orders[2]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_year_takes_no_time():
    loop = SimulatedLoop(0)

    loop.run_until_complete(asyncio.sleep(365 * 86_400))

    assert loop.now_us == 365 * 86_400 * 1_000_000
    assert loop.steps < 10


def test_a_killed_process_runs_neither_finally_nor_except():
    loop, node, ran = SimulatedLoop(0), Node("app"), []

    async def works():
        try:
            await asyncio.sleep(1)
            ran.append("on")
        finally:
            ran.append("finally")

    async def kills():
        loop.spawn(node, works())
        await asyncio.sleep(0.5)
        loop.kill(node)
        await asyncio.sleep(5)
        assert ran == []

    loop.run_until_complete(kills())


def test_a_paused_process_goes_on_later_and_knows_nothing():
    loop, node, ran = SimulatedLoop(0), Node("app"), []

    async def works():
        await asyncio.sleep(1)
        ran.append(loop.time())

    async def pauses():
        task = loop.spawn(node, works())
        node.sleeps_until_us = 90_000_000
        await task

    loop.run_until_complete(pauses())

    assert ran[0] >= 90


def test_whoever_is_told_of_a_death_is_told_once():
    loop, node, told = SimulatedLoop(0), Node("app"), []
    node.on_kill["a"] = lambda: told.append("a")
    node.on_kill["b"] = lambda: told.append("b")

    loop.kill(node)
    loop.kill(node)

    assert told == ["a", "b"]


def test_a_task_that_dies_unheard_is_heard_of():
    loop = SimulatedLoop(0)

    async def dies():
        raise LookupError("unheard")

    async def forgets():
        task = asyncio.ensure_future(dies())
        await asyncio.sleep(1)
        assert task.done()
        loop.raise_unheard()

    with pytest.raises(LookupError, match="unheard"):
        loop.run_until_complete(forgets())


def test_nothing_leaves_the_simulation():
    async def leaves():
        await asyncio.to_thread(print)

    with pytest.raises(Escaped):
        SimulatedLoop(0).run_until_complete(leaves())


def test_a_run_in_which_nothing_can_happen_any_more_ends():
    async def waits():
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock):
        SimulatedLoop(0).run_until_complete(waits())
