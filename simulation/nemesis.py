"""The nemesis: which faults a seed suffers, and the killing of processes."""

import random
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from simulation.loop import MICROSECONDS, Node, SimulatedLoop

HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Faults:
    """Rates are per occasion, from 0 to 1; the rest is seconds. The default is a fine day."""

    # Our calls to the gateway, and what it answers.
    call_lost: float = 0
    answer_lost: float = 0  # It has acted; we hear nothing.
    declined: float = 0
    call_seconds_max: float = 0.2
    lag_seconds_max: float = 0  # A payment reads as it was before the payer acted.
    outage_every: float = 0  # Seconds on average; 0: never.
    outage_seconds_max: float = 0
    # Its webhooks.
    webhook_lost: float = 0
    webhook_copied: float = 0
    webhook_seconds_max: float = 0.2
    webhook_late: float = 0  # By up to a day.
    webhooks_stop: bool = False  # For ever, at some moment of the run.
    # Our clients' calls to us.
    request_lost: float = 0
    reply_lost: float = 0
    double_click: float = 0
    gives_up: float = 0
    short_payment: float = 0
    rush: bool = False  # Everybody does everything in the same moment.
    # Our processes and our store.
    crash: float = 0
    pause: float = 0
    two_processes: bool = False
    clock_offset_max: float = 0
    store_busy: float = 0
    store_seconds_max: float = 0
    commit_unknown: float = 0  # It was committed, and the caller is told StoreBusy.
    # A bank that also sends money.
    payout_fails: float = 0
    payout_returns: float = 0
    pays_twice: float = 0
    # Telegram, which takes so many letters and no more for now.
    sent_too_fast: float = 0
    # People.
    anywhere: bool = False  # Who pays names no gateway; what fails then fails at the first.
    attack_every: float = 0
    price_change_every: float = 0
    dashboard_every: float = 0
    refund_every: float = 0


CALM: Final = Faults()

WORST: Final = {
    "call_lost": 0.1,
    "answer_lost": 0.2,
    "declined": 0.05,
    "call_seconds_max": 20.0,
    "lag_seconds_max": 60.0,
    "outage_seconds_max": 6 * HOUR,
    "webhook_lost": 0.5,
    "webhook_copied": 0.5,
    "webhook_seconds_max": 30.0,
    "webhook_late": 0.1,
    "request_lost": 0.2,
    "reply_lost": 0.2,
    "double_click": 0.4,
    "gives_up": 0.1,
    "short_payment": 0.15,
    "clock_offset_max": 300.0,
    "store_busy": 0.01,
    "commit_unknown": 0.02,
}

WORST_OF_MONEY: Final = {"payout_fails": 0.4, "payout_returns": 0.4, "pays_twice": 0.3}


def draw(chance: random.Random) -> Faults:
    """A swarm: each kind of fault is off in half of the seeds, so that none hides another."""
    drawn: dict[str, Any] = {
        name: worst * chance.random() for name, worst in WORST.items() if chance.random() < 0.5
    }
    stops = chance.random() < 0.1
    drawn |= {
        "store_seconds_max": 10 ** chance.uniform(-3, 0) if chance.random() < 0.5 else 0,
        "crash": 10 ** chance.uniform(-4.5, -2) if chance.random() < 0.7 else 0,
        "pause": 10 ** chance.uniform(-4.5, -3) if chance.random() < 0.3 else 0,
        "outage_every": chance.uniform(24, 240) * HOUR if chance.random() < 0.3 else 0,
        "attack_every": chance.uniform(1, 24) * HOUR if chance.random() < 0.5 else 0,
        "price_change_every": chance.uniform(6, 96) * HOUR if chance.random() < 0.5 else 0,
        "dashboard_every": chance.uniform(24, 240) * HOUR if chance.random() < 0.2 else 0,
    }
    faults = Faults(**drawn, webhooks_stop=stops, two_processes=chance.random() < 0.3)
    if chance.random() < 0.3:  # A slow store and quick messages, so that units overlap.
        seconds: dict[str, Any] = {
            "store_seconds_max": chance.uniform(0.05, 0.5),
            "call_seconds_max": 0.2,
        }
        return replace(faults, rush=True, webhook_seconds_max=0.5, **seconds)
    return faults


def draw_of_money(chance: random.Random, days: float) -> Faults:
    """The same swarm, and what a bank and a cashier add to it."""
    drawn: dict[str, Any] = {
        name: worst * chance.random()
        for name, worst in WORST_OF_MONEY.items()
        if chance.random() < 0.5
    }
    refunds = days * 24 * HOUR / chance.uniform(2, 12)
    return replace(draw(chance), refund_every=refunds, anywhere=chance.random() < 0.5, **drawn)


def draw_of_offers(chance: random.Random, days: float) -> Faults:
    """The same, and a Telegram that is told too much at once."""
    too_fast = chance.random() * (chance.random() < 0.5)
    return replace(draw_of_money(chance, days), sent_too_fast=too_fast)


def told(faults: Faults) -> str:
    """Only what differs from a fine day."""
    shown = ((field.name, getattr(faults, field.name)) for field in fields(faults))
    calm = {field.name: field.default for field in fields(faults)}
    return ", ".join(f"{name}={value:.3g}" for name, value in shown if value != calm[name])


class Nemesis:
    """Kills or stops a process before one of its steps, by chance or at a step that is told."""

    def __init__(
        self, loop: SimulatedLoop, faults: Faults, is_ours: Callable[[Node], bool]
    ) -> None:
        self.faults = faults
        self.kills = 0
        self.our_steps = 0
        """How many steps our processes have begun, over all their lives."""
        self.kill_at: set[int] = set()
        """Kill whoever begins one of these of `our_steps`."""
        self._loop = loop
        self._is_ours = is_ours
        self._chance = loop.stream("crash")

    def on_step(self, node: Node) -> None:
        if not self._is_ours(node):
            return
        self.our_steps += 1
        if self.our_steps in self.kill_at or (
            self.faults.crash and self._chance.random() < self.faults.crash
        ):
            self.kills += 1
            self._loop.kill(node)
        elif self.faults.pause and self._chance.random() < self.faults.pause:
            seconds = self._chance.uniform(1, 300)
            node.sleeps_until_us = self._loop.now_us + round(seconds * MICROSECONDS)
            self._loop.note(f"PAUSED {node} for {seconds:.0f} s")
