"""Checkouts that have a method saved, and those that charge a saved one."""

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Words, YesNo

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("checkout", sa.Column("saves_method", YesNo()))
    op.add_column("checkout", sa.Column("method_id", Words()))
