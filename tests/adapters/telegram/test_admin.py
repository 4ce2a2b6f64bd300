"""The admin's side of the chat: who is let in, and who is told nothing of it."""

import pytest

from adapters.telegram.admin.verbs import VERBS
from adapters.telegram.screens import press
from core.domain.audit import Deed
from core.domain.customer import Identity, IdentityKind
from core.domain.operator import Role
from core.use_cases.roles import RoleNotFound
from tests.adapters.telegram.chat_room import ANNA, BEN, ChatRoom, forged

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
