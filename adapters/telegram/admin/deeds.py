"""What is done by hand from the chat: asked for, shown before it is done, done once."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.telegram.admin.cases import case_of
from adapters.telegram.screens import Button, Screen, press
from adapters.telegram.sums import sum_typed, word_of
from adapters.telegram.texts import called
from adapters.telegram.visits import Visit
from core.domain.audit import Deed, ReasonMissing
from core.domain.broadcast import BroadcastId, BroadcastMove
from core.domain.cause import Cause, StillRunning
from core.domain.customer import CustomerId, IdentityKind, IdentityNotReadable, identity
from core.domain.errors import BillingError, Unavailable
from core.domain.money import AmountNotUsable, Money
from core.domain.operator import Draft, Right, Role, may
from core.domain.purchase import PurchaseId, PurchaseNotFound
from core.domain.referral_program import Door, Invitation
from core.domain.refund import RefundStatus, RefundTooLarge
from core.use_cases.checkouts import Started
from core.use_cases.customers import Account
from core.use_cases.roles import OperatorNotBlocked
from core.use_cases.switches import SwitchNotFound

NOTHING: Final = "0"
"""What a deed is about that is about nothing which has an id; also the deed that is none."""

SIGNS: Final = frozenset("+-−")

Facts = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Kind:
    """
    `asks`: the questions, in order; the last is always why. `facts` are what the confirmation
    says of it (`admin.will.<name>`), read anew each time; `do` does it, and may name the text that tells what came of it. `home` is the verb of the
    screen that it is begun on, where that is not the screen of the customer or the purchase.
    """

    right: Right
    facts: Callable[[Visit, Draft], Awaitable[Facts]]
    do: Callable[[Visit, Draft, Deed, Cause], Awaitable[str | None]]
    asks: Sequence[str] = ("reason",)
    home: str = "admin"


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
    await _require_another(visit, about)
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
    if about.startswith("brd_"):
        return [visit.button("to_broadcast", "abroadcast", about)]
    home = "admin" if kind is None else kind.home
    return [] if home == "admin" else [visit.button("back", home)]


async def _require_another(visit: Visit, about: str) -> None:
    """Said before anything is asked; the use cases refuse it by themselves."""
    if about.startswith(("cus_", "pur_")):
        for found in await visit.billing.search_customers(about):
            found.customer.require_another(str(visit.who))


# What is typed, as the draft keeps it.


async def _reason(_visit: Visit, _draft: Draft, text: str) -> str:
    return Deed("nobody yet", text).reason


async def _amount(visit: Visit, draft: Draft, text: str) -> str:
    """With a minus it is taken. Of the customer's first currency, where none is named."""
    account = await visit.billing.show_account(await _customer(visit, draft))
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
    amount, purchase = _sum_of(word), (await _purchase(visit, draft)).purchase
    if amount.currency != purchase.amount.currency or not amount <= purchase.refundable:
        raise RefundTooLarge(purchase.id, purchase.refundable)
    return word


async def _days(visit: Visit, draft: Draft, text: str) -> str:
    """`7`, of the plan that runs; or `PRO_MONTHLY 7`."""
    account = await _account(visit, draft)
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


# What is done, and what is said of it before.


def _money(draft: Draft) -> Money | None:
    """None: nothing was asked about it, so all that is left."""
    word = draft.answers.get("amount") or draft.answers.get("part")
    return None if word is None else _sum_of(word)


def _sum_of(word: str) -> Money:
    minor, _, code = word.partition("_")
    return Money.of(int(minor), code)


async def _customer(visit: Visit, draft: Draft) -> CustomerId:
    """
    Raises:
        PurchaseNotFound
    """
    if not draft.about.startswith("pur_"):
        return CustomerId(draft.about)
    for found in await visit.billing.search_customers(draft.about):
        return found.customer.id
    raise PurchaseNotFound(draft.about)


async def _account(visit: Visit, draft: Draft) -> Account:
    return await visit.billing.show_account(await _customer(visit, draft))


async def _of_customer(visit: Visit, draft: Draft) -> Facts:
    return {"who": called((await _account(visit, draft)).standing.customer)}


