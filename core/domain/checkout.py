"""A checkout: one attempt to have a purchase paid at one gateway."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NewType

from core.domain.customer import CustomerId
from core.domain.errors import Conflict, NotFound
from core.domain.item import PaymentMethodId
from core.domain.money import Money
from core.domain.payment import OpenedCheckout, PaymentFacts, PaymentId, PaymentStatus
from core.domain.plan import GatewayName, ReceiptRule
from core.domain.purchase import PurchaseId

CheckoutId = NewType("CheckoutId", str)


class CheckoutStatus(StrEnum):
    ASKED = "asked"
    OPEN = "open"
    DECLINED = "declined"
    UNKNOWN = "unknown"
    PAID = "paid"
    LAPSED = "lapsed"


MOVES: Final = {
    CheckoutStatus.ASKED: frozenset(
        {
            CheckoutStatus.OPEN,
            CheckoutStatus.DECLINED,
            CheckoutStatus.UNKNOWN,
            CheckoutStatus.PAID,
            CheckoutStatus.LAPSED,
        }
    ),
    CheckoutStatus.UNKNOWN: frozenset(
        {
            CheckoutStatus.OPEN,
            CheckoutStatus.DECLINED,
            CheckoutStatus.PAID,
            CheckoutStatus.LAPSED,
        }
    ),
    CheckoutStatus.OPEN: frozenset({CheckoutStatus.PAID, CheckoutStatus.LAPSED}),
    # A charge can be found long after we gave up; the books follow the money.
    CheckoutStatus.LAPSED: frozenset({CheckoutStatus.PAID}),
    CheckoutStatus.DECLINED: frozenset[CheckoutStatus](),
    CheckoutStatus.PAID: frozenset[CheckoutStatus](),
}

TIME_TO_PAY: Final = timedelta(minutes=2)
"""An address with less left is not given to anybody; the provider's clock is not ours."""

FIRST_LOOK: Final = timedelta(minutes=1)
LAST_LOOK: Final = timedelta(minutes=30)


@dataclass(eq=False)
class CheckoutNotFound(NotFound):
    """No such checkout."""

    checkout_id: str


@dataclass(eq=False)
class CheckoutEnded(Conflict):
    """The checkout has ended and cannot become what was asked of it."""

    checkout_id: str
    checkout_status: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """The fiscal receipt (54-FZ) that goes with a payment: to whom, for what, under which tax."""

    contact: str = field(repr=False)
    title: str
    rule: ReceiptRule


@dataclass(frozen=True, slots=True)
class Checkout:
    """
    `id` is the provider's idempotency key, and everything the request is built from is frozen
    here, so that asking again is the same request. `looked` counts how often we asked about it.

    `saves_method`: the gateway is asked to keep what is paid with, to be charged again later: by
    us, or of a plan by itself.
    `method_id`: the saved method that is charged, with nobody there; None: it is opened, and
    somebody pays at its address.
    """

    id: CheckoutId
    purchase_id: PurchaseId
    customer_id: CustomerId
    gateway: GatewayName
    amount: Money
    description: str
    return_url: str
    language: str
    receipt: Receipt | None
    asked_at: datetime
    saves_method: bool = False
    method_id: PaymentMethodId | None = None
    status: CheckoutStatus = CheckoutStatus.ASKED
    opened: OpenedCheckout | None = None
    looked: int = 0
    due_at: datetime | None = None
    version: int = 0

    @property
    def payment_id(self) -> PaymentId | None:
        return None if self.opened is None else self.opened.payment_id

    @property
    def is_settling(self) -> bool:
        """Whether the outcome is still open, for us or for the payer."""
        return self.status in {CheckoutStatus.ASKED, CheckoutStatus.OPEN, CheckoutStatus.UNKNOWN}

    @property
    def is_unopened(self) -> bool:
        """Whether nobody has its address yet, so that it may be asked for again."""
        return self.status in {CheckoutStatus.ASKED, CheckoutStatus.UNKNOWN}

    @property
    def is_charge(self) -> bool:
        """Whether money may move without anybody's doing: such a one is asked for only once."""
        return self.method_id is not None

    def can_be_paid_at(self, now: datetime) -> bool:
        """Whether the customer can be sent to its address."""
        if self.status is not CheckoutStatus.OPEN or self.opened is None or self.is_charge:
            return False
        ends_at = self.opened.expires_at
        return ends_at is None or now + TIME_TO_PAY < ends_at

    def becomes_open(self, opened: OpenedCheckout, *, at: datetime) -> "Checkout":
        """The gateway gave an address. Told the same again, it stays as it is."""
        if self.status in {CheckoutStatus.OPEN, CheckoutStatus.PAID}:
            return self
        return replace(self._moved(CheckoutStatus.OPEN), opened=opened, due_at=at + FIRST_LOOK)

    def becomes_declined(self) -> "Checkout":
        return replace(self._moved(CheckoutStatus.DECLINED), due_at=None)

    def becomes_unknown(self, *, at: datetime) -> "Checkout":
        """No answer: it may exist at the provider. Asked for again by whoever looks next."""
        if self.status is CheckoutStatus.UNKNOWN:
            return self.looked_at(at=at)
        return self._moved(CheckoutStatus.UNKNOWN).looked_at(at=at)

    def lapses(self) -> "Checkout":
        return replace(self._moved(CheckoutStatus.LAPSED), due_at=None)

    def erased(self) -> "Checkout":
        """
        Without whom the receipt is for. What nobody has the address of cannot be asked for again
        alike, and so is given up; a charge ends by asking alone.
        """
        given_up = self.lapses() if self.is_unopened and not self.is_charge else self
        return replace(given_up, receipt=None)

    def looked_at(self, *, at: datetime) -> "Checkout":
        """Nothing new: look again later, at first soon, then every half an hour."""
        wait = min(FIRST_LOOK * 2 ** min(self.looked, 10), LAST_LOOK)
        return replace(self, looked=self.looked + 1, due_at=at + wait)

    def told(self, facts: PaymentFacts, *, at: datetime) -> "Checkout":
        """Follow what the gateway says of the payment. Never backwards: late news changes nothing."""
        if facts.status is PaymentStatus.PAID:
            if CheckoutStatus.PAID not in MOVES[self.status]:
                return self
            opened = self.opened or OpenedCheckout(facts.payment_id, "", None)
            return replace(self._moved(CheckoutStatus.PAID), opened=opened, due_at=None)
        if not self.is_settling:
            return self
        if facts.status is PaymentStatus.CANCELED:
            return self.lapses()
        there = OpenedCheckout(facts.payment_id, "", None) if self.is_charge else facts.opened
        if self.is_unopened and there is not None:
            return self.becomes_open(there, at=at)
        return self.looked_at(at=at)

    def _moved(self, status: CheckoutStatus) -> "Checkout":
        if status not in MOVES[self.status]:
            raise CheckoutEnded(self.id, self.status)
        return replace(self, status=status)
