"""The store in memory: every promise of the port, and none of a database's luck."""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from adapters.persistence.memory.access import MemoryAccess
from adapters.persistence.memory.books import MemoryHolds, MemoryLedger, MemoryUsage
from adapters.persistence.memory.broadcasts import MemoryBroadcasts
from adapters.persistence.memory.deliveries import MemoryDeliveries
from adapters.persistence.memory.escrows import MemoryEscrows
from adapters.persistence.memory.lately import MemoryLately
from adapters.persistence.memory.methods import MemoryMethods, MemoryWithdrawals
from adapters.persistence.memory.operators import MemoryFigures, MemoryOperators
from adapters.persistence.memory.promos import MemoryPromos
from adapters.persistence.memory.referrals import MemoryReferrals, MemoryRewards
from adapters.persistence.memory.refunds import MemoryCharges, MemoryRefunds
from adapters.persistence.memory.repositories import (
    MemoryCatalogs,
    MemoryCheckouts,
    MemoryCredentials,
    MemoryCustomers,
    MemoryPurchases,
    MemoryReminders,
    MemorySubscriptions,
    find_standing,
)
from adapters.persistence.memory.switches import MemorySwitches
from adapters.persistence.memory.tables import Tables
from adapters.persistence.memory.transactions import Locks, Owner, Pause, Resource, Transaction
from adapters.persistence.memory.work import MemoryClaims, MemoryInbox, MemoryJobs
from core.domain.audit import FIRST_SEAL, AuditLine
from core.domain.case import Case, CaseKind
from core.domain.customer import CustomerId, CustomerNotFound
from core.domain.event import Event, Job
from core.ports import broadcasts as sent
from core.ports import money_repositories as money
from core.ports import operators as desk
from core.ports import repositories as kept
from core.ports import work_repositories as work
from core.ports.unit_of_work import (
    AccountOverview,
    Consequences,
    HeldElsewhere,
    UnitOfWork,
    View,
    unit_is_open,
)


@dataclass(frozen=True, slots=True)
class Committed:
    """What one commit changed: the keys by table name, and all tables as they are since."""

    changed: Mapping[str, Sequence[Hashable]]
    tables: Tables


Watch = Callable[[Committed], None]


def _nothing_follows(_: Event) -> Sequence[Job]:
    return ()


async def _let_others_run() -> None:
    await asyncio.sleep(0)


