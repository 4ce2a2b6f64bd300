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
        sa.PrimaryKeyConstraint("id", name="pk_customer"),
        sqlite_strict=True,
    )
    op.create_table(
        "customer_identity",
        sa.Column("kind", Words(), nullable=False),
        sa.Column("value", Words(), nullable=False),
        sa.Column("customer_id", Words(), nullable=False),
        sa.Column("position", Whole(), nullable=False),
        sa.CheckConstraint("kind IN ('telegram', 'external')", name="ck_customer_identity_kind"),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name="fk_customer_identity_customer_id"
        ),
        sa.PrimaryKeyConstraint("kind", "value", name="pk_customer_identity"),
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
        sa.CheckConstraint("created_at <= expires_at", name="ck_customer_session_life"),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name="fk_customer_session_customer_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_customer_session"),
        sqlite_strict=True,
    )
    op.create_table(
        "api_key",
        sa.Column("name", Words(), nullable=False),
        sa.Column("key_hash", Words(), nullable=False),
        sa.Column("scopes", Json(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("revoked_at", Moment()),
        sa.PrimaryKeyConstraint("name", name="pk_api_key"),
        sa.UniqueConstraint("key_hash", name="uq_api_key_key_hash"),
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
        sa.PrimaryKeyConstraint("id", name="pk_plan_version"),
        sa.UniqueConstraint("code", "number", name="uq_plan_version_code_number"),
        sqlite_strict=True,
    )
    op.create_table(
        "catalog_revision",
        sa.Column("revision", Whole(), autoincrement=False, nullable=False),
        sa.Column("zone", Words(), nullable=False),
        sa.Column("default_plan", Words(), nullable=False),
        sa.PrimaryKeyConstraint("revision", name="pk_catalog_revision"),
        sqlite_strict=True,
    )
    op.create_table(
        "catalog_plan",
        sa.Column("revision", Whole(), nullable=False),
        sa.Column("position", Whole(), nullable=False),
        sa.Column("plan_version_id", Words(), nullable=False),
        sa.ForeignKeyConstraint(
            ["plan_version_id"], ["plan_version.id"], name="fk_catalog_plan_plan_version_id"
        ),
        sa.ForeignKeyConstraint(
            ["revision"], ["catalog_revision.revision"], name="fk_catalog_plan_revision"
        ),
        sa.PrimaryKeyConstraint("revision", "position", name="pk_catalog_plan"),
        sa.UniqueConstraint(
            "revision", "plan_version_id", name="uq_catalog_plan_revision_plan_version_id"
        ),
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
            "activation IN ('none', 'pending', 'active', 'failed')",
            name="ck_subscription_activation",
        ),
        sa.CheckConstraint(
            "status IN ('trialing', 'active', 'past_due', 'expired')", name="ck_subscription_status"
        ),
        sa.CheckConstraint(
            "CASE WHEN period_plan_version_id IS NULL THEN 0 ELSE 1 END + CASE WHEN period_start IS NULL THEN 0 ELSE 1 END + CASE WHEN period_end IS NULL THEN 0 ELSE 1 END + CASE WHEN anchor_at IS NULL THEN 0 ELSE 1 END + CASE WHEN anchor_zone IS NULL THEN 0 ELSE 1 END + CASE WHEN period_count IS NULL THEN 0 ELSE 1 END + CASE WHEN paid_minor IS NULL THEN 0 ELSE 1 END + CASE WHEN paid_currency IS NULL THEN 0 ELSE 1 END IN (0, 8)",
            name="ck_subscription_period_whole",
        ),
        sa.CheckConstraint(
            "length(paid_currency) BETWEEN 3 AND 8 AND paid_currency = upper(paid_currency)",
            name="ck_subscription_paid_currency",
        ),
        sa.CheckConstraint(
            "paid_minor BETWEEN 0 AND 1000000000000000", name="ck_subscription_paid_minor"
        ),
        sa.CheckConstraint("period_count >= 1", name="ck_subscription_period_count"),
        sa.CheckConstraint("period_start < period_end", name="ck_subscription_period_order"),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name="fk_subscription_customer_id"
        ),
        sa.ForeignKeyConstraint(
            ["period_plan_version_id"],
            ["plan_version.id"],
            name="fk_subscription_period_plan_version_id",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_subscription"),
        sa.UniqueConstraint("customer_id", name="uq_subscription_customer_id"),
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
        sa.CheckConstraint("(status = 'pending') = (ended_at IS NULL)", name="ck_purchase_ended"),
        sa.CheckConstraint(
            "remark_code IN ('settled', 'after_end', 'second', 'mismatch')",
            name="ck_purchase_remark_code",
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'paid', 'canceled', 'expired', 'failed', 'refunded')",
            name="ck_purchase_status",
        ),
        sa.CheckConstraint(
            "CASE WHEN remark_code IS NULL THEN 0 ELSE 1 END + CASE WHEN remark_minor IS NULL THEN 0 ELSE 1 END + CASE WHEN remark_currency IS NULL THEN 0 ELSE 1 END IN (0, 3)",
            name="ck_purchase_remark_whole",
        ),
        sa.CheckConstraint(
            "abs(remark_minor) <= 1000000000000000", name="ck_purchase_remark_minor"
        ),
        sa.CheckConstraint(
            "amount_minor BETWEEN 1 AND 1000000000000000", name="ck_purchase_amount_minor"
        ),
        sa.CheckConstraint("created_at <= expires_at", name="ck_purchase_life"),
        sa.CheckConstraint(
            "length(currency) BETWEEN 3 AND 8 AND currency = upper(currency)",
            name="ck_purchase_currency",
        ),
        sa.CheckConstraint(
            "length(remark_currency) BETWEEN 3 AND 8 AND remark_currency = upper(remark_currency)",
            name="ck_purchase_remark_currency",
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_purchase_customer_id"),
        sa.ForeignKeyConstraint(
            ["plan_version_id"], ["plan_version.id"], name="fk_purchase_plan_version_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_purchase"),
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
            "status IN ('asked', 'open', 'declined', 'unknown', 'paid', 'lapsed')",
            name="ck_checkout_status",
        ),
        sa.CheckConstraint(
            "CASE WHEN payment_id IS NULL THEN 0 ELSE 1 END + CASE WHEN confirmation_url IS NULL THEN 0 ELSE 1 END IN (0, 2)",
            name="ck_checkout_opened_whole",
        ),
        sa.CheckConstraint(
            "CASE WHEN receipt_contact IS NULL THEN 0 ELSE 1 END + CASE WHEN receipt_terms IS NULL THEN 0 ELSE 1 END IN (0, 2)",
            name="ck_checkout_receipt_whole",
        ),
        sa.CheckConstraint(
            "amount_minor BETWEEN 1 AND 1000000000000000", name="ck_checkout_amount_minor"
        ),
        sa.CheckConstraint(
            "length(currency) BETWEEN 3 AND 8 AND currency = upper(currency)",
            name="ck_checkout_currency",
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_checkout_customer_id"),
        sa.ForeignKeyConstraint(["purchase_id"], ["purchase.id"], name="fk_checkout_purchase_id"),
        sa.PrimaryKeyConstraint("id", name="pk_checkout"),
        sa.UniqueConstraint("gateway", "payment_id", name="uq_checkout_gateway_payment_id"),
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
        sa.PrimaryKeyConstraint("id", name="pk_entry"),
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
            "CASE WHEN seq IS NULL THEN 0 ELSE 1 END + CASE WHEN balance_after_minor IS NULL THEN 0 ELSE 1 END + CASE WHEN posted_at IS NULL THEN 0 ELSE 1 END IN (0, 3)",
            name="ck_posting_numbered",
        ),
        sa.CheckConstraint(
            "amount_minor <> 0 AND abs(amount_minor) <= 1000000000000000",
            name="ck_posting_amount_minor",
        ),
        sa.CheckConstraint(
            "length(currency) BETWEEN 3 AND 8 AND currency = upper(currency)",
            name="ck_posting_currency",
        ),
        sa.CheckConstraint("line_no >= 1", name="ck_posting_line_no"),
        sa.CheckConstraint("seq >= 1", name="ck_posting_seq"),
        sa.ForeignKeyConstraint(
            ["entry_id"],
            ["entry.id"],
            name="fk_posting_entry_id",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("entry_id", "line_no", name="pk_posting"),
        sa.UniqueConstraint("account", "currency", "seq", name="uq_posting_account_currency_seq"),
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
        sa.CheckConstraint(
            "balance_minor BETWEEN 0 AND 1000000000000000", name="ck_balance_balance_minor"
        ),
        sa.CheckConstraint(
            "length(currency) BETWEEN 3 AND 8 AND currency = upper(currency)",
            name="ck_balance_currency",
        ),
        sa.CheckConstraint("seq >= 0", name="ck_balance_seq"),
        sa.PrimaryKeyConstraint("account", "currency", name="pk_balance"),
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
        sa.CheckConstraint("used >= 0", name="ck_usage_counter_used"),
        sa.PrimaryKeyConstraint("customer_id", "feature", "window_start", name="pk_usage_counter"),
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
        sa.CheckConstraint("units >= 1", name="ck_usage_receipt_units"),
        sa.PrimaryKeyConstraint("customer_id", "request_id", name="pk_usage_receipt"),
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
        sa.PrimaryKeyConstraint("scope", "key", name="pk_claim"),
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
        sa.CheckConstraint("kind IN ('payment', 'refund', 'other')", name="ck_inbox_kind"),
        sa.CheckConstraint("status IN ('stored', 'done', 'failed')", name="ck_inbox_status"),
        sa.PrimaryKeyConstraint("id", name="pk_inbox"),
        sa.UniqueConstraint("gateway", "dedupe_key", name="uq_inbox_gateway_dedupe_key"),
        sqlite_strict=True,
    )


def _work() -> None:
    op.create_table(
        "job",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=False),
            nullable=False,
        ),
        sa.Column("name", Words(), nullable=False),
        sa.Column("payload", Json(), nullable=False),
        sa.Column("run_at", Moment(), nullable=False),
        sa.Column("dedupe", Words()),
        sa.Column("state", Words(), nullable=False),
        sa.Column("attempts", Whole(), nullable=False),
        sa.Column("error", Words()),
        sa.CheckConstraint("state IN ('waiting', 'taken', 'parked')", name="ck_job_state"),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
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
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=False),
            nullable=False,
        ),
        sa.Column("name", Words(), nullable=False),
        sa.Column("subject", Words(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("customer_id", Words()),
        sa.Column("facts", Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
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
            name="ck_billing_case_kind",
        ),
        sa.CheckConstraint(
            "CASE WHEN closed_at IS NULL THEN 0 ELSE 1 END + CASE WHEN reason IS NULL THEN 0 ELSE 1 END IN (0, 2)",
            name="ck_billing_case_closed_whole",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_billing_case"),
        sa.UniqueConstraint("cause", name="uq_billing_case_cause"),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_billing_case_open",
        "billing_case",
        ["opened_at", "id"],
        postgresql_where=sa.text("closed_at IS NULL"),
        sqlite_where=sa.text("closed_at IS NULL"),
    )
