"""Plans: which quota window an instant is in, and what the catalog answers."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.period import Anchor, Period, PeriodUnit, WindowKind, local_window
from core.domain.plan import (
    Feature,
    FeatureNotFound,
    PlanCode,
    PlanNotFound,
    QuotaRule,
    quota_window,
)
from tests.builders import NOON, PHOTO_AI, a_catalog, a_plan_version, rub

MOSCOW = "Europe/Moscow"
EACH_PERIOD = QuotaRule(10, WindowKind.PERIOD)
MONTHLY = Period(1, PeriodUnit.MONTH)

anchors = st.builds(
    Anchor,
    st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    st.sampled_from([MOSCOW, "Europe/Berlin", "America/Havana", "Asia/Manila"]),
)
periods = st.one_of(
    st.builds(Period, st.integers(1, 13), st.just(PeriodUnit.MONTH)),
    st.builds(Period, st.integers(1, 90), st.just(PeriodUnit.DAY)),
)


@given(anchors, periods, st.timedeltas(timedelta(days=-400), timedelta(days=400)))
def test_steps_of_the_paid_period_tile_time_and_meet_the_anchor(anchor, period, away):
    def window(at):
        return quota_window(EACH_PERIOD, at=at, zone="UTC", began=anchor, period=period)

    now = window(anchor.at + away)

    assert now.holds(anchor.at + away)
    assert window(now.start) == now
    assert window(now.end).start == now.end
    assert window(now.start - timedelta(microseconds=1)).end == now.start
    assert window(anchor.at).start == anchor.at


def test_a_step_is_counted_from_the_anchor_and_not_from_the_step_before():
    anchor = Anchor(datetime(2026, 1, 31, 9, tzinfo=UTC), MOSCOW)
    in_march = datetime(2026, 3, 10, tzinfo=UTC)

    window = quota_window(EACH_PERIOD, at=in_march, zone=MOSCOW, began=anchor, period=MONTHLY)

    assert window.start == datetime(2026, 2, 28, 9, tzinfo=UTC)
    assert window.end == datetime(2026, 3, 31, 9, tzinfo=UTC)


def test_a_step_before_the_anchor_of_a_changed_unit_ends_at_that_anchor():
    anchor = Anchor(NOON + timedelta(days=10), MOSCOW)
    weekly = Period(7, PeriodUnit.DAY)

    window = quota_window(EACH_PERIOD, at=NOON, zone=MOSCOW, began=anchor, period=weekly)

    assert window.start == anchor.after(-14, PeriodUnit.DAY)
    assert window.end == anchor.after(-7, PeriodUnit.DAY)
    assert window.holds(NOON)


@pytest.mark.parametrize("kind", [WindowKind.DAY, WindowKind.MONTH])
def test_a_day_or_a_month_is_the_customers_own_whatever_was_paid(kind):
    anchor = Anchor(NOON - timedelta(days=3), "Asia/Manila")

    window = quota_window(
        QuotaRule(3, kind), at=NOON, zone="America/Havana", began=anchor, period=MONTHLY
    )

    assert window == local_window(NOON, kind, "America/Havana")


def test_without_a_paid_period_its_window_is_the_local_month():
    window = quota_window(EACH_PERIOD, at=NOON, zone=MOSCOW, began=None, period=None)

    assert window == local_window(NOON, WindowKind.MONTH, MOSCOW)


def test_a_catalog_names_its_plans_features_and_currencies_in_order():
    catalog = a_catalog()

    assert catalog.default.code == "FREE"
    assert catalog.plan("PRO_YEARLY").terms.prices == (rub(2990),)
    assert catalog.features == (PHOTO_AI,)
    assert catalog.currencies == ("RUB", "XTR")


@pytest.mark.parametrize("code", ["", "free", "FREE ", "x" * 1000])
def test_a_plan_that_is_not_in_the_catalog_is_refused(code):
    with pytest.raises(PlanNotFound) as refused:
        a_catalog().plan(code)

    assert len(refused.value.plan) <= 64


def test_a_feature_that_others_count_is_nothing_in_their_window():
    assert a_catalog().rule_elsewhere(PHOTO_AI) == QuotaRule(0, WindowKind.DAY)


def test_a_feature_that_nobody_counts_is_refused():
    with pytest.raises(FeatureNotFound):
        a_catalog().rule_elsewhere(Feature("telepathy"))


def test_a_title_is_in_the_language_asked_for_or_else_the_first():
    plan = a_plan_version(code=PlanCode("X"), titles={"ru": "Про", "en": "Pro"})

    assert plan.terms.title("en") == "Pro"
    assert plan.terms.title("tl") == "Про"