async def _adjusting(visit: Visit, draft: Draft) -> Facts:
    account, amount = await _account(visit, draft), _money(draft)
    assert amount is not None, "it was asked for"
    purse = account.purse(amount.currency)
    before = purse.cash if draft.deed == "cash" else purse.bonus
    left = before + amount
    nothing = amount - amount
    return {
        "who": called(account.standing.customer),
        "amount": amount,
        "before": before,
        "after": max(left, nothing),
        "owed": nothing if nothing <= left else -left,
    }


async def _adjust(visit: Visit, draft: Draft, deed: Deed, cause: Cause) -> None:
    amount = _money(draft)
    assert amount is not None, "it was asked for"
    await visit.billing.adjust_wallet(
        CustomerId(draft.about), amount, account=draft.deed, deed=deed, cause=cause
    )


async def _purchase(visit: Visit, draft: Draft) -> Started:
    buyer_id = await _customer(visit, draft)
    return await visit.billing.show_purchases.one(buyer_id, PurchaseId(draft.about))


async def _refunding(visit: Visit, draft: Draft) -> Facts:
    account, started = await _account(visit, draft), await _purchase(visit, draft)
    purchase, amount = started.purchase, _money(draft)
    told = {"amount": purchase.refundable if amount is None else amount, "paid": purchase.amount}
    way = "wallet" if purchase.from_wallet or started.checkout is None else started.checkout.gateway
    return {
        **told,
        "way": visit.texts.label(f"way.{way}"),
        "who": called(account.standing.customer),
    }


async def _refund(visit: Visit, draft: Draft, deed: Deed, cause: Cause) -> str | None:
    purchase_id, amount = PurchaseId(draft.about), _money(draft)
    done = await visit.billing.refund_purchase(purchase_id, deed=deed, cause=cause, amount=amount)
    if done.refund is None or done.refund.status is RefundStatus.DONE:
        return None
    is_asked = done.refund.status is RefundStatus.ASKED
    return "admin.refund_asked" if is_asked else "admin.refund_failed"


async def _attaching(visit: Visit, draft: Draft) -> Facts:
    return {**await _of_customer(visit, draft), "code": draft.answers["code"]}


async def _attach(visit: Visit, draft: Draft, deed: Deed, _: Cause) -> None:
    invitation = Invitation(draft.answers["code"], Door.OPERATOR)
    await visit.billing.join_referral(CustomerId(draft.about), invitation, deed=deed)


def _plan_and_days(draft: Draft) -> tuple[str, int]:
    code, _, days = draft.answers["days"].partition(" ")
    return code, int(days)


async def _giving(visit: Visit, draft: Draft) -> Facts:
    code, days = _plan_and_days(draft)
    span = visit.texts.count("span.days", days)
    return {**await _of_customer(visit, draft), "plan": code, "span": span}


async def _give(visit: Visit, draft: Draft, deed: Deed, cause: Cause) -> None:
    code, days = _plan_and_days(draft)
    await visit.billing.grant_days(CustomerId(draft.about), code, days, deed=deed, cause=cause)


async def _make_access(visit: Visit, draft: Draft, deed: Deed, _: Cause) -> None:
    await visit.billing.retry_access(CustomerId(draft.about), deed=deed)


async def _blocking(visit: Visit, draft: Draft) -> Facts:
    """
    Raises:
        OperatorNotBlocked: so that nobody shuts out who could take their role.
    """
    for found in await visit.billing.search_customers(draft.about):
        for one in found.customer.identities:
            if await visit.billing.show_role(one) is not None:
                raise OperatorNotBlocked
    return await _of_customer(visit, draft)


async def _block(visit: Visit, draft: Draft, deed: Deed, _: Cause) -> None:
    await _blocking(visit, draft)
    await visit.billing.block_customer(CustomerId(draft.about), deed=deed)


async def _unblock(visit: Visit, draft: Draft, deed: Deed, _: Cause) -> None:
    await visit.billing.unblock_customer(CustomerId(draft.about), deed=deed)


async def _closing(visit: Visit, draft: Draft) -> Facts:
    return {"cause": (await case_of(visit, draft.about)).cause}


async def _close(visit: Visit, draft: Draft, deed: Deed, _: Cause) -> None:
    await visit.billing.close_case((await case_of(visit, draft.about)).cause, deed=deed)


async def _of_about(_: Visit, draft: Draft) -> Facts:
    return {"about": draft.about}


