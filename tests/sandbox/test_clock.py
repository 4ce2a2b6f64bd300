"""The clock of the sandbox follows real time and only ever runs ahead of it."""

from datetime import UTC, datetime, timedelta

import pytest

from sandbox.clock import ClockCannotMove, SandboxClock


def test_time_moves_forward_by_what_was_asked():
    clock = SandboxClock()
    before = datetime.now(UTC)
    clock.advance(days=30, hours=1, minutes=1, seconds=1)

    ahead = clock.now() - before - timedelta(days=30, hours=1, minutes=1, seconds=1)
    assert timedelta() <= ahead < timedelta(minutes=1)


@pytest.mark.parametrize(
    "step",
    [
        {"days": -1},
        {"hours": 1, "minutes": -61},
        {"days": float("nan")},
        {"days": float("inf")},
        {"days": 10**12},
        {"days": 366 * 101},
    ],
)
def test_time_never_goes_back_or_out_of_the_calendar(step, tmp_path):
    clock = SandboxClock(tmp_path / "clock.json")

    with pytest.raises(ClockCannotMove):
        clock.advance(**step)
    assert clock.now() - datetime.now(UTC) < timedelta(minutes=1)
    assert not (tmp_path / "clock.json").exists()


def test_the_offset_outlives_a_restart(tmp_path):
    file = tmp_path / "deep" / "clock.json"
    SandboxClock(file).advance(days=30)

    assert SandboxClock(file).now() - datetime.now(UTC) > timedelta(days=29)
