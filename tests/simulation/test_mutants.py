"""Planted bugs are found: what the simulation calls clean is worth something."""

import pytest

from simulation.flows import SHOP_FLOWS
from simulation.mutants import MUTANTS
from simulation.sweep import crash_sweep
from simulation.world import run_rush, run_seed
from tests.simulation.test_seeds import SEEDS

RUSHES = range(3)

BREAKS = {
    "no_lock_and_no_versions": "E10",
    "posting_in_a_second_unit": "M7",
    "answer_before_storing": "W2",
    "trust_the_message": "M10",
    "quota_check_then_increment": "Q1",
    "hold_never_expires": "Q4",
    "expire_without_asking": "law 4",
    "new_key_per_attempt": "law 5",
    "claim_without_continuation": "E2",
    "turns_without_compare_and_set": "S1",
    "retired_tokens_live_on": "S2",
    "refresh_without_grace": "S3",
    "update_answered_before_it_is_acted_on": "W2",
    "news_told_after_it_was_written_down": "W9",
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_found(name):
    assert any(BREAKS[name] in problem for problem in _problems(name)), "not found"


def _problems(name):
    """The cheap search first."""
    for seed in RUSHES:
        yield run_rush(seed, compose=MUTANTS[name]).problem or ""
    for flow in SHOP_FLOWS:
        for _, problem in crash_sweep(flow, compose=MUTANTS[name], every=2).failures:
            yield problem
    for seed in SEEDS:
        yield run_seed(seed, compose=MUTANTS[name]).problem or ""
