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


class Scope(StrEnum):
    """What an API key may do."""

    CUSTOMERS = "customers"  # Create and read customers, sign them in.
    PURCHASES = "purchases"  # Start, read and cancel their purchases.
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
    """Signed in with data older than an hour; reopen the app to pay."""


@dataclass(eq=False)
class UnknownScope(Invalid):
    """There is no such scope."""

    scope: str


@dataclass(frozen=True, slots=True)
class Session:
    """
    A customer signed in. Access tokens live an hour and are renewed while the session lasts.
    `may_pay` is false for a sign-in with proof older than an hour.
    """

    id: SessionId
    customer_id: CustomerId
    created_at: datetime
    expires_at: datetime
    may_pay: bool
    revoked_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at

    def access_until(self, now: datetime) -> datetime:
        return min(now + ACCESS_LIFE, self.expires_at)

    def revoked(self, *, at: datetime) -> "Session":
        return self if self.revoked_at is not None else replace(self, revoked_at=at)


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
