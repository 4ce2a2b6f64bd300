"""Charging a saved method: a plan is paid for with nobody there."""

from dataclasses import dataclass, replace

from core.domain.cause import Cause, claim
from core.domain.checkout import Checkout, CheckoutId
from core.domain.errors import Refused
from core.domain.item import PaymentMethodId
from core.domain.payment_method import PaymentMethod, PaymentMethodRemoved
from core.domain.purchase import Purchase, PurchaseId, PurchaseNotPending
from core.domain.subscription import Standing
from core.domain.switch import gateway_switch
from core.ports.payment_gateway import (
    CheckoutDeclined,
    GatewayNotFound,
    Gateways,
    GatewayUnavailable,
)
from core.ports.unit_of_work import NewId, Now, Store, UnitOfWork
from core.use_cases.checkouts import Started, frozen, offer
from core.use_cases.customers import standing_of
from core.use_cases.payment_methods import owned_method
from core.use_cases.safety import count_try, has_tried_enough
from core.use_cases.settling import book


@dataclass(eq=False)
class MethodNotChargeable(Refused):
    """This payment method cannot be charged while nobody is there; pay by hand."""

    method_id: str


class ChargeMethod:
    """
    Charge a proven method for an open purchase of a plan: one more checkout, frozen with the
    method. Intent first, then the gateway, then what it said.

    A charge without an answer is a state. So is one whose process died in between: nobody knows
    whether the gateway has heard of it. Both end by asking alone (`WatchCheckout`), and until
    then nothing else is charged for the purchase, whatever the cause.
    """

    def __init__(self, store: Store, gateways: Gateways, now: Now, new_id: NewId) -> None:
        self._store = store
        self._gateways = gateways
        self._now = now
        self._new_id = new_id

    async def __call__(
        self, purchase_id: PurchaseId, method_id: PaymentMethodId, *, cause: Cause
    ) -> Started:
        """
        The purchase and the charge as they are then; where another attempt to pay it has not
        ended, that one, and nothing was charged. A repeat charges nothing.

        Raises:
            PurchaseNotFound, PurchaseNotPending, CustomerBlocked, KeyUsedOtherwise
            PaymentMethodNotFound: also when it is somebody else's.
            PaymentMethodNotVerified, PaymentMethodRemoved, MethodNotChargeable
            PlanNotForSale: not at the gateway of this method.
            GatewayUnavailable: it is switched off, or too much was charged lately for it to be in
                order (`core/domain/safety.py`); nothing is charged, and it may be asked again.
            CheckoutDeclined: the gateway will not try; what it gave to charge with is forgotten.
        """
        async with self._store.read() as view:
            customer_id = (await view.purchases.get(purchase_id)).customer_id
        async with self._store.write() as uow:
            at = self._now()
            (await uow.customers.lock(customer_id)).require_served()
            purchase = await uow.purchases.get(purchase_id)
            is_new = purchase.is_pending and await uow.claims.find(cause) is None
            if is_new and await has_tried_enough(uow, customer_id, at=at):
                method = await owned_method(uow, customer_id, method_id)
                await uow.commit()
                raise GatewayUnavailable(method.gateway)
            fresh = claim(cause, self._new_id("chk"), at=at)
            taken = await uow.claims.take(fresh)
            if taken.subject != fresh.subject:
                taken.taken_again(cause, at=taken.leased_until)
                return Started(purchase, await uow.checkouts.get(CheckoutId(taken.subject)))
            if not purchase.is_pending:
                raise PurchaseNotPending(purchase.id, purchase.status)
            attempts = await uow.checkouts.of_purchases([purchase.id])
            running = [one for one in attempts if one.is_settling]
            if running:
                known = replace(taken, subject=running[-1].id)
                await uow.claims.save(known.answered(known.subject))
                await uow.commit()
                return Started(purchase, running[-1])
            method = await owned_method(uow, customer_id, method_id)
            token = require_chargeable(method, self._gateways)
            if gateway_switch(method.gateway) in await uow.switches.off():
                raise GatewayUnavailable(method.gateway)
            if purchase.ware is None:
                raise MethodNotChargeable(method.id)
            standing = await standing_of(uow, customer_id)
            checkout = self._frozen(CheckoutId(fresh.subject), purchase, standing, method)
            await uow.checkouts.add(checkout)
            await count_try(uow, customer_id, at=at)
            await uow.claims.save(taken.answered(checkout.id))
            await uow.commit()
        return await self._charge(checkout, token)

    def _frozen(
        self, id_: CheckoutId, purchase: Purchase, standing: Standing, method: PaymentMethod
    ) -> Checkout:
        prices = (purchase.amount,)
        offer(standing.catalog, purchase.item, self._gateways, method.gateway, prices=prices)
        asked = frozen(
            id_,
            purchase,
            standing,
            method.gateway,
            method.billing,
            return_url="",
            at=self._now(),
        )
        return replace(asked, method_id=method.id)

    async def _charge(self, checkout: Checkout, token: str) -> Started:
        try:
            facts = await self._gateways.get(checkout.gateway).charge_saved(checkout, token)
        except CheckoutDeclined:
            async with self._store.write() as uow:
                await uow.customers.lock(checkout.customer_id)
                await _decline(uow, checkout)
                await uow.commit()
            raise
        except GatewayUnavailable:
            async with self._store.write() as uow:
                await uow.customers.lock(checkout.customer_id)
                present = await uow.checkouts.get(checkout.id)
                if present.is_unopened:
                    await uow.checkouts.save(present.becomes_unknown(at=self._now()))
                    await uow.commit()
        else:
            # Whose it is needs no asking back: this is the answer to our own request.
            ours = replace(facts, checkout_id=checkout.id, purchase_id=checkout.purchase_id)
            await book(self._store, ours, self._now)
        async with self._store.read() as view:
            purchase = await view.purchases.get(checkout.purchase_id)
            return Started(purchase, await view.checkouts.get(checkout.id))


def require_chargeable(method: PaymentMethod, gateways: Gateways) -> str:
    """
    What it is charged with.

    Raises:
        PaymentMethodNotVerified, PaymentMethodRemoved, MethodNotChargeable
    """
    method.require_verified()
    if method.token is None or not gateways.get(method.gateway).abilities.charges_saved:
        raise MethodNotChargeable(method.id)
    return method.token


def may_be_charged(method: PaymentMethod, gateways: Gateways) -> bool:
    try:
        require_chargeable(method, gateways)
    except (Refused, PaymentMethodRemoved, GatewayNotFound):
        return False
    return True


async def _decline(uow: UnitOfWork, checkout: Checkout) -> None:
    present = await uow.checkouts.get(checkout.id)
    if present.is_unopened:
        await uow.checkouts.save(present.becomes_declined())
    assert checkout.method_id is not None
    method = await uow.methods.get(checkout.method_id)
    if method.token is not None:
        await uow.methods.save(method.forgets_token())
