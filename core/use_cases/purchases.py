"""Purchases: preview, start, show, cancel, expire."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from core.domain.cause import Cause
from core.domain.customer import CustomerId
from core.domain.errors import Conflict
from core.domain.event import Event
from core.domain.item import Item, PlanItem, Ware
from core.domain.money import Money
from core.domain.plan import NoWayToPay, PlanNotForSale
from core.domain.purchase import PurchaseId, PurchaseStatus, Reduction
from core.domain.subscription import Standing
from core.ports.payment_gateway import Gateways
from core.ports.unit_of_work import NewId, Now, Store, UnitOfWork, View
from core.use_cases.buying import WALLET, Buying
from core.use_cases.checkouts import (
    NoGatewayTakes,
    Started,
    Terms,
    ask,
    offered_at,
    owned,
)
from core.use_cases.prices import Price, price_at, prices_of
from core.use_cases.settling import book
from core.use_cases.wallet import purse_of


@dataclass(eq=False)
class PreviewOutdated(Conflict):
    """The price or the subscription changed since the preview; look at a new one."""

    preview_id: str


@dataclass(frozen=True, slots=True)
class Preview:
    """
    What buying would do now: the price, by what it is lower (None: it is not), the new end (None:
    what is bought has none), and what returns of a former plan. `missing` is what would have to
    come into the wallet first; None: nothing. `subscribes`: the
    gateway will charge it again by itself.
    """

    id: str
    item: Ware
    amount: Money
    gateway: str
    ends_at: datetime | None
    returned: Money | None
    standing: Standing
    missing: Money | None = None
    subscribes: bool = False
    reduction: Reduction | None = None


class PreviewPurchase:
    """Show what a purchase would cost and do, without doing it."""

    def __init__(self, store: Store, gateways: Gateways, now: Now) -> None:
        self._store = store
        self._gateways = gateways
        self._now = now

    async def __call__(
        self,
        customer_id: CustomerId,
        code: str,
        *,
        kind: type[Ware] | None = None,
        gateway: str | None = None,
        in_telegram: bool = False,
    ) -> Preview:
        """
        `code` is a plan's or a pack's, `kind` of which of them (None: of either). `in_telegram`: it
        would be paid inside Telegram, see `offered_at`.

        Raises:
            PlanNotFound, PackNotFound, PlanNotForSale, NoGatewayTakes, GatewayNotFound,
            CustomerBlocked
        """
        async with self._store.read() as view:
            standing = (await view.overview(customer_id)).standing
            off = await view.switches.off()
        standing.customer.require_served()
        item = standing.catalog.ware(code, kind)
        if gateway == WALLET:
            async with self._store.read() as view:
                way, price = WALLET, await wallet_price(view, standing, item)
        else:
            offered = offered_at(standing, self._gateways, off, in_telegram=in_telegram)
            chosen, price = price_at(standing, item, offered, gateway)
            way = chosen.name
        return self._preview(standing, item, price, way)

    async def ways(
        self, customer_id: CustomerId, code: str, *, in_telegram: bool = False
    ) -> list[Preview]:
        """
        One for each way to pay it, in the operator's order; the wallet is the last, where there
        is anything in it. Empty: there is none. `in_telegram` as above.

        Raises:
            PlanNotFound, CustomerBlocked
        """
        async with self._store.read() as view:
            standing = (await view.overview(customer_id)).standing
            standing.customer.require_served()
            item = standing.catalog.ware(code)
            off = await view.switches.off()
            is_sold = bool(item.terms.prices)
            from_wallet = await wallet_price(view, standing, item) if is_sold else None
            if from_wallet is not None:
                purse = await purse_of(view, customer_id, from_wallet.amount.currency)
        previews = []
        offered = offered_at(standing, self._gateways, off, in_telegram=in_telegram)
        for one in offered:
            with suppress(PlanNotForSale, NoWayToPay, NoGatewayTakes):
                _, price = price_at(standing, item, offered, one.name)
                previews.append(self._preview(standing, item, price, one.name))
        if from_wallet is not None and purse.free.is_positive:
            missing = purse.missing(from_wallet.amount, with_bonus=True)
            preview = self._preview(standing, item, from_wallet, WALLET)
            previews.append(replace(preview, missing=missing))
        return previews

    def _preview(self, standing: Standing, item: Ware, price: Price, way: str) -> Preview:
        amount = price.amount
        shown = _preview_id(standing, item, amount)
        if not isinstance(item, PlanItem):
            return Preview(shown, item, amount, way, None, None, standing)
        plan = item.plan
        assert plan.terms.period is not None, "the catalog prices only plans with a period"
        extension = standing.subscription.extended_by(
            plan,
            plan.terms.period,
            amount,
            zone=standing.customer.zone,
            renewals=standing.catalog.money.renewal,
            at=self._now(),
        )
        subscribes = way != WALLET and self._gateways.get(way).abilities.subscribes
        return Preview(
            shown,
            item,
            amount,
            way,
            extension.end,
            extension.returned,
            standing,
            subscribes=subscribes
            and price.reduction is None
            and standing.may_subscribe(plan, amount, self._now()),
            reduction=price.reduction,
        )


class StartPurchase:
    """Buy a plan or a pack. See `Buying`."""

    def __init__(self, store: Store, gateways: Gateways, now: Now, new_id: NewId) -> None:
        self._gateways = gateways
        self._buying = Buying(store, gateways, now, new_id)

    async def __call__(
        self,
        customer_id: CustomerId,
        code: str,
        *,
        return_url: str,
        cause: Cause,
        kind: type[Ware] | None = None,
        gateway: str | None = None,
        preview_id: str | None = None,
        in_telegram: bool = False,
    ) -> Started:
        """
        `code` is a plan's or a pack's, `kind` of which of them (None: of either).

        Raises:
            PlanNotFound, PackNotFound, PlanNotForSale
            PreviewOutdated: the preview no longer tells the truth.
            all that `Buying` raises.
        """

        async def agree(uow: UnitOfWork, standing: Standing) -> tuple[Item, Price]:
            item = standing.catalog.ware(code, kind)
            if gateway == WALLET:
                price = await wallet_price(uow, standing, item)
            else:
                off = await uow.switches.off()
                offered = offered_at(standing, self._gateways, off, in_telegram=in_telegram)
                _, price = price_at(standing, item, offered, gateway)
            if preview_id not in {None, _preview_id(standing, item, price.amount)}:
                raise PreviewOutdated(str(preview_id)[:64])
            return item, price

        terms = Terms(return_url, gateway, in_telegram)
        return await self._buying(customer_id, agree, terms, cause)


async def wallet_price(uow: UnitOfWork | View, standing: Standing, item: Ware) -> Price:
    """
    The first of its prices that the wallet affords; where it affords none, the first.

    Raises:
        PlanNotForSale
    """
    prices = prices_of(standing, item)
    for price in prices:
        purse = await purse_of(uow, standing.customer.id, price.amount.currency)
        if price.amount <= purse.free:
            return price
    if not prices:
        raise PlanNotForSale(item.terms.code)
    return prices[0]


class ShowPurchases:
    """A customer's own purchases, with the latest checkout of each, the newest first."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def one(self, customer_id: CustomerId, purchase_id: PurchaseId) -> Started:
        """
        Raises:
            PurchaseNotFound: unknown and somebody else's look alike.
        """
        async with self._store.read() as view:
            purchase = await owned(view, customer_id, purchase_id)
            checkouts = await view.checkouts.of_purchases([purchase_id])
        return Started(purchase, checkouts[-1] if checkouts else None)

    async def page(
        self, customer_id: CustomerId, *, limit: int, after: PurchaseId | None = None
    ) -> list[Started]:
        async with self._store.read() as view:
            if after is not None:
                await owned(view, customer_id, after)
            purchases = await view.purchases.page(customer_id, limit=limit, after=after)
            checkouts = await view.checkouts.of_purchases([one.id for one in purchases])
        latest = {checkout.purchase_id: checkout for checkout in checkouts}
        return [Started(purchase, latest.get(purchase.id)) for purchase in purchases]


