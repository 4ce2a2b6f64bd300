"""Webhooks over real HTTP: signed as the standard says, bounded, and never to an inner address."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from adapters.standard_webhooks import signature
from adapters.webhooks import (
    WebhookSender,
    is_public,
    is_public_or_this_machine,
)
from core.domain.delivery import Reply
from tests.house.sources import ROOT
from tests.money_builders import a_fresh_delivery

OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = "whsec_" + "QUJD" * 10
SAID = datetime(2021, 2, 25, 14, 55, 30, tzinfo=UTC)
OK = b"HTTP/1.1 204 No Content\r\n\r\n"


class Listener:
    """A server that says what it is told to, and keeps what it was sent."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.port = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")[1:-2]
                headers = dict(line.lower().split(": ", 1) for line in lines)
                cased = dict(line.split(": ", 1) for line in lines)
                body = await reader.readexactly(int(headers["content-length"]))
                self.requests.append(({k.lower(): v for k, v in cased.items()}, body))
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(answer: bytes = OK) -> AsyncIterator[Listener]:
    listener = Listener(answer)
    async with await asyncio.start_server(listener.take, "127.0.0.1", 0) as server:
        listener.port = server.sockets[0].getsockname()[1]
        yield listener


async def sent(
    url: str,
    *secrets: str,
    may_call: Callable[[str], bool] = is_public_or_this_machine,
    patience: float = 5.0,
) -> Reply:
    sender = WebhookSender(
        url,
        secrets or (OLD,),
        lambda: SAID,
        may_call=may_call,
        timeout=httpx.Timeout(patience),
    )
    try:
        return await sender.send(a_fresh_delivery())
    finally:
        await sender.close()


def test_the_signature_is_the_standards_own() -> None:
    id_, body = "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}'

    assert (
        signature(OLD, id_, 1614265330, body) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


@pytest.mark.parametrize("secret", ["", "whsec", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%"])
def test_a_secret_of_another_form_is_none(secret: str) -> None:
    with pytest.raises(ValueError):
        signature(secret, "msg_1", 1, b"")


async def test_what_is_sent_is_what_was_frozen_and_is_proven() -> None:
    async with listening() as listener:
        reply = await sent(f"http://127.0.0.1:{listener.port}/hooks?a=b")

    assert reply == Reply(204, "204")
    [(headers, body)] = listener.requests
    delivery = a_fresh_delivery()
    assert body == delivery.body.encode()
    assert headers["webhook-id"] == delivery.id
    assert headers["webhook-timestamp"] == str(int(SAID.timestamp()))
    assert headers["webhook-signature"] == signature(OLD, delivery.id, int(SAID.timestamp()), body)
    assert headers["content-type"] == "application/json"
    assert headers["host"] == f"127.0.0.1:{listener.port}"


async def test_while_secrets_change_both_sign() -> None:
    async with listening() as listener:
        await sent(f"http://localhost:{listener.port}/", NEW, OLD)

    [(headers, body)] = listener.requests
    id_, at = a_fresh_delivery().id, int(SAID.timestamp())
    proofs = [signature(one, id_, at, body) for one in (NEW, OLD)]
    assert headers["webhook-signature"].split(" ") == proofs
    assert headers["host"] == f"localhost:{listener.port}"


def a_receiver() -> Callable[[dict[str, str], bytes], object]:
    """The receiver of the guide, as it stands there."""
    guide = (ROOT / "docs" / "guides" / "webhooks.md").read_text()
    code = guide.partition("```python\n")[2].partition("```")[0]
    known: dict[str, object] = {}
    exec(code, known)
    return known["event_of"]  # type: ignore[return-value]


async def test_the_receiver_of_the_guide_believes_us_and_nobody_else() -> None:
    event_of, secret = a_receiver(), OLD
    body, at = b'{"type":"purchase.paid"}', int(datetime.now(UTC).timestamp())
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(at),
        "webhook-signature": f"{signature(NEW, 'msg_1', at, body)} {signature(OLD, 'msg_1', at, body)}",
    }

    assert event_of(headers, body, secret) == json.loads(body)
    forged = [
        (headers, body + b" "),
        ({**headers, "webhook-id": "msg_2"}, body),
        ({**headers, "webhook-timestamp": str(at - 1)}, body),
        ({**headers, "webhook-signature": signature(NEW, "msg_1", at, body)}, body),
        (
            {
                **headers,
                "webhook-timestamp": str(at - 600),
                "webhook-signature": signature(OLD, "msg_1", at - 600, body),
            },
            body,
        ),
    ]
    for bad_headers, bad_body in forged:
        with pytest.raises(PermissionError):
            event_of(bad_headers, bad_body, secret)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 6\r\n\r\nsecret", Reply(500, "500")),
        (b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", Reply(410, "410")),
        (
            b"HTTP/1.1 429 Slow\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n",
            Reply(429, "429", timedelta(minutes=2)),
        ),
        (
            b"HTTP/1.1 503 No\r\nRetry-After: Wed, 21 Oct 2026\r\nContent-Length: 0\r\n\r\n",
            Reply(503, "503"),
        ),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
            Reply(302, "302"),
        ),
        (b"not HTTP at all\r\n\r\n", Reply(None, "no answer: RemoteProtocolError")),
    ],
)
async def test_an_answer_is_kept_as_its_status(answer: bytes, expected: Reply) -> None:
    async with listening(answer) as listener:
        assert await sent(f"http://127.0.0.1:{listener.port}/") == expected
        assert len(listener.requests) == 1


