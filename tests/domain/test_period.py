"""Periods and windows: the calendar as people mean it, in every zone and through every jump."""

import contextlib
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.relativedelta import relativedelta
from dateutil.tz import datetime_ambiguous, resolve_imaginary
from hypothesis import example, given
from hypothesis import strategies as st

from core.domain.period import (
    Anchor,
    Period,
    PeriodUnit,
    UnknownTimeZone,
    Window,
    WindowKind,
    local_window,
    time_zone,
)

ZONES = (
    "UTC",
    "Europe/Moscow",
    "Europe/Berlin",
    "Europe/Dublin",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Havana",
    "America/Asuncion",
    "America/Nuuk",
    "Atlantic/Azores",
    "Asia/Beirut",
    "Asia/Manila",
    "Asia/Kathmandu",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
)

zones = st.sampled_from(ZONES)
instants = st.datetimes(datetime(2012, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
units = st.sampled_from(PeriodUnit)
DAYS_OR_MONTHS = (WindowKind.DAY, WindowKind.MONTH)


def local(zone: str, *parts: int, fold: int = 0) -> datetime:
    return datetime(*parts, fold=fold, tzinfo=ZoneInfo(zone)).astimezone(UTC)  # type: ignore[arg-type, misc]


def by_dateutil(at: datetime, zone: str, count: int, unit: PeriodUnit) -> datetime:
    """The same question put to another library: move the wall clock, then mend what is skipped."""
    here = at.astimezone(ZoneInfo(zone))
    step = relativedelta(days=count) if unit is PeriodUnit.DAY else relativedelta(months=count)
    there = (here.replace(tzinfo=None) + step).replace(tzinfo=ZoneInfo(zone), fold=0)
    if datetime_ambiguous(there):
        there = there.replace(fold=here.fold)
    return resolve_imaginary(there).astimezone(UTC)


@given(instants, zones, st.integers(0, 1300), units)
@example(local("Europe/Berlin", 2025, 10, 26, 2, 30, fold=1), "Europe/Berlin", 154, PeriodUnit.DAY)
@example(local("Europe/Berlin", 2024, 10, 27, 2, 30, fold=1), "Europe/Berlin", 364, PeriodUnit.DAY)
@example(local("America/New_York", 2026, 2, 8, 2, 30), "America/New_York", 1, PeriodUnit.MONTH)
@example(local("Africa/Cairo", 2026, 3, 24, 0, 15), "Africa/Cairo", 31, PeriodUnit.DAY)
def test_an_end_is_the_same_wall_clock_time_counted_from_the_anchor(at, zone, count, unit):
    assert Anchor(at, zone).after(count, unit) == by_dateutil(at, zone, count, unit)


@pytest.mark.parametrize(
    ("start", "ends"),
    [
        (date(2026, 1, 31), ["02-28", "03-31", "04-30", "05-31"]),
        (date(2028, 1, 31), ["02-29", "03-31", "04-30"]),
        (date(2026, 1, 29), ["02-28", "03-29"]),
        (date(2026, 12, 30), ["01-30", "02-28", "03-30"]),
    ],
)
def test_a_month_that_is_too_short_does_not_shorten_the_next(start, ends):
    anchor = Anchor(local("Europe/Moscow", start.year, start.month, start.day, 23, 30), ZONES[1])

    days = [
        f"{anchor.after(months, PeriodUnit.MONTH).astimezone(ZoneInfo(anchor.zone)):%m-%d}"
        for months in range(1, len(ends) + 1)
    ]

    assert days == ends


def test_a_leap_day_comes_back_every_fourth_year():
    anchor = Anchor(local("Asia/Manila", 2028, 2, 29, 10), "Asia/Manila")

    years = [
        anchor.after(12 * n, PeriodUnit.MONTH).astimezone(ZoneInfo("Asia/Manila")) for n in (1, 4)
    ]

    assert [(at.month, at.day, at.hour) for at in years] == [(2, 28, 10), (2, 29, 10)]


def test_a_skipped_wall_clock_time_moves_forward():
    ordinary = Anchor(local("Europe/Berlin", 2026, 2, 28, 2, 30), "Europe/Berlin")
    repeated = Anchor(local("Europe/Berlin", 2025, 10, 26, 2, 30, fold=1), "Europe/Berlin")
    half_past_three = local("Europe/Berlin", 2026, 3, 29, 3, 30)

    assert ordinary.after(29, PeriodUnit.DAY) == half_past_three
    assert repeated.after(154, PeriodUnit.DAY) == half_past_three


@given(instants, zones, units)
@example(local("Europe/Berlin", 2025, 10, 26, 2, 30, fold=1), "Europe/Berlin", PeriodUnit.DAY)
def test_a_chain_of_periods_begins_at_its_anchor_and_never_goes_back(at, zone, unit):
    anchor = Anchor(at, zone)

    ends = [anchor.after(count, unit) for count in range(40)]

    assert ends[0] == at
    assert ends == sorted(set(ends))
    assert all(end.tzinfo is UTC for end in ends)


@given(instants, zones, st.sampled_from(DAYS_OR_MONTHS))
def test_windows_tile_time(at, zone, kind):
    window = local_window(at, kind, zone)

    assert window.holds(at)
    assert local_window(window.start, kind, zone) == window
    assert local_window(window.end - timedelta(microseconds=1), kind, zone) == window
    assert local_window(window.end, kind, zone).start == window.end
    assert local_window(window.start - timedelta(microseconds=1), kind, zone).end == window.start


@pytest.mark.parametrize("zone", ZONES)
def test_no_instant_of_a_year_of_jumps_is_outside_its_window(zone):
    at, end = datetime(2017, 10, 1, tzinfo=UTC), datetime(2019, 1, 1, tzinfo=UTC)

    while at < end:
        window = local_window(at, WindowKind.DAY, zone)
        assert window.holds(at)
        at += timedelta(hours=3) if window.holds(at + timedelta(hours=3)) else timedelta(minutes=30)


@given(instants, zones)
def test_a_window_is_the_local_day_or_month(at, zone):
    place = ZoneInfo(zone)
    day, month = (local_window(at, kind, zone) for kind in DAYS_OR_MONTHS)

    today = at.astimezone(place).date()
    last = (month.end - timedelta(microseconds=1)).astimezone(place).date()
    assert (day.end - timedelta(microseconds=1)).astimezone(place).date() == today
    assert day.start.astimezone(place).date() == today
    assert month.start.astimezone(place).date() == today.replace(day=1)
    assert last == today + relativedelta(day=31)


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        # Midnight is skipped: the day begins at one o'clock.
        ("America/Sao_Paulo", date(2018, 11, 4), datetime(2018, 11, 4, 3), 23),
        ("Asia/Beirut", date(2026, 3, 29), datetime(2026, 3, 28, 22), 23),
        ("America/Havana", date(2026, 3, 8), datetime(2026, 3, 8, 5), 23),
        # Midnight comes twice: the day begins with the first.
        ("America/Havana", date(2026, 11, 1), datetime(2026, 11, 1, 4), 25),
        # The hour before midnight comes twice: it belongs to the day that it ends.
        ("America/Sao_Paulo", date(2018, 2, 17), datetime(2018, 2, 17, 2), 25),
        # Ordinary.
        ("Europe/Moscow", date(2026, 3, 29), datetime(2026, 3, 28, 21), 24),
        ("Asia/Kathmandu", date(2026, 3, 29), datetime(2026, 3, 28, 18, 15), 24),
        ("Australia/Lord_Howe", date(2026, 4, 5), datetime(2026, 4, 4, 13), 24.5),
    ],
)
def test_a_local_day_where_clocks_jump(zone, day, start, hours):
    began = start.replace(tzinfo=UTC)

    window = local_window(local(zone, day.year, day.month, day.day, 12), WindowKind.DAY, zone)

    assert window == Window(began, began + timedelta(hours=hours))


