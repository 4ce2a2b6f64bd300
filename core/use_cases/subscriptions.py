"""Subscriptions: renew by themselves, cancel, resume, and end when their time is over."""

from dataclasses import dataclass, replace
from datetime import datetime

from core.domain.cause import Cause
from core.domain.customer import CustomerId
from core.domain.errors import Invalid, NotFound, Refused
from core.domain.event import Event
from core.domain.item import PaymentMethodId, PlanItem
from core.domain.money import Money
from core.domain.payment_method import PaymentMethod, PaymentMethodRemoved
from core.domain.purchase import PURCHASE_LIFE, Purchase, PurchaseId, PurchaseNotPending
from core.domain.reminder import renewal_offer
from core.domain.renewal import FROM_WALLET
from core.domain.subscription import PaidPeriod, Subscription, SubscriptionStatus
from core.domain.switch import SwitchName, gateway_switch
from core.ports.payment_gateway import Gateways
from core.ports.unit_of_work import NewId, Now, Store, UnitOfWork
from core.use_cases.buying import pay_from_wallet
from core.use_cases.charging import ChargeMethod, may_be_charged, require_chargeable
from core.use_cases.customers import standing_of
from core.use_cases.gateway_renewals import give_up_order, hand_on
from core.use_cases.payment_methods import owned_method
from core.use_cases.safety import count_try, has_tried_enough
from core.use_cases.wallet import WalletTooLow


@dataclass(eq=False)
class NothingToRenew(Refused):
    """No paid time is running; buy a plan first."""


class ChangeSubscription:
    """
    What a customer decides about the running subscription: whether it renews by itself and from
    what, and whether it stops at its end. Deciding the same again changes nothing.
    """

    def __init__(self, store: Store, gateways: Gateways, now: Now) -> None:
        self._store = store
        self._gateways = gateways
        self._now = now

    async def renew_from(self, customer_id: CustomerId, source: str | None) -> None:
        """
        `source` is FROM_WALLET or the id of a payment method; None: not by itself. A canceled one
        is resumed by it. What a gateway renews is canceled by None, so that it can be resumed.

        Raises:
            NothingToRenew, CustomerBlocked
            PaymentMethodNotFound, PaymentMethodNotVerified, PaymentMethodRemoved
            MethodNotChargeable: its gateway gave nothing that can be charged again.
        """
        async with self._store.write() as uow:
            at = self._now()
            running = await self._running(uow, customer_id, at)
            if source is None:
                is_ours = running.renewal is None or running.renewal.at_gateway is None
                changed = replace(running, renewal=None) if is_ours else running.canceled()
            else:
                if source != FROM_WALLET:
                    method = await owned_method(uow, customer_id, PaymentMethodId(source))
                    require_chargeable(method, self._gateways)
                terms = (await uow.catalogs.current()).money.renewal
                changed = running.renewing(source, terms, at=at)
            told = {} if source is None else {"source": source}
            await self._save(uow, running, changed, "renewal_changed", at, **told)

    async def sources(self, customer_id: CustomerId) -> list[PaymentMethod]:
        """The customer's own methods that could pay for it while nobody is there."""
        async with self._store.read() as view:
            known = await view.methods.of_customer(customer_id)
        return [one for one in known if may_be_charged(one, self._gateways)]

    async def cancel(self, customer_id: CustomerId) -> None:
        """
        It ends with what is paid for, and nothing is charged any more.

        Raises:
            NothingToRenew, CustomerBlocked
        """
        async with self._store.write() as uow:
            at = self._now()
            running = await self._running(uow, customer_id, at)
            canceled = running.canceled()
            end = None if canceled.period is None else canceled.period.end
            told = {"access": "over"} if end is None else {"period_end": end.isoformat()}
            await self._save(uow, running, canceled, "canceled", at, **told)

    async def resume(self, customer_id: CustomerId) -> None:
        """
        As if it had never been canceled.

        Raises:
            NothingToRenew, CustomerBlocked
        """
        async with self._store.write() as uow:
            at = self._now()
            running = await self._running(uow, customer_id, at)
            changed = replace(running, cancel_at_period_end=False)
            await self._save(uow, running, changed, "resumed", at)

    async def _running(
        self, uow: UnitOfWork, customer_id: CustomerId, at: datetime
    ) -> Subscription:
        (await uow.customers.lock(customer_id)).require_served()
        running = (await uow.subscriptions.get(customer_id)).at(at)
        if running.period is None:
            raise NothingToRenew
        return running

    async def _save(
        self,
        uow: UnitOfWork,
        before: Subscription,
        after: Subscription,
        name: str,
        at: datetime,
        **told: str,
    ) -> None:
        if after == before:
            return
        await uow.subscriptions.save(after)
        await hand_on(uow, before, after, at=at)
        whose = after.customer_id
        await uow.record(Event(f"subscription.{name}", whose, at, whose, told))
        await uow.commit()


