"""The queue of notifications that a gateway still owes its shop, as data without network."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sandbox.faults import Faults

OVERTAKEN_BY: Final = timedelta(seconds=0.5)
"""A reordered notification follows the next one by this much."""
OVERTAKEN_WITHIN: Final = timedelta(seconds=5)
"""With no next one, it goes out alone after this."""


@dataclass(slots=True)
class Notification:
    id: int
    body: dict[str, Any]
    """The exact JSON to post. Belongs to the queue: do not change it."""
    due_at: datetime
    gives_up_at: datetime
    tries: int = 0
    waits_for_next: bool = False


@dataclass(slots=True)
class Deliveries:
    """
    Each notification stays until it is delivered or its time is over.

    `pauses` lie between one try and the next; the last one repeats until `keeps_trying` has
    passed since the notification was made.
    """

    pauses: Sequence[timedelta]
    keeps_trying: timedelta
    _waiting: dict[int, Notification] = field(default_factory=dict)
    _last_id: int = 0

    def add(self, body: dict[str, Any], *, at: datetime, faults: Faults) -> None:
        overtaken = [one for one in self._waiting.values() if one.waits_for_next]
        if not faults.take("drop"):
            self._put(body, at)
            if faults.take("duplicate"):
                self._put(body, at)
            if faults.take("reorder"):
                late = self._waiting[self._last_id]
                late.due_at, late.waits_for_next = at + OVERTAKEN_WITHIN, True
        for one in overtaken:
            one.due_at, one.waits_for_next = at + OVERTAKEN_BY, False

    def due(self, at: datetime) -> list[Notification]:
        found = [one for one in self._waiting.values() if one.due_at <= at]
        return sorted(found, key=lambda one: (one.due_at, one.id))

    def next_at(self) -> datetime | None:
        return min((one.due_at for one in self._waiting.values()), default=None)

    def delivered(self, notification_id: int) -> None:
        self._waiting.pop(notification_id, None)

    def failed(self, notification_id: int, *, at: datetime) -> Notification | None:
        """The notification, if it is given up: nobody will be told any more."""
        one = self._waiting.get(notification_id)
        if one is None:
            return None
        one.due_at = at + self.pauses[min(one.tries, len(self.pauses) - 1)]
        one.tries += 1
        one.waits_for_next = False
        if one.due_at <= one.gives_up_at:
            return None
        return self._waiting.pop(notification_id)

    def snapshot(self) -> list[dict[str, Any]]:
        return [asdict(one) for one in self._waiting.values()]

    def restore(self, notifications: list[dict[str, Any]]) -> None:
        times = ("due_at", "gives_up_at")
        for raw in notifications:
            one = Notification(**raw | {name: datetime.fromisoformat(raw[name]) for name in times})
            self._waiting[one.id] = one
            self._last_id = max(self._last_id, one.id)

    def _put(self, body: dict[str, Any], at: datetime) -> None:
        self._last_id += 1
        self._waiting[self._last_id] = Notification(
            self._last_id, body, due_at=at, gives_up_at=at + self.keeps_trying
        )
