"""What a purchase can be of: a plan, a pack, money for the wallet, a check, a part of an escrow."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from core.domain.plan import PackTerms, PlanTerms, PlanVersion

PaymentMethodId = NewType("PaymentMethodId", str)
EscrowId = NewType("EscrowId", str)


class EscrowPart(StrEnum):
    DOWN_PAYMENT = "down_payment"
    REMAINDER = "remainder"


@dataclass(frozen=True, slots=True)
class PlanItem:
    plan: PlanVersion

    @property
    def key(self) -> str:
        """Equal for the same thing and for nothing else: one open purchase of it at a price."""
        return f"plan {self.plan.id}"

    @property
    def terms(self) -> PlanTerms:
        return self.plan.terms


@dataclass(frozen=True, slots=True)
class PackItem:
    """Units of a feature on top of what the plan gives, on the terms agreed on."""

    terms: PackTerms

    @property
    def key(self) -> str:
        return f"pack {self.terms.code} {self.terms.feature} {self.terms.units}"


Ware = PlanItem | PackItem
"""What the catalog sells at a price of its own."""


@dataclass(frozen=True, slots=True)
class Deposit:
    """Money for the wallet: what arrives stays there."""

    @property
    def key(self) -> str:
        return "deposit"


@dataclass(frozen=True, slots=True)
class Verification:
    """A small sum that proves a payment method, and comes back as bonus."""

    method_id: PaymentMethodId

    @property
    def key(self) -> str:
        return f"verification {self.method_id}"


@dataclass(frozen=True, slots=True)
class EscrowShare:
    """One part of an escrow, set aside until it is released or returned."""

    escrow_id: EscrowId
    part: EscrowPart

    @property
    def key(self) -> str:
        return f"escrow {self.escrow_id} {self.part}"


Item = PlanItem | PackItem | Deposit | Verification | EscrowShare
