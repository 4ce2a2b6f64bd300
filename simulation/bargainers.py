"""People who look for bargains or read what is sent to many, and the one who makes the offers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import time, timedelta
from typing import Final, Protocol

from core.domain.broadcast import BroadcastId, BroadcastMove, Draft, Segment
from core.domain.cause import Cause
from core.domain.customer import CustomerId, Identity, IdentityKind
from core.domain.errors import BillingError
from core.domain.item import PackItem
from core.domain.plan import PlanCode
from core.domain.promo_code import DaysOf, Gives, PercentOff, PromoCode, UnitsOf
from core.domain.purchase import PurchaseStatus
from core.domain.reminder_terms import ReminderTerms
from core.use_cases.billing import Billing
from core.use_cases.catalogs import WantedCatalog
from core.use_cases.checkouts import Started
from core.use_cases.promo_codes import WantedCode
from simulation.bank import BANK
from simulation.chat import SimulatedTelegram
from simulation.clients import HOUR, PHOTO, RETURN_URL, ZONES, surely
from simulation.network import NAME
from simulation.subscribers import Subscriber, life_catalog
from simulation.traders import ON_DUTY, Cashier, Market

WEEK, MONTH, PACK = "WEEK", "MONTH", "PHOTOS"
QUIET: Final = ReminderTerms(quiet=(time(22), time(8)))
GUESSES: Final = 12


def offer_catalog() -> WantedCatalog:
    """The shop of those who stay, where nobody is sent anything at night."""
    wanted = life_catalog()
    return replace(wanted, chat=replace(wanted.chat, reminders=QUIET))


class Bargainer(Subscriber):
    """Uses codes from several clients at once, orders twice by one discount, buys packs."""

    async def lives(self, days: float, others: Sequence[Subscriber]) -> None:
        chance = self._chance
        await self.comes(chance.sample(others, min(1, len(others))))
        await self.deposits(chance.choice((99_00, 300_00)))
        doings: list[Callable[[], Awaitable[object]]] = [
            *(5 * [self.tries_codes]),
            *(4 * [self.orders_twice]),
            self.orders_late,
            self.guesses,
            *(2 * [lambda: self.orders(PACK, chance.choice((BANK, NAME, "wallet")))]),
            *(2 * [self.uses]),
            *(2 * [self.holds]),
            lambda: self.deposits(chance.choice((99_00, 300_00))),
            self.tries_the_trial,
            self.cancels,
            lambda: self.renews_from(chance.choice(("wallet", None))),
            self.cancels_and_resumes,
        ]
        times = sorted(chance.uniform(0, days * 24 * HOUR) for _ in range(chance.randint(10, 18)))
        if self._world.faults.rush or chance.random() < 0.3:
            times = [time % (0.2 * HOUR) for time in times]
        started = self._world.loop.time()
        async with asyncio.TaskGroup() as errands:
            for time in times:
                errands.create_task(self._does_surely(started + time, chance.choice(doings)))

    async def tries_codes(self) -> None:
        """One or two at once, each in one client or two."""
        chance, known = self._chance, list(self._market.tables.promo_codes.rows)
        chosen = [chance.choice([*known, "NO-SUCH-CODE"]) for _ in range(chance.choice((1, 1, 2)))]
        clients = [name for name in chosen for _ in range(chance.choice((1, 2)))]
        await asyncio.gather(*map(self.redeems, clients))

    async def redeems(self, name: str) -> bool:
        """In one client, where it may be sent twice. Whether it was taken."""
        key = self._new_key("redeem")
        spelled = self._chance.choice((name, f" {name.lower()} "))

        def act(billing: Billing) -> Awaitable[PromoCode]:
            cause = Cause(f"customer {self.id} redeem", key, name)
            return billing.redeem_promo_code(self.id, spelled, cause=cause)

        clicks = 1 + (self._chance.random() < self._world.faults.double_click)
        told = await asyncio.gather(*(self._tries(act) for _ in range(clicks)))
        heard = {one is not None for one in told}
        self._world.demand(len(heard) == 1, "W7 one key, two answers", name, told)
        self._heard_of(name, told[0])
        return told[0] is not None

    def _heard_of(self, name: str, code: PromoCode | None) -> None:
        """What was told is kept. What was refused may be used all the same, by another client."""
        if code is not None:
            kept = (self.id, name) in self._market.tables.redemptions.rows
            self._world.demand(kept, "P2 told and not kept", self.id, code)

    async def guesses(self) -> None:
        """More wrong ones than may be tried within an hour."""
        await asyncio.gather(*(self.redeems(f"GUESS-{number}") for number in range(GUESSES)))

    async def orders_twice(self) -> None:
        """Two plans, or one in two ways; each is paid, given up or left alone by itself."""
        ways = [(plan, way) for plan in (WEEK, MONTH) for way in (BANK, NAME, "wallet")]
        await asyncio.gather(*(self.orders(*way) for way in self._chance.sample(ways, 2)))

    async def orders_late(self) -> None:
        """Two plans that are paid when both orders have expired, at pages that are still open."""
        found = await asyncio.gather(*(self._order(plan, BANK) for plan in (WEEK, MONTH)))
        await asyncio.sleep(self._chance.uniform(25, 35) * HOUR)
        for started in found:
            checkout = None if started is None else started.checkout
            if checkout is not None and checkout.payment_id and checkout.gateway == BANK:
                self._market.bank.pay(checkout.payment_id)

    async def orders(self, code: str, gateway: str) -> None:
        """And pays, or thinks again."""
        started = await self._order(code, gateway)
        if started is None:
            return
        self.purchases.append(started.purchase.id)
        if not self._always_pays and self._chance.random() < 0.15:
            await self.cancels(started.purchase.id)
        if started.checkout is not None and started.checkout.gateway == NAME:
            self.is_at_the_page(started)
        else:
            await self.pays(started)

    async def _order(self, code: str, gateway: str) -> Started | None:
        key = self._new_key("order")

        def act(billing: Billing) -> Awaitable[Started]:
            cause = Cause(f"customer {self.id} order", key, f"{code} {gateway}")
            return billing.start_purchase(
                self.id, code, return_url=RETURN_URL, cause=cause, gateway=gateway
            )

        return await self._tries(act)


class Audience(Market, Protocol):
    """What readers can reach."""

    telegram: SimulatedTelegram


class Reader:
    """Is in the chat and reads what is sent; stops wanting it, stops the bot, comes back, or leaves."""

    def __init__(self, world: Audience, number: int) -> None:
        self._world = world
        self._identity = Identity(IdentityKind.TELEGRAM, str(2001 + number))
        self._chance = world.loop.stream(f"reader{number}")
        self._id = CustomerId("")

    async def lives(self, days: float) -> None:
        chance = self._chance
        await asyncio.sleep(chance.choice((0, 0, chance.uniform(0, days * 12 * HOUR))))
        await self.registers()
        for _ in range(chance.randint(0, 4)):
            await asyncio.sleep(chance.uniform(0, days * 24 * HOUR / 4))
            match chance.choice(("wish", "wish", "stop", "stop", "block", "leave")):
                case "wish":
                    await self.wants_none(is_so=chance.random() < 0.6)
                case "stop":
                    await self._stops_for_a_while(days)
                case "block":
                    await self._is_blocked(days)
                case _ if chance.random() < 0.3:
                    return await self._tries(lambda one: one.erase_customer(self._id))
        return None

    async def registers(self) -> None:
        language, zone = self._chance.choice(("en", "ru")), self._chance.choice(ZONES)

        async def act(billing: Billing) -> CustomerId:
            found = await billing.register_customer(self._identity, language=language, zone=zone)
            return found.id

        self._id = await surely(self._world, self._chance, act)

    async def wants_none(self, *, is_so: bool = True) -> None:
        await self._tries(lambda one: one.register_customer(self._identity, no_broadcasts=is_so))

    async def _stops_for_a_while(self, days: float) -> None:
        """What is sent to them meanwhile is refused; now and then we hear of it from there alone."""
        telegram, chance = self._world.telegram, self._chance
        telegram.away.add(self._id)
        if chance.random() < 0.5:
            await self._tries(lambda one: one.mark_reach(self._id, is_reachable=False))
        await asyncio.sleep(chance.uniform(0, days * 6 * HOUR))
        telegram.away.discard(self._id)
        await self._tries(lambda one: one.mark_reach(self._id, is_reachable=True))

    async def _is_blocked(self, days: float) -> None:
        await self._tries(lambda one: one.block_customer(self._id, deed=ON_DUTY))
        await asyncio.sleep(self._chance.uniform(0, days * 6 * HOUR))
        await self._tries(lambda one: one.unblock_customer(self._id, deed=ON_DUTY))

    async def _tries(self, act: Callable[[Billing], Awaitable[object]]) -> None:
        try:
            await surely(self._world, self._chance, act)
        except BillingError as refused:
            self._world.loop.note(f"{self._identity}: {refused!r}")


class Promoter(Cashier):
    """Makes codes and stops them, writes to everybody, and gives money back."""

    async def promotes(self, days: float) -> None:
        chance = self._chance
        doings: list[Callable[[], Awaitable[object]]] = [
            *(5 * [self.makes]),
            self.stops,
            self.writes,
            *(4 * [self.sends]),
            *(3 * [lambda: self.moves(chance.choice(list(BroadcastMove)))]),
            self.turns_broadcasts_off,
            *(2 * [self.gives_back]),
            self.gives_back_a_pack,
        ]
        await self.makes_one_of_each(limit=chance.choice((1, 2, None)))
        for _ in range(chance.randint(10, 20)):
            await asyncio.sleep(chance.uniform(0, days * 24 * HOUR / 12))
            await chance.choice(doings)()

    async def makes_one_of_each(self, *, limit: int | None) -> list[str]:
        kinds = (PercentOff(50), UnitsOf(PHOTO, 4), DaysOf(PlanCode(WEEK), 3))
        return [await self.makes(gives, limit=limit) for gives in kinds]

    async def makes(self, gives: Gives | None = None, *, limit: int | None = None) -> str:
        chance, cause = self._chance, self._cause("code")
        if gives is None:
            gives = chance.choice(
                (
                    PercentOff(chance.choice((1, 33, 90)), chance.choice(((), (PlanCode(MONTH),)))),
                    UnitsOf(PHOTO, chance.choice((1, 3))),
                    DaysOf(PlanCode(chance.choice((WEEK, MONTH))), chance.choice((1, 5, 31))),
                )
            )
            limit = chance.choice((1, 2, None))
        until = self._world.now() + timedelta(hours=chance.choice((2, 48, 480)))
        wanted = WantedCode(
            gives,
            cause.key,
            limit,
            until if chance.random() < 0.3 else None,
            only_new=chance.random() < 0.2,
        )
        clicks = 1 + (chance.random() < self._world.faults.double_click)
        await asyncio.gather(
            *(
                self._tries(lambda one: one.create_promo_code(wanted, deed=ON_DUTY, cause=cause))
                for _ in range(clicks)
            )
        )
        return cause.key.upper()

    async def stops(self, name: str | None = None, *, after: float = 0) -> None:
        await asyncio.sleep(after)
        known = list(self._world.tables.promo_codes.rows)
        which = self._chance.choice(known) if name is None else name
        await self._tries(lambda one: one.stop_promo_code(which, deed=ON_DUTY))

    async def writes(self) -> None:
        cause, language = self._cause("broadcast"), self._chance.choice((None, None, "ru"))
        texts = {"en": f"News, {cause.key}", "ru": f"Новости, {cause.key}"}
        draft = Draft(texts, Segment(language=language))
        await self._tries(lambda one: one.create_broadcast(draft, deed=ON_DUTY, cause=cause))

    async def sends(self) -> None:
        await self.writes()
        await self.moves(BroadcastMove.START)

    async def moves(self, move: BroadcastMove) -> None:
        known = list(self._world.tables.broadcasts.rows)
        if known:
            await self._moves(self._chance.choice(known[-2:]), move)

    async def _moves(self, which: BroadcastId, move: BroadcastMove) -> None:
        await self._tries(lambda one: one.move_broadcast(which, move, deed=ON_DUTY))

    async def turns_broadcasts_off(self) -> None:
        for is_on, wait in ((False, self._chance.uniform(0, HOUR)), (True, 0)):
            await self._tries(lambda one, on=is_on: self._turn(one, is_on=on))  # type: ignore[misc]
            await asyncio.sleep(wait)

    def _turn(self, billing: Billing, *, is_on: bool) -> Awaitable[object]:
        return billing.turn_switch("broadcasts", is_on=is_on, deed=ON_DUTY)

    async def gives_back_a_pack(self) -> None:
        known = self._world.tables.purchases.rows.values()
        paid = [one for one in known if one.status is PurchaseStatus.PAID]
        packs = [one.id for one in paid if isinstance(one.item, PackItem)]
        if packs:
            await self.gives_back(self._chance.choice(packs))
