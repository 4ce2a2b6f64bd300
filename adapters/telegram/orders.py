"""An order as it stands, with what can be done about it: pay, wait, look again, give it up."""

from collections.abc import Sequence
from contextlib import suppress

from adapters.telegram.screens import Button, Screen, press
from adapters.telegram.sums import word_of
from adapters.telegram.texts import number_of
from adapters.telegram.visits import Visit
from core.domain.errors import Refused, Unavailable
from core.domain.item import Deposit
from core.domain.money import Money
from core.domain.plan import PlanNotFound
from core.domain.purchase import Purchase, PurchaseId, PurchaseNotPending, PurchaseStatus
from core.use_cases.checkouts import Started


async def order(visit: Visit, words: Sequence[str]) -> Screen:
    [purchase_id] = words
    show = visit.billing.show_purchases.one
    return await order_screen(visit, await show(visit.customer.id, PurchaseId(purchase_id)))


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
    screen = await order_screen(visit, started)
    return screen.after(visit.texts("pay.waiting")) if started.purchase.is_pending else screen


async def cancel(visit: Visit, words: Sequence[str]) -> Screen:
    [purchase_id] = words
    try:
        started = await visit.billing.cancel_purchase(visit.customer.id, PurchaseId(purchase_id))
    except PurchaseNotPending:  # It ended otherwise meanwhile, which its screen tells.
        return await order(visit, words)
    return await order_screen(visit, started)


async def order_screen(visit: Visit, started: Started) -> Screen:
    purchase, checkout, texts = started.purchase, started.checkout, visit.texts
    facts = await _facts(visit, purchase)
    home = [_whereabouts(visit, purchase), visit.button("home", "home")]
    match purchase.status:
        case PurchaseStatus.PAID:
            return Screen(texts("order.paid", **facts), [home])
        case PurchaseStatus.PENDING:
            opened = None if checkout is None else checkout.opened
            if checkout is None or opened is None or not checkout.can_be_paid_at(visit.now):
                if purchase.from_wallet:
                    return await waiting_screen(visit, purchase)
                return Screen(texts("order.address_over", **facts), [_again(visit, purchase), home])
            lines = [texts("pay.order", **facts)]
            if opened.expires_at is not None:
                lines.append(texts("pay.until", end=texts.when(opened.expires_at, visit.now)))
            subscribes = purchase.plan is not None and checkout.saves_method
            if subscribes:
                lines.append(texts("pay.subscribes", price=purchase.amount))
            key = "button.pay_subscription" if subscribes else "button.pay"
            pay = Button(texts.label(key, price=purchase.amount), url=opened.confirmation_url)
            check_it = visit.button("check", "check", purchase.id)
            cancel_it = visit.button("cancel", "cancel", purchase.id)
            rows = [
                [pay],
                [check_it],
                await _other_ways(visit, purchase),
                [cancel_it, visit.button("home", "home")],
            ]
            return Screen("\n".join([*lines, "", texts("pay.note")]), rows)
        case _:
            return Screen(
                texts(f"order.{purchase.status}", **facts), [_again(visit, purchase), home]
            )


async def waiting_screen(visit: Visit, purchase: Purchase) -> Screen:
    """It waits for money in the wallet: what is missing, and the way to add exactly that."""
    texts = visit.texts
    account = await visit.billing.show_account(visit.customer.id)
    purse = account.purse(purchase.amount.currency)
    missing = purse.missing(purchase.amount, with_bonus=purchase.ware is not None)
    lines, add = [texts("pay.order", **await _facts(visit, purchase)), ""], []
    if missing is None:  # It came just now.
        lines.append(texts("order.pays_now"))
    else:
        lines.append(texts("order.waits", missing=missing))
        wanted = await _to_add(visit, missing)
        if wanted is None:
            lines += ["", texts("deposit.no_way")]
        else:
            if wanted != missing:
                lines.append(texts("deposit.least", least=wanted))
            add = [visit.button("add_sum", "ways", word_of(wanted), price=wanted)]
    rows = [
        add,
        [visit.button("refresh", "order", purchase.id)],
        await _other_ways(visit, purchase),
        [visit.button("cancel", "cancel", purchase.id), visit.button("home", "home")],
    ]
    return Screen("\n".join(lines), rows)


async def _to_add(visit: Visit, missing: Money) -> Money | None:
    """The smallest deposit that covers it; None: nobody takes one."""
    ways = await visit.billing.show_offer.deposits(visit.customer.id, in_telegram=True)
    sums = [
        max(way.least, missing)
        for way in ways
        if way.least.currency == missing.currency and missing <= way.most
    ]
    return min(sums, default=None)


async def _facts(visit: Visit, purchase: Purchase) -> dict[str, object]:
    catalog = await visit.billing.show_catalog()
    title = visit.texts.item(catalog, purchase.item)
    return {"number": number_of(purchase), "plan": title, "price": purchase.amount}


async def _other_ways(visit: Visit, purchase: Purchase) -> list[Button]:
    """To choose another way to pay the same, where there is one."""
    customer_id, count, target = visit.customer.id, 0, ""
    if purchase.ware is not None:
        code = purchase.ware.terms.code
        with suppress(PlanNotFound):  # Not on offer any more.
            preview_ways = visit.billing.preview_purchase.ways
            count = len(await preview_ways(customer_id, code, in_telegram=True))
        target = press("confirm", code)
    elif isinstance(purchase.item, Deposit):
        ways = await visit.billing.show_offer.deposits(customer_id, in_telegram=True)
        count = sum(way.takes(purchase.amount) for way in ways)
        target = press("ways", word_of(purchase.amount))
    return [Button(visit.texts.label("button.another"), press=target)] if count > 1 else []


def _again(visit: Visit, purchase: Purchase) -> list[Button]:
    if purchase.ware is not None:
        return [visit.button("new_order", "plan", purchase.ware.terms.code)]
    if isinstance(purchase.item, Deposit):
        return [visit.button("new_order", "ways", word_of(purchase.amount))]
    return []


def _whereabouts(visit: Visit, purchase: Purchase) -> Button:
    """Where what was bought can be seen."""
    if purchase.ware is None:
        return visit.button("wallet", "wallet")
    return visit.button("status", "status")
