"""What a gateway tells us: facts it confirmed when asked, and notices it sent by itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import NewType

from core.domain.money import Money
from core.domain.plan import GatewayName

PaymentId = NewType("PaymentId", str)
"""
The provider's own id of what we opened there; unique within its gateway. Where a provider keeps
a session with payments in it, it is the session's, and each payment in it is a charge.
"""

RefundId = NewType("RefundId", str)
"""The provider's own id of a refund; unique within its gateway."""

PayoutId = NewType("PayoutId", str)
"""The provider's own id of a payout; unique within its gateway."""


class PaymentStatus(StrEnum):
    PENDING = "pending"
    AUTHORIZED = "authorized"  # Held at the provider, not captured: not ours yet.
    PAID = "paid"
    CANCELED = "canceled"
    UNKNOWN = "unknown"  # A word we do not know. Never paid.


class Foreign(StrEnum):
    """Why a payment is none of our business."""

    OTHER_SHOP = "other_shop"
    OTHER_MODE = "other_mode"


class Recurrence(StrEnum):
    """Which charge it is of those that a gateway makes by itself, period by period."""

    FIRST = "first"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class OpenedCheckout:
    """What the gateway answered: where the customer pays, and until when (None: it did not say)."""

    payment_id: PaymentId
    confirmation_url: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    """
    What the provider said about one payment when we asked it.

    `paid` is what the payer was charged, exact, only when the status is PAID. `charge_id` is what
    the money is booked under: one charge, one entry, for ever. `purchase_id` and `checkout_id`
    are our own ids as the provider gives them back; None where it knows none. `opened` is where
    a pending payment can still be paid. `was_refused` is whether a canceled one was tried and
    turned down (by the payer's bank, say), and did not merely run out of time.

    `fee` is what the provider keeps of `paid`, in its currency; None: not known (yet). `token` can
    charge the same payer again; None where nothing was saved. `details` are facts worth keeping
    (asset, rate, rail), in plain words of the provider, never about a person. `recurrence` is set
    where the gateway goes on charging by itself: every later charge is of the payment that began it.
    """

    gateway: GatewayName
    payment_id: PaymentId
    charge_id: str
    status: PaymentStatus
    paid: Money | None = None
    checkout_id: str | None = None
    purchase_id: str | None = None
    foreign: Foreign | None = None
    opened: OpenedCheckout | None = None
    was_refused: bool = False
    fee: Money | None = None
    token: str | None = field(default=None, repr=False)
    details: Mapping[str, str] = field(default_factory=dict)
    recurrence: Recurrence | None = None

    def __post_init__(self) -> None:
        assert (self.status is PaymentStatus.PAID) == (self.paid is not None)


class OutgoingStatus(StrEnum):
    """Of money on its way out: a refund, or a payout."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"  # It never left, or came back at once: the provider has it.
    RETURNED = "returned"  # A payout that was done, and came back later.
    UNKNOWN = "unknown"  # A word we do not know. Neither done nor failed.


@dataclass(frozen=True, slots=True)
class RefundFacts:
    """
    What the provider said about one refund when we asked it, whoever made it there.

    `amount` is exact. `our_id` is our own id of it as the provider gives it back; None where it
    knows none. `charge_id`: of which charge of the payment; None: it does not say.
    `is_chargeback`: the payer's bank took the money back, nobody of the shop gave it; PENDING it is
    a dispute that goes on, FAILED one that the shop won.
    `fee` is what the provider charges for it; None: nothing, or not known.
    """

    gateway: GatewayName
    refund_id: RefundId
    payment_id: PaymentId
    status: OutgoingStatus
    amount: Money
    our_id: str | None = None
    charge_id: str | None = None
    is_chargeback: bool = False
    fee: Money | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class PayoutFacts:
    """
    What the provider said about one payout when we asked it. `amount` is what the payee gets,
    exact; `reason` is the provider's word for why it failed or came back; `fee` comes on top.
    """

    gateway: GatewayName
    payout_id: PayoutId
    status: OutgoingStatus
    amount: Money
    our_id: str | None = None
    fee: Money | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RenewalFacts:
    """What the payer did at the gateway: whether it still may charge by itself what this began."""

    payment_id: PaymentId
    goes_on: bool


class NoticeKind(StrEnum):
    PAYMENT = "payment"  # Something about a payment: ask for it.
    REFUND = "refund"  # Something about refunds of a payment: ask for them.
    PAYOUT = "payout"  # Something about a payout: ask for it.
    OTHER = "other"  # Authentic, and nothing that Billhook acts on.


@dataclass(frozen=True, slots=True)
class Notice:
    """
    A proven webhook, translated. It says what to ask about, never what to book.

    `dedupe_key` tells repeats of one notice; `claims_paid` is whether it says the money is there;
    `body` is the JSON as received, with everything personal replaced. `payout_id` is set for
    notices of payouts (our own id where the provider tells that alone), `payment_id` for all
    others that Billhook acts on.
    """

    gateway: GatewayName
    kind: NoticeKind
    event: str
    dedupe_key: str
    payment_id: PaymentId | None
    claims_paid: bool
    body: str
    payout_id: PayoutId | None = None


class InboxStatus(StrEnum):
    STORED = "stored"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class InboxItem:
    """A notice made durable before it was answered. `result` says in one word what came of it."""

    id: str
    notice: Notice
    received_at: datetime
    copies: int = 1
    attempts: int = 0
    status: InboxStatus = InboxStatus.STORED
    handled_at: datetime | None = None
    result: str | None = None
    version: int = 0

    def received_again(self) -> "InboxItem":
        """A copy is counted. What was given up on is asked about once more."""
        if self.status is InboxStatus.FAILED:
            stored = replace(self, status=InboxStatus.STORED, handled_at=None, result=None)
            return stored.received_again()
        return replace(self, copies=self.copies + 1)

    def tried(self) -> "InboxItem":
        return replace(self, attempts=self.attempts + 1)

    def done(self, result: str, *, at: datetime) -> "InboxItem":
        return replace(
            self,
            attempts=self.attempts + 1,
            status=InboxStatus.DONE,
            handled_at=at,
            result=result,
        )

    def failed(self, result: str, *, at: datetime) -> "InboxItem":
        return replace(self, status=InboxStatus.FAILED, handled_at=at, result=result)
