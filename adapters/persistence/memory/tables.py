"""What the memory store keeps: one table per kind of row, with its unique keys."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import count
from typing import Final

from adapters.persistence.memory.transactions import Table
from core.domain.access import AccessState
from core.domain.audit import AuditLine
from core.domain.broadcast import Broadcast, BroadcastId, Recipient
from core.domain.case import Case
from core.domain.catalog import Catalog
from core.domain.cause import Claim
from core.domain.charge import Charge, ChargeKey
from core.domain.checkout import Checkout, CheckoutId
from core.domain.credentials import ApiKey, Session, SessionId
from core.domain.customer import Customer, CustomerId, Identity
from core.domain.delivery import Delivery, DeliveryId
from core.domain.escrow import Escrow
from core.domain.event import ALONE, Event, Job
from core.domain.item import EscrowId, PaymentMethodId
from core.domain.ledger import Account, Entry, EntryId, Line, Posting
from core.domain.money import Currency, Money
from core.domain.operator import Draft, Operator
from core.domain.payment import InboxItem
from core.domain.payment_method import PaymentMethod
from core.domain.promo_code import PromoCode, Redemption, WrongCodes
from core.domain.purchase import Purchase, PurchaseId
from core.domain.referral_program import Referral, Reward
from core.domain.refund import OurRefundId, Refund
from core.domain.reminder import Reminder
from core.domain.subscription import Subscription
from core.domain.switch import Switch
from core.domain.usage_quota import HoldId, UsageHold, UsageKey, UsageReceipt
from core.domain.withdrawal import Withdrawal, WithdrawalId
from core.ports.unit_of_work import IdentityTaken


@dataclass(frozen=True, slots=True)
class Balance:
    """What a customer account holds, after its line number `seq`, posted at `last_at`."""

    amount: Money
    seq: int
    last_at: datetime


class JobStatus(StrEnum):
    WAITING = "waiting"
    TAKEN = "taken"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class KeptJob:
    """
    A job in the queue. `attempts` counts how often it was taken, `taken_by` is who took it last,
    `error` is the last one.
    """

    job: Job
    status: JobStatus = JobStatus.WAITING
    attempts: int = 0
    error: str = ""
    taken_by: str = ALONE


def _pending(_: PurchaseId, purchase: Purchase) -> Iterator[tuple[str, str, Money]]:
    if purchase.is_pending:
        yield purchase.customer_id, purchase.item.key, purchase.amount


def _payment(_: CheckoutId, checkout: Checkout) -> Iterator[tuple[str, str]]:
    if checkout.payment_id is not None:
        yield checkout.gateway, checkout.payment_id


def _provider(_: OurRefundId, refund: Refund) -> Iterator[tuple[str, str]]:
    if refund.provider_id is not None:
        yield refund.gateway, refund.provider_id


def _payout(_: WithdrawalId, withdrawal: Withdrawal) -> Iterator[tuple[str, str]]:
    if withdrawal.payout_id is not None:
        yield withdrawal.gateway, withdrawal.payout_id


def _waiting(_: int, kept: KeptJob) -> Iterator[tuple[str, str]]:
    if kept.status is JobStatus.WAITING and kept.job.dedupe is not None:
        yield kept.job.name, kept.job.dedupe


def _waiting_discount(_: tuple[CustomerId, str], it: Redemption) -> Iterator[CustomerId]:
    if it.discount is not None and it.purchase_id is None:
        yield it.customer_id


class MoneyTables:
    """Purchases, what was charged and given back for them, rewards, escrows, and the books."""

    def __init__(self) -> None:
        self.purchases: Final = Table[PurchaseId, Purchase](
            "purchase",
            unique={"pending": _pending},
            index={"customer": lambda _, it: [it.customer_id]},
        )
        self.checkouts: Final = Table[CheckoutId, Checkout](
            "checkout",
            unique={"payment": _payment},
            index={"purchase": lambda _, it: [it.purchase_id]},
        )
        self.charges: Final = Table[ChargeKey, Charge](
            "charge",
            index={
                "purchase": lambda _, it: [it.purchase_id],
                "payment": lambda _, it: [(it.key.gateway, it.payment_id)],
            },
        )
        self.methods: Final = Table[PaymentMethodId, PaymentMethod](
            "payment_method", index={"customer": lambda _, it: [it.customer_id]}
        )
        self.withdrawals: Final = Table[WithdrawalId, Withdrawal](
            "withdrawal",
            unique={"payout": _payout},
            index={"customer": lambda _, it: [it.customer_id]},
        )
        self.refunds: Final = Table[OurRefundId, Refund](
            "refund",
            unique={"provider": _provider},
            index={
                "purchase": lambda _, it: [it.purchase_id],
                "payment": lambda _, it: [(it.gateway, it.payment_id)],
            },
        )
        self.escrows: Final = Table[EscrowId, Escrow](
            "escrow", index={"customer": lambda _, it: [it.payer_id, it.payee_id]}
        )
        self.referrals: Final = Table[CustomerId, Referral](
            "referral", index={"referrer": lambda _, it: [it.referrer_id]}
        )
        self.rewards: Final = Table[PurchaseId, Reward](
            "reward", index={"referrer": lambda _, it: [it.referrer_id]}
        )
        self.entries: Final = Table[EntryId, Entry]("entry")
        self.postings: Final = Table[tuple[EntryId, int], Posting](
            "posting", index={"account": lambda _, it: [(it.account, it.amount.currency)]}
        )
        self.lines: Final = Table[tuple[Account, Currency, int], Line]("line")
        self.balances: Final = Table[tuple[Account, Currency], Balance](
            "balance", index={"customer": lambda key, _: [key[0].partition(":")[2]]}
        )


class Tables(MoneyTables):
    """
    All tables. `due` says when something is to be looked at, by the name of its table and its id:
    a lease moves it without touching the entity.
    """

    def __init__(self) -> None:
        super().__init__()
        self.catalogs: Final = Table[str, Catalog]("catalog")
        self.customers: Final = Table[CustomerId, Customer](
            "customer",
            unique={"identity": lambda _, it: it.identities},
            taken=lambda _, identity: IdentityTaken(str(identity)),
        )
        self.gone: Final = Table[str, datetime]("former_identity")
        self.subscriptions: Final = Table[CustomerId, Subscription](
            "subscription", unique={"id": lambda _, it: [it.id]}
        )
        self.access: Final = Table[CustomerId, AccessState]("access")
        self.reminders: Final = Table[CustomerId, Reminder]("reminder")
        self.due: Final = Table[tuple[str, str], datetime](
            "due", index={"table": lambda key, _: [key[0]]}
        )
        self.counters: Final = Table[UsageKey, int](
            "counter", index={"customer": lambda key, _: [key.customer_id]}
        )
        self.receipts: Final = Table[tuple[CustomerId, str], UsageReceipt]("receipt")
        self.holds: Final = Table[HoldId, UsageHold]("usage_hold")
        self.claims: Final = Table[tuple[str, str], Claim]("claim")
        self.inbox: Final = Table[str, InboxItem](
            "inbox",
            unique={"notice": lambda _, it: [(it.notice.gateway, it.notice.dedupe_key)]},
        )
        self.sessions: Final = Table[SessionId, Session](
            "session", index={"proof": lambda _, it: [it.proof] if it.proof else []}
        )
        self.keys: Final = Table[str, ApiKey](
            "api_key", unique={"hash": lambda _, it: [it.key_hash]}
        )
        self.switches: Final = Table[str, Switch]("switch")
        self.promo_codes: Final = Table[str, PromoCode]("promo_code")
        self.redemptions: Final = Table[tuple[CustomerId, str], Redemption](
            "redemption", unique={"waiting": _waiting_discount}
        )
        self.wrong_codes: Final = Table[CustomerId, WrongCodes]("wrong_codes")
        self.operators: Final = Table[Identity, Operator]("operator_role")
        self.drafts: Final = Table[Identity, Draft]("operator_draft")
        self.cases: Final = Table[str, Case]("case")
        self.audit: Final = Table[int, tuple[AuditLine, str]]("audit_line")
        self.events: Final = Table[int, Event](
            "event", index={"subject": lambda _, it: [it.subject]}
        )
        self.jobs: Final = Table[int, KeptJob](
            "job", unique={"dedupe": _waiting}, index={"status": lambda _, it: [it.status]}
        )
        self.deliveries: Final = Table[DeliveryId, Delivery]("delivery")
        self.broadcasts: Final = Table[BroadcastId, Broadcast]("broadcast")
        self.recipients: Final = Table[tuple[BroadcastId, CustomerId], Recipient](
            "broadcast_recipient", index={"broadcast": lambda key, _: [key[0]]}
        )
        self.numbers: Final = count(1)
