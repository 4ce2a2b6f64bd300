"""Gifts: time on a plan that nobody paid for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from core.domain.audit import Deed, line_of
from core.domain.cause import Cause, claim
from core.domain.customer import CustomerBlocked, CustomerId
from core.domain.errors import Invalid, Refused
from core.domain.event import Event
from core.domain.money import Money
from core.domain.subscription import Subscription
from core.ports.unit_of_work import NewId, Now, Store, UnitOfWork
from core.use_cases.customers import standing_of
from core.use_cases.gateway_renewals import hand_on

DAYS_MAX: Final = 3660


@dataclass(eq=False)
class DaysNotGivable(Invalid):
    """Give 1 to 3660 days of a plan that is not everybody's already."""

    plan: str
    days: int


@dataclass(eq=False)
class AnotherPlanRuns(Refused):
    """Another plan is running; days of this one can be had when it is over."""

    plan: str


async def give_days(
    uow: UnitOfWork, customer_id: CustomerId, plan_code: str, days: int, *, at: datetime
) -> datetime:
    """
    So many days of a plan, in the unit of whoever decided on it, which has locked the customer: from
    the current end where the same plan runs, from now on where none does. Nothing renews by itself
    because of it, and a renewal that has begun is given up until the new end comes. The new end;
    access and reminders follow.

    Raises:
        PlanNotFound, DaysNotGivable, AnotherPlanRuns
        CustomerBlocked: this one asked to be erased.
    """
    standing = await standing_of(uow, customer_id)
    if standing.customer.is_leaving:
        raise CustomerBlocked
    catalog = standing.catalog
    plan = catalog.plan(plan_code)
    if plan.code == catalog.default_plan or not 1 <= days <= DAYS_MAX or not catalog.currencies:
        raise DaysNotGivable(plan.code, days)
    before = standing.subscription.at(at)
    if before.period is not None and before.period.plan.code != plan.code:
        raise AnotherPlanRuns(before.period.plan.code)
    given: Subscription = before.given(
        plan,
        days,
        Money.of(0, catalog.currencies[0]),
        zone=standing.customer.zone,
        renewals=catalog.money.renewal,
        at=at,
    )
    period = given.period
    assert period is not None, "it was just given"
    await uow.subscriptions.save(given)
    await hand_on(uow, before, given, at=at)
    told: dict[str, str | int] = {
        "plan": plan.code,
        "days": days,
        "period_start": period.start.isoformat(),
        "period_end": period.end.isoformat(),
    }
    await uow.record(Event("subscription.given", customer_id, at, customer_id, told))
    return period.end


class GrantDays:
    """
    An operator gives days of a plan, as `give_days`, and the customer is told. Once per cause,
    with a reason.
    """

    def __init__(self, store: Store, now: Now, new_id: NewId) -> None:
        self._store = store
        self._now = now
        self._new_id = new_id

    async def __call__(
        self, customer_id: CustomerId, plan_code: str, days: int, *, deed: Deed, cause: Cause
    ) -> datetime:
        """
        The new end.

        Raises:
            CustomerNotFound, CustomerBlocked, KeyUsedOtherwise
            PlanNotFound, DaysNotGivable, AnotherPlanRuns
            OwnAffair: whoever does it is the customer.
        """
        async with self._store.write() as uow:
            at = self._now()
            (await uow.customers.lock(customer_id)).require_another(deed.actor)
            fresh = claim(cause, self._new_id("gft"), at=at)
            taken = await uow.claims.take(fresh)
            if taken.subject != fresh.subject:
                taken.taken_again(cause, at=taken.leased_until)
                assert taken.answer is not None, "claimed and answered in one unit"
                return datetime.fromisoformat(taken.answer)
            end = await give_days(uow, customer_id, plan_code, days, at=at)
            told: dict[str, str | int] = {"plan": plan_code, "days": days, "until": end.isoformat()}
            await uow.audit(line_of(deed, "customer.grant_days", customer_id, at=at, **told))
            # Whoever redeems a code sees at once what it gave; this the customer has to be told.
            await uow.record(Event("gift.made", taken.subject, at, customer_id, told))
            await uow.claims.save(taken.answered(end.isoformat()))
            await uow.commit()
        return end
