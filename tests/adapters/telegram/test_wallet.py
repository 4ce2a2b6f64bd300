"""The wallet in the chat: what is in it, money for it, paying from it, what moved."""

import ast
import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.persistence.memory import MemoryStore
from adapters.telegram.wallet import WHAT
from core.domain.audit import Deed
from core.domain.money import Money
from core.domain.money_terms import DepositTerms, MoneyTerms
from core.domain.purchase import PurchaseStatus
from core.use_cases.consequences import consequences
from tests.adapters.gateways.served import a_stage
from tests.adapters.gateways.telegram_desk import a_telegram_desk
from tests.adapters.telegram.chat_room import ANNA, BEN, ChatRoom, forged, labels, link
from tests.builders import Clock, rub

CORE = Path(__file__).parents[3] / "core"
STARS = Money.of(250, "XTR")
UNREAD = "I cannot make out this sum"


async def orders(room: ChatRoom, who: int = BEN) -> list[tuple[str, PurchaseStatus]]:
    found = await room.world.billing.show_purchases.page(await room.customer(who), limit=20)
    return [(str(one.purchase.amount), one.purchase.status) for one in found]


async def pays(room: ChatRoom, screen: dict) -> None:
    """At the page behind the button, and the gateway's webhook comes."""
    payment_id = link(screen).rpartition("/")[2]
    room.world.gateway.pay(payment_id)
    await room.world.hears(payment_id)


async def deposits(room: ChatRoom, amount: Money, who: int = BEN) -> None:
    await room.says("/start", who)
    await room.world.deposits(await room.customer(who), amount)


async def owes(room: ChatRoom, amount: Money, who: int = BEN) -> None:
    """As after something was taken back that was not there any more."""
    await room.world.billing.adjust_wallet(
        await room.customer(who),
        -amount,
        account="cash",
        deed=Deed("ann", "paid twice"),
        cause=room.world.cause(),
    )


async def gets_bonus(room: ChatRoom, amount: Money, who: int = BEN) -> None:
    deed = Deed("ann", "sorry")
    await room.world.billing.adjust_wallet(
        await room.customer(who), amount, account="bonus", deed=deed, cause=room.world.cause()
    )


async def at_the_order_from_the_wallet(room: ChatRoom) -> dict:
    await room.says("/start p_PRO_MONTHLY", BEN)
    await room.presses("Choose", BEN)
    return await room.presses("From the wallet", BEN)


async def test_money_is_added_by_a_typed_sum(any_room: ChatRoom) -> None:
    room = any_room
    await room.says("/start", BEN)
    empty = await room.presses("Wallet", BEN)
    assert "In your wallet: RUB\u00a00.00" in empty["text"]
    choice = await room.presses("Add money", BEN)
    assert choice["text"].endswith("such as 100.")
    assert "From RUB\u00a01.00 to RUB\u00a0100,000.00" in choice["text"]
    ways = await room.says("500.50", BEN)
    assert "Add RUB\u00a0500.50 to your wallet" in ways["text"]
    assert labels(ways)[0] == "Card or SBP · RUB\u00a0500.50"

    pay = await room.presses("Card or SBP", BEN)
    assert "money for the wallet, RUB\u00a0500.50" in pay["text"]
    await pays(room, pay)

    receipt = room.screen(BEN)
    assert "Paid RUB\u00a0500.50" in receipt["text"]
    assert "In your wallet: RUB\u00a0500.50" in receipt["text"]
    after = await room.presses("Wallet", BEN)
    assert after["id"] != receipt["id"], "a receipt stays"
    assert "In your wallet: RUB\u00a0500.50" in after["text"]
    assert await orders(room) == [("500.50 RUB", PurchaseStatus.PAID)]


async def test_a_round_sum_needs_no_typing(room: ChatRoom) -> None:
    await room.says("/start", ANNA)
    await room.presses("Кошелёк")
    await room.presses("Пополнить")
    ways = await room.presses("500,00")
    assert "Пополнить кошелёк на 500,00 ₽" in ways["text"].replace("\xa0", " ")
    assert link(await room.presses("Карта или СБП"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0", "RUB\u00a00.00 is less than can be added"),
        ("0.99", "RUB\u00a00.99 is less than can be added"),
        ("100000.01", "RUB\u00a0100,000.01 is more than can be added at once"),
        ("-5", UNREAD),
        ("1e3", UNREAD),
        ("1,000", UNREAD),
        ("500.505", UNREAD),
        ("9" * 40, UNREAD),
        ("10000000000000", "is more than can be added at once"),
        ("10000000000000.01", UNREAD),
        ("500.5 XTR", UNREAD),
        ("500 <b>", UNREAD),
        ("5\u202e00", UNREAD),
        ("500 USD", "the wallet takes no such currency here"),
    ],
)
async def test_a_sum_that_is_not_taken_is_answered_with_the_bounds(
    room: ChatRoom, text: str, says: str
) -> None:
    shown = await room.says(text, BEN)
    assert says in shown["text"]
    assert "From RUB\u00a01.00 to RUB\u00a0100,000.00" in shown["text"]
    assert await orders(room) == []


