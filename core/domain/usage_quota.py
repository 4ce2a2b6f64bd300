"""A usage quota: so many units per window, and what packs add; decided whole or not at all; holds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NewType

from core.domain.customer import CustomerId
from core.domain.errors import Conflict, Invalid, NotFound
from core.domain.plan import Feature

UNITS_MAX: Final = 1_000_000
RECEIPT_LIFE: Final = timedelta(days=35)
"""How long after its window's end a request id is still answered as before."""

LOW_PERCENT: Final = 80
LOW_LIMIT_MIN: Final = 5
"""Of fewer units the last but one is no news."""

PACKS: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Where the window of what packs gave begins: it never ends, and its counter counts down."""

HOLD_SECONDS: Final = 300
HOLD_SECONDS_MAX: Final = 3600

HoldId = NewType("HoldId", str)


class QuotaLine(StrEnum):
    """What a counter that grows comes past, once in a window unless units are given back."""

    LOW = "low"
    USED_UP = "used_up"


class HoldStatus(StrEnum):
    OPEN = "open"
    CAPTURED = "captured"
    RELEASED = "released"
    EXPIRED = "expired"


HOLD_MOVES: Final = {
    HoldStatus.OPEN: frozenset({HoldStatus.CAPTURED, HoldStatus.RELEASED, HoldStatus.EXPIRED}),
    HoldStatus.CAPTURED: frozenset[HoldStatus](),
    HoldStatus.RELEASED: frozenset[HoldStatus](),
    HoldStatus.EXPIRED: frozenset[HoldStatus](),
}


@dataclass(eq=False)
class UnitsNotUsable(Invalid):
    """Between one and a million whole units can be asked for at once."""

    units: int


@dataclass(eq=False)
class RequestIdUsedOtherwise(Conflict):
    """This request id was used before to ask for something else; send a new one."""

    request_id: str


@dataclass(eq=False)
class HoldLifeNotUsable(Invalid):
    """Units can be held for one second to one hour."""

    seconds: int


@dataclass(eq=False)
class CaptureNotUsable(Invalid):
    """At least one unit is captured, and no more than were held."""

    units: int
    held: int


@dataclass(eq=False)
class UsageHoldNotFound(NotFound):
    """No such hold of usage."""

    hold_id: str


@dataclass(eq=False)
class UsageHoldEnded(Conflict):
    """The hold has ended already, in the way told here; what was asked cannot be done any more."""

    hold_id: str
    hold_status: str
    captured: int
    ended_at: datetime


@dataclass(frozen=True, slots=True, order=True)
class UsageKey:
    """Which counter: windows are computed, so each has a counter of its own and none is reset."""

    customer_id: CustomerId
    feature: Feature
    window_start: datetime

    @property
    def of_packs(self) -> "UsageKey":
        """The counter of the units that packs gave and nobody has used."""
        return replace(self, window_start=PACKS)


@dataclass(frozen=True, slots=True)
class HoldTicket:
    """What whoever asked for a hold needs in order to end it in time."""

    id: HoldId
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class QuotaDecision:
    """
    The answer to one ask. A denial is an answer, not an error. `used` and `limit` are the
    window's, `packs` what is left of packs beside it; None: there never were any.
    """

    allowed: bool
    used: int
    limit: int | None  # None: unlimited
    resets_at: datetime
    hold: HoldTicket | None = None  # None: the units are used, or denied.
    packs: int | None = None

    @property
    def remaining(self) -> int | None:
        """All that can still be used, the window's and that of packs."""
        if self.limit is None:
            return None
        return max(0, self.limit - self.used) + (self.packs or 0)


@dataclass(frozen=True, slots=True)
class UsageReceipt:
    """
    What was asked under a request id and what was answered, so that a repeat hears the same.
    `hold_seconds` is None where the units were to be used at once.
    """

    customer_id: CustomerId
    request_id: str
    feature: Feature
    units: int
    decision: QuotaDecision
    expires_at: datetime
    hold_seconds: int | None = None

    def repeated(
        self, feature: Feature, units: int, *, hold_seconds: int | None = None
    ) -> QuotaDecision:
        if (self.feature, self.units, self.hold_seconds) != (feature, units, hold_seconds):
            raise RequestIdUsedOtherwise(self.request_id)
        return self.decision


