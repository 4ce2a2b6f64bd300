"""What strangers send instead of a body, to every operation that takes one, in every place in it."""

import json
from collections.abc import AsyncIterator, Mapping
from itertools import product

import pytest
from pydantic import ValidationError

from adapters.http.json_reader import parse_json
from adapters.http.operations import Operation
from adapters.persistence.memory import MemoryStore
from core.domain.errors import BillingError
from core.use_cases.consequences import consequences
from tests.adapters.http.api import an_api
from tests.hostile.examples import WITH_BODY, Scene, a_scene, fields_of, name_of
from tests.hostile.served import everything_in
from tests.sampling import drawn
from tests.world import World

ECHO_MAX = 64

NEVER_JSON: Mapping[str, bytes] = {
    "a word": b"hello",
    "truncated": b'{"a": 1',
    "100k brackets": b"[" * 100_000,
    "33 levels": b"[" * 33 + b"]" * 33,
    "5,000 digits": b"9" * 5000,
    "4,000 digits": b"-" + b"9" * 4000,
    "2^63": b"9223372036854775808",
    "2^63 - 1": b"9223372036854775807",
    "-2^63": b"-9223372036854775808",
    "1e400": b"1e400",
    "NaN": b"NaN",
    "-Infinity": b"-Infinity",
    "full-width digits bare": "１２".encode(),
    "a line bare": b"1_000",
    "hex bare": b"0x10",
    "NUL in a text": b'"x\\u0000y"',
    "a bare NUL": b'"\x00"',
    "half a character": b'"\\ud800"',
    "invalid UTF-8": b'"\xff\xfe"',
    "overlong UTF-8": b'"\xc0\xaf"',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf"x"',
    "a key twice": b'{"a": 1, "a": 2}',
    "a key with NUL": b'{"x\\u0000": 1}',
    "1,001 keys": json.dumps({str(n): n for n in range(1001)}).encode(),
}
JSON: Mapping[str, bytes] = {
    "a list": b"[]",
    "null": b"null",
    "a text": b'"x"',
    "an empty text": b'""',
    "one": b"1",
    "18 digits": b"9" * 18,
    "minus one": b"-1",
    "zero": b"0",
    "minus zero": b"-0",
    "1.0": b"1.0",
    "1.5": b"1.5",
    "1e3": b"1e3",
    "1e-400": b"1e-400",
    "true": b"true",
    "false": b"false",
    "a number as text": b'"1"',
    "full-width digits": '"１２"'.encode(),
    "spaces round a number": b'" 1 "',
    "a line in a number": b'"1_000"',
    "hex": b'"0x10"',
    "an object": b"{}",
    "unknown keys": b'{"role": "operator", "amount_minor": 1, "customer_id": "cus_00000001"}',
    "__proto__": b'{"__proto__": {"is_operator": true}}',
    "right to left": '"a\u202eb"'.encode(),
    "a joiner": '"a\u200db"'.encode(),
    "10,000 marks": ('"a' + "\u0301" * 10_000 + '"').encode(),
    "a control": b'"a\\u0001\\n\\r\\u001b[31m"',
    "32 levels": b"[" * 32 + b"]" * 32,
    "markup": b'"<script>alert(1)</script>"',
    "a placeholder": b'"{0.__class__} ${jndi:x} %s%n"',
    "a path": b'"../../../../etc/passwd"',
    "60 KiB": b'"' + b"x" * 61_440 + b'"',
}
ONLY_WHOLE: Mapping[str, bytes] = {
    "nothing": b"",
    "spaces": b"  \n",
    "200k objects": b'{"a":' * 200_000,
    "1 MiB": b'{"a": "' + b"x" * 2**20 + b'"}',
    "50 MiB": b'"' + b"x" * 50 * 2**20 + b'"',
    "a million keys": b"{" + b'"k":1,' * 1_000_000 + b'"z":1}',
}
ROWS = NEVER_JSON | JSON


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    world = await World(MemoryStore(consequences)).opens()
    async with an_api(world) as api:
        yield await a_scene(api)


