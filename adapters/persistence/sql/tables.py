"""The tables, with every rule that the database itself can keep."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy import event as event_of_tables
from sqlalchemy.sql.schema import SchemaItem

from adapters.persistence.sql.column_types import Json, Moment, Whole, Words, YesNo
from adapters.persistence.sql.sealing import seal
from core.domain.case import CaseKind
from core.domain.checkout import CheckoutStatus
from core.domain.credentials import SessionEnd
from core.domain.customer import IdentityKind
from core.domain.money import AMOUNT_MINOR_MAX
from core.domain.payment import InboxStatus, NoticeKind
from core.domain.purchase import Meeting, PurchaseStatus
from core.domain.subscription import Activation, SubscriptionStatus

NAMING: Final = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}
metadata: Final = MetaData(naming_convention=NAMING)


def _table(name: str, *parts: SchemaItem, **options: Any) -> Table:
    return Table(name, metadata, *parts, sqlite_strict=True, **options)


def _number() -> Column[Any]:
    """A number that the database gives, and never again to another row."""
    return Column("id", BigInteger().with_variant(Integer(), "sqlite"), nullable=False)


def _words(name: str, *, null: bool = False) -> Column[Any]:
    return Column(name, Words(), nullable=null)


def _whole(name: str, *, null: bool = False) -> Column[Any]:
    return Column(name, Whole(), nullable=null)


def _moment(name: str, *, null: bool = False) -> Column[Any]:
    return Column(name, Moment(), nullable=null)


def _yes_no(name: str) -> Column[Any]:
    return Column(name, YesNo(), nullable=False)


def _json(name: str, *, null: bool = False) -> Column[Any]:
    return Column(name, Json(), nullable=null)


def _check(name: str, rule: str) -> CheckConstraint:
    return CheckConstraint(rule, name=name)


def _one_of(column: str, words: type[StrEnum] | Iterable[str]) -> CheckConstraint:
    allowed = ", ".join(f"'{word}'" for word in words)
    return _check(column, f"{column} IN ({allowed})")


def _price(column: str = "amount_minor") -> CheckConstraint:
    return _check(column, f"{column} BETWEEN 1 AND {AMOUNT_MINOR_MAX}")


def _currency(column: str = "currency") -> CheckConstraint:
    return _check(column, f"length({column}) BETWEEN 3 AND 8 AND {column} = upper({column})")


def _together(name: str, *columns: str) -> CheckConstraint:
    """All of them are there, or none."""
    first, *others = columns
    rule = " AND ".join(f"({first} IS NULL) = ({other} IS NULL)" for other in others)
    return _check(name, rule)


def _key(*columns: str) -> PrimaryKeyConstraint:
    return PrimaryKeyConstraint(*columns)


def _refers(column: str, to: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint([column], [to])


def _due(table: str) -> Index:
    """What sweeps look through: its size follows what will be due, not what exists."""
    due = text("due_at IS NOT NULL")
    return Index(f"ix_{table}_due", "due_at", "id", postgresql_where=due, sqlite_where=due)


customer: Final = _table(
    "customer",
    _words("id"),
    _words("language"),
    _words("zone"),
    _moment("created_at"),
    _words("receipt_contact", null=True),  # Sealed by the data key.
    _moment("blocked_at", null=True),
    _whole("version"),
    _key("id"),
)

customer_identity: Final = _table(
    "customer_identity",
    _words("kind"),
    _words("value"),
    _words("customer_id"),
    _whole("position"),
    _key("kind", "value"),
    _refers("customer_id", "customer.id"),
    _one_of("kind", IdentityKind),
    Index(None, "customer_id"),
)

plan_version: Final = _table(
    "plan_version",
    _words("id"),
    _words("code"),
    _whole("number"),
    _json("terms"),
    _moment("created_at"),
    _key("id"),
    UniqueConstraint("code", "number"),
)

catalog_revision: Final = _table(
    "catalog_revision",
    Column("revision", Whole(), nullable=False, autoincrement=False),
    _words("zone"),
    _words("default_plan"),
    _key("revision"),
)

catalog_plan: Final = _table(
    "catalog_plan",
    _whole("revision"),
    _whole("position"),
    _words("plan_version_id"),
    _key("revision", "position"),
    _refers("revision", "catalog_revision.revision"),
    _refers("plan_version_id", "plan_version.id"),
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

subscription: Final = _table(
    "subscription",
    _words("id"),
    _words("customer_id"),
    _words("status"),
    _yes_no("auto_renew"),
    _yes_no("cancel_at_period_end"),
    _words("activation"),
    _words("period_plan_version_id", null=True),
    _moment("period_start", null=True),
    _moment("period_end", null=True),
    _moment("anchor_at", null=True),
    _words("anchor_zone", null=True),
    _whole("period_count", null=True),
    _whole("paid_minor", null=True),
    _words("paid_currency", null=True),
    _moment("due_at", null=True),
    _whole("version"),
    _key("id"),
    UniqueConstraint("customer_id"),
    _refers("customer_id", "customer.id"),
    _refers("period_plan_version_id", "plan_version.id"),
    _one_of("status", SubscriptionStatus),
    _one_of("activation", Activation),
    _together("period_whole", *_PERIOD),
    _check("period_order", "period_start < period_end"),
    _check("period_count", "period_count >= 1"),
    _check("paid_minor", f"paid_minor BETWEEN 0 AND {AMOUNT_MINOR_MAX}"),
    _currency("paid_currency"),
    _due("subscription"),
)

_is_pending: Final = text("status = 'pending'")

purchase: Final = _table(
    "purchase",
    _words("id"),
    _words("customer_id"),
    _words("plan_version_id"),
    _whole("amount_minor"),
    _words("currency"),
    _moment("created_at"),
    _moment("expires_at"),
    _words("status"),
    _moment("ended_at", null=True),
    _words("remark_code", null=True),
    _whole("remark_minor", null=True),
    _words("remark_currency", null=True),
    _moment("due_at", null=True),
    _whole("version"),
    _key("id"),
    _refers("customer_id", "customer.id"),
    _refers("plan_version_id", "plan_version.id"),
    _price(),
    _currency(),
    _one_of("status", PurchaseStatus),
    _check("ended", "(status = 'pending') = (ended_at IS NULL)"),
    _check("life", "created_at <= expires_at"),
    _one_of("remark_code", Meeting),
    _together("remark_whole", "remark_code", "remark_minor", "remark_currency"),
    _check("remark_minor", f"abs(remark_minor) <= {AMOUNT_MINOR_MAX}"),
    _currency("remark_currency"),
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
    _due("purchase"),
)

checkout: Final = _table(
    "checkout",
    _words("id"),
    _words("purchase_id"),
    _words("customer_id"),
    _words("gateway"),
    _whole("amount_minor"),
    _words("currency"),
    _words("description"),
    _words("return_url"),
    _words("language"),
    _words("receipt_contact", null=True),  # Sealed by the data key.
    _json("receipt_terms", null=True),
    _moment("asked_at"),
    _words("status"),
    _words("payment_id", null=True),
    _words("confirmation_url", null=True),
    _moment("opened_expires_at", null=True),
    _whole("looked"),
    _moment("due_at", null=True),
    _whole("version"),
    _key("id"),
    UniqueConstraint("gateway", "payment_id"),
    _refers("purchase_id", "purchase.id"),
    _refers("customer_id", "customer.id"),
    _price(),
    _currency(),
    _one_of("status", CheckoutStatus),
    _together("receipt_whole", "receipt_contact", "receipt_terms"),
    _together("opened_whole", "payment_id", "confirmation_url"),
    Index(None, "purchase_id"),
    _due("checkout"),
)

entry: Final = _table(
    "entry",
    _words("id"),
    _words("purpose"),
    _moment("at"),
    _words("purchase_id", null=True),
    _key("id"),
    Index(None, "purchase_id"),
)

posting: Final = _table(
    "posting",
    _words("entry_id"),
    _whole("line_no"),
    _words("account"),
    _words("currency"),
    _whole("amount_minor"),
    # Only accounts of customers are numbered: those of the system have no hot row to count in.
    _whole("seq", null=True),
    _whole("balance_after_minor", null=True),
    _moment("posted_at", null=True),
    _key("entry_id", "line_no"),
    # Also the index that sums of an account are read by.
    UniqueConstraint("account", "currency", "seq"),
    ForeignKeyConstraint(["entry_id"], ["entry.id"], deferrable=True, initially="DEFERRED"),
    _check("line_no", "line_no >= 1"),
    _check("amount_minor", f"amount_minor <> 0 AND abs(amount_minor) <= {AMOUNT_MINOR_MAX}"),
    _currency(),
    _check("seq", "seq >= 1"),
    _together("numbered", "seq", "balance_after_minor", "posted_at"),
)

balance: Final = _table(
    "balance",
    _words("account"),
    _words("currency"),
    _words("customer_id"),
    _whole("balance_minor"),
    _whole("seq"),
    _moment("last_posted_at"),
    _key("account", "currency"),
    _check("balance_minor", f"balance_minor BETWEEN 0 AND {AMOUNT_MINOR_MAX}"),
    _currency(),
    _check("seq", "seq >= 0"),
    Index(None, "customer_id"),
)

usage_counter: Final = _table(
    "usage_counter",
    _words("customer_id"),
    _words("feature"),
    _moment("window_start"),
    _whole("used"),
    _key("customer_id", "feature", "window_start"),
    _check("used", "used >= 0"),
)

usage_receipt: Final = _table(
    "usage_receipt",
    _words("customer_id"),
    _words("request_id"),
    _words("feature"),
    _whole("units"),
    _yes_no("allowed"),
    _whole("used"),
    _whole("quota", null=True),
    _moment("resets_at"),
    _moment("expires_at"),
    _key("customer_id", "request_id"),
    _check("units", "units >= 1"),
    Index(None, "expires_at"),
)

claim: Final = _table(
    "claim",
    _words("scope"),
    _words("key"),
    _words("fingerprint"),
    _words("subject"),
    _moment("leased_until"),
    _words("answer", null=True),
    _whole("version"),
    _key("scope", "key"),
)

inbox: Final = _table(
    "inbox",
    _words("id"),
    _words("gateway"),
    _words("kind"),
    _words("event"),
    _words("dedupe_key"),
    _words("payment_id", null=True),
    _yes_no("claims_paid"),
    _words("body"),
    _moment("received_at"),
    _whole("copies"),
    _whole("attempts"),
    _words("status"),
    _moment("handled_at", null=True),
    _words("result", null=True),
    _whole("version"),
    _key("id"),
    UniqueConstraint("gateway", "dedupe_key"),
    _one_of("kind", NoticeKind),
    _one_of("status", InboxStatus),
)

WAITING: Final = "waiting"
TAKEN: Final = "taken"
PARKED: Final = "parked"
job_is_waiting: Final = text(f"state = '{WAITING}'")

job: Final = _table(
    "job",
    _number(),
    _words("name"),
    _json("payload"),
    _moment("run_at"),
    _words("dedupe", null=True),
    _words("state"),
    _whole("attempts"),
    _words("error", null=True),
    _key("id"),
    _one_of("state", (WAITING, TAKEN, PARKED)),
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

event: Final = _table(
    "event",
    _number(),
    _words("name"),
    _words("subject"),
    _moment("at"),
    _words("customer_id", null=True),
    _json("facts"),
    _key("id"),
    Index(None, "subject", "id"),
    sqlite_autoincrement=True,
)

_is_open: Final = text("closed_at IS NULL")

billing_case: Final = _table(
    "billing_case",
    _words("id"),
    _words("kind"),
    _words("cause"),
    _moment("opened_at"),
    _json("facts"),
    _words("customer_id", null=True),
    _moment("closed_at", null=True),
    _words("reason", null=True),
    _key("id"),
    UniqueConstraint("cause"),
    _one_of("kind", CaseKind),
    _together("closed_whole", "closed_at", "reason"),
    Index(
        "ix_billing_case_open", "opened_at", "id", postgresql_where=_is_open, sqlite_where=_is_open
    ),
)

_PROVEN: Final = text("proof IS NOT NULL")
customer_session: Final = _table(
    "customer_session",
    _words("id"),
    _words("customer_id"),
    _moment("created_at"),
    _moment("expires_at"),
    _yes_no("may_pay"),
    _words("proof", null=True),
    _whole("turn"),
    _moment("refreshed_at", null=True),
    _moment("revoked_at", null=True),
    _words("ended_as", null=True),
    _whole("version"),
    _key("id"),
    _refers("customer_id", "customer.id"),
    _check("life", "created_at <= expires_at"),
    _check("turn", "turn >= 1"),
    _one_of("ended_as", SessionEnd),
    _together("ended_whole", "revoked_at", "ended_as"),
    Index(None, "proof", postgresql_where=_PROVEN, sqlite_where=_PROVEN),
)

api_key: Final = _table(
    "api_key",
    _words("name"),
    _words("key_hash"),
    _json("scopes"),
    _moment("created_at"),
    _moment("revoked_at", null=True),
    _key("name"),
    UniqueConstraint("key_hash"),
)


@event_of_tables.listens_for(metadata, "after_create")
def _seal_the_books(_target: MetaData, connection: Connection, **_options: Any) -> None:
    seal(connection)
