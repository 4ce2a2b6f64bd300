"""Reminders: each at most once, in time, of what is true, and nobody is woken up for one."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.period import Anchor, Period, PeriodUnit, time_zone
from core.domain.reminder import (
    STALE_AFTER,
    PriceChange,
    PriceNotice,
    ReminderKind,
    look,
    price_change,
)
from core.domain.reminder_terms import ReminderTerms
from core.domain.renewal import Renewal
from core.domain.subscription import Standing, Subscription, SubscriptionStatus
from tests.builders import (
    NOON,
    a_catalog,
    a_customer,
    a_free_subscription,
    a_plan_version,
    a_reminder,
    a_subscription,
    rub,
)

TERMS = ReminderTerms()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
END = NOON + 30 * DAY
PRICE_LOOK = timedelta(hours=-5) - 5 * DAY - DAY
"""The first try of that catalog, its notice of another price, and a day to spare."""
WALLET = Renewal("wallet", END - DAY, END + 3 * DAY)
ZONES = ["Europe/Moscow", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Gaza"]

clocks = st.times()
instants = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
days = st.lists(st.integers(1, 20), unique=True, max_size=4).map(sorted)
all_terms = st.builds(
    lambda before, after: ReminderTerms(tuple(reversed(before)), tuple(after)), days, days
)


def standing(subscription: Subscription, terms: ReminderTerms = TERMS) -> Standing:
    catalog = a_catalog()
    chat = replace(catalog.chat, reminders=terms)
    return Standing(a_customer(blocked_at=None), subscription, replace(catalog, chat=chat))


def until(end: datetime = END, **fields: object) -> Subscription:
    """On PRO_MONTHLY to that end; it neither renews by itself nor was canceled."""
    period = replace(a_subscription().period, start=NOON, end=end, anchor=Anchor(NOON, "UTC"))
    return replace(a_free_subscription(), period=period, **fields)


def told(
    subscription: Subscription, looks: list[datetime], terms: ReminderTerms = TERMS
) -> list[tuple[datetime, ReminderKind, int]]:
    """What a look at each of these moments finds, the first one right after the payment."""
    known, found = look(None, standing(subscription, terms), at=NOON).reminder, []
    for at in looks:
        seen = look(known, standing(subscription, terms), at=at)
        known = seen.reminder
        if seen.kind is not None:
            found.append((at, seen.kind, seen.days))
    return found


def every_hour(days: int) -> list[datetime]:
    return [NOON + n * HOUR for n in range(days * 24)]


@pytest.mark.parametrize(
    ("subscription", "expected"),
    [
        (
            until(),
            [
                (END - 3 * DAY, "ends_soon", -3),
                (END - DAY, "ends_soon", -1),
                (END + DAY, "come_back", 1),
            ],
        ),
        (
            until(cancel_at_period_end=True, renewal=WALLET),
            [(END - DAY, "ends_soon", -1), (END + DAY, "come_back", 1)],
        ),
        (
            until(renewal=WALLET),
            [(END - 3 * DAY, "renews_soon", -3), (END + 4 * DAY, "come_back", 1)],
        ),
    ],
    ids=["runs out", "canceled", "renews, and could not"],
)
def test_what_is_told_depends_on_what_follows(subscription, expected):
    assert told(subscription, every_hour(40)) == expected


def test_a_trial_is_told_of_as_any_other_period():
    trial = until(status=SubscriptionStatus.TRIALING)
    assert [kind for _, kind, _ in told(trial, every_hour(40))] == [
        "ends_soon",
        "ends_soon",
        "come_back",
    ]


def test_what_is_shorter_than_the_first_days_before_is_announced_at_the_next_that_there_are():
    end = NOON + 3 * DAY
    short = until(end, renewal=Renewal("wallet", end, end + 3 * DAY))
    terms = ReminderTerms(days_before=(5, 3, 2, 1))
    looks = [NOON + n * HOUR for n in range(72)]
    assert told(short, looks, terms) == [(end - 2 * DAY, "renews_soon", -2)]


def test_what_is_not_sold_any_more_ends_though_it_was_to_renew():
    gone = a_plan_version(code="FORMER")
    subscription = until(renewal=WALLET)
    subscription = replace(subscription, period=replace(subscription.period, plan=gone))
    assert told(subscription, [END - 3 * DAY])[0][1] is ReminderKind.ENDS_SOON


@pytest.mark.parametrize(
    ("price", "told_before_end", "ends_between"),
    [(399, 5 * DAY + 5 * HOUR, 0), (399, 5 * DAY, 1), (399, timedelta(), 2), (199, timedelta(), 0)],
)
def test_a_higher_price_begins_after_as_many_periods_as_its_notice_lasts(
    price, told_before_end, ends_between
):
    agreed = a_plan_version(period=Period(3, PeriodUnit.DAY))
    asked = a_plan_version(period=Period(3, PeriodUnit.DAY), prices=(rub(price),), number=2)
    subscription = until(renewal=WALLET)
    period = replace(subscription.period, plan=agreed, count=30, given=0)
    catalog = replace(a_catalog(), plans={**a_catalog().plans, asked.code: asked})
    whose = Standing(a_customer(blocked_at=None), replace(subscription, period=period), catalog)
    at = END - told_before_end - timedelta(seconds=told_before_end == timedelta())

    change = price_change(whose, PriceNotice(rub(price), at), at=at)

    begins = END + ends_between * 3 * DAY
    assert change == PriceChange(rub(299), rub(price), begins)


def test_whoever_has_just_paid_is_told_nothing_of_the_moments_before():
    assert told(until(NOON + 2 * DAY), [NOON + HOUR]) == []
    assert [days for _, _, days in told(until(NOON + 2 * DAY), every_hour(2))] == [-1]
    assert [days for _, _, days in told(until(NOON + HOUR), every_hour(1))] == []


def test_of_several_moments_slept_through_only_the_last_is_told():
    assert told(until(), [END - HOUR]) == [(END - HOUR, "ends_soon", -1)]
    assert told(until(renewal=WALLET), [END - 2 * HOUR]) == [(END - 2 * HOUR, "renews_soon", -1)]


@pytest.mark.parametrize("late", [DAY, 2 * DAY, 400 * DAY])
def test_who_slept_through_the_end_tells_nothing_beside_it(late):
    assert told(until(), [END + late]) == []


def test_nobody_is_called_back_late():
    fresh, stale = END + DAY + STALE_AFTER - HOUR, END + DAY + STALE_AFTER
    assert [kind for _, kind, _ in told(until(), [END, fresh])] == ["come_back"]
    assert told(until(), [END, stale]) == []


def test_an_end_that_moved_is_planned_anew():
    known = look(None, standing(until()), at=NOON).reminder
    extended = look(known, standing(until(END + 30 * DAY)), at=END - DAY)
    assert extended.kind is None
    assert extended.reminder is not None
    assert extended.reminder.due_at == END + 30 * DAY + PRICE_LOOK
    looked = look(extended.reminder, standing(until(END + 30 * DAY)), at=END + 24 * DAY)
    assert (looked.kind, looked.has_notice, looked.reminder.due_at) == (None, False, END + 27 * DAY)
    assert extended.reminder.version == known.version


def test_what_was_taken_away_with_its_money_is_not_missed():
    known = look(None, standing(until()), at=NOON).reminder
    over = look(known, standing(a_free_subscription()), at=NOON + DAY)
    assert (over.kind, over.reminder.due_at) == (None, None)
    assert look(over.reminder, standing(a_free_subscription()), at=NOON + 2 * DAY).kind is None


def test_who_never_paid_is_reminded_of_nothing():
    assert look(None, standing(a_free_subscription()), at=NOON).reminder is None


@given(all_terms, st.lists(st.integers(0, 60 * 24 * 60), max_size=40))
def test_each_is_told_once_in_its_time_however_the_clock_goes(terms, minutes):
    looks = [NOON + timedelta(minutes=n) for n in minutes]

    found = told(until(), looks, terms)

    numbers = [number for _, _, number in found]
    assert len(numbers) == len(set(numbers))
    for at, kind, number in found:
        assert END + number * DAY <= at
        assert (at < END) == (kind is ReminderKind.ENDS_SOON)
        following = [days for days in terms.days if days > number]
        assert not following or at < END + following[0] * DAY


@given(all_terms, st.lists(st.integers(0, 60 * 24 * 60), max_size=20))
def test_the_next_look_is_the_next_moment(terms, minutes):
    known = a_reminder(ends_at=END, passed=NOON)
    catalog = standing(until(), terms).catalog
    for minute in minutes:
        known = known.planned(catalog, at=NOON + timedelta(minutes=minute))
        moments = [END + PRICE_LOOK, *(END + days * DAY for days in terms.days)]
        assert known.due_at == min((one for one in moments if one > known.passed), default=None)


def is_quiet(at: datetime, terms: ReminderTerms, zone: str) -> bool:
    evening, morning = terms.quiet
    clock = at.astimezone(time_zone(zone)).time()
    if evening < morning:
        return evening <= clock < morning
    return evening != morning and not morning <= clock < evening


@given(instants, clocks, clocks, st.sampled_from(ZONES))
def test_nobody_is_woken_up(at, evening, morning, zone):
    terms = ReminderTerms(quiet=(evening, morning))

    awake = terms.awake_at(at, zone)

    assert not is_quiet(awake, terms, zone)
    assert terms.awake_at(awake, zone) == awake
    assert (awake == at) == (not is_quiet(at, terms, zone))
    assert at <= awake <= at + DAY + HOUR


@pytest.mark.parametrize(
    ("zone", "at", "awake"),
    [
        ("Europe/Berlin", datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 7)),
        ("Europe/Berlin", datetime(2026, 10, 24, 23, tzinfo=UTC), datetime(2026, 10, 25, 8)),
        ("Europe/Moscow", datetime(2026, 3, 10, 19, tzinfo=UTC), datetime(2026, 3, 11, 6)),
        ("Europe/Moscow", datetime(2026, 3, 10, 5, 59, tzinfo=UTC), datetime(2026, 3, 10, 6)),
        ("Europe/Moscow", datetime(2026, 3, 10, 6, tzinfo=UTC), datetime(2026, 3, 10, 6)),
        ("Europe/Moscow", datetime(2026, 3, 10, 18, 59, tzinfo=UTC), datetime(2026, 3, 10, 18, 59)),
    ],
)
def test_quiet_hours_end_when_the_customers_clock_says_so(zone, at, awake):
    assert TERMS.awake_at(at, zone) == awake.replace(tzinfo=UTC)


@pytest.mark.parametrize("minute", range(0, 60, 10))
def test_quiet_hours_that_end_in_a_repeated_hour_end_once_they_are_over(minute):
    terms = ReminderTerms(quiet=(time(22), time(2, 30)))
    second = datetime(2026, 10, 25, 1, minute, tzinfo=UTC)  # 2:xx in Berlin, for the second time.
    ends = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert terms.awake_at(second, "Europe/Berlin") == max(second, ends)
