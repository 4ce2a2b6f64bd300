"""Operators in the chat: their roles, what they have begun, and what they look for."""

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Json, Moment, Sought, Words, YesNo

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_PAID = sa.text("status IN ('paid', 'refunded')")
_OPEN = sa.text("status IN ('held', 'requested', 'sent')")
_NOT_DONE = sa.text("status <> 'done'")


def upgrade() -> None:
    for name in ("name", "username"):
        op.add_column("customer", sa.Column(name, Words()))
        op.add_column("customer", sa.Column(f"{name}_sought", Sought()))
        op.create_index(f"ix_customer_{name}_sought_id", "customer", [f"{name}_sought", "id"])
    op.create_index("ix_customer_created_at", "customer", ["created_at"])
    op.create_index("ix_subscription_period_end", "subscription", ["period_end"])
    op.create_index(
        "ix_purchase_paid", "purchase", ["ended_at"], postgresql_where=_PAID, sqlite_where=_PAID
    )
    op.create_index(
        "ix_withdrawal_open",
        "withdrawal",
        ["requested_at"],
        postgresql_where=_OPEN,
        sqlite_where=_OPEN,
    )
    op.create_index(
        "ix_inbox_not_done",
        "inbox",
        ["received_at", "id"],
        postgresql_where=_NOT_DONE,
        sqlite_where=_NOT_DONE,
    )
    op.create_table(
        "operator_role",
        sa.Column("kind", Words(), nullable=False),
        sa.Column("value", Words(), nullable=False),
        sa.Column("role", Words(), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("by", Words(), nullable=False),
        sa.CheckConstraint("kind IN ('telegram', 'external')", name="kind"),
        sa.CheckConstraint("role IN ('owner', 'manager', 'support')", name="role"),
        sa.PrimaryKeyConstraint("kind", "value"),
        sqlite_strict=True,
    )
    op.create_table(
        "operator_draft",
        sa.Column("kind", Words(), nullable=False),
        sa.Column("value", Words(), nullable=False),
        sa.Column("id", Words(), nullable=False),
        sa.Column("deed", Words(), nullable=False),
        sa.Column("about", Words(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("answers", Json(), nullable=False),
        sa.Column("is_done", YesNo(), nullable=False),
        sa.CheckConstraint("kind IN ('telegram', 'external')", name="kind"),
        sa.PrimaryKeyConstraint("kind", "value"),
        sqlite_strict=True,
    )
