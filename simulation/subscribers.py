"""People who stay for weeks: they come by each other's codes, try, let it renew, stop, come back."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from core.domain.customer import CustomerId, identity
from core.domain.period import Period, PeriodUnit
from core.domain.referral_program import (
    Door,
    Invitation,
    ReferralTerms,
    RewardLevel,
    code_of,
)
from core.domain.renewal import FROM_WALLET, RenewalTerms
from core.use_cases.billing import Billing
from core.use_cases.catalogs import WantedCatalog
from core.use_cases.checkouts import Started
from simulation.clients import HOUR, catalog, surely
from simulation.traders import Trader, rub

HOLD: Final = timedelta(days=2)
REFERRAL: Final = ReferralTerms(
    (RewardLevel(1, 1000), RewardLevel(2, 2500), RewardLevel(3, 4500)),
    hold=HOLD,
    join=timedelta(days=3),
    most_a_day=(rub(120_00),),
)
RENEWAL: Final = RenewalTerms(tuple(timedelta(hours=n) for n in (-24, 0, 12)), timedelta(hours=24))


def life_catalog() -> WantedCatalog:
    """
    The simulated shop, with a trial, referrals, access at a panel, and renewals that are given up
    after a day.
    """
    wanted = catalog()
    money = replace(wanted.money, referral=REFERRAL, renewal=RENEWAL)
    plans = tuple(
        replace(plan, trial=Period(2, PeriodUnit.DAY)) if plan.code == "WEEK" else plan
        for plan in wanted.plans
    )
    plans = tuple(replace(plan, grants=("vpn",)) if plan.prices else plan for plan in plans)
    return replace(wanted, money=money, plans=plans)


class Subscriber(Trader):
    """Comes by somebody's code, or by two at once, and has a plan that runs on by itself."""

    async def lives(self, days: float, others: Sequence["Subscriber"]) -> None:
        chance = self._chance
        await asyncio.sleep(chance.uniform(0, 2 * HOUR))
        await self.comes(chance.sample(others, min(2, len(others))))
        await self.verifies()
        doings: list[Callable[[], Awaitable[object]]] = [
            *(3 * [lambda: self.buys_plan(self._terms.gateway)]),
            *(2 * [lambda: self.deposits(chance.choice((99_00, 300_00, 1_000_00)))]),
            lambda: self.buys_plan("wallet"),
            self.tries_the_trial,
            lambda: self.joins(chance.choice(others)),
            *(3 * [lambda: self.renews_from(chance.choice((FROM_WALLET, self.card)))]),
            lambda: self.renews_from(None),
            self.cancels_and_resumes,
        ]
        times = sorted(chance.uniform(0, days * 24 * HOUR) for _ in range(chance.randint(8, 16)))
        started = self._world.loop.time()
        async with asyncio.TaskGroup() as errands:
            for time in times:
                errands.create_task(self._does_surely(started + time, chance.choice(doings)))

    async def comes(self, by: list["Subscriber"]) -> None:
        """Bot and Mini App at once, each by another's link."""
        known = [code_of(one.id) for one in by if one.id and one is not self]

        async def come(code: str) -> CustomerId:
            named, invitation = identity(f"external:{self._name}"), Invitation(code, Door.BOT)

            async def act(billing: Billing) -> CustomerId:
                return (await billing.register_customer(named, invitation=invitation)).id

            return await surely(self._world, self._chance, act)

        self.id, *_ = await asyncio.gather(*map(come, known or ["nobody12345"]))

    async def pays(self, started: Started) -> None:
        """Now and then long after the order has expired, at a page that is still open."""
        late = self._chance.random() < 0.1 and not self._always_pays
        if late and started.checkout is not None and started.checkout.payment_id is not None:
            await asyncio.sleep(26 * HOUR)
            self._market.bank.pay(started.checkout.payment_id)
            return
        await super().pays(started)

    async def joins(self, by: "Subscriber") -> None:
        if by.id:
            invitation = Invitation(code_of(by.id), Door.API)
            await asyncio.gather(
                *(self._tries(lambda one: one.join_referral(self.id, invitation)) for _ in range(2))
            )

    async def tries_the_trial(self) -> None:
        await asyncio.gather(*(self._tries(lambda one: one.start_trial(self.id)) for _ in range(2)))

    async def renews_from(self, source: str | None) -> None:
        await self._tries(lambda one: one.change_subscription.renew_from(self.id, source))

    async def cancels_and_resumes(self) -> None:
        await self._tries(lambda one: one.change_subscription.cancel(self.id))
        await asyncio.sleep(self._chance.choice((0, HOUR, 30 * HOUR)))
        if self._chance.random() < 0.5:
            await self._tries(lambda one: one.change_subscription.resume(self.id))
