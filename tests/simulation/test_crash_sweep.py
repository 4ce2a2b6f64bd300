"""One process is killed at each step of each flow; `python -m simulation --sweep all` does more."""

import pytest

from simulation.flows import SHOP_FLOWS
from simulation.sweep import crash_sweep

POINTS_MIN = {
    "register": 8,
    "buy": 15,
    "settle": 30,
    "consume": 40,
    "hold": 70,
    "pack": 120,
    "expire": 35,
    "sign_in": 30,
    "chat": 60,
}


@pytest.mark.parametrize("flow", SHOP_FLOWS)
def test_a_crash_at_any_step_loses_nothing(flow):
    result = crash_sweep(flow)

    assert result.failures == ()
    assert result.points >= POINTS_MIN[flow]


@pytest.mark.parametrize("flow", SHOP_FLOWS)
def test_a_crash_during_recovery_loses_nothing_either(flow):
    assert crash_sweep(flow, every=3, again_after=5).failures == ()
