"""Promo codes, packs and broadcasts, while anything may fail; `make simulate` searches many more."""

import pytest

from simulation.lives import run_offer_rush, run_offers

SEEDS = range(12)
RUSHES = range(8)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_promise_of_codes_packs_and_broadcasts_holds(seed):
    assert run_offers(seed).problem is None


@pytest.mark.parametrize("seed", RUSHES)
def test_who_uses_a_code_or_a_discount_first_has_it_and_nobody_else(seed):
    assert run_offer_rush(seed).problem is None


def test_a_life_of_offers_replays_step_by_step():
    assert run_offers(2) == run_offers(2, trace=[])
