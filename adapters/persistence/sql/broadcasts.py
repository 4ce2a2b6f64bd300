"""Broadcasts as rows, and the customers whom one is for."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    and_,
    bindparam,
    exists,
    func,
    not_,
    or_,
    select,
    tuple_,
    update,
)

from adapters.persistence.sql.broadcast_tables import broadcast as broadcasts
from adapters.persistence.sql.broadcast_tables import broadcast_recipient as recipients
from adapters.persistence.sql.due import forget, take_due
from adapters.persistence.sql.money_tables import purchase
from adapters.persistence.sql.statements import Statements
from adapters.persistence.sql.tables import (
    customer,
    customer_identity,
    plan_version,
    reminder,
    subscription,
)
from core.domain.broadcast import (
    Audience,
    Broadcast,
    BroadcastId,
    BroadcastNotFound,
    BroadcastStatus,
    Draft,
    Recipient,
    RecipientStatus,
    Segment,
)
from core.domain.customer import CustomerId, IdentityKind
from core.domain.plan import PlanCode
from core.domain.purchase import PAID
from core.ports.broadcasts import Walk

SCAN: Final = 2000
"""So many customers one walk looks at, however few of them it is for."""


class SqlBroadcasts:
    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def get(self, broadcast_id: BroadcastId) -> Broadcast:
        wanted = select(broadcasts).where(broadcasts.c.id == broadcast_id)
        row = await self._statements.first(wanted)
        if row is None:
            raise BroadcastNotFound(broadcast_id[:64])
        return broadcast_from_row(row)

    async def lock(self, broadcast_id: BroadcastId) -> Broadcast:
        held = select(broadcasts.c.id).where(broadcasts.c.id == broadcast_id)
        await self._statements.run(held.with_for_update(key_share=True))
        return await self.get(broadcast_id)

    async def page(self, *, limit: int, after: BroadcastId | None = None) -> list[Broadcast]:
        c, wanted = broadcasts.c, select(broadcasts)
        if after is not None:
            last = broadcasts.alias()
            older = tuple_(c.created_at, c.id) < tuple_(last.c.created_at, last.c.id)
            wanted = wanted.join(last, last.c.id == after).where(older)
        newest_first = wanted.order_by(c.created_at.desc(), c.id.desc())
        rows = await self._statements.all(newest_first.limit(limit))
        return [broadcast_from_row(row) for row in rows]

    async def running(self) -> int:
        running = select(func.count().label("n")).where(broadcasts.c.due_at.is_not(None))
        [row] = await self._statements.all(running)
        return int(row["n"])

    async def add(self, broadcast: Broadcast) -> None:
        row = row_from_broadcast(broadcast)
        insert = self._statements.insert(broadcasts)
        await self._statements.run(insert, [row], subject=broadcast.id)

    async def save(self, broadcast: Broadcast) -> None:
        await self._statements.save(broadcasts, row_from_broadcast(broadcast))

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[BroadcastId]:
        rows = await take_due(self._statements, broadcasts, now, until=until, limit=limit)
        return [row[broadcasts.c.id] for row in rows]

    async def count(self, audience: Audience) -> Mapping[tuple[str, bool], int]:
        takes = _takes.label("takes")
        wanted = _of(audience, select(customer.c.language, takes, func.count().label("n")))
        rows = await self._statements.all(wanted.group_by(customer.c.language, takes))
        return {(row["language"], bool(row["takes"])): int(row["n"]) for row in rows}

    async def walk(self, audience: Audience, after: CustomerId | None, *, limit: int) -> Walk:
        id_ = customer.c.id
        following = [] if after is None else [id_ > after]
        # The last one to be looked at is found by the index alone, before anything else is read.
        seen = select(id_).where(*following).order_by(id_).limit(SCAN).subquery()
        ends = await self._statements.all(
            select(func.max(seen.c.id).label("last"), func.count().label("n"))
        )
        last, is_end = ends[0]["last"], ends[0]["n"] < SCAN
        if last is None:
            return Walk([], None, is_end=True)
        wanted = _of(audience, select(id_)).where(_takes, *following, id_ <= last)
        rows = await self._statements.all(wanted.order_by(id_).limit(limit))
        found = [row[id_] for row in rows]
        if len(found) == limit:
            return Walk(found, found[-1], is_end=is_end and found[-1] == last)
        return Walk(found, last, is_end=is_end)

    async def among(self, audience: Audience, ids: Collection[CustomerId]) -> set[CustomerId]:
        given = self._statements.given([customer.c.id], ([one] for one in ids))
        wanted = _of(audience, select(customer.c.id)).where(_takes)
        rows = await self._statements.all(wanted.where(customer.c.id.in_(select(given.c.id))))
        return {row[customer.c.id] for row in rows}

    async def recipients(
        self, broadcast_id: BroadcastId, *, status: RecipientStatus, limit: int
    ) -> list[Recipient]:
        c = recipients.c
        wanted = select(recipients).where(c.broadcast_id == broadcast_id, c.status == status)
        rows = await self._statements.all(wanted.order_by(c.customer_id).limit(limit))
        return [
            Recipient(
                row[c.broadcast_id],
                row[c.customer_id],
                RecipientStatus(row[c.status]),
                row[c.at],
                row[c.due_at],
            )
            for row in rows
        ]

    async def waiting(
        self, broadcast_id: BroadcastId, now: datetime, *, limit: int
    ) -> list[CustomerId]:
        c = recipients.c
        wanted = select(c.customer_id).where(c.broadcast_id == broadcast_id, c.due_at <= now)
        rows = await self._statements.all(wanted.order_by(c.due_at, c.customer_id).limit(limit))
        return [row[c.customer_id] for row in rows]

    async def next_waiting(self, broadcast_id: BroadcastId) -> datetime | None:
        c = recipients.c
        waits = select(c.due_at).where(c.broadcast_id == broadcast_id, c.due_at.is_not(None))
        row = await self._statements.first(waits.order_by(c.due_at).limit(1))
        found: datetime | None = None if row is None else row[c.due_at]
        return found

    async def add_recipients(self, new: Sequence[Recipient]) -> None:
        if new:
            rows = [row_from_recipient(one) for one in new]
            await self._statements.add_all(recipients, rows, key="customer_id")

    async def save_recipients(self, known: Sequence[Recipient]) -> None:
        if not known:
            return
        c = recipients.c
        mine = (
            c.broadcast_id == bindparam("of_broadcast"),
            c.customer_id == bindparam("of_customer"),
        )
        changed = update(recipients).where(*mine)
        await self._statements.run(
            changed.values(
                status=bindparam("to_status"), at=bindparam("to_at"), due_at=bindparam("to_due")
            ),
            [
                {
                    "of_broadcast": one.broadcast_id,
                    "of_customer": one.customer_id,
                    "to_status": one.status,
                    "to_at": one.at,
                    "to_due": one.due_at,
                }
                for one in known
            ],
        )

    async def forget_recipients(self, before: datetime, *, limit: int) -> int:
        at = recipients.c.at
        return await forget(self._statements, recipients, at < before, by=at, limit=limit)


_takes: Final = not_(
    or_(
        func.coalesce(customer.c.fewer_reminders, False),
        func.coalesce(customer.c.no_broadcasts, False),
    )
)
"""As `Customer.takes_broadcasts`."""


def _of(audience: Audience, wanted: Select[Any]) -> Select[Any]:
    """Those who belong to it, as `Segment.holds` has it, and can be sent anything."""
    c = customer.c
    return wanted.join_from(customer, subscription).where(
        c.unreachable_since.is_(None),
        c.blocked_at.is_(None),
        c.leaving_since.is_(None),
        c.created_at <= audience.registered_by,
        exists().where(
            customer_identity.c.customer_id == c.id,
            customer_identity.c.kind == IdentityKind.TELEGRAM,
        ),
        *_conditions(audience),
    )


def _conditions(audience: Audience) -> list[ColumnElement[bool]]:
    segment, at, c, s = audience.segment, audience.at, customer.c, subscription.c
    runs = func.coalesce(
        or_(
            s.period_end > at,
            and_(s.auto_renew, not_(s.cancel_at_period_end), s.renewal_grace_until > at),
        ),
        False,
    )
    conditions: list[ColumnElement[bool]] = []
    if segment.plans:
        versions = select(plan_version.c.id).where(plan_version.c.code.in_(segment.plans))
        on_one = and_(runs, s.period_plan_version_id.in_(versions))
        by_default = audience.default_plan in segment.plans
        conditions.append(or_(on_one, not_(runs)) if by_default else on_one)
    if segment.has_paid is not None:
        paid = exists().where(purchase.c.customer_id == c.id, purchase.c.status.in_(sorted(PAID)))
        conditions.append(paid if segment.has_paid else ~paid)
    if segment.is_trialing:
        conditions.append(and_(runs, s.paid_minor == 0, s.period_start == s.trialed_at))
    if segment.expired_days is not None:
        since = at - timedelta(days=segment.expired_days)
        ended = exists().where(
            reminder.c.id == c.id, reminder.c.ends_at > since, reminder.c.ends_at <= at
        )
        conditions += [not_(runs), ended]
    if segment.language is not None:
        conditions.append(c.language == segment.language)
    if segment.registered_from is not None:
        conditions.append(c.created_at >= segment.registered_from)
    if segment.registered_before is not None:
        conditions.append(c.created_at < segment.registered_before)
    return conditions


def broadcast_from_row(row: RowMapping) -> Broadcast:
    c = broadcasts.c
    return Broadcast(
        id=row[c.id],
        draft=_draft_from_json(row[c.draft]),
        created_at=row[c.created_at],
        created_by=row[c.created_by],
        status=BroadcastStatus(row[c.status]),
        started_at=row[c.started_at],
        ended_at=row[c.ended_at],
        expected=row[c.expected],
        cursor=row[c.cursor],
        is_walked=row[c.is_walked],
        taken=row[c.taken],
        sent=row[c.sent],
        unreachable=row[c.unreachable],
        failed=row[c.failed],
        next_at=row[c.next_at],
        version=row[c.version],
    )


def row_from_broadcast(broadcast: Broadcast) -> dict[str, Any]:
    return {
        "id": broadcast.id,
        "draft": _json_from_draft(broadcast.draft),
        "created_at": broadcast.created_at,
        "created_by": broadcast.created_by,
        "status": broadcast.status,
        "started_at": broadcast.started_at,
        "ended_at": broadcast.ended_at,
        "expected": broadcast.expected,
        "cursor": broadcast.cursor,
        "is_walked": broadcast.is_walked,
        "taken": broadcast.taken,
        "sent": broadcast.sent,
        "unreachable": broadcast.unreachable,
        "failed": broadcast.failed,
        "next_at": broadcast.next_at,
        "due_at": broadcast.due_at,
        "version": broadcast.version,
    }


def row_from_recipient(recipient: Recipient) -> dict[str, Any]:
    return {
        "broadcast_id": recipient.broadcast_id,
        "customer_id": recipient.customer_id,
        "status": recipient.status,
        "at": recipient.at,
        "due_at": recipient.due_at,
    }


def _json_from_draft(draft: Draft) -> dict[str, Any]:
    segment = draft.segment
    begin, end = segment.registered_from, segment.registered_before
    return {
        "texts": dict(draft.texts),
        "plan": draft.plan,
        "url": draft.url,
        "plans": list(segment.plans),
        "has_paid": segment.has_paid,
        "is_trialing": segment.is_trialing,
        "expired_days": segment.expired_days,
        "language": segment.language,
        "registered_from": None if begin is None else begin.isoformat(),
        "registered_before": None if end is None else end.isoformat(),
    }


def _draft_from_json(kept: Mapping[str, Any]) -> Draft:
    begin, end = kept["registered_from"], kept["registered_before"]
    segment = Segment(
        plans=tuple(PlanCode(one) for one in kept["plans"]),
        has_paid=kept["has_paid"],
        is_trialing=kept["is_trialing"],
        expired_days=kept["expired_days"],
        language=kept["language"],
        registered_from=None if begin is None else datetime.fromisoformat(begin),
        registered_before=None if end is None else datetime.fromisoformat(end),
    )
    return Draft(kept["texts"], segment, kept["plan"], kept["url"])
