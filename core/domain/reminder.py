"""A reminder: what a customer is told of the end of what is paid for, before it and after it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from core.domain.customer import CustomerId
from core.domain.plan import PlanCode
from core.domain.reminder_terms import ReminderTerms
from core.domain.subscription import Standing, SubscriptionStatus

STALE_AFTER: Final = timedelta(days=2)
"""Nobody is called back later than this after the moment for it."""


class ReminderKind(StrEnum):
    ENDS_SOON = "ends_soon"
    RENEWS_SOON = "renews_soon"
    COME_BACK = "come_back"


@dataclass(frozen=True, slots=True)
class Reminder:
    """
    One per customer: of which end something is to be told, and when next. `ends_at` is the end of
    the period, or of the grace of one that is past due. Moments up to `passed` are over, whether
    something was told at them or not: each is looked at once.
    """

    customer_id: CustomerId
    plan: PlanCode
    ends_at: datetime
    passed: datetime
    next_at: datetime | None
    version: int = 0

    @property
    def due_at(self) -> datetime | None:
        return self.next_at

    def planned(self, terms: ReminderTerms, *, at: datetime) -> "Reminder":
        """All moments up to `at` are over."""
        passed = max(self.passed, at)
        moments = (self.ends_at + timedelta(days=days) for days in terms.days)
        return replace(self, passed=passed, next_at=next((m for m in moments if m > passed), None))


@dataclass(frozen=True, slots=True)
class Look:
    """What a look has found: the reminder after it, and what to tell now, `days` from the end."""

    reminder: Reminder | None
    kind: ReminderKind | None = None
    days: int = 0


def look(known: Reminder | None, standing: Standing, *, at: datetime) -> Look:
    """
    Of an end that is not the known one all moments still to come are planned: whoever has just
    paid is told nothing of those before. Of several that have come at once only the last counts.
    """
    terms, present = standing.catalog.chat.reminders, standing.subscription.at(at)
    period = present.period
    if period is not None:
        ends_at = period.end
        if present.renews is not None and period.end <= at:
            ends_at = present.renews.grace_until
        if known is None or (known.plan, known.ends_at) != (period.plan.code, ends_at):
            version = 0 if known is None else known.version
            whose = standing.customer.id
            fresh = Reminder(whose, period.plan.code, ends_at, at, None, version)
            return Look(fresh.planned(terms, at=at))
    elif known is None:
        return Look(None)
    elif at < known.ends_at:  # Its money was given back, and nothing of it is left to run out.
        return Look(replace(known, next_at=None))
    moments = {days: known.ends_at + timedelta(days=days) for days in terms.days}
    come = [days for days, moment in moments.items() if known.passed < moment <= at]
    kind = _kind(standing, come, at) if come else None
    if kind is ReminderKind.COME_BACK and at >= moments[come[-1]] + STALE_AFTER:
        kind = None
    return Look(known.planned(terms, at=at), kind, come[-1] if come else 0)


def _kind(standing: Standing, come: Sequence[int], at: datetime) -> ReminderKind | None:
    """
    What renews by itself is announced once, at its first moment, and what was canceled is told of
    once, at the last one. The end itself is news of another kind, and enough for one look. That of
    a trial is told of as any other: it renews, or it ends.
    """
    if 0 in come:
        return None
    before = standing.catalog.chat.reminders.days_before
    present = standing.subscription.at(at)
    if come[-1] > 0:
        return ReminderKind.COME_BACK if present.period is None else None
    if present.period is None or present.status is SubscriptionStatus.PAST_DUE:
        return None
    if standing.renewal_price(at) is not None:
        lasts = present.period.end - present.period.start
        first = next(days for days in before if timedelta(days=days) < lasts or days == before[-1])
        return ReminderKind.RENEWS_SOON if -first in come else None
    if present.cancel_at_period_end and -before[-1] not in come:
        return None
    return ReminderKind.ENDS_SOON
