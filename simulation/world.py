"""One seed's world: people, our processes, the provider and the clock, from start to proof."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Final, TypeVar

import structlog

from adapters.memory_notifier import MemoryWebhooks
from adapters.persistence.memory import Committed, MemoryStore
from adapters.persistence.memory.tables import Tables
from adapters.provisioning.memory import MemoryProvisioner
from core.domain.cause import StoreBusy
from core.domain.credentials import Session, SessionId
from core.domain.errors import BillingError
from core.domain.item import Deposit
from core.domain.usage_quota import HoldId, QuotaDecision
from core.ports.payment_gateway import Gateways, Webhook
from core.ports.unit_of_work import Now
from core.use_cases.billing import Billing
from core.use_cases.consequences import consequences
from core.use_cases.customers import Account
from core.use_cases.quotas import Ask
from sandbox.telegram.updates import Pending
from simulation.app import App, Compose, NoAnswer, Outside, wired
from simulation.bank import BANK, Bank, SimulatedBank
from simulation.books import MoneyInvariants, money_problems
from simulation.chat import Chatter, SimulatedTelegram, act, effect, unheard, update_from
from simulation.clients import Attacker, Operator, Shopper
from simulation.growth import GrowthInvariants, growth_problems
from simulation.invariants import Invariants, Taken, final_problems
from simulation.loop import NODE, Node, SimulatedLoop
from simulation.nemesis import CALM, HOUR, Faults, Nemesis, draw, draw_of_money, told
from simulation.network import NAME, PromiseBroken, Provider, SimulatedYooKassa
from simulation.offers import OfferInvariants, offer_problems
from simulation.proof import access_problems
from simulation.traders import ANYWHERE, AT_THE_BANK, Cashier, Impostor, Trader
from simulation.visitors import Visitor

HARD_DAYS: Final = (
    datetime(2028, 2, 29, 12, tzinfo=UTC),
    datetime(2027, 1, 31, 20, 59, tzinfo=UTC),
    datetime(2026, 12, 31, 23, 59, tzinfo=UTC),
    datetime(2027, 3, 27, 23, tzinfo=UTC),  # The clocks of Europe go forward on the 28th,
    datetime(2026, 10, 24, 23, tzinfo=UTC),  # and back on the 25th.
)
PLAIN_DAY: Final = datetime(2026, 5, 12, 9, 0, 0, 123_457, tzinfo=UTC)
LIVENESS: Final = timedelta(hours=72)
CLIENT_PATIENCE: Final = 60.0
NOBODY_LISTENS: Final = MemoryWebhooks()

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. `problem` is None where every promise held."""

    seed: int
    trace_hash: str
    steps: int
    commits: int
    crashes: int
    days: float
    faults: str
    problem: str | None