async def _replay(visit: Visit, draft: Draft, deed: Deed, _: Cause) -> None:
    await visit.billing.replay_notice(draft.about, deed=deed)


async def _switch(visit: Visit, draft: Draft) -> str:
    """
    Raises:
        SwitchNotFound
    """
    for one in await visit.billing.list_switches():
        if switch_word(one.name) == draft.about:
            return one.name
    raise SwitchNotFound(draft.about)


def switch_word(name: str) -> str:
    """As a button carries it."""
    return name.replace(":", "_")


async def _turning(visit: Visit, draft: Draft) -> Facts:
    return {"name": await _switch(visit, draft)}


async def _turn(visit: Visit, draft: Draft, deed: Deed, _: Cause) -> None:
    name = await _switch(visit, draft)
    await visit.billing.turn_switch(name, is_on=draft.deed == "on", deed=deed)


async def _moving(visit: Visit, draft: Draft) -> Facts:
    """How many a start would reach, or how many more it goes to or would have."""
    one = await visit.billing.show_broadcasts.one(BroadcastId(draft.about))
    if draft.deed != BroadcastMove.START:
        return {"sent": one.sent, "left": one.left}
    preview = await visit.billing.show_broadcasts.preview(one.id)
    return {"number": preview.total, "declined": preview.declined}


async def _move(visit: Visit, draft: Draft, deed: Deed, _: Cause) -> None:
    move, broadcast_id = BroadcastMove(draft.deed), BroadcastId(draft.about)
    await visit.billing.move_broadcast(broadcast_id, move, deed=deed)


async def _granting(_: Visit, draft: Draft) -> Facts:
    return {"somebody": draft.answers["somebody"]}


async def _grant(visit: Visit, draft: Draft, deed: Deed, _: Cause) -> None:
    who = identity(draft.answers["somebody"])
    await visit.billing.grant_role(who, Role(draft.deed), deed=deed)


def identity_of_word(word: str) -> str:
    """`telegram_123` as `telegram:123`."""
    return word.replace("_", ":", 1)


async def _revoking(_: Visit, draft: Draft) -> Facts:
    return {"somebody": identity_of_word(draft.about)}


async def _revoke(visit: Visit, draft: Draft, deed: Deed, _: Cause) -> None:
    await visit.billing.revoke_role(identity(identity_of_word(draft.about)), deed=deed)


_MONEY: Final = ("amount", "reason")
_GRANT: Final = ("somebody", "reason")

DEEDS: Final[Mapping[str, Kind]] = {
    "cash": Kind(Right.WALLET, _adjusting, _adjust, _MONEY),
    "bonus": Kind(Right.WALLET, _adjusting, _adjust, _MONEY),
    "refund": Kind(Right.REFUND, _refunding, _refund),
    "part": Kind(Right.REFUND, _refunding, _refund, ("part", "reason")),
    "referral": Kind(Right.REFERRALS, _attaching, _attach, ("code", "reason")),
    "days": Kind(Right.DAYS, _giving, _give, ("days", "reason")),
    "access": Kind(Right.ACCESS, _of_customer, _make_access),
    "block": Kind(Right.BLOCK, _blocking, _block),
    "unblock": Kind(Right.BLOCK, _of_customer, _unblock),
    "close": Kind(Right.CASES, _closing, _close, home="acases"),
    "replay": Kind(Right.NOTICES, _of_about, _replay, home="anotices"),
    "on": Kind(Right.SWITCHES, _turning, _turn, home="aswitches"),
    "off": Kind(Right.SWITCHES, _turning, _turn, home="aswitches"),
    **{
        move.value: Kind(Right.BROADCAST, _moving, _move, home="abroadcasts")
        for move in BroadcastMove
    },
    "owner": Kind(Right.ROLES, _granting, _grant, _GRANT, home="aroles"),
    "manager": Kind(Right.ROLES, _granting, _grant, _GRANT, home="aroles"),
    "support": Kind(Right.ROLES, _granting, _grant, _GRANT, home="aroles"),
    "revoke": Kind(Right.ROLES, _revoking, _revoke, home="aroles"),
}
"""By `Draft.deed`. A new one is a line here, its texts, and a `deed_button` where it belongs."""
