"""The referral programme: who brought whom, and what a referrer earns of what comes in."""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from core.domain.customer import Customer, CustomerId
from core.domain.errors import Conflict, NotFound, Refused
from core.domain.item import Deposit, Item, Ware
from core.domain.money import Currency, Money
from core.domain.purchase import Purchase, PurchaseId

_CODE: Final = re.compile(r"[a-z0-9]{8,40}", re.ASCII)
_LINK: Final = re.compile(r"r_([A-Za-z0-9-]{1,40})(?:__|$)", re.ASCII)
_PREFIX: Final = "cus_"
_WHOLE: Final = 10_000
"""The whole, in hundredths of a percent."""

BLOCKED_WAIT: Final = timedelta(days=1)
"""How much longer a reward waits each time its referrer is found blocked."""


@dataclass(eq=False)
class ReferralCodeNotFound(NotFound):
    """Nobody has this referral code; check how it is written."""

    written: str


@dataclass(eq=False)
class OwnReferralCode(Refused):
    """This is the customer's own code; it is for somebody else."""


@dataclass(eq=False)
class ReferrerNotOlder(Refused):
    """Whoever brings a customer was here before the customer was."""


@dataclass(eq=False)
class TooLateToJoin(Refused):
    """A code counts when the customer is new, before the first purchase."""


@dataclass(eq=False)
class ReferredAlready(Conflict):
    """Another customer brought this one, and that stays so."""


class Door(StrEnum):
    """The way by which a customer came in with a code."""

    BOT = "bot"
    MINI_APP = "mini_app"
    API = "api"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Invitation:
    """The code that a customer came in with, as it was written, and by which door."""

    code: str
    door: Door


class ReferralStatus(StrEnum):
    REGISTERED = "registered"
    ACTIVATED = "activated"  # Tried it, or paid for something.
    EARNING = "earning"  # The referrer was rewarded for it.


_ORDER: Final = list(ReferralStatus)


@dataclass(frozen=True, slots=True)
class RewardLevel:
    """From the referrer's `since`-th paying referral on, so many basis points of what comes in."""

    since: int
    basis_points: int

    @property
    def percent(self) -> str:
        """`10`, `12.5`."""
        whole, part = divmod(self.basis_points, 100)
        return f"{whole}.{part:02d}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True)
class ReferralTerms:
    """
    `levels` are in order, the first since 1; none: there is no programme. A reward waits for
    `hold`, and is paid in cash or (usually) as bonus. A code counts within `join` of the first
    contact. `least` are the smallest purchases that are rewarded, `most_a_day` what one referrer
    can earn on a day of the business's zone, both by currency.
    """

    levels: tuple[RewardLevel, ...] = ()
    hold: timedelta = timedelta(days=14)
    join: timedelta = timedelta(hours=24)
    in_cash: bool = False
    least: tuple[Money, ...] = ()
    most_a_day: tuple[Money, ...] = ()

    @property
    def is_offered(self) -> bool:
        return bool(self.levels)

    def level(self, count: int) -> RewardLevel:
        """That of the `count`-th paying referral, counted from 1."""
        return [one for one in self.levels if one.since <= count][-1]

    def limit_in(self, unit: Currency) -> Money | None:
        return next((one for one in self.most_a_day if one.currency == unit), None)

    def least_in(self, unit: Currency) -> Money:
        return next((one for one in self.least if one.currency == unit), Money(1, unit))


@dataclass(frozen=True, slots=True)
class Referral:
    """Who brought this customer, once and for ever, and how far it came of it."""

    customer_id: CustomerId
    referrer_id: CustomerId
    door: Door
    at: datetime
    status: ReferralStatus = ReferralStatus.REGISTERED
    version: int = 0

    def __post_init__(self) -> None:
        assert self.customer_id != self.referrer_id

    def becomes(self, status: ReferralStatus) -> "Referral":
        """Forward only; itself where it is as far already."""
        further = max(self.status, status, key=_ORDER.index)
        return self if further is self.status else replace(self, status=further)


def code_of(customer_id: CustomerId) -> str:
    """What a customer gives to those who are to be brought: the id without its prefix."""
    return customer_id.removeprefix(_PREFIX)


def code_in(link: str) -> str | None:
    """The code in what a link starts the bot or the app with, alone or before something else."""
    found = _LINK.match(link)
    return None if found is None else found[1]


def referrer_from_code(code: str) -> CustomerId:
    """
    Whose code it would be, with or without the `r_` of a link.

    Raises:
        ReferralCodeNotFound: it cannot be anybody's.
    """
    plain = code.strip().removeprefix("r_").lower()
    if not _CODE.fullmatch(plain):
        raise ReferralCodeNotFound(code[:64])
    return CustomerId(_PREFIX + plain)


