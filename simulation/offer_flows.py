"""Flows of offers for the crash sweep: a code of each kind, a discount, a pack, and a broadcast."""

import asyncio
from typing import Final

from core.domain.broadcast import BroadcastMove
from core.domain.promo_code import PercentOff
from simulation.bank import BANK
from simulation.bargainers import Bargainer, Promoter, Reader, offer_catalog
from simulation.clients import Operator
from simulation.flows import CATCH_UP, Flow
from simulation.world import World


class OfferFlow(Flow):
    def __init__(self, world: World) -> None:
        super().__init__(world)
        world.open_bank()
        self.promoter = Promoter(world)
        self.customer = Bargainer(world, "bargainer", always_pays=True)

    async def prepare(self) -> None:
        await Operator(self.world).opens(offer_catalog())
        await self.customer.comes([])


class Redeem(OfferFlow):
    """Percent, units and days, each in two clients at once."""

    async def act(self) -> None:
        for name in await self.promoter.makes_one_of_each(limit=1):
            assert any(await asyncio.gather(*(self.customer.redeems(name) for _ in range(2))))


class Discounted(OfferFlow):
    """Two orders at the lower price, both paid."""

    async def prepare(self) -> None:
        await super().prepare()
        assert await self.customer.redeems(await self.promoter.makes(PercentOff(50)))

    async def act(self) -> None:
        await asyncio.gather(*(self.customer.orders(plan, BANK) for plan in ("WEEK", "MONTH")))
        await asyncio.sleep(CATCH_UP)


class PackBack(OfferFlow):
    """A pack goes back while its units are used."""

    async def prepare(self) -> None:
        await super().prepare()
        await self.customer.orders("PHOTOS", BANK)
        await asyncio.sleep(CATCH_UP)

    async def act(self) -> None:
        await asyncio.gather(self.promoter.gives_back_a_pack(), self.customer.uses(5))
        await asyncio.sleep(CATCH_UP)


class Send(OfferFlow):
    """One broadcast, to who wants it and to who stops wanting it just then."""

    async def prepare(self) -> None:
        await super().prepare()
        self._readers = [Reader(self.world, number) for number in range(4)]
        for reader in self._readers:
            await reader.registers()
        await self.promoter.writes()

    async def act(self) -> None:
        await asyncio.gather(
            self.promoter.moves(BroadcastMove.START), self._readers[0].wants_none()
        )
        await asyncio.sleep(CATCH_UP)


OFFER_FLOWS: Final[dict[str, type[Flow]]] = {
    "redeem": Redeem,
    "discount": Discounted,
    "pack_back": PackBack,
    "broadcast": Send,
}
