"""Access in the chat: that it takes longer, that it is there, and where."""

from dataclasses import replace

import pytest

from adapters.persistence.memory import MemoryStore
from core.domain.customer import identity
from core.use_cases.consequences import consequences
from tests.adapters.telegram.chat_room import ANNA, BEN, ChatRoom

SAID = {
    BEN: ("Activation takes a little longer", "is being switched on", "Your access is there"),
    ANNA: ("Включение займёт", "Доступ ещё включается", "Доступ включён"),
}


@pytest.mark.parametrize("who", [BEN, ANNA], ids=["en", "ru"])
async def test_who_paid_while_the_panel_was_down_hears_of_it_and_gets_the_link(who: int) -> None:
    room = await ChatRoom(MemoryStore(consequences)).opens()
    world, (later, waiting, there) = room.world, SAID[who]
    wanted = world.wanted()
    granting = tuple(replace(one, grants=("vpn",) if one.prices else ()) for one in wanted.plans)
    await world.billing.apply_catalog(replace(wanted, plans=granting))
    await room.says("/start", who)
    customer = await world.billing.find_customer(identity(f"telegram:{who}"))
    world.panel.down(1)

    await world.pays_and_is_heard(await world.buys(customer))
    said = [one["text"] for one in room.messages(who)]
    assert later in said[-1]
    await room.says("/status", who)
    assert waiting in room.screen(who)["text"]

    await world.time_passes(minutes=1)
    news = room.messages(who)[-1]["text"]
    assert there in news
    assert f"https://panel.example.com/{customer}" in news
    await room.says("/status", who)
    assert f"https://panel.example.com/{customer}" in room.screen(who)["text"]
