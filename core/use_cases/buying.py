"""Buying: the steps that every purchase takes, at a gateway or from the wallet; deposits."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from core.domain import ledger
from core.domain.cause import Cause, Claim, claim
from core.domain.customer import CustomerId
from core.domain.errors import Invalid, Refused
from core.domain.event import Event
from core.domain.item import Deposit, Item, PackItem, Verification
from core.domain.money import Money
from core.domain.money_terms import NotOffered
from core.domain.purchase import (
    PURCHASE_LIFE,
    Meeting,
    Purchase,
    PurchaseId,
    PurchaseNotPending,
)
from core.domain.subscription import Standing
from core.domain.switch import SwitchName
from core.ports.payment_gateway import GatewayNotFound, Gateways
from core.ports.unit_of_work import NewId, Now, Store, UnitOfWork
from core.use_cases.checkouts import Opening, Started, Terms, answer_of, as_answered, owned
from core.use_cases.customers import standing_of
from core.use_cases.granting import grant, may_be_paid_from_wallet, may_take_bonus, obstacle
from core.use_cases.prices import Price
from core.use_cases.wallet import WalletTooLow, repaid


@dataclass(eq=False)
class DepositNotTaken(Invalid):
    """The wallet takes deposits from `least` to `most`; null: none in this currency."""

    amount: Money
    least: Money | None
    most: Money | None


@dataclass(eq=False)
class SalesPaused(Refused):
    """Nothing new is sold for the moment: come back later. What is ordered can still be paid."""


WALLET: Final = "wallet"
"""Named where a gateway could be: it is to be paid from the wallet."""

Agree = Callable[[UnitOfWork, Standing], Awaitable[tuple[Item, Price]]]
"""What is bought at which price, decided in the unit that agrees on it, from what is true now."""


class Buying:
    """
    Agree on a price, once, and open a way to pay it: the steps that every purchase takes.

    Intent first (purchase and checkout, in one unit), then the gateway, then what it said, with
    the client's answer, in another. A death in between is continued by a repeat of the request or
    by the watcher, with the same ids. Buying again what is already open returns what is open.
    Where no gateway is named and one fails, the next is asked: see `Opening.carry_on`.

    From the wallet it is paid in the unit that agrees on it. Where the money does not suffice, it
    stays open, waits for money to come in, and the customer is told what is missing.
    """

    def __init__(self, store: Store, gateways: Gateways, now: Now, new_id: NewId) -> None:
        self._store = store
        self._now = now
        self._new_id = new_id
        self._opening = Opening(store, gateways, now, new_id)

    async def __call__(
        self, customer_id: CustomerId, agree: Agree, terms: Terms, cause: Cause
    ) -> Started:
        """
        Raises:
            KeyUsedOtherwise, StillRunning: see `Claim.taken_again`.
            CustomerBlocked: also for a repeat, which would lead to a page to pay at.
            WalletTooLow: it waits for the money.
            SalesPaused: but what is open already is returned.
            GatewayNotFound, NoGatewayTakes, ReceiptContactMissing
            CheckoutDeclined: the provider said no; the purchase stays open for another way.
            GatewayUnavailable: not known yet; repeat with the same key, or wait for the watcher.
                Of several gateways that failed it is the first that is told.
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
                    checkouts = await uow.checkouts.of_purchases([purchase.id])
                    last = checkouts[-1] if checkouts else None
                    await uow.claims.save(taken.answered(answer_of(purchase, last)))
                    await uow.commit()
                    return Started(purchase, last)
            else:
                item, price = await agree(uow, standing)
                new = Purchase(
                    PurchaseId(fresh.subject),
                    customer_id,
                    item,
                    price.amount,
                    now,
                    now + PURCHASE_LIFE,
                    reduction=price.reduction,
                )
                purchase = await _agreed(uow, new)
                taken = replace(taken, subject=purchase.id)
            if terms.gateway == WALLET:
                return await from_wallet(uow, purchase, taken, at=now)
            checkout = await self._opening.checkout_for(uow, purchase, standing, terms)
            if taken != fresh:
                await uow.claims.save(taken)
            await uow.commit()
        return await self._opening.carry_on(checkout, cause, terms)


async def from_wallet(
    uow: UnitOfWork, purchase: Purchase, taken: Claim, *, at: datetime
) -> Started:
    """
    Pay it and answer the claim; or let the claim go, so that the same may be asked again once
    there is enough. Either way the unit is committed here.

    Raises:
        WalletTooLow: it waits for the money.
    """
    paid = await pay_from_wallet(uow, purchase, at=at)
    if isinstance(paid, Purchase):
        await uow.claims.save(taken.answered(answer_of(paid, None)))
        await uow.commit()
        return Started(paid, None)
    await uow.claims.save(taken.let_go(at=at))
    await uow.commit()
    raise paid


