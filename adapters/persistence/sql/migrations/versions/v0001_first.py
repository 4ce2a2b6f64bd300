"""Everything, for the first time."""

import sqlalchemy as sa
from alembic import op

from adapters.persistence.sql.column_types import Json, Moment, Whole, Words, YesNo
from adapters.persistence.sql.sealing import seal

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _customers()
    _catalogs()
    _subscriptions()
    _purchases()
    _checkouts()
    _books()
    _usage()
    _causes()
    _work()
    seal(op.get_bind())


def _customers() -> None:
    op.create_table(
        "customer",
        sa.Column("id", Words(), nullable=False),
        sa.Column("language", Words(), nullable=False),
        sa.Column("zone", Words(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("receipt_contact", Words()),
        sa.Column("version", Whole(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_table(
        "customer_identity",
        sa.Column("kind", Words(), nullable=False),
        sa.Column("value", Words(), nullable=False),
        sa.Column("customer_id", Words(), nullable=False),
        sa.Column("position", Whole(), nullable=False),
        sa.CheckConstraint("kind IN ('telegram', 'external')", name="kind"),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"]),
        sa.PrimaryKeyConstraint("kind", "value"),
        sqlite_strict=True,
    )
    op.create_index("ix_customer_identity_customer_id", "customer_identity", ["customer_id"])
    op.create_table(
        "customer_session",
        sa.Column("id", Words(), nullable=False),
        sa.Column("customer_id", Words(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("may_pay", YesNo(), nullable=False),
        sa.Column("revoked_at", Moment()),
        sa.CheckConstraint("created_at <= expires_at", name="life"),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"]),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_table(
        "api_key",
        sa.Column("name", Words(), nullable=False),
        sa.Column("key_hash", Words(), nullable=False),
        sa.Column("scopes", Json(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("revoked_at", Moment()),
        sa.PrimaryKeyConstraint("name"),
        sa.UniqueConstraint("key_hash"),
        sqlite_strict=True,
    )


def _catalogs() -> None:
    op.create_table(
        "plan_version",
        sa.Column("id", Words(), nullable=False),
        sa.Column("code", Words(), nullable=False),
        sa.Column("number", Whole(), nullable=False),
        sa.Column("terms", Json(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("code", "number"),
        sqlite_strict=True,
    )
    op.create_table(
        "catalog_revision",
        sa.Column("revision", Whole(), autoincrement=False, nullable=False),
        sa.Column("zone", Words(), nullable=False),
        sa.Column("default_plan", Words(), nullable=False),
        sa.PrimaryKeyConstraint("revision"),
        sqlite_strict=True,
    )
    op.create_table(
        "catalog_plan",
        sa.Column("revision", Whole(), nullable=False),
        sa.Column("position", Whole(), nullable=False),
        sa.Column("plan_version_id", Words(), nullable=False),
        sa.ForeignKeyConstraint(["plan_version_id"], ["plan_version.id"]),
        sa.ForeignKeyConstraint(["revision"], ["catalog_revision.revision"]),
        sa.PrimaryKeyConstraint("revision", "position"),
        sa.UniqueConstraint("revision", "plan_version_id"),
        sqlite_strict=True,
    )


def _subscriptions() -> None:
    op.create_table(
        "subscription",
        sa.Column("id", Words(), nullable=False),
        sa.Column("customer_id", Words(), nullable=False),
        sa.Column("status", Words(), nullable=False),
        sa.Column("auto_renew", YesNo(), nullable=False),
        sa.Column("cancel_at_period_end", YesNo(), nullable=False),
        sa.Column("activation", Words(), nullable=False),
        sa.Column("period_plan_version_id", Words()),
        sa.Column("period_start", Moment()),
        sa.Column("period_end", Moment()),
        sa.Column("anchor_at", Moment()),
        sa.Column("anchor_zone", Words()),
        sa.Column("period_count", Whole()),
        sa.Column("paid_minor", Whole()),
        sa.Column("paid_currency", Words()),
        sa.Column("due_at", Moment()),
        sa.Column("version", Whole(), nullable=False),
        sa.CheckConstraint(
            "activation IN ('none', 'pending', 'active', 'failed')", name="activation"
        ),
        sa.CheckConstraint(
            "status IN ('trialing', 'active', 'past_due', 'expired')", name="status"
        ),
        sa.CheckConstraint(
            "(period_plan_version_id IS NULL) = (period_start IS NULL) AND (period_plan_version_id IS NULL) = (period_end IS NULL) AND (period_plan_version_id IS NULL) = (anchor_at IS NULL) AND (period_plan_version_id IS NULL) = (anchor_zone IS NULL) AND (period_plan_version_id IS NULL) = (period_count IS NULL) AND (period_plan_version_id IS NULL) = (paid_minor IS NULL) AND (period_plan_version_id IS NULL) = (paid_currency IS NULL)",
            name="period_whole",
        ),
        sa.CheckConstraint(
            "length(paid_currency) BETWEEN 3 AND 8 AND paid_currency = upper(paid_currency)",
            name="paid_currency",
        ),
        sa.CheckConstraint("paid_minor BETWEEN 0 AND 1000000000000000", name="paid_minor"),
        sa.CheckConstraint("period_count >= 1", name="period_count"),
        sa.CheckConstraint("period_start < period_end", name="period_order"),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"]),
        sa.ForeignKeyConstraint(["period_plan_version_id"], ["plan_version.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("customer_id"),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_subscription_due",
        "subscription",
        ["due_at", "id"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL"),
    )


def _purchases() -> None:
    op.create_table(
        "purchase",
        sa.Column("id", Words(), nullable=False),
        sa.Column("customer_id", Words(), nullable=False),
        sa.Column("plan_version_id", Words(), nullable=False),
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
        sa.CheckConstraint("(status = 'pending') = (ended_at IS NULL)", name="ended"),
        sa.CheckConstraint(
            "remark_code IN ('settled', 'after_end', 'second', 'mismatch')", name="remark_code"
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'paid', 'canceled', 'expired', 'failed', 'refunded')",
            name="status",
        ),
        sa.CheckConstraint(
            "(remark_code IS NULL) = (remark_minor IS NULL) AND (remark_code IS NULL) = (remark_currency IS NULL)",
            name="remark_whole",
        ),
        sa.CheckConstraint("abs(remark_minor) <= 1000000000000000", name="remark_minor"),
        sa.CheckConstraint("amount_minor BETWEEN 1 AND 1000000000000000", name="amount_minor"),
        sa.CheckConstraint("created_at <= expires_at", name="life"),
        sa.CheckConstraint(
            "length(currency) BETWEEN 3 AND 8 AND currency = upper(currency)", name="currency"
        ),
        sa.CheckConstraint(
            "length(remark_currency) BETWEEN 3 AND 8 AND remark_currency = upper(remark_currency)",
            name="remark_currency",
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"]),
        sa.ForeignKeyConstraint(["plan_version_id"], ["plan_version.id"]),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_purchase_customer_id_created_at_id", "purchase", ["customer_id", "created_at", "id"]
    )
    op.create_index(
        "ix_purchase_due",
        "purchase",
        ["due_at", "id"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "uq_purchase_pending",
        "purchase",
        ["customer_id", "plan_version_id", "amount_minor", "currency"],
        unique=True,
        postgresql_where=sa.text("status = 'pending'"),
        sqlite_where=sa.text("status = 'pending'"),
    )


def _checkouts() -> None:
    op.create_table(
        "checkout",
        sa.Column("id", Words(), nullable=False),
        sa.Column("purchase_id", Words(), nullable=False),
        sa.Column("customer_id", Words(), nullable=False),
        sa.Column("gateway", Words(), nullable=False),
        sa.Column("amount_minor", Whole(), nullable=False),
        sa.Column("currency", Words(), nullable=False),
        sa.Column("description", Words(), nullable=False),
        sa.Column("return_url", Words(), nullable=False),
        sa.Column("language", Words(), nullable=False),
        sa.Column("receipt_contact", Words()),
        sa.Column("receipt_terms", Json()),
        sa.Column("asked_at", Moment(), nullable=False),
        sa.Column("status", Words(), nullable=False),
        sa.Column("payment_id", Words()),
        sa.Column("confirmation_url", Words()),
        sa.Column("opened_expires_at", Moment()),
        sa.Column("looked", Whole(), nullable=False),
        sa.Column("due_at", Moment()),
        sa.Column("version", Whole(), nullable=False),
        sa.CheckConstraint(
            "status IN ('asked', 'open', 'declined', 'unknown', 'paid', 'lapsed')", name="status"
        ),
        sa.CheckConstraint(
            "(payment_id IS NULL) = (confirmation_url IS NULL)", name="opened_whole"
        ),
        sa.CheckConstraint(
            "(receipt_contact IS NULL) = (receipt_terms IS NULL)", name="receipt_whole"
        ),
        sa.CheckConstraint("amount_minor BETWEEN 1 AND 1000000000000000", name="amount_minor"),
        sa.CheckConstraint(
            "length(currency) BETWEEN 3 AND 8 AND currency = upper(currency)", name="currency"
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"]),
        sa.ForeignKeyConstraint(["purchase_id"], ["purchase.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("gateway", "payment_id"),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_checkout_due",
        "checkout",
        ["due_at", "id"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("ix_checkout_purchase_id", "checkout", ["purchase_id"])


def _books() -> None:
    op.create_table(
        "entry",
        sa.Column("id", Words(), nullable=False),
        sa.Column("purpose", Words(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("purchase_id", Words()),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("ix_entry_purchase_id", "entry", ["purchase_id"])
    op.create_table(
        "posting",
        sa.Column("entry_id", Words(), nullable=False),
        sa.Column("line_no", Whole(), nullable=False),
        sa.Column("account", Words(), nullable=False),
        sa.Column("currency", Words(), nullable=False),
        sa.Column("amount_minor", Whole(), nullable=False),
        sa.Column("seq", Whole()),
        sa.Column("balance_after_minor", Whole()),
        sa.Column("posted_at", Moment()),
        sa.CheckConstraint(
            "(seq IS NULL) = (balance_after_minor IS NULL) AND (seq IS NULL) = (posted_at IS NULL)",
            name="numbered",
        ),
        sa.CheckConstraint(
            "amount_minor <> 0 AND abs(amount_minor) <= 1000000000000000", name="amount_minor"
        ),
        sa.CheckConstraint(
            "length(currency) BETWEEN 3 AND 8 AND currency = upper(currency)", name="currency"
        ),
        sa.CheckConstraint("line_no >= 1", name="line_no"),
        sa.CheckConstraint("seq >= 1", name="seq"),
        sa.ForeignKeyConstraint(["entry_id"], ["entry.id"], initially="DEFERRED", deferrable=True),
        sa.PrimaryKeyConstraint("entry_id", "line_no"),
        sa.UniqueConstraint("account", "currency", "seq"),
        sqlite_strict=True,
    )
    op.create_table(
        "balance",
        sa.Column("account", Words(), nullable=False),
        sa.Column("currency", Words(), nullable=False),
        sa.Column("customer_id", Words(), nullable=False),
        sa.Column("balance_minor", Whole(), nullable=False),
        sa.Column("seq", Whole(), nullable=False),
        sa.Column("last_posted_at", Moment(), nullable=False),
        sa.CheckConstraint("balance_minor BETWEEN 0 AND 1000000000000000", name="balance_minor"),
        sa.CheckConstraint(
            "length(currency) BETWEEN 3 AND 8 AND currency = upper(currency)", name="currency"
        ),
        sa.CheckConstraint("seq >= 0", name="seq"),
        sa.PrimaryKeyConstraint("account", "currency"),
        sqlite_strict=True,
    )
    op.create_index("ix_balance_customer_id", "balance", ["customer_id"])


def _usage() -> None:
    op.create_table(
        "usage_counter",
        sa.Column("customer_id", Words(), nullable=False),
        sa.Column("feature", Words(), nullable=False),
        sa.Column("window_start", Moment(), nullable=False),
        sa.Column("used", Whole(), nullable=False),
        sa.CheckConstraint("used >= 0", name="used"),
        sa.PrimaryKeyConstraint("customer_id", "feature", "window_start"),
        sqlite_strict=True,
    )
    op.create_table(
        "usage_receipt",
        sa.Column("customer_id", Words(), nullable=False),
        sa.Column("request_id", Words(), nullable=False),
        sa.Column("feature", Words(), nullable=False),
        sa.Column("units", Whole(), nullable=False),
        sa.Column("allowed", YesNo(), nullable=False),
        sa.Column("used", Whole(), nullable=False),
        sa.Column("quota", Whole()),
        sa.Column("resets_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.CheckConstraint("units >= 1", name="units"),
        sa.PrimaryKeyConstraint("customer_id", "request_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_usage_receipt_expires_at", "usage_receipt", ["expires_at"])


def _causes() -> None:
    op.create_table(
        "claim",
        sa.Column("scope", Words(), nullable=False),
        sa.Column("key", Words(), nullable=False),
        sa.Column("fingerprint", Words(), nullable=False),
        sa.Column("subject", Words(), nullable=False),
        sa.Column("leased_until", Moment(), nullable=False),
        sa.Column("answer", Words()),
        sa.Column("version", Whole(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key"),
        sqlite_strict=True,
    )
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
        sa.CheckConstraint("kind IN ('payment', 'refund', 'other')", name="kind"),
        sa.CheckConstraint("status IN ('stored', 'done', 'failed')", name="status"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("gateway", "dedupe_key"),
        sqlite_strict=True,
    )


def _work() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", Words(), nullable=False),
        sa.Column("payload", Json(), nullable=False),
        sa.Column("run_at", Moment(), nullable=False),
        sa.Column("dedupe", Words()),
        sa.Column("state", Words(), nullable=False),
        sa.Column("attempts", Whole(), nullable=False),
        sa.Column("error", Words()),
        sa.CheckConstraint("state IN ('waiting', 'taken', 'parked')", name="state"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(
        "ix_job_due",
        "job",
        ["run_at", "id"],
        postgresql_where=sa.text("state = 'waiting'"),
        sqlite_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "uq_job_waiting",
        "job",
        ["name", "dedupe"],
        unique=True,
        postgresql_where=sa.text("state = 'waiting'"),
        sqlite_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", Words(), nullable=False),
        sa.Column("subject", Words(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("customer_id", Words()),
        sa.Column("facts", Json(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index("ix_event_subject_id", "event", ["subject", "id"])
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
        sa.CheckConstraint(
            "kind IN ('mismatch', 'suspense', 'foreign', 'refund', 'authorized', 'unconfirmed', 'poison')",
            name="kind",
        ),
        sa.CheckConstraint("(closed_at IS NULL) = (reason IS NULL)", name="closed_whole"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("cause"),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_billing_case_open",
        "billing_case",
        ["opened_at", "id"],
        postgresql_where=sa.text("closed_at IS NULL"),
        sqlite_where=sa.text("closed_at IS NULL"),
    )
