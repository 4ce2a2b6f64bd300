"""Promo codes: what one gives, to how many and until when; and the discount that waits for a purchase."""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from core.domain.customer import CustomerId
from core.domain.errors import Conflict, Invalid, NotFound, Refused
from core.domain.money import Money
from core.domain.plan import Feature, PlanCode, PlanVersion
from core.domain.purchase import PurchaseId

PERCENT_MAX: Final = 90
USES_MAX: Final = 10**9
WRONG_MAX: Final = 10
WRONG_WITHIN: Final = timedelta(hours=1)

_NAME: Final = re.compile(r"[A-Za-z0-9-]{4,32}", re.ASCII)


@dataclass(eq=False)
class PromoCodeNotReadable(Invalid):
    """A promo code has 4 to 32 letters, digits and hyphens; send one at a time."""


@dataclass(eq=False)
class PromoCodeNotTaken(Refused):
    """This promo code gives nothing: look whether it is spelled right; it may be over, or not for you."""


@dataclass(eq=False)
class PromoCodeUsed(Conflict):
    """You have used this promo code already; each is good once."""


@dataclass(eq=False)
class DiscountWaits(Refused):
    """A discount waits for your next purchase already; use it first."""

    percent: int


@dataclass(eq=False)
class TooManyWrongCodes(Refused):
    """That were too many wrong codes; try again later."""

    at: datetime


@dataclass(eq=False)
class PromoCodeNotUsable(Invalid):
    """A promo code gives 1 to 90 percent off, days of a plan, or units, to somebody, until a time to come."""


@dataclass(eq=False)
class PromoCodeTaken(Conflict):
    """There is or was a promo code of this name; choose another."""

    name: str


@dataclass(eq=False)
class PromoCodeNotFound(NotFound):
    """No such promo code."""

    name: str


def promo_name(text: str) -> str:
    """
    The one spelling of a code as somebody wrote it.

    Raises:
        PromoCodeNotReadable
    """
    plain = text.strip(" ")
    if not _NAME.fullmatch(plain):  # Before it is folded: ı would become I.
        raise PromoCodeNotReadable
    return plain.upper()


@dataclass(frozen=True, slots=True)
class PercentOff:
    """Off the next purchase of a plan; of any, where none is named."""

    percent: int
    plans: tuple[PlanCode, ...] = ()


@dataclass(frozen=True, slots=True)
class DaysOf:
    plan: PlanCode
    days: int


@dataclass(frozen=True, slots=True)
class UnitsOf:
    """As a pack of them gives, on top of what the plan does, and kept until they are used."""

    feature: Feature
    units: int


Gives = PercentOff | DaysOf | UnitsOf


@dataclass(frozen=True, slots=True)
class PromoCode:
    """
    Made by an operator, never changed but stopped. `limit` is to how many customers in all it
    gives (None: to all who come), `only_new`: to those alone who never paid. `used` counts them.
    """

    name: str
    gives: Gives
    created_at: datetime
    limit: int | None = None
    until: datetime | None = None
    only_new: bool = False
    stopped_at: datetime | None = None
    used: int = 0

    @property
    def has_uses_left(self) -> bool:
        return self.limit is None or self.used < self.limit

    def is_open(self, now: datetime) -> bool:
        """Before its uses are counted."""
        return self.stopped_at is None and (self.until is None or now < self.until)


@dataclass(frozen=True, slots=True)
class Discount:
    """What waits at a customer for the next purchase of a plan, as the code gave it."""

    code: str
    percent: int
    plans: tuple[PlanCode, ...] = ()

    def fits(self, plan: PlanVersion) -> bool:
        return not self.plans or plan.code in self.plans

    def off(self, price: Money) -> Money:
        """What is left to pay. Never more than so many percent less, never nothing."""
        return price - price.share(self.percent, 100)


@dataclass(frozen=True, slots=True)
class Redemption:
    """
    A customer's one use of a code. `discount` waits until `purchase_id` was paid with it; it is None
    where all was given at once, and where it was given up.
    """

    customer_id: CustomerId
    code: str
    at: datetime
    discount: Discount | None = None
    purchase_id: PurchaseId | None = None
    version: int = 0

    def given_up(self) -> "Redemption":
        assert self.purchase_id is None, "a discount is used once"
        return replace(self, discount=None)

    def used_up(self, purchase_id: PurchaseId) -> "Redemption":
        assert self.discount is not None
        assert self.purchase_id is None, "a discount is used once"
        return replace(self, purchase_id=purchase_id)


@dataclass(frozen=True, slots=True)
class WrongCodes:
    """How many wrong codes a customer tried since the first of them."""

    customer_id: CustomerId
    since: datetime
    count: int = 0

    def over_at(self, now: datetime) -> datetime | None:
        """When the next may be tried; None: now."""
        until = self.since + WRONG_WITHIN
        return until if self.count >= WRONG_MAX and now < until else None

    def another(self, now: datetime) -> "WrongCodes":
        if now >= self.since + WRONG_WITHIN:
            return replace(self, since=now, count=1)
        return replace(self, count=self.count + 1)
