"""Screens of the clock: in which zone the customer's days begin."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from adapters.locales.display import city_text, clock_text
from adapters.telegram.screens import Button, Screen, press
from adapters.telegram.texts import Texts
from adapters.telegram.visits import Visit
from core.domain.customer import ZoneChangedLately

ZONES: Final = (
    "Europe/Kaliningrad",
    "Europe/Moscow",
    "Europe/Samara",
    "Asia/Yekaterinburg",
    "Asia/Omsk",
    "Asia/Krasnoyarsk",
    "Asia/Irkutsk",
    "Asia/Yakutsk",
    "Asia/Vladivostok",
    "Asia/Kamchatka",
    "Europe/London",
    "Europe/Berlin",
    "Asia/Dubai",
    "Asia/Almaty",
    "Asia/Manila",
    "America/New_York",
)
"""Beside the business's own. A zone is named in a button by its last word."""
IN_A_ROW: Final = 2


async def zone(visit: Visit, _: Sequence[str] = ()) -> Screen:
    texts, present = visit.texts, visit.customer.zone
    own = (await visit.billing.show_catalog()).zone
    buttons = [
        Button(
            ("✓ " if name == present else "") + city_text(name, texts.language),
            press=press("zoneto", word_of(name)),
        )
        for name in dict.fromkeys((own, *ZONES))
    ]
    rows = [buttons[at : at + IN_A_ROW] for at in range(0, len(buttons), IN_A_ROW)]
    told = texts("zone.now", clock=clock_text(visit.now, present))
    lines = [texts("zone.title"), "", told, "", texts("zone.rule")]
    return Screen("\n".join(lines), [*rows, [visit.button("back", "settings")]])


async def change(visit: Visit, words: Sequence[str]) -> Screen:
    [wanted] = words
    own = (await visit.billing.show_catalog()).zone
    by_word = {word_of(name): name for name in (*ZONES, own)}
    if wanted not in by_word:
        return await zone(visit)
    try:
        customer = await visit.billing.change_zone(visit.customer.id, by_word[wanted])
    except ZoneChangedLately as refused:
        return (await zone(visit)).after(visit.texts.error(refused))
    return await zone(replace(visit, customer=customer, texts=Texts.of(customer)))


def word_of(zone_name: str) -> str:
    return zone_name.rpartition("/")[2]
