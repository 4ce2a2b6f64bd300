"""Credentials: what has ended, was revoked or was replaced opens nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.domain.credentials import ACCESS_LIFE, REFRESH_GRACE, SESSION_LIFE, Scope, SessionEnd
from tests.builders import NOON, a_live_session, an_api_key

MOMENT = timedelta(microseconds=1)
LIVE = a_live_session(expires_at=NOON + SESSION_LIFE)
TWO = LIVE.refreshed(1, at=NOON)
"""Its token 1 was replaced by token 2 at noon."""


def test_a_session_is_live_until_its_end():
    assert LIVE.is_live(NOON)
    assert LIVE.is_live(LIVE.expires_at - MOMENT)
    assert not LIVE.is_live(LIVE.expires_at)


def test_who_signs_out_is_out_since_then():
    gone = LIVE.signed_out(at=NOON)

    assert not gone.is_live(NOON)
    assert gone.signed_out(at=NOON + ACCESS_LIFE) == gone


def test_a_session_that_was_copied_may_still_be_signed_out_of():
    copied = TWO.refreshed(1, at=NOON + REFRESH_GRACE)
    gone = copied.signed_out(at=NOON + ACCESS_LIFE)

    assert gone == replace(copied, ended_as=SessionEnd.SIGNED_OUT)


@pytest.mark.parametrize(
    ("gone", "access"),
    [
        (timedelta(0), ACCESS_LIFE),
        (SESSION_LIFE - ACCESS_LIFE, ACCESS_LIFE),
        (SESSION_LIFE - MOMENT, MOMENT),
    ],
)
def test_access_never_outlives_its_session(gone, access):
    now = NOON + gone

    assert LIVE.access_until(now) == now + access


def test_a_refresh_counts_the_token_up_and_the_old_one_only_reads_for_the_grace():
    assert TWO.turn == 2
    for late, reads in (
        (timedelta(0), True),
        (REFRESH_GRACE - MOMENT, True),
        (REFRESH_GRACE, False),
    ):
        now = NOON + late
        assert TWO.admits(2, now, reading=False)
        assert TWO.admits(1, now, reading=True) is reads
        assert not TWO.admits(1, now, reading=False)


@pytest.mark.parametrize("number", [-1, 0, 3, 99])
def test_a_token_of_no_number_of_ours_opens_nothing(number):
    assert not TWO.admits(number, NOON, reading=True)
    assert TWO.refreshed(number, at=NOON).ended_as is SessionEnd.COPIED


def test_within_the_grace_everybody_gets_the_same_number():
    for late in (timedelta(0), REFRESH_GRACE - MOMENT):
        assert TWO.refreshed(1, at=NOON + late) == TWO
        assert TWO.refreshed(2, at=NOON + late) == TWO


def test_a_token_retired_long_ago_ends_the_session():
    ended = TWO.refreshed(1, at=NOON + REFRESH_GRACE)

    assert ended == replace(TWO, revoked_at=NOON + REFRESH_GRACE, ended_as=SessionEnd.COPIED)
    assert not ended.admits(2, NOON + REFRESH_GRACE, reading=True)


def test_the_last_but_one_has_no_grace():
    three = TWO.refreshed(2, at=NOON + REFRESH_GRACE)

    assert three.turn == 3
    assert not three.admits(1, NOON + REFRESH_GRACE, reading=True)
    assert three.refreshed(1, at=NOON + REFRESH_GRACE).ended_as is SessionEnd.COPIED


def test_a_session_that_is_over_admits_no_token():
    assert not LIVE.admits(1, LIVE.expires_at, reading=True)
    assert not LIVE.signed_out(at=NOON).admits(1, NOON, reading=True)


@pytest.mark.parametrize("scope", Scope)
def test_a_key_allows_its_own_scopes_until_it_is_revoked(scope):
    key = an_api_key(scopes=frozenset({Scope.USAGE}), revoked_at=None)

    assert key.allows(scope) == (scope is Scope.USAGE)
    assert not an_api_key(scopes=frozenset(Scope), revoked_at=NOON).allows(scope)
