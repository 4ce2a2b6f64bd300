"""Tables and migrations cannot differ, and a database at another revision is found out."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, bindparam, insert, inspect, make_url, select, text
from sqlalchemy.exc import DBAPIError

from adapters.persistence.sql.books import check_books
from adapters.persistence.sql.migrate import alembic_config, migrate
from adapters.persistence.sql.store import HEAD, open_store
from adapters.persistence.sql.tables import metadata, usage_receipt
from adapters.persistence.sql.terms import json_from_money_terms, money_terms_from_json
from adapters.persistence.sql.usage import receipt_from_row
from core.domain.credentials import Scope
from core.domain.customer import CustomerId
from core.domain.usage_quota import QuotaDecision, UsageReceipt
from core.use_cases.consequences import consequences
from tests.adapters.sql.conftest import raw_engine
from tests.builders import ANNA, NOON, PHOTO_AI, a_job, rub, some_money_terms
from tests.contracts.units import seen, written
from tests.sql_databases import DATA_KEY
from tests.world import World


@pytest.fixture
def bare_url(request: pytest.FixtureRequest, url: str, tmp_path: Path) -> Iterator[str]:
    """A database with nothing in it at all, of the same kind as `url`."""
    if url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path}/bare.db"
        return
    name = "billhook_bare"
    with psycopg.connect(request.getfixturevalue("postgres_admin_url"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield make_url(url).set(database=name).render_as_string(hide_password=False)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_alembic_sees_no_difference(raw):
    with raw.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_the_database_holds_the_same_rules_whether_migrated_or_made_from_the_tables(raw, bare_url):
    made = raw_engine(bare_url)
    with made.begin() as connection:
        metadata.create_all(connection)
    with made.connect() as one, raw.connect() as other:
        expected, found = rules(one), rules(other)
    made.dispose()

    assert len(expected) > 200
    assert found - expected == set()
    assert expected - found == set()


WHAT_POSTGRESQL_KNOWS = """
    SELECT table_name, column_name, data_type, is_nullable, coalesce(column_default, '')
        FROM information_schema.columns WHERE table_schema = 'public';
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace;
    SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public';
    SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid)
        FROM pg_trigger WHERE NOT tgisinternal;
    SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""


def rules(connection: Connection) -> set[tuple[str, ...]]:
    """Everything that the database itself knows of tables, constraints, indexes and triggers."""
    if connection.dialect.name == "sqlite":
        rows = connection.execute(
            text("SELECT tbl_name, sql FROM sqlite_master WHERE tbl_name NOT LIKE 'alembic%'")
        )
        return {(table, part) for table, sql in rows if sql for part in parts_of(sql)}
    found: set[tuple[str, ...]] = set()
    for query in WHAT_POSTGRESQL_KNOWS.split(";"):
        rows = connection.exec_driver_sql(query)
        found |= {tuple(row) for row in rows if not row[0].startswith("alembic")}
    return found


def parts_of(sql: str) -> list[str]:
    """What a CREATE statement says, part by part: a column added later stands after the rest."""
    depth, parts = 0, [""]
    for character in sql:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if (character == "," and depth == 1) or (character, depth) in {("(", 1), (")", 0)}:
            parts.append("")
        else:
            parts[-1] += character
    return [" ".join(part.split()) for part in parts if part.strip()]


def test_every_table_of_ours_on_sqlite_is_strict(sqlite_url):
    with raw_engine(sqlite_url).connect() as connection:
        strict = set(connection.scalars(text("SELECT name FROM pragma_table_list WHERE strict")))
    connection.engine.dispose()

    assert strict == set(metadata.tables)


def test_there_is_one_head_and_the_code_knows_it(raw):
    with raw.connect() as connection:
        script = ScriptDirectory.from_config(alembic_config(connection))
        assert script.get_heads() == [HEAD]
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == HEAD


def test_migrating_again_changes_nothing(url):
    assert migrate(url) == HEAD
    assert migrate(url) == HEAD


def test_receipts_of_uses_outlive_the_coming_of_holds(bare_url):
    migrate(bare_url, "0001")
    raw = raw_engine(bare_url)
    facts = {"customer_id": "cus_anna0001", "request_id": "r1", "feature": "photo_ai", "units": 2}
    facts |= {"allowed": True, "used": 2, "quota": 3, "resets_at": NOON, "expires_at": NOON}
    columns, named = ", ".join(facts), ", ".join(f":{name}" for name in facts)
    with raw.begin() as connection:
        insert = text(f"INSERT INTO usage_receipt ({columns}) VALUES ({named})")
        typed = (bindparam(name, type_=usage_receipt.c[name].type) for name in facts)
        connection.execute(insert.bindparams(*typed), facts)

    migrate(bare_url)

    with raw.connect() as connection:
        kept = connection.execute(select(usage_receipt)).mappings().one()
    raw.dispose()
    assert receipt_from_row(kept) == UsageReceipt(
        ANNA, "r1", PHOTO_AI, 2, QuotaDecision(allowed=True, used=2, limit=3, resets_at=NOON), NOON
    )


