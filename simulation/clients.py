"""The people of the simulated world: customers, attackers, and an operator."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import time, timedelta
from typing import Final, Protocol, TypeVar

from core.domain.catalog import ChatTerms
from core.domain.cause import Cause, StillRunning
from core.domain.customer import CustomerId, identity
from core.domain.errors import BillingError, Refused, Unavailable
from core.domain.money import Money
from core.domain.money_terms import (
    Brake,
    DepositTerms,
    EscrowTerms,
    MoneyTerms,
    VerificationTerms,
    WithdrawalTerms,
)
from core.domain.period import Period, PeriodUnit, WindowKind
from core.domain.plan import Feature, PackCode, PackTerms, PlanCode, PlanTerms, QuotaRule
from core.domain.purchase import PurchaseId, PurchaseNotFound
from core.domain.reminder_terms import ReminderTerms
from core.domain.usage_quota import HoldId, QuotaDecision, UnitsNotUsable, UsageHoldEnded
from core.ports.payment_gateway import SenderNotListed, Webhook
from core.use_cases.billing import Billing
from core.use_cases.catalogs import WantedCatalog
from core.use_cases.checkouts import Started
from core.use_cases.customers import Account
from core.use_cases.quotas import Ask, EndedHold
from simulation.app import NoAnswer
from simulation.loop import Node, SimulatedLoop
from simulation.nemesis import Faults
from simulation.network import OTHER_SHOP, PROVIDER_ADDRESS, Provider

RETURN_URL: Final = "https://shop.example.com/paid"
PHOTO: Final = Feature("photo_ai")
ZONES: Final = ("Europe/Moscow", "Europe/Berlin", "America/New_York", "Asia/Manila")
HOUR: Final = 3600.0
PATIENCE: Final = 48 * HOUR

MONEY: Final = MoneyTerms(
    DepositTerms(bounds=((Money.of(1_00, "RUB"), Money.of(100_000_00, "RUB")),)),
    VerificationTerms((Money.of(1_00, "RUB"),)),
    EscrowTerms(is_offered=True, fee_basis_points=333, buffer=timedelta(hours=2)),
    WithdrawalTerms(
        brakes=(Brake(*(Money.of(minor, "RUB") for minor in (500_00, 900_00, 2_000_00))),)
    ),
)
"""Escrows whose fee does not come out even, and withdrawals with brakes."""

Answer = TypeVar("Answer")


class GaveUp(Exception):
    """A client closed the page and never came back to this."""


class Surroundings(Protocol):
    """What people can reach of the world."""

    loop: SimulatedLoop
    provider: Provider
    outdoors: Node

    @property
    def faults(self) -> Faults: ...

    async def ask(self, act: Callable[[Billing], Awaitable[Answer]]) -> Answer:
        """One request to one of our processes. Raises NoAnswer."""
        ...

    def demand(self, promise: bool, law: str, *about: object) -> None: ...

    def answered_quota(self, ask: Ask, decision: QuotaDecision) -> None:
        """Compare what a client was told with what the store has."""
        ...

    def ended_hold(self, hold_id: HoldId, told: set[tuple[str, int]]) -> None:
        """The same, of how a hold ended."""
        ...

    def shown(self, account: Account) -> None: ...


async def surely(
    world: Surroundings,
    chance: random.Random,
    act: Callable[[Billing], Awaitable[Answer]],
    *,
    may_give_up: bool = False,
) -> Answer:
    """
    Repeat the same request until there is a definite answer; a refusal is one.

    Raises:
        GaveUp: the answer, if any, will never be heard.
    """
    wait, began = 1.0, world.loop.time()
    while True:
        world.demand(world.loop.time() < began + PATIENCE, "E2 stranded without a definite answer")
        if may_give_up and chance.random() < world.faults.gives_up:
            raise GaveUp
        try:
            return await world.ask(act)
        except (NoAnswer, Unavailable, StillRunning):
            await asyncio.sleep(wait * chance.uniform(0.5, 1.5))
            wait = min(wait * 2, 300)


class Shopper:
    """A customer: honest, impatient, on a bad network."""

    def __init__(self, world: Surroundings, name: str) -> None:
        self._world = world
        self._name = name
        self._chance = world.loop.stream(name)
        self._requests = 0
        self.purchases: list[PurchaseId] = []
        self.id = CustomerId("")

    async def live(self, days: float) -> None:
        """A dozen or so things done over so many days."""
        chance = self._chance
        await self.registers()
        doings: list[Callable[[], Awaitable[None]]] = [
            self.buys,
            self.buys,
            self.buys,
            self.uses,
            self.uses,
            self.holds,
            self.holds,
            self.cancels,
            self.registers,
            self.looks,
        ]
        times = sorted(chance.uniform(0, days * 24 * HOUR) for _ in range(chance.randint(5, 14)))
        if chance.random() < 0.5:  # In a hurry: most of it in minutes.
            times = [time % (0.2 * HOUR) if chance.random() < 0.7 else time for time in times]
        started = self._world.loop.time()
        async with asyncio.TaskGroup() as errands:
            for time in times:
                errands.create_task(self._does(started + time, chance.choice(doings)))

    async def _does(self, time: float, act: Callable[[], Awaitable[None]]) -> None:
        await asyncio.sleep(max(0, time - self._world.loop.time()))
        try:
            await act()
        except GaveUp:
            self._world.loop.note(f"{self._name} gave up")

    async def registers(self) -> None:
        """Twice at once: bot and Mini App."""
        zone = self._chance.choice(ZONES)

        async def act(billing: Billing) -> CustomerId:
            return (
                await billing.register_customer(identity(f"external:{self._name}"), zone=zone)
            ).id

        found = await asyncio.gather(*(surely(self._world, self._chance, act) for _ in range(2)))
        self._world.demand(found[0] == found[1], "one identity, two customers", *found)
        self._world.demand(self.id in {"", found[0]}, "an identity moved", self.id, *found)
        self.id = found[0]

    async def uses(self, times: int | None = None) -> None:
        """Several asks at once, some of them sent twice."""
        async with asyncio.TaskGroup() as asks:
            for _ in range(times or self._chance.randint(1, 5)):
                ask = Ask(self.id, PHOTO, self._chance.choice((1, 1, 1, 2)), self._new_key("use"))
                for _ in range(1 + (self._chance.random() < 0.3)):
                    asks.create_task(self._uses_once(ask))

    async def _uses_once(self, ask: Ask) -> QuotaDecision:
        decision = await surely(
            self._world, self._chance, lambda billing: billing.consume_quota(ask)
        )
        self._world.answered_quota(ask, decision)
        return decision

    async def holds(self) -> None:
        """Work that may fail, several at once: captured, given back, both, or forgotten."""
        chance = self._chance
        async with asyncio.TaskGroup() as works:
            for _ in range(chance.randint(1, 3)):
                units, seconds = chance.choice((1, 1, 2)), chance.choice((1, 60, 300, 3600))
                ends = [chance.randint(0, units) for _ in range(chance.choice((0, 1, 1, 2, 3)))]
                after = chance.uniform(0, 1.2 * seconds)
                works.create_task(self.works(units, ends, seconds=seconds, after=after))

    async def works(self, units: int, ends: list[int], *, seconds: int, after: float) -> None:
        """Hold, and after a while end it with so many units (0: give back), in each of these ways."""
        ask = Ask(self.id, PHOTO, units, self._new_key("hold"), hold_seconds=seconds)
        await self._uses_once(ask)
        decision = await self._uses_once(ask)
        if decision.hold is None:
            return
        await asyncio.sleep(after)
        hold_id = decision.hold.id
        told = await asyncio.gather(*(self._ends(hold_id, captured) for captured in ends))
        self._world.ended_hold(hold_id, set(told))

    async def _ends(self, hold_id: HoldId, captured: int) -> tuple[str, int]:
        """How the hold ended, by whoever ended it."""

        def act(billing: Billing) -> Awaitable[EndedHold]:
            if captured:
                return billing.capture_hold(hold_id, captured)
            return billing.release_hold(hold_id)

        try:
            ended = (await surely(self._world, self._chance, act)).hold
        except UsageHoldEnded as otherwise:
            return otherwise.hold_status, otherwise.captured
        return ended.status, ended.captured

    async def looks(self) -> None:
        def act(billing: Billing) -> Awaitable[Account]:
            return billing.show_account(self.id)

        self._world.shown(await surely(self._world, self._chance, act, may_give_up=True))

    async def buys(self) -> None:
        """One plan or two; at leisure, or everything in the same moment."""
        chance = self._chance
        plans = chance.choice((("WEEK",), ("MONTH",), ("WEEK", "MONTH")))
        starts = [self.starts(plan, may_give_up=True) for plan in plans]
        found = [started for started in await asyncio.gather(*starts) if started is not None]
        rush = self._world.faults.rush
        in_a_hurry = rush or chance.random() < 0.5
        if not in_a_hurry:
            await asyncio.sleep(chance.expovariate(1 / HOUR))
            found += [again for one in found if (again := await self.pays_otherwise(one))]
        async with asyncio.TaskGroup() as doings:
            for started in found:
                if chance.random() < (0.5 if rush else 0.15):  # Cold feet while paying.
                    doings.create_task(self._thinks_again(started))
                if not in_a_hurry:
                    await asyncio.sleep(chance.expovariate(1 / (0.2 * HOUR)))
                self.is_at_the_page(started)

    async def _thinks_again(self, started: Started) -> None:
        await asyncio.sleep(self._chance.uniform(0, 3))
        await self.cancels(started.purchase.id)

    def is_at_the_page(self, started: Started) -> None:
        """The payer pays, fails to, or goes away."""
        opened = None if started.checkout is None else started.checkout.opened
        if opened is None or not opened.confirmation_url:
            return
        payment_id, what = opened.payment_id, self._chance.random()
        if what < 0.7:
            short = self._chance.random() < self._world.faults.short_payment
            self._world.provider.pay(payment_id, short=short)
        elif what < 0.8:
            self._world.provider.decline(payment_id)

    async def starts(self, plan: str, *, may_give_up: bool = False) -> Started | None:
        """Preview, sometimes; then buy, with one key however often it is clicked or repeated."""
        world, chance, key = self._world, self._chance, self._new_key("buy")
        preview_id: str | None = None
        if chance.random() < 0.3:
            preview_id = (
                await surely(world, chance, lambda one: one.preview_purchase(self.id, plan))
            ).id

        def act(billing: Billing) -> Awaitable[Started]:
            return billing.start_purchase(
                self.id,
                plan,
                return_url=RETURN_URL,
                cause=Cause(f"customer {self.id} buy", key, f"{plan} {preview_id}"),
                preview_id=preview_id,
            )

        clicks = 1 + (chance.random() < world.faults.double_click)
        tries = (surely(world, chance, act, may_give_up=may_give_up) for _ in range(clicks))
        answers = await asyncio.gather(*tries, return_exceptions=True)
        return self._agreed(answers)

    def _agreed(self, answers: list[Started | BaseException]) -> Started | None:
        """All clicks of one key hear of the same purchase, with an address."""
        heard: list[Started] = []
        for answer in answers:
            if isinstance(answer, Started):
                heard.append(answer)
            elif not isinstance(answer, (BillingError, GaveUp)):
                raise answer
        for one in heard:
            same = one.purchase.id == heard[0].purchase.id
            self._world.demand(same, "W7 one key, two purchases", *heard)
            has_address = one.checkout is not None and one.checkout.opened is not None
            over = not one.purchase.is_pending
            self._world.demand(has_address or over, "E2 answered without an address", one)
        if not heard:
            return None
        self.purchases.append(heard[0].purchase.id)
        return heard[0]

    async def pays_otherwise(self, started: Started, gateway: str | None = None) -> Started | None:
        key = self._new_key("otherwise")

        def act(billing: Billing) -> Awaitable[Started]:
            cause = Cause(f"customer {self.id} otherwise", key, started.purchase.id)
            return billing.add_checkout(
                self.id, started.purchase.id, return_url=RETURN_URL, cause=cause, gateway=gateway
            )

        try:
            return await surely(self._world, self._chance, act)
        except BillingError:
            return None

    async def cancels(self, purchase_id: PurchaseId | None = None) -> None:
        if not self.purchases:
            return
        which = purchase_id or self._chance.choice(self.purchases)
        try:
            await surely(
                self._world, self._chance, lambda billing: billing.cancel_purchase(self.id, which)
            )
        except BillingError as refused:
            self._world.demand(not isinstance(refused, PurchaseNotFound), "O1 lost", which)

    def _new_key(self, what: str) -> str:
        self._requests += 1
        return f"{self._name}-{what}-{self._requests}"


class Attacker:
    """Forges webhooks and tries other people's doors."""

    def __init__(self, world: Surroundings) -> None:
        self._world = world
        self._chance = world.loop.stream("attacker")
        self._theirs = world.provider.pay_at_dashboard("299.00", OTHER_SHOP)
        self._tries = 0

    async def attacks(self, victims: list[Shopper]) -> None:
        known = [payment.body["id"] for payment in self._world.provider.rules.payments()]
        payment_id = self._chance.choice(
            [*known, self._theirs, "2d9f0000-000f-5000-8000-000000000000"]
        )
        amount = self._chance.choice(("1.00", "299.00", "99.00", "2990.00", "0.00", "-1.00", "1e9"))
        forged = {
            "type": "notification",
            "event": "payment.succeeded",
            "object": {
                "id": payment_id,
                "status": "succeeded",
                "paid": True,
                "amount": {"value": amount, "currency": self._chance.choice(("RUB", "RUB", "USD"))},
                "recipient": {"account_id": "100500"},
            },
        }
        body = json.dumps(forged).encode()
        await self._is_refused(
            lambda one: one.take_in_webhook("yookassa", Webhook("203.0.113.9", {}, body)),
            SenderNotListed,
        )
        with suppress(NoAnswer, Unavailable):  # The provider's own address proves nothing.
            await self._world.ask(
                lambda one: one.take_in_webhook("yookassa", Webhook(PROVIDER_ADDRESS, {}, body))
            )
        mine, other = self._chance.sample(victims, 2)
        if not mine.id or not other.id:
            return
        if other.purchases:
            which = self._chance.choice(other.purchases)
            await self._is_refused(
                lambda one: one.cancel_purchase(mine.id, which), PurchaseNotFound
            )
        self._tries += 1
        minus = Ask(mine.id, PHOTO, self._chance.choice((-5, 0, 10**9)), f"minus-{self._tries}")
        await self._is_refused(lambda one: one.consume_quota(minus), UnitsNotUsable)

    async def _is_refused(
        self, act: Callable[[Billing], Awaitable[object]], why: type[BillingError]
    ) -> None:
        try:
            answer = await self._world.ask(act)
            self._world.demand(False, "W5 an attack was answered", answer)
        except (NoAnswer, Unavailable, why):
            pass


