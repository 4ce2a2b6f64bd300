"""A refund: money of one charge going back to whoever paid it."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NewType

from core.domain.charge import ChargeKey
from core.domain.checkout import Receipt
from core.domain.customer import CustomerId
from core.domain.errors import Conflict, NotFound, Refused
from core.domain.money import Money
from core.domain.payment import PaymentId, RefundFacts, RefundId
from core.domain.plan import GatewayName
from core.domain.purchase import PurchaseId

OurRefundId = NewType("OurRefundId", str)

FIRST_LOOK: Final = timedelta(minutes=1)
LAST_LOOK: Final = timedelta(hours=6)


class RefundStatus(StrEnum):
    ASKED = "asked"  # Decided and booked; the gateway may or may not have heard of it.
    DONE = "done"
    FAILED = "failed"  # The gateway will not do it: what was taken back was given again.


MOVES: Final = {
    RefundStatus.ASKED: frozenset({RefundStatus.DONE, RefundStatus.FAILED}),
    RefundStatus.DONE: frozenset[RefundStatus](),
    RefundStatus.FAILED: frozenset({RefundStatus.DONE}),  # Done all the same: money decides.
}


@dataclass(eq=False)
class RefundNotFound(NotFound):
    """No such refund."""

    refund_id: str


@dataclass(eq=False)
class RefundEnded(Conflict):
    """The refund has ended already and cannot become what was asked of it."""

    refund_id: str
    refund_status: str


@dataclass(eq=False)
class RefundTooLarge(Refused):
    """What goes back is more than nothing, and no more than `left` of what was paid."""

    purchase_id: str
    left: Money


@dataclass(eq=False)
class NothingToRefund(Refused):
    """Nothing is left to give back: this purchase was never paid, or all of it went back."""

    purchase_id: str


@dataclass(eq=False)
class RefundNotPossible(Refused):
    """
    The gateway that took the payment cannot give back this sum, or the money lies in an escrow:
    end its part first.
    """

    gateway: str
    reason: str


@dataclass(frozen=True, slots=True)
class Refund:
    """
    `id` is the provider's idempotency key, and everything the request is built from is frozen
    here. `payment_id` and `charge_id` name the payment that it gives back a part of, or all of
    `paid`. Whoever made it at the gateway, it is one of ours from when we hear of it.
    `receipt` is that of the payment, for the receipt of the refund (54-FZ). `provider_id` is None
    until the gateway named it; `looked` counts how often we asked.
    """

    id: OurRefundId
    purchase_id: PurchaseId
    customer_id: CustomerId
    gateway: GatewayName
    payment_id: PaymentId
    charge_id: str
    amount: Money
    paid: Money
    reason: str
    asked_at: datetime
    receipt: Receipt | None = field(default=None, repr=False)
    status: RefundStatus = RefundStatus.ASKED
    provider_id: RefundId | None = None
    is_chargeback: bool = False
    ended_at: datetime | None = None
    looked: int = 0
    due_at: datetime | None = None
    version: int = 0

    @property
    def charge(self) -> ChargeKey:
        return ChargeKey(self.gateway, self.charge_id)

    @property
    def is_whole(self) -> bool:
        """Whether it gives back all of the payment in one go."""
        return self.amount == self.paid

    def is_told_by(self, facts: RefundFacts) -> bool:
        """By the gateway's id once it is known, since of two with one of ours both are money."""
        if self.provider_id is not None:
            return facts.refund_id == self.provider_id
        return facts.our_id == self.id

    def looked_at(self, *, at: datetime) -> "Refund":
        """Nothing new: ask again later, at first soon, then every six hours."""
        wait = min(FIRST_LOOK * 2 ** min(self.looked, 10), LAST_LOOK)
        return replace(self, looked=self.looked + 1, due_at=at + wait)

    def named(self, provider_id: RefundId) -> "Refund":
        return self if self.provider_id == provider_id else replace(self, provider_id=provider_id)

    def ended(self, status: RefundStatus, *, at: datetime) -> "Refund":
        """
        Raises:
            RefundEnded
        """
        if status not in MOVES[self.status]:
            raise RefundEnded(self.id, self.status)
        return replace(self, status=status, ended_at=at, due_at=None)
