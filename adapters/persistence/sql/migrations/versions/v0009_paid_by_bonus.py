"""How much of what paid for a period was bonus; nothing is said of those that run already."""

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Whole

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("subscription", sa.Column("bonus_minor", Whole()))