def catalog(*, week_minor: int = 99_00, month_minor: int = 299_00) -> WantedCatalog:
    """Three a day for free; a week with a quota per period, a month without a limit."""

    def plan(
        code: str, price: int | None, period: Period | None, limit: int | None, per: WindowKind
    ) -> PlanTerms:
        prices = () if price is None else (Money.of(price, "RUB"),)
        return PlanTerms(
            PlanCode(code), {"en": code}, prices, period, {PHOTO: QuotaRule(limit, per)}
        )

    return WantedCatalog(
        "Europe/Moscow",
        PlanCode("FREE"),
        (
            plan("FREE", None, None, 3, WindowKind.DAY),
            plan("WEEK", week_minor, Period(7, PeriodUnit.DAY), 10, WindowKind.PERIOD),
            plan("MONTH", month_minor, Period(1, PeriodUnit.MONTH), None, WindowKind.DAY),
        ),
        # Told at any hour, so that nothing waits when a run ends.
        ChatTerms(other_gateways=True, reminders=ReminderTerms(quiet=(time(), time()))),
        MONEY,
        (PackTerms(PackCode("PHOTOS"), {"en": "PHOTOS"}, PHOTO, 5, (Money.of(900, "RUB"),)),),
    )


class Operator:
    """Changes prices while people are paying, and takes money by hand."""

    def __init__(self, world: Surroundings) -> None:
        self._world = world
        self._chance = world.loop.stream("operator")

    async def opens(self, wanted: WantedCatalog | None = None) -> None:
        offered = catalog() if wanted is None else wanted
        await surely(self._world, self._chance, lambda one: one.apply_catalog(offered))

    async def changes_a_price(self) -> None:
        wanted = catalog(
            week_minor=self._chance.choice((99_00, 100_00, 149_00)),
            month_minor=self._chance.choice((299_00, 399_00)),
        )
        try:
            await surely(self._world, self._chance, lambda one: one.apply_catalog(wanted))
        except Refused as refused:
            self._world.demand(False, "a catalog was refused", refused)

    async def sends_a_bill(self) -> None:
        self._world.provider.pay_at_dashboard(self._chance.choice(("99.00", "500.00")))
