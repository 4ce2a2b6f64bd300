"""What is done by hand from the chat: asked for, shown before it is done, done once."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from adapters.telegram.admin.kinds import (
    DEEDS,
    account_of,
    customer_of,
    purchase_of,
    sum_of,
    undecided,
)
from adapters.telegram.screens import Button, Screen, press
from adapters.telegram.sums import sum_typed, word_of
from adapters.telegram.visits import Visit
from core.domain.audit import Deed, ReasonMissing
from core.domain.cause import Cause, StillRunning
from core.domain.customer import IdentityKind, IdentityNotReadable, identity
from core.domain.errors import BillingError, Unavailable
from core.domain.money import AmountNotUsable, Money
from core.domain.operator import Draft, may
from core.domain.refund import RefundTooLarge

NOTHING: Final = "0"
"""What a deed is about that is about nothing which has an id; also the deed that is none."""

SIGNS: Final = frozenset("+-−")


def deed_button(visit: Visit, name: str, about: str) -> list[Button]:
    """Nothing, where the role does not let them."""
    if not visit.may(DEEDS[name].right):
        return []
    label = visit.texts.label(f"button.deed_{name}")
    return [Button(label, press=press("adeed", name, about))]


async def begin(visit: Visit, words: Sequence[str]) -> Screen:
    name, about = words
    kind = DEEDS.get(name)
    if kind is None or not visit.may(kind.right):
        return Screen(visit.texts("admin.not_yours"), [[visit.button("to_desk", "admin")]])
    await _require_possible(visit, name, about)
    draft = await visit.billing.drafting.begin(visit.who, name, about)
    return await _next(visit, draft)


async def hear(visit: Visit, draft: Draft, text: str) -> Screen:
    """An answer; what cannot be read is asked for again."""
    question = _open_question(draft)
    if question is None:
        return await _confirm(visit, draft)
    try:
        answer = await ANSWERS[question](visit, draft, text.strip())
    except (ReasonMissing, AmountNotUsable, IdentityNotReadable):
        line = visit.texts(f"admin.not_read.{question}")
        return _question(visit, question).after(line)
    except RefundTooLarge as refused:
        return _question(visit, question).after(visit.texts.error(refused))
    drafting, message = visit.billing.drafting, visit.cause.key
    return await _next(visit, await drafting.answer(draft, question, answer, message=message))


async def cancel(visit: Visit, _: Sequence[str] = ()) -> Screen:
    """Another draft, of nothing, takes its place: what was canceled is not told as done."""
    draft = await visit.billing.drafting.find(visit.who)
    await visit.billing.drafting.begin(visit.who, NOTHING)
    rows = [] if draft is None else [_back(visit, draft)]
    return Screen(visit.texts("admin.canceled"), [*rows, [visit.button("to_desk", "admin")]])


async def do(visit: Visit, words: Sequence[str]) -> Screen:
    """Confirmed. The draft's id is what it is claimed under, so that a second tap does nothing."""
    [id_] = words
    draft = await visit.billing.drafting.find(visit.who)
    if draft is None or draft.id != id_ or _open_question(draft) is not None:
        return Screen(visit.texts("admin.overtaken"), [[visit.button("to_desk", "admin")]])
    kind = DEEDS.get(draft.deed)
    rows = [_back(visit, draft), [visit.button("to_desk", "admin")]]
    if draft.is_done:
        return Screen(visit.texts("admin.done_before"), rows)
    await visit.takes_a_while()
    # Asked once more: Telegram may have kept us, and the role be gone by now.
    if kind is None or not may(await visit.billing.show_role(visit.who), kind.right):
        return Screen(visit.texts("admin.not_yours"), rows)
    if not draft.listens(visit.now):
        return Screen(visit.texts("admin.overtaken"), rows)
    deed = Deed(str(visit.who), draft.answers["reason"])
    try:
        came_of_it = await kind.do(visit, draft, deed, Cause("chat deed", draft.id, draft.deed))
    except (Unavailable, StillRunning):
        raise
    except BillingError as refused:  # Given up, so that nothing more is taken for an answer to it.
        await visit.billing.drafting.begin(visit.who, NOTHING)
        return Screen(visit.texts.error(refused), rows)
    await visit.billing.drafting.end(draft)
    return Screen(visit.texts(came_of_it or "admin.done", reason=deed.reason), rows)


async def _next(visit: Visit, draft: Draft) -> Screen:
    question = _open_question(draft)
    return await _confirm(visit, draft) if question is None else _question(visit, question)


def _open_question(draft: Draft) -> str | None:
    kind = DEEDS.get(draft.deed)
    asks = () if kind is None else kind.asks
    return next((one for one in asks if one not in draft.answers), None)


