"""The memory store's broadcasts, and whom each was sent."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from adapters.persistence.memory.repositories import Dated, find_standing
from core.domain.broadcast import (
    Audience,
    Broadcast,
    BroadcastId,
    BroadcastNotFound,
    BroadcastStatus,
    Recipient,
    RecipientStatus,
)
from core.domain.customer import Customer, CustomerId
from core.domain.purchase import PAID
from core.ports.broadcasts import Walk
from core.ports.unit_of_work import SavedMeanwhile

SCAN: Final = 50
"""So few are looked at in one walk that tests see where one ends."""


class MemoryBroadcasts(Dated):
    async def get(self, broadcast_id: BroadcastId) -> Broadcast:
        await self._unit.called()
        found = self._unit.get(self._tables.broadcasts, broadcast_id)
        if found is None:
            raise BroadcastNotFound(broadcast_id[:64])
        return found

    async def lock(self, broadcast_id: BroadcastId) -> Broadcast:
        await self.get(broadcast_id)
        locked = await self._unit.lock(self._tables.broadcasts, broadcast_id)
        assert locked is not None, "broadcasts are never deleted"
        return locked

    async def page(self, *, limit: int, after: BroadcastId | None = None) -> list[Broadcast]:
        await self._unit.called()
        found = [it for _, it in self._unit.all(self._tables.broadcasts)]
        if after is not None:
            last = self._unit.get(self._tables.broadcasts, after)
            found = [it for it in found if last is not None and _place(it) < _place(last)]
        return sorted(found, key=_place, reverse=True)[:limit]

    async def running(self) -> int:
        await self._unit.called()
        all_of_them = self._unit.all(self._tables.broadcasts)
        return sum(it.status is BroadcastStatus.RUNNING for _, it in all_of_them)

    async def add(self, broadcast: Broadcast) -> None:
        await self._unit.called()
        await self._unit.add(self._tables.broadcasts, broadcast.id, broadcast)
        await self._put_due(self._tables.broadcasts, broadcast.id, broadcast.due_at)

    async def save(self, broadcast: Broadcast) -> None:
        await self._unit.called()
        await self._unit.save(self._tables.broadcasts, broadcast.id, broadcast)
        await self._put_due(self._tables.broadcasts, broadcast.id, broadcast.due_at)

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[BroadcastId]:
        return await self._take_due(self._tables.broadcasts, now, until, limit)

    async def count(self, audience: Audience) -> Mapping[tuple[str, bool], int]:
        await self._unit.called()
        counts: dict[tuple[str, bool], int] = {}
        for _, customer in self._unit.all(self._tables.customers):
            if self._belongs(audience, customer):
                place = customer.language, customer.takes_broadcasts
                counts[place] = counts.get(place, 0) + 1
        return counts

    async def walk(self, audience: Audience, after: CustomerId | None, *, limit: int) -> Walk:
        await self._unit.called()
        customers = dict(self._unit.all(self._tables.customers))
        following = sorted(id_ for id_ in customers if after is None or id_ > after)
        seen, found = following[:SCAN], []
        for id_ in seen:
            if customers[id_].takes_broadcasts and self._belongs(audience, customers[id_]):
                found.append(id_)
            if len(found) == limit:
                return Walk(found, id_, is_end=id_ == following[-1])
        return Walk(found, seen[-1] if seen else None, is_end=len(following) <= SCAN)

    async def among(self, audience: Audience, ids: Collection[CustomerId]) -> set[CustomerId]:
        await self._unit.called()
        found = ((id_, self._unit.get(self._tables.customers, id_)) for id_ in ids)
        return {
            id_
            for id_, customer in found
            if customer is not None
            and customer.takes_broadcasts
            and self._belongs(audience, customer)
        }

    def _belongs(self, audience: Audience, customer: Customer) -> bool:
        is_away = customer.unreachable_since is not None or not customer.is_served
        if customer.telegram_id is None or is_away:
            return False
        standing = find_standing(self._tables, self._unit, customer.id)
        if standing is None or customer.created_at > audience.registered_by:
            return False
        purchases = self._unit.find(self._tables.purchases, "customer", customer.id)
        reminder = self._unit.get(self._tables.reminders, customer.id)
        return audience.segment.holds(
            standing,
            has_paid=any(it.status in PAID for _, it in purchases),
            ended_at=None if reminder is None else reminder.ends_at,
            at=audience.at,
        )

    async def recipients(
        self, broadcast_id: BroadcastId, *, status: RecipientStatus, limit: int
    ) -> list[Recipient]:
        await self._unit.called()
        found = [it for it in self._of(broadcast_id) if it.status is status]
        return sorted(found, key=lambda it: it.customer_id)[:limit]

    async def waiting(
        self, broadcast_id: BroadcastId, now: datetime, *, limit: int
    ) -> list[CustomerId]:
        await self._unit.called()
        due = sorted(
            (it.due_at, it.customer_id)
            for it in self._of(broadcast_id)
            if it.due_at is not None and it.due_at <= now
        )
        return [id_ for _, id_ in due[:limit]]

    async def next_waiting(self, broadcast_id: BroadcastId) -> datetime | None:
        await self._unit.called()
        moments = (it.due_at for it in self._of(broadcast_id) if it.due_at is not None)
        return min(moments, default=None)

    async def add_recipients(self, recipients: Sequence[Recipient]) -> None:
        await self._unit.called()
        for one in recipients:
            place = one.broadcast_id, one.customer_id
            if await self._unit.lock(self._tables.recipients, place) is not None:
                raise SavedMeanwhile(one.customer_id)
            await self._unit.put(self._tables.recipients, place, one)

    async def save_recipients(self, recipients: Sequence[Recipient]) -> None:
        await self._unit.called()
        for one in recipients:
            place = one.broadcast_id, one.customer_id
            await self._unit.put(self._tables.recipients, place, one)

    async def forget_recipients(self, before: datetime, *, limit: int) -> int:
        await self._unit.called()
        old = [key for key, it in self._unit.all(self._tables.recipients) if it.at < before]
        for key in old[:limit]:
            await self._unit.put(self._tables.recipients, key, None)
        return len(old[:limit])

    def _of(self, broadcast_id: BroadcastId) -> list[Recipient]:
        return [it for _, it in self._unit.find(self._tables.recipients, "broadcast", broadcast_id)]


def _place(broadcast: Broadcast) -> tuple[datetime, str]:
    return broadcast.created_at, broadcast.id
