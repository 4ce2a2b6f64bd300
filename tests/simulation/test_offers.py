"""Promo codes, packs and broadcasts, while anything may fail; `make simulate` searches many more."""

import pytest

from simulation.__main__ import say
from simulation.lives import run_offer_rush, run_offers
from simulation.offer_flows import OFFER_FLOWS
from simulation.offer_mutants import OFFER_MUTANTS
from simulation.sweep import crash_sweep

SEEDS = range(12)
RUSHES = range(8)
MUTANT_SEEDS = range(30)

BREAKS = {
    "uses_read_and_then_written": "P1",
    "discount_not_used_up": "P3",
    "other_orders_stay_open": "P6",
    "late_orders_at_the_lower_price": "P3",
    "units_given_again_on_a_repeat": "Q2",
    "units_stay_after_a_refund": "Q2",
    "letters_sent_before_they_are_taken": "B1",
    "who_slept_is_not_asked_again": "B2",
}


@pytest.mark.parametrize("seed", SEEDS)
def test_every_promise_of_codes_packs_and_broadcasts_holds(seed):
    assert run_offers(seed).problem is None


@pytest.mark.parametrize("seed", RUSHES)
def test_who_uses_a_code_or_a_discount_first_has_it_and_nobody_else(seed):
    assert run_offer_rush(seed).problem is None


def test_a_life_of_offers_replays_step_by_step():
    assert run_offers(2) == run_offers(2, trace=[])


@pytest.mark.parametrize("flow", OFFER_FLOWS)
def test_a_crash_at_any_step_gives_nothing_twice(flow):
    result = crash_sweep(flow, every=8)

    assert result.failures == ()
    assert result.points >= 8


@pytest.mark.parametrize("flow", OFFER_FLOWS)
def test_a_crash_during_recovery_gives_nothing_twice_either(flow):
    assert crash_sweep(flow, every=29, again_after=5).failures == ()


@pytest.mark.parametrize("name", OFFER_MUTANTS)
def test_a_planted_bug_is_found(name):
    """The first run that breaks the promise which the bug is about; it is printed."""
    found = next((one for one in _problems(name) if BREAKS[name] in one), None)

    assert found is not None, "not found"
    say(f"{name}: {found[:200]}")


def _problems(name):
    for seed in MUTANT_SEEDS:
        for run in (run_offer_rush, run_offers):
            yield run(seed, compose=OFFER_MUTANTS[name]).problem or ""
