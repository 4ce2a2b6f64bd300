"""Sums of money that a customer chooses: typed, offered as round ones, carried by a button."""

import re
from contextlib import suppress
from typing import Final

from core.domain.errors import Invalid
from core.domain.money import AMOUNT_MINOR_MAX, AmountNotUsable, Currency, Money

OFFERED: Final = 4
ROUND: Final = (1, 2, 5)

_WORD: Final = re.compile(r"([0-9]{1,16})_([A-Z]{3,8})", re.ASCII)
_LOOKS: Final = re.compile(r"[-+−]?\s*\d")
_TYPED: Final = re.compile(
    r"((?:[0-9]{1,3}(?:[ \u00a0\u202f][0-9]{3})+)|[0-9]+)(?:[.,]([0-9]+))?(?:\s*([A-Za-z]{3,8}|⭐\ufe0f?))?",
    re.ASCII,
)


def word_of(amount: Money) -> str:
    """As a button carries it: `50000_RUB`, in minor units."""
    return f"{amount.amount_minor}_{amount.currency.code}"


def sum_from_word(word: str) -> Money:
    """
    Anybody can forge it, and whoever takes it checks its bounds: it is a choice, and no price.

    Raises:
        AmountNotUsable, UnknownCurrency
    """
    found = _WORD.fullmatch(word)
    if found is None:
        raise AmountNotUsable(word[:32])
    return Money.of(int(found[1]), found[2])


def looks_like_a_sum(text: str) -> bool:
    """Whether somebody meant to write a number, well or badly."""
    return _LOOKS.match(text) is not None


def sum_typed(text: str, usual: Currency) -> Money | None:
    """
    "500", "1 000,50", "20 USDT", "50 ⭐"; without a currency it is of the usual one. None: it can be read
    in no way or in two ("1,000" is a thousand to some and one to others), so nobody guesses.
    """
    found = _TYPED.fullmatch(text)
    if found is None:
        return None
    whole, fraction, code = re.sub(r"\D", "", found[1]), found[2] or "0", found[3]
    if len(fraction) == 3:  # As many digits as stand between two marks of thousands.
        return None
    unit = "XTR" if code and code.startswith("⭐") else code or usual.code
    with suppress(Invalid):
        return Money.from_decimal_text(f"{whole}.{fraction}", unit.upper())
    return None


def round_sums(least: Money, most: Money) -> list[Money]:
    """A few from the middle of all the 1, 2 and 5 with noughts that lie between these two."""
    ladder, ten = [], 1
    while ten <= AMOUNT_MINOR_MAX:
        ladder += [
            Money(one * ten, least.currency) for one in ROUND if one * ten <= most.amount_minor
        ]
        ten *= 10
    ladder = [one for one in ladder if least <= one]
    first = max((len(ladder) - OFFERED) // 2, 0)
    return ladder[first : first + OFFERED] or sorted({least, most})
