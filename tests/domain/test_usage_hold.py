"""A hold of usage ends once, along the table of its moves, and time is one of its enders."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.usage_quota import (
    HOLD_MOVES,
    CaptureNotUsable,
    HoldId,
    HoldLifeNotUsable,
    HoldStatus,
    UsageHold,
    UsageHoldEnded,
    UsageQuota,
)
from tests.builders import NOON, an_open_hold

HOLD = an_open_hold(units=3, limit=50)
ENDED = {
    "captured": HOLD.becomes_captured(2, at=NOON),
    "released": HOLD.becomes_released(at=NOON),
    "expired": HOLD.at(HOLD.expires_at),
}


def test_an_open_hold_has_given_nothing_back_and_is_due_at_its_end():
    assert (HOLD.returned, HOLD.due_at) == (0, HOLD.expires_at)


@pytest.mark.parametrize(
    ("how", "captured", "returned"), [("captured", 2, 1), ("released", 0, 3), ("expired", 0, 3)]
)
def test_what_is_not_captured_is_given_back(how, captured, returned):
    hold = ENDED[how]

    assert (hold.status, hold.captured, hold.returned) == (how, captured, returned)
    assert hold.due_at is None
    assert hold.ended_at == (HOLD.expires_at if how == "expired" else NOON)


def test_time_ends_it_to_the_microsecond():
    last = HOLD.expires_at - timedelta(microseconds=1)

    assert HOLD.at(last) is HOLD
    assert HOLD.becomes_captured(None, at=last).captured == 3
    for end in (HOLD.becomes_released, lambda at: HOLD.becomes_captured(None, at=at)):
        with pytest.raises(UsageHoldEnded) as over:
            end(at=HOLD.expires_at)
        assert over.value.hold_status == "expired"


@pytest.mark.parametrize("how", ENDED)
def test_time_changes_nothing_of_one_that_has_ended(how):
    assert ENDED[how].at(NOON + timedelta(days=400)) is ENDED[how]


@pytest.mark.parametrize("how", ENDED)
@pytest.mark.parametrize("units", [None, 1, 2, 3])
def test_one_that_has_ended_hears_only_the_same_again(how, units):
    hold, later = ENDED[how], NOON + timedelta(seconds=9)
    ends = {
        ("captured", 3 if units is None else units): lambda: hold.becomes_captured(units, at=later),
        ("released", 0): lambda: hold.becomes_released(at=later),
    }
    for outcome, end in ends.items():
        if outcome == (hold.status, hold.captured):
            assert end() is hold
            continue
        with pytest.raises(UsageHoldEnded) as over:
            end()
        assert (over.value.hold_status, over.value.captured) == (hold.status, hold.captured)
        assert over.value.ended_at == hold.ended_at


@pytest.mark.parametrize("how", ["open", *ENDED])
@pytest.mark.parametrize("units", [-1, 0, 4])
def test_a_capture_of_nothing_or_of_too_much_makes_no_sense_whenever_it_comes(how, units):
    with pytest.raises(CaptureNotUsable):
        {"open": HOLD, **ENDED}[how].becomes_captured(units, at=NOON)


def test_whatever_has_ended_moves_no_more():
    assert set(HOLD_MOVES) == set(HoldStatus)
    assert [status for status, moves in HOLD_MOVES.items() if moves] == [HoldStatus.OPEN]


@given(st.lists(st.integers(0, 9)), st.integers(0, 30), st.integers(0, 3))
def test_a_counter_gives_back_no_more_than_was_taken(steps, limit, captured):
    quota, taken = UsageQuota(HOLD.key, HOLD.resets_at, limit, used=0), 0
    for units in steps:
        if not units:
            continue
        quota, decision = quota.decide(units)
        hold = quota.held(HoldId("hld_1"), units, seconds=60, at=NOON)
        if not decision.allowed:
            continue
        ended = hold.becomes_captured(min(captured, units) or None, at=NOON)
        quota = quota.given_back(ended.returned)
        taken += ended.captured
        assert quota.used == taken


def test_a_counter_never_goes_below_zero():
    assert UsageQuota(HOLD.key, HOLD.resets_at, 3, used=1).given_back(2).used == 0


def test_a_hold_remembers_the_window_it_was_taken_from():
    quota = UsageQuota(HOLD.key, HOLD.resets_at, 50, used=7)

    hold = quota.held(HoldId("hld_1"), 2, seconds=90, at=NOON)

    assert hold == UsageHold(
        HoldId("hld_1"), HOLD.key, 2, 50, HOLD.resets_at, NOON, NOON + timedelta(seconds=90)
    )
    assert hold.ticket.expires_at == hold.expires_at
    for seconds in (0, -5, 3601):
        with pytest.raises(HoldLifeNotUsable):
            quota.held(HoldId("hld_1"), 2, seconds=seconds, at=NOON)
