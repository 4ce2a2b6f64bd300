"""Money in every direction, while anything may fail; `make simulate` searches many more seeds."""

import pytest

from simulation.__main__ import say
from simulation.money_flows import MONEY_FLOWS
from simulation.money_mutants import MONEY_MUTANTS
from simulation.sweep import crash_sweep
from simulation.world import run_money_seed, run_rush

SEEDS = range(20)
RUSHES = range(15)
MUTANT_SEEDS = range(40)

POINTS_MIN = {
    "deposit": 10,
    "fallback": 10,
    "verify": 10,
    "charge_card": 10,
    "escrow": 25,
    "give_back": 15,
    "withdraw": 40,
    "reconcile": 15,
}

BREAKS = {
    "credit_keyed_by_our_payload": "M10",
    "refund_not_deduplicated": "M11",
    "payout_retried_on_unknown": "M15",
    "posting_in_a_second_unit": "M7",
    "deposit_credited_without_proof": "M10",
    "hold_ended_twice": "account=hold:",  # Nothing is left in it for the second ending.
    "escrow_released_without_compare_and_set": "H1",
    "bonus_comes_back_as_cash": "M18",
    "only_the_newest_checkout_is_paid": "M8",
    "listed_refund_booked_twice": "M15",
}


@pytest.mark.parametrize("seed", SEEDS)
def test_every_promise_of_money_holds_whatever_fails(seed):
    assert run_money_seed(seed).problem is None


def test_a_seed_of_money_replays_step_by_step():
    assert run_money_seed(8) == run_money_seed(8, trace=[])


@pytest.mark.parametrize("seed", RUSHES)
def test_who_is_first_decides_once(seed):
    assert run_rush(seed).problem is None


@pytest.mark.parametrize("flow", MONEY_FLOWS)
def test_a_crash_while_money_moves_loses_nothing(flow):
    result = crash_sweep(flow, every=8)

    assert result.failures == ()
    assert result.points >= POINTS_MIN[flow]


@pytest.mark.parametrize("flow", MONEY_FLOWS)
def test_a_crash_during_recovery_of_money_loses_nothing_either(flow):
    assert crash_sweep(flow, every=31, again_after=5).failures == ()


@pytest.mark.parametrize("name", MONEY_MUTANTS)
def test_a_planted_bug_of_money_is_found(name):
    """The first run that breaks the promise which the bug is about; it is printed."""
    found = next((one for one in _problems(name) if BREAKS[name] in one), None)

    assert found is not None, "not found"
    say(f"{name}: {found[:200]}")


def _problems(name):
    for seed in MUTANT_SEEDS:
        for run in (run_rush, run_money_seed):
            yield run(seed, compose=MONEY_MUTANTS[name]).problem or ""
