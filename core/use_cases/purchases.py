"""Purchases: preview, start, show, cancel, expire."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

from core.domain.cause import Cause, claim
from core.domain.customer import CustomerId
from core.domain.errors import Conflict
from core.domain.event import Event
from core.domain.money import Money
from core.domain.plan import PlanVersion
from core.domain.purchase import PURCHASE_LIFE, Purchase, PurchaseId, PurchaseStatus
from core.domain.subscription import Standing
from core.ports.payment_gateway import Gateways
from core.ports.unit_of_work import NewId, Now, Store, UnitOfWork
from core.use_cases.checkouts import (
    Opening,
    Started,
    answer_of,
    as_answered,
    ask,
    offer,
    offered_at,
    owned,
)
from core.use_cases.customers import standing_of
from core.use_cases.settling import book


@dataclass(eq=False)
class PreviewOutdated(Conflict):
    """The price or the subscription changed since the preview; look at a new one."""

    preview_id: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What buying would do now: the price, the new end, and what returns of a former plan."""

    id: str
    plan: PlanVersion
    amount: Money
    gateway: str
    ends_at: datetime
    returned: Money | None
    standing: Standing


class PreviewPurchase:
    """Show what a purchase would cost and do, without doing it."""

    def __init__(self, store: Store, gateways: Gateways, now: Now) -> None:
        self._store = store
        self._gateways = gateways
        self._now = now

    async def __call__(
        self,
        customer_id: CustomerId,
        plan_code: str,
        *,
        gateway: str | None = None,
        in_telegram: bool = False,
    ) -> Preview:
        """
        `in_telegram`: it would be paid inside Telegram, see `offered_at`.

        Raises:
            PlanNotFound, PlanNotForSale, GatewayNotFound, CustomerBlocked
        """
        async with self._store.read() as view:
            standing = (await view.overview(customer_id)).standing
        standing.customer.require_served()
        plan = standing.catalog.plan(plan_code)
        offered = offered_at(standing, self._gateways, in_telegram=in_telegram)
        chosen, amount = offer(plan, offered, gateway)
        assert plan.terms.period is not None, "the catalog prices only plans with a period"
        extension = standing.subscription.extended_by(
            plan, plan.terms.period, amount, zone=standing.customer.zone, at=self._now()
        )
        return Preview(
            _preview_id(standing, plan, amount),
            plan,
            amount,
            chosen.name,
            extension.end,
            extension.returned,
            standing,
        )


class StartPurchase:
    """
    Agree on a price, once, and open a way to pay it.

    Intent first (purchase and checkout, in one unit), then the gateway, then what it said, with
    the client's answer, in another. A death in between is continued by a repeat of the request or
    by the watcher, with the same ids. Buying again what is already open returns what is open.
    """

    def __init__(self, store: Store, gateways: Gateways, now: Now, new_id: NewId) -> None:
        self._store = store
        self._gateways = gateways
        self._now = now
        self._new_id = new_id
        self._opening = Opening(store, gateways, now, new_id)

    async def __call__(
        self,
        customer_id: CustomerId,
        plan_code: str,
        *,
        return_url: str,
        cause: Cause,
        gateway: str | None = None,
        preview_id: str | None = None,
        in_telegram: bool = False,
    ) -> Started:
        """
        `in_telegram`: it is to be paid inside Telegram, see `offered_at`.

        Raises:
            KeyUsedOtherwise, StillRunning: see `Claim.taken_again`.
            PlanNotFound, PlanNotForSale, GatewayNotFound, ReceiptContactMissing
            CustomerBlocked: also for a repeat, which would lead to a page to pay at.
            PreviewOutdated: the preview no longer tells the truth.
            CheckoutDeclined: the provider said no; the purchase stays open for another way.
            GatewayUnavailable: not known yet; repeat with the same key, or wait for the watcher.
        """
        async with self._store.write() as uow:
            now = self._now()
            (await uow.customers.lock(customer_id)).require_served()
            fresh = claim(cause, self._new_id("pur"), at=now)
            taken = await uow.claims.take(fresh)
            standing = await standing_of(uow, customer_id)
            if taken.subject != fresh.subject:  # A repeat: replay, wait, or carry on.
                taken = taken.taken_again(cause, at=now)
                if taken.answer is not None:
                    return await as_answered(uow, taken)
                purchase = await uow.purchases.get(PurchaseId(taken.subject))
                if not purchase.is_pending:  # Nobody is asked to pay for what has ended.
                    [*_, last] = await uow.checkouts.of_purchases([purchase.id])
                    await uow.claims.save(taken.answered(answer_of(purchase, last)))
                    await uow.commit()
                    return Started(purchase, last)
                await uow.claims.save(taken)
            else:
                plan = standing.catalog.plan(plan_code)
                offered = offered_at(standing, self._gateways, in_telegram=in_telegram)
                _, amount = offer(plan, offered, gateway)
                if preview_id not in {None, _preview_id(standing, plan, amount)}:
                    raise PreviewOutdated(str(preview_id)[:64])
                new = Purchase(
                    PurchaseId(fresh.subject), customer_id, plan, amount, now, now + PURCHASE_LIFE
                )
                purchase = await _agreed(uow, new)
                if purchase.id != fresh.subject:
                    await uow.claims.save(replace(taken, subject=purchase.id))
            checkout = await self._opening.checkout_for(
                uow,
                purchase,
                standing,
                gateway=gateway,
                return_url=return_url,
                in_telegram=in_telegram,
            )
            await uow.commit()
        return await self._opening.carry_on(checkout, cause)


async def _agreed(uow: UnitOfWork, new: Purchase) -> Purchase:
    """The open purchase of the same thing at the same price, or else the new one."""
    pending = await uow.purchases.find_pending(new.customer_id, new.plan.id, new.amount)
    if pending is not None:
        return pending
    await uow.purchases.add(new)
    told: dict[str, str | int] = {"plan": new.plan.code, "plan_version": new.plan.id}
    await uow.record(Event("purchase.started", new.id, new.created_at, new.customer_id, told))
    return new


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


def _preview_id(standing: Standing, plan: PlanVersion, amount: Money) -> str:
    """Stands for what was shown: the same until the price or the subscription changes."""
    shown = f"{plan.id} {amount} {standing.customer.id} {standing.subscription.version}"
    return "pre_" + hashlib.sha256(shown.encode()).hexdigest()[:32]