def _question(visit: Visit, question: str) -> Screen:
    return Screen(visit.texts(f"admin.ask.{question}"), [[visit.button("cancel_draft", "acancel")]])


async def _confirm(visit: Visit, draft: Draft) -> Screen:
    """What will happen, as things stand now."""
    texts = visit.texts
    facts = await DEEDS[draft.deed].facts(visit, draft)
    lines = [
        texts("admin.will"),
        "",
        texts(f"admin.will.{draft.deed}", **facts),
        texts("admin.will.reason", reason=draft.answers["reason"]),
    ]
    owed = facts.get("owed")
    if isinstance(owed, Money) and owed.is_positive:
        lines.insert(3, texts("admin.will.owed", owed=owed))
    yes = visit.button("do_it", "ado", draft.id)
    return Screen("\n".join(lines), [[yes, visit.button("cancel_draft", "acancel")]])


def _back(visit: Visit, draft: Draft) -> list[Button]:
    about, kind = draft.about, DEEDS.get(draft.deed)
    if about.startswith("cus_"):
        return [visit.button("to_customer", "acust", about)]
    if about.startswith("pur_"):
        return [visit.button("to_purchase", "apur", about)]
    if about.startswith("wd_"):
        return [visit.button("to_withdrawal", "awithdrawal", about)]
    if about.startswith("brd_"):
        return [visit.button("to_broadcast", "abroadcast", about)]
    home = "admin" if kind is None else kind.home
    return [] if home == "admin" else [visit.button("back", home)]


async def _require_possible(visit: Visit, name: str, about: str) -> None:
    """Said before anything is asked; the use cases refuse it by themselves."""
    if about.startswith("wd_"):
        await undecided(visit, name, about)
    if about.startswith(("cus_", "pur_")):
        for found in await visit.billing.search_customers(about):
            found.customer.require_another(str(visit.who))


# What is typed, as the draft keeps it.


async def _reason(_visit: Visit, _draft: Draft, text: str) -> str:
    return Deed("nobody yet", text).reason


async def _amount(visit: Visit, draft: Draft, text: str) -> str:
    """With a minus it is taken. Of the customer's first currency, where none is named."""
    account = await visit.billing.show_account(await customer_of(visit, draft))
    sign, rest = (text[0], text[1:].strip()) if text[:1] in SIGNS else ("+", text)
    amount = sum_typed(rest[:64], account.cash[0].currency) if account.cash else None
    if amount is None or not amount.is_positive:
        raise AmountNotUsable(text[:32])
    return word_of(amount if sign == "+" else -amount)


async def _part(visit: Visit, draft: Draft, text: str) -> str:
    """
    Raises:
        RefundTooLarge: said before why is asked.
    """
    if text[:1] in SIGNS:
        raise AmountNotUsable(text[:32])
    word = await _amount(visit, draft, text)
    amount, purchase = sum_of(word), (await purchase_of(visit, draft)).purchase
    if amount.currency != purchase.amount.currency or not amount <= purchase.refundable:
        raise RefundTooLarge(purchase.id, purchase.refundable)
    return word


async def _days(visit: Visit, draft: Draft, text: str) -> str:
    """`7`, of the plan that runs; or `PRO_MONTHLY 7`."""
    account = await account_of(visit, draft)
    code, _, days = text.rpartition(" ")
    running = account.standing.plan(account.at).code
    code = code.strip().upper() or (
        "" if running == account.standing.catalog.default_plan else running
    )
    if not days.isdecimal() or len(days) > 4 or code not in account.standing.catalog.plans:
        raise AmountNotUsable(text[:32])
    return f"{code} {int(days)}"


async def _code(_visit: Visit, _draft: Draft, text: str) -> str:
    return text[:64]


async def _somebody(visit: Visit, _draft: Draft, text: str) -> str:
    """
    A Telegram number, or whoever is the only one of that username: one that was given up is still
    its former owner's here, until they write again.
    """
    text = f"{IdentityKind.TELEGRAM}:{text}" if text.isdecimal() else text
    if text.startswith("@"):
        known = [found.customer for found in await visit.billing.search_customers(text)]
        meant = [one for one in known if (one.username or "").casefold() == text[1:].casefold()]
        if len(meant) == 1 and meant[0].telegram_id is not None:
            return f"{IdentityKind.TELEGRAM}:{meant[0].telegram_id}"
    who = identity(text)
    if who.kind is not IdentityKind.TELEGRAM:
        raise IdentityNotReadable(text[:64])
    return str(who)


ANSWERS: Final[Mapping[str, Callable[[Visit, Draft, str], Awaitable[str]]]] = {
    "reason": _reason,
    "amount": _amount,
    "part": _part,
    "days": _days,
    "code": _code,
    "somebody": _somebody,
}
