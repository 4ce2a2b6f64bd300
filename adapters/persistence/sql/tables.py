"""The tables, with every rule that the database itself can keep."""

from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    ForeignKeyConstraint,
    Index,
    MetaData,
    UniqueConstraint,
    text,
)
from sqlalchemy import event as event_of_tables

from adapters.persistence.sql.column_types import Whole
from adapters.persistence.sql.sealing import seal
from adapters.persistence.sql.shapes import (
    all_tables,
    check,
    currency,
    due,
    json_,
    key,
    moment,
    number,
    one_of,
    price,
    refers,
    table,
    together,
    whole,
    words,
    yes_no,
)
from core.domain.case import CaseKind
from core.domain.checkout import CheckoutStatus
from core.domain.credentials import SessionEnd
from core.domain.customer import IdentityKind
from core.domain.money import AMOUNT_MINOR_MAX
from core.domain.payment import InboxStatus, NoticeKind
from core.domain.purchase import Meeting, PurchaseStatus
from core.domain.subscription import Activation, SubscriptionStatus
from core.domain.usage_quota import HOLD_SECONDS_MAX, HoldStatus

metadata: Final = all_tables

customer: Final = table(
    "customer",
    words("id"),
    words("language"),
    words("zone"),
    moment("created_at"),
    words("receipt_contact", null=True),  # Sealed by the data key.
    moment("blocked_at", null=True),
    moment("unreachable_since", null=True),
    whole("version"),
    key("id"),
)

customer_identity: Final = table(
    "customer_identity",
    words("kind"),
    words("value"),
    words("customer_id"),
    whole("position"),
    key("kind", "value"),
    refers("customer_id", "customer.id"),
    one_of("kind", IdentityKind),
    Index(None, "customer_id"),
)

plan_version: Final = table(
    "plan_version",
    words("id"),
    words("code"),
    whole("number"),
    json_("terms"),
    moment("created_at"),
    key("id"),
    UniqueConstraint("code", "number"),
)

catalog_revision: Final = table(
    "catalog_revision",
    Column("revision", Whole(), nullable=False, autoincrement=False),
    words("zone"),
    words("default_plan"),
    key("revision"),
    json_("chat", null=True),  # Revisions from before there was a chat say nothing of it.
)

catalog_plan: Final = table(
    "catalog_plan",
    whole("revision"),
    whole("position"),
    words("plan_version_id"),
    key("revision", "position"),
    refers("revision", "catalog_revision.revision"),
    refers("plan_version_id", "plan_version.id"),
    UniqueConstraint("revision", "plan_version_id"),
)

_PERIOD: Final = (
    "period_plan_version_id",
    "period_start",
    "period_end",
    "anchor_at",
    "anchor_zone",
    "period_count",
    "paid_minor",
    "paid_currency",
)

subscription: Final = table(
    "subscription",
    words("id"),
    words("customer_id"),
    words("status"),
    yes_no("auto_renew"),
    yes_no("cancel_at_period_end"),
    words("activation"),
    words("period_plan_version_id", null=True),
    moment("period_start", null=True),
    moment("period_end", null=True),
    moment("anchor_at", null=True),
    words("anchor_zone", null=True),
    whole("period_count", null=True),
    whole("paid_minor", null=True),
    words("paid_currency", null=True),
    moment("due_at", null=True),
    whole("version"),
    key("id"),
    UniqueConstraint("customer_id"),
    refers("customer_id", "customer.id"),
    refers("period_plan_version_id", "plan_version.id"),
    one_of("status", SubscriptionStatus),
    one_of("activation", Activation),
    together("period_whole", *_PERIOD),
    check("period_order", "period_start < period_end"),
    check("period_count", "period_count >= 1"),
    check("paid_minor", f"paid_minor BETWEEN 0 AND {AMOUNT_MINOR_MAX}"),
    currency("paid_currency"),
    due("subscription"),
)

_is_pending: Final = text("status = 'pending'")

purchase: Final = table(
    "purchase",
    words("id"),
    words("customer_id"),
    words("plan_version_id"),
    whole("amount_minor"),
    words("currency"),
    moment("created_at"),
    moment("expires_at"),
    words("status"),
    moment("ended_at", null=True),
    words("remark_code", null=True),
    whole("remark_minor", null=True),
    words("remark_currency", null=True),
    moment("due_at", null=True),
    whole("version"),
    key("id"),
    refers("customer_id", "customer.id"),
    refers("plan_version_id", "plan_version.id"),
    price(),
    currency(),
    one_of("status", PurchaseStatus),
    check("ended", "(status = 'pending') = (ended_at IS NULL)"),
    check("life", "created_at <= expires_at"),
    one_of("remark_code", Meeting),
    together("remark_whole", "remark_code", "remark_minor", "remark_currency"),
    check("remark_minor", f"abs(remark_minor) <= {AMOUNT_MINOR_MAX}"),
    currency("remark_currency"),
    Index(None, "customer_id", "created_at", "id"),
    Index(
        "uq_purchase_pending",
        "customer_id",
        "plan_version_id",
        "amount_minor",
        "currency",
        unique=True,
        postgresql_where=_is_pending,
        sqlite_where=_is_pending,
    ),
    due("purchase"),
)

