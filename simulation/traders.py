"""People whose money moves in every direction, and the one who gives it back by hand."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, Protocol

from adapters.persistence.memory.tables import Tables
from core.domain.audit import Deed
from core.domain.cause import Cause
from core.domain.errors import BillingError, Unavailable
from core.domain.escrow import Escrow, EscrowSide
from core.domain.item import EscrowId, EscrowPart, PaymentMethodId
from core.domain.money import Money
from core.domain.payment_method import Billing as BillingData
from core.domain.payout import PayoutAccount
from core.domain.purchase import Purchase, PurchaseId, PurchaseStatus
from core.domain.withdrawal import Withdrawal, WithdrawalId, WithdrawalStatus
from core.ports.payment_gateway import Webhook
from core.use_cases.billing import Billing
from core.use_cases.checkouts import Started, Terms
from simulation.app import NoAnswer
from simulation.bank import BANK, BANK_ADDRESS, Bank
from simulation.clients import HOUR, RETURN_URL, Answer, Shopper, Surroundings, surely
from simulation.network import NAME

CARD: Final = PayoutAccount("bank_card", "2200000000000004", "ANNA")
PAYER: Final = BillingData("Anna", "anna@example.com", "+79990000000")
AT_THE_BANK: Final = Terms(RETURN_URL, BANK)
ANYWHERE: Final = Terms(RETURN_URL)
FROM_WALLET: Final = Terms(RETURN_URL, "wallet")
ON_DUTY: Final = Deed("cashier", "as asked for")
PAUSES: Final = (0, 0, 1, 2 * HOUR - 1)
"""The last is a moment before the buffer of an escrow is over."""
DOWN, REST = EscrowPart.DOWN_PAYMENT, EscrowPart.REMAINDER


def rub(minor: int) -> Money:
    return Money.of(minor, "RUB")


class Market(Surroundings, Protocol):
    """What traders can reach."""

    bank: Bank

    @property
    def tables(self) -> Tables: ...

    def now(self) -> datetime: ...


class Trader(Shopper):
    """
    Deposits, buys from the wallet, keeps a card, hires others by escrow, and withdraws. Where the
    terms name no gateway, pays at the first that can be had, at another, or at both.
    """

    def __init__(
        self,
        world: Market,
        name: str,
        *,
        always_pays: bool = False,
        terms: Terms = AT_THE_BANK,
    ) -> None:
        super().__init__(world, name)
        self._market = world
        self._always_pays = always_pays
        self._terms = terms
        self.card: PaymentMethodId | None = None

    async def trades(self, days: float, others: list["Trader"]) -> None:
        chance = self._chance
        await self.registers()
        await self.deposits(chance.choice((500_00, 1_000_00)))
        await self.verifies()
        doings: list[Callable[[], Awaitable[object]]] = [
            *(2 * [lambda: self.deposits(chance.choice((99_00, 300_00, 1_000_00)))]),
            *(3 * [lambda: self.buys_plan("wallet")]),
            lambda: self.buys_plan(self._terms.gateway),
            self.verifies,
            *(2 * [self.is_charged]),
            *(3 * [lambda: self.withdraws(chance.choice((10_00, 100_00, 450_00, 600_00)))]),
            *(3 * [lambda: self.hires(chance.choice(others))]),
        ]
        times = sorted(chance.uniform(0, days * 24 * HOUR) for _ in range(chance.randint(6, 12)))
        if self._world.faults.rush or chance.random() < 0.5:
            times = [time % (0.2 * HOUR) for time in times]
        started = self._world.loop.time()
        async with asyncio.TaskGroup() as errands:
            for time in times:
                errands.create_task(self._does_surely(started + time, chance.choice(doings)))

    async def _does_surely(self, time: float, act: Callable[[], Awaitable[object]]) -> None:
        await asyncio.sleep(max(0, time - self._world.loop.time()))
        await act()

    async def deposits(self, minor: int) -> Started | None:
        cause = self._cause("deposit")
        started = await self._tries(
            lambda one: one.start_deposit(self.id, rub(minor), self._terms, cause=cause)
        )
        if started is not None:
            await self.pays(started)
        return started

    async def buys_plan(self, gateway: str | None) -> Started | None:
        plan, cause = self._chance.choice(("WEEK", "MONTH")), self._cause("plan")
        started = await self._tries(
            lambda one: one.start_purchase(
                self.id, plan, return_url=RETURN_URL, cause=cause, gateway=gateway
            )
        )
        if started is not None:
            await self.pays(started)
        return started

    async def verifies(self) -> None:
        """A card, proven by a rouble."""
        cause = self._cause("card")
        added = await self._tries(
            lambda one: one.add_payment_method(self.id, CARD, PAYER, AT_THE_BANK, cause=cause)
        )
        if added is not None:
            self.card = added[0].id
            await self.pays(added[1])

    async def is_charged(self) -> None:
        """There is too little in the wallet, so the host's own system charges the card."""
        card, cause, charge = self.card, self._cause("plan"), self._cause("charge")
        await self._tries(
            lambda one: one.start_purchase(
                self.id, "MONTH", return_url=RETURN_URL, cause=cause, gateway="wallet"
            )
        )
        pending = [one for one in self._purchases() if one.is_pending and one.plan is not None]
        if card is None or not pending:
            return
        which = self._chance.choice(pending).id
        tries = [
            self._tries(lambda one: one.charge_method(which, card, cause=charge)) for _ in range(2)
        ]
        await asyncio.gather(*tries)

    async def withdraws(self, minor: int) -> Withdrawal | None:
        card, cause = self.card, self._cause("withdrawal")
        if card is None:
            return None
        clicks = [
            self._tries(lambda one: one.request_withdrawal(self.id, rub(minor), card, cause=cause))
            for _ in range(1 + (self._chance.random() < self._world.faults.double_click))
        ]
        told = [one for one in await asyncio.gather(*clicks) if one is not None]
        self._world.demand(len({one.id for one in told}) <= 1, "W7 one key, two", *told)
        return told[0] if told else None

    async def hires(self, other: "Trader") -> None:
        """An escrow, funded in parts, and ended by whoever is first."""
        if other is self or not other.id:
            return
        escrow = await self.agrees_with(other, total=200_00, down_payment=80_00)
        if escrow is None:
            return
        for part in (DOWN, REST):
            await self.funds(escrow.id, part, self._chance.choice((AT_THE_BANK, FROM_WALLET)))
            await asyncio.sleep(self._chance.choice((0, 60, 3600)))
            after: list[float] = self._chance.sample(PAUSES, 2)
            if self._world.faults.rush:
                after = [self._chance.uniform(0, 1) for _ in range(2)]
            ways = self._chance.sample(("release", "refund", "dispute"), 2)
            ends = zip(ways, after, strict=True)
            await asyncio.gather(
                *(self.ends(escrow.id, part, by, other, after=wait) for by, wait in ends)
            )

    async def agrees_with(self, other: "Trader", *, total: int, down_payment: int) -> Escrow | None:
        cause, parts = self._cause("escrow"), (rub(total), rub(down_payment))
        return await self._tries(
            lambda one: one.open_escrow(
                self.id, other.id, "work", total=parts[0], down_payment=parts[1], cause=cause
            )
        )

    async def funds(self, escrow_id: EscrowId, part: EscrowPart, terms: Terms) -> None:
        cause = self._cause("fund")
        started = await self._tries(
            lambda one: one.fund_escrow(self.id, escrow_id, part, terms, cause=cause)
        )
        if started is not None:
            await self.pays(started)

    async def ends(
        self, escrow_id: EscrowId, part: EscrowPart, by: str, payee: "Trader", *, after: float = 0
    ) -> None:
        await asyncio.sleep(after)
        cause = self._cause(by)
        acts: dict[str, Callable[[Billing], Awaitable[Escrow]]] = {
            "release": lambda one: one.release_part(self.id, escrow_id, part, cause=cause),
            "refund": lambda one: one.refund_part(payee.id, escrow_id, part, cause=cause),
            "dispute": lambda one: one.dispute_part(self.id, escrow_id, part),
        }
        await self._tries(acts[by])

    async def pays(self, started: Started) -> None:
        """At the bank's page: at once or later, short, twice, or not at all."""
        opened = None if started.checkout is None else started.checkout.opened
        if opened is None or not opened.confirmation_url:
            return
        chance, bank = self._chance, self._market.bank
        if self._always_pays:
            bank.pay(opened.payment_id)
            return
        if self._terms is ANYWHERE:
            await self._pays_anywhere(started)
            return
        if not self._world.faults.rush and chance.random() < 0.5:
            await asyncio.sleep(chance.expovariate(1 / (0.2 * HOUR)))
        what = chance.random()
        if what < 0.85:
            short = chance.random() < self._world.faults.short_payment
            if bank.pay(opened.payment_id, short=short) and what < self._world.faults.pays_twice:
                bank.pay_again(opened.payment_id)
        elif what < 0.9:
            bank.decline(opened.payment_id)

    async def _pays_anywhere(self, started: Started) -> None:
        """In one tab, or in all that were ever opened for it, at whichever gateway."""
        chance = self._chance
        if chance.random() < 0.5:
            await self.pays_otherwise(started, chance.choice((BANK, NAME)))
        known = self._market.tables.checkouts
        rows = [known.rows[key] for key in known.keys("purchase", started.purchase.id)]
        pages = [one for one in rows if one.opened is not None and not one.is_charge]
        chance.shuffle(pages)
        for page in pages if chance.random() < 0.5 else pages[:1]:
            assert page.payment_id is not None
            await asyncio.sleep(chance.choice((0, 0.1 * HOUR)))
            at = self._market.bank if page.gateway == BANK else self._world.provider
            short = chance.random() < self._world.faults.short_payment
            if chance.random() < 0.9:
                at.pay(page.payment_id, short=short)

    def _purchases(self) -> list[Purchase]:
        known = self._market.tables.purchases.rows.values()
        return [one for one in known if one.customer_id == self.id]

    def _cause(self, what: str) -> Cause:
        return Cause(f"customer {self.id} {what}", self._new_key(what), what)

    async def _tries(self, act: Callable[[Billing], Awaitable[Answer]]) -> Answer | None:
        """None: it was refused."""
        try:
            return await surely(self._world, self._chance, act)
        except BillingError:
            return None


