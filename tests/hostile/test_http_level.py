"""Requests that are no proper HTTP, or too much of it: refused or hung up on, and nothing else."""

import gzip
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from adapters.http.app import operations
from adapters.http.connections import HEAD_SIZE_MAX, HEADERS_MAX
from tests.hostile.served import HOST, Served, a_request, hears, served

PLANS = "/api/v1/billing/plans/"
SIGN_IN = "/api/v1/billing/auth/telegram/"
WEBHOOK = "/api/v1/billing/webhooks/yookassa/"
JSON = "Content-Type: application/json"
HUNG_UP = 0

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door() -> AsyncIterator[Served]:
    async with served() as one:
        yield one


def post(*headers: str, body: bytes = b"", path: str = SIGN_IN) -> bytes:
    """The headers as they are given: no length is added."""
    return a_request("POST", path, JSON, *headers) + body


SMALL = b'{"init_data": "x"}'
OF_THE_SIZE = b'{"init_data": "' + b"x" * (64 * 1024 - 17) + b'"}'
MILLION_KEYS = b"{" + b'"k":1,' * 1_000_000 + b'"z":1}'

ROWS: dict[str, tuple[bytes, set[int]]] = {
    "a word": (b"hello\r\n\r\n", {400}),
    "another protocol": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 40, {400}),
    "HTTP/0.9": (b"GET /\r\n\r\n", {400}),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400}),
    "HTTP/9.9": (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", {400}),
    "an unknown path": (a_request("GET", "/api/v1/billing/nowhere/"), {404}),
    "no leading slash": (a_request("GET", "api/v1/billing/plans/"), {400, 404}),
    "dots": (a_request("GET", "/api/v1/../v1/billing/plans/"), {404}),
    "two slashes": (a_request("GET", f"/{PLANS}"), {404}),
    "an encoded slash": (a_request("GET", PLANS.replace("/plans", "%2f%2e%2e/plans")), {404}),
    "an encoded NUL": (a_request("GET", PLANS + "%00"), {404}),
    "no UTF-8": (a_request("GET", "/api/v1/billing/customers/%ff%fe/"), {401, 404, 422}),
    "a bad escape": (a_request("GET", PLANS + "%zz"), {400, 404}),
    "an asterisk": (a_request("OPTIONS", "*"), {400, 404, 405}),
    "CONNECT": (b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n", {400, 404, 405}),
    "a foreign absolute target": (a_request("GET", "http://evil/", host="evil"), {400, 404}),
    "a target of 64 KiB": (a_request("GET", PLANS + "?x=" + "x" * 65536), {431}),
    "a foreign host": (a_request("GET", PLANS, host="evil.example.com"), {400}),
    "a host with more behind": (a_request("GET", PLANS, host=f"{HOST}.evil.com"), {400}),
    "a host with a name before": (a_request("GET", PLANS, host=f"x@{HOST}"), {400}),
    "no host": (f"GET {PLANS} HTTP/1.1\r\n\r\n".encode(), {400}),
    "an empty host": (a_request("GET", PLANS, host=""), {400}),
    "two hosts": (a_request("GET", PLANS, f"Host: {HOST}"), {400}),
    "HTTP/1.0 without a host": (f"GET {PLANS} HTTP/1.0\r\n\r\n".encode(), {400}),
    "a negative length": (post("Content-Length: -5", body=SMALL), {400}),
    "a length with a plus": (post("Content-Length: +18", body=SMALL), {400}),
    "a length in hex": (post("Content-Length: 0x12", body=SMALL), {400}),
    "a huge length": (post("Content-Length: 99999999999999", body=SMALL), {413}),
    "a length past 64 bits": (post("Content-Length: " + "9" * 30, body=SMALL), {400}),
    "two lengths": (post("Content-Length: 18", "Content-Length: 19", body=SMALL), {400}),
    "two lengths in one": (post("Content-Length: 18, 18", body=SMALL), {400}),
    "too short a length": (post("Content-Length: 5", body=SMALL), {400}),
    "a length and chunks": (
        post("Content-Length: 18", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), {400}),
    "an unknown coding": (post("Transfer-Encoding: gzip, x", body=SMALL), {400}),
    "chunked twice": (
        post("Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"), {400}),
    "no chunk": (post("Transfer-Encoding: chunked", body=b"x\r\n"), {400}),
    "a negative chunk": (post("Transfer-Encoding: chunked", body=b"-1\r\n"), {400}),
    "a chunk past 64 bits": (post("Transfer-Encoding: chunked", body=b"f" * 20 + b"\r\n"), {400}),
    "an endless extension": (
        post("Transfer-Encoding: chunked", body=b"1;x=" + b"x" * 400_000), {431}),
    "an endless trailer": (
        post("Transfer-Encoding: chunked", body=b"0\r\nx: " + b"x" * 400_000), {431}),
    "1,000 trailers": (
        post("Transfer-Encoding: chunked", body=b"0\r\n" + b"x: y\r\n" * 1000 + b"\r\n"), {431}),
    "too much in chunks": (
        post("Transfer-Encoding: chunked", body=b"8000\r\n" + b"x" * 32768 + b"\r\n" +
             b"8001\r\n" + b"x" * 32769 + b"\r\n0\r\n\r\n"), {413}),
    "a body of one byte too many": (
        post(f"Content-Length: {len(OF_THE_SIZE) + 1}", body=OF_THE_SIZE + b" "), {413}),
    "a body of the size": (post(f"Content-Length: {len(OF_THE_SIZE)}", body=OF_THE_SIZE), {422}),
    "a million keys": (post(f"Content-Length: {len(MILLION_KEYS)}", body=MILLION_KEYS), {413}),
    "a webhook of 256 KiB": (
        post("Content-Length: 262144", body=b"x" * 262_144, path=WEBHOOK), {401}),
    "a webhook of more": (
        post("Content-Length: 262145", body=b"x" * 262_145, path=WEBHOOK), {413}),
    "gzip": (
        post("Content-Encoding: gzip", f"Content-Length: {len(gzip.compress(SMALL))}",
             body=gzip.compress(SMALL)), {415}),
    "a form": (
        a_request("POST", SIGN_IN, "Content-Type: text/plain", "Content-Length: 18") + SMALL,
        {415}),
    "a header of 64 KiB": (a_request("GET", PLANS, "X: " + "x" * 65536), {431}),
    "an endless header": (a_request("GET", PLANS)[:-4] + b"\r\nX: " + b"x" * 400_000, {431}),
    "1,000 headers": (a_request("GET", PLANS, *["X: y"] * 1000), {431}),
    "an endless name": (a_request("GET", PLANS)[:-2] + b"x" * 400_000, {431}),
    "an endless method": (b"G" * 400_000, {400, 431}),
    "NUL in a header": (a_request("GET", PLANS, "X: a\0b"), {400}),
    "CR in a header": (a_request("GET", PLANS, "X: a\rb"), {400}),
    "a header on two lines": (a_request("GET", PLANS, "X: a\r\n b"), {400}),
    "a space before the colon": (a_request("GET", PLANS, "Host : evil"), {400}),
    "a header without a name": (a_request("GET", PLANS, ": x"), {400}),
    "a request id that splits": (a_request("GET", PLANS + "x", "X-Request-ID: a b\tc"), {404}),
    "TRACE": (a_request("TRACE", PLANS), {405}),
    "an unknown method": (a_request("BREW", PLANS), {400}),
    "a small method": (a_request("get", PLANS), {400}),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "statuses"), ROWS.values(), ids=ROWS.keys())
