"""A delivery: one thing that the business's own system is told, tried until it hears of it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NewType

from core.domain.errors import NotFound

DeliveryId = NewType("DeliveryId", str)

DELIVERY_LIFE: Final = timedelta(days=40)
"""How long it is kept after its end: longer than any window that something is told once in."""

WAITS: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""After each try that failed, as Standard Webhooks has it: ten tries within some three days."""

ASKED_WAIT_MAX: Final = timedelta(hours=24)
"""Nobody who answers makes us wait for longer, whatever they ask for."""


class DeliveryStatus(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"  # Nobody tries it again by itself.


@dataclass(eq=False)
class DeliveryNotFound(NotFound):
    """No such delivery; those that ended are kept for forty days."""

    delivery_id: str


@dataclass(frozen=True, slots=True)
class Reply:
    """
    What came back: a status, or (None) nothing that is an answer. `said` tells it in a word, and
    holds nothing of the answer itself, which may hold anything.
    """

    status: int | None
    said: str
    wait: timedelta = timedelta()

    @property
    def is_yes(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """410: whoever was told there is there no more, and says so."""
        return self.status == 410


@dataclass(frozen=True, slots=True)
class Delivery:
    """
    `id` is its `webhook-id` and `body` what is sent, both the same at every try. `event` is what
    it tells of, `host` whom. `attempts` counts the tries since it was last begun, `answer` is what
    the last one heard, or why there was none.
    """

    id: DeliveryId
    event: str
    host: str
    body: str
    created_at: datetime
    status: DeliveryStatus = DeliveryStatus.WAITING
    attempts: int = 0
    answer: str | None = None
    due_at: datetime | None = None
    ended_at: datetime | None = None
    version: int = 0

    def replied(self, reply: Reply, *, at: datetime) -> "Delivery":
        """It was tried, and this is what came back: delivered, given up, or tried again later."""
        tried = replace(self, attempts=self.attempts + 1, answer=reply.said)
        if reply.is_yes:
            return replace(tried, status=DeliveryStatus.DELIVERED, due_at=None, ended_at=at)
        if reply.is_gone or self.attempts >= len(WAITS):
            return tried.given_up(reply.said, at=at)
        wait = WAITS[self.attempts]
        # Spread by its own id over a tenth more, so that what failed together comes apart.
        wait += wait * int(self.id[-4:], 16) // (10 * 0xFFFF)
        return tried.postponed(at + max(wait, min(reply.wait, ASKED_WAIT_MAX)))

    def given_up(self, why: str, *, at: datetime) -> "Delivery":
        return replace(self, status=DeliveryStatus.FAILED, answer=why, due_at=None, ended_at=at)

    def postponed(self, until: datetime) -> "Delivery":
        return replace(self, due_at=until)

    def begun_again(self, host: str, *, until: datetime) -> "Delivery":
        """As if it had just come to be, with all its tries; a job has it in hand `until` then."""
        return replace(
            self,
            host=host,
            status=DeliveryStatus.WAITING,
            attempts=0,
            due_at=until,
            ended_at=None,
        )
