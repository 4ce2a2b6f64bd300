"""Putting messages into a chat, and Telegram's refusals in our words."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from typing import Final

import structlog
from telegram import Bot, LinkPreviewOptions
from telegram.constants import ChatAction, ParseMode
from telegram.error import BadRequest, Forbidden, RetryAfter, TelegramError

from adapters.telegram.screens import Screen
from core.ports.notifier import CustomerUnreachable, NotifierUnavailable
from core.ports.unit_of_work import unit_is_open

NOT_MODIFIED: Final = "message is not modified"
CANNOT_BE_EDITED: Final = (
    "message to edit not found",
    "message can't be edited",
    "there is no text in the message to edit",
    "message_id_invalid",
)
COURTESY_SECONDS: Final = 2.0
log: Final = structlog.get_logger(__name__)

NO_PREVIEW: Final = LinkPreviewOptions(is_disabled=True)


async def send(bot: Bot, chat_id: int, screen: Screen) -> None:
    """
    A new message.

    Raises:
        CustomerUnreachable
        NotifierUnavailable: it may have arrived all the same.
    """
    assert not unit_is_open.get(), "nobody is told anything inside a unit of work"
    with _refusals_told():
        await bot.send_message(
            chat_id,
            screen.text,
            parse_mode=ParseMode.HTML,
            reply_markup=screen.markup(),
            link_preview_options=NO_PREVIEW,
        )


async def redraw(bot: Bot, chat_id: int, message_id: int, screen: Screen) -> None:
    """The message becomes this screen; where Telegram does not let it, a new one is sent. As `send`."""
    assert not unit_is_open.get(), "nobody is told anything inside a unit of work"
    try:
        with _refusals_told():
            await bot.edit_message_text(
                screen.text,
                chat_id,
                message_id,
                parse_mode=ParseMode.HTML,
                reply_markup=screen.markup(),
                link_preview_options=NO_PREVIEW,
            )
    except BadRequest as error:
        said = error.message.lower()
        if NOT_MODIFIED in said:
            return
        if not any(one in said for one in CANNOT_BE_EDITED):
            raise
        await send(bot, chat_id, screen)


async def answer_payer(bot: Bot, query_id: str, refusal: str | None) -> None:
    """
    Let a payment go on, or say why not. Too late, the payment is off already.

    Raises:
        NotifierUnavailable
    """
    assert not unit_is_open.get(), "nobody is told anything inside a unit of work"
    try:
        with _refusals_told():
            await bot.answer_pre_checkout_query(query_id, ok=refusal is None, error_message=refusal)
    except (BadRequest, CustomerUnreachable) as error:
        log.warning("a payer was not answered", error=str(error), query=query_id)


async def acknowledge(bot: Bot, query_id: str) -> None:
    """Stop the button's spinning. Too late or lost, it does no harm."""
    async with _as_a_courtesy():
        await bot.answer_callback_query(query_id)


async def seem_busy(bot: Bot, chat_id: int) -> None:
    """Show that an answer is on its way, for five seconds."""
    async with _as_a_courtesy():
        await bot.send_chat_action(chat_id, ChatAction.TYPING)


@asynccontextmanager
async def _as_a_courtesy() -> AsyncIterator[None]:
    """What is not worth waiting for, nor worth a word where it fails."""
    with suppress(TelegramError, TimeoutError):
        async with asyncio.timeout(COURTESY_SECONDS):
            yield


@contextmanager
def _refusals_told() -> Iterator[None]:
    try:
        yield
    except Forbidden as error:
        raise CustomerUnreachable from error
    except RetryAfter as error:
        raise NotifierUnavailable(seconds_asked_for(error)) from error
    except BadRequest as error:  # To the library a kind of network error, so it comes first.
        if "chat not found" in error.message.lower():
            raise CustomerUnreachable from error
        raise
    except TelegramError as error:  # Also a token that is being replaced, and nonsense of a proxy.
        raise NotifierUnavailable from error


def seconds_asked_for(error: RetryAfter) -> int:
    wait = error.retry_after
    return int(wait.total_seconds()) + 1 if isinstance(wait, timedelta) else int(wait) + 1
