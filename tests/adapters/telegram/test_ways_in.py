"""Updates over real HTTP: Telegram's double calls us, or is asked by us."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs
from telegram import Update
from telegram.error import BadRequest

from adapters.persistence.memory import MemoryStore
from adapters.telegram.chat import ALLOWED_UPDATES, Chat
from adapters.telegram.visits import Surroundings
from adapters.telegram.ways_in import (
    BATCH,
    AskingBot,
    introduce,
    open_bot,
    open_webhook,
    poll,
)
from core.domain.cause import Cause, StoreBusy
from core.domain.customer import CustomerId
from core.ports.notifier import NotifierUnavailable
from core.use_cases.consequences import consequences
from sandbox.app import DEMO_BOT_TOKEN
from tests.adapters.telegram.chat_room import ANNA, BEN, ChatRoom
from tests.sandbox.served_sandbox import Served, serve
from tests.world import World


@pytest.fixture
def served() -> AsyncIterator[Served]:
    with serve() as it:
        yield it


@asynccontextmanager
async def a_bot(served: Served) -> AsyncIterator[AskingBot]:
    async with open_bot(DEMO_BOT_TOKEN, f"{served.url}/sandbox/telegram") as bot:
        yield bot


class Room:
    """The chat over a memory store that may be away."""

    def __init__(self, bot: AskingBot) -> None:
        self.away = 0
        self.world = World(MemoryStore(consequences, self._pause))
        self.around = Surroundings(
            self.world.billing, self.world.clock, lambda: "https://t.me/x", self._fine, None
        )
        self.chat = Chat(bot, self.around)

    async def _pause(self) -> None:
        await asyncio.sleep(0)
        if self.away > 0:
            self.away -= 1
            raise StoreBusy

    async def _fine(self, _: CustomerId, _cause: Cause) -> None: ...


@asynccontextmanager
async def polling(bot: AskingBot, chat: Chat) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(poll(bot, chat, stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def until(claim: Callable[[], object]) -> None:
    async with asyncio.timeout(15):
        while not claim():
            await asyncio.sleep(0.02)


def heard(served: Served, who: int) -> list[str]:
    told = served.client.get(f"/sandbox/telegram/users/{who}/messages").json()["items"]
    return [one["text"] for one in told if one["from"] == "bot"]


async def test_updates_that_are_asked_for_are_answered_each_once(served: Served) -> None:
    async with a_bot(served) as bot:
        room = Room(bot)
        await room.world.opens()
        served.control(f"telegram/users/{BEN}/send", text="/start")
        served.control(f"telegram/users/{ANNA}/send", text="/start")
        async with polling(bot, room.chat):
            await until(lambda: heard(served, BEN) and heard(served, ANNA))
            served.control(f"telegram/users/{BEN}/send", text="/plans")
            await until(lambda: len(heard(served, BEN)) == 2)
        pending = (await bot.get_webhook_info()).pending_update_count
    assert "Plans" in heard(served, BEN)[1]
    assert len(heard(served, ANNA)) == 1
    assert pending == 0, "what was done is confirmed at the end"


async def test_a_store_that_is_away_for_a_moment_loses_no_update(served: Served) -> None:
    async with a_bot(served) as bot:
        room = Room(bot)
        await room.world.opens()
        room.away = 2
        served.control(f"telegram/users/{BEN}/send", text="/start")
        async with polling(bot, room.chat):
            await until(lambda: heard(served, BEN))
    assert len(heard(served, BEN)) == 1


async def test_what_was_fetched_and_not_acted_on_is_fetched_again(served: Served) -> None:
    async with a_bot(served) as bot:
        room = Room(bot)
        await room.world.opens()
        room.away = 10**9
        served.control(f"telegram/users/{BEN}/send", text="/start")
        async with polling(bot, room.chat):
            await until(lambda: room.away < 10**9)
        assert heard(served, BEN) == []
        room.away = 0
        async with polling(bot, room.chat):
            await until(lambda: heard(served, BEN))


async def test_nobody_waits_for_what_keeps_another(served: Served) -> None:
    async with a_bot(served) as bot:
        room = Room(bot)
        await room.world.opens()
        let_go = asyncio.Event()

        class Troubled(Chat):
            async def take_in(self, update: Update) -> None:
                if update.effective_user.id == ANNA:
                    await let_go.wait()
                await super().take_in(update)

        served.control(f"telegram/users/{ANNA}/send", text="/start")
        served.control(f"telegram/users/{ANNA}/send", text="/plans")
        served.control(f"telegram/users/{BEN}/send", text="/start")
        async with polling(bot, Troubled(bot, room.around)):
            await until(lambda: heard(served, BEN))
            served.control(f"telegram/users/{BEN}/send", text="/plans")
            await until(lambda: len(heard(served, BEN)) == 2)
            assert heard(served, ANNA) == []
            let_go.set()
            await until(lambda: len(heard(served, ANNA)) == 2)
        pending = (await bot.get_webhook_info()).pending_update_count
    assert ["Тарифы" in one for one in heard(served, ANNA)] == [False, True]
    assert pending == 0


async def test_a_crowd_of_ones_own_updates_is_in_nobody_elses_way(served: Served) -> None:
    async with a_bot(served) as bot:
        room = Room(bot)
        await room.world.opens()

        class Refused(Chat):
            async def take_in(self, update: Update) -> None:
                await super().take_in(update)
                if update.effective_user.id == ANNA:
                    raise NotifierUnavailable(30)  # So many messages a second are too many.

        served.control(f"telegram/users/{ANNA}/send", text="/start")
        async with polling(bot, Refused(bot, room.around)):
            await until(lambda: heard(served, ANNA))
            for _ in range(2 * BATCH):
                served.control(f"telegram/users/{ANNA}/send", text="/start")
            served.control(f"telegram/users/{BEN}/send", text="/start")
            await until(lambda: heard(served, BEN))


async def test_a_bug_of_ours_ends_no_loop(served: Served) -> None:
    async with a_bot(served) as bot:
        room = Room(bot)
        await room.world.opens()

        class Troubled(Chat):
            async def take_in(self, update: Update) -> None:
                if update.effective_user.id == ANNA:
                    raise ZeroDivisionError
                await super().take_in(update)

        served.control(f"telegram/users/{ANNA}/send", text="/start")
        served.control(f"telegram/users/{BEN}/send", text="/start")
        async with polling(bot, Troubled(bot, room.around)):
            await until(lambda: heard(served, BEN))
            served.control(f"telegram/users/{BEN}/send", text="/plans")
            await until(lambda: len(heard(served, BEN)) == 2)
    assert heard(served, ANNA) == []


async def test_an_update_that_cannot_be_read_stops_nobody(served: Served) -> None:
    async with a_bot(served) as bot:
        room = Room(bot)
        await room.world.opens()
        served.control(f"telegram/users/{ANNA}/send", text="/start")
        served.control(f"telegram/users/{BEN}/send", text="/start")
        waiting = served.sandbox.telegram.rules.updates.due(
            datetime.now(UTC) + timedelta(minutes=1)
        )
        [hers] = [one for one in waiting if one.body["message"]["from"]["id"] == ANNA]
        del hers.body["message"]["date"]
        with capture_logs() as told:
            async with polling(bot, room.chat):
                await until(lambda: heard(served, BEN))
        pending = (await bot.get_webhook_info()).pending_update_count
    assert pending == 0
    assert heard(served, ANNA) == []
    assert [one["event"] for one in told] == ["an update cannot be read"]
    async with room.world.store.read() as view:
        [case] = await view.open_cases(limit=10)
    assert case.facts == {"item": f"inb_telegram_{hers.id}", "error": "KeyError"}


async def test_the_bot_says_who_it_is_in_each_language(served: Served) -> None:
    async with a_bot(served) as bot:
        await introduce(bot, "http://127.0.0.1/app/")
        russian = await bot.get_my_commands(language_code="ru")
        default = await bot.get_my_commands()
        button = await bot.get_chat_menu_button()
    assert [one.description for one in russian][:2] == ["В начало", "Тарифы и цены"]
    assert [one.command for one in default] == [
        *("start", "plans", "status", "settings", "help", "paysupport", "terms", "privacy")
    ]
    assert button.to_dict()["web_app"]["url"] == "http://127.0.0.1/app/"


async def test_a_menu_that_telegram_refuses_keeps_no_bot_from_answering() -> None:
    room = ChatRoom(MemoryStore(consequences))

    async def refuse(_: str) -> None:
        raise BadRequest("BUTTON_URL_INVALID")

    room.network.on_the_way = refuse
    with capture_logs() as told:
        await introduce(room.bot, "https://wrong.example.com/")
    assert [one["why"] for one in told] == ["BUTTON_URL_INVALID"]


async def test_the_webhook_is_asked_for_with_what_we_hear_and_nothing_is_dropped(
    served: Served,
) -> None:
    async with a_bot(served) as bot:
        served.control(f"telegram/users/{BEN}/send", text="/start")
        await open_webhook(bot, f"{served.url}/hooks/telegram/", "a-secret_of_the_webhook")
        info = await bot.get_webhook_info()
        assert set(info.allowed_updates or ()) == set(ALLOWED_UPDATES)
        await until(lambda: served.hooks)
    [update] = served.hooks
    assert update["message"]["text"] == "/start"
