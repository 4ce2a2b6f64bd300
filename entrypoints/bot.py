"""The bot in a process: opened with it, taking updates in by whichever way is set."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog
from telegram import Bot

from adapters.http.edge import UpdatesDoor
from adapters.telegram.chat import Chat
from adapters.telegram.visits import Surroundings
from adapters.telegram.ways_in import introduce, open_bot, open_webhook, poll, until_done
from core.domain.cause import Cause
from core.domain.customer import CustomerId
from core.domain.errors import Unavailable
from core.ports.unit_of_work import Now, Store
from core.use_cases.billing import Billing
from entrypoints.settings import Settings

# The library's waits come as timedelta: its numbers of seconds are about to go, and say so each time.
os.environ.setdefault("PTB_TIMEDELTA", "true")

AGAIN_AFTER_SECONDS: Final = 2.0
POLLING: Final = "polling"
WEBHOOK_PATH: Final = "/api/v1/billing/webhooks/telegram/"

log: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BotAtWork:
    """`door` takes the webhook's updates; `task` prepares it, or asks for updates until the end."""

    way_in: str
    door: UpdatesDoor | None
    task: "asyncio.Task[None] | None"

    @property
    def is_silent(self) -> bool:
        """Whether it asks for updates, and has ended all the same."""
        return self.way_in == POLLING and self.task is not None and self.task.done()


@asynccontextmanager
async def bot_at_work(
    settings: Settings,
    store: Store,
    billing: Billing,
    now: Now,
    may_check_out: Callable[[CustomerId, Cause], Awaitable[None]],
    *,
    may_recheck: Callable[[CustomerId, Cause], Awaitable[None]],
    proof: str,
    polls: bool,
) -> AsyncIterator[BotAtWork]:
    """
    With a webhook secret Telegram calls us. Without one we ask for updates, if this process is to
    (`polls`) and no other does already. `proof` is what the gateways know an update by.
    """
    stop = asyncio.Event()
    async with open_bot(settings.bot_token, settings.bot_api_url) as bot:
        address = _ChatAddress(settings)
        secret = settings.secret("telegram_webhook_secret")
        around = Surroundings(
            billing,
            now,
            address,
            may_check_out,
            settings.app_url,
            proof,
            bot_address=lambda: address.of_the_bot,
            may_recheck=may_recheck,
            webhook_info=None if secret is None else bot.get_webhook_info,
        )
        chat = Chat(bot, around)
        door: UpdatesDoor | None = None
        work: Callable[[], Coroutine[None, None, None]] | None = None
        way_in = "none here"
        if secret is not None:

            async def prepare() -> None:
                await _introduced(bot, settings, address, stop)
                url = f"{settings.base_url}{WEBHOOK_PATH}"
                await until_done(lambda: open_webhook(bot, url, secret), stop)

            door, work, way_in = UpdatesDoor(secret, chat.hear), prepare, "webhook"
        elif polls:

            async def ask() -> None:
                await _introduced(bot, settings, address, stop)
                await poll(bot, chat, stop)

            work, way_in = (lambda: _alone(store, ask, stop)), POLLING
        task = None if work is None else asyncio.create_task(work())
        try:
            yield BotAtWork(way_in, door, task)
        finally:
            stop.set()
            if task is not None:
                await task


class _ChatAddress:
    """Where a payer comes back to: the chat, once the bot's name is known."""

    def __init__(self, settings: Settings) -> None:
        self._address = settings.return_url_or_own
        self.of_the_bot: str | None = None
        self._double = f"{settings.base_url}/sandbox/telegram/" if settings.doubles_telegram else ""

    def __call__(self) -> str:
        return self._double or self._address

    def know(self, username: str) -> None:
        self._address = self.of_the_bot = f"https://t.me/{username}"


async def _introduced(
    bot: Bot, settings: Settings, address: _ChatAddress, stop: asyncio.Event
) -> None:
    me = await until_done(bot.get_me, stop)
    if me is not None and me.username:
        address.know(me.username)
    app_url = settings.app_url
    is_shown = app_url is not None and (settings.doubles_telegram or app_url.startswith("https://"))
    await until_done(lambda: introduce(bot, app_url if is_shown else None), stop)


async def _alone(store: Store, ask: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
    """Telegram answers one asker alone: of several processes one asks, and another stands by."""
    told = False
    while not stop.is_set():
        try:
            async with store.exclusive("telegram"):
                await ask()
        except Unavailable as error:
            if not told:
                told = True
                log.warning("updates are not asked for here; trying again", why=error.code)
            try:
                async with asyncio.timeout(AGAIN_AFTER_SECONDS):
                    await stop.wait()
            except TimeoutError:
                continue
