"""The strict reader against everything that strangers send instead of JSON."""

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from adapters.http.json_reader import (
    BodyNotJson,
    BodyTooLarge,
    MediaTypeNotSupported,
    parse_json,
    read_body,
    read_json,
)
from core.domain.errors import BillingError

REFUSED = {
    "empty": b"",
    "spaces": b"  \n",
    "a word": b"hello",
    "truncated": b'{"a": 1',
    "two values": b"1 2",
    "100k brackets": b"[" * 100_000,
    "100k closed brackets": b"[" * 100_000 + b"]" * 100_000,
    "closed first": b"]" * 50_000 + b"[" * 50_000,
    "200k nested objects": b'{"a":' * 200_000,
    "depth 33": b"[" * 33 + b"]" * 33,
    "5,000 digits": b"9" * 5000,
    "4,000 digits": b"-" + b"9" * 4000,
    "2^63": b"9223372036854775808",
    "2^63 - 1": b"9223372036854775807",
    "-2^63": b"-9223372036854775808",
    "19 digits": b"1" + b"0" * 18,
    "1e400": b"1e400",
    "1e18": b"1e18",
    "a huge exponent": b"0e99999999999999999999",
    "a long fraction": b"0." + b"1" * 10_000,
    "NaN": b"NaN",
    "-Infinity": b"[-Infinity]",
    "full-width digits": "１２".encode(),
    "digits with a line": b"1_000",
    "hexadecimal": b"0x10",
    "a leading zero": b"01",
    "a plus sign": b"+1",
    "NUL in a text": b'{"a": "x\\u0000y"}',
    "NUL in a text of a list": b'["x\\u0000y"]',
    "a bare NUL": b'"\x00"',
    "NUL in a key": b'{"x\\u0000": 1}',
    "a lone surrogate": b'"\\ud800"',
    "a lone low surrogate": b'["\\udc00\\ud800"]',
    "a surrogate in bytes": b'"\xed\xa0\x80"',
    "invalid UTF-8": b'"\xff\xfe"',
    "overlong UTF-8": b'"\xc0\xaf"',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-16 without a mark": '{"a": 1}'.encode("utf-16-le"),
    "a byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "a key twice": b'{"a": 1, "a": 2}',
    "a key twice, spelled otherwise": b'{"a": {"b": 1, "\\u0062": 2}}',
    "1,001 keys": json.dumps({str(n): n for n in range(1001)}).encode(),
    "1,001 keys in all": json.dumps([{str(n): {"x": n}} for n in range(501)]).encode(),
    "unclosed text full of quotes": b'"' + b'\\"' * 100_000,
    "a comment": b"{} // no",
    "a trailing comma": b"[1,]",
    "single quotes": b"{'a': 1}",
}

