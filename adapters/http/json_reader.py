"""The one reader of JSON from strangers: strict, bounded, and never anything but a refusal."""

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Never

from starlette.requests import ClientDisconnect, Request

from core.domain.errors import Invalid

BODY_SIZE_MAX: Final = 64 * 1024
DEPTH_MAX: Final = 32
KEYS_MAX: Final = 1000
DIGITS_MAX: Final = 18
BODY: Final = "billhook.body"
"""Where a request keeps the bytes that were read of it."""

_MEDIA_TYPE = re.compile(
    r'application/json[ \t]*(?:;[ \t]*charset="?utf-8"?[ \t]*)?', re.IGNORECASE
)
# A string, closed or not, is one token; so a scan is linear whatever was sent.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}:]', re.DOTALL)
_FRACTION = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,32})?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(eq=False)
class BodyTooLarge(Invalid):
    """The body is larger than this call takes."""

    size_max: int


@dataclass(eq=False)
class BodyNotJson(Invalid):
    """The body is not JSON as we read it: UTF-8, bounded, no key twice, exact numbers."""

    why: str


@dataclass(eq=False)
class MediaTypeNotSupported(Invalid):
    """The body must be sent as application/json in UTF-8, without a Content-Encoding."""


async def read_json(
    request: Request, *, size_max: int = BODY_SIZE_MAX, may_be_empty: bool = False
) -> object:
    """
    With `may_be_empty`, no body at all is an empty object, of whatever type it is said to be.

    Raises:
        MediaTypeNotSupported: the content type or an encoding is not ours.
        BodyTooLarge: more than `size_max` bytes, by claim or by count.
        BodyNotJson: anything else.
    """
    body = await read_body(request, size_max=size_max)
    if may_be_empty and not body:
        return {}
    declared = request.headers.getlist("content-type")
    if len(declared) != 1 or not _MEDIA_TYPE.fullmatch(declared[0]):
        raise MediaTypeNotSupported
    return parse_json(body)


async def read_body(request: Request, *, size_max: int) -> bytes:
    """
    The raw bytes, for whoever must check a signature over them. Raises as `read_json`.

    Read once and remembered: an endpoint that is repeated because of a lost race reads again.
    """
    if (known := request.scope.get(BODY)) is not None:
        return bytes(known)
    if "content-encoding" in request.headers:
        raise MediaTypeNotSupported
    # The claim may refuse early; only the count is believed.
    claimed = request.headers.get("content-length", "0")
    if re.fullmatch("[0-9]+", claimed) and (len(claimed) > DIGITS_MAX or int(claimed) > size_max):
        raise BodyTooLarge(size_max)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > size_max:
                raise BodyTooLarge(size_max)
    except ClientDisconnect as error:
        raise BodyNotJson("it ended early") from error
    request.scope[BODY] = bytes(body)
    return bytes(body)


def parse_json(raw: bytes) -> object:
    """
    Strict RFC 8259 from bytes. A number that is a whole one, however it is written (`1.0`, `1e2`),
    comes back as `int`, as JSON Schema counts them; of at most 18 digits.

    Raises:
        BodyNotJson: it says why, without a word of the input.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        # Not chained, here and below: the error of the parser holds the whole body.
        raise BodyNotJson("it is not UTF-8") from None
    _measure(text)
    try:
        value: object = json.loads(
            text,
            parse_int=_integer,
            parse_float=_fraction,
            parse_constant=_constant,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as error:
        raise BodyNotJson(f"{error.msg}, at character {error.pos}") from None
    _check_texts(value)
    return value


def is_storable(text: str) -> bool:
    """Neither NUL, which PostgreSQL refuses, nor half a character, which UTF-8 cannot say."""
    return _UNSTORABLE.search(text) is None


def _measure(text: str) -> None:
    """Count before parsing, since the parser recurses and builds as it goes."""
    depth = keys = 0
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "[" | "{":
                depth += 1
                if depth > DEPTH_MAX:
                    raise BodyNotJson(f"it is nested deeper than {DEPTH_MAX}")
            case "]" | "}":
                depth -= 1
            case ":":
                keys += 1
                if keys > KEYS_MAX:
                    raise BodyNotJson(f"it has more than {KEYS_MAX} keys")


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > DIGITS_MAX:
        raise BodyNotJson(f"a number has more than {DIGITS_MAX} digits")
    return int(digits)


def _fraction(digits: str) -> int | float:
    if not _FRACTION.fullmatch(digits):
        raise BodyNotJson("a number is too long")
    exact = Decimal(digits)
    if abs(exact) >= 10**DIGITS_MAX:
        raise BodyNotJson(f"a number has more than {DIGITS_MAX} digits")
    # Decided on the exact value: as a float, 1.00000000000000000001 would be a whole number.
    return int(exact) if exact == exact.to_integral_value() else float(exact)


def _constant(_: str) -> Never:
    raise BodyNotJson("NaN and Infinity are not JSON")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BodyNotJson("a key is there twice")
    return found


def _check_texts(value: object) -> None:
    match value:
        case str():
            if not is_storable(value):
                raise BodyNotJson("a text holds NUL or half a character")
        case list():
            for item in value:
                _check_texts(item)
        case dict():
            for key, item in value.items():
                _check_texts(key)
                _check_texts(item)
