"""Escrows: money set aside between two customers, in two parts."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Moment, Whole, Words

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_STATUSES = "'unfunded', 'funded', 'disputed', 'released', 'refunded'"
_DUE = sa.text("due_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "escrow",
        sa.Column("id", Words(), nullable=False),
        sa.Column("payer_id", Words(), nullable=False),
        sa.Column("payee_id", Words(), nullable=False),
        sa.Column("title", Words(), nullable=False),
        sa.Column("currency", Words(), nullable=False),
        *_part("down_payment", null=False),
        *_part("remainder", null=True),
        sa.Column("fee_basis_points", Whole(), nullable=False),
        sa.Column("buffer_seconds", Whole(), nullable=False),
        sa.Column("opened_at", Moment(), nullable=False),
        sa.Column("due_at", Moment()),
        sa.Column("version", Whole(), nullable=False),
        sa.CheckConstraint("payer_id <> payee_id", name="sides"),
        sa.CheckConstraint(
            "length(currency) BETWEEN 3 AND 8 AND currency = upper(currency)", name="currency"
        ),
        sa.CheckConstraint(
            "(remainder_minor IS NULL) = (remainder_status IS NULL)", name="remainder_whole"
        ),
        sa.CheckConstraint("fee_basis_points BETWEEN 0 AND 10000", name="fee"),
        sa.CheckConstraint("buffer_seconds >= 0", name="buffer"),
        sa.ForeignKeyConstraint(["payer_id"], ["customer.id"]),
        sa.ForeignKeyConstraint(["payee_id"], ["customer.id"]),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    for side in ("payer_id", "payee_id"):
        op.create_index(f"ix_escrow_{side}_opened_at_id", "escrow", [side, "opened_at", "id"])
    op.create_index(
        "ix_escrow_due", "escrow", ["due_at", "id"], postgresql_where=_DUE, sqlite_where=_DUE
    )


def _part(name: str, *, null: bool) -> list[sa.Column[Any] | sa.CheckConstraint]:
    status, releasing, ended = f"{name}_status", f"{name}_releasing_at", f"{name}_ended_at"
    return [
        sa.Column(f"{name}_minor", Whole(), nullable=null),
        sa.Column(status, Words(), nullable=null),
        sa.Column(releasing, Moment()),
        sa.Column(ended, Moment()),
        sa.CheckConstraint(f"{name}_minor BETWEEN 1 AND 1000000000000000", name=f"{name}_minor"),
        sa.CheckConstraint(f"{status} IN ({_STATUSES})", name=status),
        sa.CheckConstraint(f"{releasing} IS NULL OR {status} = 'funded'", name=f"{name}_releasing"),
        sa.CheckConstraint(
            f"({status} IN ('released', 'refunded')) = ({ended} IS NOT NULL)", name=f"{name}_ended"
        ),
    ]
