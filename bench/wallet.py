"""Spending from wallets on PostgreSQL, and what a book of a million entries costs to read."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import psycopg

from adapters.catalog_file import catalog_from_file
from adapters.persistence.sql.books import check_books
from adapters.persistence.sql.migrate import migrate
from adapters.persistence.sql.store import SqlStore
from bench.consume import CATALOG, bare_database
from bench.counting import counted
from bench.databases import a_store, new_database, verdict
from bench.processes import pgbench, pgbench_program
from bench.rounds import Measure, Plan, Report, by_turns
from bench.settle import bare_settle
from core.domain.audit import Deed
from core.domain.customer import CustomerId
from core.domain.errors import Conflict
from core.domain.ledger import ADJUSTMENTS, cash
from core.domain.money import Money, currency
from core.use_cases.buying import WALLET
from core.use_cases.wallet import ShowStatement
from tests.world import RETURN, World

CONCURRENCY: Final = 16
CLIENTS: Final = 32
SPENDS: Final = 96
"""In one round."""

ENTRIES: Final = 1_000_000
FEW: Final = 100
HOT_ROW: Final = """
    UPDATE bare_usage SET used = used + 1
    WHERE customer = 'customer 0' AND feature = 'photo_ai' AND day = CURRENT_DATE;
"""
FILL: Final = (
    """
    INSERT INTO posting (entry_id, line_no, account, currency, amount_minor, seq,
                         balance_after_minor, posted_at)
    SELECT 'adjustment ' || %(who)s || ' ' || n, line, CASE line WHEN 1 THEN %(from)s ELSE %(cash)s END, 'RUB',
           CASE line WHEN 1 THEN -1 ELSE 1 END, CASE line WHEN 2 THEN n END,
           CASE line WHEN 2 THEN n END, CASE line WHEN 2 THEN %(start)s + n * interval '1 s' END
    FROM generate_series(1, %(all)s::bigint) AS n, generate_series(1, 2) AS line
    """,
    """
    INSERT INTO entry (id, purpose, at)
    SELECT 'adjustment ' || %(who)s || ' ' || n, 'adjustment', %(start)s + n * interval '1 s'
    FROM generate_series(1, %(all)s::bigint) AS n
    """,
    """
    INSERT INTO balance (account, currency, customer_id, balance_minor, seq, last_posted_at)
    VALUES (%(cash)s, 'RUB', %(who)s, %(all)s, %(all)s, %(start)s + %(all)s * interval '1 s')
    """,
)


class Wallets:
    """Customers with more in their wallets than they can spend here."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def opened(self, ref: str) -> CustomerId:
        who = await self._world.customer(ref)
        await self._world.billing.adjust_wallet(
            who,
            Money.of(10**10, "RUB"),
            account="cash",
            deed=Deed("bench", "to be spent"),
            cause=self._world.cause(),
        )
        return who

    async def buys(self, who: CustomerId) -> None:
        cause = self._world.cause()
        while True:
            try:
                await self._world.billing.start_purchase(
                    who, "PRO_MONTHLY", return_url=RETURN, cause=cause, gateway=WALLET
                )
            except Conflict:  # As an API's client would: the same request again.
                continue
            return

    async def round(self, buyers: list[CustomerId], at_once: int) -> float:
        room = asyncio.Semaphore(at_once)

        async def one(number: int) -> None:
            async with room:
                await self.buys(buyers[number % len(buyers)])

        started = time.perf_counter()
        await asyncio.gather(*map(one, range(SPENDS)))
        return SPENDS / (time.perf_counter() - started)


async def measure(plan: Plan) -> Report:
    report = Report()
    url = new_database(plan.postgres_url, "bench_wallet")
    migrate(url)
    async with a_store(url) as store:
        world = World(store)
        await world.billing.apply_catalog(catalog_from_file(CATALOG))
        await _spends(report, plan, world)
        told, report.findings = await verdict("spending on PostgreSQL", store, uses=0)
        report.notes.append(told)
    await _history(report, plan)
    return report


async def _spends(report: Report, plan: Plan, world: World) -> None:
    wallets = Wallets(world)
    many = [await wallets.opened(f"external:spender-{number}") for number in range(CONCURRENCY)]
    await wallets.round(many, CONCURRENCY)  # What is prepared once is not measured.
    with counted() as said:
        await wallets.buys(many[0])
    report.notes.append(f"one purchase from the wallet: {said}")
    if not pgbench_program():
        report.notes.append("pgbench was not found, so its lines are missing")
        return
    bare_url = bare_database(plan.postgres_url)
    bare = partial(pgbench, bare_url, seconds=plan.seconds)
    report.lines += await by_turns(
        f"spent from wallets, {CONCURRENCY} at once",
        plan.rounds,
        partial(wallets.round, many, CONCURRENCY),
        {
            f"pgbench, {said.runs.total()} bare statements": partial(
                bare, bare_settle(said), clients=CONCURRENCY
            )
        },
    )
    report.lines += await by_turns(
        f"spent from one wallet, {CLIENTS} at once",
        plan.rounds,
        partial(wallets.round, many[:1], CLIENTS),
        {"pgbench, UPDATE of one row": partial(bare, HOT_ROW, clients=CLIENTS)},
    )


async def _history(report: Report, plan: Plan) -> None:
    """A million entries of one wallet: a page of its statement, a balance of the past, the check."""
    url = new_database(plan.postgres_url, "bench_history")
    migrate(url)
    async with a_store(url) as store:
        world = World(store)
        await world.billing.apply_catalog(catalog_from_file(CATALOG))
        show, rub = ShowStatement(store, world.clock), currency("RUB")
        rounds: list[tuple[Measure, Measure]] = []
        for ref, entries in (("external:old-friend", ENTRIES), ("external:new-friend", FEW)):
            who = await world.customer(ref)
            await asyncio.to_thread(_fill, url, who, world.clock(), entries)
            middle = world.clock() - timedelta(seconds=entries // 2)
            page = partial(show, who, "cash", rub, limit=20, before_seq=entries // 2)
            past = partial(show, who, "cash", rub, limit=1, at=middle)
            rounds.append((partial(_rate, page, plan.seconds), partial(_rate, past, plan.seconds)))
        names = ("a page of a statement", "a balance of the past")
        for what, ours, its in zip(names, *rounds, strict=True):
            report.lines += await by_turns(
                f"{what}, {ENTRIES:,} entries", plan.rounds, ours, {f"of {FEW} entries": its}
            )
        await _check(report, store, url)


def _fill(url: str, who: CustomerId, until: datetime, entries: int) -> None:
    """A kopeck a second, each given by an entry of its own, up to that moment."""
    given = {
        "cash": cash(who),
        "from": ADJUSTMENTS,
        "who": who,
        "all": entries,
        "start": until - timedelta(seconds=entries),
    }
    with psycopg.connect(url) as connection:
        for statement in FILL:
            connection.execute(statement, given)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


async def _rate(ask: Callable[[], Awaitable[object]], seconds: float) -> float:
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        await ask()
        done += 1
    return done / (time.perf_counter() - started)


async def _check(report: Report, store: SqlStore, url: str) -> None:
    started = time.perf_counter()
    report.findings += [f"history: {finding}" for finding in await check_books(store)]
    checked = time.perf_counter() - started
    with psycopg.connect(url) as connection:
        started = time.perf_counter()
        connection.execute("SELECT sum(amount_minor) FROM posting")
        summed = time.perf_counter() - started
    report.notes.append(
        f"books check of {ENTRIES:,} entries: {checked:.1f} s, "
        f"{checked / summed:.0f} times one sum of all postings"
    )