def brought(
    customer: Customer, referrer: Customer, terms: ReferralTerms, door: Door, *, at: datetime
) -> Referral:
    """
    A new referral. The referrer is always the older customer (of two of one moment the one with
    the smaller id), and so no circle can come of it, of whatever length. Whether the customer has
    one already, or has bought something, is asked before.

    Raises:
        OwnReferralCode, ReferrerNotOlder
        TooLateToJoin: not by an operator, who may see to it later.
    """
    if customer.id == referrer.id:
        raise OwnReferralCode
    if (referrer.created_at, referrer.id) >= (customer.created_at, customer.id):
        raise ReferrerNotOlder
    if door is not Door.OPERATOR and at > customer.created_at + terms.join:
        raise TooLateToJoin
    return Referral(customer.id, referrer.id, door, at)


def is_rewarded(item: Item, *, can_be_withdrawn: bool) -> bool:
    """
    Whether money that came in for it can earn a reward. A deposit that can be withdrawn again
    earns nothing: its way there and back would cost nobody anything. Nor does what comes back
    by itself, or goes to somebody else.
    """
    return isinstance(item, Ware) or (isinstance(item, Deposit) and not can_be_withdrawn)


class RewardStatus(StrEnum):
    WAITING = "waiting"  # In the referrer's hold, until its time has come.
    EARNED = "earned"  # In the referrer's wallet.
    TAKEN_BACK = "taken_back"  # All of what it was for was refunded, or the referrer is erased.
    NONE = "none"  # Looked at, and nothing is due: `why` says so.


class NoReward(StrEnum):
    """Why a purchase earned its referrer nothing."""

    TOO_LITTLE = "too_little"  # Below the least that is rewarded, or its share rounds to nothing.
    DAY_IS_FULL = "day_is_full"
    BLOCKED = "blocked"
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True)
class Reward:
    """
    What one purchase earns the referrer of its buyer, decided once: `amount` is `basis_points` of
    `base`, rounded down, no more than what the day allows. `count` is which of the referrer's
    paying referrals the buyer was. `taken_back` never shrinks.
    """

    purchase_id: PurchaseId
    customer_id: CustomerId
    referrer_id: CustomerId
    base: Money
    count: int
    basis_points: int
    amount: Money
    taken_back: Money
    in_cash: bool
    at: datetime
    ripe_at: datetime
    status: RewardStatus = RewardStatus.WAITING
    why: NoReward | None = None
    version: int = 0

    @classmethod
    def decided(
        cls,
        purchase: Purchase,
        referrer: Customer,
        terms: ReferralTerms,
        *,
        kept: Money,
        others: int,
        on_that_day: Money,
        at: datetime,
    ) -> "Reward":
        """
        `kept` is what did not go back of the price. `others` counts the referrer's other paying
        referrals; `on_that_day` is what was earned on this day so far.
        """
        base, nothing = kept, purchase.amount - purchase.amount
        level = terms.level(others + 1)
        amount = base.share(level.basis_points, _WHOLE)
        limit = terms.limit_in(base.currency)
        why = None
        if not referrer.is_served:
            why = NoReward.BLOCKED
        elif not base.is_positive:
            why = NoReward.REFUNDED
        elif purchase.amount < terms.least_in(base.currency) or not amount.is_positive:
            why = NoReward.TOO_LITTLE
        elif limit is not None and limit <= on_that_day:
            why = NoReward.DAY_IS_FULL
        elif limit is not None:
            amount = min(amount, limit - on_that_day)
        return cls(
            purchase.id,
            purchase.customer_id,
            referrer.id,
            base,
            others + 1,
            level.basis_points,
            nothing if why else amount,
            nothing,
            terms.in_cash,
            at,
            at + terms.hold,
            RewardStatus.NONE if why else RewardStatus.WAITING,
            why,
        )

    @property
    def left(self) -> Money:
        return self.amount - self.taken_back

    @property
    def due_at(self) -> datetime | None:
        return self.ripe_at if self.status is RewardStatus.WAITING else None

    def excess(self, kept: Money) -> Money:
        """What is too much of it, now that so much of the purchase did not go back."""
        due = min(kept.share(self.basis_points, _WHOLE), self.amount)
        return max(self.left - due, self.left - self.left)

    def less(self, amount: Money) -> "Reward":
        """So much of it was taken back."""
        lessened = replace(self, taken_back=self.taken_back + amount)
        if lessened.left.is_positive:
            return lessened
        return replace(lessened, status=RewardStatus.TAKEN_BACK)

    def ripened(self) -> "Reward":
        assert self.status is RewardStatus.WAITING
        return replace(self, status=RewardStatus.EARNED)

    def put_off(self, *, at: datetime) -> "Reward":
        return replace(self, ripe_at=at + BLOCKED_WAIT)


@dataclass(frozen=True, slots=True)
class ReferralFigures:
    """
    Of one referrer: how many came, of those how many tried or paid, and of those how many earned a
    reward that stands; and what was earned and what still waits, one amount for each currency.
    """

    came: int
    activated: int
    paying: int
    earned: tuple[Money, ...]
    waiting: tuple[Money, ...]
