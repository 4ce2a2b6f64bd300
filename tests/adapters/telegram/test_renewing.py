"""Renewal by itself, as the chat offers and tells it."""

from tests.adapters.telegram.chat_room import BEN, ChatRoom, labels
from tests.builders import rub
from tests.market import opens_market, proves


async def subscribes(room: ChatRoom) -> None:
    await room.says("/start", BEN)
    ben = await room.customer(BEN)
    await room.world.hears(room.world.pays(await room.world.buys(ben)))


async def test_it_is_switched_on_and_off_where_my_plan_is_shown(any_room: ChatRoom) -> None:
    room = any_room
    await subscribes(room)
    fresh = await room.says("/status", BEN)
    assert "It does not renew by itself" in fresh["text"]

    on = await room.presses("Renew from the wallet", BEN)
    again = await room.presses("Refresh", BEN)
    off = await room.presses("Do not renew", BEN)

    assert "It renews by itself from your wallet on 9 Apr 2026" in on["text"]
    assert on["text"] == again["text"]
    assert "It does not renew by itself" in off["text"]
    assert "Renew from the wallet" in labels(off)


async def test_a_saved_method_is_offered_beside_the_wallet(room: ChatRoom) -> None:
    await opens_market(room.world)
    await subscribes(room)
    await proves(room.world, await room.customer(BEN))

    fresh = await room.says("/status", BEN)
    by_card = await room.presses("Renew from ••••4567", BEN)
    by_wallet = await room.presses("Renew from the wallet", BEN)
    off = await room.presses("Do not renew", BEN)

    assert {"Renew from ••••4567", "Renew from the wallet"} < set(labels(fresh))
    assert "renews by itself" in by_card["text"]
    assert "Renew from ••••4567" not in labels(by_card)
    assert "from your wallet" in by_wallet["text"]
    assert "Renew from ••••4567" in labels(by_wallet)
    assert "It does not renew by itself" in off["text"]


async def test_an_order_says_that_nothing_renews_only_where_nothing_does(room: ChatRoom) -> None:
    await subscribes(room)
    await room.says("/start p_PRO_MONTHLY", BEN)
    once = await room.presses("Choose", BEN)
    assert "nothing renews by itself" in once["text"]

    await room.says("/status", BEN)
    await room.presses("Renew from the wallet", BEN)
    await room.says("/start p_PRO_MONTHLY", BEN)
    assert "nothing renews by itself" not in (await room.presses("Choose", BEN))["text"]


async def test_what_could_not_be_renewed_is_told_and_stays_until_the_grace_is_over(
    room: ChatRoom,
) -> None:
    await subscribes(room)
    await room.says("/status", BEN)
    await room.presses("Renew from the wallet", BEN)

    await room.world.time_passes(days=31)
    told = room.screen(BEN)
    status = await room.says("/status", BEN)

    assert "We could not renew PRO, one month for" in told["text"]
    assert "could not be renewed yet; it is yours until 13 Apr 2026" in status["text"]
    await room.world.deposits(await room.customer(BEN), rub(299))
    assert "PRO, one month until 10 May 2026" in (await room.says("/status", BEN))["text"]


async def test_a_button_of_before_renews_nothing_that_is_over(room: ChatRoom) -> None:
    await subscribes(room)
    await room.says("/status", BEN)
    await room.world.time_passes(days=40)

    await room.presses("Renew from the wallet", BEN)

    said = [one["text"] for one in room.messages(BEN)]
    assert any("There is no paid plan to renew" in one for one in said), said
