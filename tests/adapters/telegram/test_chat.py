"""The chat as its people meet it: what they send and press, and what they see."""

import asyncio
from dataclasses import replace

import pytest
from telegram.error import BadRequest

from adapters.catalog_file import catalog_from_file
from adapters.http.limits import LimitsAway, TooManyRequests
from adapters.telegram.drawing import COURTESY_SECONDS
from core.domain.payment import InboxStatus
from core.domain.purchase import PurchaseStatus
from core.use_cases.customers import Account
from tests.adapters.telegram.chat_room import ANNA, BEN, ChatRoom, labels, link
from tests.world import FITNESS


async def orders(room: ChatRoom, who: int = ANNA) -> list[PurchaseStatus]:
    found = await room.world.billing.show_purchases.page(await room.customer(who), limit=10)
    return [one.purchase.status for one in found]


async def ordered(room: ChatRoom, who: int = BEN) -> dict:
    """At the screen with the address to pay at."""
    await room.says("/start", who)
    await room.presses("Plans", who)
    await room.presses("PRO, one month", who)
    await room.presses("Choose", who)
    return await room.presses("Order for", who)


async def account(room: ChatRoom, who: int = ANNA) -> Account:
    return await room.world.me(await room.customer(who))


async def test_a_purchase_from_the_first_word_to_the_receipt(any_room: ChatRoom) -> None:
    room = any_room
    home = await room.says("/start", BEN)
    assert "Hi, Ben!" in home["text"]
    assert "3 photos left of 3" in home["text"]
    pay = await ordered(room)
    assert "$" not in pay["text"]
    assert link(pay).startswith("https://yookassa.invalid/")

    waiting = await room.presses("I have paid", BEN)
    assert "I do not see the money yet" in waiting["text"]
    payment_id = link(pay).rpartition("/")[2]
    room.world.gateway.pay(payment_id)
    paid = await room.presses("I have paid", BEN)
    assert "is paid" in paid["text"]
    assert paid["id"] == pay["id"], "one screen, edited in place"
    await room.world.pump.drain()

    receipt = room.screen(BEN)
    assert "Paid ₽299.00" in receipt["text"] or "Paid RUB" in receipt["text"]
    assert "PRO, one month until 10 Apr 2026, 12:00 MSK" in receipt["text"]
    status = await room.presses("My plan", BEN)
    assert "Unlimited photos" in status["text"]
    assert status["id"] != receipt["id"], "a receipt stays"
    assert await orders(room, BEN) == [PurchaseStatus.PAID]


async def test_the_order_tells_what_becomes_of_the_present_plan(room: ChatRoom) -> None:
    await room.says("/start", BEN)
    fresh = await room.says("/start p_PRO_MONTHLY", BEN)
    assert "₽299.00 for 1 month" in fresh["text"] or "RUB" in fresh["text"]
    confirm = await room.presses("Choose", BEN)
    assert "begins as soon as it is paid" in confirm["text"]
    assert "nothing renews by itself" in confirm["text"]
    await room.world.hears(room.world.pays(await room.world.buys(await room.customer(BEN))))
    await room.world.time_passes(days=15, hours=12)

    await room.says("/start p_PRO_MONTHLY", BEN)
    extends = await room.presses("Choose", BEN)
    assert "stays whole: the new time is added to its end" in extends["text"]
    assert "until 10 May 2026" in extends["text"]

    await room.says("/start p_PRO_YEARLY", BEN)
    replaces = await room.presses("Choose", BEN)
    assert "149.50 will return to your wallet" in replaces["text"]


async def test_who_has_a_plan_extends_it_with_one_press(room: ChatRoom) -> None:
    await room.says("/start", BEN)
    await room.world.hears(room.world.pays(await room.world.buys(await room.customer(BEN))))
    assert {"Extend", "Plans"} < set(labels(await room.says("/status", BEN)))
    assert "added to its end" in (await room.presses("Extend", BEN))["text"]


async def test_two_taps_are_one_order(any_room: ChatRoom) -> None:
    room = any_room
    await room.says("/start p_PRO_MONTHLY", BEN)
    await room.presses("Choose", BEN)
    for _ in range(2):
        room.rules.press(BEN, "Order for", at=room.world.clock())
    told = room.rules.updates.fetched(0, 100, at=room.world.clock())
    assert len(told) == 2

    await asyncio.gather(*(room.chat.hear(one) for one in told), return_exceptions=True)
    await room.delivers()

    assert await orders(room, BEN) == [PurchaseStatus.PENDING]
    assert len(room.world.gateway.payments) == 1


