"""Who brought whom, and what it earned."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Moment, Whole, Words, YesNo

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_DUE = sa.text("due_at IS NOT NULL")
_SHARE = "base_minor / 10000 * basis_points + base_minor % 10000 * basis_points / 10000"


def upgrade() -> None:
    op.create_table(
        "referral",
        *_sides(),
        sa.Column("door", Words(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("status", Words(), nullable=False),
        sa.Column("version", Whole(), nullable=False),
        sa.CheckConstraint("door IN ('bot', 'mini_app', 'api', 'operator')", name="door"),
        sa.CheckConstraint("status IN ('registered', 'activated', 'earning')", name="status"),
        sa.PrimaryKeyConstraint("customer_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_referral_referrer_id_at", "referral", ["referrer_id", "at"])
    op.create_table(
        "reward",
        sa.Column("id", Words(), nullable=False),
        *_sides(),
        sa.Column("base_minor", Whole(), nullable=False),
        sa.Column("currency", Words(), nullable=False),
        sa.Column("count", Whole(), nullable=False),
        sa.Column("basis_points", Whole(), nullable=False),
        sa.Column("amount_minor", Whole(), nullable=False),
        sa.Column("taken_back_minor", Whole(), nullable=False),
        sa.Column("in_cash", YesNo(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("ripe_at", Moment(), nullable=False),
        sa.Column("status", Words(), nullable=False),
        sa.Column("why", Words()),
        sa.Column("due_at", Moment()),
        sa.Column("version", Whole(), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["purchase.id"]),
        sa.CheckConstraint("base_minor BETWEEN 0 AND 1000000000000000", name="base_minor"),
        sa.CheckConstraint(
            "length(currency) BETWEEN 3 AND 8 AND currency = upper(currency)", name="currency"
        ),
        sa.CheckConstraint("count >= 1", name="count"),
        sa.CheckConstraint("basis_points BETWEEN 1 AND 10000", name="basis_points"),
        sa.CheckConstraint(f"amount_minor BETWEEN 0 AND {_SHARE}", name="amount_minor"),
        sa.CheckConstraint("taken_back_minor BETWEEN 0 AND amount_minor", name="taken_back"),
        sa.CheckConstraint("status IN ('waiting', 'earned', 'taken_back', 'none')", name="status"),
        sa.CheckConstraint(
            "why IN ('too_little', 'day_is_full', 'blocked', 'refunded')", name="why"
        ),
        sa.CheckConstraint("(status = 'none') = (why IS NOT NULL)", name="none_why"),
        sa.CheckConstraint("(status = 'none') = (amount_minor = 0)", name="none_amount"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("ix_reward_referrer_id_at", "reward", ["referrer_id", "at"])
    op.create_index(
        "ix_reward_due", "reward", ["due_at", "id"], postgresql_where=_DUE, sqlite_where=_DUE
    )


def _sides() -> list[Any]:
    return [
        sa.Column("customer_id", Words(), nullable=False),
        sa.Column("referrer_id", Words(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"]),
        sa.ForeignKeyConstraint(["referrer_id"], ["customer.id"]),
        sa.CheckConstraint("customer_id <> referrer_id", name="sides"),
    ]
