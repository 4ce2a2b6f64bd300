"""The crash sweep: kill our process at every single step of a flow, and see it heal each time."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from simulation.app import Compose, wired
from simulation.clients import Operator
from simulation.flows import SHOP_FLOWS, Flow
from simulation.growth_flows import GROWTH_FLOWS
from simulation.money_flows import MONEY_FLOWS
from simulation.offer_flows import OFFER_FLOWS
from simulation.world import Outcome, World

TAIL: Final = timedelta(hours=30)
"""Longer than a purchase lives and than a claim that nobody confirms is asked about."""
FLOWS: Final[dict[str, type[Flow]]] = SHOP_FLOWS | MONEY_FLOWS | GROWTH_FLOWS | OFFER_FLOWS


@dataclass(frozen=True, slots=True)
class SweepResult:
    """How many steps were tried, and what went wrong at which."""

    points: int
    failures: tuple[tuple[int, str], ...]


def crash_sweep(
    flow: str,
    *,
    every: int = 1,
    seed: int = 0,
    again_after: int | None = None,
    compose: Compose = wired,
) -> SweepResult:
    """
    Run the flow unharmed to count our process's steps, then once for every such step.
    `again_after`: the next process is killed too, when it has made so many steps.
    """
    unharmed, steps = _run(flow, seed, compose, kills=())
    if unharmed.problem is not None:
        return SweepResult(1, ((0, unharmed.problem),))
    failures: list[tuple[int, str]] = []
    points = range(1, steps + 1, every)
    for point in points:
        kills = (point,) if again_after is None else (point, point + again_after)
        outcome, _ = _run(flow, seed, compose, kills)
        if outcome.problem is not None:
            failures.append((point, outcome.problem))
        assert outcome.crashes, "a step that was counted is a step that comes"
    return SweepResult(len(points), tuple(failures))


def _run(flow: str, seed: int, compose: Compose, kills: tuple[int, ...]) -> tuple[Outcome, int]:
    """The outcome, and how many steps our process began while the flow acted."""
    counted = 0

    async def safety(world: World) -> None:
        nonlocal counted
        await Operator(world).opens()
        acting = FLOWS[flow](world)
        await acting.prepare()
        before = world.nemesis.our_steps
        world.nemesis.kill_at = {before + step for step in kills}
        await acting.act()
        counted = world.nemesis.our_steps - before

    outcome = World(seed, compose=compose).run(safety, liveness=TAIL)
    return outcome, counted
