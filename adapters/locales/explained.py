"""A link of a chain of causes in a sentence; its facts are as the books have them, in every language."""

from datetime import datetime
from string import Formatter
from typing import Final

from adapters.locales.translations import translation
from core.domain.ledger import Line, Posting
from core.use_cases.explaining import Link

INDENT: Final = 23
"""As wide as a time at the command line, and a little."""

_PIECES_END: Final = "|"


def sentence(link: Link, *, language: str = "en", indent: int = INDENT) -> str:
    """
    The text `why.` and the name of the link, in pieces: one that asks for a fact that is not there
    is left out. What has no text is told by its name and its facts. Postings stand on lines of their
    own, so far from the margin.
    """
    told = {
        name: _text(fact, indent) for name, fact in link.facts.items() if fact not in (None, ())
    }
    key = f"why.{link.what}"
    text = translation(language).gettext(key)
    if text == key:
        return " ".join([link.what, *(f"{name}={fact}" for name, fact in told.items())])
    pieces = text.split(_PIECES_END)
    asked = ({name for _, name, _, _ in Formatter().parse(it) if name} for it in pieces)
    return "".join(
        piece.format_map(told)
        for piece, names in zip(pieces, asked, strict=True)
        if names <= told.keys()
    )


def _text(fact: object, indent: int) -> str:
    match fact:
        case datetime():
            return f"{moment_text(fact)} UTC"
        case Posting():
            return f"\n{' ' * indent}{fact.account} {_signed(fact)}"
        case Line():
            posted = f"{moment_text(fact.at)}  {_signed(fact.posting)}, then {fact.balance_after}"
            return f"\n{' ' * indent}{posted}  '{fact.entry_id}'"
        case (Posting() | Line(), *_):
            return "".join(_text(one, indent) for one in fact)
        case tuple():
            return ", ".join(_text(one, indent) for one in fact)
        case _:
            return str(fact)


def _signed(posting: Posting) -> str:
    return f"{'+' if posting.amount.is_positive else ''}{posting.amount}"


def moment_text(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
