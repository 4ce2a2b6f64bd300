"""What a forecast assumes of people: shares that an operator states, and a few plain tables."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final, TypeVar

from core.domain.money import CURRENCIES, Money

WHOLE: Final = 10_000
"""All of them, in hundredths of a percent."""

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
THINKS: Final = (timedelta(minutes=5), 3 * DAY)
"""How long a newcomer takes to begin a trial, or to buy."""
PAYS: Final = (timedelta(minutes=1), timedelta(minutes=20))
"""How long it takes at the checkout page."""
TRIES_AGAIN: Final = (2 * HOUR, 20 * HOUR)
"""When whoever was declined comes back, if at all: every second does."""
IN_TIME: Final = (HOUR, 3 * DAY)
"""How long before the end those renew by hand who are punctual."""
LATE: Final = (6 * HOUR, 5 * DAY)
"""How long after the end the others do."""
ASKS_BACK: Final = (HOUR, 10 * DAY)
"""How long after paying somebody wants the money back."""
STAYS_UNPAID: Final = 30 * DAY
"""How long somebody who never pays goes on using what is free."""
FAVORITES: Final = (6, 3, 1)
"""Of ten who choose: who takes the first, the second, the third; further ones are as rare."""

TAKES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "yookassa": ("RUB",),
        "paymongo": ("PHP",),
        "xendit": ("PHP",),
        "cryptopay": ("RUB", "USD", "EUR", "USDT", "TON"),
        "telegram_stars": ("XTR",),
        "telegram_payments": ("RUB", "PHP", "USD", "EUR"),
    }
)
"""Which currencies a gateway takes; others that a catalog names take all but Stars."""

AT_NO_FEE: Final = frozenset({"telegram_stars"})
"""What Stars cost shows only when they are turned into money."""

Choice = TypeVar("Choice")


@dataclass(frozen=True, slots=True)
class Assumptions:
    """
    What is not known of the future. Shares are in hundredths of a percent: `referred`, `tries` and
    `buys` of newcomers (`buys`: of those who do not try), `converts` of those who tried, `automatic`
    of buyers, `leaves` and `late` at each end of what is paid for, `declined` and `refunded` of
    payments, `fee` of what a gateway takes. `uses` is how often each feature is used in 30 days.
    """

    customers: int = 1_000
    days: int = 365
    seed: int = 7
    referred: int = 20_00
    tries: int = 40_00
    converts: int = 30_00
    buys: int = 10_00
    automatic: int = 50_00
    leaves: int = 20_00
    late: int = 10_00
    declined: int = 5_00
    refunded: int = 2_00
    fee: int = 3_50
    uses: int = 12


def currencies_of(gateway: str) -> tuple[str, ...]:
    return TAKES.get(gateway, tuple(code for code in CURRENCIES if code != "XTR"))


def fee_on(gateway: str, amount: Money, fee: int) -> Money:
    return amount.share(0 if gateway in AT_NO_FEE else fee, WHOLE)


class Chance:
    """One person's own luck, so that what one does changes nobody else's."""

    def __init__(self, seed: int, name: str) -> None:
        self._random = random.Random(f"{seed}/{name}")

    def happens(self, share: int) -> bool:
        return self._random.randrange(WHOLE) < share

    def within(self, bounds: tuple[timedelta, timedelta]) -> timedelta:
        least, most = bounds
        seconds = int((most - least).total_seconds())
        return least + timedelta(seconds=self._random.randrange(seconds + 1))

    def around(self, mean: timedelta) -> timedelta:
        """As far apart as things are that happen at any time, so often on average."""
        seconds = self._random.expovariate(1) * mean.total_seconds()
        return timedelta(seconds=1 + int(seconds))

    def favorite(self, ordered: Sequence[Choice]) -> Choice:
        weights = (*FAVORITES, *len(ordered) * FAVORITES[-1:])[: len(ordered)]
        return self._random.choices(ordered, weights)[0]

    def any_of(self, several: Sequence[Choice]) -> Choice:
        return self._random.choice(several)
