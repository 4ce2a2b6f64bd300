"""Switches: what an operator has turned off, or on again."""

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Moment, Words, YesNo

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "switch",
        sa.Column("name", Words(), nullable=False),
        sa.Column("is_on", YesNo(), nullable=False),
        sa.Column("changed_at", Moment(), nullable=False),
        sa.Column("by", Words(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_strict=True,
    )
