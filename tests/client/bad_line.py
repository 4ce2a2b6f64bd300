"""The real application behind a line that can be cut, and a client at the other end."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum, auto

import uvicorn

from tests.adapters.http.api import an_app
from tests.world import World


class Trouble(Enum):
    """What becomes of one request; a text is answered in the application's place."""

    CUT_BEFORE = auto()  # The application never hears of it.
    CUT_AFTER = auto()  # It was done, and the answer is lost.
    SILENCE = auto()  # As the first, and nobody hangs up.


class BadLine:
    """Passes requests on, one a connection, and suffers the next of `troubles` with each."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.url = ""
        self.troubles: list[Trouble | str | None] = []
        self.requests: list[str] = []
        """What came: `POST /path body`."""

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
            body = await reader.readexactly(int(length or 0))
            target = head.decode().split(" HTTP/")[0].replace("/api/v1/billing", "")
            self.requests.append(f"{target} {body.decode()}")
            trouble = self.troubles.pop(0) if self.troubles else None
            if trouble is Trouble.SILENCE:
                await asyncio.sleep(60)
            elif isinstance(trouble, str):
                writer.write(trouble.replace("\n", "\r\n").encode())
            elif trouble is not Trouble.CUT_BEFORE:
                answer = await self._passed_on(head, body)
                writer.write(b"" if trouble is Trouble.CUT_AFTER else answer)
        finally:
            writer.close()

    async def _passed_on(self, head: bytes, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection")]
        lines.insert(1, b"Connection: close")
        writer.write(b"\r\n".join(lines) + body)
        answer = await reader.read()
        writer.close()
        return answer


@asynccontextmanager
async def a_bad_line(world: World) -> AsyncIterator[BadLine]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            (await an_app(world))[0], log_level="critical", lifespan="off", ws="none"
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        line = BadLine(listener.getsockname()[1])
        relay = await asyncio.start_server(line.carry, "127.0.0.1", 0)
        line.url = f"http://127.0.0.1:{relay.sockets[0].getsockname()[1]}"
        while not server.started:
            await asyncio.sleep(0.01)
        try:
            yield line
        finally:
            relay.close()
            server.should_exit = True
            await serving