async def test_two_taps_are_one_deposit(any_room: ChatRoom) -> None:
    room = any_room
    await room.says("500", BEN)
    for _ in range(2):
        room.rules.press(BEN, "Card or SBP", at=room.world.clock())
    told = room.rules.updates.fetched(0, 100, at=room.world.clock())

    await asyncio.gather(*(room.chat.hear(one) for one in told), return_exceptions=True)
    await room.delivers()

    assert await orders(room) == [("500.00 RUB", PurchaseStatus.PENDING)]
    assert len(room.world.gateway.payments) == 1


@pytest.mark.parametrize(
    "data",
    [
        "v1:put:0_RUB:yookassa",
        "v1:put:99_RUB:yookassa",
        "v1:put:10000001_RUB:yookassa",
        "v1:put:9999999999999999_RUB:yookassa",
        "v1:put:-50000_RUB:yookassa",
        "v1:put:50000_USD:yookassa",
        "v1:put:50000_GOLD:yookassa",
        "v1:put:50000_RUB:wallet",
        "v1:put:50000_RUB:nobody",
        "v1:put:50000:yookassa",
        "v1:ways:-1_RUB",
        "v1:ways:99999999999999999_RUB",
        "v1:sums:GOLD",
        "v1:history:cash_GOLD:0",
        "v1:history:revenue_RUB:0",
        "v1:history:cash_RUB:-1",
        "v1:history:cash_RUB:9999999999999999999",
        "v1:way:PRO_MONTHLY:nobody",
        "v1:way:NOTHING:yookassa",
        "v1:way:FREE:wallet",
    ],
)
async def test_a_forged_button_moves_no_money(room: ChatRoom, data: str) -> None:
    await room.says("/start", BEN)
    await room.chat.hear(forged(room, data))
    assert room.owed() == 1, "answered, which Telegram only has to be told"
    answer = room.screen(BEN)
    assert labels(answer), "no dead end"
    assert "broke" not in answer["text"]
    assert await orders(room) == []
    assert not room.world.gateway.payments


async def test_a_sum_of_ones_own_within_the_bounds_is_a_choice(room: ChatRoom) -> None:
    await room.says("/start", BEN)
    await room.chat.hear(forged(room, "v1:put:12345_RUB:yookassa"))
    assert "RUB\u00a0123.45" in room.screen(BEN)["text"]
    assert await orders(room) == [("123.45 RUB", PurchaseStatus.PENDING)]


async def test_inside_telegram_nothing_is_taken_without_the_operators_word(room: ChatRoom) -> None:
    wanted = room.world.wanted()
    chat = replace(wanted.chat, other_gateways=False)
    await room.world.billing.apply_catalog(replace(wanted, chat=chat))
    await room.says("/start", BEN)
    shown = await room.presses("Wallet", BEN)
    assert "no way to add money here" in shown["text"]
    assert "Add money" not in labels(shown)

    for data in ("v1:deposit", "v1:sums:RUB", "v1:ways:50000_RUB", "v1:put:50000_RUB:yookassa"):
        await room.chat.hear(forged(room, data))
        assert "no way to add money here" in room.screen(BEN)["text"]
    assert "/plans, /status" in (await room.says("500", BEN))["text"], "a number means nothing then"
    assert await orders(room) == []


async def test_a_wallet_that_takes_nothing_is_shown_once_there_is_something(room: ChatRoom) -> None:
    await room.world.billing.apply_catalog(replace(room.world.wanted(), money=MoneyTerms()))
    assert "Wallet" not in labels(await room.says("/start", BEN))
    await gets_bonus(room, rub(10))
    assert "Wallet" in labels(await room.says("/start", BEN))
    shown = await room.presses("Wallet", BEN)
    assert "Bonus: RUB\u00a010.00" in shown["text"]
    assert "Add money" not in labels(shown)


