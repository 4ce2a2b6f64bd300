"""The admin's side of the chat: who is let in, what is found there, and what is done by hand."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from telegram.error import NetworkError

from adapters.telegram.admin.verbs import VERBS
from adapters.telegram.screens import press
from core.domain.audit import Deed
from core.domain.broadcast import Broadcast, BroadcastId, BroadcastStatus
from core.domain.broadcast import Draft as BroadcastDraft
from core.domain.case import Case, CaseKind
from core.domain.customer import CustomerId, Identity, IdentityKind
from core.domain.operator import DRAFT_LIFE, Role
from core.domain.payment import InboxStatus
from core.domain.plan import PlanCode
from core.domain.safety import BILLHOOK
from core.domain.withdrawal import WithdrawalId
from core.use_cases.checkouts import Started
from core.use_cases.roles import RoleNotFound
from tests.adapters.telegram.chat_room import ANNA, BEN, ChatRoom, forged, labels
from tests.builders import NOON, a_job, an_inbox_item, rub
from tests.contracts.units import written
from tests.money_builders import a_requested_withdrawal

WHY = Deed("boss", "works here")


def tg(who: int) -> Identity:
    return Identity(IdentityKind.TELEGRAM, str(who))


async def grants(room: ChatRoom, role: Role, who: int = BEN) -> None:
    await room.world.billing.grant_role(tg(who), role, deed=WHY)


async def test_who_has_no_role_is_answered_as_unknown_text_is(room: ChatRoom) -> None:
    await room.says("/start", BEN)
    unknown = await room.says("hello?", BEN)

    assert (await room.says("/admin", BEN))["text"] == unknown["text"]
    assert (await room.says("/admin pur_1", BEN))["text"] == unknown["text"]


async def test_every_admin_verb_is_refused_as_an_unknown_one_is(room: ChatRoom) -> None:
    await room.says("/start", BEN)
    await room.chat.hear(forged(room, "v1:nosuchverb"))
    unknown = room.screen(BEN)

    for name, verb in VERBS.items():
        told = forged(room, press(name, *["x"] * verb.words))
        await room.chat.hear(told)
        room.rules.updates.delivered(told["update_id"])
        assert room.screen(BEN)["text"] == unknown["text"], name


async def test_a_role_counts_at_once_and_ends_at_once(room: ChatRoom) -> None:
    await room.says("/start", BEN)
    await grants(room, Role.SUPPORT)
    home = await room.says("/admin", BEN)
    assert "support" in home["text"]

    await grants(room, Role.OWNER)
    assert "owner" in (await room.presses("Refresh", BEN))["text"]

    await room.world.billing.revoke_role(tg(BEN), deed=WHY)
    assert "out of date" in (await room.presses("Refresh", BEN))["text"]
    with pytest.raises(RoleNotFound):
        await room.world.billing.revoke_role(tg(BEN), deed=WHY)
    lines = await room.world.billing.show_audit(limit=9)
    assert [line.action for _, line, _ in lines] == ["role.grant", "role.grant", "role.revoke"]


async def test_the_home_is_told_in_russian_too(room: ChatRoom) -> None:
    await room.says("/start", ANNA)
    await grants(room, Role.MANAGER, ANNA)
    assert "менеджер" in (await room.says("/admin", ANNA))["text"]


async def presses_data(room: ChatRoom, data: str, who: int = BEN) -> dict[str, Any]:
    told = forged(room, data, who)
    await room.chat.hear(told)
    room.rules.updates.delivered(told["update_id"])
    return room.screen(who)


def data_of(screen: dict[str, Any], label: str) -> str:
    [data] = [b["callback_data"] for row in screen["buttons"] for b in row if b["text"] == label]
    return str(data)


async def audit(room: ChatRoom) -> list[tuple[str, str, str, str]]:
    lines = [line for _, line, _ in await room.world.billing.show_audit(limit=99)]
    return [(it.actor, it.action, it.subject, it.reason) for it in lines if it.actor != "boss"]


async def a_sale(room: ChatRoom, role: Role = Role.MANAGER) -> tuple[CustomerId, Started]:
    """Anna has paid for a plan, and Ben works here."""
    await room.says("/start", ANNA)
    await room.says("/start", BEN)
    await grants(room, role)
    anna = await room.customer(ANNA)
    started = await room.world.buys(anna)
    await room.world.pays_and_is_heard(started)
    await room.says("/admin", BEN)
    return anna, started


async def test_a_purchase_is_found_by_its_payment_and_given_back_once(room: ChatRoom) -> None:
    anna, started = await a_sale(room)
    assert started.checkout is not None
    await room.presses("🔎 Find a customer", BEN)
    found = await room.says(str(started.checkout.payment_id), BEN)
    assert started.purchase.id in found["text"]
    assert "paid" in found["text"]

    asked = await room.presses("↩️ Refund all", BEN)
    assert "Why?" in asked["text"]
    assert "3 to 500" in (await room.says("no", BEN))["text"]
    will = await room.says("he <b>asked</b> for it", BEN)
    assert "299.00" in will["text"]
    assert "he <b>asked</b> for it" in will["text"], "escaped, and so told as it was written"
    do_it = data_of(will, "✅ Do it")
    assert await room.world.plan(anna) == "PRO_MONTHLY", "nothing is done before it is confirmed"

    assert "Done" in (await room.presses("✅ Do it", BEN))["text"]
    assert "done already" in (await presses_data(room, do_it))["text"]

    assert await room.world.plan(anna) == "FREE"
    back = await room.world.gateway.find_refunds(started.checkout.payment_id)
    assert [one.amount for one in back] == [rub(299)]
    assert [line for line in await audit(room) if line[1] == "purchase.refund"] == [
        (f"telegram:{BEN}", "purchase.refund", started.purchase.id, "he <b>asked</b> for it")
    ]
    told = await room.presses("🧾 Purchase", BEN)
    assert "refunded" in told["text"]
    why = await room.presses("❓ Why", BEN)
    assert f"telegram:{BEN} did purchase.refund" in why["text"]


async def test_a_refund_that_the_gateway_will_not_make_is_not_called_done(room: ChatRoom) -> None:
    anna, started = await a_sale(room)
    room.world.gateway.refuse_refunds()
    await room.says(f"/admin {started.purchase.id}", BEN)
    await room.presses("↩️ Refund all", BEN)
    await room.says("asked for it", BEN)

    told = await room.presses("✅ Do it", BEN)

    assert "will not give it back" in told["text"]
    assert await room.world.plan(anna) == "PRO_MONTHLY"


async def test_more_than_was_paid_is_said_before_why_is_asked(room: ChatRoom) -> None:
    _, started = await a_sale(room)
    await room.says(f"/admin {started.purchase.id}", BEN)
    await room.presses("↩️ Refund a part", BEN)

    for too_much in ("300", "100 USDT"):
        told = await room.says(too_much, BEN)
        assert "more than is left to give back: RUB\xa0299.00" in told["text"]
        assert "How much goes back?" in told["text"]
    assert "Why?" in (await room.says("99", BEN))["text"]


async def test_what_was_refused_is_over_and_leads_back(room: ChatRoom) -> None:
    anna, started = await a_sale(room)
    await room.says(f"/admin {started.purchase.id}", BEN)
    await room.presses("↩️ Refund a part", BEN)
    await room.says("299", BEN)
    will = await room.says("as agreed", BEN)
    await room.world.billing.refund_purchase(
        started.purchase.id, deed=WHY, cause=room.world.cause(), amount=rub(1)
    )

    refused = await room.presses("✅ Do it", BEN)
    assert "RUB\xa0298.00" in refused["text"]
    assert "🧾 Purchase" in labels(refused)
    assert "did nothing" in (await presses_data(room, data_of(will, "✅ Do it")))["text"]
    assert "This will happen" not in (await room.says("hello?", BEN))["text"]
    assert await room.world.plan(anna) == "PRO_MONTHLY"


async def test_an_adjustment_is_shown_before_it_is_made(room: ChatRoom) -> None:
    anna, _ = await a_sale(room)
    await room.world.billing.adjust_wallet(
        anna, rub(10), account="cash", deed=WHY, cause=room.world.cause()
    )
    await room.says(f"/admin telegram:{ANNA}", BEN)
    await room.presses("💵 Adjust cash", BEN)
    assert "could not be read" in (await room.says("1,000", BEN))["text"]
    await room.says("-25", BEN)
    will = await room.says("paid twice in cash", BEN)
    assert "-" in will["text"]
    assert "15.00" in will["text"], "what is not there is said to be owed"

    await room.presses("✅ Do it", BEN)

    assert await room.world.cash(anna) == {}
    assert (await room.world.me(anna)).owed[0] == rub(15)
    assert (f"telegram:{BEN}", "wallet.adjust", anna, "paid twice in cash") in await audit(room)


async def test_days_are_given_of_the_plan_that_runs(room: ChatRoom) -> None:
    anna, _ = await a_sale(room)
    before = (await room.world.me(anna)).standing.subscription.period
    await room.says(f"/admin {anna}", BEN)
    await room.presses("📅 Give days", BEN)
    for wrong in ("many", "NO_PLAN 7", "-7"):
        assert "could not be read" in (await room.says(wrong, BEN))["text"]
    await room.says("7", BEN)
    assert "7 days of PRO_MONTHLY" in (await room.says("we were away", BEN))["text"]
    do_it = data_of(room.screen(BEN), "✅ Do it")
    await presses_data(room, do_it)
    await presses_data(room, do_it)

    after = (await room.world.me(anna)).standing.subscription.period
    assert before is not None
    assert after is not None
    assert after.end == before.end + timedelta(days=7)


async def test_nobody_decides_about_themselves(room: ChatRoom) -> None:
    await a_sale(room, Role.OWNER)
    ben = await room.customer(BEN)
    await room.says(f"/admin {ben}", BEN)
    assert "another operator" in (await room.presses("💵 Adjust cash", BEN))["text"]

    # Nor by a draft that was begun about another, and means oneself by now.
    draft = await room.world.billing.drafting.begin(tg(BEN), "cash", ben)
    for question, text in (("amount", "500_RUB"), ("reason", "I like it")):
        draft = await room.world.billing.drafting.answer(draft, question, text)
    assert "another operator" in (await presses_data(room, press("ado", draft.id)))["text"]
    assert await room.world.cash(ben) == {}


async def test_a_sum_that_is_delivered_twice_is_no_reason(room: ChatRoom) -> None:
    anna, _ = await a_sale(room)
    await room.says(f"/admin {anna}", BEN)
    await room.presses("💵 Adjust cash", BEN)
    troubles = [NetworkError("away")]

    async def once(method: str) -> None:
        if troubles and method == "sendMessage":
            raise troubles.pop()

    room.network.on_the_way = once
    await room.says("100", BEN)
    await room.delivers()

    assert "Why?" in room.screen(BEN)["text"]
    will = await room.says("promised", BEN)
    assert "promised" in will["text"]
    assert "100.00" in will["text"]


async def test_a_role_that_was_lost_meanwhile_confirms_nothing(room: ChatRoom) -> None:
    anna, _ = await a_sale(room)
    await room.says(f"/admin {anna}", BEN)
    await room.presses("🚫 Block", BEN)
    will = await room.says("spammed us", BEN)
    await grants(room, Role.SUPPORT)

    refused = await presses_data(room, data_of(will, "✅ Do it"))

    assert "role does not let you" in refused["text"]
    page = await room.says(f"/admin {anna}", BEN)
    assert "🚫 Block" not in labels(page)
    assert "💵 Adjust cash" not in labels(page)
    for deed in ("cash", "block", "referral"):
        told = await presses_data(room, press("adeed", deed, anna))
        assert "role does not let you" in told["text"]
    async with room.world.store.read() as view:
        assert (await view.customers.get(anna)).blocked_at is None


async def test_a_restart_forgets_nothing_and_time_does(room: ChatRoom) -> None:
    anna, _ = await a_sale(room)
    await room.says(f"/admin {anna}", BEN)
    await room.presses("🚫 Block", BEN)
    room.starts_again()
    will = await room.says("spammed us", BEN)
    room.starts_again()
    assert "Done" in (await room.presses("✅ Do it", BEN))["text"]

    await room.presses("👤 Customer", BEN)
    await room.presses("✅ Unblock", BEN)
    late = data_of(await room.says("he is sorry", BEN), "✅ Do it")
    room.world.clock.advance(DRAFT_LIFE)
    assert "too long ago" in (await presses_data(room, late))["text"]
    assert "too long ago" in (await presses_data(room, data_of(will, "✅ Do it")))["text"]
    assert "Use the buttons" in (await room.says("as usual", BEN))["text"]
    assert [line[1] for line in await audit(room) if line[1] != "customer.open"] == [
        "customer.block"
    ]


async def test_what_was_canceled_is_not_told_as_done(room: ChatRoom) -> None:
    anna, _ = await a_sale(room)
    await room.says(f"/admin {anna}", BEN)
    await room.presses("🚫 Block", BEN)
    do_it = data_of(await room.says("spammed us", BEN), "✅ Do it")
    assert "Nothing was done" in (await room.presses("Cancel", BEN))["text"]

    assert "This press did nothing" in (await presses_data(room, do_it))["text"]
    assert "Use the buttons" in (await room.says("as usual", BEN))["text"]
    assert "customer.block" not in [line[1] for line in await audit(room)]


async def test_whoever_has_a_role_is_not_shut_out(room: ChatRoom) -> None:
    anna, _ = await a_sale(room)
    await grants(room, Role.OWNER, ANNA)
    await room.says(f"/admin {anna}", BEN)
    await room.presses("🚫 Block", BEN)
    assert "take the role first" in (await room.says("a coup", BEN))["text"]


async def test_who_looks_at_a_person_leaves_one_line_a_day(room: ChatRoom) -> None:
    anna, started = await a_sale(room, Role.SUPPORT)
    for sought in (anna, started.purchase.id, f"telegram:{ANNA}"):
        await room.says(f"/admin {sought}", BEN)
    await room.presses("❓ Why", BEN)
    assert await audit(room) == [(f"telegram:{BEN}", "customer.open", anna, "looked at")]

    room.world.clock.advance(timedelta(days=1))
    await room.says(f"/admin {anna}", BEN)
    assert len(await audit(room)) == 2


async def test_names_are_found_and_turn_nothing_round(room: ChatRoom) -> None:
    room.rules.set_profile(ANNA, {"first_name": "<b>\u202eАня"})
    await a_sale(room)
    page = await room.says("/admin @nobody", BEN)
    assert "Nothing is known" in page["text"]
    page = await room.says("/admin <B>а", BEN)
    assert "\u2068<b>Аня" in page["text"]
    assert "\u202e" not in page["text"]


async def everything_waits(room: ChatRoom) -> None:
    """Withdrawals, cases of a purchase, a notice that was given up, and broadcasts in every state."""
    anna, started = await a_sale(room, Role.OWNER)
    world = room.world
    facts = {"purchase": started.purchase.id, "why": "<i>odd</i>"}
    for number in range(10):
        at = world.clock() + timedelta(seconds=number)
        cause = f"charge <b>{number}"
        case = Case(f"case {cause}", CaseKind.MISMATCH, cause, at, facts, anna)
        await written(world.store, lambda uow, it=case: uow.open_case(it))  # type: ignore[misc]
        id_ = WithdrawalId(f"wd_{number}")
        asked = a_requested_withdrawal(id=id_, customer_id=anna, payout_id=None, due_at=None)
        await written(world.store, lambda uow, it=asked: uow.withdrawals.add(it))  # type: ignore[misc]
    failed = an_inbox_item(status=InboxStatus.FAILED, result="no_such_payment")
    await written(world.store, lambda uow: uow.inbox.take(failed))
    for number in range(10):
        status = list(BroadcastStatus)[number % len(BroadcastStatus)]
        started_at = None if status is BroadcastStatus.DRAFT else NOON
        draft = BroadcastDraft({"en": "<b>" * 1300, "ru": "Скидка"}, plan=PlanCode("PRO_MONTHLY"))
        at, id_ = world.clock() + timedelta(seconds=number), BroadcastId(f"brd_{number}")
        one = Broadcast(id_, draft, at, "olga", status, started_at, expected=9, taken=5, failed=1)
        await written(world.store, lambda uow, it=one: uow.broadcasts.add(it))  # type: ignore[misc]


def is_whole(screen: dict[str, Any]) -> bool:
    """In words, within Telegram's bounds, and with a way on."""
    buttons = [button for row in screen["buttons"] for button in row]
    texts = [screen["text"], *(button["text"] for button in buttons)]
    keys = r"\b(?:admin|button|error|case|role|wallet|trouble)\.[a-z_]+\b"
    assert [text for text in texts if re.search(keys, text) or "{" in text] == []
    assert len(screen["text"]) <= 4096
    return bool(buttons)


