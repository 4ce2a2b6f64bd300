"""Telegram's webhook: proven, acted on, and only then answered."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from adapters.http.edge import UpdatesDoor
from adapters.persistence.memory import MemoryStore
from core.domain.payment import InboxStatus
from core.use_cases.consequences import consequences
from tests.adapters.http.api import Api, an_api
from tests.adapters.telegram.chat_room import BEN, ChatRoom

SECRET = "a-secret_of_the_webhook"
PROOF = "X-Telegram-Bot-Api-Secret-Token"
PATH = "/api/v1/billing/webhooks/telegram/"


@pytest.fixture
async def room() -> ChatRoom:
    return await ChatRoom(MemoryStore(consequences)).opens()


@pytest.fixture
async def api(room: ChatRoom) -> AsyncIterator[Api]:
    async with an_api(room.world, updates=UpdatesDoor(SECRET, room.chat.hear)) as client:
        yield client


def told_by(room: ChatRoom, text: str = "/start") -> bytes:
    room.rules.send(BEN, text, at=room.world.clock())
    return json.dumps(room.rules.updates.fetched(0, 1, at=room.world.clock())[0]).encode()


async def post(api: Api, body: bytes, secret: str | bytes | None = SECRET) -> httpx.Response:
    headers = {"Content-Type": "application/json"} | ({} if secret is None else {PROOF: secret})
    return await api.client.post(PATH, content=body, headers=headers)


async def test_an_update_with_our_secret_is_acted_on(api: Api, room: ChatRoom) -> None:
    answer = await post(api, told_by(room))
    assert (answer.status_code, answer.content) == (200, b"")
    assert "Hi, Ben!" in room.screen(BEN)["text"]


@pytest.mark.parametrize(
    "secret",
    [
        None,
        "",
        "A-secret_of_the_webhook",
        SECRET + "x",
        SECRET[:-1],
        "\u00e9".encode(),
        b"\xff" * 20,
    ],
)
async def test_without_our_secret_nothing_is_read(
    api: Api, room: ChatRoom, secret: str | bytes | None
) -> None:
    for body in (told_by(room), b"not json", b""):
        answer = await post(api, body, secret)
        assert answer.status_code == 401
        assert answer.json()["code"] == "webhook_not_trusted"
    assert [one["from"] for one in room.messages(BEN)] == ["user"] * 1


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"{}", b'{"update_id": "1"}', b'{"update_id": true}', b"\xff", b"{"],
)
async def test_what_is_no_update_is_refused(api: Api, room: ChatRoom, body: bytes) -> None:
    answer = await post(api, body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "webhook_not_readable"


async def test_a_kind_that_we_do_not_know_is_taken_and_left_alone(api: Api) -> None:
    for more in ({}, {"subscription": {"user": {}}}, {"poll": None}):
        answer = await post(api, json.dumps({"update_id": 7, **more}).encode())
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"message_id": 1, "date": "soon", "chat": {"id": BEN, "type": "private"}},
        {
            "message_id": 1,
            "date": 0,
            "chat": {"id": BEN, "type": "private"},
            "from": {"id": BEN, "is_bot": False, "first_name": "Ben"},
            "text": "🙂",
            "entities": [{"type": "bot_command", "offset": 0, "length": 1}],
        },
    ],
    ids=["empty", "no date", "half a character"],
)
async def test_what_the_library_cannot_read_is_kept_and_waits_in_front_of_nothing(
    api: Api, room: ChatRoom, message: dict
) -> None:
    answer = await post(api, json.dumps({"update_id": 7, "message": message}).encode())
    assert answer.status_code == 200
    async with room.world.store.read() as view:
        kept = await view.inbox.find("inb_telegram_7")
    assert kept is not None
    assert kept.status is InboxStatus.FAILED
    assert kept.notice.body == ""


async def test_whatever_a_customer_has_telegram_say_waits_in_front_of_nothing(
    api: Api, room: ChatRoom
) -> None:
    told = json.loads(told_by(room))
    friend = {"id": 1003, "is_bot": False, "first_name": "C", "last_name": "D", "username": "e"}
    mentions = [
        {"type": "text_mention", "offset": at, "length": 1, "user": friend} for at in range(100)
    ]
    message = told["message"] | {"text": "x" * 100, "entities": mentions}
    crowded = told | {"message": message | {"reply_to_message": message}}
    assert (await post(api, json.dumps(crowded).encode())).status_code == 200
    assert room.messages(BEN)[-1]["from"] == "bot"

    for number, text in enumerate(["\0", "\ud83d", 10**30, 0.1], start=900):
        odd = told | {"update_id": number, "message": told["message"] | {"text": text}}
        assert (await post(api, json.dumps(odd).encode())).status_code == 200


async def test_a_body_over_the_limit_is_refused(api: Api) -> None:
    assert (await post(api, b" " * (256 * 1024 + 1))).status_code == 413


async def test_what_cannot_be_done_now_is_sent_again(api: Api, room: ChatRoom) -> None:
    body = told_by(room)
    room.rules.faults.plan("flood", 1)
    answer = await post(api, body)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 3
    assert (await post(api, body)).status_code == 200
    assert "Hi, Ben!" in room.screen(BEN)["text"]
    assert (await post(api, body)).status_code == 200
    assert len(room.messages(BEN)) == 2


async def test_a_bug_is_answered_with_200(api: Api, room: ChatRoom) -> None:
    await post(api, told_by(room, "/start p_PRO_MONTHLY"))
    room.rules.updates.clear()
    for button in ("Choose", "Order for"):
        room.rules.press(BEN, button, at=room.world.clock())
        room.limit_reached = ZeroDivisionError() if button == "Order for" else None
        [told] = room.rules.updates.fetched(0, 1, at=room.world.clock())
        assert (await post(api, json.dumps(told).encode())).status_code == 200
        room.rules.updates.clear()
    assert "Something broke on our side" in room.screen(BEN)["text"]


async def test_where_updates_are_asked_for_there_is_no_webhook(room: ChatRoom) -> None:
    async with an_api(room.world) as client:
        assert (await post(client, told_by(room))).status_code == 404
