"""Trials: a plan for nothing, for some days, once in a customer's life."""

from dataclasses import dataclass

from core.domain.customer import CustomerId
from core.domain.errors import Refused
from core.domain.event import Event
from core.domain.subscription import TrialTaken
from core.domain.switch import SwitchName
from core.ports.unit_of_work import Now, Store
from core.use_cases import referrals
from core.use_cases.customers import standing_of


@dataclass(eq=False)
class TrialNotOffered(Refused):
    """No plan can be tried for nothing, or not now."""


@dataclass(eq=False)
class PlanIsRunning(Refused):
    """There is a plan already; a trial is for who has none."""


class StartTrial:
    """
    Try the plan that the catalog lets everybody try: once for each customer, however often and from
    wherever it is asked for. It ends by itself, and costs nothing unless it is agreed to renew. While
    it runs, starting it again changes nothing.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, customer_id: CustomerId) -> None:
        """
        Raises:
            TrialNotOffered, TrialTaken, PlanIsRunning, CustomerBlocked
        """
        async with self._store.write() as uow:
            at = self._now()
            (await uow.customers.lock(customer_id)).require_served()
            standing = await standing_of(uow, customer_id)
            present = standing.subscription.at(at)
            if present.is_trial:
                return
            if present.trialed_at is not None:
                raise TrialTaken
            plan = standing.catalog.trial
            if plan is None or SwitchName.TRIALS in await uow.switches.off():
                raise TrialNotOffered
            if present.period is not None:
                raise PlanIsRunning
            trial = present.trying(plan, zone=standing.customer.zone, at=at)
            assert trial.period is not None
            await uow.subscriptions.save(trial)
            told = {"plan": plan.code, "period_end": trial.period.end.isoformat()}
            await uow.record(
                Event("subscription.trial_started", customer_id, at, customer_id, told)
            )
            await referrals.tried(uow, customer_id, at=at)
            await uow.commit()