ACCEPTED = {
    b"[]": [],
    b"null": None,
    b'"x"': "x",
    b" 1 ": 1,
    b"-1": -1,
    b"-0": 0,
    b"1.0": 1,
    b"-0.0": 0,
    b"1e2": 100,
    b"1.5": 1.5,
    b"0.1": 0.1,
    b"999999999999999999": 999_999_999_999_999_999,
    b"9007199254740993.0": 9_007_199_254_740_993,
    b"1.00000000000000000001": 1.0,
    b"true": True,
    b'{"__proto__": {"a": 1}}': {"__proto__": {"a": 1}},
    b"[" * 32 + b"]" * 32: None,
    b'"[[[[:::: {{{{"': "[[[[:::: {{{{",
    b'"a\\"[\\\\"': 'a"[\\',
    '"🙂 \u202e \u200d"'.encode(): "🙂 \u202e \u200d",
    b'"\\ud83d\\ude42"': "🙂",
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_strictly_json_is_refused_and_not_repeated(raw: bytes) -> None:
    with pytest.raises(BodyNotJson) as caught:
        parse_json(raw)

    assert len(str(caught.value)) < 128
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("raw", [raw for raw in ACCEPTED if not raw.startswith(b"[[")])
def test_json_is_read_as_it_is_meant(raw: bytes) -> None:
    value = parse_json(raw)

    assert value == ACCEPTED[raw]
    assert type(value) is type(ACCEPTED[raw])


def test_thirty_two_levels_and_a_thousand_keys_pass() -> None:
    parse_json(b"[" * 32 + b"]" * 32)
    assert parse_json(json.dumps({str(n): n for n in range(1000)}).encode())


@given(st.binary() | st.text().map(str.encode) | st.text('[]{}:,"\\u0d8 e+-.19').map(str.encode))
def test_any_bytes_are_read_or_refused_and_nothing_else_happens(raw: bytes) -> None:
    try:
        value = parse_json(raw)
    except BillingError:
        return
    assert value == json.loads(raw)


def a_request(
    chunks: Iterable[bytes] = (b"{}",), *headers: tuple[str, str], ends: bool = True
) -> Request:
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    end = {"type": "http.request", "body": b""} if ends else {"type": "http.disconnect"}
    coming = iter([*messages, end])

    async def receive() -> dict[str, object]:
        return next(coming)

    sent = headers or (("content-type", "application/json"),)
    raw = [(name.encode(), value.encode("latin-1")) for name, value in sent]
    return Request({"type": "http", "method": "POST", "headers": raw}, receive)


async def test_a_body_in_many_pieces_is_one_value() -> None:
    assert await read_json(a_request([b'{"a"', b": ", b"1}"])) == {"a": 1}


@pytest.mark.parametrize(
    "declared",
    [
        "application/json",
        "application/json; charset=utf-8",
        'Application/JSON;charset="UTF-8"',
    ],
)
async def test_json_in_utf_8_is_taken_however_it_is_spelled(declared: str) -> None:
    assert await read_json(a_request([b"{}"], ("content-type", declared))) == {}


@pytest.mark.parametrize(
    "headers",
    [
        [("accept", "*/*")],
        [("content-type", "")],
        [("content-type", "text/plain")],
        [("content-type", "application/x-www-form-urlencoded")],
        [("content-type", "application/json; charset=utf-16")],
        [("content-type", "application/json, text/plain")],
        [("content-type", "application/json"), ("content-type", "text/plain")],
        [("content-type", "application/json"), ("content-encoding", "gzip")],
        [("content-type", "application/json"), ("content-encoding", "identity")],
    ],
)
async def test_another_media_type_or_an_encoding_is_refused(
    headers: list[tuple[str, str]],
) -> None:
    with pytest.raises(MediaTypeNotSupported):
        await read_json(a_request([b"{}"], *headers))


async def test_the_size_is_counted_and_not_believed() -> None:
    json_type = ("content-type", "application/json")
    full = b'"' + b"x" * 65_534 + b'"'

    assert len(str(await read_json(a_request([full])))) == 65_534
    with pytest.raises(BodyTooLarge):
        await read_json(a_request([full, b" "], json_type, ("content-length", "2")))


async def test_reading_stops_at_the_limit() -> None:
    read = []

    def endless() -> Iterable[bytes]:
        for n in range(1000):
            read.append(n)
            yield b"x" * 1024

    request = a_request()
    pieces = iter(endless())

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": next(pieces), "more_body": True}

    with pytest.raises(BodyTooLarge):
        await read_body(Request(request.scope, receive), size_max=4096)
    assert len(read) == 5


@pytest.mark.parametrize("claimed", ["65537", "9" * 5000, "0" * 19])
async def test_a_claim_of_too_much_is_refused_before_reading(claimed: str) -> None:
    request = a_request(
        [], ("content-type", "application/json"), ("content-length", claimed), ends=False
    )

    with pytest.raises(BodyTooLarge):
        await read_json(request)


@pytest.mark.parametrize("claimed", ["-5", "abc", "\xb2", ""])
async def test_a_claim_that_is_no_number_changes_nothing(claimed: str) -> None:
    request = a_request([b"{}"], ("content-type", "application/json"), ("content-length", claimed))

    assert await read_json(request) == {}


async def test_a_caller_who_hangs_up_is_refused_like_any_other() -> None:
    with pytest.raises(BodyNotJson):
        await read_json(a_request([b"{"], ends=False))
