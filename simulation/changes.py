"""What a unit changed, read for the invariants."""

from collections import defaultdict
from typing import Any

from core.domain.item import PackItem
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


def given(changed: Changed) -> dict[UsageKey, int]:
    """What the packs that were just paid for add to which counter."""
    given: defaultdict[UsageKey, int] = defaultdict(int)
    for purchase in newly_paid(changed):
        if isinstance(purchase.item, PackItem):
            terms = purchase.item.terms
            given[UsageKey(purchase.customer_id, terms.feature, PACKS)] += terms.units
    return given


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
