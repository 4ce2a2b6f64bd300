"""Screens of everyday: home, my plan, settings, help."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from adapters.locales.translations import LANGUAGES
from adapters.telegram.screens import Button, Screen, press
from adapters.telegram.texts import Texts, number_of
from adapters.telegram.visits import Visit
from core.domain.catalog import Catalog
from core.domain.item import PackItem, Ware
from core.domain.money import Money
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
            *_packs_to_buy(visit, account),
            visit.app_button(),
            *await _renewal_switch(visit, account),
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
    """From the wallet (`on`), from a saved method by its id, not at all, or again as it was."""
    [wanted] = words
    if wanted == "again":
        await visit.billing.change_subscription.resume(visit.customer.id)
        return await status(visit)
    source = {"on": FROM_WALLET, "off": None}.get(wanted, wanted)
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


async def _renewal_switch(visit: Visit, account: Account) -> list[list[Button]]:
    """
    Off wherever it is on. From the wallet where money of the plan's currency is in it or can be put
    into it, from each saved method, if the plan is sold; what a gateway renews by itself is stopped
    before it is renewed otherwise.
    """
    subscription = account.standing.subscription.at(account.at)
    renews, renewal = subscription.renews, subscription.renewal
    if subscription.period is None:
        return []
    off = [] if renews is None else [[visit.button("renewal_off", "renewal", "off")]]
    if renewal is not None and renewal.at_gateway is not None:
        return off or [[visit.button("renewal_again", "renewal", "again")]]
    plan = account.standing.catalog.plans.get(subscription.period.plan.code)
    if plan is None or not plan.terms.prices:
        return off
    ways = []
    unit = subscription.period.paid.currency
    deposits = account.standing.catalog.money.deposit
    is_payable = deposits.bounds_in(unit) is not None or account.purse(unit).free.is_positive
    if is_payable and (renews is None or renews.source != FROM_WALLET):
        ways.append([visit.button("renewal_on", "renewal", "on")])
    for one in await visit.billing.change_subscription.sources(visit.customer.id):
        if renews is None or renews.source != one.id:
            account_ = one.account.masked
            ways.append([visit.button("renewal_from", "renewal", one.id, account=account_)])
    return [*ways, *off]


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
    plan = account.trial
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


def _packs_to_buy(visit: Visit, account: Account) -> list[list[Button]]:
    """More of what the plan limits."""
    return [
        [ware_button(visit.texts, PackItem(pack))]
        for quota in account.quotas
        if quota.limit is not None
        for pack in account.standing.catalog.packs_of(quota.key.feature)
    ]


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
    rows = [
        choices,
        [switch],
        [visit.button("zone", "zone"), visit.button("erase", "erase")],
        [visit.button("back", "home")],
    ]
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
        [
            open_orders,
            [visit.button("paysupport", "paysupport")],
            [visit.button("terms", "terms"), visit.button("privacy", "privacy")],
            [visit.button("status", "status"), visit.button("back", "home")],
        ],
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
    return [_plan_line(texts, account), *quota_lines(texts, account)]


def _plan_line(texts: Texts, account: Account) -> str:
    standing, now = account.standing, account.at
    subscription = standing.subscription.at(now)
    period, renews = subscription.period, subscription.renews
    title = standing.plan(now).terms.title(texts.language)
    if period is None:
        return texts("plan.now", plan=title)
    if renews is not None and period.end <= now:
        return texts("plan.past_due", plan=title, end=renews.grace_until)
    if subscription.is_trial:
        return texts("plan.trial", plan=title, end=period.end)
    return texts("plan.until", plan=title, end=period.end)


def quota_lines(texts: Texts, account: Account) -> list[str]:
    """What is left of each quota that there is any of."""
    standing, now = account.standing, account.at
    lines = []
    for quota in account.quotas:
        feature, told = quota.key.feature, quota.decision(allowed=True)
        if told.limit is None:
            word = texts.word(standing.catalog, feature, 5)
            lines.append(texts("quota.unlimited", word=word))
        elif told.limit:
            lines.append(
                texts(
                    "quota.left",
                    units=texts.units(standing.catalog, feature, max(0, told.limit - told.used)),
                    limit=told.limit,
                    at=texts.when(told.resets_at, now),
                    span=texts.time_left(told.resets_at, now),
                )
            )
        if told.packs:
            units = texts.units(standing.catalog, feature, told.packs)
            lines.append(texts("quota.packs", units=units))
    return lines


def ware_button(
    texts: Texts, item: Ware, prices: Iterable[Money] | None = None, *, on_news: bool = False
) -> Button:
    """Leads to what is sold, with its price: the customer's own, or else everybody's."""
    own = texts.prices(item.terms.prices if prices is None else prices)
    label = f"{item.terms.title(texts.language)} · {own}"
    return Button(label, press=press("plan", item.terms.code, on_news=on_news))
