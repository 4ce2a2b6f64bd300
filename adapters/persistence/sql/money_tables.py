"""The tables of money: purchases, checkouts, charges, refunds, escrows, and the books."""

from typing import Any, Final

from sqlalchemy import (
    Connection,
    ForeignKeyConstraint,
    Index,
    MetaData,
    UniqueConstraint,
    text,
)
from sqlalchemy import event as event_of_tables
from sqlalchemy.sql.schema import SchemaItem

from adapters.persistence.sql.sealing import seal
from adapters.persistence.sql.shapes import (
    all_tables,
    check,
    currency,
    due,
    json_,
    key,
    moment,
    one_of,
    price,
    refers,
    table,
    together,
    whole,
    words,
    yes_no,
)
from core.domain.checkout import CheckoutStatus
from core.domain.escrow import PartStatus
from core.domain.item import EscrowPart
from core.domain.money import AMOUNT_MINOR_MAX
from core.domain.money_terms import BASIS_POINTS
from core.domain.payment_method import MethodStatus
from core.domain.purchase import Meeting, PurchaseStatus
from core.domain.referral_program import Door, NoReward, ReferralStatus, RewardStatus
from core.domain.refund import RefundStatus
from core.domain.withdrawal import WithdrawalStatus

ITEMS: Final = ("plan", "pack", "deposit", "verification", "escrow")

_is_pending: Final = text("status = 'pending'")
_is_charge: Final = text("method_id IS NOT NULL")
purchase_is_paid: Final = text("status IN ('paid', 'refunded')")
_is_waiting: Final = text("status = 'pending' AND from_wallet")

purchase: Final = table(
    "purchase",
    words("id"),
    words("customer_id"),
    words("item"),
    words("item_key"),
    words("plan_version_id", null=True),
    words("method_id", null=True),
    words("escrow_id", null=True),
    words("escrow_part", null=True),
    json_("pack", null=True),  # Its terms, as they were agreed on.
    yes_no("from_wallet"),
    whole("amount_minor"),
    words("currency"),
    moment("created_at"),
    moment("expires_at"),
    words("status"),
    moment("ended_at", null=True),
    words("remark_code", null=True),
    whole("remark_minor", null=True),
    words("remark_currency", null=True),
    whole("refunded_minor", null=True),
    words("promo_code", null=True),
    whole("full_minor", null=True),
    moment("due_at", null=True),
    whole("version"),
    key("id"),
    refers("customer_id", "customer.id"),
    refers("plan_version_id", "plan_version.id"),
    one_of("item", ITEMS),
    check("plan", "(item = 'plan') = (plan_version_id IS NOT NULL)"),
    check("pack", "(item = 'pack') = (pack IS NOT NULL)"),
    check("method", "(item = 'verification') = (method_id IS NOT NULL)"),
    check("escrow", "(item = 'escrow') = (escrow_id IS NOT NULL)"),
    together("escrow_whole", "escrow_id", "escrow_part"),
    one_of("escrow_part", EscrowPart),
    check("refunded", "refunded_minor BETWEEN 1 AND amount_minor"),
    check("refunded_whole", "(status = 'refunded') = (coalesce(refunded_minor, 0) = amount_minor)"),
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
        "item_key",
        "amount_minor",
        "currency",
        unique=True,
        postgresql_where=_is_pending,
        sqlite_where=_is_pending,
    ),
    Index(
        "ix_purchase_waiting",
        "customer_id",
        "created_at",
        postgresql_where=_is_waiting,
        sqlite_where=_is_waiting,
    ),
    Index(
        "ix_purchase_paid",
        "ended_at",
        postgresql_where=purchase_is_paid,
        sqlite_where=purchase_is_paid,
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
    yes_no("saves_method", null=True),  # None: from before any could.
    words("method_id", null=True),
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
    Index(
        "ix_checkout_charge",
        "asked_at",
        postgresql_where=_is_charge,
        sqlite_where=_is_charge,
    ),
    due("checkout"),
)

