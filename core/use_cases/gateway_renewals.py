"""Renewals: what a charge that a gateway makes by itself pays for, who stops it, and what ends any."""

import hashlib
from dataclasses import replace
from datetime import datetime

from core.domain.case import Case, CaseKind
from core.domain.charge import ChargeKey
from core.domain.customer import CustomerId
from core.domain.event import Event
from core.domain.payment import PaymentFacts, PaymentId, Recurrence
from core.domain.plan import GatewayName
from core.domain.purchase import PURCHASE_LIFE, Purchase, PurchaseId, PurchaseStatus
from core.domain.renewal import source_at_gateway
from core.domain.subscription import Subscription
from core.ports.payment_gateway import Gateways, RenewalDeclined
from core.ports.unit_of_work import Now, Store, UnitOfWork, View


async def renewal_order(
    uow: UnitOfWork, first: Purchase, facts: PaymentFacts, *, at: datetime
) -> Purchase:
    """
    What a later charge pays for, once more on the terms of the `first` purchase: the open order of
    the same, or a new one, whose id is derived from the charge. `first` itself where there is
    nothing to renew: it was never paid, the sum is another, or another plan runs by now. Then the
    money is booked as any that arrives for it. The customer's row is locked.
    """
    plan, whose = first.plan, first.customer_id
    present = (await uow.subscriptions.get(whose)).at(at)
    was_paid = first.status in {PurchaseStatus.PAID, PurchaseStatus.REFUNDED}
    if plan is None or not was_paid or facts.paid != first.amount:
        return first
    if present.period is not None and not present.is_on(plan, first.amount):
        return first
    pending = await uow.purchases.find_pending(whose, first.item, first.amount)
    if pending is not None:
        return pending
    stands_for = hashlib.sha256(f"{facts.gateway} {facts.charge_id}".encode()).hexdigest()[:32]
    id_ = PurchaseId(f"pur_{stands_for}")
    order = Purchase(id_, whose, first.item, first.amount, at, at + PURCHASE_LIFE)
    await uow.purchases.add(order)
    told: dict[str, str | int] = {
        "item": first.item.key,
        "plan": plan.code,
        "plan_version": plan.id,
        "renews": first.id,
    }
    await uow.record(Event("purchase.started", order.id, at, whose, told))
    return order


async def first_charge(
    uow: UnitOfWork | View, gateway: GatewayName, payment_id: PaymentId
) -> ChargeKey | None:
    """
    By which the gateway knows what it charges by itself: the charge that paid the order which was
    opened there, as later ones pay their own. None: that was never paid.
    """
    checkout = await uow.checkouts.find_by_payment(gateway, payment_id)
    for one in await uow.charges.of_payment(gateway, payment_id):
        if one.settled and checkout is not None and one.purchase_id == checkout.purchase_id:
            return one.key
    return None


async def began_with(uow: UnitOfWork, facts: PaymentFacts) -> ChargeKey:
    """The first charge of what this one, which is in the books by now, goes on with or begins."""
    own = ChargeKey(facts.gateway, facts.charge_id)
    if facts.recurrence is Recurrence.FIRST:
        return own
    return await first_charge(uow, facts.gateway, facts.payment_id) or own


async def hand_on(
    uow: UnitOfWork, before: Subscription, after: Subscription, *, at: datetime
) -> None:
    """
    The renewal of what runs is another now, or none. What had been ordered for it is given up; and
    what was renewed by a gateway and is not any more, or is again, the gateway is to be told.
    """
    renewal, follows = before.renewal, after.renews
    if renewal is None:
        return
    if follows is None or follows.purchase_id != renewal.purchase_id:
        await give_up_order(uow, before, at=at)
    if renewal.at_gateway is None:
        return
    if before.renews_by(renewal.source) != after.renews_by(renewal.source):
        await ask_to_match(uow, renewal.at_gateway, after.customer_id, at=at)


