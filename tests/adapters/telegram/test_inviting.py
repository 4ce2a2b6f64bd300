"""Inviting friends, as the chat offers and tells it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.domain.customer import identity
from core.domain.referral_program import ReferralTerms, RewardLevel, code_of
from tests.adapters.telegram.chat_room import ANNA, BEN, ChatRoom, labels, link

TERMS = ReferralTerms((RewardLevel(1, 1000), RewardLevel(5, 2550)), hold=timedelta(days=14))


async def offers(room: ChatRoom, terms: ReferralTerms = TERMS) -> None:
    wanted = room.world.wanted()
    money = replace(wanted.money, referral=terms)
    await room.world.billing.apply_catalog(replace(wanted, money=money))


@pytest.fixture
async def shop(room: ChatRoom) -> ChatRoom:
    await offers(room)
    await room.says("/start", ANNA)
    room.world.clock.advance(seconds=5)
    return room


async def code(room: ChatRoom, user: int) -> str:
    return code_of(await room.customer(user))


async def test_a_link_is_shown_with_what_it_earns_and_can_be_shared(shop: ChatRoom) -> None:
    screen = await shop.presses("Пригласить друзей", ANNA)

    assert f"https://t.me/tea_room_bot?start=r_{await code(shop, ANNA)}" in screen["text"]
    assert "вы получаете <b>10 %</b>" in screen["text"] or "10 %" in screen["text"]
    assert "с 5-го платящего друга — 25.5 %" in screen["text"]
    assert "t.me/share/url?url=https%3A%2F%2Ft.me" in link(screen)


async def test_a_friend_comes_pays_and_the_reward_is_told_twice(shop: ChatRoom) -> None:
    anna = await code(shop, ANNA)

    greeted = await shop.says(f"/start r_{anna}", BEN)
    assert "You came by a friend's invitation." in greeted["text"]
    ben = await shop.customer(BEN)
    await shop.world.pays_and_is_heard(await shop.world.buys(ben))

    assert "друг оплатил: 29,90 ₽ ваши" in plain(shop.screen(ANNA))
    page = await shop.says("/invite", ANNA)
    assert "Пришли: 1 · платят: 1" in page["text"]
    assert "Ждёт: 29,90 ₽" in plain(page)
    await shop.world.time_passes(days=14)
    assert "29,90 ₽ за приглашённого друга в вашем кошельке" in plain(shop.screen(ANNA))
    assert "Заработано: 29,90 ₽" in plain(await shop.says("/invite", ANNA))


@pytest.mark.parametrize("tail", ["", "__p_PRO_MONTHLY"])
async def test_a_code_may_lead_to_a_plan_too(shop: ChatRoom, tail: str) -> None:
    screen = await shop.says(f"/start r_{await code(shop, ANNA)}{tail}", BEN)

    assert ("PRO, one month" in screen["text"]) == bool(tail)
    assert "You came by a friend's invitation." in screen["text"]


async def test_an_own_link_a_second_one_and_nobodys_are_told_kindly(shop: ChatRoom) -> None:
    own = await shop.says(f"/start r_{await code(shop, ANNA)}", ANNA)
    await shop.says(f"/start r_{await code(shop, ANNA)}", BEN)
    olga = await shop.world.billing.register_customer(identity("telegram:77"))
    second = await shop.says(f"/start r_{code_of(olga.id)}", BEN)
    again = await shop.says(f"/start r_{await code(shop, ANNA)}", BEN)
    nobody = await shop.says("/start r_nobody12345", BEN)

    assert "Это ваша собственная ссылка" in own["text"]
    assert "You came by another invitation" in second["text"]
    assert "You came by a friend's invitation." in again["text"]
    assert "This invitation link is not valid." in nobody["text"]
    assert "Plans" in labels(nobody)


async def test_without_a_programme_a_link_is_an_ordinary_start(room: ChatRoom) -> None:
    await offers(room, ReferralTerms())
    await room.says("/start", ANNA)
    screen = await room.says(f"/start r_{await code(room, ANNA)}", BEN)

    assert "invitation" not in screen["text"]
    assert "Invite friends" not in labels(screen)
    refused = await room.says("/invite", BEN)
    assert "Plans" in labels(refused)


def plain(message: dict[str, str]) -> str:
    return message["text"].replace("\xa0", " ").replace("<b>", "").replace("</b>", "")
