"""Discounts: used up by the first purchase that is paid with it, and by no other."""

from datetime import datetime

from core.domain.event import Event
from core.domain.purchase import Purchase
from core.ports.unit_of_work import UnitOfWork


async def is_gone(uow: UnitOfWork, purchase: Purchase) -> bool:
    """Whether the discount that this purchase was agreed with was used up by another, or given up."""
    reduction = purchase.reduction
    if reduction is None:
        return False
    redemption = await uow.promos.redemption(purchase.customer_id, reduction.code)
    assert redemption is not None, "it was agreed with it"
    return redemption.discount is None or redemption.purchase_id not in {None, purchase.id}


async def use_up(uow: UnitOfWork, purchase: Purchase, *, at: datetime) -> None:
    """
    The purchase is paid, and with it goes its discount. What else was ordered with it is
    canceled: money that still arrives for that stays in the wallet.
    """
    if purchase.reduction is None:
        return
    whose = purchase.customer_id
    redemption = await uow.promos.redemption(whose, purchase.reduction.code)
    assert redemption is not None, "it was agreed with it"
    await uow.promos.save(redemption.used_up(purchase.id))
    for other in await uow.purchases.reduced(whose):
        if other.id != purchase.id:
            await uow.purchases.save(other.canceled(at=at))
            await uow.record(Event("purchase.canceled", other.id, at, whose))
