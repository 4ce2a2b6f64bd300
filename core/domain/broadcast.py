"""A broadcast: one message of the operator to many customers, each of whom is sent it at most once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NewType

from core.domain.customer import CustomerId
from core.domain.errors import Conflict, Invalid, NotFound, Refused
from core.domain.plan import PlanCode
from core.domain.subscription import Standing

BroadcastId = NewType("BroadcastId", str)

TEXT_MAX: Final = 4096
"""Telegram's limit of a message, in units of UTF-16."""
URL_MAX: Final = 512
DAYS_MAX: Final = 3650
FALLBACK: Final = "en"
"""Read by whoever's language nobody wrote in; without it, the first text there is."""
_LANGUAGE: Final = re.compile(r"[a-z]{2}", re.ASCII)
RUNNING_MAX: Final = 3
"""At once, so that there is always room for those who tell customers of their own payments."""

RECIPIENTS_KEPT: Final = timedelta(days=90)
"""How long it can be said who was sent what."""


class BroadcastStatus(StrEnum):
    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    DONE = "done"


class BroadcastMove(StrEnum):
    """What an operator does with one."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


class RecipientStatus(StrEnum):
    """`taken` is written before sending; where it stays, nobody knows whether it was sent."""

    WAITING = "waiting"
    TAKEN = "taken"
    SENT = "sent"
    UNREACHABLE = "unreachable"
    FAILED = "failed"
    PASSED_OVER = "passed_over"


@dataclass(eq=False)
class BroadcastNotUsable(Invalid):
    """This message, or those whom it is for, cannot be used as said."""

    problem: str


@dataclass(eq=False)
class BroadcastNotFound(NotFound):
    """No such broadcast."""

    broadcast_id: str


@dataclass(eq=False)
class BroadcastMoved(Conflict):
    """This cannot be done with the broadcast any more, or not yet: see its status."""

    broadcast_status: str


@dataclass(eq=False)
class BroadcastsCrowded(Refused):
    """As many broadcasts as may run at once are running: wait for one, or stop it."""


@dataclass(frozen=True, slots=True)
class Segment:
    """
    Whom it is for: all that is said must hold; nothing said is everybody. `plans`: on one of them
    now. `has_paid`: money was ever taken for something. `expired_days`: what was paid for, or
    tried, ran out in so many last days, and nothing runs now.
    """

    plans: tuple[PlanCode, ...] = ()
    has_paid: bool | None = None
    is_trialing: bool = False
    expired_days: int | None = None
    language: str | None = None
    registered_from: datetime | None = None
    registered_before: datetime | None = None

    def __post_init__(self) -> None:
        if self.expired_days is not None and not 1 <= self.expired_days <= DAYS_MAX:
            raise BroadcastNotUsable(f"days since the end: 1 to {DAYS_MAX}")
        if self.language is not None and not _LANGUAGE.fullmatch(self.language):
            raise BroadcastNotUsable("a language has two small letters, such as en")

    def holds(
        self, standing: Standing, *, has_paid: bool, ended_at: datetime | None, at: datetime
    ) -> bool:
        """`ended_at`: the last known end of what was paid for or tried, also one ahead."""
        customer, present = standing.customer, standing.subscription.at(at)
        if self.plans and standing.plan(at).code not in self.plans:
            return False
        if self.has_paid not in {None, has_paid} or (self.is_trialing and not present.is_trial):
            return False
        if self.language not in {None, customer.language}:
            return False
        if self.expired_days is not None:
            since = at - timedelta(days=self.expired_days)
            if present.period is not None or ended_at is None or not since < ended_at <= at:
                return False
        begin, end = self.registered_from, self.registered_before
        return (begin is None or begin <= customer.created_at) and (
            end is None or customer.created_at < end
        )


@dataclass(frozen=True, slots=True)
class Audience:
    """
    A segment as it is `at` a moment, of those who were there by `registered_by`. Nobody belongs
    to it who has no chat, is not served, or takes no messages.
    """

    segment: Segment
    default_plan: PlanCode
    at: datetime
    registered_by: datetime


@dataclass(frozen=True, slots=True)
class Draft:
    """
    What is to be said to whom. Plain text by language; what looks like an address becomes a link
    by itself. A button leads to a `plan`, or to a `url`, or there is none.
    """

    texts: Mapping[str, str]
    segment: Segment = field(default_factory=Segment)
    plan: PlanCode | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        """
        Raises:
            BroadcastNotUsable
        """
        if not self.texts:
            raise BroadcastNotUsable("no text")
        for language, text in self.texts.items():
            if not _LANGUAGE.fullmatch(language):
                raise BroadcastNotUsable("a language has two small letters, such as en")
            if not text.strip() or "\0" in text:
                raise BroadcastNotUsable(f"the text {language} is empty or not plain")
            if len(text.encode("utf-16-le", "surrogatepass")) // 2 > TEXT_MAX:
                raise BroadcastNotUsable(f"the text {language} is longer than {TEXT_MAX}")
        if self.plan is not None and self.url is not None:
            raise BroadcastNotUsable("one button: to a plan, or to an address")
        if self.url is not None and not _is_usable(self.url):
            raise BroadcastNotUsable("an address begins with https:// and has no spaces")

    def text_for(self, language: str) -> str:
        spoken = language.partition("-")[0].lower()
        return self.texts.get(spoken) or self.texts.get(FALLBACK) or next(iter(self.texts.values()))


@dataclass(frozen=True, slots=True)
class Broadcast:
    """
    `expected` is how many it was for when it was started, and `taken` how many of them it was put
    forward to: what is not `sent`, `unreachable` or `failed` of those is under way, or nobody
    knows. Customers are gone through by id: `cursor` is the last one looked at, None before the
    first; `is_walked`: all of them were, and only those who sleep are left.
    """

    id: BroadcastId
    draft: Draft
    created_at: datetime
    created_by: str
    status: BroadcastStatus = BroadcastStatus.DRAFT
    started_at: datetime | None = None
    ended_at: datetime | None = None
    expected: int = 0
    cursor: CustomerId | None = None
    is_walked: bool = False
    taken: int = 0
    sent: int = 0
    unreachable: int = 0
    failed: int = 0
    next_at: datetime | None = None
    version: int = 0

    @property
    def due_at(self) -> datetime | None:
        return self.next_at if self.status is BroadcastStatus.RUNNING else None

    @property
    def unsure(self) -> int:
        """Being sent just now, or left so by a process that died: never sent again."""
        return self.taken - self.sent - self.unreachable - self.failed

    @property
    def left(self) -> int:
        """About how many are still to come: customers join and leave a segment meanwhile."""
        has_ended = self.status in {BroadcastStatus.DONE, BroadcastStatus.STOPPED}
        return 0 if has_ended else max(0, self.expected - self.taken)

    def moved(self, move: BroadcastMove, *, at: datetime, expected: int = 0) -> "Broadcast":
        """
        What was done already is as it was.

        Raises:
            BroadcastMoved
        """
        begins, wanted = _MOVES[move]
        if self.status is wanted:
            return self
        if self.status not in begins:
            raise BroadcastMoved(self.status)
        moved = replace(self, status=wanted, next_at=at)
        if move is BroadcastMove.START:
            return replace(moved, started_at=at, expected=expected)
        return replace(moved, ended_at=at) if move is BroadcastMove.STOP else moved

    def put_forward(
        self, count: int, cursor: CustomerId | None, *, is_walked: bool, until: datetime
    ) -> "Broadcast":
        """To so many more, by one who has until then to say what became of it."""
        return replace(
            self, taken=self.taken + count, cursor=cursor, is_walked=is_walked, next_at=until
        )

    def noted(self, told: Mapping[RecipientStatus, int]) -> "Broadcast":
        """What became of some who were taken. Those who wait again were not."""
        return replace(
            self,
            taken=self.taken - told.get(RecipientStatus.WAITING, 0),
            sent=self.sent + told.get(RecipientStatus.SENT, 0),
            unreachable=self.unreachable + told.get(RecipientStatus.UNREACHABLE, 0),
            failed=self.failed + told.get(RecipientStatus.FAILED, 0),
        )

    def done(self, *, at: datetime) -> "Broadcast":
        return replace(self, status=BroadcastStatus.DONE, ended_at=at)


@dataclass(frozen=True, slots=True)
class Recipient:
    """One of them. `due_at`: when it is to be sent, while it waits."""

    broadcast_id: BroadcastId
    customer_id: CustomerId
    status: RecipientStatus
    at: datetime
    due_at: datetime | None = None


_MOVES: Final = {
    BroadcastMove.START: ({BroadcastStatus.DRAFT}, BroadcastStatus.RUNNING),
    BroadcastMove.PAUSE: ({BroadcastStatus.RUNNING}, BroadcastStatus.PAUSED),
    BroadcastMove.RESUME: ({BroadcastStatus.PAUSED}, BroadcastStatus.RUNNING),
    BroadcastMove.STOP: (
        {BroadcastStatus.DRAFT, BroadcastStatus.RUNNING, BroadcastStatus.PAUSED},
        BroadcastStatus.STOPPED,
    ),
}


def _is_usable(url: str) -> bool:
    rest = url.removeprefix("https://")
    is_plain = url.isascii() and url.isprintable() and " " not in url
    return url.startswith("https://") and bool(rest.strip("/")) and is_plain and len(url) <= URL_MAX
