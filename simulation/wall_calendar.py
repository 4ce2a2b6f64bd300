"""How long what was paid for or given lasts, as a person would reckon it with a wall calendar."""

import calendar
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from core.domain.period import PeriodUnit
from core.domain.subscription import PaidPeriod


def end_by_calendar(period: PaidPeriod) -> datetime:
    """Step by step from the anchor; the days that were given follow what was paid for."""
    first = period.anchor.at.astimezone(ZoneInfo(period.anchor.zone))
    assert period.plan.terms.period is not None
    if period.plan.terms.period.unit is PeriodUnit.DAY:
        end = days_later(period.anchor.at, period.count, period.anchor.zone)
    else:
        year, month = first.year, first.month
        for _ in range(period.count):
            year, month = (year, month + 1) if month < 12 else (year + 1, 1)
        last = calendar.monthrange(year, month)[1]
        day = first.date().replace(year=year, month=month, day=min(first.day, last))
        end = _in_utc(datetime.combine(day, first.time(), tzinfo=first.tzinfo), first.fold)
    return days_later(end, period.given, period.anchor.zone)


def days_later(at: datetime, days: int, zone: str) -> datetime:
    """The same time of day, so many days later."""
    first = at.astimezone(ZoneInfo(zone))
    day = first.date() + timedelta(days=days)
    return _in_utc(datetime.combine(day, first.time(), tzinfo=first.tzinfo), first.fold)


def rest_of(running: PaidPeriod, at: datetime) -> int:
    """What of the money is for the time still to come. What was given comes last, and costs nothing."""
    paid_until = days_later(running.end, -running.given, running.anchor.zone)
    whole = int((paid_until - running.start).total_seconds())
    left = max(0, int((paid_until - at).total_seconds()))  # None in its grace.
    return running.paid.amount_minor * min(left, whole) // whole if whole > 0 else 0


def _in_utc(wall: datetime, fold: int) -> datetime:
    """Of an hour that comes twice, the same of the two; one that is skipped is made up for."""
    return max(wall.replace(fold=one).astimezone(ZoneInfo("UTC")) for one in (0, fold))