@pytest.mark.parametrize("who", [BEN, ANNA], ids=["en", "ru"])
async def test_every_admin_screen_speaks_its_language_and_leads_on(
    room: ChatRoom, who: int
) -> None:
    await everything_waits(room)
    await grants(room, Role.OWNER, who)
    home = await room.says("/admin", who)
    waiting = [data_of(home, one) for one in labels(home)]
    waiting += [press("acust", await room.customer(ANNA)), press("acust", await room.customer(BEN))]
    seen: dict[str, dict[str, Any]] = {}
    while waiting:
        data = waiting.pop()
        if data in seen:
            continue
        room.world.clock.advance(seconds=1)  # Telegram counts what one chat is sent.
        seen[data] = screen = await presses_data(room, data, who)
        assert room.owed() == 0, data
        assert is_whole(screen), f"a dead end at {data}"
        told = [b["callback_data"] for row in screen["buttons"] for b in row]
        waiting += [one for one in told if one.split(":")[1] in VERBS]
    verbs = {data.split(":")[1] for data in seen}
    # A broadcast is written, in both languages, in `test_admin_broadcasts`.
    assert verbs >= set(VERBS) - {"ado", "askip", "aplan", "asegment"}
    assert {one.status for one in room.world.store.tables.inbox.rows.values()} == {
        InboxStatus.DONE,
        InboxStatus.FAILED,
    }


