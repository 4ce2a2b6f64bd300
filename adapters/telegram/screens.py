"""Screens: one message with its buttons, edited in place; and what a button says when pressed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, WebAppInfo

VERSION: Final = "v1"
ON_NEWS: Final = "n1"
"""The same, on a message that stays as it is: the screen comes below it."""

DATA_BYTES_MAX: Final = 64
_DATA = re.compile(r"(v1|n1):([a-z]{1,16})((?::[A-Za-z0-9_]{1,40}){0,2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Button:
    """Exactly one of `press` (callback data), `url` and `app` (a Mini App's address) is set."""

    label: str
    press: str | None = None
    url: str | None = None
    app: str | None = None

    def __post_init__(self) -> None:
        assert sum(it is not None for it in (self.press, self.url, self.app)) == 1
        assert self.label, "a button says something"
        assert self.press is None or len(self.press.encode()) <= DATA_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Screen:
    """`text` is Telegram's HTML. A row of buttons stands side by side."""

    text: str
    rows: Sequence[Sequence[Button]] = ()

    def markup(self) -> InlineKeyboardMarkup | None:
        rows = [[_markup(button) for button in row] for row in self.rows if row]
        return InlineKeyboardMarkup(rows) if rows else None

    def after(self, line: str) -> "Screen":
        """The same screen, with a line of news above it."""
        return Screen(f"{line}\n\n{self.text}", self.rows)


@dataclass(frozen=True, slots=True)
class Pressed:
    """What a button said. `on_news`: its message is not to be edited."""

    verb: str
    words: Sequence[str]
    on_news: bool


def press(verb: str, *words: str, on_news: bool = False) -> str:
    """
    What a button sends: a verb and ids. Never a price or a customer, since anybody can forge it:
    whoever is told authorises anew.
    """
    data = ":".join((ON_NEWS if on_news else VERSION, verb, *words))
    assert _DATA.fullmatch(data), data
    return data


def pressed(data: str) -> Pressed | None:
    """None for what no screen of this version sends."""
    found = _DATA.fullmatch(data)
    if found is None:
        return None
    return Pressed(found[2], found[3].split(":")[1:], on_news=found[1] == ON_NEWS)


def _markup(button: Button) -> InlineKeyboardButton:
    return InlineKeyboardButton(
        button.label,
        callback_data=button.press,
        url=button.url,
        web_app=None if button.app is None else WebAppInfo(button.app),
    )
