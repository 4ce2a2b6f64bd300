"""How updates reach us: Telegram calls our webhook, or we ask for them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any, Final, TypeVar, cast

import structlog
from telegram import (
    Bot,
    BotCommand,
    MenuButtonDefault,
    MenuButtonWebApp,
    WebAppInfo,
)
from telegram.error import BadRequest, RetryAfter, TelegramError
from telegram.request import HTTPXRequest

from adapters.locales.translations import LANGUAGES
from adapters.telegram.chat import ALLOWED_UPDATES, COMMANDS, HIDDEN_COMMANDS, Chat
from adapters.telegram.drawing import seconds_asked_for
from adapters.telegram.paying import waits_for_nobody
from adapters.telegram.texts import Texts
from core.domain.errors import Unavailable
from core.ports.notifier import NotifierUnavailable

API_URL: Final = "https://api.telegram.org"
READ_SECONDS: Final = 10
POLL_SECONDS: Final = 25
LOOK_SECONDS: Final = 1.0
BATCH: Final = 100
CONNECTIONS_MAX: Final = 40
WAIT_SECONDS_MAX: Final = 30
FIRST_WAIT_SECONDS: Final = 0.25
QUIET_TRIES: Final = 3
"""So often nothing is said: a process that starts together with what it asks is early."""
CROWD: Final = BATCH // 2
"""While so many are under way no screen is waited for: Telegram shows no more than a batch at once,
and one customer alone can fill it, whom it then lets see no more screens for a while."""
SCREEN_TRIES: Final = 3
"""A screen that Telegram does not take is not worth everybody's waiting: the button is still there."""

Answer = TypeVar("Answer")

log: Final = structlog.get_logger(__name__)


class AskingBot(Bot):
    async def unread_updates(
        self, offset: int | None, wait_seconds: int
    ) -> Sequence[Mapping[str, Any]]:
        """
        What waits, as Telegram sends it. The library's own `get_updates` reads all or nothing: one
        that it cannot read would stop every chat, and it writes them all to the log.

        Raises:
            TelegramError
        """
        asked = {
            "offset": offset,
            "limit": BATCH,
            "timeout": wait_seconds,
            "allowed_updates": ALLOWED_UPDATES,
        }
        patience = READ_SECONDS + wait_seconds
        told = await self._post("getUpdates", asked, read_timeout=patience)
        return cast("Sequence[Mapping[str, Any]]", told)


@asynccontextmanager
async def open_bot(token: str, api_url: str | None) -> AsyncIterator[AskingBot]:
    """
    `api_url`: another address of the Bot API, to which `bot<token>/<method>` is appended. Nothing
    is asked of Telegram by opening it.
    """
    calls = HTTPXRequest(connection_pool_size=64, connect_timeout=3, read_timeout=READ_SECONDS)
    polls = HTTPXRequest(connect_timeout=3, read_timeout=READ_SECONDS)
    try:
        address = f"{api_url or API_URL}/bot"
        yield AskingBot(token, base_url=address, request=calls, get_updates_request=polls)
    finally:
        await calls.shutdown()
        await polls.shutdown()


async def introduce(bot: Bot, app_url: str | None) -> None:
    """
    Tell Telegram the commands in each language, and the Mini App behind the menu button. What it
    refuses is told to the log: a bot without a menu answers all the same.

    Raises:
        TelegramError
    """
    button = Texts(next(iter(LANGUAGES)), "UTC").label("button.app")
    try:
        for language in (None, *LANGUAGES):
            texts = Texts(language or next(iter(LANGUAGES)), "UTC")
            told = [
                BotCommand(name, texts.label(f"command.{name}"))
                for name in COMMANDS
                if name not in HIDDEN_COMMANDS
            ]
            await bot.set_my_commands(told, language_code=language)
        await bot.set_chat_menu_button(
            menu_button=MenuButtonDefault()
            if app_url is None
            else MenuButtonWebApp(button, WebAppInfo(app_url))
        )
    except BadRequest as error:
        log.warning("Telegram refuses the bot's menu", why=error.message)


async def open_webhook(bot: Bot, url: str, secret: str) -> None:
    """
    Have updates sent to `url`. What waits is kept: it may be about money.

    Raises:
        TelegramError
    """
    await bot.set_webhook(
        url,
        secret_token=secret,
        allowed_updates=ALLOWED_UPDATES,
        max_connections=CONNECTIONS_MAX,
        drop_pending_updates=False,
    )