class CancelPurchase:
    """
    The customer does not want it any more. Money that arrives all the same stays in the wallet.
    Canceling again changes nothing.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, customer_id: CustomerId, purchase_id: PurchaseId) -> Started:
        """
        Raises:
            PurchaseNotFound
            PurchaseNotPending: it has ended otherwise already.
        """
        async with self._store.write() as uow:
            now = self._now()
            await uow.customers.lock(customer_id)
            purchase = await owned(uow, customer_id, purchase_id)
            checkouts = await uow.checkouts.of_purchases([purchase_id])
            if purchase.status is not PurchaseStatus.CANCELED:
                purchase = purchase.canceled(at=now)
                await uow.purchases.save(purchase)
                await uow.record(Event("purchase.canceled", purchase.id, now, customer_id))
                await uow.commit()
        return Started(purchase, checkouts[-1] if checkouts else None)


class ExpirePurchase:
    """
    End a purchase that nobody paid in time, after asking every gateway that could know better.
    If one of them cannot be asked now, nothing expires.
    """

    def __init__(self, store: Store, gateways: Gateways, now: Now) -> None:
        self._store = store
        self._gateways = gateways
        self._now = now

    async def __call__(self, purchase_id: PurchaseId) -> None:
        """
        Raises:
            GatewayUnavailable: try again later.
        """
        async with self._store.read() as view:
            purchase = await view.purchases.find(purchase_id)
            checkouts = await view.checkouts.of_purchases([purchase_id])
        if purchase is None or not purchase.is_pending:
            return
        for checkout in checkouts:
            if checkout.is_settling:
                facts = await ask(self._gateways.get(checkout.gateway), checkout)
                if facts is not None:
                    await book(self._store, facts, self._now)
        async with self._store.write() as uow:
            now = self._now()
            await uow.customers.lock(purchase.customer_id)
            purchase = await uow.purchases.get(purchase_id)
            if purchase.is_pending and purchase.expires_at <= now:
                await uow.purchases.save(purchase.expired(at=now))
                await uow.record(Event("purchase.expired", purchase.id, now, purchase.customer_id))
                await uow.commit()


def _preview_id(standing: Standing, item: Ware, amount: Money) -> str:
    """Stands for what was shown: the same until the price or the subscription changes."""
    shown = f"{item.key} {amount} {standing.customer.id} {standing.subscription.version}"
    return "pre_" + hashlib.sha256(shown.encode()).hexdigest()[:32]
