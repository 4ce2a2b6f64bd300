"""Usage quotas: N asks against K left give exactly K, and a denial leaves no trace."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.plan import Feature
from core.domain.usage_quota import (
    UNITS_MAX,
    QuotaDecision,
    RequestIdUsedOtherwise,
    UnitsNotUsable,
    UsageKey,
    UsageQuota,
    UsageReceipt,
)
from tests.builders import ANNA, NOON, PHOTO_AI

MIDNIGHT = NOON + timedelta(hours=12)


def quota(*, limit: int | None, used: int = 0) -> UsageQuota:
    return UsageQuota(UsageKey(ANNA, PHOTO_AI, NOON - timedelta(hours=12)), MIDNIGHT, limit, used)


def receipt() -> UsageReceipt:
    decision = QuotaDecision(allowed=True, used=2, limit=3, resets_at=MIDNIGHT)
    return UsageReceipt(ANNA, "req-1", PHOTO_AI, 2, decision, MIDNIGHT + timedelta(days=35))


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_n_asks_against_k_left_allow_exactly_the_smaller(asks, limit, used):
    now, allowed = quota(limit=limit, used=used), 0

    for _ in range(asks):
        now, decision = now.decide(1)
        allowed += decision.allowed

    assert allowed == min(asks, max(0, limit - used))
    assert now.used == used + allowed


@given(
    st.lists(st.integers(1, 9) | st.just(UNITS_MAX)),
    st.none() | st.integers(0, 40),
    st.integers(0, 50),
)
def test_what_is_used_is_what_was_allowed(asks, limit, used):
    now, total = quota(limit=limit, used=used), used

    for units in asks:
        before = now
        now, decision = before.decide(units)
        total += units if decision.allowed else 0
        assert decision.allowed == (limit is None or before.used + units <= limit)
        assert (now is before) == (not decision.allowed)
        assert decision == QuotaDecision(decision.allowed, now.used, limit, MIDNIGHT)

    assert now.used == total
    assert limit is None or now.used <= max(limit, used)


@pytest.mark.parametrize(
    ("limit", "used", "units", "allowed", "remaining"),
    [
        (0, 0, 1, False, 0),
        (1, 0, 1, True, 0),
        (3, 2, 1, True, 0),
        (3, 3, 1, False, 0),
        (3, 0, 3, True, 0),
        (3, 0, 4, False, 3),
        (3, 2, 2, False, 1),
        (3, 50, 1, False, 0),  # A smaller plan within the window: used stays used.
        (None, 10**9, UNITS_MAX, True, None),
        (UNITS_MAX, 0, UNITS_MAX, True, 0),
        (UNITS_MAX - 1, 0, UNITS_MAX, False, UNITS_MAX - 1),
    ],
)
def test_an_ask_is_allowed_whole_or_not_at_all(limit, used, units, allowed, remaining):
    after, decision = quota(limit=limit, used=used).decide(units)

    assert decision.allowed is allowed
    assert decision.remaining == remaining
    assert after.used == decision.used == used + (units if allowed else 0)
    assert decision.resets_at == MIDNIGHT


@pytest.mark.parametrize(
    ("limit", "used", "line"),
    [
        (None, 10**9, None),
        (0, 0, "used_up"),
        (1, 0, None),
        (1, 1, "used_up"),
        (4, 3, None),  # The last but one of so few is no news.
        (4, 4, "used_up"),
        (5, 3, None),
        (5, 4, "low"),
        (5, 5, "used_up"),
        (11, 8, None),
        (11, 9, "low"),
        (11, 10, "low"),
        (11, 50, "used_up"),
    ],
)
def test_a_quota_has_two_lines(limit, used, line):
    assert quota(limit=limit, used=used).line == line


@pytest.mark.parametrize("units", [0, -1, UNITS_MAX + 1])
@pytest.mark.parametrize("limit", [None, 0, 10**9])
def test_units_are_between_one_and_a_million(units, limit):
    with pytest.raises(UnitsNotUsable):
        quota(limit=limit).decide(units)


def test_a_repeated_request_id_hears_the_first_decision():
    assert receipt().repeated(PHOTO_AI, 2) == receipt().decision


@pytest.mark.parametrize(
    ("feature", "units", "seconds"),
    [(PHOTO_AI, 1, None), (Feature("voice_ai"), 2, None), (PHOTO_AI, 2, 300)],
)
def test_a_request_id_used_for_another_ask_is_refused(feature, units, seconds):
    with pytest.raises(RequestIdUsedOtherwise) as refused:
        receipt().repeated(feature, units, hold_seconds=seconds)

    assert refused.value.request_id == "req-1"
