"""A reminder: what a customer is told of the end of what is paid for, before it and after it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from core.domain.catalog import Catalog
from core.domain.customer import CustomerId
from core.domain.money import Money
from core.domain.plan import PlanCode, PlanVersion
from core.domain.subscription import Standing, SubscriptionStatus

STALE_AFTER: Final = timedelta(days=2)
"""Nobody is called back later than this after the moment for it."""


class ReminderKind(StrEnum):
    ENDS_SOON = "ends_soon"
    RENEWS_SOON = "renews_soon"
    COME_BACK = "come_back"


@dataclass(frozen=True, slots=True)
class PriceNotice:
    """What the customer was told that the plan costs now, other than was agreed on."""

    price: Money
    told_at: datetime


@dataclass(frozen=True, slots=True)
class Reminder:
    """
    One per customer: of which end something is to be told, and when next. `ends_at` is the end of
    the period, or of the grace of one that is past due. Moments up to `passed` are over, whether
    something was told at them or not: each is looked at once. `notice` outlives the period, until
    what it says has been agreed on, by paying it.
    """

    customer_id: CustomerId
    plan: PlanCode
    ends_at: datetime
    passed: datetime
    next_at: datetime | None
    notice: PriceNotice | None = None
    version: int = 0

    @property
    def due_at(self) -> datetime | None:
        return self.next_at

    def planned(self, catalog: Catalog, *, at: datetime) -> "Reminder":
        """All moments up to `at` are over."""
        passed = max(self.passed, at)
        days = (timedelta(days=days) for days in catalog.chat.reminders.days)
        moments = [self.ends_at + one for one in (*days, catalog.money.renewal.price_looked_at)]
        return replace(
            self, passed=passed, next_at=min((m for m in moments if m > passed), default=None)
        )


@dataclass(frozen=True, slots=True)
class Look:
    """
    What a look has found: the reminder after it, and what to tell now, `days` from the end; and
    whether its notice of another price is a new one, to be told.
    """

    reminder: Reminder | None
    kind: ReminderKind | None = None
    days: int = 0
    has_notice: bool = False


def look(known: Reminder | None, standing: Standing, *, at: datetime) -> Look:
    """
    Of an end that is not the known one all moments still to come are planned: whoever has just
    paid is told nothing of those before. Of several that have come at once only the last counts.
    Another price is told of once, by whichever look sees it first.
    """
    found = _look(known, standing, at=at)
    if found.reminder is None:
        return found
    notice = _notice(found.reminder.notice, standing, at)
    is_new = notice is not None and notice != found.reminder.notice
    return replace(found, reminder=replace(found.reminder, notice=notice), has_notice=is_new)


def renewal_offer(
    standing: Standing, notice: PriceNotice | None, *, at: datetime
) -> tuple[PlanVersion, Money] | None:
    """
    What a renewal buys, and for how much; None: as `Standing.renewal_price`. What costs more than
    was agreed on, and was not told of long enough before the first try, is not bought: the version
    that runs is once more, at its own price.
    """
    price, period = standing.renewal_price(at), standing.subscription.at(at).period
    if price is None or period is None:
        return None
    current, agreed = standing.catalog.plans[period.plan.code], _agreed(standing, price, at)
    if agreed is None or price <= agreed:
        return current, price
    if notice is not None and notice.price == price and _is_in_time(notice, standing, period.end):
        return current, price
    return period.plan, agreed


@dataclass(frozen=True, slots=True)
class PriceChange:
    """Another price as it is announced: what was agreed on, and when the first period of it begins."""

    before: Money
    price: Money
    begins: datetime


def price_change(standing: Standing, notice: PriceNotice, *, at: datetime) -> PriceChange:
    """What the notice comes to; it is true `at` now. Until it has lasted the old price is renewed."""
    subscription, price = standing.subscription.at(at), notice.price
    agreed = _agreed(standing, price, at)
    assert agreed is not None, "there is no notice of what was not agreed on"
    while True:
        period = subscription.period
        assert period is not None, "only what runs renews"
        if price <= agreed or _is_in_time(notice, standing, period.end):
            return PriceChange(agreed, price, period.end)
        assert period.plan.terms.period is not None, "it was sold"
        subscription = subscription.extended_by(
            period.plan,
            period.plan.terms.period,
            agreed,
            zone=standing.customer.zone,
            renewals=standing.catalog.money.renewal,
            at=at,
        ).subscription


def _is_in_time(notice: PriceNotice, standing: Standing, end: datetime) -> bool:
    """Whether it was told long enough before the first try of what follows this end."""
    terms = standing.catalog.money.renewal
    return notice.told_at <= end + terms.tries[0] - terms.price_notice


def has_another_price(standing: Standing, at: datetime) -> bool:
    """Whether it renews by itself, through us, and the plan costs something else now."""
    renews, price = standing.subscription.at(at).renews, standing.renewal_price(at)
    if price is None or renews is None or renews.at_gateway is not None:
        return False
    return _agreed(standing, price, at) not in {None, price}


def _agreed(standing: Standing, price: Money, at: datetime) -> Money | None:
    period = standing.subscription.at(at).period
    return None if period is None else period.plan.terms.price_in(price.currency)


def _notice(known: PriceNotice | None, standing: Standing, at: datetime) -> PriceNotice | None:
    """The one that is true `at` now, told already or not."""
    price = standing.renewal_price(at)
    if price is None:
        return known
    if not has_another_price(standing, at):
        return None
    return known if known is not None and known.price == price else PriceNotice(price, at)


def _look(known: Reminder | None, standing: Standing, *, at: datetime) -> Look:
    terms, present = standing.catalog.chat.reminders, standing.subscription.at(at)
    period = present.period
    if period is not None:
        ends_at = period.end
        if present.renews is not None and period.end <= at:
            ends_at = present.renews.grace_until
        if known is None or (known.plan, known.ends_at) != (period.plan.code, ends_at):
            version = 0 if known is None else known.version
            notice = None if known is None or known.plan != period.plan.code else known.notice
            whose = standing.customer.id
            fresh = Reminder(whose, period.plan.code, ends_at, at, None, notice, version)
            return Look(fresh.planned(standing.catalog, at=at))
    elif known is None:
        return Look(None)
    elif at < known.ends_at:  # Its money was given back, and nothing of it is left to run out.
        return Look(replace(known, next_at=None))
    moments = {days: known.ends_at + timedelta(days=days) for days in terms.days}
    come = [days for days, moment in moments.items() if known.passed < moment <= at]
    kind = _kind(standing, come, at) if come else None
    if kind is ReminderKind.COME_BACK and at >= moments[come[-1]] + STALE_AFTER:
        kind = None
    return Look(known.planned(standing.catalog, at=at), kind, come[-1] if come else 0)


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
