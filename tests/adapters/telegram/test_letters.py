"""What goes to many, in a chat: escaped, with its buttons, and with a way to get no more."""

from datetime import timedelta

import pytest
from telegram.error import BadRequest, NetworkError, RetryAfter

from adapters.persistence.memory import MemoryStore
from core.domain.audit import Deed
from core.domain.broadcast import Broadcast, BroadcastMove, Draft
from core.domain.plan import PlanCode
from core.use_cases.consequences import consequences
from tests.adapters.telegram.chat_room import ANNA, BEN, ChatRoom, labels

OLGA = Deed("olga", "the spring offer")


@pytest.fixture
async def room() -> ChatRoom:
    room = await ChatRoom(MemoryStore(consequences)).opens()
    for who in (ANNA, BEN):
        await room.says("/start", who)
    return room


async def sends(room: ChatRoom, **button: object) -> Broadcast:
    billing = room.world.billing
    draft = Draft({"ru": "Скидка <b>5 & 3</b> {x}", "en": "An offer <3"}, **button)  # type: ignore[arg-type]
    made = await billing.create_broadcast(draft, deed=OLGA, cause=room.world.cause())
    await billing.move_broadcast(made.id, BroadcastMove.START, deed=OLGA)
    await room.world.sweeps()
    return await billing.show_broadcasts.one(made.id)


async def test_it_is_read_as_it_was_written_and_leads_to_the_plan(room: ChatRoom) -> None:
    await sends(room, plan=PlanCode("PRO_MONTHLY"))
    russian, english = room.screen(ANNA), room.screen(BEN)

    assert russian["text"] == "Скидка <b>5 & 3</b> {x}", "as written, and nothing of it is bold"
    assert labels(russian) == ["Тариф «PRO на месяц»", "Не присылать новости"]
    assert labels(english) == ["See PRO, one month", "No more news"]
    assert "299" in (await room.presses(labels(english)[0], BEN))["text"]


async def test_whoever_wants_no_more_gets_none_until_they_do(room: ChatRoom) -> None:
    await sends(room)
    told = await room.presses("Не присылать новости")
    assert "Новостей и предложений я не присылаю" in told["text"]
    assert "Присылать новости" in labels(told)
    assert (await sends(room)).sent == 1

    told = await room.presses("Присылать новости")
    assert "Иногда присылаю новости" in told["text"]
    assert (await sends(room, url="https://example.com/")).sent == 2
    assert labels(room.screen(BEN))[0] == "Read more"


@pytest.mark.parametrize(
    ("error", "sent", "failed"),
    [
        (RetryAfter(timedelta(seconds=7)), 2, 0),
        (NetworkError("away"), 1, 1),
        (BadRequest("can't parse entities"), 1, 1),
    ],
)
async def test_trouble_with_telegram_sends_nobody_anything_twice(
    room: ChatRoom, error: Exception, sent: int, failed: int
) -> None:
    troubles = [error]

    async def once(_: str) -> None:
        if troubles:
            raise troubles.pop()

    before = [len(room.messages(who)) for who in (ANNA, BEN)]
    room.network.on_the_way = once
    started = await sends(room)
    await room.world.time_passes(minutes=2)

    done = await room.world.billing.show_broadcasts.one(started.id)
    assert (done.status, done.sent, done.failed) == ("done", sent, failed)
    after = [len(room.messages(who)) for who in (ANNA, BEN)]
    assert sum(after) - sum(before) == sent
