"""A webhook taken in and settled on PostgreSQL: against as many bare statements."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from itertools import count
from typing import Final

from adapters.catalog_file import catalog_from_file
from adapters.persistence.sql.migrate import migrate
from bench.consume import CATALOG, CUSTOMERS, bare_database
from bench.counting import Said, counted
from bench.databases import a_store, new_database, verdict
from bench.processes import pgbench, pgbench_program
from bench.rounds import Plan, Report, by_turns
from core.domain.payment import PaymentId
from tests.world import World

CONCURRENCY: Final = 16
PURCHASES: Final = 100
"""Settled in one round."""

KEY: Final = (
    "customer = concat('customer ', :customer::int) AND feature = 'photo_ai' AND day = CURRENT_DATE"
)
BARE: Final = {
    "SELECT": f"SELECT used FROM bare_usage WHERE {KEY};",
    "UPDATE": f"UPDATE bare_usage SET used = used + 1 WHERE {KEY};",
    "INSERT": "INSERT INTO bare_line (note) VALUES (repeat('x', 200));",
}


class Till:
    """Customers who buy once each and pay; their webhooks come all at once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._numbers = count()

    async def paid(self, purchases: int) -> list[PaymentId]:
        """Paid at the gateway; nobody has told us yet."""
        paid = []
        for _ in range(purchases):
            who = await self._world.customer(f"external:buyer-{next(self._numbers)}")
            paid.append(self._world.pays(await self._world.buys(who)))
        return paid

    async def hear(self, payments: Sequence[PaymentId]) -> None:
        room = asyncio.Semaphore(CONCURRENCY)

        async def taken_in(payment_id: PaymentId) -> None:
            webhook = self._world.gateway.webhook(payment_id)
            async with room:
                await self._world.billing.take_in_webhook("yookassa", webhook)

        await asyncio.gather(*map(taken_in, payments))

    async def settle(self) -> None:
        await self._world.pump.drain()

    async def round(self) -> float:
        payments = await self.paid(PURCHASES)
        started = time.perf_counter()
        await self.hear(payments)
        await self.settle()
        return PURCHASES / (time.perf_counter() - started)


async def measure(plan: Plan) -> Report:
    url = new_database(plan.postgres_url, "bench_settle")
    migrate(url)
    report = Report()
    async with a_store(url) as store:
        world = World(store)
        await world.billing.apply_catalog(catalog_from_file(CATALOG))
        till = Till(world)
        await till.round()  # What is prepared once is not measured.
        payments = await till.paid(1)
        with counted() as said:
            await till.hear(payments)
            await till.settle()
        if pgbench_program():
            script = bare_settle(said)
            bare_url = bare_database(plan.postgres_url)
            report.lines += await by_turns(
                f"webhook in and settled, {CONCURRENCY} at once",
                plan.rounds,
                till.round,
                {
                    f"pgbench, {said.runs.total()} bare statements": partial(
                        pgbench, bare_url, script, clients=CONCURRENCY, seconds=plan.seconds
                    )
                },
            )
        told, report.findings = await verdict("settle on PostgreSQL", store, uses=0)
        report.notes += [f"one settle alone, its webhook and its job: {said}", told]
    return report


def bare_settle(said: Said) -> str:
    """
    As many reads by key, inserts and updates by key, dealt out to as many transactions; each
    statement is the simplest of its kind, and rows are spread over the customers.
    """
    lines = [BARE[verb] for verb, runs in said.runs.items() for _ in range(runs) if verb in BARE]
    transactions = [lines[first :: said.commits] for first in range(said.commits)]
    deal = f"\\set customer random(0, {CUSTOMERS - 1})\n"
    return deal + "\n".join("\n".join(("BEGIN;", *part, "COMMIT;")) for part in transactions)
