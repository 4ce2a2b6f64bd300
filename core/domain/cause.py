"""What made us write: a cause is claimed once, decides once, and may be continued for ever."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from core.domain.errors import Conflict, Unavailable

LEASE: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Cause:
    """
    Why a writing use case runs: `key` within `scope` (the caller and the operation), and a
    `fingerprint` of everything that was asked, so that a repeat is told from a contradiction.
    """

    scope: str
    key: str
    fingerprint: str


@dataclass(eq=False)
class KeyUsedOtherwise(Conflict):
    """This idempotency key was used before with other parameters; send a new key."""

    key: str


@dataclass(eq=False)
class StillRunning(Conflict):
    """The first request with this key is still being worked on; repeat the same in a moment."""

    retry_after_seconds: int


@dataclass(eq=False)
class StoreBusy(Unavailable):
    """The store could not finish now; nothing was written. Repeat the same request."""

    retry_after_seconds: int = 1


@dataclass(frozen=True, slots=True)
class Claim:
    """
    A cause taken, with the id of what it is about.

    While the lease runs somebody works on it. After that anyone may continue with the same
    subject. `answer` is what the client was told, written by the last unit and then for ever.
    """

    cause: Cause
    subject: str
    leased_until: datetime
    answer: str | None = None
    version: int = 0

    def taken_again(self, cause: Cause, *, at: datetime) -> "Claim":
        """
        Take up the work again after its lease. An answered claim is returned as it is.

        Raises:
            KeyUsedOtherwise: the same key with another request.
            StillRunning: the lease has not run out.
        """
        if cause.fingerprint != self.cause.fingerprint:
            raise KeyUsedOtherwise(cause.key)
        if self.answer is not None:
            return self
        if at < self.leased_until:
            # Rounded up: whoever comes back when told is never too early.
            raise StillRunning(-((at - self.leased_until) // timedelta(seconds=1)))
        return replace(self, leased_until=at + LEASE)

    def answered(self, answer: str) -> "Claim":
        assert self.answer is None, "an answer is given once"
        return replace(self, answer=answer)

    def held_on(self, *, at: datetime) -> "Claim":
        """Begin the lease anew: the work goes on."""
        return replace(self, leased_until=at + LEASE)

    def let_go(self, *, at: datetime) -> "Claim":
        """End the lease early: the work stopped in order and the caller may repeat at once."""
        return replace(self, leased_until=at)


def claim(cause: Cause, subject: str, *, at: datetime) -> Claim:
    return Claim(cause, subject, leased_until=at + LEASE)
