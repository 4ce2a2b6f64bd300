"""A reconciliation: what a gateway lists beside what our books say of the same things."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.domain.customer import CustomerId
from core.domain.money import Currency, Money
from core.domain.plan import GatewayName


class Found(StrEnum):
    """How one thing was found."""

    AGREES = "agrees"
    MISSING_HERE = "missing_here"  # It happened there, and the books do not have it.
    MISSING_THERE = "missing_there"  # The books have it, and the gateway knows nothing of it.
    DIFFERS = "differs"  # Another amount, currency, fee or status.
    FOREIGN = "foreign"  # Of another shop or mode.
    OURS_OPEN = "ours_open"  # It has not ended, or is too young to be claimed missing.


TO_BE_MENDED = frozenset({Found.MISSING_HERE, Found.DIFFERS})
"""What is asked about once more, healed if that is safe, and else for a person."""


class Kind(StrEnum):
    PAYMENT = "payment"
    REFUND = "refund"
    PAYOUT = "payout"
    FEE = "fee"


@dataclass(frozen=True, slots=True)
class Moved:
    """What has moved for good: the sum, and the fee where both sides can say it."""

    amount: Money | None = None
    fee: Money | None = None


NOTHING = Moved()


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    One thing on both sides. `id` is the provider's, of the charge, refund or payout; `said` the
    provider's word for it; `ours` our own id of the refund or withdrawal, where there is one.
    """

    kind: Kind
    id: str
    found: Found
    said: str
    there: Moved = NOTHING
    here: Moved = NOTHING
    ours: str | None = None
    customer_id: CustomerId | None = None

    @property
    def moves(self) -> Iterable[tuple[Kind, Money | None, Money | None]]:
        yield self.kind, self.there.amount, self.here.amount
        yield Kind.FEE, self.there.fee, self.here.fee


@dataclass(frozen=True, slots=True)
class Total:
    """All that moved of one kind in one currency, as the gateway says and as the books say."""

    kind: Kind
    count: int
    there: Money
    here: Money

    @property
    def difference(self) -> Money:
        return self.there - self.here


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """
    What comparing came to, after healing. `counts` are of things, by how they were found;
    `totals` of the same things on both sides, so a difference is never only a matter of when.
    """

    gateway: GatewayName
    since: datetime
    until: datetime
    counts: Mapping[Found, int]
    totals: tuple[Total, ...]
    healed: tuple[Verdict, ...]
    cases: tuple[Verdict, ...]

    @property
    def agrees(self) -> bool:
        return not self.cases and not any(one.difference.amount_minor for one in self.totals)


class Tally:
    """Counts and sums up verdicts one by one; keeps whole only what was healed or is a case."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(Found, 0)
        self._sums: dict[tuple[Kind, Currency], Total] = {}
        self._healed: list[Verdict] = []
        self._cases: list[Verdict] = []

    def add(self, first: Verdict, last: Verdict | None = None) -> None:
        """`last`: how it stood after it was seen to; what then does not agree is a case."""
        after = first if last is None else last
        self._counts[first.found] += 1
        for kind, there, here in after.moves:
            self._move(kind, there, here)
        if after.found in TO_BE_MENDED or after.found is Found.MISSING_THERE:
            self._cases.append(after)
        elif after.found is not first.found:
            self._healed.append(after)

    def result(self, gateway: GatewayName, since: datetime, until: datetime) -> Reconciliation:
        order = [*Kind]
        ordered = sorted(self._sums, key=lambda place: (order.index(place[0]), place[1]))
        totals = tuple(self._sums[place] for place in ordered)
        healed, cases = tuple(self._healed), tuple(self._cases)
        return Reconciliation(gateway, since, until, self._counts, totals, healed, cases)

    def _move(self, kind: Kind, there: Money | None, here: Money | None) -> None:
        """One thing counts once, and twice where its two sides are of two currencies."""
        for currency in {one.currency for one in (there, here) if one is not None}:
            nothing = Money(0, currency)
            of_there = there if there is not None and there.currency == currency else nothing
            of_here = here if here is not None and here.currency == currency else nothing
            former = self._sums.get((kind, currency), Total(kind, 0, nothing, nothing))
            self._sums[kind, currency] = Total(
                kind, former.count + 1, former.there + of_there, former.here + of_here
            )