class World:
    """Everything of one run. `safety` in `run` is what happens while faults are about."""

    def __init__(
        self,
        seed: int,
        faults: Faults = CALM,
        *,
        compose: Compose = wired,
        fifo: bool = False,
        starts_at: datetime = PLAIN_DAY,
        has_bank: bool = True,
        trace: list[str] | None = None,
    ) -> None:
        self.loop = SimulatedLoop(seed, fifo=fifo, trace=trace)
        self.faults = faults
        self.outdoors = Node("outdoors")
        self.nemesis = Nemesis(self.loop, faults, lambda node: node in {a.node for a in self.apps})
        self.loop.on_step = self.nemesis.on_step
        self.provider = Provider(self.loop, self.now)
        self.provider.faults = faults
        self.telegram = SimulatedTelegram(self.loop, self.now)
        self.telegram.faults = faults
        self.panel = MemoryProvisioner()
        self.bank = Bank(self.loop, self.now)
        self.bank.faults = faults
        yookassa = SimulatedYooKassa(self.provider, self.loop, self.now)
        bank = SimulatedBank(self.bank, self.loop, self.now)
        # Shoppers pay where they always did: with two, whoever names none is sent to either.
        self.gateways = Gateways(yookassa, *((bank,) if has_bank else ()))
        asked: dict[str, dict[str, datetime]] = {NAME: yookassa.asked, BANK: bank.asked}
        taken: dict[str, Taken] = {NAME: self.provider.taken}
        self.invariants = Invariants(taken, asked, self._now_of_who_runs, self.loop.fail)
        self.money = MoneyInvariants(self.bank, self.loop.fail)
        self.growth = GrowthInvariants(self.loop.fail)
        self.offers = OfferInvariants(
            self.telegram.mailed, self.now, self._now_of_who_runs, self.loop.fail
        )
        self.store = MemoryStore(
            consequences, self._store_pauses, watch=self._heard, owner=NODE.get
        )
        self.apps: list[App] = []
        self._starts_at = starts_at
        self._told = told(faults)
        self._compose = compose
        self._numbers = count(1)
        self._network = self.loop.stream("network")
        self._database = self.loop.stream("database")
        self._retired: dict[tuple[SessionId, int], float] = {}
        self._answers: dict[tuple[str, str], QuotaDecision] = {}

    @property
    def tables(self) -> Tables:
        return self.store.tables

    def now(self) -> datetime:
        return self._starts_at + timedelta(microseconds=self.loop.now_us)

    def demand(self, promise: bool, law: str, *about: object) -> None:
        self.invariants.demand(promise, law, *about)

    def run(
        self,
        safety: Callable[["World"], Awaitable[None]],
        *,
        liveness: timedelta = LIVENESS,
    ) -> Outcome:
        problem: str | None = None
        with structlog.testing.capture_logs():
            try:
                self.loop.run_until_complete(self._lives(safety, liveness))
            except Exception as error:  # noqa: BLE001 - Whatever it is, it is the outcome.
                problem = f"{type(error).__name__}: {error}"
        return Outcome(
            self.loop.seed,
            self.loop.trace_hash,
            self.loop.steps,
            self.invariants.commits,
            self.nemesis.kills,
            self.loop.now_us / 86_400e6,
            self._told,
            problem,
        )

    async def _lives(
        self, safety: Callable[["World"], Awaitable[None]], liveness: timedelta
    ) -> None:
        for number in range(1 + self.faults.two_processes):
            self._start_app(f"app{number}")
        self.loop.spawn(self.provider.node, self.provider.keep_telling(self._deliver))
        self.loop.spawn(self.telegram.node, self.telegram.keep_sending(self._deliver_update))
        await self.loop.spawn(self.outdoors, _of(safety, self))
        self.calm_down()
        await asyncio.sleep(liveness.total_seconds())
        await self._prove()

    def calm_down(self) -> None:
        """The faults are over; what was lost stays lost."""
        self.faults = self.nemesis.faults = self.provider.faults = self.telegram.faults = CALM
        self.bank.faults = CALM
        self.provider.is_out = self.bank.is_out = False

    def _start_app(self, name: str) -> None:
        chance = self.loop.stream(f"{name} restart")
        offset = timedelta(seconds=chance.uniform(-1, 1) * self.faults.clock_offset_max)

        def now() -> datetime:
            return self.now() + offset

        def compose(now: Now) -> Billing:
            outside = Outside(
                self.store,
                self.gateways,
                self.telegram,
                self.panel,
                NOBODY_LISTENS,
                now,
                self._new_id,
            )
            return self._compose(outside)

        self.apps.append(
            App(name, self.loop, self.store, compose, now, lambda: chance.uniform(1, 60))
        )

    async def ask(self, act: Callable[[Billing], Awaitable[Answer]]) -> Answer:
        """One request over a bad network to whichever process answers the door."""
        chance, faults = self._network, self.faults
        await asyncio.sleep(chance.uniform(0, 0.1))
        if chance.random() < faults.request_lost:
            raise NoAnswer
        app = chance.choice(self.apps)
        try:
            async with asyncio.timeout(CLIENT_PATIENCE):
                answer = await app.serve(act)
        except TimeoutError:
            raise NoAnswer from None
        if chance.random() < faults.reply_lost:
            raise NoAnswer
        return answer

    async def _deliver_update(self, update: Pending) -> bool:
        """2xx only after it was acted on."""
        content = update.body["message"]

        def handle(billing: Billing) -> Awaitable[None]:
            return billing.handle_update(update_from(update), partial(act, billing, content))

        try:
            await self.ask(handle)
        except (NoAnswer, BillingError):
            return False
        is_done = effect(content, update.id, self.tables)
        self.demand(is_done, "W2 an update was answered and not acted on", update.id, content)
        return True

    def open_bank(self) -> None:
        """From now on it tells us what happens there, and lists it to whoever asks every day."""
        deliver = partial(self._deliver, gateway=BANK)
        self.loop.spawn(self.bank.node, self.bank.keep_telling(deliver))
        for app in self.apps:
            app.reconcile_daily()

    async def _deliver(self, webhook: Webhook, gateway: str = NAME) -> bool:
        """200 only after it is stored; a client of ours has no better word."""
        try:
            item = await self.ask(lambda one: one.take_in_webhook(gateway, webhook))
        except (NoAnswer, BillingError):
            return False
        notice = item.notice
        stored = [
            one
            for one in self.store.tables.inbox.rows.values()
            if (one.notice.gateway, one.notice.dedupe_key) == (notice.gateway, notice.dedupe_key)
        ]
        self.demand(len(stored) == 1, "W2 answered 200 and not stored", notice)
        return True

    def answered_quota(self, ask: Ask, decision: QuotaDecision) -> None:
        place = (ask.customer_id, ask.request_id)
        first = self._answers.setdefault(place, decision)
        self.demand(first == decision, "Q3 one request, two answers", ask, first, decision)
        receipt = self.store.tables.receipts.rows.get(place)
        self.demand(
            receipt is not None and receipt.decision == decision, "Q2 told and not kept", ask
        )

    def ended_hold(self, hold_id: HoldId, told: set[tuple[str, int]]) -> None:
        hold = self.store.tables.holds.rows[hold_id]
        for outcome in told:
            kept = (hold.status, hold.captured)
            self.demand(outcome == kept, "Q4 a hold ended otherwise than told", outcome, hold)

    def shown(self, account: Account) -> None:
        """What a customer is shown is what the rules say of what is kept."""
        period = account.standing.subscription.at(account.at).period
        covered = period is not None and account.at < period.end
        plan = account.standing.plan(account.at).code
        expected = period.plan.code if covered and period is not None else "FREE"
        self.demand(plan == expected, "E1 shown", plan, expected)

    @property
    def skew(self) -> float:
        return 2 * self.faults.clock_offset_max if len(self.apps) > 1 else 0

    def retired_at(self, session_id: SessionId, turn: int) -> float | None:
        return self._retired.get((session_id, turn))

    def sessions_of(self, proof: str) -> Sequence[Session]:
        return [one for one in self.store.tables.sessions.rows.values() if one.proof == proof]

    def _now_of_who_runs(self) -> datetime:
        running = NODE.get()
        for app in self.apps:
            if app.node is running:
                return app.now()
        return self.now()

    def _new_id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers):08d}"

    async def _store_pauses(self) -> None:
        chance, faults = self._database, self.faults
        await asyncio.sleep(chance.uniform(0, faults.store_seconds_max))
        if faults.store_busy and chance.random() < faults.store_busy:
            raise StoreBusy

    def _heard(self, committed: Committed) -> None:
        self.loop.note(
            "commit " + " ".join(f"{name}:{keys}" for name, keys in committed.changed.items())
        )
        self.invariants.heard(committed)
        self.money.heard(committed)
        self.growth.heard(committed)
        self.offers.heard(committed)
        for key in committed.changed.get("session", ()):
            session = committed.tables.sessions.rows.get(SessionId(str(key)))
            if session is None:  # It was over, and is forgotten.
                continue
            self._retired.setdefault((session.id, session.turn - 1), self.loop.time())
        for app in self.apps:
            app.heard(committed)
        if self._database.random() < self.faults.commit_unknown:
            raise StoreBusy  # The answer to the commit was lost.

    async def _prove(self) -> None:
        """All is well, nothing is held, and doing it all again changes nothing."""
        tables = self.store.tables
        problems = final_problems(self.invariants, tables, self.provider, self.bank)
        problems += money_problems(tables, self.bank, self.provider)
        problems += growth_problems(tables, self.now())
        problems += offer_problems(self.offers, tables)
        problems += access_problems(tables, self.panel, self.now(), tables.subscriptions.rows)
        problems += unheard(self.telegram, tables, self.now)
        if problems:
            raise PromiseBroken("; ".join(problems[:3]))
        self.loop.raise_unheard()
        for app in self.apps:
            app.restart_after = None
            self.loop.kill(app.node)
        self.demand(not self.store._open, "O3 units left open", self.store._open)
        self.demand(not self.store._locks._holders, "O3 locks held", self.store._locks._holders)
        again = Node("again")
        outside = Outside(
            self.store,
            self.gateways,
            self.telegram,
            self.panel,
            NOBODY_LISTENS,
            self.now,
            self._new_id,
        )
        billing = self._compose(outside)
        await self.loop.spawn(again, billing.sweep())  # Forgets old receipts, if any.
        before = self.invariants.commits
        found = await self.loop.spawn(again, billing.sweep())
        self.demand(
            not found and before == self.invariants.commits, "O12 a second sweep changed something"
        )


