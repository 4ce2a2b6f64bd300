"""Usage packs: on offer, bought, counted, held and told of."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Json, Moment, Whole, Words, YesNo

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_NEW_RULES = {
    "item": "item IN ('plan', 'pack', 'deposit', 'verification', 'escrow')",
    "pack": "(item = 'pack') = (pack IS NOT NULL)",
}
_KEPT_RULES = {
    "plan": "(item = 'plan') = (plan_version_id IS NOT NULL)",
    "method": "(item = 'verification') = (method_id IS NOT NULL)",
    "escrow": "(item = 'escrow') = (escrow_id IS NOT NULL)",
    "escrow_whole": "(escrow_id IS NULL) = (escrow_part IS NULL)",
    "escrow_part": "escrow_part IN ('down_payment', 'remainder')",
    "refunded": "refunded_minor BETWEEN 1 AND amount_minor",
    "refunded_whole": "(status = 'refunded') = (coalesce(refunded_minor, 0) = amount_minor)",
    "ended": "(status = 'pending') = (ended_at IS NULL)",
    "life": "created_at <= expires_at",
    "status": "status IN ('pending', 'paid', 'canceled', 'expired', 'failed', 'refunded')",
    "amount_minor": "amount_minor BETWEEN 1 AND 1000000000000000",
    "currency": "length(currency) BETWEEN 3 AND 8 AND currency = upper(currency)",
    "remark_code": "remark_code IN ('settled', 'after_end', 'second', 'mismatch')",
    "remark_whole": "(remark_code IS NULL) = (remark_minor IS NULL)"
    " AND (remark_code IS NULL) = (remark_currency IS NULL)",
    "remark_minor": "abs(remark_minor) <= 1000000000000000",
    "remark_currency": "length(remark_currency) BETWEEN 3 AND 8"
    " AND remark_currency = upper(remark_currency)",
}
_PENDING = sa.text("status = 'pending'")
_WAITING = sa.text("status = 'pending' AND from_wallet")
_DUE = sa.text("due_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("catalog_revision", sa.Column("packs", Json()))
    op.add_column("usage_receipt", sa.Column("packs", Whole()))
    op.add_column("usage_hold", sa.Column("of_packs", Whole()))
    if op.get_bind().dialect.name == "sqlite":
        _purchases_made_anew()
        return
    op.add_column("purchase", sa.Column("pack", Json()))
    op.drop_constraint(op.f("ck_purchase_item"), "purchase")
    for name, rule in _NEW_RULES.items():
        op.create_check_constraint(op.f(f"ck_purchase_{name}"), "purchase", rule)


def _purchases_made_anew() -> None:
    """SQLite changes no rule of a table that is there; what refers to it finds its rows again."""
    op.execute("PRAGMA defer_foreign_keys = ON")
    op.execute("CREATE TABLE former_purchase AS SELECT * FROM purchase")
    op.drop_table("purchase")
    columns: list[sa.Column[Any]] = [
        sa.Column("id", Words(), nullable=False),
        sa.Column("customer_id", Words(), nullable=False),
        sa.Column("plan_version_id", Words()),
        sa.Column("amount_minor", Whole(), nullable=False),
        sa.Column("currency", Words(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("status", Words(), nullable=False),
        sa.Column("ended_at", Moment()),
        sa.Column("remark_code", Words()),
        sa.Column("remark_minor", Whole()),
        sa.Column("remark_currency", Words()),
        sa.Column("due_at", Moment()),
        sa.Column("version", Whole(), nullable=False),
        sa.Column("item", Words(), nullable=False),
        sa.Column("item_key", Words(), nullable=False),
        sa.Column("method_id", Words()),
        sa.Column("escrow_id", Words()),
        sa.Column("escrow_part", Words()),
        sa.Column("from_wallet", YesNo(), nullable=False),
        sa.Column("refunded_minor", Whole()),
        sa.Column("promo_code", Words()),
        sa.Column("full_minor", Whole()),
    ]
    op.create_table(
        "purchase",
        *columns,
        sa.Column("pack", Json()),
        *(sa.CheckConstraint(rule, name=name) for name, rule in (_KEPT_RULES | _NEW_RULES).items()),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"]),
        sa.ForeignKeyConstraint(["plan_version_id"], ["plan_version.id"]),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    kept = ", ".join(column.name for column in columns)
    op.execute(f"INSERT INTO purchase ({kept}) SELECT {kept} FROM former_purchase")  # noqa: S608 - Made of the names above.
    op.drop_table("former_purchase")
    for name, of, unique, where in (
        ("ix_purchase_customer_id_created_at_id", ["customer_id", "created_at", "id"], False, None),
        (
            "uq_purchase_pending",
            ["customer_id", "item_key", "amount_minor", "currency"],
            True,
            _PENDING,
        ),
        ("ix_purchase_waiting", ["customer_id", "created_at"], False, _WAITING),
        ("ix_purchase_due", ["due_at", "id"], False, _DUE),
    ):
        op.create_index(name, "purchase", of, unique=unique, sqlite_where=where)
