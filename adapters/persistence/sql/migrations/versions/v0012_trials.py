"""When a customer's one trial began."""

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Moment

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("subscription", sa.Column("trialed_at", Moment()))
