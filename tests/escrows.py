"""Escrows for tests: one with every field set, and a world in which customers trade."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from adapters.catalog_file import catalog_from_file
from core.domain import ledger
from core.domain.audit import Deed
from core.domain.customer import CustomerId
from core.domain.escrow import Escrow, Part, PartStatus
from core.domain.item import EscrowId, EscrowPart
from core.domain.money import Money
from core.domain.money_terms import DepositTerms, EscrowTerms, MoneyTerms
from core.ports.unit_of_work import Store
from core.use_cases.buying import WALLET
from core.use_cases.checkouts import Started, Terms
from tests.builders import ANNA, BORIS, NOON, rub
from tests.world import FITNESS, RETURN, World

DOWN: Final = EscrowPart.DOWN_PAYMENT
REST: Final = EscrowPart.REMAINDER
BUFFER: Final = timedelta(hours=48)
DEED: Final = Deed("olga", "photos of the finished work")


def an_escrow(**fields: Any) -> Escrow:
    """The down payment waits out its buffer, the remainder went back."""
    escrow = Escrow(
        id=EscrowId("esc_00000001"),
        payer_id=ANNA,
        payee_id=BORIS,
        title="A kitchen, painted",
        down_payment=Part(rub(300), PartStatus.FUNDED, releasing_at=NOON + BUFFER),
        remainder=Part(rub(700), PartStatus.REFUNDED, ended_at=NOON + timedelta(hours=1)),
        fee_basis_points=550,
        buffer=BUFFER,
        opened_at=NOON,
    )
    return replace(escrow, **fields)


def a_fresh_escrow(**fields: Any) -> Escrow:
    fresh = {"down_payment": Part(rub(300)), "remainder": Part(rub(700))}
    return an_escrow(**fresh | fields)


class Trade:
    """Anna pays Boris by escrow, in a word each. 5.5 per cent are kept; the buffer is two days."""

    def __init__(self, world: World, payer: CustomerId, payee: CustomerId) -> None:
        self.world = world
        self.payer = payer
        self.payee = payee

    @classmethod
    async def begins(cls, store: Store, *, fee_basis_points: int = 550) -> "Trade":
        world = await World(store).opens()
        await offer_escrow(world, fee_basis_points=fee_basis_points)
        payer, payee = [await world.customer(ref) for ref in ("telegram:1001", "external:boris")]
        return cls(world, payer, payee)

    async def gives(self, who: CustomerId, amount: Money, *, account: str = "cash") -> None:
        """An operator puts money into a wallet, or takes it out."""
        await self.world.billing.adjust_wallet(
            who, amount, account=account, deed=DEED, cause=self.world.cause()
        )

    async def opens(self, total: Money, down_payment: Money, **changed: Any) -> Escrow:
        asked = {"cause": self.world.cause(), **changed}
        sides = asked.pop("payer", self.payer), asked.pop("payee", self.payee)
        return await self.world.billing.open_escrow(
            *sides, "A kitchen, painted", total=total, down_payment=down_payment, **asked
        )

    async def funds(
        self, escrow: Escrow, part: EscrowPart = DOWN, *, source: str = WALLET, **changed: Any
    ) -> Started:
        asked = {"cause": self.world.cause(), **changed}
        who = asked.pop("who", self.payer)
        terms = Terms(RETURN, source)
        return await self.world.billing.fund_escrow(who, escrow.id, part, terms, **asked)

    async def funded(self, total: Money | None = None, down_payment: Money | None = None) -> Escrow:
        """One whose parts are both funded, from a wallet that holds exactly so much."""
        total, down_payment = total or rub(1000), down_payment or rub(300)
        await self.gives(self.payer, total)
        escrow = await self.opens(total, down_payment)
        for part in escrow.parts:
            await self.funds(escrow, part)
        return await self.now(escrow)

    async def approves(self, escrow: Escrow, part: EscrowPart = DOWN, **changed: Any) -> Escrow:
        asked = {"cause": self.world.cause(), **changed}
        who = asked.pop("who", self.payer)
        return await self.world.billing.release_part(who, escrow.id, part, **asked)

    async def gives_back(self, escrow: Escrow, part: EscrowPart = DOWN, **changed: Any) -> Escrow:
        asked = {"cause": self.world.cause(), **changed}
        who = asked.pop("who", self.payee)
        return await self.world.billing.refund_part(who, escrow.id, part, **asked)

    async def disputes(
        self, escrow: Escrow, part: EscrowPart = DOWN, who: CustomerId | None = None
    ) -> Escrow:
        return await self.world.billing.dispute_part(who or self.payer, escrow.id, part)

    async def now(self, escrow: Escrow) -> Escrow:
        return await self.world.billing.show_escrows.one(self.payer, escrow.id)

    async def states(self, escrow: Escrow) -> list[str]:
        return [part.status.value for part in (await self.now(escrow)).parts.values()]

    async def set_aside(self) -> int:
        """What lies in the payer's escrow account, in minor units of whatever it holds."""
        async with self.world.store.read() as view:
            balances = await view.ledger.balances(self.payer)
        return sum(
            amount.amount_minor
            for (account, _), amount in balances.items()
            if account == ledger.escrow(self.payer)
        )

    async def kept(self, code: str = "RUB") -> int:
        """What the business has earned by escrows."""
        unit = Money.of(0, code).currency
        async with self.world.store.read() as view:
            return (await view.ledger.total(ledger.ESCROW_REVENUE, unit)).amount_minor

    async def cash(self, who: CustomerId, code: str = "RUB") -> int:
        return (await self.world.cash(who)).get(code, 0)


async def offer_escrow(world: World, *, fee_basis_points: int = 550) -> None:
    """The fitness app lets its customers trade, in roubles and stars."""
    stars = Money.of(1, "XTR"), Money.of(100_000, "XTR")
    terms = EscrowTerms(True, fee_basis_points, BUFFER, {"en": "Escrow", "ru": "Сделка"})
    money = MoneyTerms(deposit=DepositTerms(bounds=(stars,)), escrow=terms)
    await world.billing.apply_catalog(replace(catalog_from_file(FITNESS), money=money))