@dataclass(frozen=True, slots=True)
class UsageQuota:
    """
    One window's counter against its limit, and what is left of packs (None: there never were
    any). The window's units go first; a plan without a limit uses no pack. `used` may be above
    `limit` after a change to a smaller plan within the window: what was used stays used, and
    nothing more is allowed of it.
    """

    key: UsageKey
    resets_at: datetime
    limit: int | None
    used: int
    packs: int | None = None

    def counted(self, counters: Mapping[UsageKey, int]) -> "UsageQuota":
        """As the counters say."""
        used, packs = counters.get(self.key, 0), counters.get(self.key.of_packs)
        return replace(self, used=used, packs=packs)

    @property
    def counters(self) -> Mapping[UsageKey, int]:
        """What is written down of it."""
        own = {self.key: self.used}
        return own if self.packs is None else own | {self.key.of_packs: self.packs}

    def decide(self, units: int) -> tuple["UsageQuota", QuotaDecision]:
        if not 1 <= units <= UNITS_MAX:
            raise UnitsNotUsable(units)
        remaining = self.decision(allowed=True).remaining
        if remaining is not None and units > remaining:
            return self, self.decision(allowed=False)
        of_packs = self.units_of_packs(units)
        after = replace(self, used=self.used + units - of_packs)
        if of_packs:
            assert self.packs is not None, "only what is there is taken"
            after = replace(after, packs=self.packs - of_packs)
        return after, after.decision(allowed=True)

    def units_of_packs(self, units: int) -> int:
        """How many of so many units the window does not have."""
        return 0 if self.limit is None else max(0, units - max(0, self.limit - self.used))

    def decision(self, *, allowed: bool) -> QuotaDecision:
        return QuotaDecision(allowed, self.used, self.limit, self.resets_at, packs=self.packs)

    @property
    def line(self) -> QuotaLine | None:
        """The last one that was reached. Whoever has units of a pack has reached none."""
        if self.limit is None or self.packs:
            return None
        if self.used >= self.limit:
            return QuotaLine.USED_UP
        is_low = self.limit >= LOW_LIMIT_MIN and self.used * 100 >= self.limit * LOW_PERCENT
        return QuotaLine.LOW if is_low else None

    def given_back(self, units: int, *, of_packs: int = 0) -> "UsageQuota":
        """So many units, some of which came from packs and go there again."""
        after = replace(self, used=max(0, self.used - (units - of_packs)))
        return replace(after, packs=(self.packs or 0) + of_packs) if of_packs else after

    def held(self, hold_id: HoldId, units: int, *, seconds: int, at: datetime) -> "UsageHold":
        """
        The hold of units that this quota, as it was before, allows.

        Raises:
            HoldLifeNotUsable
        """
        if not 1 <= seconds <= HOLD_SECONDS_MAX:
            raise HoldLifeNotUsable(seconds)
        expires_at = at + timedelta(seconds=seconds)
        return UsageHold(
            hold_id,
            self.key,
            units,
            self.limit,
            self.resets_at,
            at,
            expires_at,
            of_packs=self.units_of_packs(units),
        )


@dataclass(frozen=True, slots=True)
class UsageHold:
    """
    Units taken from one window's counter for work that may fail. It ends once: what is not
    captured by then goes back to that counter, whatever window it is now. `limit` and
    `resets_at` are the window's, as they were when the units were taken. `of_packs` of the units
    came from packs; what goes back goes there first, since it does not lapse there.
    """

    id: HoldId
    key: UsageKey
    units: int
    limit: int | None
    resets_at: datetime
    held_at: datetime
    expires_at: datetime
    status: HoldStatus = HoldStatus.OPEN
    captured: int = 0
    ended_at: datetime | None = None
    of_packs: int = 0
    version: int = 0

    @property
    def due_at(self) -> datetime | None:
        return self.expires_at if self.status is HoldStatus.OPEN else None

    @property
    def returned(self) -> int:
        """Units that went back when it ended."""
        return 0 if self.status is HoldStatus.OPEN else self.units - self.captured

    @property
    def returned_to_packs(self) -> int:
        return min(self.returned, self.of_packs)

    @property
    def ticket(self) -> HoldTicket:
        return HoldTicket(self.id, self.expires_at)

    def at(self, now: datetime) -> "UsageHold":
        """As time has made it, even if no sweep has written that down."""
        if self.status is HoldStatus.OPEN and self.expires_at <= now:
            return replace(self, status=HoldStatus.EXPIRED, ended_at=self.expires_at)
        return self

    def becomes_captured(self, units: int | None, *, at: datetime) -> "UsageHold":
        """
        So many units (None: all) are used for good. The same again, it stays as it is.

        Raises:
            CaptureNotUsable, UsageHoldEnded
        """
        captured = self.units if units is None else units
        if not 1 <= captured <= self.units:
            raise CaptureNotUsable(captured, self.units)
        return self._ended(HoldStatus.CAPTURED, captured=captured, at=at)

    def becomes_released(self, *, at: datetime) -> "UsageHold":
        """
        All units go back. Released again, it stays as it is.

        Raises:
            UsageHoldEnded
        """
        return self._ended(HoldStatus.RELEASED, captured=0, at=at)

    def _ended(self, status: HoldStatus, *, captured: int, at: datetime) -> "UsageHold":
        present = self.at(at)
        if (present.status, present.captured) == (status, captured):
            return present
        if status not in HOLD_MOVES[present.status]:
            assert present.ended_at is not None
            raise UsageHoldEnded(self.id, present.status, present.captured, present.ended_at)
        return replace(present, status=status, captured=captured, ended_at=at)
