"""Subscriptions that renew by themselves: from what, when next, and how long access lasts meanwhile."""

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Moment, Words

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, kind in (
        ("renewal_source", Words()),
        ("renewal_next_at", Moment()),
        ("renewal_grace_until", Moment()),
        ("renewal_purchase_id", Words()),
    ):
        op.add_column("subscription", sa.Column(name, kind))
