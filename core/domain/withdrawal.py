"""A withdrawal: money of a customer on its way to an account of theirs."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NewType

from core.domain import ledger
from core.domain.customer import CustomerId
from core.domain.errors import Conflict, Invalid, NotFound, Refused
from core.domain.item import PaymentMethodId
from core.domain.ledger import Account, Entry
from core.domain.money import Money
from core.domain.payment import PayoutId
from core.domain.payout import PayoutAccount, PayoutOrder
from core.domain.plan import GatewayName

WithdrawalId = NewType("WithdrawalId", str)

QUEUE: Final = GatewayName("queue")
"""Whose gateway pays nothing out: an operator sends the money by hand, and says so."""

SENDING_LEASE: Final = timedelta(minutes=1)
FIRST_LOOK: Final = timedelta(minutes=2)
LAST_LOOK: Final = timedelta(hours=6)


class WithdrawalStatus(StrEnum):
    HELD = "held"  # Above a brake: a person releases it, or does not.
    REQUESTED = "requested"  # The money is set aside; nobody was asked to send it yet.
    SENT = "sent"  # The gateway was asked, or is being asked: it may have acted.
    DONE = "done"
    FAILED = "failed"  # It never left; the customer has the money again.
    RETURNED = "returned"  # It left, came back later, and the customer has it again.


LEAVING: Final = frozenset(
    {WithdrawalStatus.REQUESTED, WithdrawalStatus.SENT, WithdrawalStatus.DONE}
)
"""Its money is on its way out, or gone."""

MOVES: Final = {
    WithdrawalStatus.HELD: frozenset({WithdrawalStatus.REQUESTED, WithdrawalStatus.FAILED}),
    WithdrawalStatus.REQUESTED: frozenset(
        {WithdrawalStatus.SENT, WithdrawalStatus.DONE, WithdrawalStatus.FAILED}
    ),
    WithdrawalStatus.SENT: frozenset({WithdrawalStatus.DONE, WithdrawalStatus.FAILED}),
    WithdrawalStatus.DONE: frozenset({WithdrawalStatus.RETURNED}),
    WithdrawalStatus.FAILED: frozenset[WithdrawalStatus](),
    WithdrawalStatus.RETURNED: frozenset[WithdrawalStatus](),
}


@dataclass(eq=False)
class WithdrawalNotFound(NotFound):
    """No such withdrawal."""

    withdrawal_id: str


@dataclass(eq=False)
class WithdrawalMoved(Conflict):
    """The withdrawal cannot become what was asked of it any more."""

    withdrawal_id: str
    withdrawal_status: str


@dataclass(eq=False)
class WithdrawalNotTaken(Invalid):
    """Sums from `least` on can be withdrawn; null: none in this currency."""

    amount: Money
    least: Money | None


@dataclass(eq=False)
class WithdrawalSentByGateway(Refused):
    """A gateway sends this one and will say what became of it; nobody else does."""

    withdrawal_id: str


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """
    `account` is the method's as it was when this was asked for. `id` is the provider's key:
    whatever happens, one withdrawal is one payout.
    """

    id: WithdrawalId
    customer_id: CustomerId
    method_id: PaymentMethodId
    gateway: GatewayName
    account: PayoutAccount
    amount: Money
    requested_at: datetime
    status: WithdrawalStatus = WithdrawalStatus.REQUESTED
    payout_id: PayoutId | None = None
    reason: str | None = None
    ended_at: datetime | None = None
    looked: int = 0
    due_at: datetime | None = None
    version: int = 0

    @property
    def is_open(self) -> bool:
        """Whether its money is still set aside."""
        return self.status in {
            WithdrawalStatus.HELD,
            WithdrawalStatus.REQUESTED,
            WithdrawalStatus.SENT,
        }

    @property
    def waits_for_a_person(self) -> bool:
        """Nothing brings it on by itself: above a brake, to be sent by hand, or out of sight."""
        return self.is_open and self.due_at is None

    @property
    def is_out_of_sight(self) -> bool:
        """Its gateway may have acted and cannot be asked: a person has to look, and to say."""
        return self.status is WithdrawalStatus.SENT and self.due_at is None

    @property
    def order(self) -> PayoutOrder:
        """The same for ever, so that asking again is the same payout."""
        return PayoutOrder(
            self.id, self.amount, self.account, f"Withdrawal {self.id}", self.requested_at
        )

    def becomes_requested(self, *, at: datetime) -> "Withdrawal":
        return replace(self._moved(WithdrawalStatus.REQUESTED), due_at=self._first_due(at))

    def becomes_sent(self, *, at: datetime) -> "Withdrawal":
        return replace(self._moved(WithdrawalStatus.SENT), due_at=at + SENDING_LEASE)

    def looked_at(self, *, at: datetime) -> "Withdrawal":
        """Nothing new: ask again later, at first soon, then every six hours."""
        wait = min(FIRST_LOOK * 2 ** min(self.looked, 10), LAST_LOOK)
        return replace(self, looked=self.looked + 1, due_at=at + wait)

    def goes_out_of_sight(self) -> "Withdrawal":
        return replace(self, due_at=None)

    def listened_to(self, *, is_told: bool, at: datetime) -> "Withdrawal":
        """
        Done, and the gateway says nothing new. Where a notice made us ask (`is_told`), the gateway
        may be behind its own notice, that the money came back: it is asked once more, later.
        """
        return replace(self, due_at=at + LAST_LOOK if is_told else None)

    def named(self, payout_id: PayoutId) -> "Withdrawal":
        return self if self.payout_id == payout_id else replace(self, payout_id=payout_id)

    def becomes_done(self, *, at: datetime) -> "Withdrawal":
        return replace(self._moved(WithdrawalStatus.DONE), ended_at=at, due_at=None)

    def becomes_failed(self, reason: str, *, at: datetime) -> "Withdrawal":
        failed = self._moved(WithdrawalStatus.FAILED)
        return replace(failed, ended_at=at, due_at=None, reason=reason[:200])

    def becomes_returned(self, reason: str, *, at: datetime) -> "Withdrawal":
        returned = self._moved(WithdrawalStatus.RETURNED)
        return replace(returned, ended_at=at, due_at=None, reason=reason[:200])

    def entry(self, *, at: datetime) -> Entry:
        """What its present status does to the books, besides what came before."""
        own, held = ledger.cash(self.customer_id), ledger.hold(self.customer_id)
        outside = ledger.clearing(self.gateway)
        moves: dict[WithdrawalStatus, tuple[str, str, Account, Account]] = {
            WithdrawalStatus.HELD: ("", "withdrawal", own, held),
            WithdrawalStatus.REQUESTED: ("", "withdrawal", own, held),
            WithdrawalStatus.DONE: (" ended", "payout", held, outside),
            WithdrawalStatus.FAILED: (" ended", "withdrawal_failed", held, own),
            WithdrawalStatus.RETURNED: (" returned", "payout_returned", outside, own),
        }
        suffix, purpose, debit, credit = moves[self.status]
        id_ = f"withdrawal {self.id}{suffix}"
        return ledger.transfer(id_, purpose, self.amount, debit=debit, credit=credit, at=at)

    def _first_due(self, at: datetime) -> datetime | None:
        """After the job that sends it: found by time only where that got lost."""
        return None if self.gateway == QUEUE else at + SENDING_LEASE

    def _moved(self, status: WithdrawalStatus) -> "Withdrawal":
        """
        Raises:
            WithdrawalMoved
        """
        if status not in MOVES[self.status]:
            raise WithdrawalMoved(self.id, self.status)
        return replace(self, status=status)
