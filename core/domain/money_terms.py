"""What the catalog says of money beside plans, such as of deposits, withdrawals and renewals."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from core.domain.errors import Refused
from core.domain.money import AMOUNT_MINOR_MAX, Currency, Money
from core.domain.plan import GatewayName, ReceiptRule
from core.domain.referral_program import ReferralTerms
from core.domain.renewal import RenewalTerms
from core.domain.safety import SafetyTerms

BASIS_POINTS: Final = 10_000
"""The whole, in hundredths of a percent."""

TRIES_A_DAY: Final = 3
REWARDS_PERCENT: Final = 50
PAYOUT_HOURS: Final = 4

Titles = Mapping[str, str]
"""What the customer reads on the bill, by language."""


@dataclass(eq=False)
class NotOffered(Refused):
    """This business does not offer that."""

    what: str


@dataclass(frozen=True, slots=True)
class DepositTerms:
    """
    `bounds` are the smallest and the largest deposit, one pair for each currency that the wallet
    takes; none: no deposits. `gateways`: which may take them (empty: every one switched on).
    """

    bounds: tuple[tuple[Money, Money], ...] = ()
    gateways: tuple[GatewayName, ...] = ()
    titles: Titles = field(default_factory=dict)
    receipt: ReceiptRule | None = None

    def bounds_in(self, unit: Currency) -> tuple[Money, Money] | None:
        return next((pair for pair in self.bounds if pair[0].currency == unit), None)


@dataclass(frozen=True, slots=True)
class VerificationTerms:
    """What proves a payment method, one amount for each currency; none: methods are not kept."""

    amounts: tuple[Money, ...] = ()
    titles: Titles = field(default_factory=dict)
    receipt: ReceiptRule | None = None


@dataclass(frozen=True, slots=True)
class EscrowTerms:
    """
    `fee_basis_points` of a part are kept when it is released, from what the payee gets.
    `buffer` is how long a part waits after the payer's word before the payee has it. `receipt` is
    of a part that is paid for at a gateway.
    """

    is_offered: bool = False
    fee_basis_points: int = 0
    buffer: timedelta = timedelta(hours=72)
    titles: Titles = field(default_factory=dict)
    receipt: ReceiptRule | None = None


@dataclass(frozen=True, slots=True)
class Brake:
    """
    Above any of these a withdrawal waits for a person: one payout, one customer in a day, and all
    customers in an hour.
    """

    payout: Money
    customer_day: Money
    hour: Money

    def holds(self, amount: Money, *, day: Money, hour: Money) -> "Braked | None":
        """`day` and `hour` are what was asked for before this. The first that is passed counts."""
        asked = (
            ("payout", 0, self.payout),
            ("customer_day", day.amount_minor, self.customer_day),
            ("hour", hour.amount_minor, self.hour),
        )
        wanted = amount.amount_minor  # With what was before it may be more than any money is.
        passed = (Braked(name, most) for name, it, most in asked if it + wanted > most.amount_minor)
        return next(passed, None)


@dataclass(frozen=True, slots=True)
class Braked:
    """Which of the brakes was passed, by its name in `Brake`, and what it lets go."""

    brake: str
    most: Money


@dataclass(frozen=True, slots=True)
class WithdrawalTerms:
    """`brakes` by currency; a currency without one cannot be withdrawn."""

    least: tuple[Money, ...] = ()
    brakes: tuple[Brake, ...] = ()

    def least_in(self, unit: Currency) -> Money:
        """The smallest that there is, where the catalog names none."""
        return next((one for one in self.least if one.currency == unit), Money(1, unit))

    def brake(self, amount: Money) -> Brake | None:
        found = (one for one in self.brakes if one.payout.currency == amount.currency)
        return next(found, None)


@dataclass(frozen=True, slots=True)
class MoneyTerms:
    deposit: DepositTerms = field(default_factory=DepositTerms)
    verification: VerificationTerms = field(default_factory=VerificationTerms)
    escrow: EscrowTerms = field(default_factory=EscrowTerms)
    withdrawal: WithdrawalTerms = field(default_factory=WithdrawalTerms)
    renewal: RenewalTerms = field(default_factory=RenewalTerms)
    referral: ReferralTerms = field(default_factory=ReferralTerms)
    safety: SafetyTerms = field(default_factory=SafetyTerms)

    @property
    def tries_a_day(self) -> int:
        """As often one subscription may be tried to be renewed: by default more than the plan of it."""
        return self.safety.tries or max(TRIES_A_DAY, self.renewal.most_in_a_day + 1)

    @property
    def rewards_percent(self) -> int:
        """By default above the highest level, and never so near that a change of levels reaches it."""
        levels = (-(-level.basis_points // 100) for level in self.referral.levels)
        above = max(levels, default=0) + 10
        return self.safety.rewards or min(max(above, REWARDS_PERCENT), 100)

    def payouts_a_day(self, brake: Brake) -> Money:
        """By default what the brake of an hour lets pass in four hours."""
        named = (one for one in self.safety.payouts if one.currency == brake.hour.currency)
        by_hours = min(brake.hour.amount_minor * PAYOUT_HOURS, AMOUNT_MINOR_MAX)
        return next(named, None) or Money(by_hours, brake.hour.currency)

    @property
    def currencies(self) -> tuple[str, ...]:
        deposits = (least.currency.code for least, _ in self.deposit.bounds)
        checks = (amount.currency.code for amount in self.verification.amounts)
        payouts = (brake.payout.currency.code for brake in self.withdrawal.brakes)
        return tuple(dict.fromkeys((*deposits, *checks, *payouts)))