class MemoryView:
    def __init__(self, tables: Tables, unit: Transaction) -> None:
        self._tables = tables
        self._unit = unit
        self.customers: kept.CustomersRead = MemoryCustomers(tables, unit)
        self.subscriptions: kept.SubscriptionsRead = MemorySubscriptions(tables, unit)
        self.access: kept.AccessRead = MemoryAccess(tables, unit)
        self.reminders: kept.RemindersRead = MemoryReminders(tables, unit)
        self.purchases: kept.PurchasesRead = MemoryPurchases(tables, unit)
        self.checkouts: kept.CheckoutsRead = MemoryCheckouts(tables, unit)
        self.charges: money.ChargesRead = MemoryCharges(tables, unit)
        self.refunds: money.RefundsRead = MemoryRefunds(tables, unit)
        self.escrows: money.EscrowsRead = MemoryEscrows(tables, unit)
        self.methods: money.MethodsRead = MemoryMethods(tables, unit)
        self.withdrawals: money.WithdrawalsRead = MemoryWithdrawals(tables, unit)
        self.referrals: kept.ReferralsRead = MemoryReferrals(tables, unit)
        self.rewards: money.RewardsRead = MemoryRewards(tables, unit)
        self.ledger: money.LedgerRead = MemoryLedger(tables, unit)
        self.lately: money.Lately = MemoryLately(tables, unit)
        self.usage: kept.UsageRead = MemoryUsage(tables, unit)
        self.holds: kept.HoldsRead = MemoryHolds(tables, unit)
        self.catalogs: kept.CatalogsRead = MemoryCatalogs(tables, unit)
        self.credentials: kept.CredentialsRead = MemoryCredentials(tables, unit)
        self.switches: kept.SwitchesRead = MemorySwitches(tables, unit)
        self.promos: money.PromosRead = MemoryPromos(tables, unit)
        self.operators: desk.OperatorsRead = MemoryOperators(tables, unit)
        self.figures: desk.FiguresRead = MemoryFigures(tables, unit)
        self.inbox: work.InboxRead = MemoryInbox(tables, unit)
        self.jobs: work.JobsRead = MemoryJobs(tables, unit)
        self.deliveries: work.DeliveriesRead = MemoryDeliveries(tables, unit)
        self.broadcasts: sent.BroadcastsRead = MemoryBroadcasts(tables, unit)

    async def overview(self, customer_id: CustomerId) -> AccountOverview:
        await self._unit.called()
        standing = find_standing(self._tables, self._unit, customer_id)
        if standing is None:
            raise CustomerNotFound(customer_id)
        used = self._unit.find(self._tables.counters, "customer", customer_id)
        balances = self._unit.find(self._tables.balances, "customer", customer_id)
        amounts = {place: balance.amount for place, balance in balances}
        return AccountOverview(standing, dict(used), amounts)

    async def open_cases(
        self, *, limit: int, after: Case | None = None, kind: CaseKind | None = None
    ) -> list[Case]:
        await self._unit.called()
        cases = [case for _, case in self._unit.all(self._tables.cases) if case.closed_at is None]
        cases = [case for case in cases if kind in {None, case.kind}]
        if after is not None:
            cases = [case for case in cases if _place(case) > _place(after)]
        return sorted(cases, key=_place)[:limit]

    async def find_case(self, cause: str) -> Case | None:
        await self._unit.called()
        return self._unit.get(self._tables.cases, cause)

    async def history(self, subject: str, *, at: datetime | None = None) -> list[Event]:
        await self._unit.called()
        found = self._unit.find(self._tables.events, "subject", subject)
        ordered = (event for _, event in sorted(found, key=lambda row: row[0]))
        return [event for event in ordered if at in {None, event.at}]

    async def audit_trail(
        self, *, limit: int, after: int = 0, subject: str | None = None
    ) -> list[tuple[int, AuditLine, str]]:
        await self._unit.called()
        lines = sorted(self._unit.all(self._tables.audit), key=lambda row: row[0])
        wanted = [
            (number, line, seal)
            for number, (line, seal) in lines
            if number > after and subject in {None, line.subject}
        ]
        return wanted[:limit]


def _place(case: Case) -> tuple[datetime, str]:
    return case.opened_at, case.id


