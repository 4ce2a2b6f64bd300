"""Mini App sign-in: what Telegram's client says about its user, proven by the bot's token."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl

from adapters.http.json_reader import parse_json
from core.domain.errors import BillingError, Invalid

LENGTH_MAX: Final = 8192
FUTURE_MAX: Final = timedelta(seconds=60)
USER_ID_MAX: Final = 2**52 - 1

_NAME = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SECONDS = re.compile(r"[1-9][0-9]{0,10}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f]")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}", re.ASCII)
_START_PARAM = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_QUERY_ID = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)


@dataclass(eq=False)
class InitDataNotTrusted(Invalid):
    """The sign-in data was not made by Telegram for this bot, or names no user."""


@dataclass(eq=False)
class InitDataTooOld(Invalid):
    """The sign-in data is too old; please reopen the app."""


@dataclass(frozen=True, slots=True)
class InitData:
    """
    Whatever is not in its expected form is None, since the client's start link is anybody's.
    `proof` stands for the data as signed: the same however it is escaped or ordered.
    """

    user_id: int
    proof: str
    auth_date: datetime
    language_code: str | None
    start_param: str | None
    query_id: str | None


def read_init_data(raw: str, *, bot_token: str, now: datetime, max_age: timedelta) -> InitData:
    """
    Prove and read the `initData` string (Telegram docs, Validating data received via the Mini App).

    Raises:
        InitDataNotTrusted: forged, malformed, from the future, or without a user.
        InitDataTooOld: genuine, but older than `max_age`.
    """
    fields = _fields(raw)
    claimed = fields.pop("hash", "")
    # An empty token would let anybody sign.
    if not bot_token or not _HASH.fullmatch(claimed):
        raise InitDataNotTrusted
    if not hmac.compare_digest(init_data_hash(fields, bot_token).encode(), claimed.encode()):
        raise InitDataNotTrusted
    seconds = fields.get("auth_date", "")
    if not _SECONDS.fullmatch(seconds):
        raise InitDataNotTrusted
    auth_date = datetime.fromtimestamp(int(seconds), UTC)
    if auth_date > now + FUTURE_MAX:
        raise InitDataNotTrusted
    if now - auth_date > max_age:
        raise InitDataTooOld
    user_id, language = _user(fields.get("user", ""))
    return InitData(
        user_id=user_id,
        proof=hashlib.sha256(claimed.encode()).hexdigest(),
        auth_date=auth_date,
        language_code=_if_matches(_LANGUAGE, language),
        start_param=_if_matches(_START_PARAM, fields.get("start_param")),
        query_id=_if_matches(_QUERY_ID, fields.get("query_id")),
    )


def init_data_hash(fields: Mapping[str, str], bot_token: str) -> str:
    """
    The hash over all fields but `hash`, sorted, their values decoded and otherwise verbatim.
    `signature`, which third parties verify, stays in, as live clients and aiogram have it.
    """
    key = hmac.digest(b"WebAppData", bot_token.encode(), hashlib.sha256)
    text = "\n".join(f"{name}={value}" for name, value in sorted(fields.items()))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _fields(raw: str) -> dict[str, str]:
    if len(raw) > LENGTH_MAX:
        raise InitDataNotTrusted
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, strict_parsing=True, errors="strict")
        raw.encode()
    except ValueError:
        raise InitDataNotTrusted from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InitDataNotTrusted
    # A line break in a value, or "=" in a name, would make two readings of one signed text.
    if not all(_NAME.fullmatch(name) for name in fields) or any(
        _CONTROL.search(value) for value in fields.values()
    ):
        raise InitDataNotTrusted
    return fields


def _user(text: str) -> tuple[int, object]:
    try:
        user = parse_json(text.encode())
    except BillingError as error:
        raise InitDataNotTrusted from error
    match user:
        # `int()` would let a bool through.
        case {"id": user_id, **rest} if type(user_id) is int and 1 <= user_id <= USER_ID_MAX:
            return user_id, rest.get("language_code")
        case _:
            raise InitDataNotTrusted


def _if_matches(form: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and form.fullmatch(value) else None
