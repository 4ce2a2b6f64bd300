"""The tables of what is sent to many."""

from typing import Final

from sqlalchemy import Index, text

from adapters.persistence.sql.shapes import (
    check,
    due,
    json_,
    key,
    moment,
    one_of,
    refers,
    table,
    whole,
    words,
    yes_no,
)
from core.domain.broadcast import BroadcastStatus, RecipientStatus

broadcast: Final = table(
    "broadcast",
    words("id"),
    json_("draft"),
    moment("created_at"),
    words("created_by"),
    words("status"),
    moment("started_at", null=True),
    moment("ended_at", null=True),
    whole("expected"),
    words("cursor", null=True),
    yes_no("is_walked"),
    whole("taken"),
    whole("sent"),
    whole("unreachable"),
    whole("failed"),
    moment("next_at", null=True),
    moment("due_at", null=True),
    whole("version"),
    key("id"),
    one_of("status", BroadcastStatus),
    check("ended", "(status IN ('stopped', 'done')) = (ended_at IS NOT NULL)"),
    check("due", "(status = 'running') = (due_at IS NOT NULL)"),
    check("told", "sent >= 0 AND unreachable >= 0 AND failed >= 0"),
    check("taken", "sent + unreachable + failed <= taken"),
    Index(None, "created_at", "id"),
    due("broadcast"),
)

_waits: Final = text("due_at IS NOT NULL")

broadcast_recipient: Final = table(
    "broadcast_recipient",
    words("broadcast_id"),
    words("customer_id"),
    words("status"),
    moment("at"),
    moment("due_at", null=True),
    key("broadcast_id", "customer_id"),
    refers("broadcast_id", "broadcast.id"),
    refers("customer_id", "customer.id"),
    one_of("status", RecipientStatus),
    check("due", "(status = 'waiting') = (due_at IS NOT NULL)"),
    Index(None, "at"),
    Index(
        "ix_broadcast_recipient_waiting",
        "broadcast_id",
        "due_at",
        postgresql_where=_waits,
        sqlite_where=_waits,
    ),
)
