"""What waits for a person, the oldest first."""

import hashlib
from collections.abc import Sequence
from typing import Final

from adapters.telegram.screens import Button, Screen, press
from adapters.telegram.visits import Visit
from core.domain.case import Case
from core.domain.operator import Right
from core.use_cases.operators import CaseNotFound

PAGE: Final = 8
LOOKED_THROUGH: Final = 100
PAGES_MAX: Final = 20
FIRST: Final = "0"
FACTS_MAX: Final = 12
LETTERS_MAX: Final = 200
"""Of a fact: all of them fit into one message."""


def word_of(case: Case) -> str:
    """A cause is any text; a button carries what it comes to."""
    return hashlib.sha256(case.cause.encode()).hexdigest()[:16]


async def case_of(visit: Visit, word: str) -> Case:
    """
    The open case that this word means.

    Raises:
        CaseNotFound: also where it was closed meanwhile.
    """
    after = None
    for _ in range(PAGES_MAX):
        page = await visit.billing.list_cases(limit=LOOKED_THROUGH, after=after)
        for case in page:
            if word_of(case) == word:
                return case
        if len(page) < LOOKED_THROUGH:
            break
        after = page[-1].cause
    raise CaseNotFound(word)


async def cases(visit: Visit, words: Sequence[str]) -> Screen:
    """A page of them, from after the one that is named."""
    [word] = words
    try:
        after = None if word == FIRST else (await case_of(visit, word)).cause
    except CaseNotFound:
        after = None
    found = await visit.billing.list_cases(limit=PAGE + 1, after=after)
    texts = visit.texts
    rows = []
    for case in found[:PAGE]:
        kind = texts.label(f"case.{case.kind}")
        label = texts.label("admin.cases.line", kind=kind, at=case.opened_at)
        rows.append([Button(label, press=press("acase", word_of(case)))])
    turn = [] if after is None else [visit.button("newer", "acases")]
    if len(found) > PAGE:
        turn.append(visit.button("older", "acasespage", word_of(found[PAGE - 1])))
    key = "admin.cases.some" if rows else "admin.cases.none"
    return Screen(texts(key), [*rows, turn, [visit.button("to_desk", "admin")]])


async def first(visit: Visit, _: Sequence[str] = ()) -> Screen:
    return await cases(visit, [FIRST])


async def case(visit: Visit, words: Sequence[str]) -> Screen:
    [word] = words
    found, texts = await case_of(visit, word), visit.texts
    kind = texts.label(f"case.{found.kind}")
    cause = found.cause[:LETTERS_MAX]
    lines = [texts("admin.case.what", kind=kind, at=found.opened_at, cause=cause)]
    for name, fact in list(found.facts.items())[:FACTS_MAX]:
        lines.append(texts("admin.case.fact", name=name, fact=fact[:LETTERS_MAX]))
    whose = (
        []
        if found.customer_id is None
        else [visit.button("to_customer", "acust", found.customer_id)]
    )
    about = [fact for fact in found.facts.values() if fact.startswith("pur_")][:1]
    whose += [visit.button("to_purchase", "apur", one) for one in about]
    if visit.may(Right.WITHDRAWALS):
        stuck = [fact for fact in found.facts.values() if fact.startswith("wd_")][:1]
        whose += [visit.button("to_withdrawal", "awithdrawal", one) for one in stuck]
    close = Button(texts.label("button.deed_close"), press=press("adeed", "close", word))
    return Screen("\n".join(lines), [whose, [close], [visit.button("back", "acases")]])
