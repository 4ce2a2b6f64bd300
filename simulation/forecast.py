"""A forecast: the real use cases on a simulated clock, in memory, under stated assumptions."""

import heapq
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Final
from zoneinfo import ZoneInfo

from adapters.jobs.pump import Pump
from adapters.jobs.work import ASIDE, work_of
from adapters.memory_notifier import MemoryNotifier, MemoryWebhooks
from adapters.persistence.memory import Committed, MemoryStore
from adapters.persistence.memory.tables import JobStatus, Tables
from adapters.provisioning.memory import MemoryProvisioner
from core.domain.customer import CustomerId
from core.domain.event import Event, Job
from core.domain.ledger import Account
from core.domain.money import Currency
from core.domain.plan import GatewayName
from core.domain.subscription import PaidPeriod
from core.ports.payment_gateway import Gateways
from core.use_cases.catalogs import WantedCatalog
from core.use_cases.consequences import REMIND, TELL_CUSTOMER, consequences
from simulation.app import Compose, Outside, wired
from simulation.figures import Figures, Standing, figures, standing_at
from simulation.growth import GrowthInvariants
from simulation.habits import DAY, HOUR, Assumptions, Chance, fee_on
from simulation.invariants import Invariants
from simulation.loop import SimulatedLoop
from simulation.network import PromiseBroken
from simulation.patrons import Patron
from simulation.proof import access_problems, book_problems
from simulation.till import Till

STARTS_ON: Final = (2026, 1, 1)
"""A day like any other: the output of a seed must not depend on when it is asked for."""
ANY_GATEWAY: Final = GatewayName("any_gateway")
"""Where a catalog names none."""

