"""Screens of everyday: home, my plan, settings, help."""

from collections.abc import Sequence
from dataclasses import replace

from adapters.locales.translations import LANGUAGES
from adapters.telegram.screens import Button, Screen, press
from adapters.telegram.texts import Texts, number_of
from adapters.telegram.visits import Visit
from core.domain.catalog import Catalog
from core.domain.renewal import FROM_WALLET
from core.domain.subscription import Activation
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
            _to_try(visit, account),
            _ways_to_buy(visit, account),
            visit.app_button(),
            [visit.button("status", "status"), *_to_the_wallet(visit, account)],
            _to_invite(visit, account),
            [visit.button("settings", "settings"), visit.button("help", "help")],
        ],
    )


async def status(visit: Visit, _: Sequence[str] = ()) -> Screen:
    account = await visit.billing.show_account(visit.customer.id)
    texts = visit.texts
    lines = [texts("status.title"), "", *standing_lines(texts, account)]
    money = [texts("status.wallet", amount=one) for one in account.cash if one.is_positive]
    if account.standing.subscription.at(account.at).period is not None:
        money.append(_what_follows(texts, account))
    if money:
        lines += ["", *money]
    lines += await _access(visit)
    return Screen(
        "\n".join(lines),
        [
            _ways_to_buy(visit, account),
            visit.app_button(),
            _renewal_switch(visit, account),
            [visit.button("refresh", "status"), visit.button("back", "home")],
        ],
    )


async def _access(visit: Visit) -> list[str]:
    """Where it is, or that it is being made."""
    told = await visit.billing.show_access(visit.customer.id)
    if told.activation in {Activation.PENDING, Activation.FAILED}:
        return ["", visit.texts("status.access_pending")]
    return [] if told.link is None else ["", visit.texts("status.access", link=told.link)]


async def renewal(visit: Visit, words: Sequence[str]) -> Screen:
    """From the wallet alone; a saved method is chosen where it was saved. Or again as it was."""
    [wanted] = words
    if wanted == "again":
        await visit.billing.change_subscription.resume(visit.customer.id)
        return await status(visit)
    source = FROM_WALLET if wanted == "on" else None
    await visit.billing.change_subscription.renew_from(visit.customer.id, source)
    return await status(visit)


def _what_follows(texts: Texts, account: Account) -> str:
    renews = account.standing.subscription.at(account.at).renews
    if renews is None or (renews.next_at is None and renews.at_gateway is None):
        after = account.standing.catalog.default.terms.title(texts.language)
        return texts("status.then", plan=after)
    if renews.at_gateway is not None:
        return texts("status.renews_at_gateway")
    key = "status.renews" if renews.source == FROM_WALLET else "status.renews_by_method"
    return texts(key, at=renews.next_at)


def _renewal_switch(visit: Visit, account: Account) -> list[Button]:
    """On, where the wallet is of use and the plan is sold; off wherever it is on."""
    subscription = account.standing.subscription.at(account.at)
    if subscription.period is None:
        return []
    if subscription.renews is not None:
        return [visit.button("renewal_off", "renewal", "off")]
    if subscription.renewal is not None and subscription.renewal.at_gateway is not None:
        return [visit.button("renewal_again", "renewal", "again")]
    plan = account.standing.catalog.plans.get(subscription.period.plan.code)
    is_sold = plan is not None and plan.terms.prices
    return (
        [visit.button("renewal_on", "renewal", "on")]
        if is_sold and _to_the_wallet(visit, account)
        else []
    )


def _to_the_wallet(visit: Visit, account: Account) -> list[Button]:
    """Where money can be put into it, or is in it."""
    takes_deposits = account.standing.catalog.money.deposit.bounds
    return [visit.button("wallet", "wallet")] if takes_deposits or account.has_money else []


def _to_invite(visit: Visit, account: Account) -> list[Button]:
    is_offered = account.standing.catalog.money.referral.is_offered
    return [visit.button("invite", "invite")] if is_offered else []


async def trial(visit: Visit, _: Sequence[str] = ()) -> Screen:
    await visit.billing.start_trial(visit.customer.id)
    return (await status(visit)).after(visit.texts("trial.started"))


def _to_try(visit: Visit, account: Account) -> list[Button]:
    plan = account.standing.trial(account.at)
    if plan is None or plan.terms.trial is None:
        return []
    return [visit.button("trial", "trial", span=visit.texts.period(plan.terms.trial))]


def _ways_to_buy(visit: Visit, account: Account) -> list[Button]:
    """More of the present plan, if it is still sold; and all plans."""
    standing = account.standing
    present = standing.catalog.plans.get(standing.plan(account.at).code)
    plans = visit.button("plans", "plans")
    if present is None or not present.terms.prices:
        return [plans]
    return [visit.button("extend", "confirm", present.code), plans]


async def settings(visit: Visit, _: Sequence[str] = ()) -> Screen:
    choices = [
        Button(("✓ " if code == visit.texts.language else "") + name, press=press("language", code))
        for code, name in LANGUAGES.items()
    ]
    texts = visit.texts
    if visit.customer.fewer_reminders:
        told, switch = "settings.fewer", visit.button("reminders_all", "reminders", "all")
    else:
        told, switch = "settings.all", visit.button("reminders_fewer", "reminders", "fewer")
    lines = [texts("settings.title"), "", texts(told)]
    rows = [choices, [switch], [visit.button("back", "home")]]
    if not visit.customer.fewer_reminders:  # Whoever wants fewer of those gets no letters anyway.
        if visit.customer.no_broadcasts:
            told, switch = "settings.letters_off", visit.button("letters_on", "letters", "on")
        else:
            told, switch = "settings.letters_on", visit.button("letters_off", "letters", "off")
        lines.append(texts(told))
        rows.insert(2, [switch])
    return Screen("\n".join([*lines, "", texts("language.choose")]), rows)


async def reminders(visit: Visit, words: Sequence[str]) -> Screen:
    [wanted] = words
    [identity, *_] = visit.customer.identities
    fewer = wanted == "fewer"
    customer = await visit.billing.register_customer(identity, fewer_reminders=fewer)
    return await settings(replace(visit, customer=customer))


async def letters(visit: Visit, words: Sequence[str]) -> Screen:
    """Whether what goes to many goes to this one too. Also pressed under such a message."""
    [wanted] = words
    [identity, *_] = visit.customer.identities
    none = wanted != "on"
    customer = await visit.billing.register_customer(identity, no_broadcasts=none)
    return await settings(replace(visit, customer=customer))


async def language(visit: Visit, words: Sequence[str]) -> Screen:
    """A language once chosen is never guessed again."""
    [code] = words
    if code not in LANGUAGES:
        return await settings(visit)
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
    subscription = standing.subscription.at(now)
    period, renews = subscription.period, subscription.renews
    title = standing.plan(now).terms.title(texts.language)
    if period is None:
        lines = [texts("plan.now", plan=title)]
    elif renews is not None and period.end <= now:
        lines = [texts("plan.past_due", plan=title, end=renews.grace_until)]
    elif subscription.is_trial:
        lines = [texts("plan.trial", plan=title, end=period.end)]
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
