"""A charge: money that a gateway took from a payer, once, and what has gone back of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from core.domain.customer import CustomerId
from core.domain.money import Money
from core.domain.payment import PaymentId
from core.domain.plan import GatewayName
from core.domain.purchase import PurchaseId


class ChargeKey(NamedTuple):
    """`charge_id` is the provider's; one charge is booked once, for ever."""

    gateway: GatewayName
    charge_id: str


@dataclass(frozen=True, slots=True)
class Charge:
    """
    `settled`: it paid its purchase; else it stayed in the wallet, or in suspense where it is
    nobody's. `returning` is what has been refunded, and what is on its way back. `fee` is what
    the gateway kept; None: it has not said. `details` are facts such as asset and rate.
    """

    key: ChargeKey
    payment_id: PaymentId
    amount: Money
    charged_at: datetime
    settled: bool
    customer_id: CustomerId | None = None
    purchase_id: PurchaseId | None = None
    fee: Money | None = None
    returning: Money | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    version: int = 0

    @property
    def left(self) -> Money:
        """What can still be given back."""
        return self.amount if self.returning is None else self.amount - self.returning

    def giving_back(self, amount: Money) -> "Charge":
        assert amount.is_positive
        assert amount <= self.left, "no more goes back than was paid"
        back = amount if self.returning is None else self.returning + amount
        return replace(self, returning=back)

    def kept_after_all(self, amount: Money) -> "Charge":
        """A refund failed: so much did not go back."""
        assert self.returning is not None
        back = self.returning - amount
        return replace(self, returning=back if back.is_positive else None)
