"""Fixtures that every test may ask for: an empty store of each kind, a clock, ids."""

import pytest

from adapters.persistence.memory import MemoryStore
from core.ports.unit_of_work import Store
from core.use_cases.consequences import consequences
from tests.builders import Clock, CountedIds


@pytest.fixture
def now() -> Clock:
    return Clock()


@pytest.fixture
def new_id() -> CountedIds:
    return CountedIds()


@pytest.fixture(params=["memory"])
async def store(request: pytest.FixtureRequest) -> Store:
    """Every store that claims to keep the UnitOfWork promise, empty."""
    return MemoryStore(consequences)
