"""A subscription: no day paid for is lost or given twice, and no rest is more than was paid."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.money import Money
from core.domain.period import Anchor, Period, PeriodUnit, WindowKind, local_window
from core.domain.plan import Feature, FeatureNotFound, PlanCode, PlanVersion, QuotaRule
from core.domain.renewal import FROM_WALLET, Renewal, RenewalTerms
from core.domain.subscription import (
    Activation,
    Extension,
    PaidPeriod,
    Standing,
    Subscription,
    SubscriptionStatus,
)
from tests.builders import (
    ANNA,
    NOON,
    PHOTO_AI,
    a_catalog,
    a_customer,
    a_free_subscription,
    a_plan_version,
    a_subscription,
    rub,
)

MOSCOW = "Europe/Moscow"
MOMENT = timedelta(microseconds=1)
JANUARY_31 = datetime(2026, 1, 31, 9, tzinfo=UTC)
FREE = a_free_subscription()
TERMS = RenewalTerms()

zones = st.sampled_from([MOSCOW, "Europe/Berlin", "America/Sao_Paulo", "Asia/Manila"])
instants = st.datetimes(datetime(2026, 1, 1), datetime(2036, 1, 1), timezones=st.just(UTC))
periods = st.one_of(
    st.builds(Period, st.integers(1, 24), st.just(PeriodUnit.MONTH)),
    st.builds(Period, st.integers(1, 400), st.just(PeriodUnit.DAY)),
)


def plan_for(period: Period, **fields: object) -> PlanVersion:
    return a_plan_version(period=period, **fields)


def bought(
    subscription: Subscription,
    plan: PlanVersion,
    at: datetime,
    *,
    paid: Money = rub(299),  # noqa: B008
    zone: str = MOSCOW,
) -> Extension:
    assert plan.terms.period is not None
    return subscription.extended_by(plan, plan.terms.period, paid, zone=zone, renewals=TERMS, at=at)


def running(extension: Extension) -> PaidPeriod:
    assert extension.subscription.period is not None
    return extension.subscription.period


MONTHLY = plan_for(Period(1, PeriodUnit.MONTH))
YEARLY = plan_for(Period(12, PeriodUnit.MONTH), code=PlanCode("PRO_YEARLY"))


@given(instants, zones, periods, st.integers(1, 6))
def test_periods_bought_in_a_row_end_where_the_anchor_says(at, zone, period, times):
    subscription, end = FREE, at

    for n in range(1, times + 1):
        extension = bought(subscription, plan_for(period), at, zone=zone)
        subscription, before, end = extension.subscription, end, extension.end
        assert before < end == Anchor(at, zone).after(n * period.count, period.unit)
        assert running(extension).end == end
        assert running(extension).start == at
        assert extension.returned is None

    assert subscription.period is not None
    assert subscription.period.paid == Money.of(29900 * times, "RUB")


@given(instants, periods, st.timedeltas(timedelta(0), timedelta(days=27)))
def test_renewing_early_loses_nothing_and_renewing_at_the_end_leaves_no_gap(at, period, early):
    plan = plan_for(period)
    first = bought(FREE, plan, at)
    when = max(at, first.end - early)

    second = bought(first.subscription, plan, when)

    if when < first.end:
        assert second.end == Anchor(at, MOSCOW).after(2 * period.count, period.unit)
    else:
        assert running(second).start == first.end
        assert second.end == Anchor(first.end, MOSCOW).after(period.count, period.unit)


def test_a_month_bought_on_the_31st_keeps_the_31st():
    ends, subscription = [], FREE

    for _ in range(3):
        extension = bought(subscription, MONTHLY, JANUARY_31)
        subscription = extension.subscription
        ends.append((extension.end.month, extension.end.day))

    assert ends == [(2, 28), (3, 31), (4, 30)]


@pytest.mark.parametrize("late", [timedelta(0), MOMENT, timedelta(days=100)])
def test_buying_after_the_end_begins_now(late):
    first = bought(FREE, MONTHLY, NOON)
    at = first.end + late

    again = bought(first.subscription, MONTHLY, at)

    assert running(again) == running(bought(FREE, MONTHLY, at))
    assert again.returned is None


@pytest.mark.parametrize("days", [29, 31])
def test_a_renewal_so_late_that_its_time_is_over_begins_when_it_is_paid(days):
    """It was past due all the while: whoever could not be charged is not charged for the past."""
    first = bought(FREE, MONTHLY, NOON).subscription
    grace = first.period.end + timedelta(days=99)
    due = replace(first, renewal=Renewal(FROM_WALLET, first.period.end, grace))
    at = first.period.end + timedelta(days=days)

    late = bought(due, MONTHLY, at)

    begins = at if days == 31 else first.period.start
    assert running(late).start == begins
    assert late.end > at
    assert late.returned is None


def test_a_moment_before_the_end_it_is_active_and_from_the_end_on_the_default_plan():
    subscription = a_subscription()
    assert subscription.period is not None
    end = subscription.period.end

    assert subscription.at(end - MOMENT) is subscription
    ended = replace(a_free_subscription(), trialed_at=subscription.trialed_at)
    for at in (end, end + MOMENT, end + timedelta(days=4000)):
        assert subscription.at(at) == ended
    assert subscription.due_at == end
    assert FREE.due_at is None
    assert FREE.at(NOON) is FREE


@given(st.timedeltas(timedelta(days=-100), timedelta(days=100)), st.booleans())
def test_what_is_bought_does_not_depend_on_whether_the_end_was_written_down(away, same_plan):
    subscription = a_subscription()
    assert subscription.period is not None
    at = max(subscription.period.end + away, NOON)
    plan = MONTHLY if same_plan else YEARLY

    assert bought(subscription, plan, at) == bought(subscription.at(at), plan, at)


def test_buying_keeps_the_consent_to_renew_and_plans_it_for_the_new_end():
    past_due = a_subscription(status=SubscriptionStatus.PAST_DUE, cancel_at_period_end=False)

    renewed = bought(past_due, MONTHLY, NOON)

    assert renewed.subscription.status is SubscriptionStatus.ACTIVE
    assert renewed.subscription.renewal == Renewal(
        "pm_00000001", renewed.end - timedelta(hours=24), renewed.end + timedelta(hours=72)
    )


def test_buying_by_hand_after_a_cancellation_is_no_consent_to_be_charged():
    renewed = bought(a_subscription(), MONTHLY, NOON).subscription

    assert not renewed.cancel_at_period_end
    assert renewed.renewal is None


@pytest.mark.parametrize(
    ("grants", "activation"), [(("pro",), Activation.PENDING), ((), Activation.NONE)]
)
def test_access_is_due_where_the_plan_grants_any(grants, activation):
    extension = bought(FREE, plan_for(Period(1, PeriodUnit.MONTH), grants=grants), NOON)

    assert extension.subscription.activation is activation


@given(st.integers(0, 10**9), st.lists(st.timedeltas(timedelta(-9), timedelta(99)), min_size=1))
def test_the_rest_falls_in_a_straight_line_from_all_to_nothing(paid, moments):
    period = running(bought(FREE, MONTHLY, NOON, paid=Money.of(paid, "RUB")))
    length = period.end - period.start

    rests = [period.rest(NOON + at).amount_minor for at in sorted(moments)]

    assert rests == sorted(rests, reverse=True)
    for at, rest in zip(sorted(moments), rests, strict=True):
        left = min(max(length - max(at, timedelta(0)), timedelta(0)), length)
        exact = paid * (left // MOMENT) // (length // MOMENT)
        a_second_of_it = paid // (length // timedelta(seconds=1)) + 1
        assert 0 <= exact - rest <= a_second_of_it
    assert period.rest(period.start).amount_minor == paid
    assert period.rest(period.end).amount_minor == 0


@pytest.mark.parametrize("paid", [rub(598), Money.of(1, "RUB"), Money.of(500, "XTR")])
def test_another_plan_begins_now_and_the_rest_of_the_former_returns(paid):
    former = bought(FREE, MONTHLY, NOON, paid=paid)
    half = NOON + (former.end - NOON) / 2

    change = bought(former.subscription, YEARLY, half, paid=rub(2990))

    assert running(change) == running(bought(FREE, YEARLY, half, paid=rub(2990)))
    rest = running(former).rest(half)
    assert change.returned == (rest if rest.is_positive else None)
    assert rest <= paid.share(1, 2)


def test_the_same_plan_in_another_currency_begins_now_as_money_does_not_mix():
    former = bought(FREE, MONTHLY, NOON)

    change = bought(former.subscription, MONTHLY, NOON, paid=Money.of(250, "XTR"))

    assert change.returned == rub(299)
    assert running(change).paid == Money.of(250, "XTR")
    assert change.end == former.end


def test_nothing_returns_of_a_plan_that_has_ended():
    former = bought(FREE, MONTHLY, NOON)

    assert bought(former.subscription, YEARLY, former.end).returned is None


@given(
    st.sampled_from([MOSCOW, "Asia/Manila"]),
    st.lists(st.tuples(st.sampled_from([MONTHLY, YEARLY]), st.integers(0, 400)), max_size=8),
)
def test_no_series_of_changes_returns_more_than_was_paid(zone, purchases):
    subscription, at, paid, returned = FREE, NOON, 0, 0

    for plan, days in purchases:
        at += timedelta(days=days)
        extension = bought(subscription, plan, at, zone=zone)
        subscription = extension.subscription
        paid += 29900
        if extension.returned is not None:
            returned += extension.returned.amount_minor
        left = running(extension).rest(at).amount_minor
        assert returned + left <= paid


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Period(1, PeriodUnit.MONTH), Period(30, PeriodUnit.DAY)),
        (Period(30, PeriodUnit.DAY), Period(1, PeriodUnit.MONTH)),
    ],
)
def test_a_new_unit_is_counted_from_where_the_old_one_ends(first, second):
    old = bought(FREE, plan_for(first), JANUARY_31)

    new = bought(old.subscription, plan_for(second, number=2), JANUARY_31)
    newer = bought(new.subscription, plan_for(second, number=2), JANUARY_31)

    chain = Anchor(old.end, MOSCOW)
    assert new.end == chain.after(second.count, second.unit)
    assert newer.end == chain.after(2 * second.count, second.unit)
    assert running(newer).start == JANUARY_31
    assert running(newer).paid == Money.of(3 * 29900, "RUB")


UNITS = pytest.mark.parametrize(
    ("first", "second"),
    [
        (Period(1, PeriodUnit.MONTH), Period(30, PeriodUnit.DAY)),
        (Period(30, PeriodUnit.DAY), Period(1, PeriodUnit.MONTH)),
        (Period(30, PeriodUnit.DAY), Period(12, PeriodUnit.MONTH)),
    ],
)


def refunded(subscription: Subscription, plan: PlanVersion, at: datetime) -> Subscription:
    return subscription.without(plan, plan.terms.period, rub(299), rub(0), at=at)


@UNITS
@pytest.mark.parametrize("times", [1, 2])
def test_a_refund_of_the_old_unit_takes_its_time_and_leaves_the_new(first, second, times):
    older, newer = plan_for(first), plan_for(second, number=2)
    subscription = bought(FREE, older, NOON).subscription
    for _ in range(times):
        subscription = bought(subscription, newer, NOON).subscription

    left = refunded(subscription, older, NOON).period

    assert left is not None
    assert left.end == Anchor(NOON, MOSCOW).after(times * second.count, second.unit)
    assert left.paid == Money.of(29900 * times, "RUB")
    assert left.plan == newer


@UNITS
def test_what_is_bought_after_a_refund_of_the_new_unit_is_as_long_as_ever(first, second):
    older, newer = plan_for(first), plan_for(second, number=2)
    old = bought(FREE, older, NOON)
    left = refunded(bought(old.subscription, newer, NOON).subscription, newer, NOON)
    assert left.period is not None
    assert left.period.end == old.end

    again = bought(left, newer, NOON)

    assert again.end == Anchor(old.end, MOSCOW).after(second.count, second.unit)


@UNITS
def test_a_refund_of_the_old_unit_and_the_new_leaves_nothing(first, second):
    older, newer = plan_for(first), plan_for(second, number=2)
    both = bought(bought(FREE, older, NOON).subscription, newer, NOON).subscription

    for order in ((older, newer), (newer, older)):
        left = both
        for plan in order:
            left = refunded(left, plan, NOON)
        assert left.period is None


@UNITS
@pytest.mark.parametrize("is_free", [False, True])
def test_a_late_payment_of_the_old_unit_adds_its_time_and_a_refund_takes_it(first, second, is_free):
    older, newer = plan_for(first), plan_for(second, number=2)
    if is_free:
        had = FREE.given(newer, 10, rub(0), zone=MOSCOW, renewals=TERMS, at=NOON)
    else:
        had = bought(FREE, newer, NOON).subscription
    assert had.period is not None

    late = bought(had, older, NOON)
    again = bought(late.subscription, newer, NOON)

    def after(moment: datetime, period: Period) -> datetime:
        return Anchor(moment, MOSCOW).after(period.count, period.unit)

    assert abs(late.end - after(had.period.end, first)) < timedelta(days=3)
    assert abs(again.end - after(late.end, second)) < timedelta(days=3)
    assert running(again).plan == newer
    [shorter, as_before] = (refunded(again.subscription, one, NOON) for one in (newer, older))
    assert shorter.period is not None
    assert as_before.period is not None
    assert shorter.period.end == late.end
    assert as_before.period.end == bought(had, newer, NOON).end


def test_a_new_length_in_the_same_unit_is_counted_from_the_same_anchor():
    old = bought(FREE, MONTHLY, JANUARY_31)

    new = bought(old.subscription, plan_for(Period(2, PeriodUnit.MONTH), number=2), JANUARY_31)

    assert new.end == Anchor(JANUARY_31, MOSCOW).after(3, PeriodUnit.MONTH)


def test_a_renewal_is_on_the_version_that_was_bought():
    newer = plan_for(Period(1, PeriodUnit.MONTH), number=2)

    renewed = bought(bought(FREE, MONTHLY, NOON).subscription, newer, NOON)

    assert running(renewed).plan == newer


def test_a_customer_stands_on_the_paid_plan_until_its_end_and_on_the_default_after():
    extension = bought(FREE, MONTHLY, NOON)
    standing = Standing(a_customer(), extension.subscription, a_catalog())

    assert standing.plan(extension.end - MOMENT) == MONTHLY
    assert standing.plan(extension.end).code == "FREE"
    assert standing.quota(PHOTO_AI, extension.end - MOMENT).limit == 50
    assert standing.quota(PHOTO_AI, extension.end).limit == 3


def test_a_quota_is_empty_keyed_by_its_window_and_resets_at_its_end():
    quota = Standing(a_customer(), FREE, a_catalog()).quota(PHOTO_AI, NOON)

    day = local_window(NOON, WindowKind.DAY, MOSCOW)
    assert quota.used == 0
    assert quota.resets_at == day.end
    assert (quota.key.customer_id, quota.key.feature) == (ANNA, PHOTO_AI)
    assert quota.key.window_start == day.start


@pytest.mark.parametrize("unit", PeriodUnit)
@pytest.mark.parametrize("days", [0, 20, 40, 59, 80])
def test_a_quota_per_period_holds_now_through_a_change_of_the_unit(unit, days):
    per_period = {PHOTO_AI: QuotaRule(10, WindowKind.PERIOD)}
    count = 1 if unit is PeriodUnit.MONTH else 30
    subscription = bought(FREE, plan_for(Period(45, PeriodUnit.DAY), quotas=per_period), NOON)
    changed = bought(
        subscription.subscription, plan_for(Period(count, unit), quotas=per_period), NOON
    )
    now = min(NOON + timedelta(days=days), changed.end - MOMENT)

    quota = Standing(a_customer(), changed.subscription, a_catalog()).quota(PHOTO_AI, now)

    assert quota.key.window_start <= now < quota.resets_at


def test_a_feature_the_plan_does_not_name_is_shown_as_nothing():
    voice = Feature("voice_ai")
    plans = dict(a_catalog().plans)
    plans[PlanCode("PRO_YEARLY")] = replace(
        YEARLY, terms=replace(YEARLY.terms, quotas={voice: QuotaRule(5, WindowKind.MONTH)})
    )
    standing = Standing(a_customer(), FREE, a_catalog(plans=plans))

    quotas = {quota.key.feature: quota for quota in standing.quotas(NOON)}

    assert set(quotas) == {PHOTO_AI, voice}
    assert quotas[voice].limit == 0
    assert quotas[voice].resets_at == local_window(NOON, WindowKind.MONTH, MOSCOW).end


def test_a_feature_that_only_a_former_version_counts_is_still_counted():
    voice = Feature("voice_ai")
    plan = plan_for(Period(1, PeriodUnit.MONTH), quotas={voice: QuotaRule(5, WindowKind.DAY)})
    paid = Standing(a_customer(), bought(FREE, plan, NOON).subscription, a_catalog())
    free = Standing(a_customer(), FREE, a_catalog())

    assert paid.quota(voice, NOON).limit == 5
    assert {quota.key.feature for quota in paid.quotas(NOON)} == {voice, PHOTO_AI}
    with pytest.raises(FeatureNotFound):
        free.quota(voice, NOON)


def test_a_late_payment_for_older_terms_takes_newer_ones_from_nobody():
    old, new = a_plan_version(number=1, id="plv_old"), a_plan_version(number=2, id="plv_new")
    month = Period(1, PeriodUnit.MONTH)
    on_new = a_free_subscription().extended_by(
        new, month, rub(399), zone="UTC", renewals=TERMS, at=NOON
    )

    late = on_new.subscription.extended_by(
        old, month, rub(299), zone="UTC", renewals=TERMS, at=NOON
    )

    assert late.subscription.period.plan == new
    assert late.subscription.period.paid == rub(698)
