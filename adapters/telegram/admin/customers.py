"""A customer, as an operator sees one: found by whatever is known, with what led there."""

import html
from collections.abc import Iterable, Sequence
from typing import Final

from adapters.locales.explained import sentence
from adapters.telegram.admin.deeds import deed_button
from adapters.telegram.home import quota_lines
from adapters.telegram.screens import Button, Screen, press
from adapters.telegram.texts import called, number_of
from adapters.telegram.visits import Visit
from core.domain.customer import Customer, CustomerId, CustomerNotFound
from core.domain.money_terms import NotOffered
from core.domain.operator import Draft
from core.domain.purchase import PurchaseId, PurchaseNotFound
from core.use_cases.customers import Account
from core.use_cases.explaining import Link

PURCHASES: Final = 8
WHY_LETTERS: Final = 3400
"""Of a page; Telegram takes 4096, of which the heading wants some."""


async def ask(visit: Visit, _: Sequence[str] = ()) -> Screen:
    await visit.billing.drafting.begin(visit.who, "find")
    return Screen(visit.texts("admin.ask.find"), [[visit.button("cancel_draft", "acancel")]])


async def hear(visit: Visit, draft: Draft, text: str) -> Screen:
    await visit.billing.drafting.end(draft)
    return await found(visit, text)


async def found(visit: Visit, sought: str) -> Screen:
    """The one who is meant, or those who may be."""
    results = await visit.billing.search_customers(sought)
    again = [visit.button("find_again", "afind"), visit.button("to_desk", "admin")]
    if not results:
        return Screen(visit.texts("admin.found.none", sought=sought[:64]), [again])
    if len(results) == 1:
        [one] = results
        if one.purchase_id is not None:
            return await purchase(visit, [one.purchase_id])
        return await customer(visit, [one.customer.id])
    people = [Button(called(it.customer), press=press("acust", it.customer.id)) for it in results]
    return Screen(visit.texts("admin.found.several"), [*([one] for one in people), again])


async def customer(visit: Visit, words: Sequence[str]) -> Screen:
    [id_] = words
    seen = await visit.billing.open_customer(CustomerId(id_), actor=str(visit.who))
    account = await visit.billing.show_account(seen.id)
    texts = visit.texts
    known_as = ", ".join(map(str, seen.identities))
    lines = [
        texts("admin.customer.who", name=called(seen)),
        texts("admin.customer.known", id=seen.id, identities=known_as, since=seen.created_at),
    ]
    if seen.blocked_at is not None:
        lines.append(texts("admin.customer.blocked", at=seen.blocked_at))
    lines += ["", _plan(visit, account), *quota_lines(texts, account), *_money(visit, account)]
    access = await visit.billing.show_access(seen.id)
    lines.append(texts(f"admin.access.{access.activation}"))
    referrer = await _referrer(visit, seen.id)
    if referrer is not None:
        lines.append(texts("admin.customer.referrer", id=referrer))
    block = "block" if seen.blocked_at is None else "unblock"
    return Screen(
        "\n".join(lines),
        [
            [visit.button("why", "awhy", seen.id, "0"), visit.button("bought", "abought", seen.id)],
            [*deed_button(visit, "cash", seen.id), *deed_button(visit, "bonus", seen.id)],
            [*deed_button(visit, "referral", seen.id), *deed_button(visit, "access", seen.id)],
            [*deed_button(visit, "days", seen.id), *deed_button(visit, block, seen.id)],
            [visit.button("find_again", "afind"), visit.button("to_desk", "admin")],
        ],
    )


def _plan(visit: Visit, account: Account) -> str:
    standing, now = account.standing, account.at
    subscription, texts = standing.subscription.at(now), visit.texts
    period, title = subscription.period, standing.plan(now).terms.title(texts.language)
    if period is None:
        return texts("admin.plan.free", plan=title)
    if period.end <= now:
        return texts("admin.plan.past_due", plan=title, end=period.end)
    return texts(
        "admin.plan.trial" if subscription.is_trial else "admin.plan.until",
        plan=title,
        end=period.end,
    )


def _money(visit: Visit, account: Account) -> Iterable[str]:
    """Cash of the first currency, and all else where there is any."""
    kinds = {
        "admin.money.cash": account.cash,
        "admin.money.bonus": account.bonus,
        "admin.money.held": account.held,
        "admin.money.escrow": account.escrow,
        "admin.money.owed": account.owed,
    }
    for key, amounts in kinds.items():
        for amount in amounts:
            if amount.is_positive or (key == "admin.money.cash" and amount in account.cash[:1]):
                yield visit.texts(key, amount=amount)


