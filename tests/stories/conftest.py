import pytest

from core.ports.unit_of_work import Store
from tests.world import World


@pytest.fixture
async def world(store: Store) -> World:
    return await World(store).opens()
