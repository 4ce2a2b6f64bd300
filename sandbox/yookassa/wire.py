"""The words of YooKassa API v3 on the wire: calls and answers, amounts, times, ids."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

Json = dict[str, Any]

IDS_COUNT_FROM: Final = datetime(2000, 1, 1, 12, tzinfo=UTC)
"""The first eight digits of an id look like seconds since this moment."""


@dataclass(frozen=True, slots=True)
class Shop:
    shop_id: str
    secret: str = field(repr=False)
    test: bool = True
    currency: str = "RUB"
    gateway_id: str = "100700"
    receipt_required: bool = False
    """Fiscalisation is on: a payment without a right receipt is refused."""
    recurring_allowed: bool = True
    """Off: a call that saves or charges a saved method is refused with 403."""
    refunds_wait: bool = False
    """Refunds answer `pending`, and end by `finish_refund` or `reject_refund`."""
    pays_out: bool = False
    """It is a gateway of payouts, which takes no payments; all others pay nothing out."""
    balance_minor: int = 98_000_00
    """What a gateway of payouts had before its first one."""

    @property
    def payment_methods(self) -> tuple[str, ...]:
        """A test shop has no SBP (YooKassa docs, Testing)."""
        return ("bank_card", "yoo_money") if self.test else ("bank_card", "yoo_money", "sbp")


@dataclass(frozen=True, slots=True)
class Call:
    method: str
    path: str
    """Below `/v3`, such as `/payments`."""
    shop_id: str | None = None
    secret: str | None = field(default=None, repr=False)
    """Of the Basic credentials; None where they were absent or unreadable."""
    key: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    """The parsed JSON; an empty object for no body at all, None for what is not JSON."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Json
    slow: bool = False
    lost: bool = False
    """Acted, but the caller must not hear of it."""


@dataclass(eq=False)
class Refused(Exception):
    """YooKassa refuses the call. The texts are those seen in real traffic."""

    status: int
    code: str
    description: str
    parameter: str | None = None
    retry_after: int | None = None
    """Milliseconds."""

    def body(self, error_id: str) -> Json:
        body: Json = {
            "type": "error",
            "id": error_id,
            "code": self.code,
            "description": self.description,
            "parameter": self.parameter,
            "retry_after": self.retry_after,
        }
        return {name: value for name, value in body.items() if value is not None}


def invalid(parameter: str, description: str = "Invalid parameter") -> Refused:
    return Refused(400, "invalid_request", description, parameter)


def not_found(what: str) -> Refused:
    return Refused(404, "not_found", f"{what} not found or forbidden")


def minor_from_value(value: object) -> int | None:
    """Hundredths from "990.00"; None for what is not a plain decimal string."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,2})?", value):
        return None
    whole, _, part = value.partition(".")
    return int(whole) * 100 + int(part.ljust(2, "0"))


def value_from_minor(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


def money(minor: int, currency: str) -> Json:
    return {"value": value_from_minor(minor), "currency": currency}


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def object_id(kind: str, *, digits: str, at: datetime) -> str:
    """`kind`: `000f` of a payment, `0015` a refund, `0003` a payout; `digits` must not repeat."""
    seconds = int((at - IDS_COUNT_FROM).total_seconds()) & 0xFFFFFFFF
    return f"{seconds:08x}-{kind}-5000-8000-{digits[:12]}"


def digits_of(seed: int, count: int) -> str:
    """Hexadecimal digits that look like chance and are the same in every run."""
    return sha256(f"{seed}:{count}".encode()).hexdigest()
