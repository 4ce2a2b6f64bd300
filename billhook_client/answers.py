"""What Billhook answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether it is allowed, and how the quota stands; `limit` None: unlimited."""

    allowed: bool
    used: int
    limit: int | None
    remaining: int | None
    resets_at: datetime


@dataclass(frozen=True, slots=True)
class EndedHold:
    """How a hold ended, and how the quota stands; of the window that the units were taken from."""

    status: str
    captured: int
    used: int
    limit: int | None
    remaining: int | None
    resets_at: datetime


def decision_from_answer(told: Mapping[str, Any]) -> Decision:
    return Decision(told["allowed"], *_counter(told))


def ended_from_answer(told: Mapping[str, Any]) -> EndedHold:
    return EndedHold(told["status"], told["captured"], *_counter(told))


def _counter(told: Mapping[str, Any]) -> tuple[int, int | None, int | None, datetime]:
    resets_at = datetime.fromisoformat(told["resets_at"])
    return told["used"], told["limit"], told["remaining"], resets_at
