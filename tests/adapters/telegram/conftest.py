"""Chat rooms over the stores."""

import pytest

from adapters.persistence.memory import MemoryStore
from core.ports.unit_of_work import Store
from core.use_cases.consequences import consequences
from tests.adapters.telegram.chat_room import ChatRoom


@pytest.fixture
async def room() -> ChatRoom:
    return await ChatRoom(MemoryStore(consequences)).opens()


@pytest.fixture
async def any_room(store: Store) -> ChatRoom:
    """As `room`, on each store."""
    return await ChatRoom(store).opens()
