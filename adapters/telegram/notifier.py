"""News as new messages that stay, sent at a pace of their own."""

from collections.abc import Callable
from typing import Final

from telegram import Bot

from adapters.telegram.drawing import send
from adapters.telegram.home import ware_button
from adapters.telegram.mailing import Mailing
from adapters.telegram.pace import Pace
from adapters.telegram.screens import Button, Screen, press
from adapters.telegram.sums import word_of
from adapters.telegram.texts import Texts, number_of
from core.domain.item import Deposit, PackItem
from core.domain.money import Money
from core.domain.purchase import Purchase
from core.domain.renewal import FROM_WALLET
from core.domain.subscription import Standing
from core.ports.notifier import Letter, News, NewsKind, NotifierUnavailable
from core.ports.unit_of_work import Now

PACE_SECONDS: Final = 0.04
"""Twenty-five messages a second: Telegram's guide for all chats together is thirty."""


class TelegramNotifier:
    """
    Has a bot object to itself, so that a crowd of messages, or Telegram's telling it to wait,
    never holds up the answer to a button. While Telegram says to wait, nothing is sent.
    """

    def __init__(
        self, bot: Bot, now: Now, app_url: str | None = None, *, mailing: Mailing | None = None
    ) -> None:
        """
        `app_url`: the Mini App's address, offered with a receipt. `mailing` sends what goes to
        many; None: it shares the bot object.
        """
        self._bot = bot
        self._app_url = app_url
        self._pace = Pace(now, PACE_SECONDS)
        self._mailing = mailing or Mailing(bot, now)

    def reaches(self, standing: Standing) -> bool:
        return standing.customer.telegram_id is not None

    async def tell(self, news: News) -> None:
        chat_id = news.standing.customer.telegram_id
        assert chat_id is not None, "ask `reaches` first"
        wait = await self._pace.turn()
        if wait:
            raise NotifierUnavailable(wait)
        try:
            await send(self._bot, chat_id, screen_from_news(news, self._app_url))
        except NotifierUnavailable as error:
            self._pace.told_to_wait(error.retry_after_seconds)
            raise

    async def mail(self, standing: Standing, letter: Letter) -> None:
        await self._mailing.send(standing, letter)


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
        if isinstance(purchase.item, PackItem):
            terms = purchase.item.terms
            units = texts.units(news.standing.catalog, terms.feature, terms.units)
            lines.append(texts("news.paid_pack", units=units))
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
    if purchase.ware is not None and not is_over:
        rows = [[_button(texts, "new_order", "plan", purchase.ware.terms.code)]]
    elif isinstance(purchase.item, Deposit) and not is_over:
        rows = [[_button(texts, "new_order", "ways", word_of(purchase.amount))], *rows]
    return Screen(texts(key, **facts), rows)


def _of_no_purchase(news: News, texts: Texts) -> Screen | None:
    """News of a period, access, a quota, a reward, an escrow or a withdrawal."""
    of_time = _OF_TIME.get(news.kind)
    if of_time is not None:
        return of_time(news, texts)
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


def _of_no_renewal(news: News, texts: Texts) -> Screen:
    known = news.plan
    some = texts("news.renews_no_more_some")
    title = None if known is None else known.terms.title(texts.language)
    told = some if title is None else texts("news.renews_no_more", plan=title)
    return Screen(told, [[_button(texts, "plans", "plans"), _button(texts, "status", "status")]])


def _of_the_end(news: News, texts: Texts) -> Screen:
    standing, ended = news.standing, news.plan
    default = standing.catalog.default.terms.title(texts.language)
    rows = [[_button(texts, "plans", "plans"), _button(texts, "status", "status")]]
    if ended is None:  # Not on offer any more.
        return Screen(texts("news.ended_some", default=default), rows)
    if ended.terms.prices:
        rows = [[_button(texts, "renew", "plan", ended.code)], *rows]
    title = ended.terms.title(texts.language)
    return Screen(texts(f"news.{news.kind}", plan=title, default=default), rows)


def _of_a_gift(news: News, texts: Texts) -> Screen:
    period = news.standing.subscription.at(news.at).period
    assert period is not None, "it has been overtaken otherwise"
    assert news.days is not None, "that is what was given"
    title, span = period.plan.terms.title(texts.language), texts.count("span.days", news.days)
    told = texts("news.given", span=span, plan=title, end=period.end)
    return Screen(told, [[_button(texts, "status", "status")]])


