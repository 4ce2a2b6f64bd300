"""Claims: a cause is decided once, continued by anyone, and answered for ever."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.cause import LEASE, Cause, KeyUsedOtherwise, StillRunning, claim
from tests.builders import NOON

CAUSE = Cause("cus_anna0001 POST /purchases/", "key-1", "sha256:1")
ANOTHER_REQUEST = Cause(CAUSE.scope, CAUSE.key, "sha256:2")
FRESH = claim(CAUSE, "pur_1", at=NOON)
MOMENT = timedelta(microseconds=1)


def test_a_fresh_claim_is_leased_and_unanswered():
    assert (FRESH.cause, FRESH.subject) == (CAUSE, "pur_1")
    assert FRESH.leased_until == NOON + LEASE == NOON + timedelta(seconds=30)
    assert FRESH.answer is None


def test_an_answered_claim_replays_its_answer_for_ever():
    answered = FRESH.answered("201 pur_1")

    for later in (timedelta(0), MOMENT, LEASE, timedelta(days=4000)):
        assert answered.taken_again(CAUSE, at=NOON + later) == answered
    assert answered.answer == "201 pur_1"


def test_an_answer_is_given_once():
    with pytest.raises(AssertionError):
        FRESH.answered("one").answered("other")


@pytest.mark.parametrize(
    ("gone", "wait"),
    [(timedelta(0), 30), (MOMENT, 30), (timedelta(seconds=29), 1), (LEASE - MOMENT, 1)],
)
def test_a_repeat_within_the_lease_is_told_when_to_come_back(gone, wait):
    with pytest.raises(StillRunning) as refused:
        FRESH.taken_again(CAUSE, at=NOON + gone)

    assert refused.value.retry_after_seconds == wait


@given(st.timedeltas(timedelta(0), LEASE - MOMENT))
def test_coming_back_when_told_is_late_enough(gone):
    with pytest.raises(StillRunning) as refused:
        FRESH.taken_again(CAUSE, at=NOON + gone)

    later = NOON + gone + timedelta(seconds=refused.value.retry_after_seconds)
    assert FRESH.taken_again(CAUSE, at=later).subject == FRESH.subject


@pytest.mark.parametrize("gone", [LEASE, LEASE + MOMENT, timedelta(days=400)])
def test_after_the_lease_anyone_continues_with_the_same_subject(gone):
    again = FRESH.taken_again(CAUSE, at=NOON + gone)

    assert again.subject == "pur_1"
    assert again.leased_until == NOON + gone + LEASE
    assert again.answer is None
    with pytest.raises(StillRunning):
        again.taken_again(CAUSE, at=NOON + gone)


def test_work_that_stopped_in_order_is_taken_up_at_once():
    stopped = FRESH.let_go(at=NOON + MOMENT)

    assert stopped.taken_again(CAUSE, at=NOON + MOMENT).leased_until == NOON + MOMENT + LEASE


@pytest.mark.parametrize(
    "state", [FRESH, FRESH.answered("201 pur_1"), FRESH.let_go(at=NOON)], ids=str
)
@pytest.mark.parametrize("gone", [timedelta(0), LEASE, timedelta(days=400)])
def test_the_same_key_with_another_request_is_an_error_at_any_time(state, gone):
    with pytest.raises(KeyUsedOtherwise) as refused:
        state.taken_again(ANOTHER_REQUEST, at=NOON + gone)

    assert refused.value.key == "key-1"
