"""The languages that Billhook speaks: gettext catalogs beside this file, read once."""

import gettext
import re
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

FOLDER: Final = Path(__file__).parent
LANGUAGES: Final = {"en": "English", "ru": "Русский"}
"""Each by the name that its speakers know it by; the first stands in for those we lack."""
_LANGUAGE: Final = re.compile(r"[a-z]{2}", re.ASCII)


def guessed(code: str | None) -> str:
    """The language of an IETF tag such as `pt-br`, as Telegram names it; else the first of ours."""
    language = (code or "").partition("-")[0].lower()
    return language if _LANGUAGE.fullmatch(language) else next(iter(LANGUAGES))


def spoken(language: str) -> str:
    """The language itself, or the one that stands in for it."""
    return language if language in LANGUAGES else next(iter(LANGUAGES))


@cache
def translation(language: str) -> gettext.GNUTranslations:
    """Made from the text that translators edit, so that no compiled copy can be out of date."""
    with (FOLDER / f"{spoken(language)}.po").open("rb") as text:
        catalog = read_po(text, locale=spoken(language))
    compiled = BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
