"""Help with a payment, and what the business publishes of itself."""

from dataclasses import replace

from adapters.http.limits import TooManyRequests
from tests.adapters.telegram.chat_room import BEN, ChatRoom, labels
from tests.builders import rub


async def test_who_paid_and_got_nothing_is_told_what_is_so(any_room: ChatRoom) -> None:
    room, world = any_room, any_room.world
    await room.says("/start", BEN)
    ben = await room.customer(BEN)
    assert "ordered nothing" in (await room.says("/paysupport", BEN))["text"]
    world.pays(await world.buys(ben))  # And nobody was told.
    await world.buys(ben, "PRO_YEARLY")

    told = (await room.says("/paysupport", BEN))["text"]
    yearly, monthly, support = told.split("Order ")[1], told.split("Order ")[2], told[-200:]

    assert "sees no payment" in yearly
    assert "paid on 10 Mar 2026" in monthly
    assert "yours until 10 Apr 2026" in monthly
    assert "@billhook_support" in support
    assert (await world.me(ben)).standing.plan(world.clock()).code == "PRO_MONTHLY"


async def test_late_wrong_and_unanswered_money_is_told_in_words(room: ChatRoom) -> None:
    world = room.world
    await room.says("/start", BEN)
    ben = await room.customer(BEN)
    wrong = await world.buys(ben)
    world.pays(wrong, rub(100))
    assert "100.00" in (await room.says("/paysupport", BEN))["text"]
    assert "is in your wallet" in room.screen(BEN)["text"]
    late = await world.buys(ben, "PRO_YEARLY")
    await world.time_passes(days=2)

    world.gateway.unavailable(9)
    unsure = await room.says("/paysupport", BEN)
    world.gateway.unavailable(0)
    assert late.checkout is not None
    world.gateway.pay_late(late.checkout.payment_id)
    sure = await room.says("/paysupport", BEN)

    assert "could not be asked just now" in unsure["text"]
    assert "could not be asked" not in sure["text"]
    assert "paid on 12 Mar 2026" in sure["text"]


async def test_who_asks_all_the_time_is_told_what_is_known(room: ChatRoom) -> None:
    await room.says("/start", BEN)
    room.world.pays(await room.world.buys(await room.customer(BEN)))
    room.limit_reached = TooManyRequests(60)

    told = await room.says("/paysupport", BEN)
    assert "I asked less than a minute ago" in told["text"]
    assert "paid on" not in told["text"]

    room.limit_reached = None
    assert "paid on" in (await room.presses("Check again", BEN))["text"]


async def test_terms_and_privacy_are_what_the_business_says_or_that_it_says_nothing(
    room: ChatRoom,
) -> None:
    await room.says("/start", BEN)
    assert "https://example.com/terms" in (await room.says("/terms", BEN))["text"]
    wanted = room.world.wanted()
    chat = replace(wanted.chat, terms={"en": "No refunds <b>& no tears"}, privacy={})
    await room.world.billing.apply_catalog(replace(wanted, chat=chat))

    assert "No refunds <b>& no tears" in (await room.says("/terms", BEN))["text"]
    unpublished = await room.says("/privacy", BEN)
    assert "not been published here yet" in unpublished["text"]
    assert "@billhook_support" in unpublished["text"]
    await room.says("/help", BEN)
    assert {"Terms", "Your data", "I paid and got nothing"} < set(labels(room.screen(BEN)))


async def test_the_clock_is_chosen_by_a_city_and_not_every_day(room: ChatRoom) -> None:
    await room.says("/settings", BEN)
    asked = await room.presses("Time zone", BEN)
    moved = await room.presses("Omsk", BEN)
    again = await room.presses("London", BEN)

    assert "Is it 12:00 where you are?" in asked["text"]
    assert "✓ Moscow" in labels(asked)
    assert "Is it 15:00 where you are?" in moved["text"]
    assert "✓ Omsk" in labels(moved)
    assert "once in 30 days: the next time on 9 Apr 2026, 15:00" in again["text"]
    assert {"✓ Omsk", "‹ Back"} < set(labels(again))
