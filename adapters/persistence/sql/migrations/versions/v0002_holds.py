"""Holds of usage, and receipts that remember being asked for one."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Moment, Whole, Words, YesNo

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_OF_A_HOLD = {
    "hold": "(hold_id IS NOT NULL) = (allowed AND hold_seconds IS NOT NULL)",
    "ticket": "(hold_id IS NULL) = (hold_expires_at IS NULL)",
    "hold_seconds": "hold_seconds BETWEEN 1 AND 3600",
}


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _receipts_made_anew()
    else:
        for column in _columns_of_a_hold():
            op.add_column("usage_receipt", column)
        for name, rule in _OF_A_HOLD.items():
            op.create_check_constraint(op.f(f"ck_usage_receipt_{name}"), "usage_receipt", rule)
    _holds()


def _columns_of_a_hold() -> list[sa.Column[Any]]:
    return [
        sa.Column("hold_seconds", Whole()),
        sa.Column("hold_id", Words()),
        sa.Column("hold_expires_at", Moment()),
    ]


def _receipts_made_anew() -> None:
    """SQLite adds no rules to a table that is there."""
    op.drop_index("ix_usage_receipt_expires_at", "usage_receipt")
    op.rename_table("usage_receipt", "former_receipt")
    op.create_table(
        "usage_receipt",
        sa.Column("customer_id", Words(), nullable=False),
        sa.Column("request_id", Words(), nullable=False),
        sa.Column("feature", Words(), nullable=False),
        sa.Column("units", Whole(), nullable=False),
        sa.Column("allowed", YesNo(), nullable=False),
        sa.Column("used", Whole(), nullable=False),
        sa.Column("quota", Whole()),
        sa.Column("resets_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        *_columns_of_a_hold(),
        sa.CheckConstraint("units >= 1", name="units"),
        *(sa.CheckConstraint(rule, name=name) for name, rule in _OF_A_HOLD.items()),
        sa.PrimaryKeyConstraint("customer_id", "request_id"),
        sqlite_strict=True,
    )
    op.execute("INSERT INTO usage_receipt SELECT *, NULL, NULL, NULL FROM former_receipt")
    op.drop_table("former_receipt")
    op.create_index("ix_usage_receipt_expires_at", "usage_receipt", ["expires_at"])


def _holds() -> None:
    op.create_table(
        "usage_hold",
        sa.Column("id", Words(), nullable=False),
        sa.Column("customer_id", Words(), nullable=False),
        sa.Column("feature", Words(), nullable=False),
        sa.Column("window_start", Moment(), nullable=False),
        sa.Column("units", Whole(), nullable=False),
        sa.Column("quota", Whole()),
        sa.Column("resets_at", Moment(), nullable=False),
        sa.Column("held_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("status", Words(), nullable=False),
        sa.Column("captured", Whole(), nullable=False),
        sa.Column("ended_at", Moment()),
        sa.Column("due_at", Moment()),
        sa.Column("version", Whole(), nullable=False),
        sa.CheckConstraint("status IN ('open', 'captured', 'released', 'expired')", name="status"),
        sa.CheckConstraint("units >= 1", name="units"),
        sa.CheckConstraint("captured BETWEEN 0 AND units", name="captured"),
        sa.CheckConstraint("(captured > 0) = (status = 'captured')", name="capture"),
        sa.CheckConstraint("(ended_at IS NULL) = (status = 'open')", name="ended"),
        sa.CheckConstraint("(due_at IS NOT NULL) = (status = 'open')", name="due"),
        sa.CheckConstraint("held_at < expires_at", name="life"),
        sa.ForeignKeyConstraint(
            ["customer_id", "feature", "window_start"],
            ["usage_counter.customer_id", "usage_counter.feature", "usage_counter.window_start"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    due = sa.text("due_at IS NOT NULL")
    op.create_index(
        "ix_usage_hold_due",
        "usage_hold",
        ["due_at", "id"],
        postgresql_where=due,
        sqlite_where=due,
    )
    op.create_index("ix_usage_hold_resets_at", "usage_hold", ["resets_at"])
