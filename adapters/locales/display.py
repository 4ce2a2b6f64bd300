"""Money, times and counts as people of a language write them. For reading, never for reckoning."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Final

from babel.core import Locale, UnknownLocaleError
from babel.dates import format_datetime, get_timezone_location
from babel.numbers import format_currency, format_decimal

from core.domain.money import Currency, Money
from core.domain.period import time_zone

_OWN_NAMES: Final = {("ru", "MSK"): "МСК"}
_OF_NO_STATE: Final = {"XTR": "⭐", "USDT": "USDT", "TON": "TON"}
"""Money that CLDR lacks, by what stands behind its number: Stars as Telegram itself draws them."""


def money_text(money: Money, language: str) -> str:
    """`299,00 ₽`."""
    number = Decimal(money.amount_minor).scaleb(-money.currency.exponent)
    if money.currency.code in _OF_NO_STATE:
        digits = "0" * money.currency.exponent
        pattern = f"#,##0.{digits}" if money.currency.exponent <= 2 else "#,##0.00#######"
        told = format_decimal(number, pattern.rstrip("."), _locale(language))
        return f"{told}\xa0{unit_text(money.currency)}"
    code = money.currency.code
    told = format_currency(number, code, locale=_locale(language))
    # Where a language has no sign for it, letters and digits would run together.
    return f"{code}\xa0{told.removeprefix(code)}" if told.startswith(code) else told


def unit_text(unit: Currency) -> str:
    """`RUB`; `⭐`."""
    return _OF_NO_STATE.get(unit.code, unit.code)


def date_text(at: datetime, zone: str, language: str) -> str:
    """`10 Apr 2026, 12:00 MSK`."""
    return f"{format_datetime(at, 'd MMM y, HH:mm', time_zone(zone), _locale(language))} {_name(at, zone, language)}"


def time_text(at: datetime, zone: str, language: str) -> str:
    """`12:00 MSK`."""
    return f"{format_datetime(at, 'HH:mm', time_zone(zone), _locale(language))} {_name(at, zone, language)}"


def clock_text(at: datetime, zone: str) -> str:
    """`12:00`."""
    return f"{at.astimezone(time_zone(zone)):%H:%M}"


def city_text(zone: str, language: str) -> str:
    """`Moscow`: the place that a zone is named after."""
    return get_timezone_location(time_zone(zone), locale=_locale(language), return_city=True)


def plural_category(number: int, language: str) -> str:
    """CLDR's: `one`, `few`, `many`, `other` …"""
    return str(_locale(language).plural_form(number))


def word_for(number: int, words: Mapping[str, str], language: str) -> str:
    """The form of a counted word that goes with the number."""
    return words.get(plural_category(number, language)) or words["other"]


def hours_and_minutes(span: timedelta) -> tuple[int, int]:
    """Rounded up to the minute: what is promised in five minutes is there in five minutes."""
    minutes = -(-span // timedelta(minutes=1))
    return max(minutes, 0) // 60, max(minutes, 0) % 60


@cache
def _locale(language: str) -> Locale:
    try:
        return Locale.parse(language)
    except (UnknownLocaleError, ValueError):
        return Locale("en")


def _name(at: datetime, zone: str, language: str) -> str:
    """`MSK`, `МСК`; where a zone has no letters of its own, the distance from UTC."""
    name = at.astimezone(time_zone(zone)).strftime("%Z")
    return f"UTC{name}" if name[:1] in {"+", "-"} else _OWN_NAMES.get((language, name), name)