async def test_it_is_refused_clearly_and_changes_nothing(
    door: Served, raw: bytes, statuses: set[int]
) -> None:
    before = door.kept()

    answer = await door.says(raw)

    assert answer.status in statuses
    problem = json.loads(answer.body)
    assert problem["status"] == answer.status
    assert problem["code"]
    assert problem["request_id"]
    assert b"xxxxxxxx" not in answer.body
    assert door.kept() == before
    await door.is_answering()


@pytest.mark.parametrize("operation", operations(), ids=lambda one: f"{one.method} {one.path}")
async def test_a_wrong_method_is_told_the_right_ones(door: Served, operation: object) -> None:
    path = operation.path.replace("{", "").replace("}", "")
    for method in ("TRACE", "PROPFIND"):
        answer = await door.says(a_request(method, path))
        assert answer.status == 405
        [allowed] = [
            line for line in answer.head.decode().splitlines() if line.lower().startswith("allow:")
        ]
        assert operation.method in allowed


@pytest.mark.parametrize("protocol", ["websocket", "h2c", "TLS/1.0"])
async def test_no_upgrade_is_made(door: Served, protocol: str) -> None:
    headers = ["Connection: Upgrade, HTTP2-Settings", f"Upgrade: {protocol}", "HTTP2-Settings: AA"]
    headers += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]

    answer = await door.says(a_request("GET", PLANS, *headers) + b"\0" * 100)

    assert answer.status == 200, "the upgrade is ignored and the request answered, as HTTP has it"
    await door.is_answering()


