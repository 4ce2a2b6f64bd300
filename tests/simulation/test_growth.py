"""Referrals and renewals over weeks, while anything may fail; `make simulate` searches many more."""

import pytest

from simulation.__main__ import say
from simulation.growth_flows import GROWTH_FLOWS
from simulation.growth_mutants import (
    GROWTH_MUTANTS,
    renewals_in_a_loop,
    two_workers_on_one_lease,
)
from simulation.lives import run_growth_rush, run_life, run_one_renewal
from simulation.sweep import crash_sweep
from simulation.world import run_seed

SEEDS = range(16)
RUSHES = range(8)
MUTANT_SEEDS = range(30)

BREAKS = {
    "levels_counted_without_a_lock": "F5",
    "reward_inside_the_settlement": "F4",
    "two_workers_on_one_lease_without_fencing": "R4",
    "months_counted_from_the_last_period": "E3",
    "late_payments_are_dropped": "law 4",
    "access_ordered_once": "E6",
    "renewals_in_a_loop_without_a_bound": "R7",
}


@pytest.mark.parametrize("seed", SEEDS)
def test_every_promise_of_referrals_and_renewals_holds(seed):
    assert run_life(seed).problem is None


@pytest.mark.parametrize("seed", RUSHES)
def test_friends_who_pay_and_renew_in_one_moment_are_counted_one_by_one(seed):
    assert run_growth_rush(seed).problem is None


@pytest.mark.parametrize("seed", RUSHES)
def test_two_workers_who_both_hold_the_lease_do_no_harm(seed):
    assert run_growth_rush(seed, compose=two_workers_on_one_lease).problem is None


def test_renewals_that_run_in_a_loop_are_stopped_before_a_promise_breaks():
    name = "renewals_in_a_loop_without_a_bound"
    assert "R7" in (run_one_renewal(0, compose=GROWTH_MUTANTS[name]).problem or "")
    assert run_one_renewal(0, compose=renewals_in_a_loop).problem is None


def test_a_life_replays_step_by_step():
    assert run_life(3) == run_life(3, trace=[])


@pytest.mark.parametrize("flow", GROWTH_FLOWS)
def test_a_crash_at_any_step_loses_no_reward_and_no_renewal(flow):
    result = crash_sweep(flow, every=8)

    assert result.failures == ()
    assert result.points >= 8


@pytest.mark.parametrize("flow", GROWTH_FLOWS)
def test_a_crash_during_recovery_loses_none_either(flow):
    assert crash_sweep(flow, every=29, again_after=5).failures == ()


@pytest.mark.parametrize("name", GROWTH_MUTANTS)
def test_a_planted_bug_is_found(name):
    """The first run that breaks the promise which the bug is about; it is printed."""
    found = next((one for one in _problems(name) if BREAKS[name] in one), None)

    assert found is not None, "not found"
    say(f"{name}: {found[:200]}")


def _problems(name):
    for seed in MUTANT_SEEDS:
        for run in (run_growth_rush, run_life, run_seed):
            yield run(seed, compose=GROWTH_MUTANTS[name]).problem or ""
