"""What the business's own system is told, and the case that a person looks at when it cannot be."""

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Json, Moment, Whole, Words

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_DUE = sa.text("due_at IS NOT NULL")
_KINDS = (
    "kind IN ('mismatch', 'suspense', 'foreign', 'refund', 'authorized', 'unconfirmed',"
    " 'chargeback', 'dispute', 'withdrawal', 'difference', 'webhooks', 'poison')"
)


def upgrade() -> None:
    op.create_table(
        "delivery",
        sa.Column("id", Words(), nullable=False),
        sa.Column("event", Words(), nullable=False),
        sa.Column("host", Words(), nullable=False),
        sa.Column("body", Words(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("status", Words(), nullable=False),
        sa.Column("attempts", Whole(), nullable=False),
        sa.Column("answer", Words()),
        sa.Column("due_at", Moment()),
        sa.Column("ended_at", Moment()),
        sa.Column("version", Whole(), nullable=False),
        sa.CheckConstraint("status IN ('waiting', 'delivered', 'failed')", name="status"),
        sa.CheckConstraint("(status = 'waiting') = (ended_at IS NULL)", name="ended"),
        sa.CheckConstraint("(status = 'waiting') = (due_at IS NOT NULL)", name="due"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("ix_delivery_created_at_id", "delivery", ["created_at", "id"])
    op.create_index("ix_delivery_status_created_at_id", "delivery", ["status", "created_at", "id"])
    op.create_index("ix_delivery_ended_at", "delivery", ["ended_at"])
    op.create_index(
        "ix_delivery_due",
        "delivery",
        ["due_at", "id"],
        postgresql_where=_DUE,
        sqlite_where=_DUE,
    )
    if op.get_bind().dialect.name == "sqlite":
        _cases_made_anew()
    else:
        op.drop_constraint(op.f("ck_billing_case_kind"), "billing_case")
        op.create_check_constraint(op.f("ck_billing_case_kind"), "billing_case", _KINDS)


def _cases_made_anew() -> None:
    """SQLite changes no rule of a table that is there."""
    op.execute("CREATE TABLE former_billing_case AS SELECT * FROM billing_case")
    op.drop_table("billing_case")
    op.create_table(
        "billing_case",
        sa.Column("id", Words(), nullable=False),
        sa.Column("kind", Words(), nullable=False),
        sa.Column("cause", Words(), nullable=False),
        sa.Column("opened_at", Moment(), nullable=False),
        sa.Column("facts", Json(), nullable=False),
        sa.Column("customer_id", Words()),
        sa.Column("closed_at", Moment()),
        sa.Column("reason", Words()),
        sa.CheckConstraint(_KINDS, name="kind"),
        sa.CheckConstraint("(closed_at IS NULL) = (reason IS NULL)", name="closed_whole"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("cause"),
        sqlite_strict=True,
    )
    op.execute("INSERT INTO billing_case SELECT * FROM former_billing_case")
    op.drop_table("former_billing_case")
    op.create_index(
        "ix_billing_case_open",
        "billing_case",
        ["opened_at", "id"],
        sqlite_where=sa.text("closed_at IS NULL"),
    )