async def test_an_update_that_comes_again_changes_nothing(any_room: ChatRoom) -> None:
    room = any_room
    room.rules.send(ANNA, "/start", at=room.world.clock())
    [told] = room.rules.updates.fetched(0, 1, at=room.world.clock())
    await room.chat.hear(told)
    before = room.messages()

    await room.chat.hear(told)

    assert room.messages() == before


async def test_a_price_that_changed_is_shown_before_anything_is_agreed(room: ChatRoom) -> None:
    await room.says("/start p_PRO_MONTHLY", BEN)
    await room.presses("Choose", BEN)
    wanted = catalog_from_file(FITNESS)
    dearer = [
        replace(terms, prices=tuple(replace(p, amount_minor=39900) for p in terms.prices))
        for terms in wanted.plans
    ]
    await room.world.billing.apply_catalog(replace(wanted, plans=tuple(dearer)))

    shown = await room.presses("Order for", BEN)

    assert "has changed meanwhile" in shown["text"]
    assert "399.00" in shown["text"]
    assert await orders(room, BEN) == []
    assert "399.00" in (await room.presses("Order for", BEN))["text"]
    assert await orders(room, BEN) == [PurchaseStatus.PENDING]


async def test_an_old_screen_does_not_buy_what_was_bought_elsewhere(room: ChatRoom) -> None:
    await room.says("/start p_PRO_MONTHLY", BEN)
    await room.presses("Choose", BEN)
    await room.world.hears(room.world.pays(await room.world.buys(await room.customer(BEN))))
    confirm_id = next(m["id"] for m in room.messages(BEN) if m["buttons"])
    room.rules.press(BEN, "Order for", at=room.world.clock(), message_id=confirm_id)

    await room.delivers()

    shown = next(m for m in room.messages(BEN) if m["id"] == confirm_id)
    assert "has changed meanwhile" in shown["text"]
    assert "added to its end" in shown["text"]
    assert await orders(room, BEN) == [PurchaseStatus.PAID]


async def test_a_screen_of_yesterday_is_shown_anew_before_it_is_agreed_on(room: ChatRoom) -> None:
    await room.says("/start", BEN)
    await room.world.hears(room.world.pays(await room.world.buys(await room.customer(BEN))))
    await room.says("/start p_PRO_YEARLY", BEN)
    fresh = await room.presses("Choose", BEN)
    assert "299.00 will return" in fresh["text"]
    await room.world.time_passes(days=15, hours=12)

    shown = await room.presses("Order for", BEN)

    assert "has changed meanwhile" in shown["text"]
    assert "149.50 will return" in shown["text"]
    assert await orders(room, BEN) == [PurchaseStatus.PAID]
    assert link(await room.presses("Order for", BEN))


async def test_a_gateway_that_is_away_loses_no_order(room: ChatRoom) -> None:
    await room.says("/start p_PRO_MONTHLY", BEN)
    await room.presses("Choose", BEN)
    room.world.gateway.act_then_fail()
    away = await room.presses("Order for", BEN)
    assert "your order is kept" in away["text"]

    pay = await room.presses("Try again", BEN)

    assert link(pay)
    assert await orders(room, BEN) == [PurchaseStatus.PENDING]
    assert len(room.world.gateway.payments) == 1


async def test_help_leads_back_to_an_order_that_waits_to_be_paid(room: ChatRoom) -> None:
    pay = await ordered(room)
    assert "Plans" in labels(await room.presses("Home", BEN))
    await room.says("/paysupport", BEN)
    assert link(await room.presses("Order ", BEN)) == link(pay)
    await room.presses("Cancel the order", BEN)
    assert not [one for one in labels(await room.says("/help", BEN)) if one.startswith("Order ")]


async def test_a_gateway_that_declines_says_so(room: ChatRoom) -> None:
    await room.says("/start p_PRO_MONTHLY", BEN)
    await room.presses("Choose", BEN)
    room.world.gateway.decline()
    assert "refused this payment" in (await room.presses("Order for", BEN))["text"]
    assert link(await room.presses("Try again", BEN))


