"""The updates that Telegram still owes the bot: one queue, told by webhook or fetched."""

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sandbox.deliveries import hold_back, overtake
from sandbox.faults import Faults
from sandbox.telegram.wire import Json

FIRST_UPDATE_ID: Final = 900_000_001
PAUSE_MAX_SECONDS: Final = 60
RETRY_AFTER_MAX_SECONDS: Final = 3600


@dataclass(slots=True)
class Pending:
    """`queue` names what is told in order: one of a queue is under way at a time."""

    id: int
    queue: str
    body: Json
    """The exact JSON to post. Belongs to the queue: do not change it."""
    due_at: datetime
    expires_at: datetime
    place: int
    """Its order; only a fault makes it differ from that of the ids."""
    copies: int = 1
    fails: int = 0
    pause_seconds: int = 1
    waits_for_next: bool = False


@dataclass(slots=True)
class Updates:
    """An update stays until it is delivered, or until its time is over."""

    _pending: dict[int, Pending] = field(default_factory=dict)
    _next_id: int = FIRST_UPDATE_ID

    def add(
        self, kind: str, content: Json, *, queue: str, life: timedelta, at: datetime, faults: Faults
    ) -> int:
        """The id of the update, though a fault may see to it that nobody ever hears of it."""
        update_id = self._next_id
        self._next_id += 1
        for one in overtake(self._pending.values(), at):
            one.place = 2 * update_id + 1
        if not faults.take("drop"):
            one = Pending(
                update_id,
                queue,
                {"update_id": update_id, kind: content},
                due_at=at,
                expires_at=at + life,
                place=2 * update_id,
            )
            self._pending[update_id] = one
            if faults.take("duplicate"):
                one.copies = 2
            if faults.take("reorder"):
                hold_back(one, at)
        return update_id

    def due(self, at: datetime) -> list[Pending]:
        """The first of each queue, if its time has come."""
        self._forget(at)
        heads: dict[str, Pending] = {}
        for one in sorted(self._pending.values(), key=lambda one: one.place):
            if not one.waits_for_next or one.due_at <= at:
                heads.setdefault(one.queue, one)
        return [one for one in heads.values() if one.due_at <= at]

    def delivered(self, update_id: int) -> None:
        one = self._pending.get(update_id)
        if one is not None:
            one.copies -= 1
            one.fails, one.pause_seconds = 0, 1
            if not one.copies:
                del self._pending[update_id]

    def failed(self, update_id: int, *, at: datetime, retry_after: int = 0) -> None:
        """Again at once, then after 2, 4, 8 ... 60 seconds, or when the receiver asks for it."""
        one = self._pending.get(update_id)
        if one is None:
            return
        pause = min(max(retry_after, 0), RETRY_AFTER_MAX_SECONDS)
        if not pause and one.fails:
            one.pause_seconds = min(2 * one.pause_seconds, PAUSE_MAX_SECONDS)
            pause = one.pause_seconds
        one.fails += 1
        one.due_at = at + timedelta(seconds=pause)
        one.waits_for_next = False
        if one.due_at > one.expires_at:
            del self._pending[update_id]

    def fetched(self, offset: int, limit: int, *, at: datetime) -> list[Json]:
        """
        What `getUpdates` tells. An offset confirms everything before it; a negative one forgets
        all but the last so many.
        """
        self._forget(at)
        if offset < 0:
            for update_id in sorted(self._pending)[:offset]:
                del self._pending[update_id]
        elif offset > 0:
            for update_id in [known for known in self._pending if known < offset]:
                self.delivered(update_id)
        return [self._pending[update_id].body for update_id in sorted(self._pending)[:limit]]

    def count(self, at: datetime) -> int:
        self._forget(at)
        return len(self._pending)

    def clear(self) -> None:
        self._pending.clear()

    def snapshot(self) -> Json:
        return {
            "next_id": self._next_id,
            "pending": [asdict(one) for one in self._pending.values()],
        }

    def restore(self, state: Json) -> None:
        self._next_id = state["next_id"]
        for raw in state["pending"]:
            times: dict[str, Any] = {
                name: datetime.fromisoformat(raw[name]) for name in ("due_at", "expires_at")
            }
            self._pending[raw["id"]] = Pending(**raw | times)

    def _forget(self, at: datetime) -> None:
        for update_id in [one.id for one in self._pending.values() if one.expires_at < at]:
            del self._pending[update_id]
