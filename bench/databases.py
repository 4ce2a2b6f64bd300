"""Fresh databases on the one server, and what must be true of them afterwards."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg import sql
from sqlalchemy import make_url, text

from adapters.persistence.sql.books import check_books
from adapters.persistence.sql.data_key import DataKey
from adapters.persistence.sql.store import SqlStore, open_store
from core.use_cases.consequences import consequences
from entrypoints.settings import DEVELOPMENT_DATA_KEY


def new_database(server_url: str, name: str) -> str:
    """The URL of an empty database."""
    with psycopg.connect(server_url, autocommit=True) as server:
        for command in ("DROP DATABASE IF EXISTS {} WITH (FORCE)", "CREATE DATABASE {}"):
            quoted = sql.SQL(command).format(sql.Identifier(name))
            server.execute(quoted)
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


@asynccontextmanager
async def a_store(url: str) -> AsyncIterator[SqlStore]:
    store = open_store(url, consequences=consequences, data_key=DataKey([DEVELOPMENT_DATA_KEY]))
    try:
        yield store
    finally:
        await store.close()


async def uses_counted(store: SqlStore) -> int:
    """All units ever used, by the counters."""
    async with store.snapshot() as statements:
        row = await statements.first(text("SELECT coalesce(sum(used), 0) AS n FROM usage_counter"))
    assert row is not None
    return int(row["n"])


async def verdict(name: str, store: SqlStore, *, uses: int) -> tuple[str, list[str]]:
    """What to tell of this database, and what is wrong with it. `uses`: as many were answered."""
    findings = [f"{name}: {finding}" for finding in await check_books(store)]
    counted = await uses_counted(store)
    if counted != uses:
        findings.append(f"{name}: {counted} uses are counted, {uses} were answered")
    state = "do not hold" if findings else "hold"
    return f"{name}: the books {state}; {counted} uses counted, {uses} answered", findings
