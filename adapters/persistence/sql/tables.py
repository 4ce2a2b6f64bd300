"""The tables, with every rule that the database itself can keep."""

from typing import Final

from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    text,
)

from adapters.persistence.sql import (  # noqa: F401 - As said at `metadata`.
    broadcast_tables,
    money_tables,
    operator_tables,
    promo_tables,
)
from adapters.persistence.sql.column_types import Sought, Whole
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
    refers,
    table,
    together,
    whole,
    words,
    yes_no,
)
from core.domain.case import CaseKind
from core.domain.credentials import SessionEnd
from core.domain.customer import IdentityKind
from core.domain.delivery import DeliveryStatus
from core.domain.money import AMOUNT_MINOR_MAX
from core.domain.payment import InboxStatus, NoticeKind
from core.domain.subscription import Activation, SubscriptionStatus
from core.domain.usage_quota import HOLD_SECONDS_MAX, HoldStatus

metadata: Final = all_tables
"""Also of the tables of money and of broadcasts: they are known to it since they were imported."""

customer: Final = table(
    "customer",
    words("id"),
    words("language"),
    words("zone"),
    moment("created_at"),
    words("receipt_contact", null=True),  # Sealed by the data key.
    moment("blocked_at", null=True),
    moment("unreachable_since", null=True),
    yes_no("fewer_reminders", null=True),  # Null as no: whoever was there before it was asked.
    words("former_zone", null=True),
    moment("zone_changed_at", null=True),
    moment("leaving_since", null=True),
    moment("erased_at", null=True),
    words("name", null=True),
    words("username", null=True),
    Column("name_sought", Sought(), nullable=True),  # Case-folded; never there without the name.
    Column("username_sought", Sought(), nullable=True),
    yes_no("no_broadcasts", null=True),  # The same.
    whole("version"),
    key("id"),
    Index(None, "created_at"),
    Index(None, "name_sought", "id"),
    Index(None, "username_sought", "id"),
)

former_identity: Final = table(
    "former_identity",
    words("mark"),  # Keyed by the data key; the identity itself is not kept.
    moment("at"),
    key("mark"),
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
    json_("money", null=True),  # Nor those from before there was a wallet of that.
    json_("packs", null=True),  # Nor those from before there were packs.
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
    words("renewal_source", null=True),
    moment("renewal_next_at", null=True),
    moment("renewal_grace_until", null=True),
    words("renewal_purchase_id", null=True),
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
    whole("bonus_minor", null=True),
    whole("given_days", null=True),  # None: from before any could be given.
    moment("trialed_at", null=True),
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
    Index(None, "period_end"),
    due("subscription"),
)

access: Final = table(
    "access",
    words("id"),
    json_("grants"),
    moment("until", null=True),
    words("link", null=True),
    moment("waiting_since", null=True),
    whole("tries"),
    moment("due_at", null=True),
    whole("version"),
    key("id"),
    refers("id", "customer.id"),
    check("tries", "tries >= 0"),
    together("waiting", "waiting_since", "due_at"),
    due("access"),
)

reminder: Final = table(
    "reminder",
    words("id"),  # The customer's.
    words("plan"),
    moment("ends_at"),
    moment("passed"),
    moment("next_at", null=True),
    whole("price_minor", null=True),
    words("price_currency", null=True),
    moment("told_at", null=True),
    moment("due_at", null=True),
    whole("version"),
    key("id"),
    refers("id", "customer.id"),
    due("reminder"),
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
    whole("packs", null=True),  # Null: there never were any; nor does anything older say.
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
    whole("of_packs", null=True),  # Null: none.
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

inbox_is_not_done: Final = text("status <> 'done'")

inbox: Final = table(
    "inbox",
    words("id"),
    words("gateway"),
    words("kind"),
    words("event"),
    words("dedupe_key"),
    words("payment_id", null=True),
    words("payout_id", null=True),
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
    Index(
        "ix_inbox_not_done",
        "received_at",
        "id",
        postgresql_where=inbox_is_not_done,
        sqlite_where=inbox_is_not_done,
    ),
)

WAITING: Final = "waiting"
TAKEN: Final = "taken"
PARKED: Final = "parked"
job_is_waiting: Final = text(f"state = '{WAITING}'")
job_is_taken: Final = text(f"state = '{TAKEN}'")

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
    words("taken_by", null=True),
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
    Index("ix_job_taken", "id", postgresql_where=job_is_taken, sqlite_where=job_is_taken),
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

delivery: Final = table(
    "delivery",
    words("id"),
    words("event"),
    words("host"),
    words("body"),
    moment("created_at"),
    words("status"),
    whole("attempts"),
    words("answer", null=True),
    moment("due_at", null=True),
    moment("ended_at", null=True),
    whole("version"),
    key("id"),
    one_of("status", DeliveryStatus),
    check("ended", "(status = 'waiting') = (ended_at IS NULL)"),
    check("due", "(status = 'waiting') = (due_at IS NOT NULL)"),
    Index(None, "created_at", "id"),
    Index(None, "status", "created_at", "id"),
    Index(None, "ended_at"),
    due("delivery"),
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

audit_line: Final = table(
    "audit_line",
    number(),
    moment("at"),
    words("actor"),
    words("action"),
    words("subject"),
    words("reason"),
    json_("facts"),
    words("seal"),
    key("id"),
    Index(None, "subject", "id"),
    sqlite_autoincrement=True,
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

switch: Final = table(
    "switch", words("name"), yes_no("is_on"), moment("changed_at"), words("by"), key("name")
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
