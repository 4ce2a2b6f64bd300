"""The admin's side of the chat: every verb and every question of it, each with the right it needs."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from adapters.telegram.admin import desk
from adapters.telegram.screens import Pressed, Screen
from adapters.telegram.visits import Action, Visit
from core.domain.operator import Draft, Right, may


@dataclass(frozen=True, slots=True)
class Verb:
    """What a button does, how many words come with it, and who may."""

    act: Action
    words: int
    right: Right


@dataclass(frozen=True, slots=True)
class Listener:
    """What becomes of a message while a draft of this deed waits for an answer."""

    hear: Callable[[Visit, Draft, str], Awaitable[Screen]]
    right: Right


# A new screen is registered here: its verbs, what it asks in text, and in `desk.BUTTONS` the way to it.
VERBS: Final[Mapping[str, Verb]] = {
    "admin": Verb(desk.home, 0, Right.CUSTOMERS),
}
LISTENERS: Final[Mapping[str, Listener]] = {}
"""By `Draft.deed`."""


async def pressed(visit: Visit, said: Pressed) -> Screen | None:
    """None: no such verb, or not for this person, who is told nothing of the difference."""
    verb = VERBS.get(said.verb)
    if verb is None or len(said.words) != verb.words:
        return None
    ours = await _with_role(visit)
    return await verb.act(ours, said.words) if may(ours.role, verb.right) else None


async def commanded(visit: Visit, payload: str) -> Screen | None:
    """`/admin`. None as above."""
    ours = await _with_role(visit)
    return None if ours.role is None else await desk.home(ours, [payload] if payload else [])


async def heard(visit: Visit, text: str) -> Screen | None:
    """A message. None: it answers nothing that was asked."""
    draft = await visit.billing.drafting.find(visit.who)
    if draft is None or not draft.listens(visit.now):
        return None
    listener = LISTENERS.get(draft.deed)
    ours = await _with_role(visit)
    if listener is None or not may(ours.role, listener.right):
        return None
    return await listener.hear(ours, draft, text)


async def _with_role(visit: Visit) -> Visit:
    """Read anew each time: who was demoted is so at once."""
    return replace(visit, role=await visit.billing.show_role(visit.who))
