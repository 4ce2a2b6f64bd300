"""A customer's one subscription: what is paid for, until when, and what follows."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from core.domain.catalog import Catalog
from core.domain.customer import Customer, CustomerId
from core.domain.errors import Conflict
from core.domain.money import Money
from core.domain.payment import Recurrence
from core.domain.period import Anchor, Period, PeriodUnit, Window
from core.domain.plan import Feature, PlanVersion, quota_window
from core.domain.promo_code import Discount
from core.domain.purchase import PurchaseId
from core.domain.renewal import Renewal, RenewalTerms
from core.domain.usage_quota import UsageKey, UsageQuota

SubscriptionId = NewType("SubscriptionId", str)


class SubscriptionStatus(StrEnum):
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    EXPIRED = "expired"


@dataclass(eq=False)
class TrialTaken(Conflict):
    """The trial was taken already; there is one for each customer."""


class Activation(StrEnum):
    """Whether access outside Billhook has been made equal to what is due."""

    NONE = "none"
    PENDING = "pending"
    ACTIVE = "active"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PaidPeriod:
    """
    An unbroken stretch on one plan version. `paid` is all the money that paid for `start..end`,
    in one currency, and `of_bonus` how much of it was bonus; `count` is how many period units were
    paid for since the anchor, and `given` how many days follow them that nobody paid for.
    """

    plan: PlanVersion
    start: datetime
    end: datetime
    anchor: Anchor
    count: int
    paid: Money
    of_bonus: Money
    given: int = 0

    @property
    def is_free(self) -> bool:
        """A trial, or a gift."""
        return not self.paid.is_positive

    @property
    def units(self) -> int:
        """What there is of `count`: nothing, where it ends where its chain begins."""
        return self.count if self.end > self._later(self.anchor.at, self.given) else 0

    def rest(self, at: datetime) -> Money:
        """What of `paid` is for the time after `at`, by time, rounded down. Gifts come last."""
        paid_until = max(self._later(self.end, -self.given), self.start + timedelta(seconds=1))
        whole = (paid_until - self.start) // timedelta(seconds=1)
        left = (paid_until - at) // timedelta(seconds=1)
        return self.paid.share(min(max(left, 0), whole), whole)

    def longer(self, days: int) -> "PaidPeriod":
        """So many days more, which nobody paid for."""
        return replace(self, end=self._later(self.end, days), given=self.given + days)

    def paid_for(self, anchor: Anchor, count: int, unit: PeriodUnit) -> datetime:
        """The end, where so much was paid for since the anchor."""
        return self._later(anchor.after(count, unit), self.given)

    def _later(self, end: datetime, days: int) -> datetime:
        return Anchor(end, self.anchor.zone).after(days, PeriodUnit.DAY) if days else end

    def in_cash(self, rest: Money) -> Money:
        """How much of a rest is cash again: as much as was cash, so that bonus stays bonus."""
        return min(rest, self.paid - self.of_bonus)


@dataclass(frozen=True, slots=True)
class Extension:
    """
    What a purchase does to a subscription: the subscription after it, and the rest of a former
    plan that goes back to the wallet (None: nothing is left of it, or the plan is the same).
    """

    subscription: "Subscription"
    end: datetime
    returned: Money | None


@dataclass(frozen=True, slots=True)
class Subscription:
    """
    One per customer, for ever. Without a paid period the customer is on the catalog's default
    plan, active, with no end. Read it through `at(now)`: an ended period is over whether or not
    somebody has written that down yet. `renewal`: it renews by itself, unless it was canceled for
    the end of the period; while that is still being tried after the end it is past due, and
    nothing is taken away. `trialed_at`: when the one trial began.
    """

    id: SubscriptionId
    customer_id: CustomerId
    period: PaidPeriod | None = None
    status: SubscriptionStatus = SubscriptionStatus.ACTIVE
    renewal: Renewal | None = None
    cancel_at_period_end: bool = False
    activation: Activation = Activation.NONE
    trialed_at: datetime | None = None
    version: int = 0

    @property
    def is_trial(self) -> bool:
        period = self.period
        return period is not None and period.is_free and period.start == self.trialed_at

    @property
    def renews(self) -> Renewal | None:
        """As far as anything is going to be tried."""
        return None if self.cancel_at_period_end else self.renewal

    def is_on(self, plan: PlanVersion, price: Money) -> bool:
        """Whether that would prolong what runs. Call it on what is true now."""
        running = self.period
        if running is None or running.plan.code != plan.code:
            return False
        return running.is_free or running.paid.currency == price.currency

    def is_subscribed(self, plan: PlanVersion, price: Money) -> bool:
        """Whether a gateway charges that by itself already. Call it on what is true now."""
        renewal = self.renews if self.is_on(plan, price) else None
        return renewal is not None and renewal.at_gateway is not None

    def renews_by(self, source: str) -> bool:
        return self.renews is not None and self.renews.source == source

    @property
    def due_at(self) -> datetime | None:
        """When there is something to write down, or to try."""
        period, renewal = self.period, self.renews
        if period is None or renewal is None:
            return None if period is None else period.end
        is_past_due = self.status is SubscriptionStatus.PAST_DUE
        over = renewal.grace_until if is_past_due else period.end
        return over if renewal.next_at is None else min(over, renewal.next_at)

    def at(self, now: datetime) -> "Subscription":
        if self.period is None or now < self.period.end:
            return self
        if self.renews is None or now >= self.renews.grace_until:
            return self.over()
        return replace(self, status=SubscriptionStatus.PAST_DUE)

    def extended_by(
        self,
        plan: PlanVersion,
        period: Period,
        paid: Money,
        *,
        zone: str,
        renewals: RenewalTerms,
        at: datetime,
        of_bonus: Money | None = None,
    ) -> Extension:
        """
        The same plan in the same currency extends from the current end. Anything else begins now,
        and what is left of the former period returns to the wallet. After an end it begins now, and
        so does what would be over already: nobody pays for time that has passed. `of_bonus`: how much of `paid` is bonus; None: nothing.
        """
        of_bonus = paid - paid if of_bonus is None else of_bonus
        present = self.at(at)
        running = present.period
        if running is not None and present.is_on(plan, paid):
            longer = _prolonged(running, plan, period, paid, of_bonus)
            if longer.end > at:
                return Extension(_on(present, longer, renewals, at=at), longer.end, None)
        anchor = Anchor(at, zone)
        end = anchor.after(period.count, period.unit)
        fresh = PaidPeriod(plan, at, end, anchor, period.count, paid, of_bonus)
        rest = None if running is None else running.rest(at)
        returned = rest if rest is not None and rest.is_positive else None
        if present.renewal is not None and present.renewal.at_gateway is not None:
            present = replace(present, renewal=None)  # There it is the former plan that is charged.
        return Extension(_on(present, fresh, renewals, at=at), end, returned)

    def without(
        self,
        plan: PlanVersion,
        period: Period | None,
        paid: Money,
        of_bonus: Money,
        *,
        at: datetime,
    ) -> "Subscription":
        """
        So much of what paid for a plan was refunded, and with it goes the `period` that it added,
        from the end; None: it was a part, and the time stays. What is left of the running period
        stays, and so do days that were given, before it or after; nothing left, or only the rest of
        a trial, and it is over now. Where time goes it does not renew by itself any more: whoever
        was given the money back is not charged again. Where the customer has changed to another
        plan since, there is nothing to take: its rest went to the wallet then.
        """
        present = self.at(at)
        running = present.period
        if running is None or (running.plan.code, running.paid.currency) != (
            plan.code,
            paid.currency,
        ):
            return present
        nothing = paid - paid
        running = replace(
            running,
            paid=max(running.paid - paid, nothing),
            of_bonus=max(running.of_bonus - of_bonus, nothing),
        )
        if period is None:
            return replace(present, period=running)
        had, anchor, count = running.plan.terms.period, running.anchor, running.units
        if had is not None and had.unit is period.unit and period.count <= count:
            count -= period.count
        else:  # It was paid for before the unit was changed: the chain since then begins earlier.
            earlier = anchor.after(-period.count, period.unit)
            anchor = Anchor(max(earlier, running.start), anchor.zone)
        end = at if had is None else running.paid_for(anchor, count, had.unit)
        if end <= at or (end <= running.start and present.has_tried(running)):
            return present.over()
        is_ahead = running.is_free or end <= running.start
        start = min(running.start, at) if is_ahead else running.start
        shorter = replace(running, start=start, end=end, anchor=anchor, count=max(count, 1))
        return replace(present, period=shorter, renewal=None)

    def has_tried(self, period: PaidPeriod) -> bool:
        """Whether it was bought during the trial, and so begins where that ends."""
        trial = period.plan.terms.trial
        if self.trialed_at is None or trial is None:
            return False
        began = Anchor(self.trialed_at, period.anchor.zone)
        return period.start <= began.after(trial.count, trial.unit)

    def renewing(self, source: str, terms: RenewalTerms, *, at: datetime) -> "Subscription":
        """It renews by itself from now on. Call it on what is true `at` now, while something runs."""
        assert self.period is not None, "there is something to renew"
        planned = Renewal.planned(source, self.period.start, self.period.end, terms, at=at)
        known = self.renewal
        if known is not None:  # What was tried for this period is not tried over again.
            until = max(planned.grace_until, known.grace_until)
            planned = replace(known, source=source, grace_until=until)
        return replace(self, renewal=planned, cancel_at_period_end=False)

    def trying(self, plan: PlanVersion, *, zone: str, at: datetime) -> "Subscription":
        """The plan's trial begins. Call it on what is true `at` now, while nothing runs."""
        assert self.period is None
        assert self.trialed_at is None
        assert plan.terms.trial is not None
        anchor, (price, *_) = Anchor(at, zone), plan.terms.prices
        trial = plan.terms.trial
        end, nothing = anchor.after(trial.count, trial.unit), price - price
        return replace(
            self,
            period=PaidPeriod(plan, at, end, anchor, trial.count, nothing, nothing),
            status=SubscriptionStatus.TRIALING,
            activation=Activation.PENDING if plan.terms.grants else Activation.NONE,
            trialed_at=at,
        )

    def given(
        self,
        plan: PlanVersion,
        days: int,
        nothing: Money,
        *,
        zone: str,
        renewals: RenewalTerms,
        at: datetime,
    ) -> "Subscription":
        """
        Days of the plan that nobody pays for. Call it on what is true `at` now, while nothing runs
        or the same plan does: they follow its end, unless they would be over already. What is to
        follow stays as it was decided. `nothing` of the currency that a renewal would be paid in,
        where the plan has no price.
        """
        running = self.period
        assert running is None or running.plan.code == plan.code
        if running is not None and running.longer(days).end > at:
            period = running.longer(days)
        else:
            anchor = Anchor(at, zone)
            nothing = plan.terms.prices[0] - plan.terms.prices[0] if plan.terms.prices else nothing
            end = anchor.after(days, PeriodUnit.DAY)
            period = PaidPeriod(plan, at, end, anchor, days, nothing, nothing)
        renewal, is_trial = self.renewal, period.is_free and period.start == self.trialed_at
        if renewal is not None:
            renewal = Renewal.planned(renewal.source, period.start, period.end, renewals, at=at)
        return replace(
            self,
            period=period,
            status=SubscriptionStatus.TRIALING if is_trial else SubscriptionStatus.ACTIVE,
            renewal=renewal,
            activation=Activation.PENDING if period.plan.terms.grants else Activation.NONE,
        )

    def charged_at_gateway(
        self,
        before: "Subscription",
        source: str,
        recurrence: Recurrence,
        terms: RenewalTerms,
        *,
        at: datetime,
    ) -> "Subscription":
        """
        Extended by a charge that a gateway goes on with by itself. `before` is what was true just
        then: where something else had been decided on meanwhile, a later charge does not undo it.
        """
        is_later = recurrence is Recurrence.LATER
        is_its_own = before.renewal is not None and before.renewal.source == source
        if is_later and before.period is not None and not is_its_own:
            return self
        stops = is_later and before.cancel_at_period_end
        return replace(self.renewing(source, terms, at=at), cancel_at_period_end=stops)

    def is_renewal_due(self, now: datetime) -> bool:
        """Of what is true `now`: whether the moment of a try has come."""
        renewal = self.renews if self.period is not None else None
        return renewal is not None and renewal.next_at is not None and renewal.next_at <= now

    def canceled(self) -> "Subscription":
        """It stops with what is paid for; past due, nothing is, and it is over now."""
        if self.status is SubscriptionStatus.PAST_DUE:
            return self.over()
        return replace(self, cancel_at_period_end=True)

    def tried(
        self, purchase_id: PurchaseId | None, terms: RenewalTerms, *, at: datetime
    ) -> "Subscription":
        """The try that was due is made, by this order; None: by the gateway itself, at the end."""
        assert self.period is not None
        assert self.renewal is not None, "it renews by itself"
        start, end = self.period.start, self.period.end
        return replace(self, renewal=self.renewal.tried(purchase_id, start, end, terms, at=at))

    def over(self) -> "Subscription":
        """Back on the default plan."""
        return replace(
            self,
            period=None,
            status=SubscriptionStatus.ACTIVE,
            renewal=None,
            cancel_at_period_end=False,
            activation=Activation.NONE,
        )


