"""Promo codes in the chat: sent, followed by a link, and seen in every price."""

from datetime import timedelta

import pytest

from core.domain.audit import Deed
from core.domain.plan import Feature, PlanCode
from core.domain.promo_code import DaysOf, Gives, PercentOff, UnitsOf
from core.use_cases.promo_codes import WantedCode
from tests.adapters.telegram.chat_room import ANNA, BEN, ChatRoom, labels

ANN = Deed("ann", "the spring sale")


async def makes(room: ChatRoom, gives: Gives, name: str = "SPRING-20", **limits: object) -> None:
    wanted = WantedCode(gives, name, **limits)
    await room.world.billing.create_promo_code(wanted, deed=ANN, cause=room.world.cause())


@pytest.fixture
async def shop(room: ChatRoom) -> ChatRoom:
    await makes(room, PercentOff(20))
    await makes(room, DaysOf(PlanCode("PRO_MONTHLY"), 7), "WEEK")
    await room.says("/start", BEN)
    return room


@pytest.mark.parametrize("sent", ["/promo spring-20", "/start c_SPRING-20", "Spring-20"])
async def test_a_discount_is_seen_in_all_prices_and_paid(shop: ChatRoom, sent: str) -> None:
    shown = await shop.says(sent, BEN)

    assert "20 % off your next purchase" in shown["text"]
    assert "<s>RUB 299.00</s> <b>RUB 239.20</b> for 1 month" in plain(shown)
    [label] = [one for one in labels(shown) if one.startswith("PRO, one month")]
    assert "239.20" in label
    await shop.presses(label, BEN)
    order = await shop.presses("Choose", BEN)
    assert "To pay: <s>RUB 299.00</s> <b>RUB 239.20</b>" in plain(order)
    await shop.presses(next(one for one in labels(order) if "239.20" in one), BEN)
    [started] = await shop.world.billing.show_purchases.page(await shop.customer(BEN), limit=9)
    await shop.world.pays_and_is_heard(started)
    after = await shop.says("/plans", BEN)
    assert "<s>" not in after["html"]


async def test_days_are_given_at_once_and_once(shop: ChatRoom) -> None:
    given = await shop.says("/promo week", ANNA)

    assert "7 дней в подарок" in given["text"]
    assert "PRO" in given["text"]
    assert "уже использовали" in (await shop.says("WEEK", ANNA))["text"]
    home = await shop.says("/start", ANNA)
    assert "Попробовать" not in "".join(labels(home))


async def test_units_are_given_at_once_and_told_in_the_words_of_the_shop(shop: ChatRoom) -> None:
    await makes(shop, UnitsOf(Feature("photo_ai"), 50), "PHOTOS")

    given = await shop.says("/promo photos", ANNA)

    assert "в подарок" in given["text"]
    assert "50" in given["text"].splitlines()[0]


async def test_nobody_is_asked_for_a_code_when_there_is_none_to_use(room: ChatRoom) -> None:
    assert "I have a promo code" not in labels(await room.says("/plans", BEN))
    await makes(room, PercentOff(20))
    assert "I have a promo code" in labels(await room.says("/plans", BEN))
    await room.world.billing.stop_promo_code("SPRING-20", deed=ANN)
    assert "I have a promo code" not in labels(await room.says("/plans", BEN))


async def test_who_asks_is_told_how_and_what_is_no_code_is_said_kindly(shop: ChatRoom) -> None:
    asked = await shop.says("/promo", BEN)
    assert "/promo CODE" in asked["text"]
    plans = await shop.presses("‹ Back", BEN)
    assert "I have a promo code" in labels(plans)
    for text in (
        "/promo <b>x</b>",
        "/promo AAAA BBBB",
        "/promo \u202eGNIRPS",
        "/promo " + "x" * 3000,
    ):
        assert "4 to 32 Latin letters" in (await shop.says(text, BEN))["text"]
    assert "4 to 32" not in (await shop.says("hello", BEN))["text"]
    assert "4 to 32" not in (await shop.says("1000", BEN))["text"]


async def test_guessing_ends_with_a_time_to_come_back(shop: ChatRoom) -> None:
    for number in range(10):
        refused = await shop.says(f"/promo GUESS-{number}", BEN)
        assert "This promo code gives nothing." in refused["text"]

    assert "Too many wrong codes. Try again at" in (await shop.says("/promo week", BEN))["text"]
    shop.world.clock.advance(timedelta(hours=1))
    assert "7 days as a gift" in (await shop.says("/promo week", BEN))["text"]


def plain(message: dict[str, str]) -> str:
    return message["html"].replace("\xa0", " ")