class MemoryUnitOfWork:
    def __init__(
        self,
        tables: Tables,
        unit: Transaction,
        consequences: Consequences,
        watch: Watch | None,
    ) -> None:
        self._tables = tables
        self._unit = unit
        self._consequences = consequences
        self._watch = watch
        self.customers: kept.Customers = MemoryCustomers(tables, unit)
        self.subscriptions: kept.Subscriptions = MemorySubscriptions(tables, unit)
        self.access: kept.AccessStates = MemoryAccess(tables, unit)
        self.reminders: kept.Reminders = MemoryReminders(tables, unit)
        self.purchases: kept.Purchases = MemoryPurchases(tables, unit)
        self.checkouts: kept.Checkouts = MemoryCheckouts(tables, unit)
        self.charges: money.Charges = MemoryCharges(tables, unit)
        self.refunds: money.Refunds = MemoryRefunds(tables, unit)
        self.escrows: money.Escrows = MemoryEscrows(tables, unit)
        self.methods: money.Methods = MemoryMethods(tables, unit)
        self.withdrawals: money.Withdrawals = MemoryWithdrawals(tables, unit)
        self.referrals: kept.Referrals = MemoryReferrals(tables, unit)
        self.rewards: money.Rewards = MemoryRewards(tables, unit)
        self.ledger: money.Ledger = MemoryLedger(tables, unit)
        self.lately: money.Lately = MemoryLately(tables, unit)
        self.usage: kept.Usage = MemoryUsage(tables, unit)
        self.holds: kept.Holds = MemoryHolds(tables, unit)
        self.catalogs: kept.Catalogs = MemoryCatalogs(tables, unit)
        self.credentials: kept.Credentials = MemoryCredentials(tables, unit)
        self.switches: kept.Switches = MemorySwitches(tables, unit)
        self.promos: money.Promos = MemoryPromos(tables, unit)
        self.operators: desk.Operators = MemoryOperators(tables, unit)
        self.claims: work.Claims = MemoryClaims(tables, unit)
        self.inbox: work.Inbox = MemoryInbox(tables, unit)
        self.jobs: work.Jobs = MemoryJobs(tables, unit)
        self.deliveries: work.Deliveries = MemoryDeliveries(tables, unit)
        self.broadcasts: sent.Broadcasts = MemoryBroadcasts(tables, unit)

    async def open_case(self, case: Case) -> bool:
        await self._unit.called()
        if await self._unit.lock(self._tables.cases, case.cause) is not None:
            return False
        await self._unit.put(self._tables.cases, case.cause, case)
        return True

    async def close_case(self, cause: str, *, reason: str, at: datetime) -> bool:
        await self._unit.called()
        case = await self._unit.lock(self._tables.cases, cause)
        if case is None or case.closed_at is not None:
            return False
        closed = replace(case, closed_at=at, reason=reason)
        await self._unit.put(self._tables.cases, cause, closed)
        return True

    async def audit(self, line: AuditLine) -> None:
        await self._unit.called()
        audit = self._tables.audit
        # The lock on a row that is never there is the end of the chain.
        await self._unit.lock(audit, 0)
        number, seal = max(
            ((no, seal) for no, (_, seal) in self._unit.all(audit)), default=(0, FIRST_SEAL)
        )
        await self._unit.put(audit, number + 1, (line, line.seal(seal)))

    async def record(self, event: Event) -> None:
        await self._unit.called()
        await self._unit.put(self._tables.events, next(self._tables.numbers), event)
        for job in self._consequences(event):
            await self.jobs.enqueue(job)

    async def commit(self) -> None:
        await self._unit.called()
        self._unit.commit()
        if self._watch is not None:
            changed = {table.name: tuple(rows) for table, rows in self._unit.written.items()}
            self._watch(Committed(changed, self._tables))


class MemoryStore:
    """
    READ COMMITTED as PostgreSQL has it. A unit sees its own writes over what is committed at
    each call; what it writes or locks is its own until it ends; who comes second waits in order,
    and whoever would close a circle of waiting units is told StoreBusy.

    `pause` is awaited at the beginning of every call, so that races show. `watch` is told of each
    commit before anything else runs. `owner` says whose a unit is when it begins: `abandon`
    takes everything from an owner that died.
    """

    def __init__(
        self,
        consequences: Consequences = _nothing_follows,
        pause: Pause = _let_others_run,
        *,
        watch: Watch | None = None,
        owner: Callable[[], Owner] = lambda: None,
    ) -> None:
        self.tables = Tables()
        self._consequences = consequences
        self._pause = pause
        self._watch = watch
        self._owner = owner
        self._locks = Locks()
        self._open: dict[Transaction, None] = {}

    @asynccontextmanager
    async def write(self) -> AsyncIterator[UnitOfWork]:
        assert not unit_is_open.get(), "a unit within a unit would wait for itself"
        token = unit_is_open.set(True)
        try:
            with self._transaction() as unit:
                yield MemoryUnitOfWork(self.tables, unit, self._consequences, self._watch)
        finally:
            unit_is_open.reset(token)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[View]:
        with self._transaction() as unit:
            yield MemoryView(self.tables, unit)

    @asynccontextmanager
    async def exclusive(self, name: str) -> AsyncIterator[None]:
        right = Resource("right", "", name)
        with self._transaction() as holder:
            if self._locks.holder(right) is not None:
                raise HeldElsewhere(name)
            await self._locks.take(right, holder)
            yield

    def abandon(self, owner: Owner) -> None:
        """Roll back what a dead owner has open and free its rights, running none of its code."""
        dead = [unit for unit in self._open if unit.owner == owner]
        for unit in dead:  # First of all, so that none of them is handed another's lock.
            self._locks.stop_waiting(unit)
        for unit in dead:
            self._end(unit)

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        unit = Transaction(self._locks, self._pause, self._owner())
        self._open[unit] = None
        try:
            yield unit
        finally:
            self._end(unit)

    def _end(self, unit: Transaction) -> None:
        unit.roll_back()
        self._open.pop(unit, None)
