"""Roles, given and taken in the chat."""

from adapters.telegram.screens import press
from core.domain.operator import Role
from tests.adapters.telegram.chat_room import ANNA, BEN, ChatRoom
from tests.adapters.telegram.test_admin import WHY, a_sale, presses_data, tg

CARL = 1003


async def test_an_owner_gives_and_takes_roles_by_pressing(room: ChatRoom) -> None:
    await a_sale(room, Role.OWNER)
    await room.presses("🔑 Roles", BEN)
    await room.presses("Make somebody support", BEN)
    assert "Nobody is known" in (await room.says("external:anna", BEN))["text"]
    await room.says(str(ANNA), BEN)
    await room.says("she helps us", BEN)
    await room.presses("✅ Do it", BEN)
    assert await room.world.billing.show_role(tg(ANNA)) is Role.SUPPORT

    await presses_data(room, press("aroles"))
    await room.presses(f"Take the role of telegram:{ANNA}", BEN)
    await room.says("she left", BEN)
    await room.presses("✅ Do it", BEN)
    assert await room.world.billing.show_role(tg(ANNA)) is None


async def test_a_role_goes_to_nobody_by_a_username_that_two_have_had(room: ChatRoom) -> None:
    await a_sale(room, Role.OWNER)
    room.rules.set_profile(CARL, {"first_name": "Carl", "username": "olga"})
    await room.says("/start", CARL)
    room.rules.set_profile(CARL, {"username": ""})  # Given up, which nobody tells us.
    room.rules.set_profile(ANNA, {"first_name": "Olga", "username": "Olga"})
    await room.says("/start", ANNA)

    await room.presses("🔑 Roles", BEN)
    await room.presses("Make somebody owner", BEN)
    assert "Nobody is known" in (await room.says("@olga", BEN))["text"]
    await room.says("/start", CARL)
    await room.says("@olga", BEN)
    asked = await room.says("she helps us", BEN)
    assert f"telegram:{ANNA}" in asked["text"]


async def test_a_role_that_is_taken_while_telegram_is_slow_does_nothing_more(
    room: ChatRoom,
) -> None:
    anna, _ = await a_sale(room)
    await room.says(f"/admin {anna}", BEN)
    await room.presses("💵 Adjust cash", BEN)
    await room.says("+100", BEN)
    await room.says("she is kind", BEN)

    async def demote(method: str) -> None:
        if method == "sendChatAction":
            await room.world.billing.revoke_role(tg(BEN), deed=WHY)

    room.network.on_the_way = demote
    told = await room.presses("✅ Do it", BEN)

    assert "Your role" in told["text"]
    assert (await room.world.cash(anna)).get("RUB", 0) == 0
