"""Flows for the crash sweep: one thing each that somebody does, with us as they do it."""

import asyncio
from typing import Final

from core.use_cases.checkouts import Started
from simulation.chat import Chatter
from simulation.clients import Shopper
from simulation.visitors import Visitor
from simulation.world import World

CATCH_UP: Final = 600.0


class Flow:
    """One shopper does one thing. `prepare` is spared the crashes, `act` gets them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.shopper = Shopper(world, "shopper")

    async def prepare(self) -> None:
        await self.shopper.registers()

    async def act(self) -> None:
        raise NotImplementedError

    async def _bought(self, plan: str = "WEEK") -> Started:
        started = await self.shopper.starts(plan)
        assert started is not None
        return started

    def _pays(self, started: Started) -> None:
        assert started.checkout is not None
        assert started.checkout.payment_id is not None
        assert self.world.provider.pay(started.checkout.payment_id)


class Register(Flow):
    async def prepare(self) -> None:
        """Nobody is there yet."""

    async def act(self) -> None:
        await self.shopper.registers()


class Buy(Flow):
    async def act(self) -> None:
        await self._bought()


class Settle(Flow):
    async def prepare(self) -> None:
        await super().prepare()
        self._started = await self._bought()

    async def act(self) -> None:
        self._pays(self._started)
        await asyncio.sleep(CATCH_UP)


class Consume(Flow):
    async def act(self) -> None:
        await self.shopper.uses(5)


class Hold(Flow):
    """One is captured in part, one is given back while it is captured, one is forgotten."""

    async def act(self) -> None:
        works = self.shopper.works
        await asyncio.gather(works(2, [1], seconds=60, after=5), works(1, [], seconds=60, after=0))
        await works(1, [0, 1], seconds=60, after=1)
        await asyncio.sleep(CATCH_UP)


class Pack(Flow):
    """The day's own is used, and a pack is bought and held: captured in part, and forgotten."""

    async def prepare(self) -> None:
        await super().prepare()
        await self.shopper.uses(3)
        self._started = await self._bought("PHOTOS")

    async def act(self) -> None:
        self._pays(self._started)
        await asyncio.sleep(CATCH_UP)
        works = self.shopper.works
        await asyncio.gather(works(3, [1], seconds=60, after=1), works(1, [], seconds=60, after=0))
        await asyncio.sleep(CATCH_UP)


class Expire(Flow):
    """A purchase runs out at a moment when it was just paid and nobody has told us, and a period ends."""

    async def prepare(self) -> None:
        await super().prepare()
        self._pays(await self._bought())
        await asyncio.sleep(6 * 86_400.0 - 120)
        late = await self._bought()
        await asyncio.sleep(86_400.0 - 3_000)
        self.world.provider.webhooks_have_stopped = True
        again = await self.shopper.pays_otherwise(late)
        assert again is not None
        await asyncio.sleep(2_400.0)
        self._pays(again)

    async def act(self) -> None:
        await asyncio.sleep(2 * CATCH_UP)


class SignIn(Flow):
    async def prepare(self) -> None:
        self._visitor = Visitor(self.world, "visitor")
        await self._visitor.registers()

    async def act(self) -> None:
        await self._visitor.visits(idle=2.0)


class Chat(Flow):
    """Somebody starts the bot, orders twice by a double tap, and pays."""

    async def prepare(self) -> None:
        """Nobody is there yet."""

    async def act(self) -> None:
        chatter = Chatter(self.world, 1)
        self.world.telegram.write(1001, "starts")
        await chatter.buys(taps=2)
        await asyncio.sleep(CATCH_UP)


SHOP_FLOWS: Final[dict[str, type[Flow]]] = {
    "register": Register,
    "buy": Buy,
    "settle": Settle,
    "consume": Consume,
    "hold": Hold,
    "pack": Pack,
    "expire": Expire,
    "sign_in": SignIn,
    "chat": Chat,
}
