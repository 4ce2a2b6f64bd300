"""Withdrawals that wait for an operator: whose, how much, where to, since when, and why."""

from collections.abc import Sequence
from typing import Final

from adapters.telegram.admin.deeds import deed_button
from adapters.telegram.admin.kinds import account_in_words, choices, way_in_words
from adapters.telegram.screens import Button, Screen, press
from adapters.telegram.texts import called
from adapters.telegram.visits import Visit
from core.domain.switch import SwitchName
from core.domain.withdrawal import WithdrawalId, WithdrawalNotFound, WithdrawalStatus
from core.use_cases.waiting_withdrawals import WaitingWithdrawal

PAGE: Final = 8
FIRST: Final = "0"


async def first(visit: Visit, _: Sequence[str] = ()) -> Screen:
    return await withdrawals(visit, [FIRST])


async def withdrawals(visit: Visit, words: Sequence[str]) -> Screen:
    """A page of them, the oldest first, from after the one that is named."""
    [word] = words
    after, show = None if word == FIRST else WithdrawalId(word), visit.billing
    try:
        found = await show.show_waiting_withdrawals.page(limit=PAGE + 1, after=after)
    except WithdrawalNotFound:
        return await first(visit)
    rows = [[_line(visit, one)] for one in found[:PAGE]]
    turn = [] if after is None else [visit.button("newer", "awithdrawals")]
    if len(found) > PAGE:
        turn.append(visit.button("older", "awithdrawalspage", found[PAGE - 1].withdrawal.id))
    lines = [visit.texts(f"admin.withdrawals.{'some' if rows else 'none'}")]
    lines += await _while_off(visit)
    here = [visit.button("refresh", "awithdrawals"), visit.button("to_desk", "admin")]
    return Screen("\n".join(lines), [*rows, turn, here])


def _line(visit: Visit, found: WaitingWithdrawal) -> Button:
    one, texts = found.withdrawal, visit.texts
    facts = {"amount": one.amount, "who": called(found.customer), "to": account_in_words(one)}
    age = texts.time_left(visit.now, one.requested_at)
    label = texts.label("admin.withdrawals.line", age=age, **facts)
    return Button(label, press=press("awithdrawal", one.id))


async def withdrawal(visit: Visit, words: Sequence[str]) -> Screen:
    """
    Raises:
        WithdrawalNotFound
    """
    [id_] = words
    found = await visit.billing.show_waiting_withdrawals.one(WithdrawalId(id_))
    one, texts = found.withdrawal, visit.texts
    seen = await visit.billing.open_customer(one.customer_id, actor=str(visit.who))
    age = texts.time_left(visit.now, one.requested_at)
    way = way_in_words(visit, one)
    lines = [
        texts("admin.withdrawal.what", amount=one.amount, to=account_in_words(one), way=way),
        texts("admin.withdrawal.who", name=called(seen)),
        texts("admin.withdrawal.asked", at=one.requested_at, age=age, id=one.id),
        "",
        _state(visit, found),
    ]
    if one.is_open:
        lines += await _while_off(visit)
    deeds = [button for name in choices(one) for button in deed_button(visit, name, one.id)]
    about = [visit.button("to_customer", "acust", seen.id)]
    return Screen("\n".join(lines), [deeds, about, [visit.button("back", "awithdrawals")]])


def _state(visit: Visit, found: WaitingWithdrawal) -> str:
    """Why it waits for a person; else how it stands."""
    one, texts = found.withdrawal, visit.texts
    if not one.waits_for_a_person:
        return texts(f"admin.withdrawal.{one.status}", reason=one.reason or "—")
    if one.status is not WithdrawalStatus.HELD:
        return texts(f"admin.withdrawal.{'unsure' if one.is_out_of_sight else 'by_hand'}")
    if found.braked is None:
        return texts("admin.withdrawal.held")
    return texts(f"admin.withdrawal.over_{found.braked.brake}", most=found.braked.most)


async def _while_off(visit: Visit) -> list[str]:
    off = (await visit.billing.show_system_state()).switched_off
    return [visit.texts("admin.withdrawals.off")] if SwitchName.PAYOUTS in off else []
