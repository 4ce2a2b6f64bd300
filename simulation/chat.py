"""
The simulated Telegram: it sends each update until that was taken, and our messages through a bad
network; and the people who write to the bot.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, Protocol

from adapters.persistence.memory.tables import Tables
from core.domain.cause import Cause, StillRunning, StoreBusy
from core.domain.customer import CustomerId, Identity, IdentityKind
from core.domain.purchase import PurchaseId, PurchaseStatus
from core.domain.subscription import Standing
from core.ports.notifier import (
    CustomerUnreachable,
    Letter,
    News,
    NewsKind,
    NotifierUnavailable,
    SentTooFast,
)
from core.ports.payment_gateway import CheckoutDeclined, GatewayUnavailable
from core.ports.unit_of_work import Now, unit_is_open
from core.use_cases.billing import Billing
from core.use_cases.updates import TELEGRAM, ChatUpdate
from sandbox.faults import Faults as NoTrouble
from sandbox.telegram.updates import Pending, Updates
from simulation.clients import HOUR, RETURN_URL
from simulation.loop import Node, SimulatedLoop
from simulation.nemesis import CALM, Faults
from simulation.network import Provider

LIFE: Final = timedelta(days=30)
"""Longer than any run: Telegram gives up after a day, and this is about what we owe until then."""

LOOKS_EVERY: Final = 600.0


class SimulatedTelegram:
    """Both directions: updates to us, and, as the notifier, our messages to people."""

    def __init__(self, loop: SimulatedLoop, now: Now) -> None:
        self.node: Final = Node("telegram")
        self.faults: Faults = CALM
        self.told: Final[Counter[tuple[NewsKind, PurchaseId | None]]] = Counter()
        self.mailed: Final[Counter[tuple[CustomerId, str]]] = Counter()
        """By whom it reached, and what it said."""
        self.away: Final[set[CustomerId]] = set()
        self.have_left: Final[set[CustomerId]] = set()
        self.updates: Final = Updates()
        self._loop = loop
        self._now = now
        self._chance = loop.stream("telegram")
        self._owed = asyncio.Event()
        self._under_way: set[int] = set()

    def write(self, who: int, what: str, plan: str = "") -> int:
        """Somebody does something in the chat; the id of the update."""
        content = {"who": who, "what": what, "plan": plan}
        update_id = self.updates.add(
            "message",
            content,
            queue=str(who),
            life=LIFE,
            at=self._now(),
            faults=NoTrouble(),
        )
        self._owed.set()
        return update_id

    async def keep_sending(self, deliver: Callable[[Pending], Awaitable[bool]]) -> None:
        while True:
            self._owed.clear()
            for one in self.updates.due(self._now()):
                if one.id not in self._under_way:
                    self._under_way.add(one.id)
                    self._loop.spawn(self.node, self._send(deliver, one))
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOKS_EVERY):
                    await self._owed.wait()

    async def _send(self, deliver: Callable[[Pending], Awaitable[bool]], one: Pending) -> None:
        if await deliver(one):
            self.updates.delivered(one.id)
        else:
            self.updates.failed(one.id, at=self._now())
            await asyncio.sleep(max(0.0, (one.due_at - self._now()).total_seconds()))
        self._under_way.discard(one.id)
        self._owed.set()

    def reaches(self, standing: Standing) -> bool:
        return standing.customer.telegram_id is not None

    async def tell(self, news: News) -> None:
        assert not unit_is_open.get(), "nobody is told anything inside a unit of work"
        chance, faults = self._chance, self.faults
        await asyncio.sleep(chance.uniform(0, faults.call_seconds_max))
        if chance.random() < faults.call_lost:
            raise NotifierUnavailable(1)
        if news.standing.customer.id in self.away:
            raise CustomerUnreachable
        self.told[news.kind, None if news.purchase is None else news.purchase.id] += 1
        if chance.random() < faults.answer_lost:
            raise NotifierUnavailable(1)

    async def mail(self, standing: Standing, letter: Letter) -> None:
        assert not unit_is_open.get(), "nobody is sent anything inside a unit of work"
        chance, faults, whose = self._chance, self.faults, standing.customer.id
        await asyncio.sleep(chance.uniform(0, faults.call_seconds_max))
        if chance.random() < faults.sent_too_fast:
            raise SentTooFast(chance.randint(1, 60))
        if chance.random() < faults.call_lost:
            raise NotifierUnavailable(1)
        if whose in self.away:
            raise CustomerUnreachable
        self.mailed[whose, letter.text] += 1
        if chance.random() < faults.answer_lost:
            raise NotifierUnavailable(1)


async def act(billing: Billing, content: dict[str, Any], cause: Cause) -> None:
    """What the chat's adapter does for such an update, without its screens."""
    customer = await billing.register_customer(_identity(content["who"]), first_language="ru")
    if content["what"] == "buy":
        try:
            await billing.start_purchase(
                customer.id, content["plan"], return_url=RETURN_URL, cause=cause, in_telegram=True
            )
        except StillRunning as error:
            raise StoreBusy(error.retry_after_seconds) from error
        except (CheckoutDeclined, GatewayUnavailable):
            return  # A screen says so; the order is kept.
    elif content["what"] in {"leaves", "returns"}:
        await billing.mark_reach(customer.id, is_reachable=content["what"] == "returns")