Act = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What it came to, and what was found wrong: empty when every promise held."""

    assumed: Assumptions
    gateways: tuple[str, ...]
    figures: Figures
    commits: int
    entries: int
    problems: tuple[str, ...]


def forecast(
    wanted: WantedCatalog,
    assumed: Assumptions,
    on_day: Callable[[int], None] = lambda _: None,
    *,
    compose: Compose = wired,
) -> Forecast:
    """`on_day` is told each day that is over."""
    return Shop(wanted, assumed, on_day, compose).runs()


def _quietly(event: Event) -> Sequence[Job]:
    """Nobody reads here what customers are told."""
    return [job for job in consequences(event) if job.name not in {TELL_CUSTOMER, REMIND}]


async def _at_once() -> None:
    """Memory needs no time, and nobody else waits for it."""


class Shop:
    """Everything of one forecast. What is due is looked for every full hour, where anything is."""

    def __init__(
        self,
        wanted: WantedCatalog,
        assumed: Assumptions,
        on_day: Callable[[int], None],
        compose: Compose,
    ) -> None:
        self.assumed = assumed
        self.come: list[Patron] = []
        self.uses: list[tuple[datetime, bool]] = []
        self._wanted = wanted
        self._on_day = on_day
        self._starts_at = datetime(*STARTS_ON, tzinfo=ZoneInfo(wanted.zone)).astimezone(UTC)
        self._now = self._starts_at
        self._loop = SimulatedLoop(assumed.seed, fifo=True, steps_max=float("inf"))
        self._store = MemoryStore(_quietly, _at_once, watch=self._heard)
        self._panel = MemoryProvisioner()
        self.tills: dict[str, Till] = {name: self._till(name) for name in _gateways(wanted)}
        self._invariants = Invariants(
            {name: till.taken for name, till in self.tills.items()},
            {name: till.asked for name, till in self.tills.items()},
            self.now,
            self._loop.fail,
        )
        tries_max = len(wanted.money.renewal.tries)
        self._growth = GrowthInvariants(self._loop.fail, tries_max=tries_max)
        numbers = count(1)
        self.billing = compose(
            Outside(
                self._store,
                Gateways(*self.tills.values()),
                MemoryNotifier(),
                self._panel,
                MemoryWebhooks(),
                self.now,
                lambda prefix: f"{prefix}_{next(numbers):08d}",
            )
        )
        work = work_of(self.billing)
        self._pump = Pump(self._store, work, self.now, aside=ASIDE, on_error=self._job_failed)
        self._acts: list[tuple[datetime, int, Act]] = []
        self._due: list[tuple[datetime, tuple[str, str]]] = []
        self._order = count()
        self._standings: list[Standing] = []
        self._changed: set[CustomerId] = set()

    def _job_failed(self, error: Exception) -> None:
        """Here nothing is down and nobody races, so a job that fails is a fault of ours."""
        self._loop.fail(PromiseBroken(f"a job failed: {error}"))

    @property
    def tables(self) -> Tables:
        return self._store.tables

    def now(self) -> datetime:
        return self._now

    def at(self, when: datetime, act: Act) -> None:
        """Do it then, or now where that is over."""
        heapq.heappush(self._acts, (max(when, self._now), next(self._order), act))

    def after(self, wait: timedelta, act: Act) -> None:
        self.at(self._now + wait, act)

    def holds(self, account: Account, unit: Currency) -> int:
        kept = self.tables.balances.rows.get((account, unit))
        return 0 if kept is None else kept.amount.amount_minor

    def period(self, customer_id: CustomerId) -> PaidPeriod | None:
        return self.tables.subscriptions.rows[customer_id].at(self._now).period

    def runs(self) -> Forecast:
        ends_at = self._starts_at + self.assumed.days * DAY
        problems: list[str] = []
        try:
            self._loop.run_until_complete(self._runs(ends_at))
            problems = book_problems(self.tables, self.tills)
        except PromiseBroken as broken:
            problems = [str(broken)]
        return Forecast(
            self.assumed,
            tuple(self.tills),
            figures(self.tables, self._starts_at, self._standings, self.uses),
            self._invariants.commits,
            len(self.tables.entries.rows),
            tuple(problems),
        )

    async def _runs(self, ends_at: datetime) -> None:
        await self.billing.apply_catalog(self._wanted)
        self.catalog = await self.billing.show_catalog()
        arrivals = Chance(self.assumed.seed, "arrivals")
        whole = (timedelta(), ends_at - self._starts_at - timedelta(seconds=1))
        for number in range(self.assumed.customers):
            self.at(self._starts_at + arrivals.within(whole), Patron(self, number).comes)
        for end in _month_ends(self._starts_at, ends_at, ZoneInfo(self._wanted.zone)):
            self.at(end, partial(self._looks_at, end))
        for day in range(1, self.assumed.days + 1):
            self.at(self._starts_at + day * DAY, partial(self._day_is_over, day))
        while True:
            act = self._next()
            if act is None or self._now > ends_at:
                break
            await act()
            if self.tables.jobs.rows:
                await self._pump.drain()
            self._check_access(self._changed)
            self._changed.clear()

    def _next(self) -> Act | None:
        """Whatever comes first; the clock goes there."""
        rows = self.tables.due.rows
        while self._due and rows.get(self._due[0][1]) != self._due[0][0]:
            heapq.heappop(self._due)
        when, act = (self._acts[0][0], self._acts[0][2]) if self._acts else (None, None)
        if self._due:
            sweep_at = _full_hour(max(self._due[0][0], self._now))
            if when is None or sweep_at <= when:
                self._now = sweep_at
                return self._sweep
        if when is not None:
            heapq.heappop(self._acts)
            self._now = when
        return act

    async def _sweep(self) -> None:
        await self.billing.sweep()

    async def _day_is_over(self, day: int) -> None:
        self._on_day(day)

    async def _looks_at(self, end: datetime) -> None:
        self._standings.append(standing_at(self.tables, end))
        self._check_access(self.tables.subscriptions.rows)

    def _check_access(self, whose: Iterable[CustomerId]) -> None:
        """At once: it was ordered with the payment, and the panel is well."""
        broken = access_problems(self.tables, self._panel, self._now, whose)
        self._invariants.demand(not broken, "access", *broken[:3])

    def _heard(self, committed: Committed) -> None:
        self._invariants.heard(committed)
        self._growth.heard(committed)
        rows, jobs = committed.tables.due.rows, committed.tables.jobs.rows
        for key in committed.changed.get("due", ()):
            assert isinstance(key, tuple)
            if key in rows:
                heapq.heappush(self._due, (rows[key], key))
        for key in committed.changed.get("job", ()):
            assert isinstance(key, int)
            kept = jobs.get(key)
            is_later = kept is not None and kept.job.run_at > self._now
            if kept is not None and is_later and kept.status is JobStatus.WAITING:
                self.at(kept.job.run_at, _at_once)
        self._changed.update(map(CustomerId, map(str, committed.changed.get("subscription", ()))))

    def _till(self, name: GatewayName) -> Till:
        chance = Chance(self.assumed.seed, f"till {name}")
        return Till(
            name,
            self.now,
            lambda amount: fee_on(name, amount, self.assumed.fee),
            lambda: chance.happens(self.assumed.declined),
        )


def _gateways(wanted: WantedCatalog) -> Sequence[GatewayName]:
    """Those that the catalog names, in its order."""
    named = [name for plan in wanted.plans for name in plan.gateways]
    named += wanted.money.deposit.gateways
    return list(dict.fromkeys(named)) or [ANY_GATEWAY]


def _full_hour(at: datetime) -> datetime:
    rest = timedelta(minutes=at.minute, seconds=at.second, microseconds=at.microsecond)
    return at - rest + HOUR if rest else at


def _month_ends(begin: datetime, end: datetime, zone: ZoneInfo) -> list[datetime]:
    """Of calendar months there; the last one may be cut short."""
    ends: list[datetime] = []
    local = begin.astimezone(zone)
    while not ends or ends[-1] < end:
        year, month = local.year + local.month // 12, local.month % 12 + 1
        local = local.replace(year=year, month=month)
        ends.append(min(local.astimezone(UTC), end))
    return ends
