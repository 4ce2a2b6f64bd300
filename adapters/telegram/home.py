"""Screens of everyday: home, my plan, language, help."""

from collections.abc import Sequence
from dataclasses import replace

from adapters.locales.translations import LANGUAGES
from adapters.telegram.screens import Button, Screen, press
from adapters.telegram.texts import Texts, number_of
from adapters.telegram.visits import Visit
from core.domain.catalog import Catalog
from core.use_cases.customers import Account


async def home(visit: Visit, _: Sequence[str] = ()) -> Screen:
    account = await visit.billing.show_account(visit.customer.id)
    texts, chat = visit.texts, account.standing.catalog.chat
    lines = [texts.own(chat.about), "", *standing_lines(texts, account)]
    if visit.name:
        lines.insert(0, texts("hello", name=visit.name))
    return Screen(
        "\n".join(lines).strip(),
        [
            _ways_to_buy(visit, account),
            visit.app_button(),
            [visit.button("status", "status"), *_to_the_wallet(visit, account)],
            [visit.button("language", "languages"), visit.button("help", "help")],
        ],
    )


async def status(visit: Visit, _: Sequence[str] = ()) -> Screen:
    account = await visit.billing.show_account(visit.customer.id)
    texts = visit.texts
    lines = [texts("status.title"), "", *standing_lines(texts, account)]
    money = [texts("status.wallet", amount=one) for one in account.cash if one.is_positive]
    period = account.standing.subscription.at(account.at).period
    if period is not None:
        after = account.standing.catalog.default.terms.title(texts.language)
        money.append(texts("status.then", plan=after))
    if money:
        lines += ["", *money]
    return Screen(
        "\n".join(lines),
        [
            _ways_to_buy(visit, account),
            visit.app_button(),
            [visit.button("refresh", "status"), visit.button("back", "home")],
        ],
    )


def _to_the_wallet(visit: Visit, account: Account) -> list[Button]:
    """Where money can be put into it, or is in it."""
    takes_deposits = account.standing.catalog.money.deposit.bounds
    return [visit.button("wallet", "wallet")] if takes_deposits or account.has_money else []


def _ways_to_buy(visit: Visit, account: Account) -> list[Button]:
    """More of the present plan, if it is still sold; and all plans."""
    standing = account.standing
    present = standing.catalog.plans.get(standing.plan(account.at).code)
    plans = visit.button("plans", "plans")
    if present is None or not present.terms.prices:
        return [plans]
    return [visit.button("extend", "confirm", present.code), plans]


async def languages(visit: Visit, _: Sequence[str] = ()) -> Screen:
    choices = [
        Button(("✓ " if code == visit.texts.language else "") + name, press=press("language", code))
        for code, name in LANGUAGES.items()
    ]
    return Screen(visit.texts("language.choose"), [choices, [visit.button("back", "home")]])


async def language(visit: Visit, words: Sequence[str]) -> Screen:
    """A language once chosen is never guessed again."""
    [code] = words
    if code not in LANGUAGES:
        return await languages(visit)
    [identity, *_] = visit.customer.identities
    customer = await visit.billing.register_customer(identity, language=code)
    return await home(replace(visit, customer=customer, texts=Texts.of(customer)))


async def help_(visit: Visit, _: Sequence[str] = ()) -> Screen:
    """With the way to the newest order, for who paid and waits."""
    texts = visit.texts
    catalog = await visit.billing.show_catalog()
    newest = await visit.billing.show_purchases.page(visit.customer.id, limit=1)
    open_orders = [
        visit.button("order", "order", one.purchase.id, number=number_of(one.purchase))
        for one in newest
        if one.purchase.is_pending
    ]
    return Screen(
        "\n\n".join([texts("help.text"), support_line(texts, catalog)]),
        [open_orders, [visit.button("status", "status"), visit.button("back", "home")]],
    )


async def blocked(visit: Visit) -> Screen:
    """All that a blocked customer sees; what was paid is honoured, and told, all the same."""
    catalog = await visit.billing.show_catalog()
    line = support_line(visit.texts, catalog)
    return Screen(f"{visit.texts('error.customer_blocked')}\n\n{line}")


def support_line(texts: Texts, catalog: Catalog) -> str:
    """Whom to write to, or that nobody is named yet."""
    support = catalog.chat.support
    return texts("help.nobody") if support is None else texts("help.support", support=support)


def standing_lines(texts: Texts, account: Account) -> list[str]:
    """The plan, until when, and what is left of each quota."""
    standing, now = account.standing, account.at
    period = standing.subscription.at(now).period
    title = standing.plan(now).terms.title(texts.language)
    if period is None:
        lines = [texts("plan.now", plan=title)]
    else:
        lines = [texts("plan.until", plan=title, end=period.end)]
    for quota in account.quotas:
        feature, told = quota.key.feature, quota.decision(allowed=True)
        if told.limit is None:
            word = texts.word(standing.catalog, feature, 5)
            lines.append(texts("quota.unlimited", word=word))
        elif told.limit and told.remaining is not None:
            lines.append(
                texts(
                    "quota.left",
                    units=texts.units(standing.catalog, feature, told.remaining),
                    limit=told.limit,
                    at=texts.when(told.resets_at, now),
                    span=texts.time_left(told.resets_at, now),
                )
            )
    return lines
