"""What safety bounds count along, and the case that tells of one."""

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Json, Moment, Words

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_CHARGES = sa.text("method_id IS NOT NULL")
_KINDS = (
    "kind IN ('mismatch', 'suspense', 'foreign', 'refund', 'authorized', 'unconfirmed',"
    " 'chargeback', 'dispute', 'withdrawal', 'difference', 'safety', 'webhooks', 'poison')"
)


def upgrade() -> None:
    op.create_index(
        "ix_checkout_charge",
        "checkout",
        ["asked_at"],
        postgresql_where=_CHARGES,
        sqlite_where=_CHARGES,
    )
    op.create_index("ix_charge_currency_charged_at", "charge", ["currency", "charged_at"])
    op.create_index("ix_reward_at", "reward", ["at"])
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
