"""Access outside: what was made for whom, and when to try again."""

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Json, Moment, Whole, Words

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_DUE = sa.text("due_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "access",
        sa.Column("id", Words(), nullable=False),
        sa.Column("grants", Json(), nullable=False),
        sa.Column("until", Moment()),
        sa.Column("link", Words()),
        sa.Column("waiting_since", Moment()),
        sa.Column("tries", Whole(), nullable=False),
        sa.Column("due_at", Moment()),
        sa.Column("version", Whole(), nullable=False),
        sa.CheckConstraint("tries >= 0", name="tries"),
        sa.CheckConstraint("(waiting_since IS NULL) = (due_at IS NULL)", name="waiting"),
        sa.ForeignKeyConstraint(["id"], ["customer.id"]),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_access_due", "access", ["due_at", "id"], postgresql_where=_DUE, sqlite_where=_DUE
    )
    # What was bought before anybody made it: the first sweep finds it.
    op.execute(
        "INSERT INTO access (id, grants, waiting_since, tries, due_at, version)"
        " SELECT customer_id, '[]', period_start, 0, period_start, 0 FROM subscription"
        " WHERE activation = 'pending' AND period_start IS NOT NULL"
    )
