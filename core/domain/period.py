"""Billing periods and usage windows: calendar arithmetic from an anchor, without a clock."""

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.domain.errors import Invalid


class PeriodUnit(StrEnum):
    DAY = "day"
    MONTH = "month"


@dataclass(eq=False)
class UnknownTimeZone(Invalid):
    """This is not the name of a time zone; write for example Europe/Moscow."""

    zone: str


def time_zone(name: str) -> ZoneInfo:
    # ZoneInfo reads files by name, so a path or an empty name must not reach it.
    if not name or name.startswith(("/", ".")) or ".." in name:
        raise UnknownTimeZone(name[:64])
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UnknownTimeZone(name[:64]) from None


@dataclass(frozen=True, slots=True)
class Period:
    """A length of time as people agree on it: 30 days, 1 month, 12 months."""

    count: int
    unit: PeriodUnit

    def __post_init__(self) -> None:
        assert 1 <= self.count <= 1200


@dataclass(frozen=True, slots=True)
class Anchor:
    """
    Where a chain of periods began. Ends are counted from here, never from the period before:
    31 January plus one month is 28 February, plus two months 31 March.
    """

    at: datetime
    zone: str

    def after(self, count: int, unit: PeriodUnit) -> datetime:
        """
        The same wall-clock time `count` units later, in UTC. A day missing from its month becomes
        that month's last day; a wall-clock time skipped by daylight saving moves forward with it.
        """
        zone = time_zone(self.zone)
        local = self.at.astimezone(zone).replace(tzinfo=None)
        if unit is PeriodUnit.DAY:
            moved = local + timedelta(days=count)
        else:
            months = local.year * 12 + local.month - 1 + count
            year, month = months // 12, months % 12 + 1
            day = min(local.day, calendar.monthrange(year, month)[1])
            moved = local.replace(year=year, month=month, day=day)
        # In a gap `fold=1` is the earlier instant; an anchor in a repeated hour takes the later too.
        return max(
            moved.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in {0, local.fold}
        )


class WindowKind(StrEnum):
    """How often a quota starts anew."""

    DAY = "day"
    MONTH = "month"
    PERIOD = "period"


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open stretch of time, `start <= t < end`, in UTC."""

    start: datetime
    end: datetime

    def holds(self, at: datetime) -> bool:
        return self.start <= at < self.end


def local_window(at: datetime, kind: WindowKind, zone: str) -> Window:
    """The customer's own calendar day or month around `at`."""
    place = time_zone(zone)
    today = at.astimezone(place).date()
    if kind is WindowKind.DAY:
        first, following = today, today + timedelta(days=1)
    else:
        first = today.replace(day=1)
        following = (first + timedelta(days=32)).replace(day=1)
    return Window(_start_of(first, place), _start_of(following, place))


def _start_of(day: date, zone: ZoneInfo) -> datetime:
    """
    The first instant of a local day. Where clocks skip midnight, `fold=0` reads it by the offset
    before the gap, which is the instant the gap ends; where midnight comes twice, it is the first.
    """
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)