async def test_a_gateway_that_is_away_loses_no_deposit(room: ChatRoom) -> None:
    await room.says("500", BEN)
    room.world.gateway.act_then_fail()
    assert "your order is kept" in (await room.presses("Card or SBP", BEN))["text"]
    assert link(await room.presses("Try again", BEN))
    assert len(room.world.gateway.payments) == 1


async def test_a_plan_is_paid_from_the_wallet_after_a_second_tap(any_room: ChatRoom) -> None:
    room = any_room
    await deposits(room, rub(500))
    await room.says("/start p_PRO_MONTHLY", BEN)
    ways = await room.presses("Choose", BEN)
    assert labels(ways)[:2] == [
        "Card or SBP · RUB\u00a0299.00",
        "From the wallet · RUB\u00a0299.00",
    ]
    confirm = await room.presses("From the wallet", BEN)
    assert "from your wallet at once" in confirm["text"]
    assert len(await orders(room)) == 1, "only the deposit so far"
    for _ in range(2):
        room.rules.press(BEN, "Pay RUB\u00a0299.00 from the wallet", at=room.world.clock())

    await room.delivers()
    await room.world.pump.drain()

    assert sorted(await orders(room)) == [
        ("299.00 RUB", PurchaseStatus.PAID),
        ("500.00 RUB", PurchaseStatus.PAID),
    ]
    assert await room.world.cash(await room.customer(BEN)) == {"RUB": 20100}
    receipt = room.screen(BEN)["text"]
    assert "Paid RUB\u00a0299.00" in receipt
    assert "In your wallet: RUB\u00a0201.00" in receipt


async def test_what_is_missing_is_added_and_the_order_completes_by_itself(
    any_room: ChatRoom,
) -> None:
    room = any_room
    await deposits(room, rub(100))
    await room.says("/start p_PRO_MONTHLY", BEN)
    for press in ("Choose", "From the wallet"):
        assert "RUB\u00a0199.00 more is needed" in (await room.presses(press, BEN))["text"]
    waits = await room.presses("Order for", BEN)
    assert "RUB\u00a0199.00 more is needed" in waits["text"]
    assert (await orders(room))[0] == ("299.00 RUB", PurchaseStatus.PENDING)

    await room.presses("Add RUB\u00a0199.00", BEN)
    await pays(room, await room.presses("Card or SBP", BEN))

    assert await room.world.plan(await room.customer(BEN)) == "PRO_MONTHLY"
    assert await room.world.cash(await room.customer(BEN)) == {}
    told = [one["text"] for one in room.messages(BEN) if "Paid RUB\u00a0" in one["text"]]
    assert any("Paid RUB\u00a0199.00" in one for one in told)
    assert any("Paid RUB\u00a0299.00" in one for one in told)


async def test_of_what_is_missing_a_debt_is_a_part(room: ChatRoom) -> None:
    await room.says("/start", BEN)
    await gets_bonus(room, rub(99))
    await owes(room, rub(50))
    shown = await room.says("/wallet", BEN)
    assert "You owe: RUB\u00a050.00" in shown["text"]
    await at_the_order_from_the_wallet(room)
    waits = await room.presses("Order for", BEN)
    assert "RUB\u00a0250.00 more is needed" in waits["text"]

    await room.presses("Add RUB\u00a0250.00", BEN)
    await pays(room, await room.presses("Card or SBP", BEN))

    assert await room.world.plan(await room.customer(BEN)) == "PRO_MONTHLY"


async def test_where_less_cannot_be_added_the_least_is_offered(room: ChatRoom) -> None:
    wanted = room.world.wanted()
    terms = DepositTerms(bounds=((rub(200), rub(1000)),))
    await deposits(room, rub(298))
    await room.world.billing.apply_catalog(replace(wanted, money=MoneyTerms(deposit=terms)))
    await at_the_order_from_the_wallet(room)
    waits = await room.presses("Order for", BEN)
    assert "RUB\u00a01.00 more is needed" in waits["text"]
    assert "The least that can be added is RUB\u00a0200.00" in waits["text"]
    await room.presses("Add RUB\u00a0200.00", BEN)
    await pays(room, await room.presses("Card or SBP", BEN))
    assert await room.world.cash(await room.customer(BEN)) == {"RUB": 19900}


async def test_an_order_that_waits_may_be_paid_otherwise_or_given_up(room: ChatRoom) -> None:
    await deposits(room, rub(100))
    await at_the_order_from_the_wallet(room)
    await room.presses("Order for", BEN)
    await room.presses("Another way to pay", BEN)
    await room.presses("Card or SBP", BEN)
    await pays(room, await room.presses("Order for", BEN))
    assert await room.world.plan(await room.customer(BEN)) == "PRO_MONTHLY"
    assert await room.world.cash(await room.customer(BEN)) == {"RUB": 10000}, "the card paid it all"

    await at_the_order_from_the_wallet(room)
    await room.presses("Order for", BEN)
    await room.presses("Cancel the order", BEN)
    await deposits(room, rub(1000))
    assert await room.world.cash(await room.customer(BEN)) == {"RUB": 110000}


