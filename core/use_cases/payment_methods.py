"""Payment methods: add and prove, list, remove, clean away."""

from datetime import datetime

from core.domain.cause import Cause
from core.domain.customer import CustomerId
from core.domain.event import Event
from core.domain.item import Item, PaymentMethodId, Verification
from core.domain.money_terms import NotOffered
from core.domain.payment_method import (
    Billing,
    MethodStatus,
    PaymentMethod,
    PaymentMethodNotFound,
)
from core.domain.payout import PayoutAccount
from core.domain.subscription import Standing
from core.ports.payment_gateway import GatewayNotFound, Gateways
from core.ports.unit_of_work import NewId, Now, Store, UnitOfWork, View
from core.use_cases.buying import WALLET, Buying
from core.use_cases.checkouts import Started, Terms, offer, offered_at
from core.use_cases.prices import Price


class AddPaymentMethod:
    """
    Keep an account of the customer's, and have it proven by a small payment at the same gateway:
    what is paid comes back as bonus. See `Buying`.
    """

    def __init__(self, store: Store, gateways: Gateways, now: Now, new_id: NewId) -> None:
        self._store = store
        self._gateways = gateways
        self._now = now
        self._new_id = new_id
        self._buying = Buying(store, gateways, now, new_id)

    async def __call__(
        self,
        customer_id: CustomerId,
        account: PayoutAccount,
        billing: Billing,
        terms: Terms,
        *,
        cause: Cause,
    ) -> tuple[PaymentMethod, Started]:
        """
        Raises:
            NotOffered: this business keeps no payment methods.
            all that `Buying` raises.
        """
        if terms.gateway == WALLET:
            raise GatewayNotFound(WALLET)

        async def agree(uow: UnitOfWork, standing: Standing) -> tuple[Item, Price]:
            amounts = standing.catalog.money.verification.amounts
            if not amounts:
                raise NotOffered("payment_methods")
            item = Verification(PaymentMethodId(self._new_id("pm")))
            off = await uow.switches.off()
            offered = offered_at(standing, self._gateways, off, in_telegram=terms.in_telegram)
            chosen, amount = offer(standing.catalog, item, offered, terms.gateway, prices=amounts)
            method = PaymentMethod(
                item.method_id, customer_id, chosen.name, account, billing, self._now()
            )
            await uow.methods.add(method)
            await uow.record(
                Event("payment_method.added", method.id, method.created_at, customer_id)
            )
            return item, Price(amount)

        started = await self._buying(customer_id, agree, terms, cause)
        item = started.purchase.item
        assert isinstance(item, Verification)
        async with self._store.read() as view:
            return await view.methods.get(item.method_id), started


class ListPaymentMethods:
    """The customer's own that are proven, the oldest first."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, customer_id: CustomerId) -> list[PaymentMethod]:
        async with self._store.read() as view:
            methods = await view.methods.of_customer(customer_id)
        return [one for one in methods if one.status is MethodStatus.VERIFIED]


class RemovePaymentMethod:
    """The customer does not want it kept any more. Removing again changes nothing."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, customer_id: CustomerId, method_id: PaymentMethodId) -> None:
        """
        Raises:
            PaymentMethodNotFound: also when it is somebody else's.
        """
        async with self._store.write() as uow:
            await uow.customers.lock(customer_id)
            await _remove(uow, await owned_method(uow, customer_id, method_id), at=self._now())
            await uow.commit()


class CleanMethod:
    """
    One that nobody proved in time goes; not before its check has ended, which asks the gateway
    first. Money that comes even later stays in the wallet.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, method_id: PaymentMethodId) -> None:
        async with self._store.read() as view:
            customer_id = (await view.methods.get(method_id)).customer_id
        async with self._store.write() as uow:
            at = self._now()
            await uow.customers.lock(customer_id)
            method = await uow.methods.get(method_id)
            if method.due_at is None or at < method.due_at:
                return
            # At the price of its day, which the catalog may not have any more.
            check = Verification(method_id)
            if await uow.purchases.find_pending(customer_id, check, None) is not None:
                return
            await _remove(uow, method, at=at)
            await uow.commit()


async def _remove(uow: UnitOfWork, method: PaymentMethod, *, at: datetime) -> None:
    removed = method.becomes_removed(at=at)
    if removed != method:
        await uow.methods.save(removed)
        await uow.record(Event("payment_method.removed", method.id, at, method.customer_id))


async def owned_method(
    uow: UnitOfWork | View, customer_id: CustomerId, method_id: PaymentMethodId
) -> PaymentMethod:
    """
    Raises:
        PaymentMethodNotFound: unknown and somebody else's look alike.
    """
    method = await uow.methods.get(method_id)
    if method.customer_id != customer_id:
        raise PaymentMethodNotFound(method_id)
    return method
