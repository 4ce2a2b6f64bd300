"""Flows of money for the crash sweep: deposit, card, charge, escrow, refund, withdrawal."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Final

from core.domain.payment import PaymentId
from core.use_cases.checkouts import Terms
from simulation.clients import HOUR
from simulation.flows import CATCH_UP, Flow
from simulation.nemesis import CALM
from simulation.traders import ANYWHERE, AT_THE_BANK, DOWN, FROM_WALLET, REST, Cashier, Trader, rub
from simulation.world import World


class MoneyFlow(Flow):
    """A trader who pays whatever there is to pay, at once."""

    terms: Terms = AT_THE_BANK

    def __init__(self, world: World) -> None:
        super().__init__(world)
        world.open_bank()
        self.trader = Trader(world, "trader", always_pays=True, terms=self.terms)

    async def prepare(self) -> None:
        await self.trader.registers()

    async def _has(self, minor: int) -> None:
        await self.trader.deposits(minor)
        await asyncio.sleep(CATCH_UP)


class Deposit(MoneyFlow):
    async def act(self) -> None:
        await self.trader.deposits(500_00)
        await asyncio.sleep(CATCH_UP)


class Fallback(MoneyFlow):
    """The first gateway is silent, so the deposit is opened and paid at the next."""

    terms = ANYWHERE

    async def prepare(self) -> None:
        await super().prepare()
        self.world.provider.is_out = True

    async def act(self) -> None:
        await self.trader.deposits(500_00)
        self.world.provider.is_out = False
        await asyncio.sleep(60)


class Verify(MoneyFlow):
    async def act(self) -> None:
        await self.trader.verifies()
        await asyncio.sleep(CATCH_UP)


class ChargeCard(MoneyFlow):
    """Bought from an empty wallet, and charged to the card instead."""

    async def prepare(self) -> None:
        await super().prepare()
        await self.trader.verifies()
        await asyncio.sleep(CATCH_UP)

    async def act(self) -> None:
        await self.trader.is_charged()
        await asyncio.sleep(2 * HOUR)


class EscrowInParts(MoneyFlow):
    """One part from the wallet, released and in dispute at once; one at the bank, given back."""

    async def prepare(self) -> None:
        await super().prepare()
        await self._has(500_00)
        self._payee = Trader(self.world, "payee", always_pays=True)
        await self._payee.registers()

    async def act(self) -> None:
        trader, payee = self.trader, self._payee
        escrow = await trader.agrees_with(payee, total=200_00, down_payment=80_00)
        assert escrow is not None
        await trader.funds(escrow.id, DOWN, FROM_WALLET)
        await trader.funds(escrow.id, REST, AT_THE_BANK)
        await asyncio.sleep(60)
        ends = [(DOWN, "release"), (DOWN, "dispute"), (REST, "release"), (REST, "refund")]
        await asyncio.gather(*(trader.ends(escrow.id, part, by, payee) for part, by in ends))
        await Cashier(self.world).decides()
        await asyncio.sleep(3 * HOUR)


class GiveBack(MoneyFlow):
    """A deposit that was spent in part goes back, by us and by hand at the bank, at once."""

    async def prepare(self) -> None:
        await super().prepare()
        await self._has(500_00)
        await self.trader.buys_plan("wallet")

    async def act(self) -> None:
        cashier = Cashier(self.world)
        await asyncio.gather(cashier.gives_back(), cashier.gives_back_at_the_bank())
        await asyncio.sleep(CATCH_UP)


class Withdraw(MoneyFlow):
    """It leaves, and comes back."""

    async def prepare(self) -> None:
        await super().prepare()
        await self._has(500_00)
        await self.trader.verifies()
        await asyncio.sleep(CATCH_UP)
        self.world.bank.faults = replace(CALM, payout_returns=1)

    async def act(self) -> None:
        assert await self.trader.withdraws(100_00) is not None
        await asyncio.sleep(26 * HOUR)


class ReconcileADay(MoneyFlow):
    """At midnight all is found that nobody told of: a second payment, a refund, a payout."""

    async def prepare(self) -> None:
        await super().prepare()
        bank = self.world.bank
        await self._has(500_00)
        await self.trader.verifies()
        await asyncio.sleep(CATCH_UP)
        assert await self.trader.withdraws(100_00) is not None
        await asyncio.sleep(3 * HOUR)
        bank.webhooks_have_stopped = True
        bank.pay_again(PaymentId("pay-1"))
        assert bank.give_back_at_dashboard("pay-1", rub(50_00))
        bank.send_back("out-1")
        now = self.world.now()
        midnight = datetime.combine(now.date(), time(23, 59), UTC)
        await asyncio.sleep((midnight - now).total_seconds())

    async def act(self) -> None:
        await asyncio.sleep(CATCH_UP)


MONEY_FLOWS: Final[dict[str, type[Flow]]] = {
    "deposit": Deposit,
    "fallback": Fallback,
    "verify": Verify,
    "charge_card": ChargeCard,
    "escrow": EscrowInParts,
    "give_back": GiveBack,
    "withdraw": Withdraw,
    "reconcile": ReconcileADay,
}
