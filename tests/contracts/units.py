"""Small ways to open units in tests, fit for a store with a single writer too."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from core.domain.errors import Unavailable
from core.ports.unit_of_work import Store, UnitOfWork, View

Answer = TypeVar("Answer")


async def written(store: Store, write: Callable[[UnitOfWork], Awaitable[Answer]]) -> Answer:
    """One committed unit that does this one thing."""
    async with store.write() as uow:
        answer = await write(uow)
        await uow.commit()
    return answer


async def seen(store: Store, look: Callable[[View], Awaitable[Answer]]) -> Answer:
    async with store.read() as view:
        return await look(view)


async def again(act: Callable[[], Awaitable[Answer]]) -> Answer:
    """Repeat what the store may ask to have repeated, as every edge does."""
    for _ in range(100):
        try:
            return await act()
        except Unavailable:
            await asyncio.sleep(0.002)
    raise AssertionError("no end after a hundred tries")


async def let_others_go_on() -> None:
    """Long enough for the others to read too, if the locks let them."""
    await asyncio.sleep(0.005)
