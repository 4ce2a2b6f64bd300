"""The chat: what it says of the business, whom it cannot reach, and what may be forgotten."""

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Json, Moment

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("customer", sa.Column("unreachable_since", Moment()))
    op.add_column("catalog_revision", sa.Column("chat", Json()))
    forgettable = sa.text("kind = 'other' AND status = 'done'")
    op.create_index(
        "ix_inbox_forgettable",
        "inbox",
        ["handled_at", "id"],
        postgresql_where=forgettable,
        sqlite_where=forgettable,
    )