def test_terms_of_before_they_had_receipts_have_none():
    kept = json_from_money_terms(some_money_terms())
    for name in ("verification", "escrow"):
        del kept[name]["receipt"]

    terms = money_terms_from_json(kept)

    assert (terms.verification.receipt, terms.escrow.receipt) == (None, None)
    assert terms.deposit == some_money_terms().deposit


async def test_a_shop_of_the_first_revision_goes_on_at_the_newest(world, raw, bare_url):
    anna = await lives_a_while(world)
    migrate(bare_url, "0001")
    bare = raw_engine(bare_url)
    with raw.connect() as now, bare.begin() as then:
        kept = carried_over(now, then)
    assert all(kept.values()), "each table of the first revision has rows"

    migrate(bare_url)

    del kept["customer_session"]  # Tokens of before carry no turn.
    with raw.connect() as now, bare.connect() as then:
        assert rules(then) == rules(now)
        for table, rows in kept.items():
            assert rows_of(then, table, list(rows[0])) == rows, table
        with pytest.raises(DBAPIError, match="append only"):
            then.execute(text("DELETE FROM posting"))
    bare.dispose()
    store = open_store(bare_url, consequences=consequences, data_key=DATA_KEY)
    newest = World(store)
    newest.clock.advance(world.clock() - newest.clock())
    assert await check_books(store) == []
    former, present = await world.me(anna), await newest.me(anna)
    assert present.standing.subscription == former.standing.subscription
    assert (present.quotas, present.cash) == (former.quotas, former.cash)
    assert (await newest.uses(anna, "before", 2)).used == 2, "answered as it was then"
    assert (await newest.holds(anna, "after")).hold is not None
    due = await written(store, lambda uow: uow.reminders.take_due(NOON, until=NOON, limit=9))
    assert due == [anna], "what runs already is looked at"
    await newest.billing.remind_customer(anna)
    planned = await seen(store, lambda view: view.reminders.find(anna))
    known = await seen(world.store, lambda view: view.reminders.find(anna))
    assert planned is not None
    assert known is not None
    assert (planned.plan, planned.ends_at, planned.due_at) == (
        known.plan,
        known.ends_at,
        known.due_at,
    )
    await store.close()


async def lives_a_while(world: World) -> CustomerId:
    """Until there is something in every table."""
    await world.opens()
    anna = await world.customer()
    await world.uses(anna, "before", 2)
    await world.hears(world.pays(await world.buys(anna)))
    await world.hears(world.pays(await world.buys(anna), rub(1)))
    await world.billing.put_key("backend", "9f86d081884c7d65", frozenset(Scope))
    await world.billing.open_session(anna, may_pay=True)
    await written(world.store, lambda uow: uow.jobs.enqueue(a_job()))
    return anna


def carried_over(now: Connection, then: Connection) -> dict[str, list[dict[str, object]]]:
    """Whatever the older database has a place for, written there; by table."""
    kept = {}
    sealed_last = sorted(metadata.sorted_tables, key=lambda table: table.name == "entry")
    for table in sealed_last:
        if not inspect(then).has_table(table.name):
            continue
        names = [column["name"] for column in inspect(then).get_columns(table.name)]
        kept[table.name] = rows_of(now, table.name, names)
        if kept[table.name]:
            then.execute(insert(table), kept[table.name])
    return kept


def rows_of(connection: Connection, table: str, names: list[str]) -> list[dict[str, object]]:
    known = metadata.tables[table]
    rows = connection.execute(select(*(known.c[n] for n in names)).order_by(*known.primary_key))
    return [dict(row) for row in rows.mappings()]


async def test_two_processes_may_migrate_at_once(bare_url):
    both = await asyncio.gather(
        asyncio.to_thread(migrate, bare_url), asyncio.to_thread(migrate, bare_url)
    )

    assert both == [HEAD, HEAD]


async def test_a_database_tells_its_revision(url, bare_url, raw):
    async def revision_of(database: str) -> tuple[str | None, str]:
        store = open_store(database, consequences=consequences, data_key=DATA_KEY)
        try:
            return await store.revision()
        finally:
            await store.close()

    assert await revision_of(bare_url) == (None, HEAD)
    assert await revision_of(url) == (HEAD, HEAD)
    with raw.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'older'"))
    assert await revision_of(url) == ("older", HEAD)
    with raw.begin() as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{HEAD}'"))
