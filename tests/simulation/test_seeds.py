"""Whole lives of the simulated world; `make simulate` searches many more of them."""

import pytest

from simulation.mutants import no_lock
from simulation.world import run_seed

SEEDS = range(40)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_promise_holds_whatever_fails(seed):
    assert run_seed(seed).problem is None


@pytest.mark.parametrize("seed", [0, 7, 16, 33])
def test_a_seed_replays_step_by_step(seed):
    first, second = run_seed(seed), run_seed(seed, trace=[])

    assert first == second


def test_the_sample_sees_crashes_and_commits():
    outcomes = [run_seed(seed) for seed in range(8)]

    assert sum(outcome.crashes for outcome in outcomes) > 10
    assert sum(outcome.commits for outcome in outcomes) > 1_000


@pytest.mark.parametrize("seed", range(16, 24))
def test_a_forgotten_lock_is_a_retry_and_not_a_loss(seed):
    """Every save compares versions, so the lock alone is not what keeps the books right."""
    assert run_seed(seed, compose=no_lock).problem is None
