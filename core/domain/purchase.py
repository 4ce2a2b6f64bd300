"""A purchase: one price agreed once; what arrives for it, and what becomes of it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NewType

from core.domain.customer import CustomerId
from core.domain.errors import Conflict, NotFound
from core.domain.item import Item, PlanItem, Ware
from core.domain.money import Money
from core.domain.plan import PlanVersion

PurchaseId = NewType("PurchaseId", str)

PURCHASE_LIFE: Final = timedelta(hours=24)


class PurchaseStatus(StrEnum):
    PENDING = "pending"
    PAID = "paid"
    CANCELED = "canceled"
    EXPIRED = "expired"
    FAILED = "failed"
    REFUNDED = "refunded"


MOVES: Final = {
    PurchaseStatus.PENDING: frozenset(
        {
            PurchaseStatus.PAID,
            PurchaseStatus.CANCELED,
            PurchaseStatus.EXPIRED,
            PurchaseStatus.FAILED,
        }
    ),
    # The money of somebody who paid a minute late is as good as any.
    PurchaseStatus.EXPIRED: frozenset({PurchaseStatus.PAID}),
    PurchaseStatus.PAID: frozenset({PurchaseStatus.REFUNDED}),
    PurchaseStatus.CANCELED: frozenset[PurchaseStatus](),
    PurchaseStatus.FAILED: frozenset[PurchaseStatus](),
    PurchaseStatus.REFUNDED: frozenset[PurchaseStatus](),
}


PAID: Final = frozenset({PurchaseStatus.PAID, PurchaseStatus.REFUNDED})
"""Money was taken for it, whatever became of that."""

NO_SALES: Final = frozenset({"deposit", "verification", "escrow"})
"""Kinds of item whose money is not the business's by being paid."""


@dataclass(eq=False)
class PurchaseNotFound(NotFound):
    """No such purchase."""

    purchase_id: str


@dataclass(eq=False)
class PurchaseNotPending(Conflict):
    """The purchase has ended already; start a new one."""

    purchase_id: str
    purchase_status: str


class Meeting(StrEnum):
    """What came of money that arrived for a purchase."""

    SETTLED = "settled"
    AFTER_END = "after_end"  # Canceled or failed: the money stays in the wallet.
    SECOND = "second"  # Paid already: the money stays in the wallet.
    MISMATCH = "mismatch"  # Less, more or another currency: the wallet, and a case.


@dataclass(frozen=True, slots=True)
class Remark:
    """What the customer is to be told about money that did not pay the purchase."""

    code: Meeting
    received: Money


@dataclass(frozen=True, slots=True)
class Reduction:
    """By which promo code it costs less, and what it would have cost."""

    code: str
    full: Money


@dataclass(frozen=True, slots=True)
class Purchase:
    """
    The snapshot (`item`, `amount`) is what was agreed; nothing that happens to the catalog
    afterwards changes it. `remark` is the latest thing the customer should know about it.
    `from_wallet`: agreed to be paid from the wallet, as soon as there is enough in it.
    `refunded` is what was given back of it so far; None: nothing. `reduction`: `amount` is less
    than the plan's price; None: it is that.
    """

    id: PurchaseId
    customer_id: CustomerId
    item: Item
    amount: Money
    created_at: datetime
    expires_at: datetime
    status: PurchaseStatus = PurchaseStatus.PENDING
    ended_at: datetime | None = None
    remark: Remark | None = None
    from_wallet: bool = False
    refunded: Money | None = None
    reduction: Reduction | None = None
    version: int = 0

    @property
    def due_at(self) -> datetime | None:
        return self.expires_at if self.is_pending else None

    @property
    def is_pending(self) -> bool:
        return self.status is PurchaseStatus.PENDING

    @property
    def plan(self) -> PlanVersion | None:
        """None: it is not of a plan."""
        return self.item.plan if isinstance(self.item, PlanItem) else None

    @property
    def ware(self) -> Ware | None:
        """None: it is not of what the catalog sells."""
        return self.item if isinstance(self.item, Ware) else None

    @property
    def refundable(self) -> Money:
        """What was paid and not given back so far; nothing, unless it was paid."""
        if self.status not in PAID:
            return self.amount - self.amount
        return self.amount if self.refunded is None else self.amount - self.refunded

    def meet(
        self, received: Money, *, at: datetime, instead: Meeting | None = None
    ) -> tuple["Purchase", Meeting]:
        """
        What a charge does to this purchase. Only the exact price settles it, and only once.
        `instead`: what was agreed on can no longer be given, and so this comes of it.
        """
        if received != self.amount:
            meeting = Meeting.MISMATCH
        elif PurchaseStatus.PAID in MOVES[self.status]:
            if instead is None:
                return self._moved(PurchaseStatus.PAID, at=at), Meeting.SETTLED
            meeting = instead
        elif self.status in PAID:
            meeting = Meeting.SECOND
        else:
            meeting = Meeting.AFTER_END
        return replace(self, remark=Remark(meeting, received)), meeting

    def gave_back(self, amount: Money) -> "Purchase":
        """So much was refunded; when that is all, it is refunded wholly."""
        assert amount.is_positive
        assert amount <= self.refundable, "no more goes back than was paid"
        refunded = amount if self.refunded is None else self.refunded + amount
        status = PurchaseStatus.REFUNDED if refunded == self.amount else self.status
        return replace(self, refunded=refunded, status=status)

    def canceled(self, *, at: datetime) -> "Purchase":
        return self._moved(PurchaseStatus.CANCELED, at=at)

    def expired(self, *, at: datetime) -> "Purchase":
        """Call this only after every gateway with a checkout of this purchase was asked."""
        return self._moved(PurchaseStatus.EXPIRED, at=at)

    def _moved(self, status: PurchaseStatus, *, at: datetime) -> "Purchase":
        if status not in MOVES[self.status]:
            raise PurchaseNotPending(self.id, self.status)
        return replace(self, status=status, ended_at=at)
