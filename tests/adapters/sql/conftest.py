"""One SQL store of each kind with a shop in it, and a way to its database past our code."""

from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import Engine, create_engine

from adapters.persistence.sql.store import (
    SqlStore,
    database_address,
    open_store,
    set_up_sqlite,
)
from core.use_cases.consequences import consequences
from tests.builders import BORIS, a_catalog, a_customer, a_free_subscription, another_customer
from tests.sql_databases import DATA_KEY


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest) -> str:
    """An empty, migrated database."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def raw(url: str) -> Iterator[Engine]:
    """The same database as somebody sees it who writes SQL by hand."""
    engine = raw_engine(url)
    yield engine
    engine.dispose()


def raw_engine(url: str) -> Engine:
    engine = create_engine(database_address(url, driver="pysqlite"))
    if engine.dialect.name == "sqlite":
        set_up_sqlite(engine, writes=True)
    return engine


@pytest.fixture
async def store(url: str) -> AsyncIterator[SqlStore]:
    store = open_store(url, consequences=consequences, data_key=DATA_KEY)
    yield store
    await store.close()


@pytest.fixture
async def shop(store: SqlStore) -> SqlStore:
    async with store.write() as uow:
        await uow.catalogs.apply(a_catalog())
        await uow.customers.add(a_customer())
        await uow.subscriptions.add(a_free_subscription())
        await uow.customers.add(another_customer())
        await uow.subscriptions.add(a_free_subscription(BORIS))
        await uow.commit()
    return store