async def test_a_request_smuggled_behind_an_upgrade_is_not_run(door: Served) -> None:
    reader, writer = await door.connects()
    upgrade = a_request("POST", SIGN_IN, "Connection: Upgrade", "Upgrade: h2c", body=SMALL)
    writer.write(upgrade)
    assert (await hears(reader)).status in {400, 422}
    assert await reader.read() == b"", "what follows an upgrade is not ours to read"
    writer.close()


async def test_a_hundred_requests_in_a_row_are_answered_in_their_order(door: Served) -> None:
    reader, writer = await door.connects()
    writer.write(b"".join(a_request("GET", f"{PLANS}{'x' * (n % 2)}") for n in range(100)))

    answers = [await hears(reader) for _ in range(100)]

    assert [one.status for one in answers] == [200, 404] * 50
    writer.close()


async def test_of_ten_thousand_in_a_row_few_are_held_and_those_are_answered(door: Served) -> None:
    reader, writer = await door.connects()
    writer.write(a_request("GET", PLANS) * 10_000)

    statuses = []
    while (answer := await hears(reader)).status:
        statuses.append(answer.status)

    assert set(statuses) == {200}
    assert 100 <= len(statuses) < 1000
    writer.transport.abort()
    await door.is_answering()


async def test_garbage_behind_a_request_does_not_take_its_answer(door: Served) -> None:
    for n in (1, 2, 100):
        reader, writer = await door.connects()
        writer.write(a_request("GET", PLANS) * n + b"\0garbage\r\n\r\n")
        assert [(await hears(reader)).status for _ in range(n)] == [200] * n
        assert (await hears(reader)).status in {HUNG_UP, 400}
        assert await reader.read() == b""
        writer.close()


async def test_whoever_asks_first_is_told_to_go_on_only_where_it_is_worth_it(door: Served) -> None:
    expects = "Expect: 100-continue"
    refused = await door.says(post(expects, "Content-Length: 99999999"))
    assert refused.status == 413
    reader, writer = await door.connects()
    writer.write(post(expects, f"Content-Length: {len(SMALL)}"))
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
    writer.write(SMALL)
    assert (await hears(reader)).status == 401
    writer.close()


async def test_http_1_0_is_answered_and_hung_up_on(door: Served) -> None:
    reader, writer = await door.connects()
    writer.write(f"GET {PLANS} HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode())
    assert (await hears(reader)).status == 200
    assert await reader.read() == b""
    writer.close()


async def test_the_bounds_themselves_pass(door: Served) -> None:
    headers = ["X: y"] * (HEADERS_MAX - 1)
    assert (await door.says(a_request("GET", PLANS, *headers))).status == 200
    long = "X: " + "x" * (HEAD_SIZE_MAX - 1000)
    assert (await door.says(a_request("GET", PLANS, long))).status == 200