async def test_an_answer_without_end_is_not_read() -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 40_000
    async with listening(endless) as listener:
        assert await sent(f"http://127.0.0.1:{listener.port}/") == Reply(200, "200")


async def test_who_says_nothing_is_not_waited_for() -> None:
    async with listening(b"HTTP/1.1 200 OK\r\n") as listener:
        reply = await sent(f"http://127.0.0.1:{listener.port}/", patience=0.1)

    assert reply == Reply(None, "no answer: ReadTimeout")


async def test_where_nobody_listens_there_is_no_answer() -> None:
    async with listening() as listener:
        port = listener.port

    assert await sent(f"http://127.0.0.1:{port}/") == Reply(None, "no answer: ConnectError")


INNER = [
    "127.0.0.1",
    "localhost",
    "[::1]",
    "0.0.0.0",
    "[::]",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "[::ffff:127.0.0.1]",
    "[::ffff:10.0.0.1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::1]",
    "[fc00::1]",
    "[fec0::1]",
    "192.0.0.192",
    "[::ffff:192.0.0.192]",
    "[ff02::1]",
    "2130706433",
    "0x7f.1",
    "127.1",
]


@pytest.mark.parametrize("host", INNER)
async def test_no_inner_address_is_called(host: str) -> None:
    async with listening() as listener:
        reply = await sent(f"http://{host}:{listener.port}/", may_call=is_public)

        assert reply.status is None
        assert listener.requests == []
    assert reply.said.startswith(("address refused", "no answer: "))


@pytest.mark.parametrize("address", [one.strip("[]") for one in INNER if one[-2:] != "st"])
def test_an_inner_address_is_not_public(address: str) -> None:
    # As the system reads it: 2130706433 is one way to write 127.0.0.1.
    [*_, place] = socket.getaddrinfo(address, 1, type=socket.SOCK_STREAM)
    assert not is_public(place[4][0])


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
)
def test_a_public_address_is(address: str) -> None:
    assert is_public(address)
    assert is_public_or_this_machine(address)


def test_development_may_call_itself_and_no_neighbour() -> None:
    assert is_public_or_this_machine("127.0.0.1")
    assert is_public_or_this_machine("::1")
    assert not is_public_or_this_machine("192.168.1.1")
    assert not is_public_or_this_machine("169.254.169.254")


async def test_a_name_is_looked_at_by_every_address_that_it_has() -> None:
    """One public address does not open the way to an inner one: a name may have both."""
    seen: list[str] = []

    def may_call(address: str) -> bool:
        seen.append(address)
        return len(seen) > 1

    async with listening() as listener:
        reply = await sent(f"http://localhost:{listener.port}/", may_call=may_call)

    assert (reply.status, listener.requests) == (None, [])


async def test_who_is_told_is_named_before_anything_is_sent() -> None:
    inner = WebhookSender("https://localhost/", (OLD,), lambda: SAID, may_call=is_public)
    nobody = WebhookSender(None, (), lambda: SAID, may_call=is_public)
    some = WebhookSender("https://a.b/", (OLD,), lambda: SAID, may_call=is_public, events=("x",))

    assert await inner.problems() == ["localhost: it is at an address that is not public"]
    assert await nobody.problems() == []
    assert (nobody.host, nobody.wants("x")) == (None, False)
    assert (inner.host, inner.wants("y")) == ("localhost", True)
    assert (some.wants("x"), some.wants("y")) == (True, False)
    for sender in (inner, nobody, some):
        await sender.close()


async def test_a_user_in_the_address_changes_nothing_about_where_it_leads() -> None:
    async with listening() as listener:
        reply = await sent(f"http://example.com@127.0.0.1:{listener.port}/", may_call=is_public)
        assert (reply.status, listener.requests) == (None, [])
