"""Screens of going away: what is kept, what goes, and the word that it shall."""

from collections.abc import Sequence

from adapters.telegram.screens import Screen
from adapters.telegram.visits import Visit
from core.use_cases.customers import Account


async def erase(visit: Visit, _: Sequence[str] = ()) -> Screen:
    """What goes, what stays, and what would be lost; the next tap does it."""
    texts = visit.texts
    account = await visit.billing.show_account(visit.customer.id)
    lines = [texts("erase.title"), "", texts("erase.goes"), "", texts("erase.stays")]
    lost = _lost(visit, account)
    if lost:
        lines += ["", texts("erase.lost"), *lost]
    back = [visit.button("back", "settings")]
    cash = [one for one in account.cash if one.is_positive]
    if cash:
        lines += ["", *(texts("error.wallet_not_empty", cash=one) for one in cash)]
        return Screen("\n".join(lines), [[visit.button("wallet", "wallet")], back])
    lines += ["", texts("erase.sure")]
    return Screen("\n".join(lines), [[visit.button("erase_me", "eraseme")], back])


async def erase_me(visit: Visit, _: Sequence[str] = ()) -> Screen:
    await visit.billing.erase_customer(visit.customer.id)
    return leaving_screen(visit)


def leaving_screen(visit: Visit) -> Screen:
    """All that there is to say until the person is gone. Whoever writes then is somebody new."""
    return Screen(visit.texts("erase.done"), [[visit.button("home", "home")]])


def _lost(visit: Visit, account: Account) -> list[str]:
    texts, standing = visit.texts, account.standing
    period = standing.subscription.at(account.at).period
    lost = []
    if period is not None:
        title = period.plan.terms.title(texts.language)
        lost.append(texts("erase.lost_plan", plan=title, end=period.end))
    lost += [texts("erase.lost_bonus", amount=one) for one in account.bonus if one.is_positive]
    for quota in account.quotas:
        if quota.packs:
            units = texts.units(standing.catalog, quota.key.feature, quota.packs)
            lost.append(texts("erase.lost_units", units=units))
    return lost + [texts("erase.lost_held", amount=one) for one in account.held if one.is_positive]
