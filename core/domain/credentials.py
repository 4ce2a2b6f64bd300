"""How callers prove who they are: customers' sessions and the business's API keys."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NewType

from core.domain.customer import CustomerId
from core.domain.errors import Invalid, Refused

SessionId = NewType("SessionId", str)

ACCESS_LIFE: Final = timedelta(hours=1)
SESSION_LIFE: Final = timedelta(days=7)

REFRESH_GRACE: Final = timedelta(seconds=60)
"""How long a token that was just replaced may still read and ask for its successor."""


class Scope(StrEnum):
    """What an API key may do."""

    CUSTOMERS = "customers"  # Create, read and erase customers.
    PURCHASES = "purchases"  # All about their money; with the former, sign them in.
    USAGE = "usage"  # Consume their quotas.
    OPERATOR = "operator"  # What a person on duty may do.


@dataclass(eq=False)
class NotSignedIn(Refused):
    """The credentials are missing, unknown, revoked or too old; sign in again."""


@dataclass(eq=False)
class ScopeMissing(Refused):
    """This API key is not allowed to do that."""

    needs: str


@dataclass(eq=False)
class SignInTooOldForMoney(Refused):
    """Signed in with data older than an hour; reopen the app for this."""


@dataclass(eq=False)
class UnknownScope(Invalid):
    """There is no such scope; there are customers, operator, purchases and usage."""

    scope: str


@dataclass(eq=False)
class SignedOutBefore(Invalid):
    """Somebody signed out with this sign-in data; please reopen the app."""


class SessionEnd(StrEnum):
    """Why a session was revoked."""

    SIGNED_OUT = "signed_out"
    COPIED = "copied"  # A token that had long been replaced was presented: two hold the session.


@dataclass(frozen=True, slots=True)
class Session:
    """
    A customer signed in. Access tokens live an hour and are renewed while the session lasts;
    each renewal counts up `turn`, and tokens of lower numbers are retired.
    `may_pay` is false for a sign-in with proof older than an hour; `in_telegram` is true for one
    from a Mini App, whose purchases are made inside Telegram. `proof` is a digest of what was
    signed in with; None where the business's backend vouched.
    """

    id: SessionId
    customer_id: CustomerId
    created_at: datetime
    expires_at: datetime
    may_pay: bool
    in_telegram: bool
    proof: str | None = None
    turn: int = 1
    refreshed_at: datetime | None = None
    revoked_at: datetime | None = None
    ended_as: SessionEnd | None = None
    version: int = 0

    def is_live(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at

    def access_until(self, now: datetime) -> datetime:
        return min(now + ACCESS_LIFE, self.expires_at)

    def admits(self, turn: int, now: datetime, *, reading: bool) -> bool:
        """
        Whether a token of this number opens anything. One that was just replaced still reads for
        the grace, since other requests of the same page are on their way with it.
        """
        return self.is_live(now) and (
            turn == self.turn or (reading and self._is_just_retired(turn, now))
        )

    def refreshed(self, turn: int, *, at: datetime) -> "Session":
        """
        The session after somebody presented this token for its successor: its `turn` is the
        successor's number, unless it is revoked, because the token was retired long ago.

        The number moves once per grace at most, so whoever did not hear the answer, and a second
        tab, get a token of the same number within it.
        """
        if turn == self.turn and not self._is_in_grace(at):
            return replace(self, turn=turn + 1, refreshed_at=at)
        if turn == self.turn or self._is_just_retired(turn, at):
            return self
        return replace(self, revoked_at=at, ended_as=SessionEnd.COPIED)

    def signed_out(self, *, at: datetime) -> "Session":
        """Also where it had been revoked otherwise: from now on its proof is used up."""
        return replace(self, revoked_at=self.revoked_at or at, ended_as=SessionEnd.SIGNED_OUT)

    def _is_just_retired(self, turn: int, now: datetime) -> bool:
        return turn == self.turn - 1 and self._is_in_grace(now)

    def _is_in_grace(self, now: datetime) -> bool:
        return self.refreshed_at is not None and now < self.refreshed_at + REFRESH_GRACE


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of the business's own backend. Only its keyed hash is kept."""

    name: str
    key_hash: str
    scopes: frozenset[Scope]
    created_at: datetime
    revoked_at: datetime | None = None

    def allows(self, scope: Scope) -> bool:
        return self.revoked_at is None and scope in self.scopes
