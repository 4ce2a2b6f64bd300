"""Money in every direction: purchases of other things than plans, charges, refunds."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Json, Moment, Whole, Words, YesNo

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_PURCHASE_RULES = {
    "item": "item IN ('plan', 'deposit', 'verification', 'escrow')",
    "plan": "(item = 'plan') = (plan_version_id IS NOT NULL)",
    "method": "(item = 'verification') = (method_id IS NOT NULL)",
    "escrow": "(item = 'escrow') = (escrow_id IS NOT NULL)",
    "escrow_whole": "(escrow_id IS NULL) = (escrow_part IS NULL)",
    "escrow_part": "escrow_part IN ('down_payment', 'remainder')",
    "refunded": "refunded_minor BETWEEN 1 AND amount_minor",
    "refunded_whole": "(status = 'refunded') = (coalesce(refunded_minor, 0) = amount_minor)",
}
_FORMER_RULES = {
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
_INBOX_KINDS = "kind IN ('payment', 'refund', 'payout', 'other')"
_CASE_KINDS = (
    "kind IN ('mismatch', 'suspense', 'foreign', 'refund', 'authorized', 'unconfirmed',"
    " 'chargeback', 'dispute', 'withdrawal', 'difference', 'poison')"
)
_PENDING = sa.text("status = 'pending'")
_WAITING = sa.text("status = 'pending' AND from_wallet")
_DUE = sa.text("due_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("catalog_revision", sa.Column("money", Json()))
    if op.get_bind().dialect.name == "sqlite":
        _made_anew()
    else:
        _altered()
    for name, columns, unique, where in (
        (
            "uq_purchase_pending",
            ["customer_id", "item_key", "amount_minor", "currency"],
            True,
            _PENDING,
        ),
        ("ix_purchase_waiting", ["customer_id", "created_at"], False, _WAITING),
    ):
        op.create_index(
            name, "purchase", columns, unique=unique, postgresql_where=where, sqlite_where=where
        )
    op.create_index("ix_posting_past", "posting", ["account", "currency", "posted_at", "seq"])
    _charges()
    _refunds()
    _audit()
    _charges_of_before()


def _altered() -> None:
    op.drop_index("uq_purchase_pending", "purchase")
    op.add_column("inbox", sa.Column("payout_id", Words()))
    for column in _new_columns():
        op.add_column("purchase", column)
    op.execute(
        "UPDATE purchase SET item = 'plan', item_key = 'plan ' || plan_version_id,"
        " from_wallet = false"
    )
    for name in ("item", "item_key", "from_wallet"):
        op.alter_column("purchase", name, nullable=False)
    op.alter_column("purchase", "plan_version_id", nullable=True)
    for name, rule in _PURCHASE_RULES.items():
        op.create_check_constraint(op.f(f"ck_purchase_{name}"), "purchase", rule)
    for table, rule in (("inbox", _INBOX_KINDS), ("billing_case", _CASE_KINDS)):
        op.drop_constraint(op.f(f"ck_{table}_kind"), table)
        op.create_check_constraint(op.f(f"ck_{table}_kind"), table, rule)


def _new_columns(*, required: bool = False) -> list[sa.Column[Any]]:
    return [
        sa.Column("item", Words(), nullable=not required),
        sa.Column("item_key", Words(), nullable=not required),
        sa.Column("method_id", Words()),
        sa.Column("escrow_id", Words()),
        sa.Column("escrow_part", Words()),
        sa.Column("from_wallet", YesNo(), nullable=not required),
        sa.Column("refunded_minor", Whole()),
    ]


def _made_anew() -> None:
    """
    SQLite changes no rule of a table that is there. A purchase has checkouts that refer to it:
    they are counted when the old table goes, and found again by the rows of the new one, before
    the end of this transaction.
    """
    op.execute("PRAGMA defer_foreign_keys = ON")
    for table in ("purchase", "inbox", "billing_case"):
        op.execute(f"CREATE TABLE former_{table} AS SELECT * FROM {table}")  # noqa: S608 - Names.
        op.drop_table(table)
    rules = _FORMER_RULES | _PURCHASE_RULES
    op.create_table(
        "purchase",
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
        *_new_columns(required=True),
        *(sa.CheckConstraint(rule, name=name) for name, rule in rules.items()),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"]),
        sa.ForeignKeyConstraint(["plan_version_id"], ["plan_version.id"]),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_purchase_customer_id_created_at_id", "purchase", ["customer_id", "created_at", "id"]
    )
    op.create_index("ix_purchase_due", "purchase", ["due_at", "id"], sqlite_where=_DUE)
    former = (
        "id, customer_id, plan_version_id, amount_minor, currency, created_at, expires_at, status,"
        " ended_at, remark_code, remark_minor, remark_currency, due_at, version"
    )
    op.execute(
        f"INSERT INTO purchase ({former}, item, item_key, from_wallet)"  # noqa: S608 - Made of the constant above.
        f" SELECT {former}, 'plan', 'plan ' || plan_version_id, 0 FROM former_purchase"
    )
    _inbox_made_anew()
    _cases_made_anew()
    for table in ("purchase", "inbox", "billing_case"):
        op.drop_table(f"former_{table}")


def _inbox_made_anew() -> None:
    op.create_table(
        "inbox",
        sa.Column("id", Words(), nullable=False),
        sa.Column("gateway", Words(), nullable=False),
        sa.Column("kind", Words(), nullable=False),
        sa.Column("event", Words(), nullable=False),
        sa.Column("dedupe_key", Words(), nullable=False),
        sa.Column("payment_id", Words()),
        sa.Column("claims_paid", YesNo(), nullable=False),
        sa.Column("body", Words(), nullable=False),
        sa.Column("received_at", Moment(), nullable=False),
        sa.Column("copies", Whole(), nullable=False),
        sa.Column("attempts", Whole(), nullable=False),
        sa.Column("status", Words(), nullable=False),
        sa.Column("handled_at", Moment()),
        sa.Column("result", Words()),
        sa.Column("version", Whole(), nullable=False),
        sa.Column("payout_id", Words()),
        sa.CheckConstraint(_INBOX_KINDS, name="kind"),
        sa.CheckConstraint("status IN ('stored', 'done', 'failed')", name="status"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("gateway", "dedupe_key"),
        sqlite_strict=True,
    )
    op.execute("INSERT INTO inbox SELECT *, NULL FROM former_inbox")
    op.create_index(
        "ix_inbox_forgettable",
        "inbox",
        ["handled_at", "id"],
        sqlite_where=sa.text("kind = 'other' AND status = 'done'"),
    )


def _cases_made_anew() -> None:
    op.create_table(
        "billing_case",
        sa.Column("id", Words(), nullable=False),
        sa.Column("kind", Words(), nullable=False),
        sa.Column("cause", Words(), nullable=False),
        sa.Column("opened_at", Moment(), nullable=False),
        sa.Column("facts", Json(), nullable=False),
        sa.Column("customer_id", Words()),
        sa.Column("closed_at", Moment()),
        sa.Column("reason", Words()),
        sa.CheckConstraint(_CASE_KINDS, name="kind"),
        sa.CheckConstraint("(closed_at IS NULL) = (reason IS NULL)", name="closed_whole"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("cause"),
        sqlite_strict=True,
    )
    op.execute("INSERT INTO billing_case SELECT * FROM former_billing_case")
    op.create_index(
        "ix_billing_case_open",
        "billing_case",
        ["opened_at", "id"],
        sqlite_where=sa.text("closed_at IS NULL"),
    )


def _charges() -> None:
    op.create_table(
        "charge",
        sa.Column("gateway", Words(), nullable=False),
        sa.Column("charge_id", Words(), nullable=False),
        sa.Column("payment_id", Words(), nullable=False),
        sa.Column("customer_id", Words()),
        sa.Column("purchase_id", Words()),
        sa.Column("amount_minor", Whole(), nullable=False),
        sa.Column("currency", Words(), nullable=False),
        sa.Column("fee_minor", Whole()),
        sa.Column("returning_minor", Whole()),
        sa.Column("settled", YesNo(), nullable=False),
        sa.Column("charged_at", Moment(), nullable=False),
        sa.Column("details", Json(), nullable=False),
        sa.Column("version", Whole(), nullable=False),
        sa.CheckConstraint("amount_minor BETWEEN 1 AND 1000000000000000", name="amount_minor"),
        sa.CheckConstraint(_FORMER_RULES["currency"], name="currency"),
        sa.CheckConstraint("fee_minor BETWEEN 0 AND amount_minor", name="fee"),
        sa.CheckConstraint("returning_minor BETWEEN 1 AND amount_minor", name="returning"),
        sa.CheckConstraint("(customer_id IS NULL) = (purchase_id IS NULL)", name="owned"),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"]),
        sa.ForeignKeyConstraint(["purchase_id"], ["purchase.id"]),
        sa.PrimaryKeyConstraint("gateway", "charge_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_charge_purchase_id", "charge", ["purchase_id"])
    op.create_index("ix_charge_gateway_payment_id", "charge", ["gateway", "payment_id"])


def _refunds() -> None:
    op.create_table(
        "refund",
        sa.Column("id", Words(), nullable=False),
        sa.Column("purchase_id", Words(), nullable=False),
        sa.Column("customer_id", Words(), nullable=False),
        sa.Column("gateway", Words(), nullable=False),
        sa.Column("payment_id", Words(), nullable=False),
        sa.Column("charge_id", Words(), nullable=False),
        sa.Column("amount_minor", Whole(), nullable=False),
        sa.Column("paid_minor", Whole(), nullable=False),
        sa.Column("currency", Words(), nullable=False),
        sa.Column("reason", Words(), nullable=False),
        sa.Column("asked_at", Moment(), nullable=False),
        sa.Column("receipt_contact", Words()),
        sa.Column("receipt_terms", Json()),
        sa.Column("status", Words(), nullable=False),
        sa.Column("provider_id", Words()),
        sa.Column("is_chargeback", YesNo(), nullable=False),
        sa.Column("ended_at", Moment()),
        sa.Column("looked", Whole(), nullable=False),
        sa.Column("due_at", Moment()),
        sa.Column("version", Whole(), nullable=False),
        sa.CheckConstraint("status IN ('asked', 'done', 'failed')", name="status"),
        sa.CheckConstraint("amount_minor BETWEEN 1 AND paid_minor", name="amount_minor"),
        sa.CheckConstraint(_FORMER_RULES["currency"], name="currency"),
        sa.CheckConstraint("(status = 'asked') = (ended_at IS NULL)", name="ended"),
        sa.CheckConstraint(
            "(receipt_contact IS NULL) = (receipt_terms IS NULL)", name="receipt_whole"
        ),
        sa.ForeignKeyConstraint(["gateway", "charge_id"], ["charge.gateway", "charge.charge_id"]),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"]),
        sa.ForeignKeyConstraint(["purchase_id"], ["purchase.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("gateway", "provider_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_refund_purchase_id", "refund", ["purchase_id"])
    op.create_index("ix_refund_gateway_payment_id", "refund", ["gateway", "payment_id"])
    op.create_index(
        "ix_refund_due", "refund", ["due_at", "id"], postgresql_where=_DUE, sqlite_where=_DUE
    )


def _audit() -> None:
    op.create_table(
        "audit_line",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", Words(), nullable=False),
        sa.Column("action", Words(), nullable=False),
        sa.Column("subject", Words(), nullable=False),
        sa.Column("reason", Words(), nullable=False),
        sa.Column("facts", Json(), nullable=False),
        sa.Column("seal", Words(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_line_subject_id", "audit_line", ["subject", "id"])


def _charges_of_before() -> None:
    """What came in until now, from the books: the first exact charge of a paid purchase paid it."""
    connection = op.get_bind()
    connection.execute(
        sa.text("""
            INSERT INTO charge (gateway, charge_id, payment_id, customer_id, purchase_id,
                amount_minor, currency, settled, charged_at, details, version)
            SELECT substr(c.account, 10), substr(e.id, length(c.account)),
                substr(e.id, length(c.account)), p.customer_id, p.id,
                -c.amount_minor, c.currency,
                p.id IS NOT NULL AND p.status IN ('paid', 'refunded')
                    AND -c.amount_minor = p.amount_minor AND c.currency = p.currency
                    AND NOT EXISTS (
                        SELECT 1 FROM entry f JOIN posting d ON d.entry_id = f.id
                        WHERE f.purpose = 'charge' AND f.purchase_id = p.id
                            AND d.account LIKE 'clearing:%' AND -d.amount_minor = p.amount_minor
                            AND d.currency = p.currency
                            AND (f.at < e.at OR (f.at = e.at AND f.id < e.id))
                    ),
                e.at, '{}', 0
            FROM entry e
            JOIN posting c ON c.entry_id = e.id AND c.account LIKE 'clearing:%'
            LEFT JOIN purchase p ON p.id = e.purchase_id
            WHERE e.purpose = 'charge'
        """)
    )
