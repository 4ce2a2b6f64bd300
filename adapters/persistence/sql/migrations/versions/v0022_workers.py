"""Who took a job, so that several workers can take up what a dead one had begun."""

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Words

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_TAKEN = sa.text("state = 'taken'")


def upgrade() -> None:
    op.add_column("job", sa.Column("taken_by", Words()))
    op.create_index("ix_job_taken", "job", ["id"], postgresql_where=_TAKEN, sqlite_where=_TAKEN)
