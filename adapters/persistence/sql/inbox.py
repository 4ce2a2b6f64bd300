"""Notices as rows, stored before they are answered."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, func, or_, select, tuple_, update

from adapters.persistence.sql.due import forget
from adapters.persistence.sql.statements import Statements
from adapters.persistence.sql.tables import inbox, inbox_is_forgettable, inbox_is_not_done
from core.domain.payment import InboxItem, InboxStatus, Notice, NoticeKind, PaymentId, PayoutId
from core.domain.plan import GatewayName


class SqlInbox:
    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def find(self, item_id: str) -> InboxItem | None:
        row = await self._statements.first(select(inbox).where(inbox.c.id == item_id))
        return None if row is None else inbox_item_from_row(row)

    async def of_payment(self, gateway: GatewayName, payment_id: PaymentId) -> list[InboxItem]:
        rows = await self._statements.all(
            select(inbox)
            .where(inbox.c.gateway == gateway, inbox.c.payment_id == payment_id)
            .order_by(inbox.c.received_at, inbox.c.id)
        )
        return [inbox_item_from_row(row) for row in rows]

    async def not_done(self, status: InboxStatus, *, limit: int) -> list[InboxItem]:
        rows = await self._statements.all(
            select(inbox)
            .where(inbox_is_not_done, inbox.c.status == status)
            .order_by(inbox.c.received_at, inbox.c.id)
            .limit(limit)
        )
        return [inbox_item_from_row(row) for row in rows]

    async def take(self, item: InboxItem) -> InboxItem:
        added = await self._statements.run(
            self._statements.insert(inbox).on_conflict_do_nothing(
                index_elements=["gateway", "dedupe_key"]
            ),
            [row_from_inbox_item(item)],
            subject=item.id,
        )
        if added.rowcount == 1:
            return item
        row = await self._statements.first(
            select(inbox)
            .where(
                inbox.c.gateway == item.notice.gateway,
                inbox.c.dedupe_key == item.notice.dedupe_key,
            )
            .with_for_update()
        )
        assert row is not None, "what may still be repeated is not deleted"
        return inbox_item_from_row(row)

    async def save(self, item: InboxItem) -> None:
        await self._statements.save(inbox, row_from_inbox_item(item))

    async def erase_bodies(
        self, about: Collection[tuple[GatewayName, PaymentId | PayoutId]], chat: int | None
    ) -> None:
        c = inbox.c
        given = self._statements.given([c.gateway, c.payment_id], sorted(about))
        of_payments = tuple_(c.gateway, func.coalesce(c.payment_id, c.payout_id))
        theirs = or_(of_payments.in_(select(*given.c)), c.body.like(f'%"user": {chat}}}'))
        await self._statements.run(
            update(inbox)
            .where(theirs, c.status != InboxStatus.STORED, c.body != "")
            .values(body="", version=c.version + 1)
        )

    async def forget(self, before: datetime, *, limit: int) -> int:
        end = inbox.c.handled_at
        done_with = (inbox_is_forgettable, end < before)
        return await forget(self._statements, inbox, *done_with, by=end, limit=limit)


def inbox_item_from_row(row: RowMapping) -> InboxItem:
    c = inbox.c
    return InboxItem(
        id=row[c.id],
        notice=Notice(
            gateway=row[c.gateway],
            kind=NoticeKind(row[c.kind]),
            event=row[c.event],
            dedupe_key=row[c.dedupe_key],
            payment_id=row[c.payment_id],
            claims_paid=row[c.claims_paid],
            body=row[c.body],
            payout_id=row[c.payout_id],
        ),
        received_at=row[c.received_at],
        copies=row[c.copies],
        attempts=row[c.attempts],
        status=InboxStatus(row[c.status]),
        handled_at=row[c.handled_at],
        result=row[c.result],
        version=row[c.version],
    )


def row_from_inbox_item(item: InboxItem) -> dict[str, Any]:
    notice = item.notice
    return {
        "id": item.id,
        "gateway": notice.gateway,
        "kind": notice.kind,
        "event": notice.event,
        "dedupe_key": notice.dedupe_key,
        "payment_id": notice.payment_id,
        "payout_id": notice.payout_id,
        "claims_paid": notice.claims_paid,
        "body": notice.body,
        "received_at": item.received_at,
        "copies": item.copies,
        "attempts": item.attempts,
        "status": item.status,
        "handled_at": item.handled_at,
        "result": item.result,
        "version": item.version,
    }
