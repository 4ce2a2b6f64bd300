"""Lives of people who bring each other, stay, and look for bargains: over weeks, and all at once."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Final

from core.domain.broadcast import BroadcastMove
from core.domain.promo_code import PercentOff
from core.domain.renewal import FROM_WALLET
from simulation.app import Compose, wired
from simulation.bank import BANK
from simulation.bargainers import Bargainer, Promoter, Reader, offer_catalog
from simulation.clients import HOUR, Operator
from simulation.loop import SimulatedLoop
from simulation.nemesis import draw_of_money, draw_of_offers
from simulation.subscribers import Subscriber, life_catalog
from simulation.traders import Cashier
from simulation.world import RUSH, Outcome, World, now_and_then, outage, webhooks_stop

PAGE_LIFE: Final = timedelta(hours=36)
"""A page at the bank outlives the order that it was opened for."""


def run_life(seed: int, *, compose: Compose = wired, trace: list[str] | None = None) -> Outcome:
    """Weeks of people who bring each other, try, renew and stop, while a cashier gives back."""
    chance = SimulatedLoop(seed).stream("setting of life")
    days = chance.choice((0.5, 10.0, 25.0))
    faults = draw_of_money(chance, days)
    fifo = chance.random() < 0.5
    world = World(seed, faults, compose=compose, fifo=fifo, trace=trace)
    return world.run(lambda one: _live(one, days, people=chance.randint(3, 5)))


async def _live(world: World, days: float, *, people: int) -> None:
    await Operator(world).opens(life_catalog())
    world.open_bank()
    world.bank.term = PAGE_LIFE
    cashier, faults = Cashier(world), world.faults
    everybody = [Subscriber(world, f"subscriber{number}") for number in range(people)]
    troubles = [
        now_and_then(world, faults.outage_every, lambda: outage(world)),
        now_and_then(world, faults.outage_every / 2, lambda: panel_fails(world)),
        now_and_then(world, faults.refund_every and days * 4 * HOUR, cashier.gives_back),
        webhooks_stop(world, days),
    ]
    tasks = [asyncio.ensure_future(trouble) for trouble in troubles]
    async with asyncio.TaskGroup() as lives:
        for person in everybody:
            lives.create_task(person.lives(days, everybody))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def panel_fails(world: World) -> None:
    """It is away for some orders, and does some of which we do not hear."""
    chance = world.loop.stream(f"panel {world.loop.time()}")
    world.panel.down(chance.randint(0, 3))
    world.panel.act_then_fail(chance.randint(0, 2))


def run_growth_rush(
    seed: int, *, compose: Compose = wired, trace: list[str] | None = None
) -> Outcome:
    """Friends of one referrer who pay in the same moment, and whose plans renew in the same one."""
    faults = replace(RUSH, two_processes=True)
    return World(seed, faults, compose=compose, trace=trace).run(_growth_rush)


async def _growth_rush(world: World) -> None:
    await Operator(world).opens(life_catalog())
    world.open_bank()
    referrer = Subscriber(world, "referrer", always_pays=True)
    friends = [Subscriber(world, f"friend{number}", always_pays=True) for number in range(4)]
    await referrer.comes([])
    await asyncio.sleep(HOUR)
    await asyncio.gather(*(friend.comes([referrer]) for friend in friends))
    await asyncio.gather(*(friend.tries_the_trial() for friend in friends[:2]))
    await asyncio.gather(*(friend.verifies() for friend in friends))
    await asyncio.gather(*(friend.buys_plan(BANK) for friend in friends for _ in range(2)))
    await asyncio.sleep(HOUR)
    sources = [friend.card for friend in friends[:2]] + 2 * [FROM_WALLET]  # Which are empty.
    renewing = zip(friends, sources, strict=True)
    await asyncio.gather(*(friend.renews_from(source) for friend, source in renewing))
    await asyncio.sleep(9 * 24 * HOUR)


def run_one_renewal(seed: int, *, compose: Compose = wired) -> Outcome:
    """Somebody alone, on a calm day, whose plan renews by a card: the cheapest run that renews."""

    async def renew(world: World) -> None:
        await Operator(world).opens(life_catalog())
        world.open_bank()
        only = Subscriber(world, "only", always_pays=True)
        await only.comes([])
        await only.verifies()
        await only.buys_plan(BANK)
        await asyncio.sleep(HOUR)
        await only.renews_from(only.card)
        await asyncio.sleep(6.2 * 24 * HOUR)

    return World(seed, RUSH, compose=compose).run(renew)


def run_offers(seed: int, *, compose: Compose = wired, trace: list[str] | None = None) -> Outcome:
    """Days of promo codes, discounts, packs and broadcasts, and of who makes, stops and sends them."""
    chance = SimulatedLoop(seed).stream("setting of offers")
    days = chance.choice((0.1, 2.0, 10.0))
    faults = draw_of_offers(chance, days)
    fifo = chance.random() < 0.5
    world = World(seed, faults, compose=compose, fifo=fifo, trace=trace)
    return world.run(
        lambda one: _shop(one, days, people=chance.randint(2, 4), crowd=chance.choice((6, 35)))
    )


async def _shop(world: World, days: float, *, people: int, crowd: int) -> None:
    """A crowd of more than are sent to at a time, or of a few."""
    await Operator(world).opens(offer_catalog())
    world.open_bank()
    world.bank.term = PAGE_LIFE
    promoter, faults = Promoter(world), world.faults
    everybody = [Bargainer(world, f"bargainer{number}") for number in range(people)]
    readers = [Reader(world, number) for number in range(crowd)]
    troubles = [
        now_and_then(world, faults.outage_every, lambda: outage(world)),
        now_and_then(world, faults.outage_every / 2, lambda: panel_fails(world)),
        webhooks_stop(world, days),
    ]
    tasks = [asyncio.ensure_future(trouble) for trouble in troubles]
    async with asyncio.TaskGroup() as lives:
        lives.create_task(promoter.promotes(days))
        for person in everybody:
            lives.create_task(person.lives(days, everybody))
        for reader in readers:
            lives.create_task(reader.lives(days))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def run_offer_rush(
    seed: int, *, compose: Compose = wired, trace: list[str] | None = None
) -> Outcome:
    """More who use a code than it is for, then two orders each by one discount, all in one moment."""
    faults = replace(RUSH, two_processes=True, sent_too_fast=0.2, double_click=0.5)
    return World(seed, faults, compose=compose, trace=trace).run(_offer_rush)


async def _offer_rush(world: World) -> None:
    await Operator(world).opens(offer_catalog())
    world.open_bank()
    world.bank.term = PAGE_LIFE
    promoter, chance = Promoter(world), world.loop.stream("rush")
    people = [Bargainer(world, f"bargainer{number}", always_pays=True) for number in range(4)]
    readers = [Reader(world, number) for number in range(4)]
    await asyncio.gather(*(person.comes([]) for person in people))
    await asyncio.gather(*(reader.registers() for reader in readers))
    await asyncio.gather(*(person.deposits(150_00) for person in people))
    percent, units, days = await promoter.makes_one_of_each(limit=3)
    await promoter.writes()
    async with asyncio.TaskGroup() as doings:
        for person in people:
            for name in (percent, percent, units, units, days):
                doings.create_task(person.redeems(name))
        for reader in readers[:2]:
            doings.create_task(reader.wants_none())
        doings.create_task(promoter.moves(BroadcastMove.START))
        doings.create_task(promoter.stops(days, after=chance.uniform(0, 3)))
    async with asyncio.TaskGroup() as doings:
        for person in people:
            doings.create_task(person.orders("WEEK", BANK))
            doings.create_task(person.orders("MONTH", BANK))
            doings.create_task(person.orders("WEEK", "wallet"))
            doings.create_task(person.orders("PHOTOS", BANK))
            doings.create_task(person.uses(9))
        doings.create_task(promoter.moves(BroadcastMove.PAUSE))
    await asyncio.sleep(HOUR)
    await promoter.moves(BroadcastMove.RESUME)
    again = await promoter.makes(PercentOff(20))
    async with asyncio.TaskGroup() as doings:
        for _ in range(4):
            doings.create_task(promoter.gives_back_a_pack())
        for person in people:
            doings.create_task(person.uses(9))
            doings.create_task(person.redeems(again))
    await people[0].orders_late()
