"""Screens of the wallet: what is in it, money for it, what moved."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from adapters.locales.display import unit_text
from adapters.telegram.home import support_line
from adapters.telegram.orders import order
from adapters.telegram.screens import Button, Screen, press
from adapters.telegram.sums import round_sums, sum_from_word, sum_typed, word_of
from adapters.telegram.visits import Visit
from core.domain.catalog import Catalog
from core.domain.errors import Unavailable
from core.domain.item import Deposit
from core.domain.ledger import Line
from core.domain.money import Currency, Money, currency
from core.domain.money_terms import NotOffered
from core.ports.payment_gateway import CheckoutDeclined, GatewayNotFound, GatewayUnavailable
from core.use_cases.buying import DepositNotTaken
from core.use_cases.checkouts import NoGatewayTakes, Terms
from core.use_cases.customers import Account
from core.use_cases.offers import Way
from core.use_cases.wallet import Statement

PAGE: Final = 8
NEWEST: Final = "0"
"""The page of a history that begins with its newest line; any other is named by the line above it."""

SUMS_IN_A_ROW: Final = 2

WHAT: Final = {
    # What the books call it, and the text that says it. Of a deposit's charge see `_what`.
    "charge": "history.charge",
    "purchase": "history.purchase",
    "repayment": "history.repayment",
    "adjustment": "history.adjustment",
    "reversal": "history.adjustment",
    "rest_of_former_plan": "history.rest",
    "reward": "history.reward",
    "forfeited": "history.forfeited",
    "refund": "history.refund",
    "refund_asked": "history.refund",
    "refund_failed": "history.refund_failed",
    "escrow_release": "history.escrow_release",
    "escrow_refund": "history.escrow_refund",
    "withdrawal": "history.withdrawal",
    "withdrawal_failed": "history.withdrawal_failed",
    "payout_returned": "history.withdrawal_failed",
}
_ACCOUNT: Final = re.compile(r"(cash|bonus)_([A-Z]{3,8})", re.ASCII)
_PAGE: Final = re.compile(r"[0-9]{1,15}", re.ASCII)


async def wallet(visit: Visit, _: Sequence[str] = ()) -> Screen:
    """What is there in each currency that has anything, and in the usual one."""
    account = await visit.billing.show_account(visit.customer.id)
    texts, usual = visit.texts, _usual(account)
    kinds = {
        "wallet.cash": account.cash,
        "wallet.bonus": account.bonus,
        "wallet.held": account.held,
        "wallet.escrow": account.escrow,
        "wallet.owed": account.owed,
    }
    lines = [texts("wallet.title")]
    for unit in dict.fromkeys(one.currency for amounts in kinds.values() for one in amounts):
        there = {key: _of(unit, amounts) for key, amounts in kinds.items()}
        if unit == usual or any(amount.is_positive for amount in there.values()):
            told = [
                texts(key, amount=amount)
                for key, amount in there.items()
                if amount.is_positive or key == "wallet.cash"
            ]
            lines += ["", *told]
    ways = await _ways_in(visit)
    if account.standing.catalog.money.deposit.bounds and not ways:
        lines += ["", texts("deposit.no_way")]
    add = [visit.button("add_money", "deposit")] if ways else []
    history_ = [] if usual is None else [visit.button("history", "history", *_newest(usual))]
    return Screen("\n".join(lines), [add, history_, [visit.button("back", "home")]])


async def deposit(visit: Visit, _: Sequence[str] = ()) -> Screen:
    """A sum, after the currency where there is a choice of it."""
    ways = await _ways_in(visit)
    units = _units(ways)
    if len(units) == 1:
        return _sums(visit, ways, units[0])
    if not units:
        return await _no_way(visit)
    choices = [Button(unit_text(unit), press=press("sums", unit.code)) for unit in units]
    return Screen(visit.texts("deposit.currency"), [choices, [visit.button("back", "wallet")]])


async def sums(visit: Visit, words: Sequence[str]) -> Screen:
    [code] = words
    ways = await _ways_in(visit)
    for unit in _units(ways):
        if unit.code == code:
            return _sums(visit, ways, unit)
    return (await deposit(visit)).after(visit.texts("screen.old"))


async def typed(visit: Visit, text: str) -> Screen | None:
    """What somebody wrote that looks like a sum. None: no deposits are taken here."""
    ways = await _ways_in(visit)
    if not ways:
        return None
    usual = _units(ways)[0]
    amount = sum_typed(text, usual)
    if amount is None:
        return _sums(visit, ways, usual).after(visit.texts("deposit.not_read"))
    return await _ways_for(visit, amount)


async def ways(visit: Visit, words: Sequence[str]) -> Screen:
    """Who takes this sum."""
    [word] = words
    return await _ways_for(visit, sum_from_word(word))


async def put(visit: Visit, words: Sequence[str]) -> Screen:
    """Have a gateway asked for exactly this sum. The same sum asked for twice is one order."""
    word, gateway = words
    amount = sum_from_word(word)
    try:
        await visit.around.may_check_out(visit.customer.id, visit.cause)
    except Unavailable:
        return _try_again(visit, "error.unavailable", word, gateway)
    await visit.takes_a_while()
    terms = Terms(visit.around.return_url(), gateway, in_telegram=True)
    try:
        started = await visit.billing.start_deposit(
            visit.customer.id, amount, terms, cause=visit.cause
        )
    except (NotOffered, DepositNotTaken, NoGatewayTakes, GatewayNotFound):
        return (await _ways_for(visit, amount)).after(visit.texts("screen.old"))
    except (CheckoutDeclined, GatewayUnavailable) as error:
        # Unavailable: the order is kept, and its opening carried on meanwhile.
        why = "pay.declined" if isinstance(error, CheckoutDeclined) else "pay.unavailable"
        return _try_again(visit, why, word, gateway)
    # As it stands: this may be a repeat, and the order have ended meanwhile.
    return await order(visit, [started.purchase.id])


async def newest(visit: Visit, _: Sequence[str] = ()) -> Screen:
    """The history of cash in the usual currency."""
    usual = _usual(await visit.billing.show_account(visit.customer.id))
    return await wallet(visit) if usual is None else await history(visit, _newest(usual))


async def history(visit: Visit, words: Sequence[str]) -> Screen:
    """
    A page of what moved in one account. The lines of an account are numbered without a gap, so a
    page is named by the number of the line above it, and stays itself while others are added.
    """
    account_word, page = words
    found = _ACCOUNT.fullmatch(account_word)
    if found is None or _PAGE.fullmatch(page) is None:
        return (await wallet(visit)).after(visit.texts("screen.old"))
    kind, unit, above = found[1], currency(found[2]), int(page)
    told = await visit.billing.show_statement(
        visit.customer.id,
        kind,
        unit,
        limit=PAGE + 2,  # One more on either side tells whether there is another page.
        before_seq=above + 1 if above else None,
    )
    shown = [line for line in told.lines if not above or line.seq < above]
    has_newer, has_older = len(shown) < len(told.lines), len(shown) > PAGE
    shown = shown[:PAGE]
    texts = visit.texts
    account = await visit.billing.show_account(visit.customer.id)
    catalog = account.standing.catalog
    title = "history.bonus" if kind == "bonus" else "history.cash"
    lines = [texts(title, balance=told.balance), ""]
    lines += [_line(visit, catalog, told, line) for line in shown]
    if not shown:
        lines.append(texts("history.empty"))
    turn = []
    if has_newer:
        turn.append(visit.button("newer", "history", account_word, str(above + PAGE)))
    if has_older:
        turn.append(visit.button("older", "history", account_word, str(shown[-1].seq)))
    return Screen(
        "\n".join(lines),
        [turn, _other_accounts(visit, account, kind, unit), [visit.button("back", "wallet")]],
    )


async def _ways_in(visit: Visit) -> list[Way]:
    return await visit.billing.show_offer.deposits(visit.customer.id, in_telegram=True)


async def _no_way(visit: Visit) -> Screen:
    catalog = await visit.billing.show_catalog()
    text = f"{visit.texts('deposit.no_way')}\n\n{support_line(visit.texts, catalog)}"
    return Screen(text, [visit.app_button(), [visit.button("back", "wallet")]])


async def _ways_for(visit: Visit, amount: Money) -> Screen:
    ways, texts = await _ways_in(visit), visit.texts
    if not ways:
        return await _no_way(visit)
    taking = [way for way in ways if way.takes(amount)]
    if not taking:
        return _not_taken(visit, ways, amount)
    choices = [
        [Button(texts.way(way.gateway, amount), press=press("put", word_of(amount), way.gateway))]
        for way in taking
    ]
    return Screen(
        texts("deposit.ways", amount=amount),
        [*choices, [visit.button("back", "sums", amount.currency.code)]],
    )


def _not_taken(visit: Visit, ways: Sequence[Way], amount: Money) -> Screen:
    """Why, and the sums that are taken."""
    texts, units = visit.texts, _units(ways)
    if amount.currency not in units:
        line = texts("deposit.other_currency", amount=amount)
        return _sums(visit, ways, units[0]).after(line)
    least, most = _bounds(ways, amount.currency)
    if amount < least:
        line = texts("deposit.too_small", amount=amount)
    elif most < amount:
        line = texts("deposit.too_big", amount=amount)
    else:
        line = texts("deposit.not_exactly", amount=amount)
    return _sums(visit, ways, amount.currency).after(line)


def _sums(visit: Visit, ways: Sequence[Way], unit: Currency) -> Screen:
    texts = visit.texts
    least, most = _bounds(ways, unit)
    offered = [one for one in round_sums(least, most) if any(way.takes(one) for way in ways)]
    buttons = [
        Button(texts.label("price", price=one), press=press("ways", word_of(one)))
        for one in offered
    ]
    rows = [buttons[at : at + SUMS_IN_A_ROW] for at in range(0, len(buttons), SUMS_IN_A_ROW)]
    whole, _, fraction = (offered or [least])[0].decimal_text().partition(".")
    example = f"{whole}.{fraction}" if fraction.strip("0") else whole
    if unit != _units(ways)[0]:
        example += f" {unit_text(unit)}"
    lines = [
        texts("deposit.title"),
        "",
        texts("deposit.bounds", least=least, most=most),
        texts("deposit.type", example=example),
    ]
    return Screen("\n".join(lines), [*rows, [visit.button("back", "wallet")]])


def _try_again(visit: Visit, why: str, word: str, gateway: str) -> Screen:
    rows = [[visit.button("again", "put", word, gateway)], [visit.button("back", "ways", word)]]
    return Screen(visit.texts(why), rows)


def _units(ways: Iterable[Way]) -> list[Currency]:
    return list(dict.fromkeys(way.least.currency for way in ways))


def _bounds(ways: Sequence[Way], unit: Currency) -> tuple[Money, Money]:
    """The smallest and the largest that any of them takes in this currency."""
    same = [way for way in ways if way.least.currency == unit]
    return min(way.least for way in same), max(way.most for way in same)


def _usual(account: Account) -> Currency | None:
    """The currency that is always shown: the first of the deposits, or that the wallet has some of."""
    bounds = account.standing.catalog.money.deposit.bounds
    if bounds:
        return bounds[0][0].currency
    amounts = sorted(account.cash, key=lambda amount: not amount.is_positive)
    return amounts[0].currency if amounts else None


def _of(unit: Currency, amounts: Sequence[Money]) -> Money:
    return next((one for one in amounts if one.currency == unit), Money(0, unit))


def _newest(unit: Currency, kind: str = "cash") -> tuple[str, str]:
    return f"{kind}_{unit.code}", NEWEST


def _line(visit: Visit, catalog: Catalog, told: Statement, line: Line) -> str:
    texts, amount = visit.texts, line.posting.amount
    sign = "+" if amount.is_positive else "−"
    size = texts.label("price", price=amount if amount.is_positive else -amount)
    key, plan = _what(told, line), ""
    purchase = told.purchases.get(line.purchase_id or "")
    if purchase is not None:
        plan = texts.item(catalog, purchase.item)
    what = texts.label(key, plan=plan)
    return texts("history.line", at=line.at, amount=sign + size, what=what)


def _what(told: Statement, line: Line) -> str:
    """The text that says what it was."""
    purchase = told.purchases.get(line.purchase_id or "")
    if line.purpose == "charge" and purchase is not None and isinstance(purchase.item, Deposit):
        return "history.deposit"
    if line.purpose == "purchase" and line.posting.amount.is_positive:
        return "history.check"
    return WHAT.get(line.purpose, "history.other")


def _other_accounts(visit: Visit, account: Account, kind: str, unit: Currency) -> list[Button]:
    """The same currency's other account, and cash in the other currencies."""
    if kind == "bonus":
        buttons = [visit.button("of_cash", "history", *_newest(unit))]
    else:
        buttons = [visit.button("of_bonus", "history", *_newest(unit, "bonus"))]
    for amount in account.cash:
        if amount.currency != unit:
            said = press("history", *_newest(amount.currency))
            buttons.append(Button(unit_text(amount.currency), press=said))
    return buttons