async def _of(safety: Callable[[World], Awaitable[None]], world: World) -> None:
    await safety(world)


def run_seed(seed: int, *, compose: Compose = wired, trace: list[str] | None = None) -> Outcome:
    """A whole life: days of faults drawn from the seed, then three days in which all heals."""
    chance = SimulatedLoop(seed).stream("setting")
    faults = draw(chance)
    hard = chance.random() < 0.25
    starts_at = chance.choice(HARD_DAYS) if hard else PLAIN_DAY
    world = World(
        seed,
        faults,
        compose=compose,
        fifo=chance.random() < 0.5,
        starts_at=starts_at,
        has_bank=False,
        trace=trace,
    )
    days = chance.choice((0.05, 2.0, 12.0, 45.0))
    return world.run(lambda one: _safety(one, days, shoppers=chance.randint(2, 4)))


async def _safety(world: World, days: float, *, shoppers: int) -> None:
    operator, attacker = Operator(world), Attacker(world)
    await operator.opens()
    people = [Shopper(world, f"shopper{number}") for number in range(shoppers)]
    chatters = [Chatter(world, number) for number in range(2)]
    visitors = [Visitor(world, f"visitor{number}") for number in range(2)]
    faults = world.faults
    troubles = [
        now_and_then(world, faults.outage_every, lambda: outage(world)),
        now_and_then(world, faults.attack_every, lambda: attacker.attacks(people)),
        now_and_then(world, faults.price_change_every, operator.changes_a_price),
        now_and_then(world, faults.dashboard_every, operator.sends_a_bill),
        webhooks_stop(world, days),
    ]
    tasks = [asyncio.ensure_future(trouble) for trouble in troubles]
    async with asyncio.TaskGroup() as lives:
        for person in people:
            lives.create_task(person.live(days))
        for chatter in chatters:
            lives.create_task(chatter.live(days))
        for visitor in visitors:
            lives.create_task(visitor.live(days))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def run_money_seed(
    seed: int, *, compose: Compose = wired, trace: list[str] | None = None
) -> Outcome:
    """The same of people whose money moves in every direction, at a bank of their own."""
    chance = SimulatedLoop(seed).stream("setting of money")
    days = chance.choice((0.05, 0.5, 3.0))
    faults = draw_of_money(chance, days)
    fifo = chance.random() < 0.5
    world = World(seed, faults, compose=compose, fifo=fifo, trace=trace)
    return world.run(lambda one: _trade(one, days, traders=chance.randint(2, 4)))