class Cashier:
    """Gives back, decides what waits for a person, and works at the bank's own dashboard."""

    def __init__(self, world: Market) -> None:
        self._world = world
        self._chance = world.loop.stream("cashier")
        self._deeds = 0

    async def works(self) -> None:
        """One thing of what there is to do."""
        act = self._chance.choice(
            (
                self.gives_back,
                self.gives_back,
                self.gives_back_at_the_bank,
                self.gives_a_present,
                self.decides,
            )
        )
        await act()

    async def gives_a_present(self) -> None:
        """More than the shorter plan costs, and less than the longer one."""
        customers = list(self._world.tables.customers.rows)
        if customers:
            who, cause = self._chance.choice(customers), self._cause("present")
            await self._tries(
                lambda one: one.adjust_wallet(
                    who, rub(150_00), account="bonus", deed=ON_DUTY, cause=cause
                )
            )

    async def gives_back(self, purchase_id: PurchaseId | None = None) -> None:
        """All of it, a part, or twice at once."""
        known = self._world.tables.purchases.rows.values()
        paid = [one for one in known if one.status is PurchaseStatus.PAID]
        if purchase_id is not None:
            paid = [one for one in paid if one.id == purchase_id]
        if not paid:
            return
        purchase, chance = self._chance.choice(paid), self._chance
        part = chance.choice((None, None, purchase.amount.share(1, 3)))
        times = 1 + (chance.random() < 0.5)
        await asyncio.gather(*(self._gives_back(purchase.id, part) for _ in range(times)))

    async def gives_back_at_the_bank(self) -> None:
        bank, chance = self._world.bank, self._chance
        paid = [one for one in bank.payments.values() if one.paid is not None]
        if paid:
            one = chance.choice(paid)
            assert one.paid is not None
            amount = one.paid.share(1, chance.choice((1, 3)))
            if amount.is_positive:
                bank.give_back_at_dashboard(one.payment_id, amount)

    async def decides(self) -> None:
        """What was above a brake, and what is in dispute."""
        tables, chance = self._world.tables, self._chance
        held = WithdrawalStatus.HELD
        waiting = [one.id for one in tables.withdrawals.rows.values() if one.status is held]
        for withdrawal_id in waiting:
            await self._tries(self._decision(withdrawal_id, approves=chance.random() < 0.7))
        for escrow_id in list(tables.escrows.rows):
            to, cause = chance.choice(list(EscrowSide)), self._cause("resolve")
            await self._tries(self._resolution(escrow_id, to, cause))

    def _decision(
        self, withdrawal_id: WithdrawalId, *, approves: bool
    ) -> Callable[[Billing], Awaitable[object]]:
        if approves:
            return lambda one: one.approve_withdrawal(withdrawal_id, deed=ON_DUTY)
        return lambda one: one.reject_withdrawal(withdrawal_id, deed=ON_DUTY)

    def _resolution(
        self, escrow_id: EscrowId, to: EscrowSide, cause: Cause
    ) -> Callable[[Billing], Awaitable[object]]:
        return lambda one: one.resolve_escrow(escrow_id, to, deed=ON_DUTY, cause=cause)

    async def _gives_back(self, purchase_id: PurchaseId, amount: Money | None) -> None:
        cause = self._cause("refund")
        await self._tries(
            lambda one: one.refund_purchase(purchase_id, deed=ON_DUTY, cause=cause, amount=amount)
        )

    def _cause(self, what: str) -> Cause:
        self._deeds += 1
        return Cause(f"operator {what}", f"{what}-{self._deeds}", what)

    async def _tries(self, act: Callable[[Billing], Awaitable[object]]) -> None:
        try:
            await surely(self._world, self._chance, act)
        except BillingError as refused:
            self._world.loop.note(f"cashier: {refused!r}")


class Impostor:
    """Posts what the bank might have posted, from the bank's own address."""

    def __init__(self, world: Market) -> None:
        self._world = world
        self._chance = world.loop.stream("impostor")

    async def attacks(self) -> None:
        bank = self._world.bank
        about = self._chance.choice([*bank.payments, "pay-none"])
        paid = {"event": "payment.succeeded", "id": about, "about": about}
        webhook = Webhook(BANK_ADDRESS, {}, json.dumps(paid).encode())
        try:
            await self._world.ask(lambda one: one.take_in_webhook(BANK, webhook))
        except (NoAnswer, Unavailable):
            return