checkout: Final = table(
    "checkout",
    words("id"),
    words("purchase_id"),
    words("customer_id"),
    words("gateway"),
    whole("amount_minor"),
    words("currency"),
    words("description"),
    words("return_url"),
    words("language"),
    words("receipt_contact", null=True),  # Sealed by the data key.
    json_("receipt_terms", null=True),
    moment("asked_at"),
    words("status"),
    words("payment_id", null=True),
    words("confirmation_url", null=True),
    moment("opened_expires_at", null=True),
    whole("looked"),
    moment("due_at", null=True),
    whole("version"),
    key("id"),
    UniqueConstraint("gateway", "payment_id"),
    refers("purchase_id", "purchase.id"),
    refers("customer_id", "customer.id"),
    price(),
    currency(),
    one_of("status", CheckoutStatus),
    together("receipt_whole", "receipt_contact", "receipt_terms"),
    together("opened_whole", "payment_id", "confirmation_url"),
    Index(None, "purchase_id"),
    due("checkout"),
)

entry: Final = table(
    "entry",
    words("id"),
    words("purpose"),
    moment("at"),
    words("purchase_id", null=True),
    key("id"),
    Index(None, "purchase_id"),
)

posting: Final = table(
    "posting",
    words("entry_id"),
    whole("line_no"),
    words("account"),
    words("currency"),
    whole("amount_minor"),
    # Only accounts of customers are numbered: those of the system have no hot row to count in.
    whole("seq", null=True),
    whole("balance_after_minor", null=True),
    moment("posted_at", null=True),
    key("entry_id", "line_no"),
    # Also the index that sums of an account are read by.
    UniqueConstraint("account", "currency", "seq"),
    ForeignKeyConstraint(["entry_id"], ["entry.id"], deferrable=True, initially="DEFERRED"),
    check("line_no", "line_no >= 1"),
    check("amount_minor", f"amount_minor <> 0 AND abs(amount_minor) <= {AMOUNT_MINOR_MAX}"),
    currency(),
    check("seq", "seq >= 1"),
    together("numbered", "seq", "balance_after_minor", "posted_at"),
)

balance: Final = table(
    "balance",
    words("account"),
    words("currency"),
    words("customer_id"),
    whole("balance_minor"),
    whole("seq"),
    moment("last_posted_at"),
    key("account", "currency"),
    check("balance_minor", f"balance_minor BETWEEN 0 AND {AMOUNT_MINOR_MAX}"),
    currency(),
    check("seq", "seq >= 0"),
    Index(None, "customer_id"),
)

usage_counter: Final = table(
    "usage_counter",
    words("customer_id"),
    words("feature"),
    moment("window_start"),
    whole("used"),
    key("customer_id", "feature", "window_start"),
    check("used", "used >= 0"),
)

usage_receipt: Final = table(
    "usage_receipt",
    words("customer_id"),
    words("request_id"),
    words("feature"),
    whole("units"),
    yes_no("allowed"),
    whole("used"),
    whole("quota", null=True),
    moment("resets_at"),
    moment("expires_at"),
    whole("hold_seconds", null=True),
    words("hold_id", null=True),
    moment("hold_expires_at", null=True),
    key("customer_id", "request_id"),
    check("units", "units >= 1"),
    check("hold", "(hold_id IS NOT NULL) = (allowed AND hold_seconds IS NOT NULL)"),
    together("ticket", "hold_id", "hold_expires_at"),
    check("hold_seconds", f"hold_seconds BETWEEN 1 AND {HOLD_SECONDS_MAX}"),
    Index(None, "expires_at"),
)