charge: Final = table(
    "charge",
    words("gateway"),
    words("charge_id"),
    words("payment_id"),
    words("customer_id", null=True),
    words("purchase_id", null=True),
    whole("amount_minor"),
    words("currency"),
    whole("fee_minor", null=True),
    whole("returning_minor", null=True),
    yes_no("settled"),
    moment("charged_at"),
    json_("details"),
    whole("version"),
    key("gateway", "charge_id"),
    refers("customer_id", "customer.id"),
    refers("purchase_id", "purchase.id"),
    price(),
    currency(),
    check("fee", "fee_minor BETWEEN 0 AND amount_minor"),
    check("returning", "returning_minor BETWEEN 1 AND amount_minor"),
    together("owned", "customer_id", "purchase_id"),
    Index(None, "currency", "charged_at"),
    Index(None, "purchase_id"),
    Index(None, "gateway", "payment_id"),
)

refund: Final = table(
    "refund",
    words("id"),
    words("purchase_id"),
    words("customer_id"),
    words("gateway"),
    words("payment_id"),
    words("charge_id"),
    whole("amount_minor"),
    whole("paid_minor"),
    words("currency"),
    words("reason"),
    moment("asked_at"),
    words("receipt_contact", null=True),  # Sealed by the data key.
    json_("receipt_terms", null=True),
    words("status"),
    words("provider_id", null=True),
    yes_no("is_chargeback"),
    moment("ended_at", null=True),
    whole("looked"),
    moment("due_at", null=True),
    whole("version"),
    key("id"),
    UniqueConstraint("gateway", "provider_id"),
    ForeignKeyConstraint(["gateway", "charge_id"], ["charge.gateway", "charge.charge_id"]),
    refers("purchase_id", "purchase.id"),
    refers("customer_id", "customer.id"),
    one_of("status", RefundStatus),
    check("amount_minor", "amount_minor BETWEEN 1 AND paid_minor"),
    currency(),
    check("ended", "(status = 'asked') = (ended_at IS NULL)"),
    together("receipt_whole", "receipt_contact", "receipt_terms"),
    Index(None, "purchase_id"),
    Index(None, "gateway", "payment_id"),
    due("refund"),
)


def _part(name: EscrowPart, *, null: bool = False) -> tuple[SchemaItem, ...]:
    """The columns of one part of an escrow, and their rules."""
    status, releasing, ended = (f"{name}_{what}" for what in ("status", "releasing_at", "ended_at"))
    ends = f"'{PartStatus.RELEASED}', '{PartStatus.REFUNDED}'"
    return (
        whole(f"{name}_minor", null=null),
        words(status, null=null),
        moment(releasing, null=True),
        moment(ended, null=True),
        price(f"{name}_minor"),
        one_of(status, PartStatus),
        check(f"{name}_releasing", f"{releasing} IS NULL OR {status} = '{PartStatus.FUNDED}'"),
        check(f"{name}_ended", f"({status} IN ({ends})) = ({ended} IS NOT NULL)"),
    )


escrow: Final = table(
    "escrow",
    words("id"),
    words("payer_id"),
    words("payee_id"),
    words("title"),
    words("currency"),
    *_part(EscrowPart.DOWN_PAYMENT),
    *_part(EscrowPart.REMAINDER, null=True),
    whole("fee_basis_points"),
    whole("buffer_seconds"),
    moment("opened_at"),
    moment("due_at", null=True),
    whole("version"),
    key("id"),
    refers("payer_id", "customer.id"),
    refers("payee_id", "customer.id"),
    check("sides", "payer_id <> payee_id"),
    currency(),
    together("remainder_whole", "remainder_minor", "remainder_status"),
    check("fee", f"fee_basis_points BETWEEN 0 AND {BASIS_POINTS}"),
    check("buffer", "buffer_seconds >= 0"),
    Index(None, "payer_id", "opened_at", "id"),
    Index(None, "payee_id", "opened_at", "id"),
    due("escrow"),
)

payment_method: Final = table(
    "payment_method",
    words("id"),
    words("customer_id"),
    words("gateway"),
    words("kind"),
    words("account"),  # Sealed by the data key, as the two below.
    words("billing"),
    words("token", null=True),
    moment("created_at"),
    words("status"),
    moment("ended_at", null=True),
    moment("due_at", null=True),
    whole("version"),
    key("id"),
    refers("customer_id", "customer.id"),
    one_of("status", MethodStatus),
    check("ended", "(status = 'removed') = (ended_at IS NOT NULL)"),
    check("token", "token IS NULL OR status = 'verified'"),
    Index(None, "customer_id"),
    due("payment_method"),
)

