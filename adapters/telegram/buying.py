"""Screens of buying: plans, one plan, the ways to pay it, the order before it is agreed."""

import hashlib
from collections.abc import Sequence
from typing import Final

from adapters.telegram.home import support_line, ware_button
from adapters.telegram.orders import order, order_screen, waiting_screen
from adapters.telegram.screens import Button, Screen, press
from adapters.telegram.texts import Texts
from adapters.telegram.visits import Visit
from core.domain.catalog import Catalog
from core.domain.errors import Unavailable
from core.domain.item import PackItem, PlanItem, Ware
from core.domain.period import WindowKind
from core.domain.plan import NoWayToPay, PackTerms, PlanNotForSale, PlanVersion, QuotaRule
from core.domain.purchase import PurchaseId
from core.domain.subscription import Standing
from core.ports.payment_gateway import CheckoutDeclined, GatewayNotFound, GatewayUnavailable
from core.use_cases.buying import WALLET
from core.use_cases.checkouts import NoGatewayTakes
from core.use_cases.prices import prices_of
from core.use_cases.purchases import Preview, PreviewOutdated
from core.use_cases.wallet import WalletTooLow

PREVIEW_LETTERS: Final = 16
"""So much of what stands for a screen goes into a button: the whole would leave the plan no room."""


async def plans(visit: Visit, _: Sequence[str] = ()) -> Screen:
    standing = (await visit.billing.show_account(visit.customer.id)).standing
    texts, current = visit.texts, standing.plan(visit.now).code
    lines, rows = [texts("plans.title")], []
    for plan in standing.catalog.plans.values():
        lines += ["", *_plan_lines(texts, standing, plan, is_current=plan.code == current)]
        if plan.terms.prices:
            own = [one.amount for one in prices_of(standing, PlanItem(plan))]
            rows.append([ware_button(texts, PlanItem(plan), own)])
    for pack in standing.catalog.packs.values():
        lines += ["", *_pack_lines(texts, standing.catalog, pack)]
        rows.append([ware_button(texts, PackItem(pack))])
    if await visit.billing.show_promo_codes.any_open(visit.now):
        rows.append([visit.button("promo", "promo")])
    return Screen("\n".join(lines), [*rows, [visit.button("back", "home")]])


async def plan(visit: Visit, words: Sequence[str]) -> Screen:
    """One plan, or one pack: no two of them have the same code."""
    [code] = words
    standing = (await visit.billing.show_account(visit.customer.id)).standing
    chosen = standing.catalog.ware(code)
    if isinstance(chosen, PackItem):
        lines = _pack_lines(visit.texts, standing.catalog, chosen.terms)
    else:
        is_current = standing.plan(visit.now).code == code
        lines = _plan_lines(visit.texts, standing, chosen.plan, is_current=is_current)
    choose = [visit.button("choose", "confirm", code)] if chosen.terms.prices else []
    return Screen("\n".join(lines), [choose, [visit.button("back", "plans")]])


async def confirm(visit: Visit, words: Sequence[str]) -> Screen:
    """The ways to pay with what each asks for; where there is but one, the order itself."""
    [code] = words
    previews = await _ways(visit, code)
    if not previews:
        return await _no_way_to_pay(visit)
    if len(previews) == 1:
        return _order_to_confirm(visit, previews[0], back=("plan", code))
    texts = visit.texts
    lines = [
        _what(texts, previews[0].item),
        "",
        texts("confirm.ways"),
        *(
            texts("confirm.wallet_low", missing=one.missing)
            for one in previews
            if one.missing is not None
        ),
    ]
    choices = [
        [Button(texts.way(one.gateway, one.amount), press=press("way", code, one.gateway))]
        for one in previews
    ]
    return Screen("\n".join(lines), [*choices, [visit.button("back", "plan", code)]])


async def way(visit: Visit, words: Sequence[str]) -> Screen:
    """What, how much by this way, for how long, until when, and what becomes of the present plan."""
    code, gateway = words
    previews = await _ways(visit, code)
    for preview in previews:
        if preview.gateway == gateway:
            back = ("confirm" if len(previews) > 1 else "plan", code)
            return _order_to_confirm(visit, preview, back=back)
    return (await confirm(visit, [code])).after(visit.texts("confirm.changed"))


async def buy(visit: Visit, words: Sequence[str]) -> Screen:
    """Agree on exactly what the screen showed; anything else is shown anew first."""
    shown, code = words
    previews = await _ways(visit, code)
    agreed = next((one for one in previews if _shown(visit, one) == shown), None)
    if agreed is None:
        return (await confirm(visit, [code])).after(visit.texts("confirm.changed"))
    try:
        await visit.around.may_check_out(visit.customer.id, visit.cause)
    except Unavailable:
        return _try_again(visit, "error.unavailable", shown, code)
    await visit.takes_a_while()
    try:
        started = await visit.billing.start_purchase(
            visit.customer.id,
            code,
            return_url=visit.around.return_url(),
            cause=visit.cause,
            gateway=agreed.gateway,
            preview_id=agreed.id,
            in_telegram=True,
        )
    except WalletTooLow as too_low:  # It waits for the money.
        return await _waiting(visit, too_low)
    except (PreviewOutdated, PlanNotForSale, NoWayToPay, NoGatewayTakes, GatewayNotFound):
        return (await confirm(visit, [code])).after(visit.texts("confirm.changed"))
    except (CheckoutDeclined, GatewayUnavailable) as error:
        # Unavailable: the order is kept, and its opening carried on meanwhile.
        why = "pay.declined" if isinstance(error, CheckoutDeclined) else "pay.unavailable"
        return _try_again(visit, why, shown, code)
    # As it stands: this may be a repeat, and the order have ended meanwhile.
    return await order(visit, [started.purchase.id])


