"""Clients that dribble, stall or crowd: each is hung up on in time, and the honest notice nothing."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from adapters.http.connections import ConnectionLimits
from entrypoints.commands import connection_limits
from entrypoints.settings import Settings
from tests.hostile.served import PATIENCE_SECONDS, Served, a_request, hears, is_hung_up, served

PLANS = a_request("GET", "/api/v1/billing/plans/")
SIGN_IN = "/api/v1/billing/auth/telegram/"
PUT = "/api/v1/billing/customers/external:anna/"
"""Not counted by address before it is read, as signing in is."""
SHORT = {"head_seconds": 1.0, "body_seconds": 1.0, "answer_seconds": 1.0, "idle_seconds": 1}
"""The deadlines of the tests; those of the product only differ in length."""


async def dribbles(writer: asyncio.StreamWriter, raw: bytes) -> None:
    """A byte now and then, for as long as somebody listens."""
    for byte in raw:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.2)
        if writer.is_closing():
            return


async def crowd(many: int, one: Callable[[], Awaitable[object]], door: Served) -> list[object]:
    """So many at once; while they are there, honest clients are answered."""
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
        all_of_them = [tasks.create_task(one()) for _ in range(many)]
        while not all(task.done() for task in all_of_them):
            await door.is_answering()
            await asyncio.sleep(0.1)
    return [task.result() for task in all_of_them]


async def nobody_is_left(limits: ConnectionLimits) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while limits.open.total():
            await asyncio.sleep(0.01)
    assert not limits.open, "not even a name is remembered"


async def test_two_hundred_heads_that_never_end_are_hung_up_on() -> None:
    async with served(**SHORT) as door:

        async def client() -> int:
            reader, writer = await door.connects()
            dribbling = asyncio.create_task(dribbles(writer, PLANS))
            answer = await hears(reader)
            await is_hung_up(reader)
            writer.close()
            await dribbling
            if answer.status:
                assert json.loads(answer.body)["code"] == "request_too_slow"
            return answer.status

        assert set(await crowd(200, client, door)) <= {408, 0}
        await nobody_is_left(door.limits)


async def test_a_hundred_bodies_that_never_end_are_hung_up_on_and_nothing_is_done() -> None:
    async with served(**SHORT) as door:
        before = door.kept()
        head = a_request("PUT", PUT, "Content-Type: application/json", "Content-Length: 5000")

        async def client() -> int:
            reader, writer = await door.connects()
            writer.write(head)
            dribbling = asyncio.create_task(dribbles(writer, b'{"init_data": "xxxxxxxx'))
            answer = await hears(reader)
            await is_hung_up(reader)
            writer.close()
            await dribbling
            return answer.status

        assert set(await crowd(100, client, door)) == {408}
        assert door.kept() == before
        await nobody_is_left(door.limits)


@pytest.mark.parametrize("length", ["Content-Length: 50000000", "Transfer-Encoding: chunked"])
async def test_a_body_that_was_refused_may_not_go_on_for_ever(length: str) -> None:
    async with served(**SHORT) as door:
        reader, writer = await door.connects()
        writer.write(a_request("POST", SIGN_IN, length))
        pouring = asyncio.create_task(pours(writer))
        answer = await hears(reader)
        await is_hung_up(reader)
        pouring.cancel()
        writer.close()
        await asyncio.wait([pouring])

        assert answer.status in {413, 0}
        await nobody_is_left(door.limits)


async def pours(writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0.001)


async def test_fifty_who_ask_and_do_not_listen_are_hung_up_on() -> None:
    async with served(**SHORT) as door:
        question = a_request("GET", "/openapi.json")
        reader, writer = await door.connects()
        writer.write(question)
        answer = await hears(reader)
        writer.close()
        deaf = []
        for _ in range(50):
            reader, writer = await door.connects()
            writer.transport.pause_reading()
            writer.write(question * 200)
            deaf.append((reader, writer))
        most = 0
        async with asyncio.timeout(PATIENCE_SECONDS):
            while door.limits.open.total():
                await door.is_answering()
                most = max(most, door.held())
                await asyncio.sleep(0.02)
        for _, writer in deaf:
            writer.transport.abort()

        two = 2 * (len(answer.head) + len(answer.body))
        assert 0 < most <= 50 * two, "of each only an answer or two are held"


async def test_silence_is_hung_up_on_before_and_between_requests() -> None:
    async with served(**SHORT) as door:
        reader, writer = await door.connects()
        assert (await hears(reader)).status == 408
        writer.close()
        reader, writer = await door.connects()
        writer.write(PLANS)
        assert (await hears(reader)).status == 200
        writer.write(PLANS[:10])
        assert (await hears(reader)).status == 408
        writer.close()
        reader, writer = await door.connects()
        writer.write(PLANS)
        assert (await hears(reader)).status == 200
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await reader.read() == b""
        writer.close()
        reader, writer = await door.connects()
        writer.write(a_request("POST", SIGN_IN, "Expect: 100-continue", "Content-Length: 9"))
        assert (await hears(reader)).status == 408, "told to go on, and silent"
        writer.close()
        await nobody_is_left(door.limits)


async def test_blank_lines_are_no_way_to_stay() -> None:
    async with served(**SHORT) as door:
        reader, writer = await door.connects()
        dribbling = asyncio.create_task(dribbles(writer, b"\r\n" * 100))
        assert (await hears(reader)).status in {408, 0}
        await is_hung_up(reader)
        writer.close()
        await dribbling


async def stage(scope: Scope, receive: Receive, send: Send) -> None:
    """Thinks for a second where it is asked to; says more than a buffer holds where it is."""
    if scope["path"] == "/slow":
        await asyncio.sleep(1)
    piece = b"x" * 65_536
    pieces = 100 if scope["path"] == "/large" else 1
    length = str(len(piece) * pieces).encode()
    headers = [(b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for n in range(1, pieces + 1):
        await send({"type": "http.response.body", "body": piece, "more_body": n < pieces})


async def test_while_we_think_nobody_is_hung_up_on() -> None:
    async with served(stage, head_seconds=0.2, body_seconds=0.2, answer_seconds=0.2) as door:
        reader, writer = await door.connects()
        writer.write(a_request("GET", "/slow") * 2 + a_request("GET", "/x")[:10])
        assert (await hears(reader)).status == 200
        assert (await hears(reader)).status == 200
        assert (await hears(reader)).status == 408, "the rest of the third is waited for, then"
        writer.close()


async def test_an_answer_that_is_taken_slowly_is_cut_off() -> None:
    async with served(stage, **SHORT) as door:
        reader, writer = await door.connects()
        writer.write(a_request("GET", "/large"))
        taken = 0
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not taken or door.limits.open.total():
                taken += len(await reader.read(1000))
                await asyncio.sleep(0.05)
        writer.transport.abort()

        assert taken < 100 * 65_536


async def test_an_answer_taken_in_time_is_whole_even_if_the_connection_stays() -> None:
    async with served(stage, **SHORT) as door:
        reader, writer = await door.connects()
        for _ in range(3):
            writer.write(a_request("GET", "/large"))
            assert len((await hears(reader)).body) == 100 * 65_536
            await asyncio.sleep(0.5)
        writer.close()


async def test_one_address_has_so_many_connections_and_another_its_own() -> None:
    async with served(counts_this_machine=True, per_peer=5) as door:
        held = [await door.connects() for _ in range(5)]
        for _ in range(2):
            reader, writer = await door.connects()
            refused = await hears(reader)
            assert refused.status == 429
            assert json.loads(refused.body)["code"] == "too_many_connections"
            assert b"retry-after: " in refused.head.lower()
            writer.close()
        reader, writer = await door.connects("127.0.0.2")
        writer.write(PLANS)
        assert (await hears(reader)).status == 200
        writer.close()

        held.pop()[1].close()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await door.says(PLANS)).status != 200:
                await asyncio.sleep(0.01)
        for _, one in held:
            one.close()
        await nobody_is_left(door.limits)


async def test_a_trusted_proxy_speaks_for_many_and_the_whole_has_a_limit_too() -> None:
    async with served(per_peer=2, in_all=20) as door:
        held = [await door.connects() for _ in range(20)]
        reader, writer = await door.connects()
        assert (await hears(reader)).status == 429
        for _, one in [*held, (reader, writer)]:
            one.close()
        await nobody_is_left(door.limits)
        assert (await door.says(PLANS)).status == 200


def test_the_limits_in_force_are_those_that_are_told() -> None:
    limits = connection_limits(Settings(_env_file=None, trusted_proxies="10.0.0.0/8"))
    told = (Path(__file__).parents[2] / "docs" / "guides" / "operate.md").read_text("utf-8")

    assert (limits.head_seconds, limits.body_seconds, limits.answer_seconds) == (10, 20, 30)
    assert (limits.per_peer, limits.in_all, limits.idle_seconds) == (50, 800, 5)
    for number in (limits.head_seconds, limits.body_seconds, limits.answer_seconds):
        assert f"{number} seconds" in told
    for peer in ("10.1.2.3", "127.0.0.1", "::1", "::ffff:10.0.0.1"):
        assert all(limits.admits(peer) for _ in range(60))
