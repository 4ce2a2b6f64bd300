"""Subscriptions that renew from the wallet, so many of so many, on PostgreSQL: by one and by two."""

import time
from datetime import datetime, timedelta
from functools import partial
from statistics import median
from typing import Final

import psycopg
from sqlalchemy import text

from adapters.persistence.sql.migrate import migrate
from adapters.persistence.sql.store import SqlStore
from bench.counting import counted
from bench.databases import a_store, new_database, verdict
from bench.jobs import all_done
from bench.rounds import Plan, Report
from bench.workers import RENEWALS, Worked, work_off
from core.domain.money import Money
from core.domain.renewal import FROM_WALLET
from tests.world import World

DAYS_APART: Final = timedelta(days=3)
IDLE_ROUNDS: Final = 50

WHOLE: Final = (
    ("customer", "id"),
    ("customer_identity", "customer_id"),
    ("subscription", "customer_id"),
    ("purchase", "customer_id"),
    ("checkout", "purchase_id"),
    ("charge", "customer_id"),
    ("entry", "purchase_id"),
    ("posting", "entry_id"),
    ("balance", "customer_id"),
)
"""What a customer is made of that renews, and by which column its rows are known."""

CROWD: Final = WHOLE[:3]
"""What one is made of whom no worker comes to."""

COPY: Final = r"""
    INSERT INTO {table}
    SELECT copy.* FROM {table} AS one, generate_series(1, {copies}) AS number,
        jsonb_populate_record(NULL::{table}, regexp_replace(
            to_jsonb(one)::text, '((?:cus|sub|pur|chk)_|yookassa-|template-)([0-9]+)',
            '\1\2x' || number, 'g')::jsonb) AS copy
    WHERE one.{column}::text = ANY(%s)
"""


async def measure(plan: Plan) -> Report:
    """The first customers renew by one worker, as many others by two, and a crowd not at all."""
    url = new_database(plan.postgres_url, "bench_renewals")
    migrate(url)
    report = Report()
    async with a_store(url) as store:
        world = await World(store).opens()
        for number, copies in enumerate((plan.due, plan.due, plan.among)):
            await _a_template(world, f"external:template-{number}")
            _copied(url, f"template-{number}", copies, whole=number < 2)
            world.clock.advance(DAYS_APART)
        for number in range(2):
            due = await _first_due(store)
            moment = due + timedelta(minutes=1)
            seconds, worked = await work_off(
                url, RENEWALS, number + 1, moment, partial(_is_over, store, moment)
            )
            report.notes.append(_told(plan, number + 1, seconds, worked))
        world.clock.advance((await _first_due(store)) - world.clock() - timedelta(days=4))
        report.notes.append(await _idle(world))
        told, report.findings = await verdict("renewals on PostgreSQL", store, uses=0)
        report.notes.append(told)
    return report


async def _a_template(world: World, ref: str) -> None:
    """One who has bought a month, has money for the next, and renews from the wallet."""
    who = await world.customer(ref)
    await world.pays_and_is_heard(await world.buys(who))
    await world.deposits(who, Money.of(500_00, "RUB"))
    await world.billing.change_subscription.renew_from(who, FROM_WALLET)


def _copied(url: str, name: str, copies: int, *, whole: bool) -> None:
    """So many more like that one, by one statement a table: nobody waits for a hundred thousand."""
    with psycopg.connect(url, autocommit=True) as connection:
        # Whoever copies what is whole need not have it checked row by row; the books are, at the end.
        connection.execute("SET session_replication_role = replica")
        found = connection.execute(
            "SELECT array_agg(id) || array_agg(customer_id) FROM ("
            " SELECT customer_id, customer_id AS id FROM customer_identity WHERE value = %s"
            " UNION SELECT customer_id, id FROM purchase WHERE customer_id ="
            " (SELECT customer_id FROM customer_identity WHERE value = %s)"
            " UNION SELECT customer_id, entry.id FROM entry JOIN purchase ON purchase_id = purchase.id"
            " WHERE customer_id = (SELECT customer_id FROM customer_identity WHERE value = %s)) AS one",
            (name, name, name),
        ).fetchone()
        assert found is not None
        for table, column in WHOLE if whole else CROWD:
            command = COPY.format(table=table, column=column, copies=copies)
            connection.execute(command, (found[0],))
        connection.execute("ANALYZE")


async def _first_due(store: SqlStore) -> datetime:
    """When the most subscriptions are due next."""
    async with store.snapshot() as statements:
        row = await statements.first(
            text("SELECT min(due_at) AS due FROM subscription WHERE renewal_source = 'wallet'")
        )
    assert row is not None
    due: datetime = row["due"]
    return due


async def _is_over(store: SqlStore, moment: datetime) -> bool:
    return await _first_due(store) > moment and await all_done(store)


def _told(plan: Plan, workers: int, seconds: float, worked: list[Worked]) -> str:
    statements = sum(one.statements for one in worked) / plan.due
    memory = "; ".join(
        f"{one.began_with:.0f}, at most {one.at_most:.0f}, {one.ended_with:.0f}" for one in worked
    )
    return (
        f"{plan.due} renewals among {2 * plan.due + plan.among} subscriptions by {workers} worker(s):"
        f" {seconds:.1f} s, {plan.due / seconds:.1f} a second, {statements:.0f} statements each with"
        f" news and access; RSS in MiB (began, at most, ended): {memory}"
    )


async def _idle(world: World) -> str:
    """A sweep and a look for jobs when nothing is due."""
    sweeps, looks = [], []
    await world.sweeps()
    with counted() as said:
        for _ in range(IDLE_ROUNDS):
            began = time.perf_counter()
            assert await world.billing.sweep() == 0
            swept = time.perf_counter()
            assert await world.pump.drain() == 0
            sweeps.append(swept - began)
            looks.append(time.perf_counter() - swept)
    return (
        f"nothing due: a sweep {median(sweeps) * 1000:.1f} ms, a look for jobs"
        f" {median(looks) * 1000:.1f} ms; {said.verbs.total() // IDLE_ROUNDS} statements for both"
    )
