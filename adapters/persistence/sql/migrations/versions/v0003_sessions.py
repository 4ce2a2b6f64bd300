"""Sessions whose tokens have numbers, and customers that may be blocked."""

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Moment, Whole, Words, YesNo

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("customer", sa.Column("blocked_at", Moment()))
    # Tokens of before carry no number, so none of them is read any more: their sessions are over.
    op.drop_table("customer_session")
    op.create_table(
        "customer_session",
        sa.Column("id", Words(), nullable=False),
        sa.Column("customer_id", Words(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("may_pay", YesNo(), nullable=False),
        sa.Column("in_telegram", YesNo(), nullable=False),
        sa.Column("proof", Words()),
        sa.Column("turn", Whole(), nullable=False),
        sa.Column("refreshed_at", Moment()),
        sa.Column("revoked_at", Moment()),
        sa.Column("ended_as", Words()),
        sa.Column("version", Whole(), nullable=False),
        sa.CheckConstraint("(revoked_at IS NULL) = (ended_as IS NULL)", name="ended_whole"),
        sa.CheckConstraint("created_at <= expires_at", name="life"),
        sa.CheckConstraint("ended_as IN ('signed_out', 'copied')", name="ended_as"),
        sa.CheckConstraint("turn >= 1", name="turn"),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"]),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("ix_customer_session_expires_at", "customer_session", ["expires_at"])
    op.create_index(
        "ix_customer_session_proof",
        "customer_session",
        ["proof"],
        postgresql_where=sa.text("proof IS NOT NULL"),
        sqlite_where=sa.text("proof IS NOT NULL"),
    )
