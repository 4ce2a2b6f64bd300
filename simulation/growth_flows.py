"""Flows of referrals and renewals for the crash sweep: trial, reward and what becomes of it, renewal."""

import asyncio
from typing import Final

from simulation.clients import HOUR, Operator
from simulation.flows import CATCH_UP, Flow
from simulation.subscribers import HOLD, Subscriber, life_catalog
from simulation.traders import Cashier
from simulation.world import World


class GrowthFlow(Flow):
    """A subscriber who pays whatever there is to pay, brought by another an hour ago."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        world.open_bank()
        self.referrer, self.friend = (
            Subscriber(world, name, always_pays=True) for name in ("referrer", "friend")
        )

    async def prepare(self) -> None:
        await Operator(self.world).opens(life_catalog())
        await self.referrer.comes([])
        await asyncio.sleep(HOUR)


class ComeAndTry(GrowthFlow):
    async def act(self) -> None:
        await self.friend.comes([self.referrer])
        await self.friend.tries_the_trial()
        await asyncio.sleep(49 * HOUR)


class Reward(GrowthFlow):
    """It is booked, becomes ripe, and half of what it was for goes back."""

    async def prepare(self) -> None:
        await super().prepare()
        await self.friend.comes([self.referrer])

    async def act(self) -> None:
        await self.friend.buys_plan("bank")
        await asyncio.sleep(HOLD.total_seconds() + CATCH_UP)
        await Cashier(self.world).gives_back()
        await asyncio.sleep(CATCH_UP)


class Renew(GrowthFlow):
    """From a card, a day before the end."""

    async def prepare(self) -> None:
        await super().prepare()
        await self.friend.comes([self.referrer])
        await self.friend.verifies()
        await self.friend.buys_plan("bank")
        await asyncio.sleep(CATCH_UP)
        await self.friend.renews_from(self.friend.card)
        running = self.world.tables.subscriptions.rows[self.friend.id].period
        assert running is not None
        left = running.end - self.world.now()
        await asyncio.sleep(left.total_seconds() - 24 * HOUR - 60)

    async def act(self) -> None:
        await asyncio.sleep(CATCH_UP)


GROWTH_FLOWS: Final[dict[str, type[Flow]]] = {
    "trial": ComeAndTry,
    "reward": Reward,
    "renew": Renew,
}
