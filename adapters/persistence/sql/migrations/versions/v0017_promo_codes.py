"""Days that nobody paid for."""

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Whole

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("subscription", sa.Column("given_days", Whole()))