async def _ways(visit: Visit, code: str) -> list[Preview]:
    return await visit.billing.preview_purchase.ways(visit.customer.id, code, in_telegram=True)


async def _waiting(visit: Visit, too_low: WalletTooLow) -> Screen:
    assert too_low.purchase_id is not None, "what is too dear waits for money"
    purchase_id = PurchaseId(too_low.purchase_id)
    started = await visit.billing.show_purchases.one(visit.customer.id, purchase_id)
    if not started.purchase.is_pending:  # The money came meanwhile, or it was given up.
        return await order_screen(visit, started)
    return await waiting_screen(visit, started.purchase)


def _order_to_confirm(visit: Visit, preview: Preview, *, back: tuple[str, str]) -> Screen:
    texts, item = visit.texts, preview.item
    lines = [
        texts("confirm.title"),
        "",
        _what(texts, item),
        *_price_lines(texts, preview),
    ]
    if isinstance(item, PlanItem):
        fate = _fate_of_the_present_plan(visit, preview, item.plan)
        lines += [texts("confirm.end", end=preview.ends_at), "", fate]
    else:
        lines += ["", texts("confirm.pack_stays")]
    said = ("buy", _shown(visit, preview), item.terms.code)
    order_it = visit.button("buy", *said, price=preview.amount)
    if preview.subscribes:
        lines.append(texts("confirm.subscribes", price=preview.amount))
        order_it = visit.button("buy_subscription", *said, price=preview.amount)
    elif isinstance(item, PlanItem) and preview.standing.subscription.renews is None:
        lines.append(texts("confirm.once"))
    if preview.gateway == WALLET and preview.missing is None:
        lines += ["", texts("confirm.wallet")]
        order_it = visit.button("buy_wallet", *said, price=preview.amount)
    elif preview.missing is not None:
        lines += ["", texts("confirm.wallet_low", missing=preview.missing)]
    buttons = [[order_it], [visit.button("back", *back)]]
    return Screen("\n".join(lines), buttons)


def _what(texts: Texts, item: Ware) -> str:
    """What is about to be ordered: a plan with its period, or a pack."""
    title = item.terms.title(texts.language)
    if isinstance(item, PackItem):
        return texts("plans.plan", plan=title)
    assert item.terms.period is not None, "a preview is of something sold"
    return texts("confirm.what", plan=title, period=texts.period(item.terms.period))


def _price_lines(texts: Texts, preview: Preview) -> list[str]:
    """With what it would have been; or that the discount is not for this way to pay."""
    reduction, discount = preview.reduction, preview.standing.discount
    if reduction is not None:
        return [texts("confirm.reduced", price=preview.amount, full=reduction.full)]
    lines = [texts("confirm.price", price=preview.amount)]
    if (
        discount is not None
        and isinstance(preview.item, PlanItem)
        and discount.fits(preview.item.plan)
    ):
        lines.append(texts("confirm.discount_waits", percent=discount.percent))
    return lines


def _fate_of_the_present_plan(visit: Visit, preview: Preview, wanted: PlanVersion) -> str:
    texts = visit.texts
    running = preview.standing.subscription.at(visit.now).period
    if running is None:
        return texts("confirm.begins")
    title = running.plan.terms.title(texts.language)
    if preview.returned is not None:
        return texts("confirm.replaces", plan=title, end=running.end, returned=preview.returned)
    if preview.standing.subscription.at(visit.now).is_on(wanted, preview.amount):
        return texts("confirm.extends", plan=title, end=running.end)
    return texts("confirm.replaces_at_once", plan=title)


def _shown(visit: Visit, preview: Preview) -> str:
    """
    Stands for the screen with this preview and way to pay, until its day is over: what returns for the time that
    is left, and the end, move with the time although nothing else has changed.
    """
    shown = f"{preview.id} {preview.gateway} {visit.now.date()}"
    return hashlib.sha256(shown.encode()).hexdigest()[:PREVIEW_LETTERS]


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
    texts: Texts, standing: Standing, chosen: PlanVersion, *, is_current: bool
) -> list[str]:
    terms, catalog = chosen.terms, standing.catalog
    mark = f" · {texts('plans.current')}" if is_current else ""
    lines = [texts("plans.plan", plan=terms.title(texts.language)) + mark]
    if terms.prices and terms.period is not None:
        period = texts.period(terms.period)
        full = texts.prices(terms.prices)
        price = texts.prices([one.amount for one in prices_of(standing, PlanItem(chosen))])
        key = "plans.price" if price == full else "plans.reduced"
        lines.append(texts(key, price=price, period=period, full=full))
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


def _pack_lines(texts: Texts, catalog: Catalog, terms: PackTerms) -> list[str]:
    units = texts.units(catalog, terms.feature, terms.units)
    return [
        texts("plans.plan", plan=terms.title(texts.language)),
        texts("plans.pack", price=texts.prices(terms.prices), units=units),
    ]
