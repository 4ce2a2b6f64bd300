"""What the chat says, in one language; everything that a person may have written is escaped."""

import html
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, TypeVar

from adapters.locales.display import (
    date_text,
    hours_and_minutes,
    money_text,
    time_text,
    word_for,
)
from adapters.locales.translations import spoken, translation
from core.domain.catalog import Catalog
from core.domain.customer import Customer
from core.domain.errors import BillingError
from core.domain.item import Item
from core.domain.money import Money
from core.domain.period import Period
from core.domain.plan import Feature
from core.domain.purchase import Purchase

CLOCK_IS_ENOUGH_HOURS: Final = 24
NUMBER_LETTERS: Final = 6

ISOLATED: Final = "\u2068{}\u2069"
"""A name that runs from right to left turns nothing round but itself."""

Said = TypeVar("Said")


class Texts:
    """
    The texts under their keys, with their facts put in. Money and times that are given as facts
    are written as people of the language and the zone write them.
    """

    def __init__(self, language: str, zone: str) -> None:
        self.language = spoken(language)
        self._zone = zone
        self._translation = translation(language)

    @classmethod
    def of(cls, customer: Customer) -> "Texts":
        return cls(customer.language, customer.zone)

    def __call__(self, key: str, /, **facts: object) -> str:
        """For a message: Telegram's HTML, with the facts escaped."""
        told = {name: html.escape(self._told(fact)) for name, fact in facts.items()}
        return self._translation.gettext(key).format(**told)

    def label(self, key: str, /, **facts: object) -> str:
        """For a button or a notification, where markup means nothing."""
        told = {name: self._told(fact) for name, fact in facts.items()}
        return self._translation.gettext(key).format(**told)

    def count(self, key: str, number: int) -> str:
        """A number with its word in the right plural."""
        return self._translation.ngettext(key, key, number).format(number=number)

    def units(self, catalog: Catalog, feature: Feature, number: int) -> str:
        """`3 photos`, in the operator's own words for the feature."""
        return f"{number} {self.word(catalog, feature, number)}"

    def word(self, catalog: Catalog, feature: Feature, number: int) -> str:
        languages = catalog.chat.words.get(feature, {})
        words = _own(languages, self.language) or {"other": feature.replace("_", " ")}
        return word_for(number, words, self.language)

    def own(self, texts: Mapping[str, str]) -> str:
        """For a message: what the operator wrote, in this language or else in any, or nothing."""
        return html.escape(_own(texts, self.language) or "")

    def item(self, catalog: Catalog, item: Item) -> str:
        """What was bought, in the operator's words; without any, in ours."""
        title, kind = catalog.title(item, self.language), item.key.partition(" ")[0]
        return self.label(f"item.{kind}") if title == kind else title

    def prices(self, prices: Iterable[Money]) -> str:
        """In each currency that it is sold for."""
        return " / ".join(self.label("price", price=price) for price in prices)

    def way(self, gateway: str, amount: Money) -> str:
        """A way to pay, and what it asks for."""
        key = f"way.{gateway}"
        name = self._translation.gettext(key)
        return f"{gateway if name == key else name} · {self._told(amount)}"

    def period(self, period: Period) -> str:
        return self.count(f"period.{period.unit}", period.count)

    def time_left(self, at: datetime, now: datetime) -> str:
        hours, minutes = hours_and_minutes(at - now)
        if hours >= CLOCK_IS_ENOUGH_HOURS:
            return self.count("span.days", hours // 24)
        return self.label("span.hours" if hours else "span.minutes", hours=hours, minutes=minutes)

    def when(self, at: datetime, now: datetime) -> str:
        """The time of day alone, if it is within a day."""
        is_soon = hours_and_minutes(at - now)[0] < CLOCK_IS_ENOUGH_HOURS
        return (time_text if is_soon else date_text)(at, self._zone, self.language)

    def error(self, refused: BillingError) -> str:
        """The words for this refusal, or else for its kind."""
        for kind in type(refused).__mro__:
            code = getattr(kind, "code", None)
            key = f"error.{code}"
            if code is not None and self._translation.gettext(key) != key:
                return self(key, **refused.facts)
        return self("error.billing_error")

    def _told(self, fact: object) -> str:
        if isinstance(fact, Money):
            return money_text(fact, self.language)
        if isinstance(fact, datetime):
            return date_text(fact, self._zone, self.language)
        return str(fact)


def called(customer: Customer) -> str:
    """Name and username; without either what others know them by."""
    told = [] if customer.name is None else [ISOLATED.format(customer.name)]
    told += [] if customer.username is None else [f"@{customer.username}"]
    return " ".join(told) or str(next(iter(customer.identities), customer.id))


def number_of(purchase: Purchase) -> str:
    """What customer and support call it; the last letters of the id are the ones left to chance."""
    return purchase.id[-NUMBER_LETTERS:].upper()


def _own(by_language: Mapping[str, Said], language: str) -> Said | None:
    return by_language.get(language) or next(iter(by_language.values()), None)
