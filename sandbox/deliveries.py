"""The queue of notifications that a gateway still owes its shop, as data without network."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

from sandbox.faults import Faults

OVERTAKEN_BY: Final = timedelta(seconds=0.5)
"""A reordered notification follows the next one by this much."""
OVERTAKEN_WITHIN: Final = timedelta(seconds=5)
"""With no next one, it goes out alone after this."""


class Delayable(Protocol):
    due_at: datetime
    waits_for_next: bool


Delayed = TypeVar("Delayed", bound=Delayable)


def hold_back(one: Delayable, at: datetime) -> None:
    """The fault `reorder`: the next one is to overtake it."""
    one.due_at, one.waits_for_next = at + OVERTAKEN_WITHIN, True


def overtake(waiting: Iterable[Delayed], at: datetime) -> list[Delayed]:
    """The next one is here: those that were held back for it, which now follow it."""
    overtaken = [one for one in waiting if one.waits_for_next]
    for one in overtaken:
        one.due_at, one.waits_for_next = at + OVERTAKEN_BY, False
    return overtaken


@dataclass(slots=True)
class Notification:
    id: int
    body: dict[str, Any]
    """The exact JSON to post. Belongs to the queue: do not change it."""
    due_at: datetime
    gives_up_at: datetime | None
    """None where the tries are counted instead."""
    tries: int = 0
    waits_for_next: bool = False


@dataclass(slots=True)
class Deliveries:
    """
    Each notification stays until it is delivered or given up.

    `pauses` lie between one try and the next. With `keeps_trying` the last one repeats until so
    much has passed since the notification was made; without it there is one try more than pauses,
    however late each of them comes.
    """

    pauses: Sequence[timedelta]
    keeps_trying: timedelta | None = None
    _waiting: dict[int, Notification] = field(default_factory=dict)
    _last_id: int = 0

    def add(self, body: dict[str, Any], *, at: datetime, faults: Faults) -> None:
        overtake(self._waiting.values(), at)
        if not faults.take("drop"):
            self._put(body, at)
            if faults.take("duplicate"):
                self._put(body, at)
            if faults.take("reorder"):
                hold_back(self._waiting[self._last_id], at)

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
        is_over = (
            one.tries > len(self.pauses)
            if one.gives_up_at is None
            else one.due_at > one.gives_up_at
        )
        return self._waiting.pop(notification_id) if is_over else None

    def snapshot(self) -> list[dict[str, Any]]:
        return [asdict(one) for one in self._waiting.values()]

    def restore(self, notifications: list[dict[str, Any]]) -> None:
        for raw in notifications:
            times = {name: raw[name] for name in ("due_at", "gives_up_at") if raw[name]}
            one = Notification(
                **raw | {name: datetime.fromisoformat(at) for name, at in times.items()}
            )
            self._waiting[one.id] = one
            self._last_id = max(self._last_id, one.id)

    def _put(self, body: dict[str, Any], at: datetime) -> None:
        self._last_id += 1
        gives_up_at = None if self.keeps_trying is None else at + self.keeps_trying
        self._waiting[self._last_id] = Notification(self._last_id, body, at, gives_up_at)
