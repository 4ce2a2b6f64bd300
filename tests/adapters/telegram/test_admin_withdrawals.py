"""Withdrawals in the operators' chat: which wait and why, and what is decided once, by who may."""

from dataclasses import replace

import pytest

from adapters.telegram.screens import press
from core.domain.operator import Role
from core.domain.payout import PayoutAccount
from core.domain.withdrawal import Withdrawal, WithdrawalStatus
from tests.adapters.telegram.chat_room import ANNA, BEN, ChatRoom, labels
from tests.adapters.telegram.test_admin import (
    WHY,
    audit,
    data_of,
    grants,
    is_whole,
    presses_data,
    tg,
)
from tests.builders import rub
from tests.contracts.units import written
from tests.market import ACCOUNT, held, opens_market, proves, status, withdraws

CARL = 33
BANK = PayoutAccount("bank_bdo", "001234567890", "JUAN DELA CRUZ")


@pytest.fixture
async def desk(room: ChatRoom) -> ChatRoom:
    """Ben and Carl work here; Anna has 3000 roubles, and may have 500 of them at once."""
    await opens_market(room.world)
    for who in (ANNA, BEN, CARL):
        await room.says("/start", who)
    await grants(room, Role.MANAGER)
    await grants(room, Role.OWNER, CARL)
    await room.world.deposits(await room.customer(ANNA), rub(3000))
    return room


async def asks(
    room: ChatRoom, roubles: int, account: PayoutAccount = ACCOUNT, who: int = ANNA
) -> Withdrawal:
    customer = await room.customer(who)
    method = await proves(room.world, customer, account)
    return await withdraws(room.world, customer, method, rub(roubles))


async def decides(room: ChatRoom, one: Withdrawal, label: str, why: str = "I know her") -> str:
    """As far as the confirmation; what "Do it" would press."""
    await presses_data(room, press("awithdrawal", one.id))
    assert "Why?" in (await room.presses(label, BEN))["text"]
    return data_of(await room.says(why, BEN), "✅ Do it")


async def test_what_waits_is_shown_with_whose_it_is_how_old_and_why(desk: ChatRoom) -> None:
    above = await asks(desk, 600)
    await asks(desk, 200)
    await asks(desk, 200)
    desk.world.clock.advance(hours=3)
    home = await desk.says("/admin", BEN)
    assert "wait for a person: 2" in home["text"]

    listed = await desk.presses("💸 Withdrawals", BEN)
    first, second, *_ = labels(listed)
    assert (
        first.replace("\xa0", "")
        == "RUB600.00 · 3 h 0 min · \u2068Anna\u2069 @anna_demo · gcash ••••4567"
    )
    assert "200.00" in second
    told = await desk.presses(first, BEN)
    for words in (above.id, "600.00", "Anna", "gcash ••••4567, by yookassa", "3 h 0 min ago"):
        assert words in told["text"]
    assert "more than RUB\xa0500.00 in one withdrawal" in told["text"]
    assert ACCOUNT.number not in told["text"]
    await desk.presses("Back", BEN)
    day = await desk.presses(second, BEN)
    assert "RUB\xa0900.00 within a day" in day["text"]
    lines = [line for line in await audit(desk) if line[1] == "customer.open"]
    assert lines == [(f"telegram:{BEN}", "customer.open", above.customer_id, "looked at")]


async def test_what_is_let_go_leaves_once_and_says_who_let_it(desk: ChatRoom) -> None:
    one = await asks(desk, 600)
    do_it = await decides(desk, one, "✅ Let it go")
    will = desk.screen(BEN)["text"]
    assert "600.00" in will
    assert "gcash ••••4567, by yookassa" in will
    assert await status(desk.world, one.customer_id, one) is WithdrawalStatus.HELD

    assert "Done" in (await presses_data(desk, do_it))["text"]
    assert "done already" in (await presses_data(desk, do_it))["text"]
    await desk.world.sweeps()

    assert len(desk.world.gateway.payouts) == 1
    assert [line for line in await audit(desk) if line[1] != "customer.open"] == [
        (f"telegram:{BEN}", "withdrawal.approve", one.id, "I know her")
    ]
    told = await desk.presses("💸 Withdrawal", BEN)
    assert "will say what became of it" in told["text"]
    assert "✅ Let it go" not in labels(told)
    assert "No withdrawal waits" in (await desk.presses("Back", BEN))["text"]
    assert await desk.world.cases() == []


