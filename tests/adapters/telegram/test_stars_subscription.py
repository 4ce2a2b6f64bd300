"""A plan that Telegram renews by itself, as the chat sells it, tells it and stops it."""

import pytest

from adapters.persistence.memory import MemoryStore
from core.use_cases.consequences import consequences
from tests.adapters.telegram.chat_room import labels
from tests.stars import StarsShop


@pytest.fixture
async def shop() -> StarsShop:
    return await StarsShop(MemoryStore(consequences)).opens()


async def test_it_is_said_before_every_button_that_it_renews(shop: StarsShop) -> None:
    await shop.room.says("/start p_PRO_MONTHLY")
    confirm = await shop.room.presses("Выбрать")
    order = await shop.room.presses("Заказать")

    assert "Telegram будет списывать 250" in confirm["text"]
    assert "разовый платёж" not in confirm["text"]
    assert any(one.endswith("каждые 30 дней") for one in labels(confirm))
    assert "каждые 30 дней, пока вы не отключите" in order["text"]
    assert any(one.startswith("Подписаться: 250") for one in labels(order))


async def test_a_month_is_renewed_and_then_stopped_and_taken_up_again(shop: StarsShop) -> None:
    room = shop.room
    first = await shop.subscribes()
    await shop.passes(days=30)
    assert shop.heard("Оплачено 250") == 2
    assert shop.heard("осталось на балансе") == 0

    status = await room.says("/status")
    assert "каждые 30 дней Telegram списывает" in status["text"]
    off = await room.presses("Не продлевать")
    await shop.settles()
    assert "списывает" not in off["text"]
    assert not shop.renews_there(first)
    again = await room.presses("Продлевать снова")
    await shop.settles()
    assert "каждые 30 дней Telegram списывает" in again["text"]
    await shop.passes(days=30)
    assert len(shop.charges()) == 3

    await room.says("/status")
    await room.presses("Не продлевать")
    await shop.settles()
    await shop.passes(days=30)

    assert len(shop.charges()) == 3
    assert await shop.plan() == "FREE"


async def test_what_renews_already_is_extended_by_one_payment(shop: StarsShop) -> None:
    await shop.subscribes()

    await shop.room.says("/start p_PRO_MONTHLY")
    confirm = await shop.room.presses("Выбрать")

    assert "каждые 30 дней" not in " ".join([confirm["text"], *labels(confirm)])
