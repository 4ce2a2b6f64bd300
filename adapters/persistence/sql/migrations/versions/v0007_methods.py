"""Payment methods that a small payment proves, and withdrawals to them."""

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Moment, Whole, Words

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_DUE = sa.text("due_at IS NOT NULL")
_ASKED = sa.text("status <> 'failed'")


def upgrade() -> None:
    op.create_table(
        "payment_method",
        sa.Column("id", Words(), nullable=False),
        sa.Column("customer_id", Words(), nullable=False),
        sa.Column("gateway", Words(), nullable=False),
        sa.Column("kind", Words(), nullable=False),
        sa.Column("account", Words(), nullable=False),
        sa.Column("billing", Words(), nullable=False),
        sa.Column("token", Words()),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("status", Words(), nullable=False),
        sa.Column("ended_at", Moment()),
        sa.Column("due_at", Moment()),
        sa.Column("version", Whole(), nullable=False),
        sa.CheckConstraint("status IN ('unverified', 'verified', 'removed')", name="status"),
        sa.CheckConstraint("(status = 'removed') = (ended_at IS NOT NULL)", name="ended"),
        sa.CheckConstraint("token IS NULL OR status = 'verified'", name="token"),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"]),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("ix_payment_method_customer_id", "payment_method", ["customer_id"])
    op.create_table(
        "withdrawal",
        sa.Column("id", Words(), nullable=False),
        sa.Column("customer_id", Words(), nullable=False),
        sa.Column("method_id", Words(), nullable=False),
        sa.Column("gateway", Words(), nullable=False),
        sa.Column("kind", Words(), nullable=False),
        sa.Column("account", Words(), nullable=False),
        sa.Column("amount_minor", Whole(), nullable=False),
        sa.Column("currency", Words(), nullable=False),
        sa.Column("requested_at", Moment(), nullable=False),
        sa.Column("status", Words(), nullable=False),
        sa.Column("payout_id", Words()),
        sa.Column("reason", Words()),
        sa.Column("ended_at", Moment()),
        sa.Column("looked", Whole(), nullable=False),
        sa.Column("due_at", Moment()),
        sa.Column("version", Whole(), nullable=False),
        sa.CheckConstraint(
            "status IN ('held', 'requested', 'sent', 'done', 'failed', 'returned')", name="status"
        ),
        sa.CheckConstraint("amount_minor BETWEEN 1 AND 1000000000000000", name="amount_minor"),
        sa.CheckConstraint(
            "length(currency) BETWEEN 3 AND 8 AND currency = upper(currency)", name="currency"
        ),
        sa.CheckConstraint(
            "(status IN ('done', 'failed', 'returned')) = (ended_at IS NOT NULL)", name="ended"
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"]),
        sa.ForeignKeyConstraint(["method_id"], ["payment_method.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("gateway", "payout_id"),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_withdrawal_customer_id_requested_at_id",
        "withdrawal",
        ["customer_id", "requested_at", "id"],
    )
    op.create_index(
        "ix_withdrawal_asked",
        "withdrawal",
        ["currency", "requested_at"],
        postgresql_where=_ASKED,
        sqlite_where=_ASKED,
    )
    for table in ("payment_method", "withdrawal"):
        op.create_index(
            f"ix_{table}_due",
            table,
            ["due_at", "id"],
            postgresql_where=_DUE,
            sqlite_where=_DUE,
        )