async def give_up_order(uow: UnitOfWork, subscription: Subscription, *, at: datetime) -> None:
    """
    The order of a renewal that is not wanted any more: no money that comes into the wallet pays it.
    Where it is being paid at a gateway already, it can still be paid there.
    """
    renewal = subscription.renewal
    if renewal is None or renewal.purchase_id is None:
        return
    order = await uow.purchases.get(renewal.purchase_id)
    checkouts = await uow.checkouts.of_purchases([order.id])
    if order.is_pending and not any(one.is_settling for one in checkouts):
        await uow.purchases.save(order.canceled(at=at))
        await uow.record(Event("purchase.canceled", order.id, at, order.customer_id))
    elif order.is_pending and order.from_wallet:
        await uow.purchases.save(replace(order, from_wallet=False))


async def ask_to_match(
    uow: UnitOfWork, first: ChargeKey, customer_id: CustomerId, *, at: datetime
) -> None:
    told = {"gateway": first.gateway}
    await uow.record(Event("gateway_renewal.moved", first.charge_id, at, customer_id, told))


class MatchRenewal:
    """
    Make what a gateway charges by itself equal to what its customer wants: read the present, tell
    it, and tell it again if that changed meanwhile. A refusal for good is a person's.
    """

    def __init__(self, store: Store, gateways: Gateways, now: Now) -> None:
        self._store = store
        self._gateways = gateways
        self._now = now

    async def __call__(self, customer_id: CustomerId, first: ChargeKey) -> None:
        """
        Raises:
            GatewayUnavailable: try again later.
        """
        told: bool | None = None
        while True:
            async with self._store.read() as view:
                present = (await view.subscriptions.get(customer_id)).at(self._now())
                payer = (await view.customers.get(customer_id)).telegram_id
            renews = present.renews_by(source_at_gateway(first))
            if renews == told:
                return
            if payer is None:  # Erased since: only a person can still find the payer there.
                await self._tell(customer_id, first, "the customer is erased", renews=renews)
                return
            try:
                gateway = self._gateways.get(first.gateway)
                await gateway.set_renewal(first.charge_id, str(payer), renews=renews)
            except RenewalDeclined as no:
                await self._tell(customer_id, first, no.reason, renews=renews)
                return
            told = renews

    async def _tell(
        self, customer_id: CustomerId, first: ChargeKey, reason: str, *, renews: bool
    ) -> None:
        wanted = "renews" if renews else "stops"
        cause = f"renewal {first.gateway} {first.charge_id} {wanted}"
        told = {"gateway": first.gateway, "charge": first.charge_id, "wanted": wanted}
        async with self._store.write() as uow:
            case = Case(
                f"case {cause}",
                CaseKind.DIFFERENCE,
                cause,
                self._now(),
                told | {"reason": reason},
                customer_id,
            )
            await uow.open_case(case)
            await uow.commit()


class HearRenewal:
    """
    The payer stopped at the gateway what it charges by itself, or took it up again. What is stopped
    there only the payer can take up again, and so nothing is kept here to resume it by; what was
    stopped here before stays as it is. The gateway is not told what it told us.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, gateway: GatewayName, payment_id: PaymentId, *, goes_on: bool) -> None:
        async with self._store.read() as view:
            checkout = await view.checkouts.find_by_payment(gateway, payment_id)
            first = await first_charge(view, gateway, payment_id)
        if checkout is None or first is None:
            return
        whose = checkout.customer_id
        async with self._store.write() as uow:
            at = self._now()
            await uow.customers.lock(whose)
            present = (await uow.subscriptions.get(whose)).at(at)
            plan = (await uow.purchases.get(checkout.purchase_id)).plan
            source = source_at_gateway(first)
            if plan is None or not present.is_on(plan, checkout.amount):
                return
            if goes_on == present.renews_by(source):
                return
            if goes_on:
                terms = (await uow.catalogs.current()).money.renewal
                changed, name = present.renewing(source, terms, at=at), "resumed"
            else:
                changed = replace(present, renewal=None, cancel_at_period_end=True)
                name = "canceled"
            await uow.subscriptions.save(changed)
            told: dict[str, str | int] = {"at": gateway}
            if changed.period is not None:
                told["period_end"] = changed.period.end.isoformat()
            await uow.record(Event(f"subscription.{name}", whose, at, whose, told))
            await uow.commit()