async def test_an_order_given_up_takes_nothing(room: ChatRoom) -> None:
    await ordered(room)
    given_up = await room.presses("Cancel the order", BEN)
    assert "is canceled" in given_up["text"]
    assert await orders(room, BEN) == [PurchaseStatus.CANCELED]
    assert "Plans" in labels(await room.presses("Home", BEN))


async def test_the_language_is_guessed_once_and_then_chosen(room: ChatRoom) -> None:
    assert "Здравствуйте, Anna!" in (await room.says("/start"))["text"]
    assert "На каком языке" in (await room.presses("Настройки"))["text"]
    english = await room.presses("English")
    assert "Your plan: Free" in english["text"]
    assert "Your plan: Free" in (await room.says("/start"))["text"], "Telegram still says ru"
    assert (await account(room)).standing.customer.language == "en"


async def test_a_name_is_said_and_never_read_as_markup(room: ChatRoom) -> None:
    room.rules.set_profile(BEN, {"first_name": "<b>&\u202e{price}"})
    home = await room.says("/start", BEN)
    assert "Hi, <b>&\u202e{price}!" in home["text"]
    assert "&lt;b&gt;&amp;" in home["html"]


async def test_what_the_operator_wrote_is_never_read_as_markup(room: ChatRoom) -> None:
    wanted = catalog_from_file(FITNESS)
    about = replace(wanted.chat, about={"en": "Meals < 5 kcal & more"}, support="<@us>")
    await room.world.billing.apply_catalog(replace(wanted, chat=about))
    assert "Meals < 5 kcal & more" in (await room.says("/start", BEN))["text"]
    assert "<@us>" in (await room.says("/help", BEN))["text"]


@pytest.mark.parametrize(
    ("code", "language"),
    [("pt-br", "pt"), ("zh-hans", "zh"), ("RU", "ru"), ("fil", "en"), ("", "en")],
)
async def test_the_first_guess_is_the_language_that_telegram_names(
    room: ChatRoom, code: str, language: str
) -> None:
    room.rules.set_profile(BEN, {"language_code": code})
    await room.says("/start", BEN)
    assert (await account(room, BEN)).standing.customer.language == language


@pytest.mark.parametrize(
    ("payload", "shows"),
    [
        ("", "Hi, Ben!"),
        ("p_PRO_YEARLY", "PRO, one year"),
        ("r_ABC-9__p_PRO_YEARLY", "PRO, one year"),
        ("r_ABC-9", "Hi, Ben!"),
        ("p_NOTHING", "This link has expired"),
        ("o_pur_00000000", "This link has expired"),
        ("x_unknown", "This link has expired"),
        ("p_" + "A" * 60, "This link has expired"),
        ("' OR 1=1--", "This link has expired"),
    ],
)
async def test_a_deep_link_leads_where_it_says(room: ChatRoom, payload: str, shows: str) -> None:
    assert shows in (await room.says(f"/start {payload}".strip(), BEN))["text"]


async def test_a_link_to_an_order_is_its_owners_alone(room: ChatRoom) -> None:
    await ordered(room)
    [mine] = await room.world.billing.show_purchases.page(await room.customer(BEN), limit=1)
    payload = f"/start o_{mine.purchase.id}"
    assert link(await room.says(payload, BEN))
    theirs = await room.says(payload, ANNA)
    nobodys = await room.says("/start o_pur_99999999", ANNA)
    assert theirs["text"] == nobodys["text"]
    assert "больше не действует" in theirs["text"]


@pytest.mark.parametrize(
    "data",
    [
        "v0:home",
        "v1:nothing",
        "v1:plan",
        "v1:buy:x",
        "home",
        "",
        "v1:plan:a:b:c",
        "v1:home:1",
        "🙂" * 16,
    ],
)
async def test_what_no_screen_sends_is_answered_with_how_things_are(
    room: ChatRoom, data: str
) -> None:
    await room.says("/start", BEN)
    await room.chat.hear(_pressed(room, data))
    assert "That screen was out of date" in room.screen(BEN)["text"]


@pytest.mark.parametrize(
    "data",
    ["v1:plan:NOTHING", "v1:order:pur_1", "v1:check:x", "v1:cancel:x", "v1:buy:0000:NOTHING"],
)
async def test_a_forged_button_gets_a_kind_word_and_moves_nothing(
    room: ChatRoom, data: str
) -> None:
    await room.says("/start", BEN)
    await room.chat.hear(_pressed(room, data))
    assert "Home" in labels(room.screen(BEN))
    assert await orders(room, BEN) == []


