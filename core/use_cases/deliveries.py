"""Deliveries: tell the business's own system what happened, try again, and let a person see to it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from core.domain.audit import Deed, line_of
from core.domain.case import Case, CaseKind
from core.domain.delivery import (
    Delivery,
    DeliveryId,
    DeliveryNotFound,
    DeliveryStatus,
    Reply,
)
from core.domain.errors import Refused
from core.domain.event import Job
from core.ports.notifier import Webhooks
from core.ports.unit_of_work import NewId, Now, Store, View
from core.use_cases.announcements import DELIVER_WEBHOOK, Announcement, announcements

AT_ONCE_MAX: Final = 4
"""Under way from one process: who answers slowly leaves room for those who tell customers."""
CROWDED: Final = timedelta(minutes=1)
LEASE: Final = timedelta(minutes=2)
"""A try that died with its process is made again after this long."""


@dataclass(eq=False)
class WebhooksOff(Refused):
    """No system of the business is told anything: set BILLHOOK_WEBHOOK_URL."""


@dataclass(eq=False)
class WebhooksPaused(Refused):
    """Webhooks are paused by this case: see to it and close it, then they are sent again."""

    cause: str


@dataclass(frozen=True, slots=True)
class EventRef:
    """Where an event is found in the history."""

    name: str
    subject: str
    at: datetime


class DeliverWebhook:
    """
    One try of a delivery, which is written down by the first. What is told is frozen with it, so
    all tries are alike; the receiver knows a repeat by its id. No order is promised.

    The last try that fails ends it. Where nothing at all was delivered meanwhile, or the receiver
    says that it is gone, a case pauses everything: what would be sent fails at once, until a
    person closes the case. Nothing is lost by that: what failed can be replayed.
    """

    def __init__(self, store: Store, webhooks: Webhooks, now: Now) -> None:
        self._store = store
        self._webhooks = webhooks
        self._now = now
        self._under_way = 0

    async def __call__(self, delivery_id: DeliveryId, ref: EventRef | None = None) -> None:
        """`ref` is needed where the delivery may not be written down yet."""
        async with self._store.read() as view:
            known = await view.deliveries.find(delivery_id)
            told = None if known or ref is None else await _found(view, delivery_id, ref)
            paused = await _pausing(view)
        host = self._webhooks.host
        if known is None and told is not None and host is not None:
            known = told.delivery(host, due_at=self._now() + LEASE)
            async with self._store.write() as uow:
                await uow.deliveries.add(known)
                await uow.commit()
        if known is None or known.status is not DeliveryStatus.WAITING:
            return
        if host is None or paused is not None:
            why = "paused" if host else "switched off"
            await self._save(known.given_up(why, at=self._now()))
        elif self._under_way >= AT_ONCE_MAX:
            await self._save(known.postponed(self._now() + CROWDED))
        else:
            await self._try(replace(known, host=host))

    async def _try(self, delivery: Delivery) -> None:
        self._under_way += 1
        try:
            reply = await self._webhooks.send(delivery)
        finally:
            self._under_way -= 1
        at = self._now()
        after = delivery.replied(reply, at=at)
        case = None
        if after.status is DeliveryStatus.FAILED and await self._is_dead(after, reply):
            cause = f"webhooks {after.id} {at.isoformat()}"
            told = {"host": after.host, "delivery_id": after.id, "answer": reply.said}
            case = Case(f"case {cause}", CaseKind.WEBHOOKS, cause, at, told)
        await self._save(after, case)

    async def _is_dead(self, failed: Delivery, reply: Reply) -> bool:
        """Whether the receiver takes nothing, rather than not this; and nobody is told of it yet."""
        async with self._store.read() as view:
            return await _pausing(view) is None and (
                reply.is_gone or not await view.deliveries.delivered_since(failed.created_at)
            )

    async def _save(self, delivery: Delivery, case: Case | None = None) -> None:
        async with self._store.write() as uow:
            await uow.deliveries.save(delivery)
            if case is not None:
                await uow.open_case(case)
            await uow.commit()


class ShowDeliveries:
    """What the business's own system was told, or is still to be, the newest first."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(
        self,
        *,
        limit: int,
        after: DeliveryId | None = None,
        status: DeliveryStatus | None = None,
    ) -> list[Delivery]:
        async with self._store.read() as view:
            return await view.deliveries.page(status, limit=limit, after=after)


class ReplayDelivery:
    """Tell it once more, with all its tries: the same body, under the same id."""

    def __init__(self, store: Store, webhooks: Webhooks, now: Now) -> None:
        self._store = store
        self._webhooks = webhooks
        self._now = now

    async def __call__(self, delivery_id: DeliveryId, *, deed: Deed) -> Delivery:
        """
        Raises:
            DeliveryNotFound, WebhooksOff, WebhooksPaused
        """
        async with self._store.read() as view:
            delivery = await view.deliveries.find(delivery_id)
            paused = await _pausing(view)
        if delivery is None:
            raise DeliveryNotFound(delivery_id)
        if self._webhooks.host is None:
            raise WebhooksOff
        if paused is not None:
            raise WebhooksPaused(paused.cause)
        async with self._store.write() as uow:
            at = self._now()
            again = delivery.begun_again(self._webhooks.host, until=at + LEASE)
            await uow.deliveries.save(again)
            await uow.jobs.drop_parked(delivery.id)
            payload = {"delivery_id": delivery.id}
            await uow.jobs.enqueue(Job(DELIVER_WEBHOOK, payload, at, dedupe=delivery.id))
            await uow.audit(line_of(deed, "delivery.replay", delivery.id, at=at))
            await uow.commit()
        return again


class TryWebhook:
    """Send something that means nothing, to see what comes back. It is kept nowhere."""

    def __init__(self, webhooks: Webhooks, now: Now, new_id: NewId) -> None:
        self._webhooks = webhooks
        self._now = now
        self._new_id = new_id

    async def __call__(self) -> Reply:
        """
        Raises:
            WebhooksOff
        """
        host, at = self._webhooks.host, self._now()
        if host is None:
            raise WebhooksOff
        test = Announcement("webhook.test", at, {}, self._new_id("test"))
        return await self._webhooks.send(test.delivery(host, due_at=at))


async def _found(view: View, delivery_id: DeliveryId, ref: EventRef) -> Announcement | None:
    """None: this version does not tell that any more."""
    told = (
        one
        for event in await view.history(ref.subject, at=ref.at)
        if event.name == ref.name
        for one in announcements(event)
        if one.id == delivery_id
    )
    return next(told, None)


async def _pausing(view: View) -> Case | None:
    """The open case that pauses webhooks."""
    return next(iter(await view.open_cases(limit=1, kind=CaseKind.WEBHOOKS)), None)