async def test_what_is_refused_is_the_customers_again_who_is_told(desk: ChatRoom) -> None:
    one = await asks(desk, 600)
    do_it = await decides(desk, one, "🚫 Refuse", "not your card")
    assert "may be shown to the customer" in desk.screen(BEN)["text"]
    await presses_data(desk, do_it)
    await desk.world.sweeps()

    assert await desk.world.cash(one.customer_id) == {"RUB": 300_000}
    assert "снова в вашем кошельке" in desk.screen(ANNA)["text"]
    assert desk.world.gateway.payouts == {}
    assert "not your card" in (await desk.presses("💸 Withdrawal", BEN))["text"]


async def test_what_no_gateway_sends_is_sent_by_hand_and_said_so(desk: ChatRoom) -> None:
    one = await asks(desk, 600, BANK)
    do_it = await decides(desk, one, "✅ Let it go")
    assert "bank_bdo ••••7890, by hand" in desk.screen(BEN)["text"]
    assert "Now send it by hand" in (await presses_data(desk, do_it))["text"]
    told = await desk.presses("💸 Withdrawal", BEN)
    assert "to be sent by hand" in told["text"]
    assert labels(told)[:2] == ["📨 It was sent", "🚫 Refuse"]

    await presses_data(desk, await decides(desk, one, "📨 It was sent", "by my own bank"))

    assert await status(desk.world, one.customer_id, one) is WithdrawalStatus.DONE
    assert await held(desk.world, one.customer_id) == 0
    assert await desk.world.cases() == []


async def test_a_payout_out_of_sight_is_ended_by_a_persons_word(desk: ChatRoom) -> None:
    one = await asks(desk, 400)
    lost = replace(
        (await desk.world.billing.show_waiting_withdrawals.one(one.id)).withdrawal, due_at=None
    )
    await written(desk.world.store, lambda uow: uow.withdrawals.save(lost))

    told = await presses_data(desk, press("awithdrawal", one.id))
    assert "did the money leave?" in told["text"]
    await presses_data(desk, await decides(desk, one, "🚫 Refuse", "it never left"))
    assert await status(desk.world, one.customer_id, one) is WithdrawalStatus.FAILED


async def test_nobody_lets_their_own_money_go(desk: ChatRoom) -> None:
    await desk.world.deposits(await desk.customer(BEN), rub(1000))
    one = await asks(desk, 600, who=BEN)
    await presses_data(desk, press("awithdrawal", one.id))
    for label in ("✅ Let it go", "🚫 Refuse"):
        assert "another operator" in (await desk.presses(label, BEN))["text"]
        await presses_data(desk, press("awithdrawal", one.id))

    draft = await desk.world.billing.drafting.begin(tg(BEN), "approve", one.id)
    draft = await desk.world.billing.drafting.answer(draft, "reason", "I like it")
    assert "another operator" in (await presses_data(desk, press("ado", draft.id)))["text"]
    assert await status(desk.world, one.customer_id, one) is WithdrawalStatus.HELD


async def test_what_another_decided_first_is_not_told_as_done(desk: ChatRoom) -> None:
    one = await asks(desk, 600)
    late = await decides(desk, one, "✅ Let it go")
    await desk.world.billing.approve_withdrawal(one.id, deed=WHY)

    told = await presses_data(desk, late)
    assert "another state by now" in told["text"]
    assert "💸 Withdrawal" in labels(told)
    assert [line for line in await audit(desk) if line[1] == "withdrawal.approve"] == []
    assert "This press did nothing" in (await presses_data(desk, late))["text"]

    # The button that was drawn before says so at once.
    stale = await presses_data(desk, press("adeed", "approve", one.id))
    assert "another state by now" in stale["text"]
    assert await status(desk.world, one.customer_id, one) is WithdrawalStatus.REQUESTED


@pytest.mark.parametrize(
    "data",
    [
        press("awithdrawal", "wd_none"),
        press("awithdrawal", "x"),
        press("adeed", "approve", "wd_none"),
        press("adeed", "done", "wd_none"),
    ],
)
async def test_a_forged_button_says_that_there_is_no_such_thing(desk: ChatRoom, data: str) -> None:
    told = await presses_data(desk, data)
    assert "no such withdrawal" in told["text"]
    assert labels(told)