def _of_what_comes(news: News, texts: Texts) -> Screen:
    """A paid period runs out, or renews by itself: then for how much, and whether that has changed."""
    standing, now = news.standing, news.at
    present = standing.subscription.at(now)
    period, renews = present.period, present.renews
    assert period is not None, "it has been overtaken otherwise"
    title = period.plan.terms.title(texts.language)
    row = [_button(texts, "status", "status")]
    price = standing.renewal_price(now)
    if price is None or renews is None:
        key = "news.ends_as_decided" if present.cancel_at_period_end else "news.ends_soon"
        key = "news.trial_ends_soon" if present.is_trial else key
        sold = standing.catalog.plans.get(period.plan.code)
        if sold is not None and sold.terms.prices:
            row = [_button(texts, "extend", "confirm", sold.code), *row]
        return Screen(texts(key, plan=title, end=period.end), [row])
    if renews.at_gateway is not None:
        return Screen(texts("news.renews_soon_at_gateway", plan=title, at=period.end), [row])
    price = price if news.charge is None else news.charge
    from_wallet = renews.source == FROM_WALLET
    key = "news.renews_soon" if from_wallet else "news.renews_soon_by_method"
    lines = [texts(key, plan=title, at=renews.next_at or period.end, price=price)]
    before = period.plan.terms.price_in(price.currency)
    if before not in {None, price}:
        lines.append(texts("news.price_changed", before=before, price=price))
    return Screen("\n".join(lines), [row])


def _of_the_price(news: News, texts: Texts) -> Screen:
    """It costs something else now; and whether the next renewal does so already."""
    present, price = news.standing.subscription.at(news.at), news.standing.renewal_price(news.at)
    period, renews = present.period, present.renews
    assert period is not None, "it has been overtaken otherwise"
    assert price is not None, "the same"
    assert renews is not None, "the same"
    lines = [
        texts(
            "news.price_changes",
            plan=period.plan.terms.title(texts.language),
            before=period.plan.terms.price_in(price.currency),
            price=price,
        ),
        texts("news.price_next", at=renews.next_at or period.end, price=news.charge or price),
    ]
    if news.charge not in {None, price}:
        lines.append(texts("news.price_kept"))
    return Screen("\n".join(lines), [[_button(texts, "status", "status")]])


def _of_the_quota(news: News, texts: Texts) -> Screen:
    quota = news.quota
    assert quota is not None
    assert quota.limit is not None, "what has no limit has no line either"
    units = quota.limit if news.kind is NewsKind.QUOTA_USED_UP else quota.limit - quota.used
    has_window = quota.limit > 0
    told = texts(
        f"news.{news.kind}" if has_window else "news.packs_used_up",
        units=texts.units(news.standing.catalog, quota.key.feature, units),
        limit=quota.limit,
        at=texts.when(quota.resets_at, news.at),
        span=texts.time_left(quota.resets_at, news.at),
    )
    row = [_button(texts, "plans", "plans"), _button(texts, "status", "status")]
    packs = news.standing.catalog.packs_of(quota.key.feature)
    more = [[ware_button(texts, PackItem(pack), on_news=True)] for pack in packs]
    return Screen(told, [*more, row])


_OF_TIME: Final[dict[NewsKind, Callable[[News, Texts], Screen]]] = {
    NewsKind.GIVEN: _of_a_gift,
    NewsKind.ENDED: _of_the_end,
    NewsKind.COME_BACK: _of_the_end,
    NewsKind.ENDS_SOON: _of_what_comes,
    NewsKind.RENEWS_SOON: _of_what_comes,
    NewsKind.PRICE_CHANGES: _of_the_price,
    NewsKind.RENEWS_NO_MORE: _of_no_renewal,
    NewsKind.QUOTA_LOW: _of_the_quota,
    NewsKind.QUOTA_USED_UP: _of_the_quota,
}
"""What came about with time or use, and by no purchase."""


def _whereabouts(texts: Texts, purchase: Purchase) -> Button:
    """Where what was bought can be seen."""
    if purchase.ware is None:
        return _button(texts, "wallet", "wallet")
    return _button(texts, "status", "status")


def _missing(purchase: Purchase, received: Money | None) -> Money | None:
    if received is None or received.currency != purchase.amount.currency:
        return None
    return purchase.amount - received if received < purchase.amount else None


def _button(texts: Texts, key: str, verb: str, *words: str) -> Button:
    return Button(texts.label(f"button.{key}"), press=press(verb, *words, on_news=True))
