"""Money: integer minor units of a currency that knows its own exponent. Never a float."""

import re
from dataclasses import dataclass
from typing import Final

from core.domain.errors import Invalid

AMOUNT_MINOR_MAX: Final = 10**15


@dataclass(frozen=True, slots=True, order=True)
class Currency:
    """A unit of account. `exponent` is the number of decimal digits of its minor unit."""

    code: str
    exponent: int

    def __str__(self) -> str:
        return self.code


CURRENCIES: Final = {
    currency.code: currency
    for currency in (
        Currency("RUB", 2),
        Currency("PHP", 2),
        Currency("USD", 2),
        Currency("EUR", 2),
        Currency("XTR", 0),  # Telegram Stars: whole stars only.
        Currency("USDT", 6),  # The precision of the token itself, as Crypto Pay counts it.
        Currency("TON", 9),  # One nanoton.
    )
}


@dataclass(eq=False)
class UnknownCurrency(Invalid):
    """Billhook keeps no books in this currency; name one of the catalog's."""

    currency: str


@dataclass(eq=False)
class AmountNotUsable(Invalid):
    """An amount, or what it would add up to, is no whole number of minor units of at most 10^15."""

    amount: str


@dataclass(eq=False)
class CurrencyMismatch(Invalid):
    """Amounts in two currencies can neither be added nor compared; name both in one."""

    one: str
    other: str


def currency(code: str) -> Currency:
    found = CURRENCIES.get(code)
    if found is None:
        raise UnknownCurrency(code)
    return found


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units of its currency (299.00 RUB is `Money(29900, RUB)`)."""

    amount_minor: int
    currency: Currency

    def __post_init__(self) -> None:
        # `bool` is an `int` to Python, and a float would be stored differently by each database.
        if type(self.amount_minor) is not int or abs(self.amount_minor) > AMOUNT_MINOR_MAX:
            raise AmountNotUsable(str(self.amount_minor)[:32])

    @classmethod
    def of(cls, amount_minor: int, code: str) -> "Money":
        return cls(amount_minor, currency(code))

    @classmethod
    def from_decimal_text(cls, text: str, code: str) -> "Money":
        """
        Read what a gateway writes: "299.00", "299", "0.5". More digits than the currency has are
        taken only if they are zeros, since rounding a stranger's amount would invent money.
        """
        unit = currency(code)
        match = re.fullmatch(r"(-?)([0-9]{1,16})(?:\.([0-9]{1,18}))?", text, re.ASCII)
        if match is None:
            raise AmountNotUsable(text[:32])
        sign, whole, fraction = match[1], match[2], match[3] or ""
        kept, rest = fraction[: unit.exponent], fraction[unit.exponent :]
        if rest.strip("0"):
            raise AmountNotUsable(text[:32])
        minor = int(whole + kept.ljust(unit.exponent, "0"))
        return cls(-minor if sign else minor, unit)

    def decimal_text(self) -> str:
        """`299.00`: all the digits of the currency, a dot, no grouping."""
        exponent = self.currency.exponent
        digits = str(abs(self.amount_minor)).rjust(exponent + 1, "0")
        sign = "-" if self.amount_minor < 0 else ""
        if exponent == 0:
            return sign + digits
        return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}"

    def __str__(self) -> str:
        return f"{self.decimal_text()} {self.currency.code}"

    def __add__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.amount_minor + other.amount_minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.amount_minor - other.amount_minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.amount_minor, self.currency)

    def __lt__(self, other: "Money") -> bool:
        self._same(other)
        return self.amount_minor < other.amount_minor

    def __le__(self, other: "Money") -> bool:
        self._same(other)
        return self.amount_minor <= other.amount_minor

    @property
    def is_positive(self) -> bool:
        return self.amount_minor > 0

    def share(self, part: int, whole: int) -> "Money":
        """`part / whole` of this amount, rounded towards zero: never more than the share."""
        assert 0 <= part <= whole
        assert whole > 0
        sign = -1 if self.amount_minor < 0 else 1
        return Money(sign * (abs(self.amount_minor) * part // whole), self.currency)

    def _same(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise CurrencyMismatch(self.currency.code, other.currency.code)
