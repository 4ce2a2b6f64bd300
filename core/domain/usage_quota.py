"""A usage quota: so many units of a feature per window, decided whole or not at all."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from core.domain.customer import CustomerId
from core.domain.errors import Conflict, Invalid
from core.domain.plan import Feature

UNITS_MAX: Final = 1_000_000
RECEIPT_LIFE: Final = timedelta(days=35)
"""How long after its window's end a request id is still answered as before."""


@dataclass(eq=False)
class UnitsNotUsable(Invalid):
    """Between one and a million whole units can be asked for at once."""

    units: int


@dataclass(eq=False)
class RequestIdUsedOtherwise(Conflict):
    """This request id was used before for another feature or amount; send a new one."""

    request_id: str


@dataclass(frozen=True, slots=True, order=True)
class UsageKey:
    """Which counter: windows are computed, so each has a counter of its own and none is reset."""

    customer_id: CustomerId
    feature: Feature
    window_start: datetime


@dataclass(frozen=True, slots=True)
class QuotaDecision:
    """The answer to one ask. A denial is an answer, not an error."""

    allowed: bool
    used: int
    limit: int | None  # None: unlimited
    resets_at: datetime

    @property
    def remaining(self) -> int | None:
        return None if self.limit is None else max(0, self.limit - self.used)


@dataclass(frozen=True, slots=True)
class UsageReceipt:
    """What was asked under a request id and what was answered, so that a repeat hears the same."""

    customer_id: CustomerId
    request_id: str
    feature: Feature
    units: int
    decision: QuotaDecision
    expires_at: datetime

    def repeated(self, feature: Feature, units: int) -> QuotaDecision:
        if (self.feature, self.units) != (feature, units):
            raise RequestIdUsedOtherwise(self.request_id)
        return self.decision


@dataclass(frozen=True, slots=True)
class UsageQuota:
    """
    One window's counter against its limit. `used` may be above `limit` after a change to a
    smaller plan within the window: what was used stays used, and nothing more is allowed.
    """

    key: UsageKey
    resets_at: datetime
    limit: int | None
    used: int

    def decide(self, units: int) -> tuple["UsageQuota", QuotaDecision]:
        if not 1 <= units <= UNITS_MAX:
            raise UnitsNotUsable(units)
        allowed = self.limit is None or self.used + units <= self.limit
        after = replace(self, used=self.used + units) if allowed else self
        return after, after.decision(allowed=allowed)

    def decision(self, *, allowed: bool) -> QuotaDecision:
        return QuotaDecision(allowed, self.used, self.limit, self.resets_at)
