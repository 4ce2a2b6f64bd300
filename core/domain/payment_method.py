"""A payment method: a customer's own account, proven by a small payment."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from core.domain.customer import CustomerId
from core.domain.errors import Conflict, Invalid, NotFound, Refused
from core.domain.item import PaymentMethodId
from core.domain.payout import ERASED, PayoutAccount
from core.domain.plan import GatewayName

UNVERIFIED_LIFE: Final = timedelta(hours=24)
"""One that nobody proved by then is cleaned away."""


class MethodStatus(StrEnum):
    UNVERIFIED = "unverified"
    VERIFIED = "verified"
    REMOVED = "removed"


MOVES: Final = {
    MethodStatus.UNVERIFIED: frozenset({MethodStatus.VERIFIED, MethodStatus.REMOVED}),
    MethodStatus.VERIFIED: frozenset({MethodStatus.REMOVED}),
    MethodStatus.REMOVED: frozenset[MethodStatus](),
}


@dataclass(eq=False)
class PaymentMethodNotFound(NotFound):
    """No such payment method."""

    method_id: str


@dataclass(eq=False)
class PaymentMethodNotVerified(Refused):
    """This payment method is not proven; pay the small sum of its check first."""

    method_id: str


@dataclass(eq=False)
class PaymentMethodRemoved(Conflict):
    """This payment method was removed; add it again."""

    method_id: str


@dataclass(eq=False)
class BillingNotUsable(Invalid):
    """The billing data is not usable; see the field named."""

    field: str


@dataclass(frozen=True, slots=True)
class Billing:
    """
    Who pays, as the bank knows them. Stored sealed, never shown, and told to the gateway that
    proves the method.
    """

    name: str = field(repr=False)
    email: str = field(repr=False)
    phone: str = field(repr=False)

    def __post_init__(self) -> None:
        """
        Raises:
            BillingNotUsable
        """
        for name in ("name", "email", "phone"):
            text = getattr(self, name)
            if not 1 <= len(text) <= 128 or not text.isprintable() or text != text.strip():
                raise BillingNotUsable(name)


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """
    `token` can charge it again, where the gateway gives one. The account, the billing data and
    the token are sealed wherever they are kept. The billing data never change: what a gateway is
    asked with them is asked alike again.
    """

    id: PaymentMethodId
    customer_id: CustomerId
    gateway: GatewayName
    account: PayoutAccount
    billing: Billing = field(repr=False)
    created_at: datetime
    status: MethodStatus = MethodStatus.UNVERIFIED
    token: str | None = field(default=None, repr=False)
    ended_at: datetime | None = None
    version: int = 0

    @property
    def due_at(self) -> datetime | None:
        is_open = self.status is MethodStatus.UNVERIFIED
        return self.created_at + UNVERIFIED_LIFE if is_open else None

    def require_verified(self) -> None:
        """
        Raises:
            PaymentMethodNotVerified, PaymentMethodRemoved
        """
        if self.status is MethodStatus.REMOVED:
            raise PaymentMethodRemoved(self.id)
        if self.status is not MethodStatus.VERIFIED:
            raise PaymentMethodNotVerified(self.id)

    def becomes_verified(self, token: str | None) -> "PaymentMethod":
        """
        Raises:
            PaymentMethodRemoved
        """
        if MethodStatus.VERIFIED not in MOVES[self.status]:
            raise PaymentMethodRemoved(self.id)
        return replace(self, status=MethodStatus.VERIFIED, token=token)

    def forgets_token(self) -> "PaymentMethod":
        """It is of no more use. Money can still be sent to the account."""
        return replace(self, token=None)

    def becomes_removed(self, *, at: datetime) -> "PaymentMethod":
        """What was kept to charge it goes at once. Removed again, it stays as it is."""
        if self.status is MethodStatus.REMOVED:
            return self
        return replace(self, status=MethodStatus.REMOVED, token=None, ended_at=at)

    def erased(self, *, at: datetime) -> "PaymentMethod":
        """Removed, and nothing is left of whose it was."""
        return replace(
            self.becomes_removed(at=at),
            account=self.account.erased(),
            billing=Billing(ERASED, ERASED, ERASED),
        )
