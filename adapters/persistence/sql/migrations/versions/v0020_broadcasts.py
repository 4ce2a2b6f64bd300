"""Broadcasts, to whom they went and who wants none; and which new price a customer was told of."""

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Json, Moment, Whole, Words, YesNo

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_DUE = sa.text("due_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("customer", sa.Column("no_broadcasts", YesNo()))
    op.add_column("reminder", sa.Column("price_minor", Whole()))
    op.add_column("reminder", sa.Column("price_currency", Words()))
    op.add_column("reminder", sa.Column("told_at", Moment()))
    op.create_table(
        "broadcast",
        sa.Column("id", Words(), nullable=False),
        sa.Column("draft", Json(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_by", Words(), nullable=False),
        sa.Column("status", Words(), nullable=False),
        sa.Column("started_at", Moment()),
        sa.Column("ended_at", Moment()),
        sa.Column("expected", Whole(), nullable=False),
        sa.Column("cursor", Words()),
        sa.Column("is_walked", YesNo(), nullable=False),
        sa.Column("taken", Whole(), nullable=False),
        sa.Column("sent", Whole(), nullable=False),
        sa.Column("unreachable", Whole(), nullable=False),
        sa.Column("failed", Whole(), nullable=False),
        sa.Column("next_at", Moment()),
        sa.Column("due_at", Moment()),
        sa.Column("version", Whole(), nullable=False),
        sa.CheckConstraint(
            "status IN ('draft', 'running', 'paused', 'stopped', 'done')", name="status"
        ),
        sa.CheckConstraint(
            "(status IN ('stopped', 'done')) = (ended_at IS NOT NULL)", name="ended"
        ),
        sa.CheckConstraint("(status = 'running') = (due_at IS NOT NULL)", name="due"),
        sa.CheckConstraint("sent >= 0 AND unreachable >= 0 AND failed >= 0", name="told"),
        sa.CheckConstraint("sent + unreachable + failed <= taken", name="taken"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("ix_broadcast_created_at_id", "broadcast", ["created_at", "id"])
    op.create_index(
        "ix_broadcast_due", "broadcast", ["due_at", "id"], postgresql_where=_DUE, sqlite_where=_DUE
    )
    op.create_table(
        "broadcast_recipient",
        sa.Column("broadcast_id", Words(), nullable=False),
        sa.Column("customer_id", Words(), nullable=False),
        sa.Column("status", Words(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("due_at", Moment()),
        sa.CheckConstraint(
            "status IN ('waiting', 'taken', 'sent', 'unreachable', 'failed', 'passed_over')",
            name="status",
        ),
        sa.CheckConstraint("(status = 'waiting') = (due_at IS NOT NULL)", name="due"),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcast.id"]),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"]),
        sa.PrimaryKeyConstraint("broadcast_id", "customer_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_broadcast_recipient_at", "broadcast_recipient", ["at"])
    op.create_index(
        "ix_broadcast_recipient_waiting",
        "broadcast_recipient",
        ["broadcast_id", "due_at"],
        postgresql_where=_DUE,
        sqlite_where=_DUE,
    )
