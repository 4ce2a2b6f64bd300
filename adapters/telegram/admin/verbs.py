"""The admin's side of the chat: every verb and every question of it, each with the right it needs."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from adapters.telegram.admin import (
    broadcasts,
    cases,
    customers,
    deeds,
    desk,
    doors,
    roles,
    withdrawals,
)
from adapters.telegram.admin.kinds import DEEDS
from adapters.telegram.screens import Pressed, Screen
from adapters.telegram.visits import Action, Visit
from core.domain.cause import StillRunning
from core.domain.errors import BillingError, Unavailable
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
    "afind": Verb(customers.ask, 0, Right.CUSTOMERS),
    "acust": Verb(customers.customer, 1, Right.CUSTOMERS),
    "abought": Verb(customers.bought, 1, Right.CUSTOMERS),
    "apur": Verb(customers.purchase, 1, Right.CUSTOMERS),
    "awhy": Verb(customers.why, 2, Right.CUSTOMERS),
    "acases": Verb(cases.first, 0, Right.CASES),
    "acasespage": Verb(cases.cases, 1, Right.CASES),
    "acase": Verb(cases.case, 1, Right.CASES),
    "awithdrawals": Verb(withdrawals.first, 0, Right.WITHDRAWALS),
    "awithdrawalspage": Verb(withdrawals.withdrawals, 1, Right.WITHDRAWALS),
    "awithdrawal": Verb(withdrawals.withdrawal, 1, Right.WITHDRAWALS),
    "adoors": Verb(doors.doors, 0, Right.NOTICES),
    "aswitches": Verb(doors.switches, 0, Right.NOTICES),
    "anotices": Verb(doors.notices, 0, Right.NOTICES),
    "anotice": Verb(doors.notice, 1, Right.NOTICES),
    "abroadcasts": Verb(broadcasts.first, 0, Right.BROADCAST),
    "abroadcastspage": Verb(broadcasts.broadcasts, 1, Right.BROADCAST),
    "abroadcast": Verb(broadcasts.broadcast, 1, Right.BROADCAST),
    "asample": Verb(broadcasts.sample, 2, Right.BROADCAST),
    "acompose": Verb(broadcasts.compose, 0, Right.BROADCAST),
    "askip": Verb(broadcasts.skip, 2, Right.BROADCAST),
    "aplan": Verb(broadcasts.plan, 2, Right.BROADCAST),
    "asegment": Verb(broadcasts.segment, 2, Right.BROADCAST),
    "aroles": Verb(roles.roles, 0, Right.ROLES),
    # Whether the role lets them do this deed is asked by the deed itself, at each step.
    "adeed": Verb(deeds.begin, 2, Right.CUSTOMERS),
    "ado": Verb(deeds.do, 1, Right.CUSTOMERS),
    "acancel": Verb(deeds.cancel, 0, Right.CUSTOMERS),
}
LISTENERS: Final[Mapping[str, Listener]] = {
    "find": Listener(customers.hear, Right.CUSTOMERS),
    broadcasts.COMPOSE: Listener(broadcasts.hear, Right.BROADCAST),
    **{name: Listener(deeds.hear, kind.right) for name, kind in DEEDS.items()},
}
"""By `Draft.deed`."""


async def pressed(visit: Visit, said: Pressed) -> Screen | None:
    """None: no such verb, or not for this person, who is told nothing of the difference."""
    verb = VERBS.get(said.verb)
    if verb is None or len(said.words) != verb.words:
        return None
    ours = await _with_role(visit)
    if not may(ours.role, verb.right):
        return None
    return await _acting(ours, verb.act(ours, said.words))


async def commanded(visit: Visit, payload: str) -> Screen | None:
    """`/admin`, or `/admin` and whom to find. None as above."""
    ours = await _with_role(visit)
    if ours.role is None:
        return None
    return await _acting(ours, customers.found(ours, payload) if payload else desk.home(ours))


async def heard(visit: Visit, text: str) -> Screen | None:
    """A message. None: it answers nothing that was asked."""
    draft = await visit.billing.drafting.find(visit.who)
    if draft is None or not draft.listens(visit.now):
        return None
    listener = LISTENERS.get(draft.deed)
    ours = await _with_role(visit)
    if listener is None or not may(ours.role, listener.right):
        return None
    return await _acting(ours, listener.hear(ours, draft.before(visit.cause.key), text))


async def _acting(visit: Visit, work: Awaitable[Screen]) -> Screen:
    """A refusal is a screen that leads back to the desk."""
    try:
        return await work
    except (Unavailable, StillRunning):
        raise
    except BillingError as refused:
        return Screen(visit.texts.error(refused), [[visit.button("to_desk", "admin")]])


async def _with_role(visit: Visit) -> Visit:
    """Read anew each time: who was demoted is so at once."""
    return replace(visit, role=await visit.billing.show_role(visit.who))
