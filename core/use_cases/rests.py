"""Rests: what is left of a plan that gave way to another lies in the wallet; whose money it was."""

from collections.abc import Iterable
from datetime import datetime

from core.domain import ledger
from core.domain.ledger import Entry, EntryId
from core.domain.money import Money
from core.domain.plan import PlanCode
from core.domain.purchase import PAID, Purchase, PurchaseId
from core.ports.unit_of_work import UnitOfWork

PAGE = 100


async def in_wallet_again(uow: UnitOfWork, purchase: Purchase) -> Money:
    """
    How much of it came back to the wallet already, as the rest of a plan that gave way to another.
    A rest is of what was paid last: what was had then of those that were paid for the same plan
    later comes first.
    """
    later: list[Purchase] = []
    nothing = purchase.amount - purchase.amount
    if purchase.plan is None:
        return nothing
    own = ledger.revenue(purchase.plan.code)
    for one in await paid_since(uow, purchase):
        rest = await uow.ledger.find(EntryId(f"rest {one.id}"))
        back = nothing if rest is None else -_booked([rest], own, nothing)
        if rest is not None and back.is_positive:
            for former in later:
                until = [it for it in await uow.ledger.of_purchase(former.id) if it.at <= rest.at]
                back -= _booked(until, own, nothing)
            return min(max(back, nothing), purchase.amount)
        if is_of(one, purchase.plan.code, nothing):
            later.append(one)
    return nothing


def _booked(entries: Iterable[Entry], account: ledger.Account, nothing: Money) -> Money:
    """What these put into the account, in that currency."""
    lines = (line for entry in entries for line in entry.postings)
    sums = (
        line.amount
        for line in lines
        if line.account == account and line.amount.currency == nothing.currency
    )
    return sum(sums, start=nothing)


async def whose_rest(
    uow: UnitOfWork, changed_by: Purchase, former: PlanCode, rest: Money
) -> list[Purchase]:
    """The purchases of which so much came back when this one changed the plan: the latest paid."""
    page = await uow.purchases.page(changed_by.customer_id, limit=PAGE)
    paid = [one for one in page if one.status in PAID and is_of(one, former, rest)]
    found: list[Purchase] = []
    for one in sorted(paid, key=_when_paid, reverse=True):
        if one.id != changed_by.id and rest.is_positive:
            found.append(one)
            rest -= one.refundable
    return found


async def paid_since(uow: UnitOfWork, purchase: Purchase) -> list[Purchase]:
    """The customer's purchases of plans that were paid after this one, in order."""
    found: list[Purchase] = []
    after = None
    while page := await uow.purchases.page(purchase.customer_id, limit=PAGE, after=after):
        found += [one for one in page if one.plan is not None and one.status in PAID]
        after = page[-1].id
    since = _when_paid(purchase)
    return sorted((one for one in found if _when_paid(one) > since), key=_when_paid)


def _when_paid(purchase: Purchase) -> tuple[datetime, datetime, PurchaseId]:
    """Of two that were paid at one moment the one that was ordered first is the first."""
    assert purchase.ended_at is not None, "it was paid"
    return purchase.ended_at, purchase.created_at, purchase.id


def is_of(purchase: Purchase, code: PlanCode, price: Money) -> bool:
    """Whether it is of this plan, and was paid in the currency of that price."""
    is_of_plan = purchase.plan is not None and purchase.plan.code == code
    return is_of_plan and purchase.amount.currency == price.currency
