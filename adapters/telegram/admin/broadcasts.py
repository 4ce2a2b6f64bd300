"""Broadcasts: written question by question, looked at, tried on oneself, and sent by a deed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from adapters.locales.translations import LANGUAGES
from adapters.telegram.admin.deeds import NOTHING, deed_button
from adapters.telegram.mailing import screen_from_letter
from adapters.telegram.screens import Button, Screen, press
from adapters.telegram.visits import Visit
from core.domain.audit import Deed
from core.domain.broadcast import (
    Broadcast,
    BroadcastId,
    BroadcastNotUsable,
    BroadcastStatus,
    Segment,
)
from core.domain.broadcast import Draft as BroadcastDraft
from core.domain.catalog import Catalog
from core.domain.cause import Cause
from core.domain.operator import Draft
from core.domain.plan import PlanCode
from core.domain.switch import SwitchName
from core.use_cases.broadcasts import letter_for

COMPOSE: Final = "compose"
"""The deed of a draft that is no deed yet: it ends as a broadcast that nobody is sent."""
WRITTEN: Final = "written in the chat"
PAGE: Final = 8
FIRST: Final = "0"
EXCERPT: Final = 24
LETTERS_MAX: Final = 600
"""Of a text, on the screen that tells of it; a sample shows all."""


def _paying(catalog: Catalog) -> Segment:
    plans = tuple(code for code in catalog.plans if code != catalog.default_plan)
    return Segment(plans, has_paid=True)


SEGMENTS: Final[Mapping[str, Callable[[Catalog], Segment]]] = {
    "all": lambda _: Segment(),
    "paying": _paying,
    "never": lambda _: Segment(has_paid=False),
    "trialing": lambda _: Segment(is_trialing=True),
    "expired": lambda _: Segment(expired_days=30),
}
MOVES: Final[Mapping[BroadcastStatus, Sequence[str]]] = {
    BroadcastStatus.DRAFT: ("start", "stop"),
    BroadcastStatus.RUNNING: ("pause", "stop"),
    BroadcastStatus.PAUSED: ("resume", "stop"),
}


async def first(visit: Visit, _: Sequence[str] = ()) -> Screen:
    return await broadcasts(visit, [FIRST])


async def broadcasts(visit: Visit, words: Sequence[str]) -> Screen:
    """A page of them, the newest first, from after the one that is named."""
    [word] = words
    after = None if word == FIRST else BroadcastId(word)
    found = await visit.billing.show_broadcasts.page(limit=PAGE + 1, after=after)
    texts = visit.texts
    rows = [[Button(_line(visit, one), press=press("abroadcast", one.id))] for one in found[:PAGE]]
    turn = [] if after is None else [visit.button("newer", "abroadcasts")]
    if len(found) > PAGE:
        turn.append(visit.button("older", "abroadcastspage", found[PAGE - 1].id))
    key = "admin.broadcasts.some" if rows else "admin.broadcasts.none"
    home = [visit.button("compose", "acompose"), visit.button("to_desk", "admin")]
    return Screen(texts(key), [*rows, turn, home])


def _line(visit: Visit, one: Broadcast) -> str:
    begins = " ".join(one.draft.text_for(visit.texts.language).split())[:EXCERPT]
    state = visit.texts.label(f"admin.broadcast.{one.status}")
    if one.started_at is None:
        return visit.texts.label("admin.broadcasts.line", state=state, text=begins)
    facts = {"state": state, "sent": one.sent, "expected": one.expected, "text": begins}
    return visit.texts.label("admin.broadcasts.sent", **facts)


async def broadcast(visit: Visit, words: Sequence[str]) -> Screen:
    """What is said to whom, and whom a start would reach, or how far it has come."""
    one, texts = await visit.billing.show_broadcasts.one(BroadcastId(words[0])), visit.texts
    state = texts.label(f"admin.broadcast.{one.status}")
    lines = [texts("admin.broadcast.what", state=state, at=one.created_at, by=one.created_by)]
    for language, text in one.draft.texts.items():
        lines += ["", texts("admin.broadcast.text", language=_name(language), text=_cut(text))]
    leads_to = one.draft.plan or one.draft.url
    lines += [""] if leads_to is None else ["", texts("admin.broadcast.button", leads_to=leads_to)]
    lines.append(texts(f"admin.segment.{await _segment_of(visit, one)}"))
    if one.status is BroadcastStatus.DRAFT:
        lines += ["", *await _preview(visit, one)]
    elif one.started_at is not None:
        lines += ["", *await _progress(visit, one)]
    samples = [
        Button(
            texts.label("button.sample", language=_name(language)),
            press=press("asample", one.id, language, on_news=True),
        )
        for language in one.draft.texts
    ]
    moves = [
        button for name in MOVES.get(one.status, ()) for button in deed_button(visit, name, one.id)
    ]
    here = [visit.button("refresh", "abroadcast", one.id), visit.button("back", "abroadcasts")]
    return Screen("\n".join(lines), [samples, moves, here])


async def sample(visit: Visit, words: Sequence[str]) -> Screen:
    """The very message, to whoever presses: as one who speaks this language would get it."""
    id_, language = words
    one = await visit.billing.show_broadcasts.one(BroadcastId(id_))
    standing = (await visit.billing.show_account(visit.customer.id)).standing
    reader = replace(standing.customer, language=language)
    return screen_from_letter(letter_for(one.draft, language), replace(standing, customer=reader))


async def _preview(visit: Visit, one: Broadcast) -> list[str]:
    told, texts = await visit.billing.show_broadcasts.preview(one.id), visit.texts
    lines = [texts("admin.broadcast.reaches", number=told.total)]
    for language, number in told.by_language.items():
        lines.append(texts("admin.broadcast.reads", language=_name(language), number=number))
    return [*lines, texts("admin.broadcast.declined", number=told.declined)]


async def _progress(visit: Visit, one: Broadcast) -> list[str]:
    counts = {"unreachable": one.unreachable, "failed": one.failed, "unsure": one.unsure}
    texts = visit.texts
    lines = [texts("admin.broadcast.progress", sent=one.sent, expected=one.expected, left=one.left)]
    lines += [
        texts(f"admin.broadcast.{it}", number=number) for it, number in counts.items() if number
    ]
    off = (await visit.billing.show_system_state()).switched_off
    if one.status is BroadcastStatus.RUNNING and SwitchName.BROADCASTS in off:
        lines.append(texts("admin.broadcast.switched_off"))
    return lines


async def _segment_of(visit: Visit, one: Broadcast) -> str:
    """Its name among ours; what was chosen elsewhere has none."""
    catalog = await visit.billing.show_catalog()
    named = (name for name, chosen in SEGMENTS.items() if chosen(catalog) == one.draft.segment)
    return next(named, "other")


def _name(language: str) -> str:
    return LANGUAGES.get(language, language)


def _cut(text: str) -> str:
    return text if len(text) <= LETTERS_MAX else f"{text[:LETTERS_MAX]}…"


# Writing one. What was answered is in the draft; a press carries which draft it answers.


async def compose(visit: Visit, _: Sequence[str] = ()) -> Screen:
    return await _next(visit, await visit.billing.drafting.begin(visit.who, COMPOSE))


async def hear(visit: Visit, draft: Draft, text: str) -> Screen:
    """A text, where one was asked for; what cannot be sent is asked for again."""
    question = _open_question(visit, draft)
    if question not in _text_questions(visit):
        return await _next(visit, draft)
    try:
        BroadcastDraft({question.removeprefix("text_"): text})
    except BroadcastNotUsable:
        return (await _next(visit, draft)).after(visit.texts("admin.letter.not_read"))
    drafting, message = visit.billing.drafting, visit.cause.key
    return await _next(visit, await drafting.answer(draft, question, text, message=message))


async def skip(visit: Visit, words: Sequence[str]) -> Screen:
    word, language = words
    return await _chosen(visit, word, f"text_{language}", "")


async def plan(visit: Visit, words: Sequence[str]) -> Screen:
    word, code = words
    return await _chosen(visit, word, "plan", "" if code == NOTHING else code)


async def segment(visit: Visit, words: Sequence[str]) -> Screen:
    word, name = words
    return await _chosen(visit, word, "segment", name)


async def _chosen(visit: Visit, word: str, question: str, answer: str) -> Screen:
    """A second press, and one that answers what is not asked, changes nothing."""
    draft = await visit.billing.drafting.find(visit.who)
    is_it = draft is not None and draft.deed == COMPOSE and _word_of(draft) == word
    if draft is None or not is_it or not (draft.is_done or draft.listens(visit.now)):
        return Screen(visit.texts("admin.overtaken"), [[visit.button("to_desk", "admin")]])
    is_open = question == _open_question(visit, draft)
    if is_open and answer in await _choices(visit, draft, question):
        draft = await visit.billing.drafting.answer(draft, question, answer)
    return await _next(visit, draft)


def _word_of(draft: Draft) -> str:
    """As a button carries it beside the code of a plan."""
    return draft.id[-16:]


def _text_questions(visit: Visit) -> list[str]:
    """One's own language first."""
    own = visit.texts.language
    return [f"text_{one}" for one in (own, *(it for it in LANGUAGES if it != own))]


