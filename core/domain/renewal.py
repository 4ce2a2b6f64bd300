"""Renewal by itself: what pays it, when it is tried, how long access outlives the period meanwhile."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from core.domain.charge import ChargeKey
from core.domain.plan import GatewayName
from core.domain.purchase import PurchaseId

FROM_WALLET: Final = "wallet"


def source_at_gateway(first: ChargeKey) -> str:
    """Where the gateway charges by itself, it is told by the first charge which subscription is meant."""
    return f"{first.gateway} {first.charge_id}"


GRACE_WAITING_MIN: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class RenewalTerms:
    """
    `tries` are the moments of the tries, in order, seen from the end of the period: what is
    negative lies before it. A try before the end is never in the first half of what was paid for.
    `grace` is how long access outlives a period that could not be renewed yet. A higher price is
    charged `price_notice` after the customer was told of it, and not before.
    """

    tries: tuple[timedelta, ...] = tuple(timedelta(hours=n) for n in (-24, 0, 24, 48))
    grace: timedelta = timedelta(hours=72)
    price_notice: timedelta = timedelta(days=7)

    @property
    def price_looked_at(self) -> timedelta:
        """From the end of the period: in time to tell of another price, with a day to spare."""
        return self.tries[0] - self.price_notice - timedelta(days=1)

    @property
    def most_in_a_day(self) -> int:
        """How many of the tries of one period may fall into 24 hours."""
        day = timedelta(days=1)
        return max(sum(one <= it <= one + day for it in self.tries) for one in self.tries)


@dataclass(frozen=True, slots=True)
class Renewal:
    """
    `source` is FROM_WALLET, the id of a payment method, or `source_at_gateway`. `next_at` is when
    it is tried next (None: no more for this period), and access lasts until `grace_until`
    meanwhile. `purchase_id` is the order by which the running period is being renewed; None: it
    was not tried yet, or is its gateway's to try.
    """

    source: str
    next_at: datetime | None
    grace_until: datetime
    purchase_id: PurchaseId | None = None

    @property
    def at_gateway(self) -> ChargeKey | None:
        """The first charge of what a gateway charges by itself; None: we do it."""
        gateway, _, charge_id = self.source.partition(" ")
        return ChargeKey(GatewayName(gateway), charge_id) if charge_id else None

    @classmethod
    def planned(
        cls, source: str, start: datetime, end: datetime, terms: RenewalTerms, *, at: datetime
    ) -> "Renewal":
        """For a period that is paid for; of tries whose moments have passed one is made at once."""
        moments = _moments(start, end, terms)
        following = (one for one in moments if one > at)
        is_late = bool(moments) and moments[0] <= at
        return cls(source, at if is_late else next(following, None), end + terms.grace)

    def waiting(self, terms: RenewalTerms, *, at: datetime) -> "Renewal":
        """
        The try that was due is not made, because we do not want to: that costs nobody access. The
        grace begins again where less than half of it is left, and is never so short that whoever
        looks next comes too late.
        """
        grace = max(terms.grace, GRACE_WAITING_MIN)
        if (self.grace_until - at) * 2 >= grace:
            return self
        return replace(self, grace_until=at + grace)

    def tried(
        self,
        purchase_id: PurchaseId | None,
        start: datetime,
        end: datetime,
        terms: RenewalTerms,
        *,
        at: datetime,
    ) -> "Renewal":
        following = (one for one in _moments(start, end, terms) if one > at)
        return replace(self, next_at=next(following, None), purchase_id=purchase_id)


def _moments(start: datetime, end: datetime, terms: RenewalTerms) -> list[datetime]:
    return [max(end + one, start + (end - start) // 2) for one in terms.tries]