usage_hold: Final = table(
    "usage_hold",
    words("id"),
    words("customer_id"),
    words("feature"),
    moment("window_start"),
    whole("units"),
    whole("quota", null=True),
    moment("resets_at"),
    moment("held_at"),
    moment("expires_at"),
    words("status"),
    whole("captured"),
    moment("ended_at", null=True),
    moment("due_at", null=True),
    whole("version"),
    key("id"),
    ForeignKeyConstraint(
        ["customer_id", "feature", "window_start"],
        ["usage_counter.customer_id", "usage_counter.feature", "usage_counter.window_start"],
    ),
    one_of("status", HoldStatus),
    check("units", "units >= 1"),
    check("captured", "captured BETWEEN 0 AND units"),
    check("capture", "(captured > 0) = (status = 'captured')"),
    check("ended", "(ended_at IS NULL) = (status = 'open')"),
    check("due", "(due_at IS NOT NULL) = (status = 'open')"),
    check("life", "held_at < expires_at"),
    due("usage_hold"),
    Index(None, "resets_at"),
)

claim: Final = table(
    "claim",
    words("scope"),
    words("key"),
    words("fingerprint"),
    words("subject"),
    moment("leased_until"),
    words("answer", null=True),
    whole("version"),
    key("scope", "key"),
)

inbox_is_forgettable: Final = text("kind = 'other' AND status = 'done'")

inbox: Final = table(
    "inbox",
    words("id"),
    words("gateway"),
    words("kind"),
    words("event"),
    words("dedupe_key"),
    words("payment_id", null=True),
    yes_no("claims_paid"),
    words("body"),
    moment("received_at"),
    whole("copies"),
    whole("attempts"),
    words("status"),
    moment("handled_at", null=True),
    words("result", null=True),
    whole("version"),
    key("id"),
    UniqueConstraint("gateway", "dedupe_key"),
    one_of("kind", NoticeKind),
    one_of("status", InboxStatus),
    Index(
        "ix_inbox_forgettable",
        "handled_at",
        "id",
        postgresql_where=inbox_is_forgettable,
        sqlite_where=inbox_is_forgettable,
    ),
)

WAITING: Final = "waiting"
TAKEN: Final = "taken"
PARKED: Final = "parked"
job_is_waiting: Final = text(f"state = '{WAITING}'")

job: Final = table(
    "job",
    number(),
    words("name"),
    json_("payload"),
    moment("run_at"),
    words("dedupe", null=True),
    words("state"),
    whole("attempts"),
    words("error", null=True),
    key("id"),
    one_of("state", (WAITING, TAKEN, PARKED)),
    Index(
        "uq_job_waiting",
        "name",
        "dedupe",
        unique=True,
        postgresql_where=job_is_waiting,
        sqlite_where=job_is_waiting,
    ),
    Index(
        "ix_job_due", "run_at", "id", postgresql_where=job_is_waiting, sqlite_where=job_is_waiting
    ),
    sqlite_autoincrement=True,
)

event: Final = table(
    "event",
    number(),
    words("name"),
    words("subject"),
    moment("at"),
    words("customer_id", null=True),
    json_("facts"),
    key("id"),
    Index(None, "subject", "id"),
    sqlite_autoincrement=True,
)

_is_open: Final = text("closed_at IS NULL")

billing_case: Final = table(
    "billing_case",
    words("id"),
    words("kind"),
    words("cause"),
    moment("opened_at"),
    json_("facts"),
    words("customer_id", null=True),
    moment("closed_at", null=True),
    words("reason", null=True),
    key("id"),
    UniqueConstraint("cause"),
    one_of("kind", CaseKind),
    together("closed_whole", "closed_at", "reason"),
    Index(
        "ix_billing_case_open", "opened_at", "id", postgresql_where=_is_open, sqlite_where=_is_open
    ),
)

_PROVEN: Final = text("proof IS NOT NULL")

customer_session: Final = table(
    "customer_session",
    words("id"),
    words("customer_id"),
    moment("created_at"),
    moment("expires_at"),
    yes_no("may_pay"),
    yes_no("in_telegram"),
    words("proof", null=True),
    whole("turn"),
    moment("refreshed_at", null=True),
    moment("revoked_at", null=True),
    words("ended_as", null=True),
    whole("version"),
    key("id"),
    refers("customer_id", "customer.id"),
    check("life", "created_at <= expires_at"),
    check("turn", "turn >= 1"),
    one_of("ended_as", SessionEnd),
    together("ended_whole", "revoked_at", "ended_as"),
    Index(None, "expires_at"),
    Index(None, "proof", postgresql_where=_PROVEN, sqlite_where=_PROVEN),
)

api_key: Final = table(
    "api_key",
    words("name"),
    words("key_hash"),
    json_("scopes"),
    moment("created_at"),
    moment("revoked_at", null=True),
    key("name"),
    UniqueConstraint("key_hash"),
)


@event_of_tables.listens_for(metadata, "after_create")
def _seal_the_books(_target: MetaData, connection: Connection, **_options: Any) -> None:
    seal(connection)
