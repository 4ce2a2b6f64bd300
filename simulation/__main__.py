"""`python -m simulation`: search many seeds, or every crash point, for a broken promise."""

import argparse
import platform
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Final

from simulation.app import Compose, wired
from simulation.growth_mutants import GROWTH_MUTANTS
from simulation.lives import run_growth_rush, run_life, run_offer_rush, run_offers
from simulation.money_mutants import MONEY_MUTANTS
from simulation.mutants import MUTANTS
from simulation.offer_mutants import OFFER_MUTANTS
from simulation.sweep import FLOWS, SweepResult, crash_sweep
from simulation.world import Outcome, run_money_seed, run_rush, run_seed

RECOVERIES = (None, 1, 5, 20)
"""A crash sweep runs with one crash, and with a second one so many steps into the recovery."""

LIVES: Final = {
    "shop": run_seed,
    "money": run_money_seed,
    "life": run_life,
    "rush": run_rush,
    "growth": run_growth_rush,
    "offers": run_offers,
    "offer_rush": run_offer_rush,
}
"""What a seed may be run as: plans, quotas and chat; money in every direction; weeks of referrals
and renewals; promo codes, packs and broadcasts; and everybody at once."""
PLANTED: Final = MUTANTS | MONEY_MUTANTS | GROWTH_MUTANTS | OFFER_MUTANTS


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def run_one(mutant: str | None, life: str, seed: int) -> tuple[str, Outcome]:
    return life, LIVES[life](seed, compose=_composed(mutant))


def _composed(mutant: str | None) -> Compose:
    return wired if mutant is None else PLANTED[mutant]


def sweep_one(
    mutant: str | None, seed: int, flow: str, again_after: int | None
) -> tuple[str, int | None, SweepResult]:
    compose = _composed(mutant)
    return flow, again_after, crash_sweep(flow, seed=seed, again_after=again_after, compose=compose)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--seed", type=int, help="one seed alone")
    parser.add_argument("--life", choices=LIVES, help="only so; all of them without, or shop")
    parser.add_argument("--trace", action="store_true", help="with --seed: all that happened")
    parser.add_argument("--mutant", choices=sorted(PLANTED), help="plant this bug")
    parser.add_argument("--sweep", choices=[*FLOWS, "all"], help="kill at each step of this flow")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    asked = parser.parse_args(words)
    if asked.seed is not None and asked.sweep is None:
        return _one(asked.life or "shop", asked.seed, asked.mutant, trace=asked.trace)
    with ProcessPoolExecutor(asked.jobs) as pool:
        if asked.sweep is not None:
            flows = list(FLOWS) if asked.sweep == "all" else [asked.sweep]
            work = [(flow, again) for flow in flows for again in RECOVERIES]
            sweep = partial(sweep_one, asked.mutant, asked.seed or asked.first)
            return _swept(pool.map(sweep, *zip(*work, strict=True)), asked.mutant)
        seeds = range(asked.first, asked.first + asked.seeds)
        lives = [asked.life] if asked.life else list(LIVES)
        work = [(life, seed) for seed in seeds for life in lives]
        run = partial(run_one, asked.mutant)
        return _searched(pool.map(run, *zip(*work, strict=True), chunksize=4), asked.mutant)


def _one(life: str, seed: int, mutant: str | None, *, trace: bool) -> int:
    lines: list[str] = []
    outcome = LIVES[life](seed, compose=_composed(mutant), trace=lines if trace else None)
    for line in lines:
        say(line)
    say(f"faults: {outcome.faults or 'none'}")
    say(
        f"seed {seed}: {outcome.steps} steps, {outcome.commits} commits, {outcome.crashes} crashes, "
        f"{outcome.days:.1f} days, trace {outcome.trace_hash}"
    )
    return 0 if outcome.problem is None else _failed(life, outcome, mutant)


def _searched(outcomes: Iterable[tuple[str, Outcome]], mutant: str | None) -> int:
    began = time.perf_counter()
    seeds = steps = commits = crashes = failed = 0
    for life, outcome in outcomes:
        seeds += 1
        steps += outcome.steps
        commits += outcome.commits
        crashes += outcome.crashes
        if outcome.problem is not None:
            failed += _failed(life, outcome, mutant)
    seconds = time.perf_counter() - began
    say(
        f"{seeds} runs, {failed} failed; {steps} steps ({steps / seconds:.0f}/s), "
        f"{commits} commits, {crashes} crashes, {seconds:.1f} s"
    )
    return 1 if failed else 0


def _swept(results: Iterable[tuple[str, int | None, SweepResult]], mutant: str | None) -> int:
    failed = 0
    for flow, again_after, result in results:
        failed += len(result.failures)
        twice = "" if again_after is None else f", and again {again_after} steps later"
        say(f"{flow}{twice}: {result.points} crash points, {len(result.failures)} failed")
        for point, problem in result.failures[:3]:
            say(f"  step {point}: {problem}")
    if failed:
        say(_replay_key("--sweep", mutant))
    return 1 if failed else 0


def _failed(life: str, outcome: Outcome, mutant: str | None) -> int:
    say(f"FAILED seed {outcome.seed}: {outcome.problem}")
    otherwise = "" if life == "shop" else f"--life {life} "
    say(_replay_key(f"{otherwise}--seed {outcome.seed} --trace", mutant))
    return 1


def _replay_key(options: str, mutant: str | None) -> str:
    """All that a replay needs besides the same commit."""
    planted = f" --mutant {mutant}" if mutant else ""
    return (
        f"  replay with Python {platform.python_version()}: python -m simulation {options}{planted}"
    )


if __name__ == "__main__":
    sys.exit(main())
