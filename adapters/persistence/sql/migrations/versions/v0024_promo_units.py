"""Promo codes that give units of a feature."""

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Moment, Whole, Words, YesNo

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_NEW_RULES = {
    "gives": "(percent IS NOT NULL AND days IS NULL AND units IS NULL)"
    " OR (percent IS NULL AND days IS NOT NULL AND units IS NULL)"
    " OR (percent IS NULL AND days IS NULL AND units IS NOT NULL)",
    "units_whole": "(units IS NULL) = (feature IS NULL)",
}
_KEPT_RULES = {
    "percent": "percent BETWEEN 1 AND 90",
    "used": "used >= 0 AND (max_uses IS NULL OR used <= max_uses)",
}


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _codes_made_anew()
        return
    op.add_column("promo_code", sa.Column("units", Whole()))
    op.add_column("promo_code", sa.Column("feature", Words()))
    op.drop_constraint(op.f("ck_promo_code_gives"), "promo_code")
    for name, rule in _NEW_RULES.items():
        op.create_check_constraint(op.f(f"ck_promo_code_{name}"), "promo_code", rule)


def _codes_made_anew() -> None:
    """SQLite changes no rule of a table that is there; what refers to it finds its rows again."""
    op.execute("PRAGMA defer_foreign_keys = ON")
    op.execute("CREATE TABLE former_promo_code AS SELECT * FROM promo_code")
    op.drop_table("promo_code")
    op.create_table(
        "promo_code",
        sa.Column("name", Words(), nullable=False),
        sa.Column("percent", Whole()),
        sa.Column("days", Whole()),
        sa.Column("plans", Words(), nullable=False),
        sa.Column("max_uses", Whole()),
        sa.Column("until", Moment()),
        sa.Column("only_new", YesNo(), nullable=False),
        sa.Column("used", Whole(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("stopped_at", Moment()),
        sa.Column("units", Whole()),
        sa.Column("feature", Words()),
        *(sa.CheckConstraint(rule, name=name) for name, rule in (_KEPT_RULES | _NEW_RULES).items()),
        sa.PrimaryKeyConstraint("name"),
        sqlite_strict=True,
    )
    op.execute("INSERT INTO promo_code SELECT *, NULL, NULL FROM former_promo_code")
    op.drop_table("former_promo_code")
    op.create_index("ix_promo_code_created_at_name", "promo_code", ["created_at", "name"])