async def poll(bot: AskingBot, chat: Chat, stop: asyncio.Event) -> None:
    """
    Ask for updates until told to stop. They are confirmed only when they were acted on, so a
    death in between has them sent again. One customer's are worked on in their order, but for those
    about money, and nobody waits for another's for longer than LOOK_SECONDS.
    """
    await until_done(lambda: bot.delete_webhook(drop_pending_updates=False), stop)
    offset: int | None = None
    under_way: dict[int, asyncio.Task[bool]] = {}  # By the update's id, until it is confirmed.
    newest: dict[int, asyncio.Task[bool]] = {}  # By who sent it, or by itself.
    crowded = asyncio.Event()

    async def ask() -> Sequence[Mapping[str, Any]]:
        """What is under way comes with every answer; then the answer does not wait for more."""
        return await bot.unread_updates(offset, 0 if under_way else POLL_SECONDS)

    async with asyncio.TaskGroup() as tasks:
        while not stop.is_set():
            for update in await until_done(ask, stop) or ():
                number = update["update_id"]
                if number not in under_way:
                    who = -number if waits_for_nobody(update) else _sender(update)
                    taking = _take_in(chat, update, stop, crowded, after=newest.get(who))
                    newest[who] = under_way[number] = tasks.create_task(taking)
            (crowded.set if len(under_way) >= CROWD else crowded.clear)()
            if under_way:
                await asyncio.wait(under_way.values(), timeout=LOOK_SECONDS)
            offset = _confirmed(under_way) or offset
            newest = {who: task for who, task in newest.items() if not task.done()}
    offset = _confirmed(under_way) or offset
    if offset is not None:  # Confirm what was done; whatever comes with the answer is asked again.
        with suppress(TelegramError):
            await bot.get_updates(offset, limit=1, timeout=0)


def _sender(update: Mapping[str, Any]) -> int:
    """Whose turn it is; 0 where it cannot be told."""
    with suppress(LookupError, TypeError, ValueError, StopIteration):
        return int(next(update[kind]["from"]["id"] for kind in ALLOWED_UPDATES if kind in update))
    return 0


def _confirmed(under_way: dict[int, "asyncio.Task[bool]"]) -> int | None:
    """Forget those that are done with, up to the first that is not; the number after them."""
    offset = None
    for number in sorted(under_way):
        task = under_way[number]
        if not task.done() or not task.result():
            break
        del under_way[number]
        offset = number + 1
    return offset


async def _take_in(
    chat: Chat,
    update: Mapping[str, Any],
    stop: asyncio.Event,
    crowded: asyncio.Event,
    *,
    after: "asyncio.Task[bool] | None",
) -> bool:
    """Whether it is done with, before it was time to stop."""
    if after is not None and not await after:
        return False
    hurries = [] if waits_for_nobody(update) else [crowded]  # An answer to a payer is no screen.
    for attempt in count(1):
        until = [stop]
        try:
            await chat.hear(update)
        except NotifierUnavailable as error:
            if attempt == SCREEN_TRIES or any(one.is_set() for one in hurries):
                log.warning("a screen was not drawn", update=update["update_id"])
                return True
            wait = min(error.retry_after_seconds, WAIT_SECONDS_MAX)
            until += hurries
        except Unavailable as error:
            log.warning("an update waits", update=update["update_id"], why=error.code)
            wait = min(2**attempt, WAIT_SECONDS_MAX)
        except Exception as error:  # A loop that ends answers nobody.
            log.exception("an update failed", error=type(error).__name__)
            return True
        else:
            return True
        await _rest(wait, *until)
        if stop.is_set():
            break
    return False


async def until_done(
    ask: Callable[[], Coroutine[Any, Any, Answer]], stop: asyncio.Event
) -> Answer | None:
    """Ask Telegram until it answers, more and more seldom; nothing where it is time to stop."""
    for attempt in count(1):
        asking, stopping = asyncio.create_task(ask()), asyncio.create_task(stop.wait())
        await asyncio.wait({asking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not asking.done():
            asking.cancel()
            with suppress(asyncio.CancelledError, TelegramError):
                await asking
            return None
        try:
            return asking.result()
        except RetryAfter as error:
            wait = float(seconds_asked_for(error))
        except Exception as error:  # noqa: BLE001 - Whatever it is, who gives up answers nobody.
            if attempt > QUIET_TRIES:  # Its name alone: what the library says may hold the token.
                log.warning("Telegram does not answer", error=type(error).__name__)
            wait = FIRST_WAIT_SECONDS * 2 ** min(attempt, 7)
        await _rest(wait, stop)
        if stop.is_set():
            break
    return None


async def _rest(seconds: float, *until: asyncio.Event) -> None:
    """Or until one of these is set."""
    waits = [asyncio.create_task(one.wait()) for one in until]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waits:
            one.cancel()
