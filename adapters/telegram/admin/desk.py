"""The admin's home: how the business stands today, and the way to everything else."""

from collections.abc import Sequence
from typing import Final

from adapters.telegram.screens import Button, Screen, press
from adapters.telegram.visits import Visit
from core.domain.operator import Right

BUTTONS: Final[Sequence[tuple[str, str, Right]]] = (("button.refresh", "admin", Right.CUSTOMERS),)
"""Key of the label, verb, and who sees it; two stand side by side."""


async def home(visit: Visit, _: Sequence[str] = ()) -> Screen:
    assert visit.role is not None, "nobody else comes here"
    texts = visit.texts
    lines = [texts("admin.title", role=texts.label(f"role.{visit.role}"))]
    shown = [
        Button(texts.label(key), press=press(verb))
        for key, verb, right in BUTTONS
        if visit.may(right)
    ]
    return Screen("\n".join(lines), [shown[at : at + 2] for at in range(0, len(shown), 2)])
