"""Screens of last resort: "I paid and got nothing", and what the business publishes of itself."""

from collections.abc import Mapping, Sequence

from adapters.telegram.home import support_line
from adapters.telegram.screens import Screen
from adapters.telegram.texts import number_of
from adapters.telegram.visits import Visit
from core.domain.errors import Refused, Unavailable
from core.domain.purchase import PurchaseStatus
from core.use_cases.customers import Account
from core.use_cases.rechecking import Rechecked


async def paysupport(visit: Visit, _: Sequence[str] = ()) -> Screen:
    """Have the gateways asked about all that is open or recent, and tell of each what is so."""
    texts, may_ask = visit.texts, True
    try:
        await visit.around.may_recheck(visit.customer.id, visit.cause)
    except (Refused, Unavailable):  # A moment ago it was asked; it is told as it is in the books.
        may_ask = False
    if may_ask:
        await visit.takes_a_while()
    found = await visit.billing.recheck_purchases(visit.customer.id, asking=may_ask)
    account = await visit.billing.show_account(visit.customer.id)
    lines = [texts("paysupport.title"), ""]
    if not found:
        lines += [texts("paysupport.none"), ""]
    else:
        lines += [texts("paysupport.asked" if may_ask else "paysupport.asked_before"), ""]
    for one in found:
        lines += [_what_is_so(visit, account, one), ""]
    lines.append(texts("paysupport.quote"))
    lines.append(support_line(texts, account.standing.catalog))
    orders = [
        visit.button("order", "order", one.started.purchase.id, number=number_of(it))
        for one in found
        if (it := one.started.purchase).is_pending
    ]
    return Screen(
        "\n".join(lines),
        [
            *([order] for order in orders),
            [visit.button("ask_again", "paysupport"), visit.button("back", "help")],
        ],
    )


def _what_is_so(visit: Visit, account: Account, one: Rechecked) -> str:
    purchase, texts = one.started.purchase, visit.texts
    facts: dict[str, object] = {
        "number": number_of(purchase),
        "plan": texts.item(account.standing.catalog, purchase.item),
        "price": purchase.amount,
    }
    about = texts("paysupport.order", **facts)
    if purchase.status is PurchaseStatus.REFUNDED:
        return f"{about}\n{texts('paysupport.refunded')}"
    if purchase.status is PurchaseStatus.PAID:
        period = account.standing.subscription.at(account.at).period
        told = [about, texts("paysupport.paid", at=purchase.ended_at)]
        bought = None if purchase.plan is None else purchase.plan.code
        if period is not None and period.plan.code == bought:
            told.append(texts("paysupport.active", end=period.end))
        return "\n".join(told)
    if purchase.remark is not None:
        received = purchase.remark.received
        return f"{about}\n{texts('paysupport.in_wallet', received=received)}"
    return f"{about}\n{texts('paysupport.unpaid' if one.is_sure else 'paysupport.unsure')}"


async def terms(visit: Visit, _: Sequence[str] = ()) -> Screen:
    chat = (await visit.billing.show_catalog()).chat
    return await _paper(visit, "terms", chat.terms)


async def privacy(visit: Visit, _: Sequence[str] = ()) -> Screen:
    """What the business says, and what this program keeps and how it is made to forget it."""
    chat = (await visit.billing.show_catalog()).chat
    return await _paper(visit, "privacy", chat.privacy)


async def _paper(visit: Visit, name: str, published: Mapping[str, str]) -> Screen:
    texts, catalog = visit.texts, await visit.billing.show_catalog()
    titles = {"terms": texts("terms.title"), "privacy": texts("privacy.title")}
    missing = {"terms": texts("terms.none"), "privacy": texts("privacy.none")}
    lines = [titles[name], "", texts.own(published) or missing[name]]
    if not published:
        lines.append(support_line(texts, catalog))
    if name == "privacy":
        lines += ["", texts("privacy.erasing")]
    return Screen("\n".join(lines), [[visit.button("back", "help")]])
