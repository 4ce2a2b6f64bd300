"""Erasing: a person is forgotten, and the books stay whole, since their entries hold ids."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from core.domain import ledger
from core.domain.audit import Deed, line_of
from core.domain.charge import ChargeKey
from core.domain.customer import Customer, CustomerId
from core.domain.errors import Refused
from core.domain.event import Event
from core.domain.item import EscrowId
from core.domain.money import Money
from core.domain.payment import PaymentId, PayoutId
from core.domain.plan import GatewayName
from core.domain.purchase import Purchase, PurchaseId
from core.domain.refund import RefundStatus
from core.domain.withdrawal import Withdrawal, WithdrawalId, WithdrawalStatus
from core.ports.access_provisioner import AccessProvisioner, AccessUnavailable
from core.ports.payment_gateway import Gateways
from core.ports.unit_of_work import Now, Store, UnitOfWork
from core.use_cases.access import MakeAccess
from core.use_cases.gateway_renewals import MatchRenewal

PAGE: Final = 100
UNDER_WAY: Final = frozenset(
    {WithdrawalStatus.HELD, WithdrawalStatus.REQUESTED, WithdrawalStatus.SENT}
)


@dataclass(eq=False)
class WalletNotEmpty(Refused):
    """There is money in the wallet: spend it or withdraw it first."""

    cash: Money


@dataclass(eq=False)
class WithdrawalUnderWay(Refused):
    """Money is on its way out: wait until it has arrived."""

    withdrawal_id: str


@dataclass(eq=False)
class EscrowUnderWay(Refused):
    """Money is set aside in an escrow with this customer: wait until it has ended."""

    escrow_id: str


class EraseCustomer:
    """
    Have a customer forgotten: from now on nothing new is done for them, and nobody is signed in.
    The running plan ends, bonus is given up, and so are rewards that wait. The person goes by a job
    that follows (`FinishErasing`). A repeat changes nothing, and nothing brings it back.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, customer_id: CustomerId, *, deed: Deed | None = None) -> None:
        """
        `deed`: who of the business does it, and why; None: the customer, or their backend.

        Raises:
            CustomerNotFound, WalletNotEmpty, WithdrawalUnderWay, EscrowUnderWay
        """
        async with self._store.write() as uow:
            at = self._now()
            customer = await uow.customers.lock(customer_id)
            if customer.is_leaving:
                return
            await _require_nothing_owned(uow, customer_id)
            await uow.customers.save(customer.leaving(at=at))
            for order in await uow.purchases.waiting(customer_id):
                await uow.purchases.save(order.canceled(at=at))
                await uow.record(Event("purchase.canceled", order.id, at, customer_id))
            told = await _end_plan(uow, customer_id, at=at)
            await _give_up_bonus(uow, customer_id, at=at)
            await uow.record(Event("customer.leaving", customer_id, at, customer_id, told))
            if deed is not None:
                await uow.audit(line_of(deed, "customer.erase", customer_id, at=at))
            await uow.commit()


class FinishErasing:
    """
    Stop what a gateway charges by itself, take access back, and then forget the person: those two
    are known outside by the identity that goes. Each step reads the present, so a death in between
    is continued by the next try. A panel that is away is waited for until a person is told of it.
    """

    def __init__(
        self, store: Store, gateways: Gateways, provisioner: AccessProvisioner, now: Now
    ) -> None:
        self._store = store
        self._match_renewal = MatchRenewal(store, gateways, now)
        self._make_access = MakeAccess(store, provisioner, now)
        self._now = now

    async def __call__(self, customer_id: CustomerId, renewal: ChargeKey | None = None) -> None:
        """
        `renewal`: by which charge a gateway knows what it has to stop.

        Raises:
            GatewayUnavailable, AccessUnavailable: try again later.
        """
        async with self._store.read() as view:
            if (await view.customers.get(customer_id)).erased_at is not None:
                return
        if renewal is not None:
            await self._match_renewal(customer_id, renewal)
        await self._make_access(customer_id)
        async with self._store.read() as view:
            access = await view.access.find(customer_id)
        if access and access.waiting_since and not access.is_overdue(self._now()):
            raise AccessUnavailable
        async with self._store.write() as uow:
            at = self._now()
            customer = await uow.customers.lock(customer_id)
            if customer.erased_at is not None:
                return
            await _forget(uow, customer, at=at)
            await uow.customers.save(customer.erased(at=at))
            await uow.record(Event("customer.erased", customer_id, at, customer_id))
            await uow.commit()


