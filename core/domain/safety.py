"""Safety bounds: what no business means to happen, and where Billhook therefore stops by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from core.domain.money import Money
from core.domain.switch import Switch, SwitchName

DAY: Final = timedelta(days=1)
"""So far back every bound looks."""

BILLHOOK: Final = "billhook"
"""Who turned a switch off that no person did."""


class Bound(StrEnum):
    TRIES = "renewal_tries"  # Of one subscription.
    FAILING = "renewals_failing"
    PAYOUTS = "payouts"
    REWARDS = "rewards"

    @property
    def switch(self) -> SwitchName:
        match self:
            case Bound.TRIES | Bound.FAILING:
                return SwitchName.RENEWALS
            case Bound.PAYOUTS:
                return SwitchName.PAYOUTS
            case Bound.REWARDS:
                return SwitchName.REWARDS


@dataclass(frozen=True, slots=True)
class SafetyTerms:
    """
    Each of what happens in 24 hours. `tries` are those of one subscription to renew; `failing` is
    the percentage of charges of saved methods that may come to nothing, looked at from
    `failing_least` on; `payouts` sums by currency; `rewards` the percentage of the money that came
    in, looked at from `rewards_least` rewards on. What is None, and a currency that is not named,
    follows from the other terms of the catalog, see `MoneyTerms`.
    """

    tries: int | None = None
    failing: int = 80
    failing_least: int = 20
    payouts: tuple[Money, ...] = ()
    rewards: int | None = None
    rewards_least: int = 20


@dataclass(frozen=True, slots=True)
class Rewarded:
    """Of purchases that were paid lately: how many rewards, their sum, and all that came in."""

    count: int
    amount: Money
    came_in: Money


@dataclass(frozen=True, slots=True)
class Look:
    """
    What a bound looks at: the last day, but nothing from before the switch was last turned on, so
    that who turns it on again is believed until there are new figures.
    """

    at: datetime
    switch: Switch | None

    @property
    def is_on(self) -> bool:
        return self.switch is None or self.switch.is_on

    @property
    def since(self) -> datetime:
        return self._turned_on or self.at - DAY

    @property
    def key(self) -> str:
        """One case a day, and another one after each time that it was turned on again."""
        return str(self.at.date()) if self._turned_on is None else self._turned_on.isoformat()

    @property
    def _turned_on(self) -> datetime | None:
        turned = None if self.switch is None else self.switch.changed_at
        return turned if turned is not None and turned > self.at - DAY else None


def look_at(bound: Bound, turned: Sequence[Switch], *, at: datetime) -> Look:
    return Look(at, next((one for one in turned if one.name == bound.switch), None))


def is_failing(terms: SafetyTerms, *, paid: int, failed: int) -> bool:
    ended = paid + failed
    return ended >= terms.failing_least and failed * 100 > ended * terms.failing


def is_generous(rewarded: Rewarded, percent: int, *, least: int) -> bool:
    given, came_in = rewarded.amount.amount_minor, rewarded.came_in.amount_minor
    return rewarded.count >= least and given * 100 > came_in * percent
