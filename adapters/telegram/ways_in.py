"""How updates reach us: Telegram calls our webhook, or we ask for them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any, Final, TypeVar

import structlog
from telegram import (
    Bot,
    BotCommand,
    MenuButtonDefault,
    MenuButtonWebApp,
    Update,
    WebAppInfo,
)
from telegram.error import RetryAfter, TelegramError
from telegram.request import HTTPXRequest

from adapters.locales.translations import LANGUAGES
from adapters.telegram.chat import ALLOWED_UPDATES, COMMANDS, HIDDEN_COMMANDS, Chat
from adapters.telegram.drawing import seconds_asked_for
from adapters.telegram.texts import Texts
from core.domain.errors import Unavailable
from core.ports.notifier import NotifierUnavailable

API_URL: Final = "https://api.telegram.org"
POLL_SECONDS: Final = 25
BATCH: Final = 50
CONNECTIONS_MAX: Final = 40
WAIT_SECONDS_MAX: Final = 30
FIRST_WAIT_SECONDS: Final = 0.25
QUIET_TRIES: Final = 3
"""So often nothing is said: a process that starts together with what it asks is early."""
SCREEN_TRIES: Final = 3
"""A screen that Telegram does not take is not worth everybody's waiting: the button is still there."""

Answer = TypeVar("Answer")

log: Final = structlog.get_logger(__name__)


@asynccontextmanager
async def open_bot(token: str, api_url: str | None) -> AsyncIterator[Bot]:
    """
    `api_url`: another address of the Bot API, to which `bot<token>/<method>` is appended. Nothing
    is asked of Telegram by opening it.
    """
    calls = HTTPXRequest(connection_pool_size=64, connect_timeout=3, read_timeout=10)
    polls = HTTPXRequest(connect_timeout=3, read_timeout=10)
    try:
        address = f"{api_url or API_URL}/bot"
        yield Bot(token, base_url=address, request=calls, get_updates_request=polls)
    finally:
        await calls.shutdown()
        await polls.shutdown()


async def introduce(bot: Bot, app_url: str | None) -> None:
    """
    Tell Telegram the commands in each language, and the Mini App behind the menu button.

    Raises:
        TelegramError
    """
    for language in (None, *LANGUAGES):
        texts = Texts(language or next(iter(LANGUAGES)), "UTC")
        told = [
            BotCommand(name, texts.label(f"command.{name}"))
            for name in COMMANDS
            if name not in HIDDEN_COMMANDS
        ]
        await bot.set_my_commands(told, language_code=language)
    button = Texts(next(iter(LANGUAGES)), "UTC").label("button.app")
    await bot.set_chat_menu_button(
        menu_button=MenuButtonDefault()
        if app_url is None
        else MenuButtonWebApp(button, WebAppInfo(app_url))
    )


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


async def poll(bot: Bot, chat: Chat, stop: asyncio.Event) -> None:
    """
    Ask for updates until told to stop. They are confirmed only when they were acted on, so a
    death in between has them sent again. One customer's are worked on in their order.
    """
    await until_done(lambda: bot.delete_webhook(drop_pending_updates=False), stop)
    offset: int | None = None

    async def ask() -> tuple[Update, ...]:
        return await bot.get_updates(
            offset, limit=BATCH, timeout=POLL_SECONDS, allowed_updates=ALLOWED_UPDATES
        )

    while not stop.is_set():
        updates = await until_done(ask, stop)
        if not updates:
            continue
        done = await asyncio.gather(
            *(_take_in(chat, of_one, stop) for of_one in _by_customer(updates))
        )
        if all(done):
            offset = updates[-1].update_id + 1
    if offset is not None:  # Confirm what was done; whatever comes with the answer is asked again.
        with suppress(TelegramError):
            await bot.get_updates(offset, limit=1, timeout=0)


async def _take_in(chat: Chat, updates: Sequence[Update], stop: asyncio.Event) -> bool:
    """Whether it was done with all of them, before it was time to stop."""
    for update in updates:
        for attempt in count(1):
            try:
                await chat.take_in(update)
                break
            except NotifierUnavailable as error:
                if attempt == SCREEN_TRIES:
                    log.warning("a screen was not drawn", update=update.update_id)
                    break
                wait = error.retry_after_seconds
            except Unavailable as error:
                log.warning("an update waits", update=update.update_id, why=error.code)
                wait = 2**attempt
            await _rest(wait, stop)
            if stop.is_set():
                return False
    return True


def _by_customer(updates: Iterable[Update]) -> list[list[Update]]:
    groups: dict[int, list[Update]] = {}
    for update in updates:
        user = update.effective_user
        groups.setdefault(0 if user is None else user.id, []).append(update)
    return list(groups.values())


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
        except TelegramError as error:
            if attempt > QUIET_TRIES:  # Its name alone: what the library says may hold the token.
                log.warning("Telegram does not answer", error=type(error).__name__)
            wait = FIRST_WAIT_SECONDS * 2 ** min(attempt, 7)
        await _rest(wait, stop)
        if stop.is_set():
            break
    return None


async def _rest(seconds: float, stop: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(min(seconds, WAIT_SECONDS_MAX)):
            await stop.wait()
