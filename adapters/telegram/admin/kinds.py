"""Every kind of deed from the chat: what it asks, what is said of it before, and how it is done."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.telegram.admin.cases import case_of
from adapters.telegram.texts import called
from adapters.telegram.visits import Visit
from core.domain.audit import Deed
from core.domain.broadcast import BroadcastId, BroadcastMove
from core.domain.cause import Cause
from core.domain.customer import CustomerId, identity
from core.domain.money import Money
from core.domain.operator import Draft, Right, Role
from core.domain.purchase import PurchaseId, PurchaseNotFound
from core.domain.referral_program import Door, Invitation
from core.domain.refund import RefundStatus
from core.domain.withdrawal import (
    QUEUE,
    Withdrawal,
    WithdrawalId,
    WithdrawalMoved,
    WithdrawalStatus,
)
from core.use_cases.checkouts import Started
from core.use_cases.customers import Account
from core.use_cases.roles import OperatorNotBlocked
from core.use_cases.switches import SwitchNotFound
from core.use_cases.waiting_withdrawals import WaitingWithdrawal

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


def _money(draft: Draft) -> Money | None:
    """None: nothing was asked about it, so all that is left."""
    word = draft.answers.get("amount") or draft.answers.get("part")
    return None if word is None else sum_of(word)


def sum_of(word: str) -> Money:
    minor, _, code = word.partition("_")
    return Money.of(int(minor), code)


async def customer_of(visit: Visit, draft: Draft) -> CustomerId:
    """
    Raises:
        PurchaseNotFound
    """
    if not draft.about.startswith("pur_"):
        return CustomerId(draft.about)
    for found in await visit.billing.search_customers(draft.about):
        return found.customer.id
    raise PurchaseNotFound(draft.about)


async def account_of(visit: Visit, draft: Draft) -> Account:
    return await visit.billing.show_account(await customer_of(visit, draft))


async def _of_customer(visit: Visit, draft: Draft) -> Facts:
    return {"who": called((await account_of(visit, draft)).standing.customer)}


async def _adjusting(visit: Visit, draft: Draft) -> Facts:
    account, amount = await account_of(visit, draft), _money(draft)
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


async def purchase_of(visit: Visit, draft: Draft) -> Started:
    buyer_id = await customer_of(visit, draft)
    return await visit.billing.show_purchases.one(buyer_id, PurchaseId(draft.about))


async def _refunding(visit: Visit, draft: Draft) -> Facts:
    account, started = await account_of(visit, draft), await purchase_of(visit, draft)
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


def choices(withdrawal: Withdrawal) -> Sequence[str]:
    """What an operator may still decide about it, by the names of the deeds."""
    if withdrawal.status is WithdrawalStatus.HELD:
        return ("approve", "reject")
    if withdrawal.status is WithdrawalStatus.REQUESTED and not withdrawal.waits_for_a_person:
        return ("reject",)
    return ("done", "reject") if withdrawal.waits_for_a_person else ()


async def undecided(visit: Visit, deed: str, about: str) -> WaitingWithdrawal:
    """
    The withdrawal that the deed is about, while it can be done.

    Raises:
        WithdrawalNotFound, OwnAffair
        WithdrawalMoved: another operator, or its gateway, was faster.
    """
    found = await visit.billing.show_waiting_withdrawals.one(WithdrawalId(about))
    found.customer.require_another(str(visit.who))
    if deed not in choices(found.withdrawal):
        raise WithdrawalMoved(found.withdrawal.id, found.withdrawal.status)
    return found


async def _deciding(visit: Visit, draft: Draft) -> Facts:
    found = await undecided(visit, draft.deed, draft.about)
    one = found.withdrawal
    return {
        "who": called(found.customer),
        "amount": one.amount,
        "account": account_in_words(one),
        "way": way_in_words(visit, one),
    }


def way_in_words(visit: Visit, withdrawal: Withdrawal) -> str:
    key = "admin.withdrawal.way_" + ("hand" if withdrawal.gateway == QUEUE else "gateway")
    return visit.texts.label(key, gateway=withdrawal.gateway)


def account_in_words(withdrawal: Withdrawal) -> str:
    return f"{withdrawal.account.kind} {withdrawal.account.masked}"


async def _decide(visit: Visit, draft: Draft, deed: Deed, _: Cause) -> str | None:
    """Looked at once more, since deciding again is no error: what another decided is not told as done."""
    id_ = (await undecided(visit, draft.deed, draft.about)).withdrawal.id
    if draft.deed == "reject":
        await visit.billing.reject_withdrawal(id_, deed=deed)
    elif draft.deed == "done":
        await visit.billing.mark_withdrawal_done(id_, deed=deed)
    elif (await visit.billing.approve_withdrawal(id_, deed=deed)).gateway == QUEUE:
        return "admin.withdrawal.send_it"
    return None


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
    "approve": Kind(Right.WITHDRAWALS, _deciding, _decide, home="awithdrawals"),
    "reject": Kind(Right.WITHDRAWALS, _deciding, _decide, home="awithdrawals"),
    "done": Kind(Right.WITHDRAWALS, _deciding, _decide, home="awithdrawals"),
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