def _open_question(visit: Visit, draft: Draft) -> str:
    """Empty where all is answered."""
    questions = (*_text_questions(visit), "plan", "segment")
    return next((one for one in questions if one not in draft.answers), "")


async def _choices(visit: Visit, draft: Draft, question: str) -> dict[str, Button]:
    """What can be pressed, by the answer that it gives."""
    word, texts = _word_of(draft), visit.texts
    if question == "plan":
        catalog = await visit.billing.show_catalog()
        sold = {code: it.terms for code, it in catalog.plans.items() if it.terms.prices}
        return {
            "": visit.button("no_plan", "aplan", word, NOTHING),
            **{
                code: Button(terms.title(texts.language), press=press("aplan", word, code))
                for code, terms in sold.items()
            },
        }
    if question == "segment":
        return {
            name: Button(texts.label(f"admin.segment.{name}"), press=press("asegment", word, name))
            for name in SEGMENTS
        }
    others = [draft.answers.get(it) for it in _text_questions(visit) if it != question]
    if all(told == "" for told in others):  # One text there has to be.
        return {}
    return {"": visit.button("skip", "askip", word, question.removeprefix("text_"))}


async def _next(visit: Visit, draft: Draft) -> Screen:
    question = _open_question(visit, draft)
    if not question:
        return await _made(visit, draft)
    choices = await _choices(visit, draft, question)
    key = "text" if question.startswith("text_") else question
    language = _name(question.removeprefix("text_"))
    lines = [visit.texts(f"admin.letter.{key}", language=language)]
    lines += [visit.texts("admin.letter.skip")] if key == "text" and choices else []
    rows = [[button] for button in choices.values()]
    return Screen("\n".join(lines), [*rows, [visit.button("cancel_draft", "acancel")]])


async def _made(visit: Visit, draft: Draft) -> Screen:
    """Claimed under the draft, so that whoever answers the last question twice has one."""
    answers = draft.answers
    asked = [question for question in _text_questions(visit) if answers[question]]
    written = BroadcastDraft(
        {question.removeprefix("text_"): answers[question] for question in asked},
        SEGMENTS[answers["segment"]](await visit.billing.show_catalog()),
        PlanCode(answers["plan"]) if answers["plan"] else None,
    )
    deed, cause = Deed(str(visit.who), WRITTEN), Cause("chat deed", draft.id, COMPOSE)
    made = await visit.billing.create_broadcast(written, deed=deed, cause=cause)
    await visit.billing.drafting.end(draft)
    return await broadcast(visit, [made.id])
