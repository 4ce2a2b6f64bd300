"""Fixtures that every test may ask for: an empty store of each kind, a clock, ids."""

import logging
import os
import random
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from adapters.persistence.memory import MemoryStore
from adapters.persistence.sql.store import open_store
from core.ports.unit_of_work import Store
from core.use_cases.consequences import consequences
from tests.builders import Clock, CountedIds
from tests.sampling import SEED, SEED_VARIABLE, is_whole
from tests.sql_databases import (  # noqa: F401 - Fixtures are found by their name here.
    DATA_KEY,
    postgres_admin_url,
    postgres_database,
    postgres_url,
    sqlite_template,
    sqlite_url,
)
from tests.valkey_server import valkey_server
from tests.world import World

os.environ.setdefault("PTB_TIMEDELTA", "true")  # As our entrypoints have it.

# What each job does is told to who asks for it; thousands of lines slow everybody else down.
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))

# A busy machine draws slowly; that says nothing about what is drawn.
settings.register_profile(
    "repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    if exitstatus:
        terminalreporter.write_line(f"What was sampled is drawn again with {SEED_VARIABLE}={SEED}")


DATABASES = {"sqlite", "postgres"}
ON_ONE_DATABASE = (
    "tests/use_cases/",
    "tests/adapters/telegram/",
    "tests/hostile/",
    "tests/torture/",
    "tests/adapters/sql/test_books",
    "tests/adapters/sql/test_database_rules.py",
)
SWEPT = {
    # Of long sweeps so many of a hundred cases run on a day.
    "tests/hostile/test_clashing_keys.py": 30,
    "tests/hostile/test_foreign_things.py": 50,
    "tests/hostile/test_malformed_bodies.py": 30,
    "tests/hostile/test_sql_injection.py": 30,
    "tests/simulation/": 50,
    "tests/use_cases/": 70,
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """
    Of long sweeps a part runs, drawn by the day. What has cases for each database runs on one of
    them, and in memory; the contract suite, which proves that stores are alike, runs on all three.
    """
    if is_whole("sweeps"):
        return
    left_out = [one for one in items if _is_for_another_day(one.nodeid)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [one for one in items if one not in set(left_out)]


def _is_for_another_day(nodeid: str) -> bool:
    test, _, cases = nodeid.removesuffix("]").partition("[")
    named = cases.split("-")
    databases = DATABASES & set(named)
    if test.startswith(ON_ONE_DATABASE) and len(databases) == 1:
        [database] = databases
        about = nodeid.replace(database, "database")
        if database != random.Random(f"{SEED} {about}").choice(sorted(DATABASES)):
            return True
    if not cases or "memory" in named or "example" in test:
        return False
    shares = (share for place, share in SWEPT.items() if test.startswith(place))
    return random.Random(f"{nodeid} {SEED}").random() * 100 >= next(shares, 100)


@pytest.fixture
def now() -> Clock:
    return Clock()


@pytest.fixture
def new_id() -> CountedIds:
    return CountedIds()


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """Every store that claims to keep the UnitOfWork promise, empty."""
    if request.param == "memory":
        yield MemoryStore(consequences)
        return
    url = request.getfixturevalue(f"{request.param}_url")
    sql = open_store(url, consequences=consequences, data_key=DATA_KEY)
    yield sql
    await sql.close()


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """A real Valkey, for as long as the session lasts; each test takes a prefix of its own."""
    with valkey_server() as url:
        yield url


@pytest.fixture
async def world(store: Store) -> World:
    """The fitness app in that store, open for business."""
    return await World(store).opens()
