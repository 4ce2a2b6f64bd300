"""Broadcasts: write one, look whom it would reach, start and stop it, and send it bit by bit."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from core.domain.audit import Deed, line_of
from core.domain.broadcast import (
    RUNNING_MAX,
    Audience,
    Broadcast,
    BroadcastId,
    BroadcastMove,
    BroadcastNotUsable,
    BroadcastsCrowded,
    BroadcastStatus,
    Draft,
    Recipient,
    RecipientStatus,
)
from core.domain.catalog import Catalog
from core.domain.cause import Cause, claim
from core.domain.errors import Unavailable
from core.domain.event import Job
from core.domain.subscription import Standing
from core.domain.switch import SwitchName
from core.ports.notifier import (
    CustomerUnreachable,
    Letter,
    LetterRefused,
    Notifier,
    NotifierUnavailable,
    SentTooFast,
)
from core.ports.unit_of_work import NewId, Now, Store, UnitOfWork
from core.use_cases.consequences import SEND_BROADCAST
from core.use_cases.news import mark_reach

BATCH: Final = 25
"""So many are put forward at a time: a pause, a stop or the switch waits no longer than for these."""
LEASE: Final = timedelta(minutes=5)
"""A batch that died with its process is followed by the next one after this long."""
OFF_FOR: Final = timedelta(minutes=1)
AWAY_FOR: Final = timedelta(minutes=1)
"""How long nothing is sent after an answer that we did not understand, or never got."""


@dataclass(frozen=True, slots=True)
class Preview:
    """How many it would reach now, by language, and how many more of them asked not to be sent any."""

    by_language: dict[str, int]
    declined: int

    @property
    def total(self) -> int:
        return sum(self.by_language.values())


class CreateBroadcast:
    """Write one down, once per cause. Nobody is sent anything before it is started."""

    def __init__(self, store: Store, now: Now, new_id: NewId) -> None:
        self._store = store
        self._now = now
        self._new_id = new_id

    async def __call__(self, draft: Draft, *, deed: Deed, cause: Cause) -> Broadcast:
        """
        Raises:
            BroadcastNotUsable: also of a plan that is not in the catalog.
            KeyUsedOtherwise
        """
        async with self._store.write() as uow:
            at = self._now()
            fresh = claim(cause, self._new_id("brd"), at=at)
            taken = await uow.claims.take(fresh)
            if taken.subject != fresh.subject:
                taken.taken_again(cause, at=taken.leased_until)
                return await uow.broadcasts.get(BroadcastId(taken.subject))
            _require_known(draft, await uow.catalogs.current())
            broadcast = Broadcast(BroadcastId(fresh.subject), draft, at, deed.actor)
            await uow.broadcasts.add(broadcast)
            await uow.audit(line_of(deed, "broadcast.create", broadcast.id, at=at))
            await uow.claims.save(taken.answered(broadcast.id))
            await uow.commit()
        return broadcast


class ShowBroadcasts:
    """Those there are, how far they have come, and whom they would reach."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def page(self, *, limit: int, after: BroadcastId | None = None) -> list[Broadcast]:
        """The newest first."""
        async with self._store.read() as view:
            return await view.broadcasts.page(limit=limit, after=after)

    async def one(self, broadcast_id: BroadcastId) -> Broadcast:
        """
        Raises:
            BroadcastNotFound
        """
        async with self._store.read() as view:
            return await view.broadcasts.get(broadcast_id)

    async def preview(self, broadcast_id: BroadcastId) -> Preview:
        """
        Of a start just now.

        Raises:
            BroadcastNotFound
        """
        async with self._store.read() as view:
            broadcast, at = await view.broadcasts.get(broadcast_id), self._now()
            catalog = await view.catalogs.current()
            counts = await view.broadcasts.count(_audience(broadcast, catalog, at))
        reached = {language: n for (language, takes), n in sorted(counts.items()) if takes}
        return Preview(reached, sum(n for (_, takes), n in counts.items() if not takes))


