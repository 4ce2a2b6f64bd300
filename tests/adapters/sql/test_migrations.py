"""Tables and migrations cannot differ, and a database at another revision is found out."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, make_url, text

from adapters.persistence.sql.migrate import alembic_config, migrate
from adapters.persistence.sql.store import HEAD, open_store
from adapters.persistence.sql.tables import metadata
from core.use_cases.consequences import consequences
from tests.adapters.sql.conftest import raw_engine
from tests.sql_databases import DATA_KEY


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
        # A column that was added later stands in the line of the one before it.
        return {
            (table, part.strip())
            for table, sql in rows
            if sql is not None
            for part in re.split(r"[\n,]", sql)
            if part.strip()
        }
    found: set[tuple[str, ...]] = set()
    for query in WHAT_POSTGRESQL_KNOWS.split(";"):
        rows = connection.exec_driver_sql(query)
        found |= {tuple(row) for row in rows if not row[0].startswith("alembic")}
    return found


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
