"""Customers who change their zone, or asked to be erased, and marks of the identities that were theirs."""

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Moment, Words

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("customer", sa.Column("former_zone", Words()))
    op.add_column("customer", sa.Column("zone_changed_at", Moment()))
    op.add_column("customer", sa.Column("leaving_since", Moment()))
    op.add_column("customer", sa.Column("erased_at", Moment()))
    op.create_table(
        "former_identity",
        sa.Column("mark", Words(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("mark"),
        sqlite_strict=True,
    )