class MoveBroadcast:
    """
    Start, pause, resume or stop one. Doing the same again changes nothing. What is under way, at
    most BATCH messages, is still sent; nothing is after that.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(
        self, broadcast_id: BroadcastId, move: BroadcastMove, *, deed: Deed
    ) -> Broadcast:
        """
        Raises:
            BroadcastNotFound, BroadcastMoved
            BroadcastsCrowded: to start or resume one more.
        """
        expected = 0
        if move is BroadcastMove.START:  # Before the lock: counting may take a moment.
            expected = (await ShowBroadcasts(self._store, self._now).preview(broadcast_id)).total
        async with self._store.write() as uow:
            at = self._now()
            known = await uow.broadcasts.lock(broadcast_id)
            moved = known.moved(move, at=at, expected=expected)
            if moved == known:
                return known
            is_one_more = moved.status is BroadcastStatus.RUNNING
            if is_one_more and await uow.broadcasts.running() >= RUNNING_MAX:
                raise BroadcastsCrowded
            await uow.broadcasts.save(moved)
            told = {"expected": expected} if move is BroadcastMove.START else {}
            await uow.audit(line_of(deed, f"broadcast.{move}", broadcast_id, at=at, **told))
            await uow.commit()
        return replace(moved, version=moved.version + 1)


class SendBroadcast:
    """
    One batch, and a job for the next. A recipient is written down as taken before anything is
    sent: whoever was being sent to when the process died is never sent it again, since an
    advertisement that comes twice is worse than one that is lost. Who sleeps now is written down
    to wait, and looked at anew when the quiet hours are over.
    """

    def __init__(self, store: Store, notifier: Notifier, now: Now) -> None:
        self._store = store
        self._notifier = notifier
        self._now = now

    async def __call__(self, broadcast_id: BroadcastId) -> None:
        """
        Raises:
            BroadcastNotFound
        """
        broadcast, taken = await self._take(broadcast_id)
        if taken:
            await self._send(broadcast, taken)

    async def _take(self, broadcast_id: BroadcastId) -> tuple[Broadcast, Sequence[Standing]]:
        """Written down as taken. Nobody: what follows is planned already."""
        async with self._store.write() as uow:
            at = self._now()
            broadcast = await uow.broadcasts.lock(broadcast_id)
            if broadcast.status is not BroadcastStatus.RUNNING:
                return broadcast, []
            if SwitchName.BROADCASTS in await uow.switches.off():
                await uow.broadcasts.save(replace(broadcast, next_at=at + OFF_FOR))
                await uow.commit()
                return broadcast, []
            broadcast, taken = await self._put_forward(uow, broadcast, at)
            if not taken:
                broadcast = await _planned(uow, broadcast, at, at=at)
            await uow.broadcasts.save(broadcast)
            await uow.commit()
        return broadcast, taken

    async def _put_forward(
        self, uow: UnitOfWork, broadcast: Broadcast, at: datetime
    ) -> tuple[Broadcast, Sequence[Standing]]:
        catalog = await uow.catalogs.current()
        audience = _audience(broadcast, catalog, at)
        awaited = await uow.broadcasts.waiting(broadcast.id, at, limit=BATCH)
        still = await uow.broadcasts.among(audience, awaited) if awaited else set()
        fresh, cursor, is_walked = [], broadcast.cursor, broadcast.is_walked
        if len(awaited) < BATCH and not is_walked:
            walk = await uow.broadcasts.walk(audience, cursor, limit=BATCH - len(awaited))
            fresh, cursor, is_walked = list(walk.ids), walk.cursor or cursor, walk.is_end
        standings = await uow.subscriptions.standings([*still, *fresh])
        recipients = {}
        for id_ in [*awaited, *fresh]:
            recipient = Recipient(broadcast.id, id_, RecipientStatus.PASSED_OVER, at)
            if id_ in standings:
                zone = standings[id_].customer.zone
                awake_at = catalog.chat.reminders.awake_at(at, zone)
                recipient = replace(recipient, status=RecipientStatus.TAKEN)
                if awake_at > at:
                    recipient = _waiting(recipient, awake_at)
            recipients[id_] = recipient
        await uow.broadcasts.add_recipients([recipients[id_] for id_ in fresh])
        await uow.broadcasts.save_recipients([recipients[id_] for id_ in awaited])
        taken = [
            standings[id_] for id_, one in recipients.items() if one.status is RecipientStatus.TAKEN
        ]
        after = broadcast.put_forward(len(taken), cursor, is_walked=is_walked, until=at + LEASE)
        return after, taken

    async def _send(self, broadcast: Broadcast, taken: Sequence[Standing]) -> None:
        told: list[Recipient] = []
        resumes_at = None
        for standing in taken:
            status = RecipientStatus.WAITING
            if resumes_at is None:
                status, resumes_at = await self._tell(broadcast, standing)
            recipient = Recipient(broadcast.id, standing.customer.id, status, self._now())
            if status is RecipientStatus.WAITING:
                recipient = _waiting(recipient, resumes_at or recipient.at)
            told.append(recipient)
        async with self._store.write() as uow:
            at = self._now()
            present = await uow.broadcasts.lock(broadcast.id)
            await uow.broadcasts.save_recipients(told)
            counts = Counter(one.status for one in told)
            present = present.noted(counts)
            if present.status is BroadcastStatus.RUNNING:
                present = await _planned(uow, present, resumes_at or at, at=at)
                if counts[RecipientStatus.FAILED] == BATCH:
                    # Nobody takes it as it is. A person resumes it, or writes another.
                    present = present.moved(BroadcastMove.PAUSE, at=at)
            await uow.broadcasts.save(present)
            await uow.commit()

    async def _tell(
        self, broadcast: Broadcast, standing: Standing
    ) -> tuple[RecipientStatus, datetime | None]:
        """What became of it, and when to go on where that is not at once."""
        customer = standing.customer
        letter = letter_for(broadcast.draft, customer.language)
        try:
            await self._notifier.mail(standing, letter)
        except CustomerUnreachable:
            with suppress(Unavailable):  # Else nobody after this one would be sent it.
                await mark_reach(self._store, customer.id, self._now, is_reachable=False)
            return RecipientStatus.UNREACHABLE, None
        except LetterRefused:
            return RecipientStatus.FAILED, None
        except SentTooFast as error:
            wait = timedelta(seconds=error.retry_after_seconds)
            return RecipientStatus.WAITING, self._now() + wait
        except NotifierUnavailable:
            return RecipientStatus.FAILED, self._now() + AWAY_FOR
        return RecipientStatus.SENT, None


def letter_for(draft: Draft, language: str) -> Letter:
    """As whoever speaks this language reads it."""
    return Letter(draft.text_for(language), draft.plan, draft.url)


async def _planned(
    uow: UnitOfWork, broadcast: Broadcast, not_before: datetime, *, at: datetime
) -> Broadcast:
    """When the next batch is due: by a job where that is now, else found by time; or it is done."""
    next_at: datetime | None = at
    if broadcast.is_walked:
        next_at = await uow.broadcasts.next_waiting(broadcast.id)
    if next_at is None:
        return broadcast.done(at=at)
    next_at = max(next_at, not_before)
    if next_at > at:
        return replace(broadcast, next_at=next_at)
    payload = {"broadcast_id": broadcast.id}
    await uow.jobs.enqueue(Job(SEND_BROADCAST, payload, at, dedupe=broadcast.id))
    return replace(broadcast, next_at=at + LEASE)


def _waiting(recipient: Recipient, until: datetime) -> Recipient:
    return replace(recipient, status=RecipientStatus.WAITING, due_at=until)


def _audience(broadcast: Broadcast, catalog: Catalog, at: datetime) -> Audience:
    segment, default = broadcast.draft.segment, catalog.default.code
    return Audience(segment, default, at, broadcast.started_at or at)


def _require_known(draft: Draft, catalog: Catalog) -> None:
    """What is for sale can be offered; and a customer may be on what is not sold any more."""
    plan = None if draft.plan is None else catalog.plans.get(draft.plan)
    if draft.plan is not None and (plan is None or not plan.terms.prices):
        raise BroadcastNotUsable(f"no plan of this name is sold: {draft.plan[:64]}")