def _on(
    subscription: Subscription, period: PaidPeriod, terms: RenewalTerms, *, at: datetime
) -> Subscription:
    renewal = subscription.renews  # Whoever canceled and buys by hand is not charged after that.
    if renewal is not None:
        renewal = Renewal.planned(renewal.source, period.start, period.end, terms, at=at)
    return replace(
        subscription,
        period=period,
        status=SubscriptionStatus.ACTIVE,
        renewal=renewal,
        cancel_at_period_end=False,
        activation=Activation.PENDING if period.plan.terms.grants else Activation.NONE,
    )


def _prolonged(
    running: PaidPeriod, plan: PlanVersion, period: Period, paid: Money, of_bonus: Money
) -> PaidPeriod:
    if running.is_free:  # What is paid for begins where the trial ends.
        fresh, nothing = Anchor(running.end, running.anchor.zone), paid - paid
        running = replace(
            running, start=running.end, anchor=fresh, paid=nothing, of_bonus=nothing, given=0
        )
    had, anchor, count, unit = running.plan.terms.period, running.anchor, running.units, period.unit
    # A late payment for older terms does not take newer ones away.
    latest = max(plan, running.plan, key=lambda version: version.number)
    if had is not None and had.unit is unit:
        count += period.count
    elif had is None or latest is plan:  # In a new unit the chain starts anew where the old ends.
        anchor, count = Anchor(running.end, anchor.zone), period.count
        running = replace(running, given=0)
    else:  # In a former unit it comes before the chain, which starts so much later.
        anchor, unit = Anchor(anchor.after(period.count, unit), anchor.zone), had.unit
    return replace(
        running,
        plan=latest,
        end=running.paid_for(anchor, count, unit),
        anchor=anchor,
        count=max(count, 1),
        paid=running.paid + paid,
        of_bonus=running.of_bonus + of_bonus,
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """
    A customer as the rules see one: who, on what, under which catalog; and the discount that
    waits for the next purchase (None: there is none).
    """

    customer: Customer
    subscription: Subscription
    catalog: Catalog
    discount: Discount | None = None

    def plan(self, now: datetime) -> PlanVersion:
        period = self.subscription.at(now).period
        return self.catalog.default if period is None else period.plan

    def trial(self, now: datetime) -> PlanVersion | None:
        """What the customer could try for nothing; None: nothing any more, or not now."""
        present = self.subscription.at(now)
        is_free = present.period is None and present.trialed_at is None
        return self.catalog.trial if is_free else None

    def may_subscribe(self, plan: PlanVersion, price: Money, now: datetime) -> bool:
        """Whether a gateway that can is to charge it by itself: one that does so is enough."""
        present = self.subscription.at(now)
        return plan.terms.stars_subscription and not present.is_subscribed(plan, price)

    def renewal_price(self, now: datetime) -> Money | None:
        """What its renewal by itself costs; None: there is none, or it is not sold any more."""
        present = self.subscription.at(now)
        period = present.period
        if period is None or present.renews is None or not self.customer.is_served:
            return None
        plan = self.catalog.plans.get(period.plan.code)
        return None if plan is None else plan.terms.price_in(period.paid.currency)

    def quota(self, feature: Feature, now: datetime) -> UsageQuota:
        """
        The quota before anything is counted against it. A feature that the catalog counts but the
        customer's plan does not name has a limit of zero.

        Raises:
            FeatureNotFound: no plan of the catalog, nor the customer's own, counts it.
        """
        plan = self.plan(now)
        rule = plan.terms.quotas.get(feature)
        if rule is None:
            rule = self.catalog.rule_elsewhere(feature)
        period = self.subscription.at(now).period

        def window_in(zone: str) -> Window:
            return quota_window(
                rule,
                at=now,
                zone=zone,
                began=None if period is None else period.anchor,
                period=None if period is None else plan.terms.period,
            )

        customer = self.customer
        window = window_in(customer.former_zone or customer.zone)
        if customer.zone_changed_at is not None and window.start > customer.zone_changed_at:
            window = window_in(customer.zone)  # The change applies from the next window on.
        key = UsageKey(self.customer.id, feature, window.start)
        return UsageQuota(key, window.end, rule.limit, used=0)

    def quotas(self, now: datetime) -> tuple[UsageQuota, ...]:
        """One quota for each feature that the catalog or the customer's own plan counts."""
        own = self.plan(now).terms.quotas
        names = dict.fromkeys((*own, *self.catalog.features))
        return tuple(self.quota(feature, now) for feature in names)
