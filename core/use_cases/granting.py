"""What a paid purchase gives, and how it is paid from the wallet: always in the same unit."""

from datetime import datetime

from core.domain import ledger
from core.domain.event import Event
from core.domain.item import Deposit, EscrowShare, Item, PlanItem, Verification
from core.domain.ledger import Account
from core.domain.money import Money
from core.domain.plan import PlanVersion
from core.domain.purchase import Purchase
from core.ports.unit_of_work import UnitOfWork
from core.use_cases.customers import standing_of
from core.use_cases.wallet import credited, purse_of

Moves = list[tuple[Account, Money]]


async def grant(uow: UnitOfWork, purchase: Purchase, *, at: datetime) -> None:
    """
    Pay the purchase from the wallet and give what was bought. It is saved as paid already, and the
    customer's row is locked. Money that a gateway brought for it lies in cash, and is spent from
    there; what was agreed to be paid from the wallet takes bonus first.

    Raises:
        WalletTooLow: only where it is paid from the wallet.
    """
    told: dict[str, str | int] = {
        "item": purchase.item.key.partition(" ")[0],
        "amount_minor": purchase.amount.amount_minor,
        "currency": purchase.amount.currency.code,
    }
    match purchase.item:
        case PlanItem(plan):
            told |= await _grant_plan(uow, purchase, plan, at=at)
        case Deposit():
            event = credited(purchase.customer_id, purchase.amount, purchase.id, at=at)
            await uow.record(event)
        case Verification():
            raise NotImplementedError
        case EscrowShare():
            raise NotImplementedError
    await uow.record(Event("purchase.paid", purchase.id, at, purchase.customer_id, told))


def may_take_bonus(item: Item) -> bool:
    """
    Whether bonus may pay for it. What can come back as cash, or go to somebody else, may not: so
    would bonus become money that can be withdrawn.
    """
    return isinstance(item, PlanItem)


async def spend(
    uow: UnitOfWork, purchase: Purchase, to: Account, *, with_bonus: bool, at: datetime
) -> None:
    """The purchase's one entry."""
    purse = await purse_of(uow, purchase.customer_id, purchase.amount.currency)
    spent = purse.spent(purchase.amount, with_bonus=with_bonus)
    moves: Moves = [*spent, (to, purchase.amount)]
    await uow.ledger.post(
        ledger.entry_of(
            f"purchase {purchase.id}", "purchase", moves, at=at, purchase_id=purchase.id
        )
    )


async def _grant_plan(
    uow: UnitOfWork, purchase: Purchase, plan: PlanVersion, *, at: datetime
) -> dict[str, str | int]:
    customer = purchase.customer_id
    revenue = ledger.revenue(plan.code)
    await spend(uow, purchase, revenue, with_bonus=purchase.from_wallet, at=at)
    standing = await standing_of(uow, customer)
    former = standing.plan(at)
    assert plan.terms.period is not None, "a plan without a period is never sold"
    extension = standing.subscription.extended_by(
        plan, plan.terms.period, purchase.amount, zone=standing.customer.zone, at=at
    )
    await uow.subscriptions.save(extension.subscription)
    if extension.returned is not None:
        rest = ledger.transfer(
            f"rest {purchase.id}",
            "rest_of_former_plan",
            extension.returned,
            debit=ledger.revenue(former.code),
            credit=ledger.cash(customer),
            at=at,
            purchase_id=purchase.id,
        )
        await uow.ledger.post(rest)
        await uow.record(credited(customer, extension.returned, rest.id, at=at))
    return {"plan": plan.code, "period_end": extension.end.isoformat()}