_asked: Final = text("status <> 'failed'")

withdrawal_is_open: Final = text("status IN ('held', 'requested', 'sent')")

withdrawal: Final = table(
    "withdrawal",
    words("id"),
    words("customer_id"),
    words("method_id"),
    words("gateway"),
    words("kind"),
    words("account"),  # Sealed by the data key.
    whole("amount_minor"),
    words("currency"),
    moment("requested_at"),
    words("status"),
    words("payout_id", null=True),
    words("reason", null=True),
    moment("ended_at", null=True),
    whole("looked"),
    moment("due_at", null=True),
    whole("version"),
    key("id"),
    UniqueConstraint("gateway", "payout_id"),
    refers("customer_id", "customer.id"),
    refers("method_id", "payment_method.id"),
    price(),
    currency(),
    one_of("status", WithdrawalStatus),
    check("ended", "(status IN ('done', 'failed', 'returned')) = (ended_at IS NOT NULL)"),
    Index(None, "customer_id", "requested_at", "id"),
    Index(
        "ix_withdrawal_asked",
        "currency",
        "requested_at",
        postgresql_where=_asked,
        sqlite_where=_asked,
    ),
    Index(
        "ix_withdrawal_open",
        "requested_at",
        postgresql_where=withdrawal_is_open,
        sqlite_where=withdrawal_is_open,
    ),
    due("withdrawal"),
)

referral: Final = table(
    "referral",
    words("customer_id"),
    words("referrer_id"),
    words("door"),
    moment("at"),
    words("status"),
    whole("version"),
    key("customer_id"),
    refers("customer_id", "customer.id"),
    refers("referrer_id", "customer.id"),
    check("sides", "customer_id <> referrer_id"),
    one_of("door", Door),
    one_of("status", ReferralStatus),
    Index(None, "referrer_id", "at"),
)

# In whole numbers that no amount makes too large.
_SHARE: Final = (
    f"base_minor / {BASIS_POINTS} * basis_points"
    f" + base_minor % {BASIS_POINTS} * basis_points / {BASIS_POINTS}"
)

reward: Final = table(
    "reward",
    words("id"),  # The purchase's.
    words("customer_id"),
    words("referrer_id"),
    whole("base_minor"),
    words("currency"),
    whole("count"),
    whole("basis_points"),
    whole("amount_minor"),
    whole("taken_back_minor"),
    yes_no("in_cash"),
    moment("at"),
    moment("ripe_at"),
    words("status"),
    words("why", null=True),
    moment("due_at", null=True),
    whole("version"),
    key("id"),
    refers("id", "purchase.id"),
    refers("customer_id", "customer.id"),
    refers("referrer_id", "customer.id"),
    check("sides", "customer_id <> referrer_id"),
    check("base_minor", f"base_minor BETWEEN 0 AND {AMOUNT_MINOR_MAX}"),
    currency(),
    check("count", "count >= 1"),
    check("basis_points", f"basis_points BETWEEN 1 AND {BASIS_POINTS}"),
    check("amount_minor", f"amount_minor BETWEEN 0 AND {_SHARE}"),
    check("taken_back", "taken_back_minor BETWEEN 0 AND amount_minor"),
    one_of("status", RewardStatus),
    one_of("why", NoReward),
    check("none_why", "(status = 'none') = (why IS NOT NULL)"),
    check("none_amount", "(status = 'none') = (amount_minor = 0)"),
    Index(None, "referrer_id", "at"),
    Index(None, "at"),
    due("reward"),
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
    # A balance of the past is the line before that moment: one seek.
    Index("ix_posting_past", "account", "currency", "posted_at", "seq"),
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


@event_of_tables.listens_for(all_tables, "after_create")
def _seal_the_books(_target: MetaData, connection: Connection, **_options: Any) -> None:
    seal(connection)
