"""Letters to many: each with a way to get no more of them, sent slower than what concerns one."""

import html
from typing import Final

import structlog
from telegram import Bot
from telegram.error import BadRequest, RetryAfter

from adapters.telegram.drawing import send
from adapters.telegram.pace import Pace
from adapters.telegram.screens import Button, Screen, press
from adapters.telegram.texts import Texts
from core.domain.subscription import Standing
from core.ports.notifier import Letter, LetterRefused, NotifierUnavailable, SentTooFast
from core.ports.unit_of_work import Now

PACE_SECONDS: Final = 0.05
"""Twenty a second. Telegram's guide is thirty for all, so ten are left for receipts and answers."""

log: Final = structlog.get_logger(__name__)


class Mailing:
    """Has a bot object and a pace of its own: what Telegram says of a crowd holds up nobody else."""

    def __init__(self, bot: Bot, now: Now) -> None:
        self._bot = bot
        self._pace = Pace(now, PACE_SECONDS)

    async def send(self, standing: Standing, letter: Letter) -> None:
        """As `Notifier.mail`."""
        chat_id = standing.customer.telegram_id
        if chat_id is None:
            raise LetterRefused
        wait = await self._pace.turn()
        if wait:
            raise SentTooFast(wait)
        try:
            await send(self._bot, chat_id, screen_from_letter(letter, standing))
        except BadRequest as error:
            log.warning("a letter was refused", why=error.message)
            raise LetterRefused from error
        except NotifierUnavailable as error:
            self._pace.told_to_wait(error.retry_after_seconds)
            if isinstance(error.__cause__, RetryAfter):
                raise SentTooFast(error.retry_after_seconds) from error
            raise


def screen_from_letter(letter: Letter, standing: Standing) -> Screen:
    """A plan that is not sold any more has no button."""
    texts, row = Texts.of(standing.customer), []
    plan = None if letter.plan is None else standing.catalog.plans.get(letter.plan)
    if plan is not None and plan.terms.prices:
        title = plan.terms.title(texts.language)
        leads = press("plan", plan.code, on_news=True)
        row = [Button(texts.label("button.letter_plan", plan=title), press=leads)]
    elif letter.url is not None:
        row = [Button(texts.label("button.letter_url"), url=letter.url)]
    no_more = press("letters", "off", on_news=True)
    return Screen(
        html.escape(letter.text), [row, [Button(texts.label("button.letters_off"), press=no_more)]]
    )