def test_a_window_holds_its_start_and_not_its_end():
    window = local_window(datetime(2026, 3, 10, tzinfo=UTC), WindowKind.DAY, "UTC")

    assert window.holds(window.start)
    assert window.holds(window.end - timedelta(microseconds=1))
    assert not window.holds(window.end)
    assert not window.holds(window.start - timedelta(microseconds=1))


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../etc/passwd",
        "Europe/../../etc/passwd",
        "/etc/passwd",
        "/usr/share/zoneinfo/UTC",
        "Europe",
        "Europe/",
        "Europe/Atlantis",
        "Europe/Moscow\0",
        " UTC",
        "UTC\n",
        "zone.tab",
        "__init__.py",
        "\ud800",
        "a" * 5000,
    ],
)
def test_what_names_no_time_zone_is_refused(name):
    with pytest.raises(UnknownTimeZone) as refused:
        time_zone(name)

    assert len(refused.value.zone) <= 64


@given(st.text(max_size=30))
def test_no_text_makes_a_time_zone_fail_otherwise(name):
    with contextlib.suppress(UnknownTimeZone):
        assert time_zone(name).key == name


@pytest.mark.parametrize("count", [0, -1, 1201])
def test_a_period_is_between_one_unit_and_a_hundred_years(count):
    assert Period(1, PeriodUnit.DAY).count == 1
    assert Period(1200, PeriodUnit.MONTH).count == 1200

    with pytest.raises(AssertionError):
        Period(count, PeriodUnit.MONTH)