async def test_a_forged_deed_of_another_kind_moves_nothing(desk: ChatRoom) -> None:
    one = await asks(desk, 600)
    for deed in ("cash", "done", "refund"):
        told = await presses_data(desk, press("adeed", deed, one.id))
        assert "another state by now" in told["text"]
    await presses_data(desk, press("adeed", "approve", "pur_1"))
    assert "no such withdrawal" in (await desk.says("because", BEN))["text"]


async def test_support_sees_none_and_a_role_that_was_lost_decides_nothing(desk: ChatRoom) -> None:
    one = await asks(desk, 600)
    do_it = await decides(desk, one, "✅ Let it go")
    await grants(desk, Role.SUPPORT)

    assert "role does not let you" in (await presses_data(desk, do_it))["text"]
    home = await desk.says("/admin", BEN)
    assert "💸 Withdrawals" not in labels(home)
    for data in (press("awithdrawals"), press("awithdrawal", one.id)):
        assert "out of date" in (await presses_data(desk, data))["text"]
    told = await presses_data(desk, press("adeed", "approve", one.id))
    assert "role does not let you" in told["text"]
    await desk.says("/admin", BEN)
    await desk.presses("❗ Cases", BEN)
    [case] = [one for one in labels(desk.screen(BEN)) if one.startswith("a withdrawal")]
    assert "💸 Withdrawal" not in labels(await desk.presses(case, BEN))
    assert await status(desk.world, one.customer_id, one) is WithdrawalStatus.HELD


async def test_a_case_leads_to_its_withdrawal_which_waits_however_that_is_closed(
    desk: ChatRoom,
) -> None:
    one = await asks(desk, 600)
    await desk.says("/admin", BEN)
    await desk.presses("❗ Cases", BEN)
    [case] = [line for line in labels(desk.screen(BEN)) if line.startswith("a withdrawal")]
    await desk.presses(case, BEN)
    assert one.id in (await desk.presses("💸 Withdrawal", BEN))["text"]

    await desk.world.billing.close_case(f"withdrawal {one.id}", deed=WHY)
    told = await presses_data(desk, press("awithdrawals"))
    assert any("600.00" in label for label in labels(told))


async def test_while_payouts_are_off_it_is_said_that_nothing_leaves(desk: ChatRoom) -> None:
    one = await asks(desk, 600)
    await desk.world.billing.turn_switch("payouts", is_on=False, deed=WHY)
    for data in (press("awithdrawals"), press("awithdrawal", one.id)):
        assert "Payouts are switched off" in (await presses_data(desk, data))["text"]

    await presses_data(desk, await decides(desk, one, "✅ Let it go"))
    await desk.world.sweeps()
    assert desk.world.gateway.payouts == {}
    told = await presses_data(desk, press("awithdrawal", one.id))
    assert "its gateway is asked to send it" in told["text"]
    await presses_data(desk, await decides(desk, one, "🚫 Refuse"))
    assert await status(desk.world, one.customer_id, one) is WithdrawalStatus.FAILED


@pytest.mark.parametrize(
    ("label", "account"),
    [
        ("✅ Одобрить", ACCOUNT),
        ("✅ Одобрить", BANK),
        ("🚫 Отклонить", ACCOUNT),
        ("📨 Отправлено", BANK),
    ],
)
async def test_every_step_is_told_in_russian_too(
    desk: ChatRoom, label: str, account: PayoutAccount
) -> None:
    await grants(desk, Role.OWNER, ANNA)
    await desk.world.deposits(await desk.customer(BEN), rub(1000))
    one = await asks(desk, 600, account, who=BEN)
    if label == "📨 Отправлено":
        await desk.world.billing.approve_withdrawal(one.id, deed=WHY)

    screens = [await presses_data(desk, press("awithdrawals"), ANNA)]
    screens.append(await presses_data(desk, press("awithdrawal", one.id), ANNA))
    screens.append(await desk.presses(label, ANNA))
    screens.append(await desk.says("всё в порядке", ANNA))
    screens.append(await desk.presses("✅ Выполнить", ANNA))

    assert all(map(is_whole, screens))
    assert "всё в порядке" in screens[-1]["text"]
