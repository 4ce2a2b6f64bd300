"""What Billhook answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Decision:
    """
    Whether it is allowed, and how the quota stands; `limit` None: unlimited. `used` and `limit`
    are of the day, month or period, `packs` is what is left of packs beside it, and `remaining` all
    that can still be used.
    """

    allowed: bool
    used: int
    limit: int | None
    remaining: int | None
    resets_at: datetime
    packs: int = 0


@dataclass(frozen=True, slots=True)
class EndedHold:
    """How a hold ended, and how the quota stands; of the window that the units were taken from."""

    status: str
    captured: int
    used: int
    limit: int | None
    remaining: int | None
    resets_at: datetime
    packs: int = 0


def decision_from_answer(told: Mapping[str, Any]) -> Decision:
    return Decision(told["allowed"], *_counter(told))


def ended_from_answer(told: Mapping[str, Any]) -> EndedHold:
    return EndedHold(told["status"], told["captured"], *_counter(told))


def _counter(told: Mapping[str, Any]) -> tuple[int, int | None, int | None, datetime, int]:
    resets_at = datetime.fromisoformat(told["resets_at"])
    packs = 0 if told.get("packs") is None else told["packs"]["remaining"]
    return told["used"], told["limit"], told["remaining"], resets_at, packs


@dataclass(frozen=True, slots=True)
class Balances:
    """
    What is in a wallet, in minor units by currency. `withdrawable` is cash less what is owed;
    `held` and `escrow` are set aside.
    """

    cash: Mapping[str, int]
    bonus: Mapping[str, int]
    held: Mapping[str, int]
    escrow: Mapping[str, int]
    owed: Mapping[str, int]
    withdrawable: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Purchase:
    """`confirmation_url` is where it is paid; None when it cannot be (any more)."""

    id: str
    status: str
    amount_minor: int
    currency: str
    gateway: str | None
    payment_id: str | None
    confirmation_url: str | None
    expires_at: datetime


def balances_from_answer(told: Mapping[str, Any]) -> Balances:
    names = ("balances", "bonus", "held", "escrow", "owed", "withdrawable")
    return Balances(
        *({one["currency"]: one["amount_minor"] for one in told[name]} for name in names)
    )


def purchase_from_answer(told: Mapping[str, Any]) -> Purchase:
    return Purchase(
        id=told["id"],
        status=told["status"],
        amount_minor=told["amount"]["amount_minor"],
        currency=told["amount"]["currency"],
        gateway=told["gateway"],
        payment_id=told["payment_id"],
        confirmation_url=told["confirmation_url"],
        expires_at=datetime.fromisoformat(told["expires_at"]),
    )
