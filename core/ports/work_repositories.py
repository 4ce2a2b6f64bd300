"""What the store keeps of work: claims, notices, jobs, deliveries; one protocol for each, read and written."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from core.domain.cause import Cause, Claim
from core.domain.delivery import Delivery, DeliveryId, DeliveryStatus
from core.domain.event import ALONE, ClaimedJob, Job
from core.domain.payment import InboxItem, InboxStatus, PaymentId, PayoutId
from core.domain.plan import GatewayName


class Claims(Protocol):
    async def take(self, claim: Claim) -> Claim:
        """
        Write the claim, or return the one that this cause already has, locked until the unit
        ends. Of two units at once the second waits for the first.
        """
        ...

    async def find(self, cause: Cause) -> Claim | None:
        """By scope and key."""
        ...

    async def save(self, claim: Claim) -> None: ...


class InboxRead(Protocol):
    async def find(self, item_id: str) -> InboxItem | None: ...

    async def of_payment(self, gateway: GatewayName, payment_id: PaymentId) -> list[InboxItem]:
        """The oldest first. Reads the whole inbox: for a person who asks, not for a request."""
        ...

    async def not_done(self, status: InboxStatus, *, limit: int) -> list[InboxItem]:
        """Those that failed, or that wait: the oldest first (by `received_at`, then id)."""
        ...


class Inbox(InboxRead, Protocol):
    async def take(self, item: InboxItem) -> InboxItem:
        """Store it, or return the one with the same (gateway, dedupe key), locked as `Claims.take`."""
        ...

    async def save(self, item: InboxItem) -> None: ...

    async def erase_bodies(
        self, about: Collection[tuple[GatewayName, PaymentId | PayoutId]], chat: int | None
    ) -> None:
        """
        What was said of these payments and payouts, and in this chat, is kept no longer, where it
        was dealt with. Reads the whole inbox.
        """
        ...

    async def forget(self, before: datetime, *, limit: int) -> int:
        """Drop up to `limit` that were done with before then and are of kind OTHER; how many."""
        ...


class JobsRead(Protocol):
    async def waiting(self) -> int: ...

    async def oldest(self) -> datetime | None:
        """When the first of those that wait is due, or was; None: none waits."""
        ...

    async def parked(self, *, limit: int) -> list[tuple[ClaimedJob, str]]:
        """Jobs that were given up on, the newest first, each with its last error."""
        ...

    async def about(self, ids: Collection[str]) -> list[tuple[ClaimedJob, bool]]:
        """
        Jobs that name one of these in their payload, in the order of their times (then by id), each
        with whether it was given up on.
        """
        ...

    async def takers(self) -> set[str]:
        """The workers that have jobs, dead ones too."""
        ...


class Jobs(JobsRead, Protocol):
    async def enqueue(self, job: Job) -> None:
        """
        Of two waiting jobs with the same name and `dedupe` one is kept, at the earlier of their
        times, with all its tries again; never an error. It is held until this unit ends and
        starts only then: started before, it would not see what this unit wrote.
        """
        ...

    async def claim(
        self,
        now: datetime,
        *,
        limit: int,
        by: str = ALONE,
        only: Collection[str] | None = None,
        but: Collection[str] = (),
    ) -> list[ClaimedJob]:
        """
        Take jobs that are due, the oldest first: those with a name in `only` (None: any) and not
        in `but`. They are that worker's until they end, or are released since it died. Of what is
        not its own any more, `done`, `retry` and `park` change nothing.
        """
        ...

    async def done(self, job: ClaimedJob) -> None: ...

    async def retry(self, job: ClaimedJob, *, at: datetime, error: str) -> None: ...

    async def park(self, job: ClaimedJob, *, error: str) -> bool:
        """
        Give up on it: kept, shown, and not tried again by itself. Its like that were given up on
        before make way: what is found by time comes again. Whether it was still the worker's.
        """
        ...

    async def drop_parked(self, dedupe: str) -> int:
        """Forget the jobs of this key that were given up on: it is enqueued anew. How many."""
        ...

    async def release(self, by: str = ALONE) -> int:
        """
        Whatever this worker had taken waits again; how much. Only for who holds the exclusive
        right of its name: it is dead then.
        """
        ...


class DeliveriesRead(Protocol):
    async def find(self, delivery_id: DeliveryId) -> Delivery | None: ...

    async def page(
        self, status: DeliveryStatus | None, *, limit: int, after: DeliveryId | None = None
    ) -> list[Delivery]:
        """
        The newest first (by `created_at`, then id); `after`: older than that one, which may not
        be there any more: then nothing.
        """
        ...

    async def delivered_since(self, at: datetime) -> bool:
        """Whether any has been delivered at that moment or after it."""
        ...


class Deliveries(DeliveriesRead, Protocol):
    async def add(self, delivery: Delivery) -> None: ...

    async def save(self, delivery: Delivery) -> None: ...

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[DeliveryId]:
        """As `Subscriptions.take_due`."""
        ...

    async def forget(self, before: datetime, *, limit: int) -> int:
        """Drop up to `limit` that ended before then; how many."""
        ...
