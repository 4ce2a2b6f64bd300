"""News as new messages that stay, sent at a pace of their own."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

from telegram import Bot

from adapters.telegram.drawing import send
from adapters.telegram.screens import Button, Screen, press
from adapters.telegram.sums import word_of
from adapters.telegram.texts import Texts, number_of
from core.domain.item import Deposit
from core.domain.money import Money
from core.domain.purchase import Purchase
from core.domain.subscription import Standing
from core.ports.notifier import News, NewsKind, NotifierUnavailable
from core.ports.unit_of_work import Now

PACE_SECONDS: Final = 0.04
"""Twenty-five messages a second: Telegram's guide for all chats together is thirty."""


class TelegramNotifier:
    """
    Has a bot object to itself, so that a crowd of messages, or Telegram's telling it to wait,
    never holds up the answer to a button. While Telegram says to wait, nothing is sent.
    """

    def __init__(self, bot: Bot, now: Now, app_url: str | None = None) -> None:
        """`app_url`: the Mini App's address, offered with a receipt."""
        self._bot = bot
        self._app_url = app_url
        self._now = now
        self._waits_until: datetime | None = None
        self._pace = asyncio.Lock()

    def reaches(self, standing: Standing) -> bool:
        return standing.customer.telegram_id is not None

    async def tell(self, news: News) -> None:
        chat_id = news.standing.customer.telegram_id
        assert chat_id is not None, "ask `reaches` first"
        await self._turn()
        try:
            await send(self._bot, chat_id, screen_from_news(news, self._app_url))
        except NotifierUnavailable as error:
            until = self._now() + timedelta(seconds=error.retry_after_seconds)
            self._waits_until = max(until, self._waits_until or until)
            raise

    async def _turn(self) -> None:
        async with self._pace:
            if self._waits_until is not None:
                left = self._waits_until - self._now()
                if left > timedelta():
                    raise NotifierUnavailable(-(-left // timedelta(seconds=1)))
            await asyncio.sleep(PACE_SECONDS)


def screen_from_news(news: News, app_url: str | None = None) -> Screen:
    """The message: what happened, whether the money is safe, and what can be done next."""
    texts = Texts.of(news.standing.customer)
    screen = _of_no_purchase(news, texts)
    if screen is not None:
        return screen
    purchase = news.purchase
    assert purchase is not None, "all other news are of a purchase"
    facts: dict[str, object] = {
        "number": number_of(purchase),
        "plan": texts.item(news.standing.catalog, purchase.item),
        "price": purchase.amount,
    }
    if news.received is not None:
        facts["received"] = news.received
    key = f"news.{news.kind}"
    if news.kind is NewsKind.PAID:
        lines = [texts(key, **facts)]
        period = news.standing.subscription.at(news.at).period
        if period is not None and purchase.plan is not None:
            title = period.plan.terms.title(texts.language)
            lines.append(texts("plan.until", plan=title, end=period.end))
        if news.in_wallet is not None:
            lines.append(texts("status.wallet", amount=news.in_wallet))
        if purchase.ended_at is not None and purchase.ended_at > purchase.expires_at:
            lines.append(texts("news.paid_late"))
        app = [] if app_url is None else [Button(texts.label("button.app"), app=app_url)]
        return Screen("\n".join(lines), [app, [_whereabouts(texts, purchase)]])
    if news.kind is NewsKind.MISMATCH:
        missing = _missing(purchase, news.received)
        key = "news.mismatch" if missing is None else "news.mismatch_less"
        facts |= {} if missing is None else {"missing": missing}
    is_over = news.kind in {NewsKind.SECOND, NewsKind.AFTER_END, NewsKind.MISMATCH}
    rows = [[_button(texts, "wallet", "wallet")]] if is_over else [[_whereabouts(texts, purchase)]]
    if purchase.plan is not None and not is_over:
        rows = [[_button(texts, "new_order", "plan", purchase.plan.code)]]
    elif isinstance(purchase.item, Deposit) and not is_over:
        rows = [[_button(texts, "new_order", "ways", word_of(purchase.amount))], *rows]
    return Screen(texts(key, **facts), rows)


def _of_no_purchase(news: News, texts: Texts) -> Screen | None:
    """News of a period, access, a reward, an escrow or a withdrawal."""
    if news.kind is NewsKind.ENDED:
        return _of_the_end(news, texts)
    if news.kind is NewsKind.RENEWS_NO_MORE:
        known = news.ended
        some = texts("news.renews_no_more_some")
        title = None if known is None else known.terms.title(texts.language)
        told = some if title is None else texts("news.renews_no_more", plan=title)
        return Screen(
            told, [[_button(texts, "plans", "plans"), _button(texts, "status", "status")]]
        )
    if news.kind.startswith(("escrow_", "withdrawal_", "access_")):
        return _in_a_line(news, texts)
    if news.reward is not None:
        told = texts(f"news.{news.kind}", amount=news.reward.left, at=news.reward.ripe_at)
        return Screen(
            told, [[_button(texts, "invite", "invite"), _button(texts, "wallet", "wallet")]]
        )
    return None


def _in_a_line(news: News, texts: Texts) -> Screen:
    key = f"news.{news.kind}" if news.link is None else "news.access_given_at"
    if news.kind is NewsKind.ACCESS_DELAYED and news.standing.subscription.is_trial:
        key = "status.access_pending"
    told = texts(key, amount=news.received, title=news.title, link=news.link)
    where = "status" if news.kind.startswith("access_") else "wallet"
    return Screen(told, [[_button(texts, where, where)]])


def _of_the_end(news: News, texts: Texts) -> Screen:
    standing, ended = news.standing, news.ended
    default = standing.catalog.default.terms.title(texts.language)
    rows = [[_button(texts, "plans", "plans"), _button(texts, "status", "status")]]
    if ended is None:  # Not on offer any more.
        return Screen(texts("news.ended_some", default=default), rows)
    if ended.terms.prices:
        rows = [[_button(texts, "renew", "plan", ended.code)], *rows]
    title = ended.terms.title(texts.language)
    return Screen(texts("news.ended", plan=title, default=default), rows)


def _whereabouts(texts: Texts, purchase: Purchase) -> Button:
    """Where what was bought can be seen."""
    if purchase.plan is None:
        return _button(texts, "wallet", "wallet")
    return _button(texts, "status", "status")


def _missing(purchase: Purchase, received: Money | None) -> Money | None:
    if received is None or received.currency != purchase.amount.currency:
        return None
    return purchase.amount - received if received < purchase.amount else None


def _button(texts: Texts, key: str, verb: str, *words: str) -> Button:
    return Button(texts.label(f"button.{key}"), press=press(verb, *words, on_news=True))