async def test_a_way_that_is_gone_is_not_ordered_by(room: ChatRoom) -> None:
    await room.says("/start p_PRO_MONTHLY", BEN)
    await room.presses("Choose", BEN)
    room.world.gateway.abilities = replace(room.world.gateway.abilities, bounds={})
    shown = await room.presses("Order for", BEN)
    assert "no way to pay for this here" in shown["text"]
    assert await orders(room) == []


async def test_the_history_turns_its_pages_both_ways(any_room: ChatRoom) -> None:
    room = any_room
    for roubles in range(1, 21):
        room.world.clock.advance(seconds=5)
        await deposits(room, rub(roubles))
    await room.says("/start", BEN)
    await room.presses("Wallet", BEN)

    first = await room.presses("History", BEN)
    assert "in your wallet now: RUB\u00a0210.00" in first["text"]
    assert sums(first) == [f"+RUB\u00a0{one}.00" for one in range(20, 12, -1)]
    assert "Newer" not in " ".join(labels(first))
    second = await room.presses("Older", BEN)
    assert sums(second) == [f"+RUB\u00a0{one}.00" for one in range(12, 4, -1)]
    await room.world.deposits(await room.customer(BEN), rub(21))
    room.rules.press(BEN, "Older", at=room.world.clock(), message_id=second["id"])
    await room.delivers()
    last = next(one for one in room.messages(BEN) if one["id"] == second["id"])
    assert sums(last) == ["+RUB\u00a04.00", "+RUB\u00a03.00", "+RUB\u00a02.00", "+RUB\u00a01.00"], (
        "it stays itself"
    )
    assert "Older" not in " ".join(labels(last))
    room.rules.press(BEN, "‹ Newer", at=room.world.clock(), message_id=second["id"])
    await room.delivers()
    back = next(one for one in room.messages(BEN) if one["id"] == second["id"])
    assert sums(back) == sums(second)


async def test_the_history_says_in_words_what_it_was(room: ChatRoom) -> None:
    await deposits(room, rub(500))
    await gets_bonus(room, rub(10))
    bought = await room.world.billing.start_purchase(
        await room.customer(BEN),
        "PRO_MONTHLY",
        return_url="",
        cause=room.world.cause(),
        gateway="wallet",
    )
    assert bought.purchase.status is PurchaseStatus.PAID
    shown = await room.says("/history", BEN)
    assert sums(shown) == ["−RUB\u00a0289.00", "+RUB\u00a0500.00"]
    assert "paid: PRO, one month" in shown["text"]
    assert "money added" in shown["text"]
    assert "10 Mar 2026" in shown["text"]

    bonus = await room.presses("Bonus", BEN)
    assert sums(bonus) == ["−RUB\u00a010.00", "+RUB\u00a010.00"]
    assert "set right by us" in bonus["text"]
    assert sums(await room.presses("Cash", BEN)) == sums(shown)


async def test_every_movement_of_a_wallet_has_words_of_its_own() -> None:
    moves = {"withdrawal", "withdrawal_failed", "payout_returned"}  # Of a table in the entity.
    for file in CORE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            name = getattr(getattr(node, "func", None), "attr", "")
            if isinstance(node, ast.Call) and name in {"transfer", "entry_of"}:
                said = ast.walk(node.args[1]) if len(node.args) > 1 else ()
                moves |= {one.value for one in said if isinstance(one, ast.Constant)}
    assert {"charge", "purchase", "escrow_release"} < moves
    assert moves - {"fee"} == set(WHAT), "a fee is the business's own"


async def test_what_the_operator_wrote_is_no_markup_in_money_screens(room: ChatRoom) -> None:
    wanted = room.world.wanted()
    title = {"en": "<b>PRO & \u202emore", "ru": "<i>"}
    plans = tuple(replace(one, titles=title) for one in wanted.plans)
    await room.world.billing.apply_catalog(replace(wanted, plans=plans))
    await deposits(room, rub(500))
    for press in ("Choose", "From the wallet", "Pay "):
        if press == "Choose":
            await room.says("/start p_PRO_MONTHLY", BEN)
        shown = await room.presses(press, BEN)
        assert "<b>PRO & \u202emore" in shown["text"]
    assert "paid: <b>PRO & \u202emore" in (await room.says("/history", BEN))["text"]