async def _require_nothing_owned(uow: UnitOfWork, customer_id: CustomerId) -> None:
    async for withdrawal in _withdrawals(uow, customer_id):
        if withdrawal.status in UNDER_WAY:
            raise WithdrawalUnderWay(withdrawal.id)
    after: EscrowId | None = None
    while escrows := await uow.escrows.page(customer_id, limit=PAGE, after=after):
        for escrow in escrows:
            if any(part.is_set_aside for part in escrow.parts.values()):
                raise EscrowUnderWay(escrow.id)
        after = escrows[-1].id
    for (account, _), balance in (await uow.ledger.balances(customer_id)).items():
        if account == ledger.cash(customer_id) and balance.is_positive:
            raise WalletNotEmpty(balance)


async def _end_plan(
    uow: UnitOfWork, customer_id: CustomerId, *, at: datetime
) -> dict[str, str | int]:
    """What runs is over now. Told is what a gateway has to stop, if it charges by itself."""
    subscription = await uow.subscriptions.get(customer_id)
    renewal = subscription.at(at).renewal
    if subscription.period is not None:
        await uow.subscriptions.save(subscription.over())
    if renewal is not None and renewal.purchase_id is not None:
        order = await uow.purchases.get(renewal.purchase_id)
        if order.is_pending:
            await uow.purchases.save(order.canceled(at=at))
            await uow.record(Event("purchase.canceled", order.id, at, customer_id))
    first = None if renewal is None else renewal.at_gateway
    return {} if first is None else {"gateway": first.gateway, "charge_id": first.charge_id}


async def _give_up_bonus(uow: UnitOfWork, customer_id: CustomerId, *, at: datetime) -> None:
    bonus = ledger.bonus(customer_id)
    for (account, unit), balance in (await uow.ledger.balances(customer_id)).items():
        if account == bonus and balance.is_positive:
            id_ = f"erasing {customer_id} {unit.code}"
            await uow.ledger.post(
                ledger.transfer(
                    id_, "forfeited", balance, debit=bonus, credit=ledger.BONUSES, at=at
                )
            )


async def _forget(uow: UnitOfWork, customer: Customer, *, at: datetime) -> None:
    """All that is of the person and not on their own row."""
    await uow.customers.remember_gone(customer.identities, at=at)
    for method in await uow.methods.of_customer(customer.id):
        await uow.methods.save(method.erased(at=at))
    about: set[tuple[GatewayName, PaymentId | PayoutId]] = set()
    async for withdrawal in _withdrawals(uow, customer.id):
        await uow.withdrawals.save(replace(withdrawal, account=withdrawal.account.erased()))
        if withdrawal.payout_id is not None:
            about.add((withdrawal.gateway, withdrawal.payout_id))
    async for purchases in _purchases(uow, customer.id):
        ids = [one.id for one in purchases]
        for checkout in await uow.checkouts.of_purchases(ids):
            if checkout.erased() != checkout:
                await uow.checkouts.save(checkout.erased())
            if checkout.payment_id is not None:
                about.add((checkout.gateway, checkout.payment_id))
        for purchase_id in ids:
            for refund in await uow.refunds.of_purchase(purchase_id):
                # One that is still asked for is asked alike again, with its receipt.
                if refund.status is not RefundStatus.ASKED and refund.receipt is not None:
                    await uow.refunds.save(replace(refund, receipt=None))
    await uow.inbox.erase_bodies(about, customer.telegram_id)


async def _purchases(uow: UnitOfWork, customer_id: CustomerId) -> AsyncIterator[list[Purchase]]:
    after: PurchaseId | None = None
    while page := await uow.purchases.page(customer_id, limit=PAGE, after=after):
        yield page
        after = page[-1].id


async def _withdrawals(uow: UnitOfWork, customer_id: CustomerId) -> AsyncIterator[Withdrawal]:
    after: WithdrawalId | None = None
    while page := await uow.withdrawals.page(customer_id, limit=PAGE, after=after):
        for one in page:
            yield one
        after = page[-1].id
