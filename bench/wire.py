"""The wire to PostgreSQL, listened to: how often a caller really waits for an answer.

A driver says more than the statements that it is given: it begins, commits, and asks whether the
connection still lives.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from sqlalchemy import make_url


class Wire:
    """`round_trips`: how often the client spoke after it had been answered."""

    def __init__(self) -> None:
        self.round_trips = 0
        self.carriers: set[asyncio.Task[None]] = set()

    def connect(self, url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.carriers.add(asyncio.create_task(self._carry(url, reader, writer)))

    async def _carry(
        self, url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        address = make_url(url)
        there, back = await asyncio.open_connection(address.host, address.port)
        is_answered = True

        async def to_server() -> None:
            nonlocal is_answered
            while data := await reader.read(65536):
                self.round_trips += is_answered
                is_answered = False
                back.write(data)
            back.close()

        async def to_client() -> None:
            nonlocal is_answered
            while data := await there.read(65536):
                is_answered = True
                writer.write(data)
            writer.close()

        await asyncio.gather(to_server(), to_client(), return_exceptions=True)


@asynccontextmanager
async def listened(url: str) -> AsyncIterator[tuple[str, Wire]]:
    """The database's URL over a wire that counts."""
    wire = Wire()
    server = await asyncio.start_server(partial(wire.connect, url), "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield make_url(url).set(port=port).render_as_string(hide_password=False), wire
    finally:
        server.close()
        await asyncio.gather(*wire.carriers)