class AddCheckout:
    """Another way to pay a purchase that is still open: one more checkout, the same price."""

    def __init__(self, store: Store, gateways: Gateways, now: Now, new_id: NewId) -> None:
        self._store = store
        self._now = now
        self._new_id = new_id
        self._opening = Opening(store, gateways, now, new_id)

    async def __call__(
        self,
        customer_id: CustomerId,
        purchase_id: PurchaseId,
        *,
        return_url: str,
        cause: Cause,
        gateway: str | None = None,
        in_telegram: bool = False,
    ) -> Started:
        """
        `in_telegram`: it is to be paid inside Telegram, see `offered_at`. From the wallet
        (`gateway` is WALLET) it is paid at once, or waits for the money.

        Raises:
            PurchaseNotFound: also when it is somebody else's.
            PurchaseNotPending, and all that `Buying` raises of the customer, the wallet, the
            gateway and the claim.
        """
        async with self._store.write() as uow:
            now = self._now()
            (await uow.customers.lock(customer_id)).require_served()
            purchase = await owned(uow, customer_id, purchase_id)
            fresh = claim(cause, self._new_id("chk"), at=now)
            taken = await uow.claims.take(fresh)
            if taken.subject != fresh.subject:
                taken = taken.taken_again(cause, at=now)
                if taken.answer is not None:
                    return await as_answered(uow, taken)
            if not purchase.is_pending:
                raise PurchaseNotPending(purchase.id, purchase.status)
            if gateway == WALLET:
                if not may_be_paid_from_wallet(purchase.item):
                    raise GatewayNotFound(WALLET)
                return await from_wallet(uow, purchase, taken, at=now)
            terms = Terms(return_url, gateway, in_telegram)
            standing = await standing_of(uow, customer_id)
            checkout = await self._opening.checkout_for(uow, purchase, standing, terms)
            await uow.claims.save(replace(taken, subject=checkout.id))
            await uow.commit()
        return await self._opening.carry_on(checkout, cause, terms)


async def pay_from_wallet(
    uow: UnitOfWork, purchase: Purchase, *, at: datetime
) -> Purchase | WalletTooLow:
    """
    Paid, or else left open to wait for money: then what is missing. The customer's row is locked;
    what the customer owes is repaid first. What can no longer be given is not paid but canceled.
    Whoever calls commits.
    """
    if await obstacle(uow, purchase) is not None:
        canceled = purchase.canceled(at=at)
        await uow.purchases.save(canceled)
        await uow.record(Event("purchase.canceled", canceled.id, at, canceled.customer_id))
        return canceled
    currency = purchase.amount.currency
    purse = await repaid(uow, purchase.customer_id, currency, f"before {purchase.id}", at=at)
    waiting = replace(purchase, from_wallet=True)
    try:
        purse.require(purchase.amount, with_bonus=may_take_bonus(purchase.item))
    except WalletTooLow as too_low:
        if waiting != purchase:
            await uow.purchases.save(waiting)
        too_low.purchase_id = purchase.id
        return too_low
    paid, meeting = waiting.meet(waiting.amount, at=at)
    assert meeting is Meeting.SETTLED, "an open purchase at its own price"
    await uow.purchases.save(paid)
    await grant(uow, paid, at=at)
    return paid


class PayWaiting:
    """
    Money came into a wallet: what is owed is repaid, and what waits for money is paid, the oldest
    first, as far as it goes.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, customer_id: CustomerId, cause: str) -> None:
        """`cause` is what brought the money."""
        async with self._store.write() as uow:
            at = self._now()
            await uow.customers.lock(customer_id)
            for account, currency in await uow.ledger.balances(customer_id):
                if account == ledger.receivable(customer_id):
                    await repaid(uow, customer_id, currency, cause, at=at)
            for waiting in await uow.purchases.waiting(customer_id):
                purchase = await uow.purchases.get(waiting.id)
                if purchase.is_pending:  # It may have gone with the discount of one before it.
                    await pay_from_wallet(uow, purchase, at=at)
            await uow.commit()


class StartDeposit:
    """Put money into the wallet: a purchase of nothing but that. See `Buying`."""

    def __init__(self, store: Store, gateways: Gateways, now: Now, new_id: NewId) -> None:
        self._buying = Buying(store, gateways, now, new_id)

    async def __call__(
        self, customer_id: CustomerId, amount: Money, terms: Terms, *, cause: Cause
    ) -> Started:
        """
        Raises:
            NotOffered: this business takes no deposits.
            DepositNotTaken: not of this currency, or less or more than it takes.
            all that `Buying` raises.
        """
        if terms.gateway == WALLET:
            raise GatewayNotFound(WALLET)

        async def agree(_uow: UnitOfWork, standing: Standing) -> tuple[Item, Price]:
            deposits = standing.catalog.money.deposit
            if not deposits.bounds:
                raise NotOffered("deposit")
            least, most = deposits.bounds_in(amount.currency) or (None, None)
            if least is None or most is None or not least <= amount <= most:
                raise DepositNotTaken(amount, least, most)
            return Deposit(), Price(amount)

        return await self._buying(customer_id, agree, terms, cause)


async def _agreed(uow: UnitOfWork, new: Purchase) -> Purchase:
    """The open purchase of the same thing at the same price, or else the new one."""
    pending = await uow.purchases.find_pending(new.customer_id, new.item, new.amount)
    if pending is not None:
        return pending
    is_check = isinstance(new.item, Verification)
    if not is_check and SwitchName.SALES in await uow.switches.off():
        raise SalesPaused
    await uow.purchases.add(new)
    told: dict[str, str | int] = {"item": new.item.key}
    if new.plan is not None:
        told |= {"plan": new.plan.code, "plan_version": new.plan.id}
    if new.reduction is not None:
        told["promo_code"] = new.reduction.code
    if isinstance(new.item, PackItem):
        told["pack"] = new.item.terms.code
    await uow.record(Event("purchase.started", new.id, new.created_at, new.customer_id, told))
    return new
