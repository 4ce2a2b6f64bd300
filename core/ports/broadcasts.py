"""What a store keeps of broadcasts: the message, whom it is for, and whom it was sent."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.domain.broadcast import Audience, Broadcast, BroadcastId, Recipient, RecipientStatus
from core.domain.customer import CustomerId


@dataclass(frozen=True, slots=True)
class Walk:
    """The next of an audience, by id. `cursor`: who was looked at last; None: there was nobody."""

    ids: Sequence[CustomerId]
    cursor: CustomerId | None
    is_end: bool


class BroadcastsRead(Protocol):
    async def get(self, broadcast_id: BroadcastId) -> Broadcast:
        """
        Raises:
            BroadcastNotFound
        """
        ...

    async def page(self, *, limit: int, after: BroadcastId | None = None) -> list[Broadcast]:
        """The newest first (by `created_at`, then id); `after`: older than that one."""
        ...

    async def running(self) -> int:
        """How many are."""
        ...

    async def count(self, audience: Audience) -> Mapping[tuple[str, bool], int]:
        """How many by language, and by whether they take broadcasts."""
        ...

    async def recipients(
        self, broadcast_id: BroadcastId, *, status: RecipientStatus, limit: int
    ) -> list[Recipient]:
        """By the customer's id."""
        ...


class Broadcasts(BroadcastsRead, Protocol):
    async def add(self, broadcast: Broadcast) -> None: ...

    async def lock(self, broadcast_id: BroadcastId) -> Broadcast:
        """
        The one lock of its unit, as `Customers.lock`.

        Raises:
            BroadcastNotFound
        """
        ...

    async def save(self, broadcast: Broadcast) -> None: ...

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[BroadcastId]:
        """As `Subscriptions.take_due`."""
        ...

    async def walk(self, audience: Audience, after: CustomerId | None, *, limit: int) -> Walk:
        """
        Up to `limit` of those who take broadcasts. It looks at so many customers and no more, so
        there may be fewer, or none, long before the end.
        """
        ...

    async def among(self, audience: Audience, ids: Collection[CustomerId]) -> set[CustomerId]:
        """Those of them who belong to it and take broadcasts."""
        ...

    async def waiting(
        self, broadcast_id: BroadcastId, now: datetime, *, limit: int
    ) -> list[CustomerId]:
        """Those whose time has come, the longest waiting first."""
        ...

    async def next_waiting(self, broadcast_id: BroadcastId) -> datetime | None:
        """When the next of them is due."""
        ...

    async def add_recipients(self, recipients: Sequence[Recipient]) -> None:
        """
        Raises:
            SavedMeanwhile: one of them is there already; each is so once.
        """
        ...

    async def save_recipients(self, recipients: Sequence[Recipient]) -> None: ...

    async def forget_recipients(self, before: datetime, *, limit: int) -> int:
        """Drop up to `limit` of what was last written down before then; how many."""
        ...
