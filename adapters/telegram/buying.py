"""Screens of a purchase: plans, one plan, the order before it is agreed, paying, how it ended."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from adapters.telegram.home import support_line
from adapters.telegram.screens import Button, Screen, press
from adapters.telegram.texts import Texts, number_of
from adapters.telegram.visits import Visit
from core.domain.catalog import Catalog
from core.domain.errors import Refused, Unavailable
from core.domain.period import WindowKind
from core.domain.plan import PlanNotForSale, PlanVersion, QuotaRule
from core.domain.purchase import PurchaseId, PurchaseNotPending, PurchaseStatus
from core.ports.payment_gateway import CheckoutDeclined, GatewayUnavailable
from core.use_cases.checkouts import Started
from core.use_cases.purchases import Preview, PreviewOutdated

PREVIEW_LETTERS: Final = 16
"""So much of what stands for a screen goes into a button: the whole would leave the plan no room."""


async def plans(visit: Visit, _: Sequence[str] = ()) -> Screen:
    standing = (await visit.billing.show_account(visit.customer.id)).standing
    texts, current = visit.texts, standing.plan(visit.now).code
    lines, rows = [texts("plans.title")], []
    for plan in standing.catalog.plans.values():
        lines += ["", *_plan_lines(texts, standing.catalog, plan, is_current=plan.code == current)]
        if plan.terms.prices:
            label = f"{plan.terms.title(texts.language)} · {_price(texts, plan)}"
            rows.append([Button(label, press=press("plan", plan.code))])
    return Screen("\n".join(lines), [*rows, [visit.button("back", "home")]])


async def plan(visit: Visit, words: Sequence[str]) -> Screen:
    [code] = words
    standing = (await visit.billing.show_account(visit.customer.id)).standing
    chosen = standing.catalog.plan(code)
    is_current = standing.plan(visit.now).code == chosen.code
    lines = _plan_lines(visit.texts, standing.catalog, chosen, is_current=is_current)
    choose = [visit.button("choose", "confirm", code)] if chosen.terms.prices else []
    return Screen("\n".join(lines), [choose, [visit.button("back", "plans")]])


async def confirm(visit: Visit, words: Sequence[str]) -> Screen:
    """What, how much, for how long, until when, and what becomes of the present plan."""
    [code] = words
    try:
        preview = await visit.billing.preview_purchase(visit.customer.id, code, in_telegram=True)
    except PlanNotForSale:
        return await _no_way_to_pay(visit)
    return _order_to_confirm(visit, preview)


async def buy(visit: Visit, words: Sequence[str]) -> Screen:
    """Agree on exactly what the screen showed; anything else is shown anew first."""
    shown, code = words
    try:
        preview = await visit.billing.preview_purchase(visit.customer.id, code, in_telegram=True)
        if _shown(visit, preview) != shown:
            return _order_to_confirm(visit, preview).after(visit.texts("confirm.changed"))
        try:
            await visit.around.may_check_out(visit.customer.id, visit.cause)
        except Unavailable:
            return _try_again(visit, "error.unavailable", shown, code)
        await visit.takes_a_while()
        started = await visit.billing.start_purchase(
            visit.customer.id,
            code,
            return_url=visit.around.return_url(),
            cause=visit.cause,
            preview_id=preview.id,
            in_telegram=True,
        )
    except PreviewOutdated:
        return (await confirm(visit, [code])).after(visit.texts("confirm.changed"))
    except PlanNotForSale:
        return await _no_way_to_pay(visit)
    except (CheckoutDeclined, GatewayUnavailable) as error:
        # Unavailable: the order is kept, and its opening carried on meanwhile.
        why = "pay.declined" if isinstance(error, CheckoutDeclined) else "pay.unavailable"
        return _try_again(visit, why, shown, code)
    # As it stands: this may be a repeat, and the order have ended meanwhile.
    return await order(visit, [started.purchase.id])


async def order(visit: Visit, words: Sequence[str]) -> Screen:
    [purchase_id] = words
    return _order(
        visit, await visit.billing.show_purchases.one(visit.customer.id, PurchaseId(purchase_id))
    )


async def check(visit: Visit, words: Sequence[str]) -> Screen:
    """Ask the gateway now, for whoever has paid and does not want to wait."""
    [purchase_id] = words
    show = visit.billing.show_purchases.one
    started = await show(visit.customer.id, PurchaseId(purchase_id))
    checkout = started.checkout
    if started.purchase.is_pending and checkout is not None and checkout.payment_id is not None:
        # Too often, or nothing was learned: the order stays in sight, and the watcher goes on asking.
        with suppress(Refused, Unavailable):
            await visit.around.may_check_out(visit.customer.id, visit.cause)
            await visit.takes_a_while()
            await visit.billing.settle_payment(checkout.gateway, checkout.payment_id)
        started = await show(visit.customer.id, started.purchase.id)
    screen = _order(visit, started)
    return screen.after(visit.texts("pay.waiting")) if started.purchase.is_pending else screen


async def cancel(visit: Visit, words: Sequence[str]) -> Screen:
    [purchase_id] = words
    try:
        started = await visit.billing.cancel_purchase(visit.customer.id, PurchaseId(purchase_id))
    except PurchaseNotPending:  # It ended otherwise meanwhile, which its screen tells.
        return await order(visit, words)
    return _order(visit, started)


def _order_to_confirm(visit: Visit, preview: Preview) -> Screen:
    texts, terms = visit.texts, preview.plan.terms
    assert terms.period is not None, "a preview is of something sold"
    title, code = terms.title(texts.language), preview.plan.code
    lines = [
        texts("confirm.title"),
        "",
        texts("confirm.what", plan=title, period=texts.period(terms.period)),
        texts("confirm.price", price=preview.amount),
        texts("confirm.end", end=preview.ends_at),
        "",
        _fate_of_the_present_plan(visit, preview),
        texts("confirm.once"),
    ]
    buttons = [
        [visit.button("buy", "buy", _shown(visit, preview), code, price=preview.amount)],
        [visit.button("back", "plan", code)],
    ]
    return Screen("\n".join(lines), buttons)


def _fate_of_the_present_plan(visit: Visit, preview: Preview) -> str:
    texts = visit.texts
    running = preview.standing.subscription.at(visit.now).period
    if running is None:
        return texts("confirm.begins")
    title = running.plan.terms.title(texts.language)
    if preview.returned is not None:
        return texts("confirm.replaces", plan=title, end=running.end, returned=preview.returned)
    if running.plan.code == preview.plan.code and running.paid.currency == preview.amount.currency:
        return texts("confirm.extends", plan=title, end=running.end)
    return texts("confirm.replaces_at_once", plan=title)


def _shown(visit: Visit, preview: Preview) -> str:
    """
    Stands for the screen with this preview, until its day is over: what returns for the time that
    is left, and the end, move with the time although nothing else has changed.
    """
    shown = f"{preview.id} {visit.now.date()}"
    return hashlib.sha256(shown.encode()).hexdigest()[:PREVIEW_LETTERS]


def _order(visit: Visit, started: Started) -> Screen:
    """The order as it stands, with what can be done about it."""
    purchase, checkout, texts = started.purchase, started.checkout, visit.texts
    title = started.title(texts.language)
    facts = {"number": number_of(purchase), "plan": title, "price": purchase.amount}
    plan = purchase.plan
    again = [] if plan is None else [visit.button("new_order", "plan", plan.code)]
    home = [visit.button("status", "status"), visit.button("home", "home")]
    match purchase.status:
        case PurchaseStatus.PAID:
            return Screen(texts("order.paid", **facts), [home])
        case PurchaseStatus.PENDING:
            opened = None if checkout is None else checkout.opened
            if checkout is None or opened is None or not checkout.can_be_paid_at(visit.now):
                return Screen(texts("order.address_over", **facts), [again, home])
            lines = [texts("pay.order", **facts)]
            if opened.expires_at is not None:
                lines.append(texts("pay.until", end=texts.when(opened.expires_at, visit.now)))
            pay = Button(
                texts.label("button.pay", price=purchase.amount), url=opened.confirmation_url
            )
            check_it = visit.button("check", "check", purchase.id)
            cancel_it = visit.button("cancel", "cancel", purchase.id)
            rows = [[pay], [check_it], [cancel_it, visit.button("home", "home")]]
            return Screen("\n".join([*lines, "", texts("pay.note")]), rows)
        case _:
            return Screen(texts(f"order.{purchase.status}", **facts), [again, home])


def _try_again(visit: Visit, why: str, shown: str, code: str) -> Screen:
    return Screen(
        visit.texts(why),
        [[visit.button("again", "buy", shown, code)], [visit.button("back", "plan", code)]],
    )


async def _no_way_to_pay(visit: Visit) -> Screen:
    catalog = await visit.billing.show_catalog()
    text = f"{visit.texts('pay.no_way')}\n\n{support_line(visit.texts, catalog)}"
    return Screen(text, [visit.app_button(), [visit.button("back", "plans")]])


def _plan_lines(
    texts: Texts, catalog: Catalog, chosen: PlanVersion, *, is_current: bool
) -> list[str]:
    terms = chosen.terms
    mark = f" · {texts('plans.current')}" if is_current else ""
    lines = [texts("plans.plan", plan=terms.title(texts.language)) + mark]
    if terms.prices and terms.period is not None:
        period = texts.period(terms.period)
        lines.append(texts("plans.price", price=_price(texts, chosen), period=period))
    for feature, rule in terms.quotas.items():
        if rule.limit is None:
            lines.append(texts("quota.unlimited", word=texts.word(catalog, feature, 5)))
        elif rule.limit:
            lines.append(_rule(texts, texts.units(catalog, feature, rule.limit), rule))
    return lines


def _rule(texts: Texts, units: str, rule: QuotaRule) -> str:
    kinds = {
        WindowKind.DAY: "rule.day",
        WindowKind.MONTH: "rule.month",
        WindowKind.PERIOD: "rule.period",
    }
    return texts(kinds[rule.per], units=units)


def _price(texts: Texts, chosen: PlanVersion) -> str:
    """In each currency that it is sold for."""
    return " / ".join(texts.label("price", price=price) for price in chosen.terms.prices)
