"""Bugs planted in referrals and renewals; the simulation must find every one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

from core.domain.case import Case
from core.domain.customer import CustomerId
from core.domain.event import Event
from core.domain.period import Anchor
from core.domain.purchase import Purchase, PurchaseId, PurchaseStatus
from core.domain.subscription import Subscription
from core.use_cases.access import MakeAccess
from core.use_cases.billing import Billing
from core.use_cases.referrals import TendReward
from core.use_cases.subscriptions import TendSubscription
from simulation.app import Compose, Outside, wired
from simulation.mutants import Changed, ChangedStore, overwriting


def levels_counted_without_a_lock(outside: Outside) -> Billing:
    """Two friends who pay at once are each the first."""

    def change(uow: Any) -> None:
        uow.customers = Changed(uow.customers, lock=uow.customers.get)

    tend = TendReward(ChangedStore(outside.store, change), outside.now)
    return replace(wired(outside), tend_reward=tend)


class SameUnit:
    """A store that gives out the one unit there is, and keeps nobody from it."""

    def __init__(self, uow: Any) -> None:
        async def nothing() -> None: ...

        self._uow = Changed(uow, commit=nothing)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Any]:
        yield self._uow

    read = write


def reward_inside_the_settlement(outside: Outside) -> Billing:
    """What a referrer gets is part of the unit that settles the purchase."""

    def change(uow: Any) -> None:
        real = uow.record

        async def record(event: Event) -> None:
            await real(event)
            if event.name == "referral.paid":
                store: Any = SameUnit(uow)
                await TendReward(store, outside.now)(PurchaseId(event.subject))

        uow.record = record

    return wired(replace(outside, store=ChangedStore(outside.store, change)))


class TwoAtOnce(TendSubscription):
    """Both workers believe that the lease is theirs."""

    async def __call__(self, customer_id: CustomerId) -> None:
        await asyncio.gather(*(super(TwoAtOnce, self).__call__(customer_id) for _ in range(2)))


def two_workers_on_one_lease(outside: Outside) -> Billing:
    """The lock and the versions are the fence, so even that does no harm."""
    tend = TwoAtOnce(outside.store, outside.now, outside.new_id)
    return replace(wired(outside), tend_subscription=tend)


def two_workers_on_one_lease_without_fencing(outside: Outside) -> Billing:
    """Each reads, tries, and writes down that it tried."""

    def change(uow: Any) -> None:
        uow.customers = Changed(uow.customers, lock=uow.customers.get)
        for name, key in (("subscriptions", "customer_id"), ("purchases", "id")):
            setattr(uow, name, overwriting(getattr(uow, name), key))

    tend = TwoAtOnce(ChangedStore(outside.store, change), outside.now, outside.new_id)
    return replace(wired(outside), tend_subscription=tend)


def months_counted_from_the_last_period(outside: Outside) -> Billing:
    """Each period begins a chain of its own: 31 January, 28 February, 28 March."""

    def change(uow: Any) -> None:
        real = uow.subscriptions

        async def save(has: Subscription) -> None:
            had = (await real.get(has.customer_id)).period
            period = has.period
            if had is not None and period is not None and had.end < period.end:
                agreed = period.plan.terms.period
                if agreed is not None and period.anchor == had.anchor:
                    anchor = Anchor(had.end, had.anchor.zone)
                    end = anchor.after(agreed.count, agreed.unit)
                    period = replace(period, anchor=anchor, count=agreed.count, end=end)
                    has = replace(has, period=period)
            await real.save(has)

        uow.subscriptions = Changed(real, save=save)

    return wired(replace(outside, store=ChangedStore(outside.store, change)))


def late_payments_are_dropped(outside: Outside) -> Billing:
    """What has expired is over for good, and whoever pays late has paid for nothing."""

    def change(uow: Any) -> None:
        real = uow.purchases

        async def save(purchase: Purchase) -> None:
            if purchase.status is PurchaseStatus.EXPIRED:
                purchase = replace(purchase, status=PurchaseStatus.CANCELED)
            await real.save(purchase)

        uow.purchases = Changed(real, save=save)

    return wired(replace(outside, store=ChangedStore(outside.store, change)))


class MakeOnce(MakeAccess):
    """What was ordered once is not looked at again."""

    async def __call__(self, customer_id: CustomerId) -> Case | None:
        async with self._store.read() as view:
            known = await view.access.find(customer_id)
        return await super().__call__(customer_id) if known is None else None


def access_ordered_once(outside: Outside) -> Billing:
    """A renewal is paid for, and the panel never hears of it."""
    make = MakeOnce(outside.store, outside.provisioner, outside.now)
    return replace(wired(outside), make_access=make)


def renewals_in_a_loop(outside: Outside) -> Billing:
    """Whoever renewed is due at once to renew again. The safety bound must end that."""
    return wired(replace(outside, store=ChangedStore(outside.store, _loop(outside))))


def renewals_in_a_loop_without_a_bound(outside: Outside) -> Billing:
    """The same, and nobody counts."""
    loop = _loop(outside)

    async def none(*_: object, **__: object) -> int:
        return 0

    def change(uow: Any) -> None:
        loop(uow)
        uow.lately = Changed(uow.lately, events=none)

    return wired(replace(outside, store=ChangedStore(outside.store, change)))


def _loop(outside: Outside) -> Callable[[Any], None]:
    def change(uow: Any) -> None:
        real = uow.subscriptions

        async def save(has: Subscription) -> None:
            had = (await real.get(has.customer_id)).period
            goes_on = had is not None and has.period is not None and had.end < has.period.end
            if goes_on and has.renewal is not None:
                has = replace(has, renewal=replace(has.renewal, next_at=outside.now()))
            await real.save(has)

        uow.subscriptions = Changed(real, save=save)

    return change


GROWTH_MUTANTS: Final[dict[str, Compose]] = {
    mutant.__name__: mutant
    for mutant in (
        levels_counted_without_a_lock,
        reward_inside_the_settlement,
        two_workers_on_one_lease_without_fencing,
        months_counted_from_the_last_period,
        late_payments_are_dropped,
        access_ordered_once,
        renewals_in_a_loop_without_a_bound,
    )
}
