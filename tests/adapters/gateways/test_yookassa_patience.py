"""A peer that sends its answer a byte at a time holds nobody for ever."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.gateways.yookassa.client import YooKassaClient
from adapters.gateways.yookassa.shop import YooKassaShop
from core.ports.payment_gateway import GatewayUnavailable


@pytest.fixture
async def trickling() -> AsyncIterator[str]:
    """A server whose answers never end, though none of its pauses is long."""
    over = asyncio.Event()

    async def trickle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n"
        )
        while not over.is_set():
            writer.write(b" ")
            await asyncio.sleep(0.02)
        writer.transport.abort()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        over.set()
        await asyncio.sleep(0.1)


async def test_an_answer_that_never_ends_is_no_answer(trickling: str) -> None:
    client = YooKassaClient(
        YooKassaShop("100500", "test_secret", live=False),
        api_url=trickling,
        timeout_seconds=(1.0, 1.0),
        call_seconds=0.3,
    )
    with pytest.raises(GatewayUnavailable):
        await client.call("GET", "/payments/1")
    client.close()
