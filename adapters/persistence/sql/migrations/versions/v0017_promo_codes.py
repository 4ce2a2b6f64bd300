"""Promo codes, who used them, what was bought with one; days that nobody paid for."""

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Moment, Whole, Words, YesNo

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_WAITS = sa.text("percent IS NOT NULL AND purchase_id IS NULL")


def upgrade() -> None:
    op.add_column("subscription", sa.Column("given_days", Whole()))
    op.add_column("purchase", sa.Column("promo_code", Words()))
    op.add_column("purchase", sa.Column("full_minor", Whole()))
    op.create_table(
        "promo_code",
        sa.Column("name", Words(), nullable=False),
        sa.Column("percent", Whole()),
        sa.Column("days", Whole()),
        sa.Column("plans", Words(), nullable=False),
        sa.Column("max_uses", Whole()),
        sa.Column("until", Moment()),
        sa.Column("only_new", YesNo(), nullable=False),
        sa.Column("used", Whole(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("stopped_at", Moment()),
        sa.CheckConstraint("(percent IS NULL) <> (days IS NULL)", name="gives"),
        sa.CheckConstraint("percent BETWEEN 1 AND 90", name="percent"),
        sa.CheckConstraint("used >= 0 AND (max_uses IS NULL OR used <= max_uses)", name="used"),
        sa.PrimaryKeyConstraint("name"),
        sqlite_strict=True,
    )
    op.create_index("ix_promo_code_created_at_name", "promo_code", ["created_at", "name"])
    op.create_table(
        "redemption",
        sa.Column("customer_id", Words(), nullable=False),
        sa.Column("code", Words(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("percent", Whole()),
        sa.Column("plans", Words(), nullable=False),
        sa.Column("purchase_id", Words()),
        sa.Column("version", Whole(), nullable=False),
        sa.CheckConstraint("percent BETWEEN 1 AND 90", name="percent"),
        sa.CheckConstraint("purchase_id IS NULL OR percent IS NOT NULL", name="used"),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"]),
        sa.ForeignKeyConstraint(["code"], ["promo_code.name"]),
        sa.ForeignKeyConstraint(["purchase_id"], ["purchase.id"]),
        sa.PrimaryKeyConstraint("customer_id", "code"),
        sqlite_strict=True,
    )
    op.create_index(
        "uq_redemption_waiting",
        "redemption",
        ["customer_id"],
        unique=True,
        postgresql_where=_WAITS,
        sqlite_where=_WAITS,
    )
    op.create_table(
        "wrong_codes",
        sa.Column("customer_id", Words(), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("count", Whole(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"]),
        sa.PrimaryKeyConstraint("customer_id"),
        sqlite_strict=True,
    )
