"""The application behind the server that `billhook web` runs, and clients that speak bytes to it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import uvicorn
from starlette.types import ASGIApp

from adapters.http.client_address import TrustedProxies
from adapters.http.connections import ConnectionLimits
from adapters.http.problems import FrontDoor
from adapters.persistence.memory import MemoryStore
from core.use_cases.consequences import consequences
from entrypoints.commands import connection_limits, server_config
from entrypoints.settings import Settings
from tests.adapters.http.api import Api, an_api
from tests.world import World

HOST = "billing.example.com"
PATIENCE_SECONDS = 40
"""A test that waits longer has failed."""

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Answer:
    """`status` is 0 where the server hung up without a word."""

    status: int
    head: bytes = b""
    body: bytes = b""


@dataclass(frozen=True)
class Served:
    api: Api
    limits: ConnectionLimits
    server: uvicorn.Server
    address: tuple[str, int]

    async def connects(self, source: str = "127.0.0.1") -> Connection:
        """
        Any address of 127.0.0.0/8 may be the source: each is another peer. The little that the
        system takes in for us lets a slow reader be slow.
        """
        client = socket.socket(proto=socket.IPPROTO_TCP)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        client.setblocking(False)
        client.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(client, self.address)
        return await asyncio.open_connection(sock=client)

    async def says(self, raw: bytes) -> Answer:
        """Send this and nothing more; the first answer, however the connection goes on."""
        reader, writer = await self.connects()
        try:
            writer.write(raw)
            return await hears(reader)
        finally:
            writer.close()

    async def is_answering(self) -> None:
        """An honest client is answered, whatever else is going on."""
        async with asyncio.timeout(PATIENCE_SECONDS / 2):
            answer = await self.says(a_request("GET", "/api/v1/billing/plans/"))
        assert answer.status == 200

    def kept(self) -> object:
        return everything_in(self.api.world)

    def held(self) -> int:
        """The bytes of answers that wait to be taken."""
        connections = self.server.server_state.connections
        return sum(one.transport.get_write_buffer_size() for one in connections)


def everything_in(world: World) -> dict[str, object]:
    """All that the memory store holds, to compare with what it holds later: its rows are frozen."""
    assert isinstance(world.store, MemoryStore)
    tables = vars(world.store.tables)
    return {name: dict(table.rows) for name, table in tables.items() if hasattr(table, "rows")}


def a_request(
    method: str, target: str, *headers: str, body: bytes = b"", host: str = HOST
) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *headers]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def hears(reader: asyncio.StreamReader) -> Answer:
    async with asyncio.timeout(PATIENCE_SECONDS):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            while head.startswith(b"HTTP/1.1 100"):
                head = await reader.readuntil(b"\r\n\r\n")
            fields = [line.partition(b":") for line in head.lower().split(b"\r\n")]
            length = next((int(v) for name, _, v in fields if name == b"content-length"), 0)
            body = await reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return Answer(0)
    return Answer(int(head.split()[1]), head, body)


async def is_hung_up(reader: asyncio.StreamReader) -> None:
    """Read what comes until the server closes; fail if it does not."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        try:
            while await reader.read(65536):
                pass
        except ConnectionError:
            pass


@asynccontextmanager
async def served(
    app: ASGIApp | None = None, *, counts_this_machine: bool = False, **limits: float
) -> AsyncIterator[Served]:
    """The application, or another in its place, with the limits in force but for those given."""
    settings = Settings(_env_file=None)
    uncounted = {"uncounted": TrustedProxies()} if counts_this_machine else {}
    told = replace(connection_limits(settings), **uncounted, **limits)
    world = await World(MemoryStore(consequences)).opens()
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    async with an_api(world) as api:
        door = FrontDoor(app or api.app, new_request_id=lambda: "request-0001", hosts=[HOST])
        config = server_config(door, settings, told)
        config.lifespan = "off"
        config.timeout_graceful_shutdown = 1
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield Served(api, told, server, listener.getsockname())
        finally:
            server.should_exit = True
            await serving