class TendSubscription:
    """
    Do what is due: try to renew, write down that it is past due, or that it is over. Nobody had
    access because of a delay: everyone reads `subscription.at(now)`.

    Each try belongs to one moment of the plan and is counted with what it begins, so however many
    look at once, it is begun once. What is paid from the wallet is paid here; a method is charged by
    a job that follows (`ChargeRenewal`). The order waits for the wallet until the grace is over.
    While renewals, or the method's gateway, are switched off, no try is made: what is due stays
    due, and its grace goes on. So it is where it was tried too often (`core/domain/safety.py`).
    Where a gateway charges by itself there is no order (`renewal_order`): only whether the plan is
    still sold is looked at, in time for it to be stopped there.
    """

    def __init__(self, store: Store, now: Now, new_id: NewId) -> None:
        self._store = store
        self._now = now
        self._new_id = new_id

    async def __call__(self, customer_id: CustomerId) -> None:
        async with self._store.write() as uow:
            at = self._now()
            await uow.customers.lock(customer_id)
            known = await uow.subscriptions.get(customer_id)
            present = known.at(at)
            if known.period is not None and present.period is None:
                await self._end(uow, known, known.period, at)
            elif present.is_renewal_due(at) and not await self._waits(uow, present, at):
                await self._try(uow, present, at)
            elif present.is_renewal_due(at):
                waiting = await self._kept_waiting(uow, present, at)
                if waiting != known:
                    await uow.subscriptions.save(waiting)
            elif present != known:
                await uow.subscriptions.save(present)
            else:
                return
            if present.status is SubscriptionStatus.PAST_DUE is not known.status:
                await uow.record(Event("subscription.past_due", customer_id, at, customer_id))
            await uow.commit()

    async def _end(
        self, uow: UnitOfWork, known: Subscription, period: PaidPeriod, at: datetime
    ) -> None:
        await give_up_order(uow, known, at=at)
        await uow.subscriptions.save(known.at(at))
        told: dict[str, str | int] = {
            "plan": period.plan.code,
            "period_end": period.end.isoformat(),
        }
        whose = known.customer_id
        await uow.record(Event("subscription.ended", whose, at, whose, told))

    async def _waits(self, uow: UnitOfWork, present: Subscription, at: datetime) -> bool:
        """
        Whether it is switched off (what we try at all, or the gateway of the method), or was tried
        so often that something must be wrong.
        """
        renewal = present.renewal
        assert renewal is not None
        if renewal.at_gateway is not None:
            return False
        off = await uow.switches.off()
        if SwitchName.RENEWALS in off:
            return True
        if off and renewal.source != FROM_WALLET:
            method = await uow.methods.get(PaymentMethodId(renewal.source))
            if gateway_switch(method.gateway) in off:
                return True
        return await has_tried_enough(uow, present.customer_id, at=at)

    async def _kept_waiting(
        self, uow: UnitOfWork, present: Subscription, at: datetime
    ) -> Subscription:
        """It stays due, so that it is looked at again, and nobody loses access by that."""
        assert present.renewal is not None
        terms = (await uow.catalogs.current()).money.renewal
        waiting = present.renewal.waiting(terms, at=at)
        if waiting != present.renewal:
            whose, told = present.customer_id, {"grace_until": waiting.grace_until.isoformat()}
            await uow.record(Event("renewal.waits", whose, at, whose, told))
        return replace(present, renewal=waiting)

    async def _try(self, uow: UnitOfWork, present: Subscription, at: datetime) -> None:
        customer_id, renewal, period = present.customer_id, present.renewal, present.period
        assert renewal is not None
        assert period is not None, "something is due"
        standing = await standing_of(uow, customer_id)
        terms, reminder = standing.catalog.money.renewal, await uow.reminders.find(customer_id)
        offer = renewal_offer(standing, None if reminder is None else reminder.notice, at=at)
        if offer is None:
            stopped = replace(present, renewal=None)
            await uow.subscriptions.save(stopped)
            await hand_on(uow, present, stopped, at=at)
            await uow.record(
                Event("renewal.stopped", customer_id, at, customer_id, {"plan": period.plan.code})
            )
            return
        if renewal.at_gateway is not None:
            await uow.subscriptions.save(present.tried(None, terms, at=at))
            return
        plan, price = offer
        order = await self._order(uow, present, PlanItem(plan), price, at)
        await uow.subscriptions.save(present.tried(order.id, terms, at=at))
        if renewal.source != FROM_WALLET:
            told = {"method_id": renewal.source, "try": at.isoformat()}
            await uow.record(Event("renewal.due", order.id, at, customer_id, told))
            return
        await count_try(uow, customer_id, at=at)
        too_low = await pay_from_wallet(uow, order, at=at)
        if isinstance(too_low, WalletTooLow):
            await uow.record(
                Event("renewal.failed", order.id, at, customer_id, {"try": at.isoformat()})
            )

    async def _order(
        self, uow: UnitOfWork, present: Subscription, item: PlanItem, price: Money, at: datetime
    ) -> Purchase:
        """
        The one of the try before, at the price of then; else the open one for the same thing, whoever
        began it, or a new one.
        """
        assert present.renewal is not None
        if present.renewal.purchase_id is not None:
            before = await uow.purchases.get(present.renewal.purchase_id)
            if before.is_pending:
                return before
        pending = await uow.purchases.find_pending(present.customer_id, item, price)
        if pending is not None:
            return pending
        # Longer than the grace, so that it ends with the subscription, and says nothing of its own.
        until = present.renewal.grace_until + PURCHASE_LIFE
        order = Purchase(
            PurchaseId(self._new_id("pur")), present.customer_id, item, price, at, until
        )
        await uow.purchases.add(order)
        told: dict[str, str | int] = {
            "item": item.key,
            "plan": item.plan.code,
            "plan_version": item.plan.id,
        }
        await uow.record(Event("purchase.started", order.id, at, present.customer_id, told))
        return order


class ChargeRenewal:
    """
    Charge the method that renews a subscription, for one try. Whether it is still wanted is read
    before. A charge without an answer ends by asking alone, and until then no other is made: see
    `ChargeMethod`.
    """

    def __init__(self, store: Store, gateways: Gateways, now: Now, new_id: NewId) -> None:
        self._store = store
        self._now = now
        self._charge = ChargeMethod(store, gateways, now, new_id)

    async def __call__(
        self,
        customer_id: CustomerId,
        purchase_id: PurchaseId,
        method_id: PaymentMethodId,
        try_: str,
    ) -> None:
        async with self._store.read() as view:
            present = (await view.subscriptions.get(customer_id)).at(self._now())
        renewal = present.renews
        if renewal is None or (renewal.purchase_id, renewal.source) != (purchase_id, method_id):
            return
        cause = Cause("renewal", f"{purchase_id} {try_}", method_id)
        try:
            await self._charge(purchase_id, method_id, cause=cause)
        except PurchaseNotPending:
            return
        except (Refused, Invalid, NotFound, PaymentMethodRemoved):
            async with self._store.write() as uow:
                at = self._now()
                told = {"try": try_}
                await uow.record(Event("renewal.failed", purchase_id, at, customer_id, told))
                await uow.commit()
