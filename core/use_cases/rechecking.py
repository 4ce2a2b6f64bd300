"""Rechecking: a customer says that they paid, so the gateways are asked about it at once."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from core.domain.checkout import Checkout
from core.domain.customer import CustomerId
from core.domain.errors import Unavailable
from core.domain.purchase import PAID
from core.ports.payment_gateway import GatewayNotFound, Gateways
from core.ports.unit_of_work import Now, Store
from core.use_cases.checkouts import Started, ask
from core.use_cases.purchases import ShowPurchases
from core.use_cases.settling import book

RECENT: Final = timedelta(days=30)
LOOKED_THROUGH: Final = 20
"""So many of the newest purchases are looked at; of them, those that say something."""
MOST: Final = 5


@dataclass(frozen=True, slots=True)
class Rechecked:
    """A purchase as it is now. `is_sure`: all gateways that were needed to say so have answered."""

    started: Started
    is_sure: bool = True


class RecheckPurchases:
    """
    Ask the gateways what became of a customer's newest purchases that are not paid, and settle what
    they confirm: at most MOST questions, outside any unit. Repeating changes nothing; whoever calls
    sees to it that nobody does so all the time.
    """

    def __init__(self, store: Store, gateways: Gateways, now: Now) -> None:
        self._store = store
        self._gateways = gateways
        self._now = now
        self._show = ShowPurchases(store)

    async def __call__(self, customer_id: CustomerId, *, asking: bool = True) -> list[Rechecked]:
        """
        Up to MOST of the last RECENT days, the newest first; without `asking` as the books have
        them. One that nobody ever tried to pay is left out.
        """
        shown = await self._recent(customer_id)
        if not asking:
            return shown
        asked, unsure = 0, set()
        for one in shown:
            purchase = one.started.purchase
            if purchase.status in PAID:
                continue
            async with self._store.read() as view:
                checkouts = await view.checkouts.of_purchases([purchase.id])
            for checkout in reversed(checkouts):
                if asked == MOST or not await self._learned(checkout):
                    unsure.add(purchase.id)
                asked = min(asked + 1, MOST)
        present = await self._recent(customer_id)
        return [replace(it, is_sure=it.started.purchase.id not in unsure) for it in present]

    async def _recent(self, customer_id: CustomerId) -> list[Rechecked]:
        since = self._now() - RECENT
        newest = await self._show.page(customer_id, limit=LOOKED_THROUGH)
        told = [
            Rechecked(one)
            for one in newest
            if one.purchase.created_at >= since
            and (one.checkout is not None or one.purchase.status in PAID)
        ]
        return told[:MOST]

    async def _learned(self, checkout: Checkout) -> bool:
        """Whether the gateway answered. What it confirms is in the books then."""
        try:
            facts = await ask(self._gateways.get(checkout.gateway), checkout)
            if facts is not None:
                await book(self._store, facts, self._now)
        except (Unavailable, GatewayNotFound):
            return False
        return True
