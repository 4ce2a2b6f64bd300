"""What a unit changed, read for the invariants."""

from collections import defaultdict
from typing import Any

from adapters.persistence.memory.tables import Tables
from core.domain.customer import CustomerId
from core.domain.item import PackItem
from core.domain.money import Money
from core.domain.promo_code import DaysOf, Gives, UnitsOf
from core.domain.purchase import Purchase, PurchaseStatus
from core.domain.usage_quota import PACKS, UsageKey, UsageReceipt

Changed = dict[str, list[tuple[Any, Any, Any]]]
"""By table: each row's key, and what it was and is."""


def newly_paid(changed: Changed) -> list[Purchase]:
    return [
        has
        for _, had, has in changed.get("purchase", ())
        if has.status is PurchaseStatus.PAID
        and (had is None or had.status is not PurchaseStatus.PAID)
    ]


def purchases_of(tables: Tables, who: CustomerId) -> list[Purchase]:
    return [tables.purchases.rows[key] for key in tables.purchases.keys("customer", who)]


def full_price(purchase: Purchase) -> Money:
    return purchase.amount if purchase.reduction is None else purchase.reduction.full


def redeemed(changed: Changed, tables: Tables) -> list[tuple[CustomerId, Gives]]:
    """Who has just used a promo code, and what it gives."""
    fresh = [has for _, had, has in changed.get("redemption", ()) if had is None]
    return [(one.customer_id, tables.promo_codes.rows[one.code].gives) for one in fresh]


def gifted(changed: Changed, tables: Tables) -> set[CustomerId]:
    """Who was just given days by a promo code."""
    return {who for who, gives in redeemed(changed, tables) if isinstance(gives, DaysOf)}


def gone(changed: Changed) -> set[CustomerId]:
    """Who has just asked to be erased, with what was running."""
    return {key for key, _, has in changed.get("customer", ()) if has.is_leaving}


def given(changed: Changed, tables: Tables) -> dict[UsageKey, int]:
    """
    What the packs that were just paid for, and the promo codes just used, add to which counter;
    and what goes of it with the packs that were just given back: what nobody has used.
    """
    given: defaultdict[UsageKey, int] = defaultdict(int)
    for purchase in newly_paid(changed):
        if isinstance(purchase.item, PackItem):
            terms = purchase.item.terms
            given[UsageKey(purchase.customer_id, terms.feature, PACKS)] += terms.units
    for customer_id, gives in redeemed(changed, tables):
        if isinstance(gives, UnitsOf):
            given[UsageKey(customer_id, gives.feature, PACKS)] += gives.units
    had = tables.counters.rows | {key: it or 0 for key, it, _ in changed.get("counter", ())}
    for purchase in newly_refunded(changed):
        if isinstance(purchase.item, PackItem):
            terms = purchase.item.terms
            key = UsageKey(purchase.customer_id, terms.feature, PACKS)
            given[key] -= min(terms.units, had.get(key, 0))
    return {key: units for key, units in given.items() if units}


def newly_refunded(changed: Changed) -> list[Purchase]:
    """Wholly."""
    return [
        has
        for _, had, has in changed.get("purchase", ())
        if has.status is PurchaseStatus.REFUNDED
        and (had is None or had.status is not PurchaseStatus.REFUNDED)
    ]


def highest_told(changed: Changed, customer_id: str, feature: str) -> int | None:
    receipts: list[UsageReceipt] = [
        receipt for _, _, receipt in changed.get("receipt", ()) if receipt
    ]
    told = [
        receipt.decision.used
        for receipt in receipts
        if (receipt.customer_id, receipt.feature) == (customer_id, feature)
    ]
    return max(told, default=None)