async def _referrer(visit: Visit, customer_id: CustomerId) -> str | None:
    try:
        referral = (await visit.billing.show_referrals(customer_id)).referral
    except NotOffered:
        return None
    return None if referral is None else referral.referrer_id


async def bought(visit: Visit, words: Sequence[str]) -> Screen:
    """The latest purchases."""
    [id_] = words
    seen = await visit.billing.open_customer(CustomerId(id_), actor=str(visit.who))
    latest = await visit.billing.show_purchases.page(seen.id, limit=PURCHASES)
    texts = visit.texts
    rows = []
    for one in latest:
        facts = {"amount": one.purchase.amount, "at": one.purchase.created_at}
        status = texts.label(f"admin.purchase.{one.purchase.status}")
        label = texts.label("admin.bought.line", status=status, **facts)
        rows.append([Button(label, press=press("apur", one.purchase.id))])
    key = "admin.bought.some" if rows else "admin.bought.none"
    back = [visit.button("to_customer", "acust", seen.id)]
    return Screen(texts(key, name=called(seen)), [*rows, back])


async def whose(visit: Visit, purchase_id: str) -> Customer:
    """
    The buyer, opened as any other customer.

    Raises:
        PurchaseNotFound
    """
    results = await visit.billing.search_customers(purchase_id)
    if not results or results[0].purchase_id != purchase_id:
        raise PurchaseNotFound(purchase_id[:64])
    return await visit.billing.open_customer(results[0].customer.id, actor=str(visit.who))


async def purchase(visit: Visit, words: Sequence[str]) -> Screen:
    [id_] = words
    buyer = await whose(visit, id_)
    started = await visit.billing.show_purchases.one(buyer.id, PurchaseId(id_))
    one, texts = started.purchase, visit.texts
    catalog = await visit.billing.show_catalog()
    item = texts.item(catalog, one.item)
    lines = [
        texts("admin.purchase.what", number=number_of(one), item=item, amount=one.amount),
        texts("admin.purchase.id", id=one.id),
        texts("admin.purchase.by", name=called(buyer)),
        texts(f"admin.purchase.{one.status}"),
    ]
    if one.refunded is not None:
        lines.append(texts("admin.purchase.back", amount=one.refunded))
    if started.checkout is not None:
        checkout = started.checkout
        told = {"gateway": checkout.gateway, "payment": checkout.payment_id or "—"}
        lines.append(texts("admin.purchase.checkout", **told))
    can_return = one.refundable.is_positive
    deeds = ("refund", "part") if can_return else ()
    return Screen(
        "\n".join(lines),
        [
            [button for name in deeds for button in deed_button(visit, name, one.id)],
            [
                visit.button("why", "awhy", one.id, "0"),
                visit.button("to_customer", "acust", buyer.id),
            ],
            [visit.button("find_again", "afind"), visit.button("to_desk", "admin")],
        ],
    )


async def why(visit: Visit, words: Sequence[str]) -> Screen:
    """What led there, page by page, in the words of `billhook explain`."""
    id_, word = words
    if id_.startswith("pur_"):
        seen, back = await whose(visit, id_), visit.button("to_purchase", "apur", id_)
        links = await visit.billing.explain.purchase(PurchaseId(id_))
    elif id_.startswith("cus_"):
        seen = await visit.billing.open_customer(CustomerId(id_), actor=str(visit.who))
        back = visit.button("to_customer", "acust", id_)
        links = await visit.billing.explain.customer(seen.id)
    else:
        raise CustomerNotFound(id_)
    pages = _pages(_line(visit, link) for link in links)
    at = min(int(word), len(pages) - 1) if word.isdecimal() and len(word) < 6 else 0
    heading = visit.texts("admin.why", name=called(seen), page=at + 1, pages=len(pages))
    turn = [visit.button("newer", "awhy", id_, str(at - 1))] if at else []
    turn += [visit.button("older", "awhy", id_, str(at + 1))] if at + 1 < len(pages) else []
    return Screen(f"{heading}\n\n{pages[at]}", [turn, [back]])


def _line(visit: Visit, link: Link) -> str:
    texts = visit.texts
    when = texts("admin.why.now") if link.at is None else texts("admin.why.at", at=link.at)
    return f"{when} {html.escape(sentence(link, language=texts.language, indent=2)[:WHY_LETTERS])}"


def _pages(lines: Iterable[str]) -> list[str]:
    """As many whole lines on each as it holds; escaped, they are longer than Telegram counts."""
    pages = [""]
    for line in lines:
        if pages[-1] and len(pages[-1]) + len(line) > WHY_LETTERS:
            pages.append("")
        pages[-1] += line + "\n"
    return pages