def effect(content: dict[str, Any], update_id: int, tables: Tables) -> bool:
    """Whether what the update asked for is in the store."""
    if not tables.customers.keys("identity", _identity(content["who"])):
        return False
    claimed = (TELEGRAM, str(update_id)) in tables.claims.rows
    return claimed or content["what"] != "buy"


def update_from(pending: Pending) -> ChatUpdate:
    return ChatUpdate(pending.id, "message", str(pending.body["message"]))


def unheard(telegram: SimulatedTelegram, tables: Tables, now: Now) -> list[str]:
    """What is wrong at the end: updates still owed, bugs kept, receipts that never came."""
    found = []
    if telegram.updates.count(now()):
        found.append(f"W3 updates never taken: {telegram.updates.count(now())}")
    found += [
        f"W3 an update failed: {item}"
        for item in tables.inbox.rows.values()
        if item.notice.gateway == TELEGRAM and item.result != "acted on"
    ]
    for purchase in tables.purchases.rows.values():
        customer = tables.customers.rows[purchase.customer_id]
        is_owed = (
            purchase.status is PurchaseStatus.PAID
            and customer.telegram_id is not None
            and customer.id not in telegram.have_left
        )
        if is_owed and not telegram.told[NewsKind.PAID, purchase.id]:
            found.append(f"W9 a receipt never came: {purchase.id}")
    for kind, purchase_id in telegram.told:
        known = None if purchase_id is None else tables.purchases.rows.get(purchase_id)
        if kind is NewsKind.PAID and (known is None or known.status is not PurchaseStatus.PAID):
            found.append(f"W9 told of what never was: {purchase_id}")
    return found


class ChatSurroundings(Protocol):
    """What people in the chat can reach of the world."""

    loop: SimulatedLoop
    provider: Provider
    telegram: SimulatedTelegram

    @property
    def tables(self) -> Tables: ...


class Chatter:
    """Writes to the bot, buys there, stops it and comes back. Hears nothing but what it is told."""

    def __init__(self, world: ChatSurroundings, number: int) -> None:
        self._world = world
        self._who = 1000 + number
        self._chance = world.loop.stream(f"chatter{number}")

    async def live(self, days: float) -> None:
        telegram, chance = self._world.telegram, self._chance
        telegram.write(self._who, "starts")
        for _ in range(chance.randint(1, 5)):
            await asyncio.sleep(chance.expovariate(1 / (days * 24 * HOUR / 5)))
            match chance.choice(("buys", "buys", "buys", "starts", "leaves")):
                case "buys":
                    await self.buys(taps=1 + (chance.random() < 0.5))
                case "leaves":
                    await self._leaves_for_a_while()
                case what:
                    telegram.write(self._who, what)

    async def buys(self, *, taps: int = 1) -> None:
        """And pays, if an address comes within the hour."""
        plan = self._chance.choice(("WEEK", "MONTH"))
        ids = [self._world.telegram.write(self._who, "buy", plan) for _ in range(taps)]
        await asyncio.sleep(self._chance.uniform(60, 600))
        for update_id in ids:
            claim = self._world.tables.claims.rows.get((TELEGRAM, str(update_id)))
            if claim is None:
                continue
            for key in list(self._world.tables.checkouts.keys("purchase", claim.subject)):
                payment_id = self._world.tables.checkouts.rows[key].payment_id
                if payment_id is not None and self._chance.random() < 0.8:
                    self._world.provider.pay(payment_id)

    async def _leaves_for_a_while(self) -> None:
        telegram, tables = self._world.telegram, self._world.tables
        for customer_id in list(tables.customers.keys("identity", _identity(self._who))):
            telegram.away.add(customer_id)
            telegram.have_left.add(customer_id)
            telegram.write(self._who, "leaves")
            await asyncio.sleep(self._chance.expovariate(1 / (6 * HOUR)))
            telegram.away.discard(customer_id)
            telegram.write(self._who, "returns")


def _identity(who: int) -> Identity:
    return Identity(IdentityKind.TELEGRAM, str(who))