def _pressed(room: ChatRoom, data: str) -> dict:
    """An update as a forged client would have Telegram send it."""
    room.rules.press(BEN, "Plans", at=room.world.clock())
    [told] = room.rules.updates.fetched(0, 1, at=room.world.clock())
    told["callback_query"]["data"] = data
    return told


async def test_any_text_is_answered_with_a_hint(room: ChatRoom) -> None:
    for text in ("hello?", "/unknown", "/admin", "'; DROP TABLE customer;--", "\u202eabc"):
        assert "/plans, /status" in (await room.says(text, BEN))["text"]


async def test_an_address_for_receipts_is_kept(room: ChatRoom) -> None:
    answer = await room.says("ben@example.com", BEN)
    assert "Receipts will go to ben@example.com" in answer["text"]
    assert (await account(room, BEN)).standing.customer.receipt_contact == "ben@example.com"


@pytest.mark.parametrize("kind", ["group", "supergroup", "channel"])
async def test_other_chats_than_private_ones_are_not_answered(room: ChatRoom, kind: str) -> None:
    room.rules.send(BEN, "/start", at=room.world.clock())
    [told] = room.rules.updates.fetched(0, 1, at=room.world.clock())
    told["message"]["chat"]["type"] = kind
    await room.chat.hear(told)
    assert [one["from"] for one in room.messages(BEN)] == ["user"]


async def test_who_stops_the_bot_is_told_nothing_until_they_return(any_room: ChatRoom) -> None:
    room = any_room
    started = await ordered(room)
    room.rules.block(BEN, at=room.world.clock())
    await room.delivers()
    assert (await account(room, BEN)).standing.customer.unreachable_since is not None
    before = len(room.messages(BEN))

    room.world.gateway.pay(link(started).rpartition("/")[2])
    await room.world.hears(link(started).rpartition("/")[2])
    assert await orders(room, BEN) == [PurchaseStatus.PAID], "the money counts all the same"
    assert len(room.messages(BEN)) == before

    room.rules.unblock(BEN, at=room.world.clock())
    await room.delivers()
    assert (await account(room, BEN)).standing.customer.unreachable_since is None
    assert "Hi, Ben!" in (await room.says("/start", BEN))["text"]


async def test_a_chat_that_closes_while_we_answer_is_marked(room: ChatRoom) -> None:
    await room.says("/start", BEN)
    room.rules.send(BEN, "/plans", at=room.world.clock())
    told = room.rules.updates.fetched(0, 1, at=room.world.clock())[0]
    room.rules.block(BEN, at=room.world.clock())
    await room.chat.hear(told)
    assert (await account(room, BEN)).standing.customer.unreachable_since is not None


async def test_what_telegram_does_not_take_now_is_done_once_and_drawn_later(
    any_room: ChatRoom,
) -> None:
    room = any_room
    await room.says("/start p_PRO_MONTHLY", BEN)
    await room.presses("Choose", BEN)
    room.rules.press(BEN, "Order for", at=room.world.clock())
    room.rules.faults.plan("flood", 9)
    await room.delivers()
    assert room.owed() == 1
    room.rules.faults.plan("flood", 0)

    await room.delivers()

    assert room.owed() == 0
    assert link(room.screen(BEN))
    assert await orders(room, BEN) == [PurchaseStatus.PENDING]
    assert len(room.world.gateway.payments) == 1


async def test_a_bug_blocks_nobody_and_is_kept_for_a_person(any_room: ChatRoom) -> None:
    room = any_room
    await room.says("/start p_PRO_MONTHLY", BEN)
    await room.presses("Choose", BEN)
    room.limit_reached = ZeroDivisionError()

    sorry = await room.presses("Order for", BEN)

    assert "Something broke on our side. Your money is safe." in sorry["text"]
    assert room.owed() == 0
    number = sorry["text"].rstrip(".").rpartition(" ")[2]
    async with room.world.store.read() as view:
        kept = await view.inbox.find(f"inb_telegram_{number}")
    assert kept is not None
    assert kept.status is InboxStatus.FAILED
    assert kept.result == "ZeroDivisionError"
    assert '"data": "v1:buy' in kept.notice.body
    assert "Ben" not in kept.notice.body
    async with room.world.store.read() as view:
        [case] = await view.open_cases(limit=10)
    assert case.facts == {"item": kept.id, "error": "ZeroDivisionError"}
    room.limit_reached = None
    assert "Hi, Ben!" in (await room.says("/start", BEN))["text"]


