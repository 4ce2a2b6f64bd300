"""A served stage for each module of these tests; they run in the loop that serves it."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.adapters.gateways.served import Stage, a_stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with a_stage() as stage:
        yield stage