async def _trade(world: World, days: float, *, traders: int) -> None:
    await Operator(world).opens()
    world.open_bank()
    cashier, impostor, faults = Cashier(world), Impostor(world), world.faults
    terms = ANYWHERE if faults.anywhere else AT_THE_BANK
    people = [Trader(world, f"trader{number}", terms=terms) for number in range(traders)]
    troubles = [
        now_and_then(world, faults.outage_every, lambda: outage(world)),
        now_and_then(world, faults.attack_every and days * HOUR, impostor.attacks),
        now_and_then(world, faults.refund_every, cashier.works),
        webhooks_stop(world, days),
    ]
    tasks = [asyncio.ensure_future(trouble) for trouble in troubles]
    async with asyncio.TaskGroup() as lives:
        for person in people:
            lives.create_task(person.trades(days, people))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


RUSH: Final = Faults(rush=True, store_seconds_max=0.3, webhook_seconds_max=0.5, answer_lost=0.3)
"""Everybody does everything in the same moment, at a slow store, and many answers are lost."""


def run_rush(seed: int, *, compose: Compose = wired, trace: list[str] | None = None) -> Outcome:
    """Sign-ins, escrows, withdrawals and refunds: what is decided by who is first."""
    return World(seed, RUSH, compose=compose, trace=trace).run(_rush)


async def _rush(world: World) -> None:
    await Operator(world).opens()
    world.open_bank()
    cashier = Cashier(world)
    visitors = [Visitor(world, f"visitor{number}") for number in range(4)]
    payer, payee = (Trader(world, name, always_pays=True) for name in ("payer", "payee"))
    for visitor in visitors:
        await visitor.registers()
    for trader in (payer, payee):
        await trader.registers()
    await payer.verifies()
    for number in range(4):
        await payer.deposits(300_00 + number)
    await asyncio.sleep(HOUR)
    deposits = [one.id for one in world.tables.purchases.rows.values() if one.item == Deposit()]
    async with asyncio.TaskGroup() as doings:
        for visitor in visitors:
            doings.create_task(visitor.leaves_in_a_hurry())
        for _ in range(4):
            doings.create_task(payer.hires(payee))
        for _ in range(3):
            doings.create_task(payer.withdraws(10_00))
        for purchase_id in deposits:
            doings.create_task(cashier.gives_back(purchase_id))


async def now_and_then(world: World, every: float, act: Callable[[], Awaitable[None]]) -> None:
    chance = world.loop.stream(f"every {every}")
    while every:
        await asyncio.sleep(chance.expovariate(1 / every))
        await act()


async def outage(world: World) -> None:
    world.provider.is_out, world.bank.is_out = True, not world.faults.anywhere
    await asyncio.sleep(world.provider._chance.uniform(0, world.faults.outage_seconds_max))
    world.provider.is_out = world.bank.is_out = False


async def webhooks_stop(world: World, days: float) -> None:
    if world.faults.webhooks_stop:
        await asyncio.sleep(world.loop.stream("stop").uniform(0, days * 24 * HOUR))
        world.provider.webhooks_have_stopped = world.bank.webhooks_have_stopped = True