@pytest.mark.parametrize("text", ["/start my name is Ben", "/help Ben", "/ben", "/start p_A Ben"])
async def test_of_what_people_write_nothing_is_kept(room: ChatRoom, text: str) -> None:
    async def refuse(_: str) -> None:
        raise BadRequest("can't parse entities")

    room.network.on_the_way = refuse
    room.rules.send(BEN, text, at=room.world.clock())
    await room.delivers()
    async with room.world.store.read() as view:
        kept = await view.inbox.find("inb_telegram_900000001")
    assert kept is not None
    assert kept.status is InboxStatus.FAILED
    assert "ben" not in kept.notice.body.lower()


async def test_an_order_that_ended_before_it_was_drawn_is_shown_as_it_is(room: ChatRoom) -> None:
    await room.says("/start p_PRO_MONTHLY", BEN)
    await room.presses("Choose", BEN)
    room.rules.press(BEN, "Order for", at=room.world.clock())
    room.rules.faults.plan("flood", 9)
    await room.delivers()
    room.rules.faults.plan("flood", 0)
    who = await room.customer(BEN)
    [started] = await room.world.billing.show_purchases.page(who, limit=1)
    await room.world.billing.cancel_purchase(who, started.purchase.id)

    await room.delivers()

    assert "is canceled" in room.screen(BEN)["text"]


async def test_who_taps_too_fast_is_told_when_to_come_back(room: ChatRoom) -> None:
    await room.says("/start p_PRO_MONTHLY", BEN)
    await room.presses("Choose", BEN)
    room.limit_reached = TooManyRequests(17)
    assert "Try again in 17 s" in (await room.presses("Order for", BEN))["text"]
    assert await orders(room, BEN) == []
    room.limit_reached = None
    pay = await ordered(room)
    room.limit_reached = TooManyRequests(17)
    assert link(await room.presses("I have paid", BEN)) == link(pay), "it stays in sight"


async def test_where_nobody_can_count_the_asking_a_screen_says_so(room: ChatRoom) -> None:
    pay = await ordered(room)
    await room.says("/start p_PRO_YEARLY", BEN)
    await room.presses("Choose", BEN)
    room.limit_reached = LimitsAway()
    assert "Nothing is lost" in (await room.presses("Order for", BEN))["text"]
    room.rules.press(BEN, "I have paid", at=room.world.clock(), message_id=pay["id"])
    await room.delivers()
    assert room.owed() == 0
    room.limit_reached = None
    assert link(await room.presses("Try again", BEN))


async def test_a_button_that_goes_on_spinning_does_not_keep_the_screen(room: ChatRoom) -> None:
    await room.says("/start", BEN)

    async def hang(method: str) -> None:
        if method == "answerCallbackQuery":
            await asyncio.Event().wait()

    room.network.on_the_way = hang
    async with asyncio.timeout(2 * COURTESY_SECONDS):
        assert "Plans" in (await room.presses("Plans", BEN))["text"]


async def test_other_gateways_than_stars_need_the_operators_word(room: ChatRoom) -> None:
    await room.world.lets_telegram_sell_for_stars_alone()
    await room.says("/start p_PRO_MONTHLY", BEN)
    answer = await room.presses("Choose", BEN)
    assert "no way to pay for this here" in answer["text"]
    assert "@billhook_support" in answer["text"]
    anyway = await room.world.billing.preview_purchase(await room.customer(BEN), "PRO_MONTHLY")
    assert anyway.gateway == "yookassa", "elsewhere it is offered"


async def test_old_updates_are_forgotten_in_the_end(any_room: ChatRoom) -> None:
    room = any_room
    await room.says("/start", BEN)
    update_id = 900_000_001
    async with room.world.store.read() as view:
        assert await view.inbox.find(f"inb_telegram_{update_id}") is not None
    await room.world.time_passes(days=6)
    async with room.world.store.read() as view:
        assert await view.inbox.find(f"inb_telegram_{update_id}") is not None
    await room.world.time_passes(days=2)
    async with room.world.store.read() as view:
        assert await view.inbox.find(f"inb_telegram_{update_id}") is None
