"""Promo codes, as customers send them."""

import re
from collections.abc import Sequence
from typing import Final

from adapters.telegram import buying, home
from adapters.telegram.screens import Screen
from adapters.telegram.visits import Visit
from core.domain.promo_code import DaysOf, PercentOff, TooManyWrongCodes, UnitsOf

_TYPED: Final = re.compile(
    r"(?=.*[A-Z])(?:[A-Z0-9-]{4,32}|(?=.*[0-9-])[A-Za-z0-9-]{4,32})", re.ASCII
)


def looks_like_a_code(text: str) -> bool:
    """Sent by itself, without a command: capital letters, or letters with digits. Not "hello"."""
    return _TYPED.fullmatch(text) is not None


async def ask(visit: Visit, _: Sequence[str] = ()) -> Screen:
    return Screen(visit.texts("promo.ask"), [[visit.button("back", "plans")]])


async def redeem(visit: Visit, words: Sequence[str]) -> Screen:
    [text] = words
    if not text:
        return await ask(visit)
    texts = visit.texts
    try:
        code = await visit.billing.redeem_promo_code(visit.customer.id, text, cause=visit.cause)
    except TooManyWrongCodes as pause:
        until = texts.when(pause.at, visit.now)
        return (await buying.plans(visit)).after(texts("promo.pause", until=until))
    match code.gives:
        case PercentOff(percent, _):
            return (await buying.plans(visit)).after(texts("promo.waits", percent=percent))
        case DaysOf(_, days):
            gift = texts.count("span.days", days)
        case UnitsOf(feature, units):
            catalog = await visit.billing.show_catalog()
            gift = texts.units(catalog, feature, units)
    return (await home.status(visit)).after(texts("promo.given", gift=gift))
