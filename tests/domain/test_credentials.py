"""Credentials: what has ended or was revoked opens nothing."""

from datetime import timedelta

import pytest

from core.domain.credentials import ACCESS_LIFE, SESSION_LIFE, Scope
from tests.builders import NOON, a_session, an_api_key

MOMENT = timedelta(microseconds=1)
LIVE = a_session(expires_at=NOON + SESSION_LIFE, revoked_at=None)


def test_a_session_is_live_until_its_end():
    assert LIVE.is_live(NOON)
    assert LIVE.is_live(LIVE.expires_at - MOMENT)
    assert not LIVE.is_live(LIVE.expires_at)


def test_a_revoked_session_stays_revoked_since_then():
    revoked = LIVE.revoked(at=NOON)

    assert not revoked.is_live(NOON)
    assert revoked.revoked(at=NOON + ACCESS_LIFE) == revoked


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


@pytest.mark.parametrize("scope", Scope)
def test_a_key_allows_its_own_scopes_until_it_is_revoked(scope):
    key = an_api_key(scopes=frozenset({Scope.USAGE}), revoked_at=None)

    assert key.allows(scope) == (scope is Scope.USAGE)
    assert not an_api_key(scopes=frozenset(Scope), revoked_at=NOON).allows(scope)
