"""Reminders of an end. Of periods that run already all is looked at once, and so planned."""

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Moment, Whole, Words, YesNo

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_DUE = sa.text("due_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("customer", sa.Column("fewer_reminders", YesNo()))
    op.create_table(
        "reminder",
        sa.Column("id", Words(), nullable=False),
        sa.Column("plan", Words(), nullable=False),
        sa.Column("ends_at", Moment(), nullable=False),
        sa.Column("passed", Moment(), nullable=False),
        sa.Column("next_at", Moment()),
        sa.Column("due_at", Moment()),
        sa.Column("version", Whole(), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["customer.id"]),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_reminder_due", "reminder", ["due_at", "id"], postgresql_where=_DUE, sqlite_where=_DUE
    )
    # Of no plan, and so of another end than the present one: the first look plans it.
    op.execute(
        "INSERT INTO reminder (id, plan, ends_at, passed, due_at, version)"
        " SELECT customer_id, '', period_end, period_start, period_start, 0"
        " FROM subscription WHERE period_end IS NOT NULL"
    )