async def is_taken_as_it_is_worth(scene: Scene, operation: Operation, raw: bytes) -> None:
    """Refused clearly, with nothing changed; unless what was sent is in fact valid."""
    for token in (None, scene.credentials(operation)):
        before = everything_in(scene.api.world)
        answer = await scene.sends(
            operation, token=token, raw=raw, key=f"key-{next(scene.numbers)}"
        )
        if answer.status_code < 300:
            assert is_valid(operation, raw), f"accepted as {answer.status_code}"
            continue
        assert 400 <= answer.status_code < 500, f"{answer.status_code}: {answer.text}"
        after = everything_in(scene.api.world)
        if answer.json().get("code") == "promo_code_not_taken":  # Guesses are counted.
            after |= {name: before[name] for name in ("wrong_codes", "claims")}
        assert after == before, "refused, and yet something changed"
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["code"]
        assert problem["request_id"]
        assert not repeats(answer.text, raw), f"repeats what was sent: {answer.text}"


def is_valid(operation: Operation, raw: bytes) -> bool:
    assert operation.body is not None
    fields = operation.body.model_fields.values()
    try:
        value = parse_json(raw) if raw or any(one.is_required() for one in fields) else {}
        operation.body.model_validate_json(json.dumps(value), strict=True)
    except (BillingError, ValidationError):
        return False
    return True


def repeats(told: str, raw: bytes) -> bool:
    """Whether more than 64 characters of what was sent come back."""
    sent = raw[:20_000].decode("utf-8", "replace")
    pieces = {sent[n : n + ECHO_MAX + 1] for n in range(len(sent) - ECHO_MAX)}
    return any(piece in told for piece in pieces)


TWINS = {
    name_of(one)
    for number, one in enumerate(WITH_BODY)
    if any(one.body is earlier.body for earlier in WITH_BODY[:number])
}
"""The same body at another door: there a sample of the rows is tried in each field."""

TWIN_ROWS = 6


def money_of(operation: Operation) -> list[str]:
    """The fields that hold money, needed or not."""
    return [name for name, told in fields_of(operation).items() if "MoneyRequest" in str(told)]


WITH_MONEY = [one for one in WITH_BODY if money_of(one)]


@pytest.mark.parametrize("operation", WITH_BODY, ids=name_of)
async def test_as_the_whole_body(scene: Scene, operation: Operation) -> None:
    wrong = []
    for name, raw in (ROWS | ONLY_WHOLE).items():
        try:
            await is_taken_as_it_is_worth(scene, operation, raw)
        except AssertionError as error:
            wrong.append(f"{name}: {error}")

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("operation", WITH_BODY, ids=name_of)
async def test_as_the_value_of_each_field(scene: Scene, operation: Operation) -> None:
    wrong = []
    rows = list(ROWS.items())
    if name_of(operation) in TWINS:
        rows = drawn("hostile", rows, TWIN_ROWS)
    for field in fields_of(operation):
        for name, row in rows:
            body = json.dumps({**(scene.body(operation) or {}), field: "@@"}).encode()
            raw = body.replace(b'"@@"', row)
            try:
                await is_taken_as_it_is_worth(scene, operation, raw)
                if name in NEVER_JSON:
                    assert not is_valid(operation, raw)
            except AssertionError as error:
                wrong.append(f"{field} = {name}: {error}")

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("operation", WITH_MONEY, ids=name_of)
async def test_as_the_amount_and_the_currency_of_money(scene: Scene, operation: Operation) -> None:
    wrong = []
    for field, part in product(money_of(operation), ("amount_minor", "currency")):
        money = {"amount_minor": 20000, "currency": "RUB"} | {part: "@@"}
        body = json.dumps({**(scene.body(operation) or {}), field: money}).encode()
        for name, row in ROWS.items():
            try:
                await is_taken_as_it_is_worth(scene, operation, body.replace(b'"@@"', row))
            except AssertionError as error:
                wrong.append(f"{field}.{part} = {name}: {error}")

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("operation", WITH_BODY, ids=name_of)
async def test_with_a_field_missing_unknown_or_there_twice(
    scene: Scene, operation: Operation
) -> None:
    valid = scene.body(operation) or {}
    bodies = [json.dumps(valid | {name: "x"}).encode() for name in ("role", "price", "__proto__")]
    bodies += [json.dumps({k: v for k, v in valid.items() if k != name}).encode() for name in valid]
    bodies += [json.dumps(valid).encode()[:-1] + b', "%s": 1}' % name.encode() for name in valid]
    for raw in bodies:
        assert not is_valid(operation, raw)
        await is_taken_as_it_is_worth(scene, operation, raw)


@pytest.mark.parametrize("operation", WITH_BODY, ids=name_of)
async def test_the_example_itself_is_accepted(scene: Scene, operation: Operation) -> None:
    answer = await scene.sends(operation, token=scene.credentials(operation))

    assert answer.status_code < 300, f"the example of {name_of(operation)}: {answer.text}"