async def test_one_sees_nobody_elses_history(room: ChatRoom) -> None:
    await deposits(room, rub(500), ANNA)
    await room.says("/start", BEN)
    assert "Nothing yet" in (await room.says("/history", BEN))["text"]


def sums(screen: dict) -> list[str]:
    return [line.split(" · ")[1] for line in screen["text"].split("\n")[2:] if " · " in line]


@pytest.fixture
async def two_ways(now: Clock) -> AsyncIterator[ChatRoom]:
    """PRO costs 250 Stars too, and deposits are taken in both currencies."""
    async with a_stage() as stage, a_telegram_desk(stage, now, "telegram_stars") as desk:
        room = await ChatRoom(MemoryStore(consequences), desk).opens()
        await sells_for_stars(
            room, (rub(100), rub(1000)), (Money.of(50, "XTR"), Money.of(500, "XTR"))
        )
        room.world.gateway.abilities = replace(
            room.world.gateway.abilities, bounds={"RUB": (rub(1), rub(500))}
        )
        yield room


async def sells_for_stars(room: ChatRoom, *bounds: tuple[Money, Money]) -> None:
    wanted = room.world.wanted()
    plans = [
        replace(one, prices=(*one.prices, STARS), gateways=(), receipt=None)
        if one.code == "PRO_MONTHLY"
        else one
        for one in wanted.plans
    ]
    money = MoneyTerms(deposit=DepositTerms(bounds=bounds))
    await room.world.billing.apply_catalog(replace(wanted, plans=tuple(plans), money=money))


async def test_each_way_says_what_it_asks_for(two_ways: ChatRoom) -> None:
    room = two_ways
    await room.says("/start p_PRO_MONTHLY", BEN)
    ways = await room.presses("Choose", BEN)
    assert labels(ways)[:2] == ["Telegram Stars · 250\u00a0⭐", "Card or SBP · RUB\u00a0299.00"]
    by_stars = await room.presses("Telegram Stars", BEN)
    assert "To pay: 250\u00a0⭐" in by_stars["text"]
    assert link(await room.presses("Order for 250", BEN)).startswith("https://t.me/$")
    await room.presses("Another way", BEN)
    await room.presses("Card or SBP", BEN)
    await pays(room, await room.presses("Order for RUB\u00a0299.00", BEN))
    assert await room.world.plan(await room.customer(BEN)) == "PRO_MONTHLY"


async def test_stars_can_be_kept_in_the_wallet_too(two_ways: ChatRoom) -> None:
    room = two_ways
    await room.says("/start", BEN)
    await room.presses("Wallet", BEN)
    assert {"⭐", "RUB"} < set(labels(await room.presses("Add money", BEN)))
    choice = await room.presses("⭐", BEN)
    assert "such as 50 ⭐" in choice["text"]
    assert labels(await room.says("250 ⭐", BEN))[0] == "Telegram Stars · 250\u00a0⭐"
    slug = link(await room.presses("Telegram Stars", BEN)).partition("$")[2]

    room.rules.pay(slug, BEN, at=room.world.clock())
    await room.delivers()
    await room.delivers()
    await room.world.pump.drain()

    assert await room.world.cash(await room.customer(BEN)) == {"XTR": 250}
    assert "In your wallet: 250\u00a0⭐" in room.screen(BEN)["text"]


async def test_a_plan_renews_from_the_wallet_only_where_that_can_hold_its_money(
    two_ways: ChatRoom,
) -> None:
    room = two_ways
    await room.says("/start p_PRO_MONTHLY", BEN)
    await room.presses("Choose", BEN)
    await room.presses("Telegram Stars", BEN)
    slug = link(await room.presses("Order for 250", BEN)).partition("$")[2]
    room.rules.pay(slug, BEN, at=room.world.clock())
    await room.delivers()
    await room.delivers()
    await room.world.pump.drain()
    assert "Renew from the wallet" in labels(await room.says("/status", BEN))

    await sells_for_stars(room, (rub(100), rub(1000)))

    assert "Renew from the wallet" not in labels(await room.says("/status", BEN))


async def test_a_gateways_bounds_count_as_well(two_ways: ChatRoom) -> None:
    assert "From RUB\u00a0100.00 to RUB\u00a0500.00" in (await two_ways.says("501", BEN))["text"]
    assert labels(await two_ways.says("500", BEN))[0] == "Card or SBP · RUB\u00a0500.00"