async def test_a_case_is_closed_and_a_notice_asked_about_again(room: ChatRoom) -> None:
    await everything_waits(room)
    home = await room.says("/admin", BEN)
    assert "Open cases: 10" in home["text"]
    await room.presses("❗ Cases", BEN)
    first = next(one for one in labels(room.screen(BEN)) if one.startswith("another sum"))
    await room.presses(first, BEN)
    await room.presses("✅ Close the case", BEN)
    await room.says("talked to her", BEN)
    await room.presses("✅ Do it", BEN)
    assert len(await room.world.cases()) == 9

    await presses_data(room, press("anotices"))
    [notice] = [one for one in labels(room.screen(BEN)) if "yookassa" in one]
    await room.presses(notice, BEN)
    await room.presses("🔄 Ask again", BEN)
    await room.says("mended it", BEN)
    await room.presses("✅ Do it", BEN)

    await presses_data(room, press("adeed", "off", "sales"))
    await room.says("prices are wrong", BEN)
    await room.presses("✅ Do it", BEN)
    done = [line[1:3] for line in await audit(room) if line[1] != "customer.open"]
    assert [action for action, _ in done] == ["case.close", "notice.replay", "switch.off"]


@pytest.mark.parametrize(("who", "well"), [(BEN, "All is well"), (ANNA, "Всё работает")])
async def test_the_desk_says_whether_all_is_well_and_if_not_why(
    room: ChatRoom, who: int, well: str
) -> None:
    await room.says("/start", who)
    await grants(room, Role.SUPPORT, who)
    for screen in (await room.says("/admin", who), await presses_data(room, press("adoors"), who)):
        assert well in screen["text"]

    await written(room.world.store, lambda uow: uow.jobs.enqueue(a_job(run_at=room.world.clock())))
    stopped = Case("case 1", CaseKind.SAFETY, "c", NOON, {"switch": "payouts", "why": "9 > <5>"})
    await written(room.world.store, lambda uow: uow.open_case(stopped))
    await room.world.billing.turn_switch("payouts", is_on=False, deed=Deed(BILLHOOK, "9 > <5>"))
    room.world.clock.advance(timedelta(minutes=3))

    for screen in (await room.says("/admin", who), await presses_data(room, press("adoors"), who)):
        assert well not in screen["text"]
        assert "180" in screen["text"], "seconds that a job waits"
        assert "payouts" in screen["text"]
        assert "9 > <5>" in screen["text"]
        assert is_whole(screen)


async def test_how_the_gateways_and_telegram_stand(room: ChatRoom) -> None:
    await everything_waits(room)
    await room.world.billing.turn_switch("gateway:yookassa", is_on=False, deed=WHY)
    room.around = replace(room.around, webhook_info=room.bot.get_webhook_info)
    room.starts_again()

    told = await presses_data(room, press("adoors"))
    assert "yookassa: switched off" in told["text"]
    assert "All notices are worked off" in told["text"]
    assert "Telegram holds updates for us: 1" in told["text"], "this press itself"

    async def cut(method: str) -> None:
        if method == "getWebhookInfo":
            raise NetworkError("away")

    room.network.on_the_way = cut
    assert "could not be asked" in (await presses_data(room, press("adoors")))["text"]
