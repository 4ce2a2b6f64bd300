"""Operators in the chat: their roles, and what they have begun."""

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Json, Moment, Words, YesNo

revision = "0019"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "operator_role",
        sa.Column("kind", Words(), nullable=False),
        sa.Column("value", Words(), nullable=False),
        sa.Column("role", Words(), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("by", Words(), nullable=False),
        sa.CheckConstraint("kind IN ('telegram', 'external')", name="kind"),
        sa.CheckConstraint("role IN ('owner', 'manager', 'support')", name="role"),
        sa.PrimaryKeyConstraint("kind", "value"),
        sqlite_strict=True,
    )
    op.create_table(
        "operator_draft",
        sa.Column("kind", Words(), nullable=False),
        sa.Column("value", Words(), nullable=False),
        sa.Column("id", Words(), nullable=False),
        sa.Column("deed", Words(), nullable=False),
        sa.Column("about", Words(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("answers", Json(), nullable=False),
        sa.Column("is_done", YesNo(), nullable=False),
        sa.CheckConstraint("kind IN ('telegram', 'external')", name="kind"),
        sa.PrimaryKeyConstraint("kind", "value"),
        sqlite_strict=True,
    )
