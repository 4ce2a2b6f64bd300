"""Refunds that an operator decides: set aside, asked of the gateway, ended once."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from core.domain import ledger
from core.domain.audit import Deed, line_of
from core.domain.cause import Cause, Claim, claim
from core.domain.charge import Charge
from core.domain.item import EscrowShare
from core.domain.ledger import EntryId
from core.domain.money import Money
from core.domain.payment import RefundFacts
from core.domain.plan import GatewayName
from core.domain.purchase import Purchase, PurchaseId
from core.domain.refund import (
    NothingToRefund,
    OurRefundId,
    Refund,
    RefundNotPossible,
    RefundStatus,
    RefundTooLarge,
)
from core.ports.payment_gateway import (
    Gateways,
    GatewayUnavailable,
    PaymentGateway,
    RefundDeclined,
    Refunding,
)
from core.ports.unit_of_work import NewId, Now, Store, UnitOfWork
from core.use_cases.giving_back import Refunded, book_done, gave_back, learn, taken_from, tell
from core.use_cases.rests import in_wallet_again
from core.use_cases.wallet import credited

WALLET: Final = GatewayName("wallet")

SENDING_LEASE: Final = timedelta(seconds=30)
"""After this long without an answer a refund is looked after by the sweep."""

KEY_LIFE: Final = timedelta(hours=23)
"""A refund is sent again under its key only so long: providers remember keys for a day."""


class RefundPurchase:
    """
    An operator gives money back, all of it or a part, to where it came from. The money is set
    aside in the unit that decides; then the gateway is asked, with our id as its key. What it
    will not do is undone; what it does not answer is asked about until it is known.

    A plan that is given back wholly takes the time that it added with it, and a pack the units
    that have not been used: how many had been, its history says. After a refund of a part what
    was bought stays. Of a deposit that has been spent, what is missing is owed.

    What the payer's bank has taken back, and no notice told so that it could be booked, is booked
    by the operator's word: at once, and the gateway is asked for nothing.
    """

    def __init__(self, store: Store, gateways: Gateways, now: Now, new_id: NewId) -> None:
        self._store = store
        self._gateways = gateways
        self._now = now
        self._new_id = new_id

    async def __call__(
        self,
        purchase_id: PurchaseId,
        *,
        deed: Deed,
        cause: Cause,
        amount: Money | None = None,
        charge_id: str | None = None,
        is_chargeback: bool = False,
    ) -> Refunded:
        """
        `amount`: None is all that is left. `charge_id` names one of several charges, such as a
        second one that stayed in the wallet; None is the one that paid the purchase.
        `is_chargeback`: the payer's bank took it.

        Raises:
            PurchaseNotFound, NothingToRefund, RefundTooLarge, RefundNotPossible, CurrencyMismatch
            OwnAffair: whoever does it is the customer.
            KeyUsedOtherwise: see `Claim.taken_again`.
        """
        async with self._store.write() as uow:
            at = self._now()
            customer_id = (await uow.purchases.get(purchase_id)).customer_id
            (await uow.customers.lock(customer_id)).require_another(deed.actor)
            fresh = claim(cause, self._new_id("rfd"), at=at)
            taken = await uow.claims.take(fresh)
            if taken.subject != fresh.subject:
                return await _as_it_is(uow, taken.taken_again(cause, at=at), purchase_id)
            purchase = await uow.purchases.get(purchase_id)
            charge = await _charge_of(uow, purchase, charge_id)
            if charge is None and is_chargeback:
                raise NothingToRefund(purchase.id)
            if charge is None:
                done = await _into_the_wallet(uow, purchase, taken, amount, at=at)
            else:
                refund = await _refund_of(
                    uow, purchase, charge, taken, amount, reason=deed.reason, at=at
                )
                if is_chargeback:
                    done = await _taken_back(uow, purchase, charge, refund, at=at)
                else:
                    done = await self._set_aside(uow, purchase, charge, refund, at=at)
            back = purchase.refundable - done.purchase.refundable
            back = back if done.refund is None else done.refund.amount
            told: dict[str, str | int] = {
                "refund": fresh.subject,
                "amount_minor": back.amount_minor,
                "currency": back.currency.code,
            }
            deed_name = "purchase.chargeback" if is_chargeback else "purchase.refund"
            await uow.audit(line_of(deed, deed_name, purchase_id, at=at, **told))
            await uow.claims.save(taken.answered(WALLET if done.refund is None else "asked"))
            await uow.commit()
        if done.refund is None or is_chargeback:
            return done
        return await Returning(self._store, self._gateways, self._now).send(done.refund)

    async def _set_aside(
        self, uow: UnitOfWork, purchase: Purchase, charge: Charge, refund: Refund, *, at: datetime
    ) -> Refunded:
        _require_ability(self._gateways.get(refund.gateway), charge, refund.amount)
        await _require_not_set_aside(uow, purchase, charge)
        await uow.charges.save(charge.giving_back(refund.amount))
        await uow.refunds.add(refund)
        moves = await taken_from(uow, purchase, charge, refund.amount)
        moves.append((ledger.hold(purchase.customer_id), refund.amount))
        await uow.ledger.post(
            ledger.entry_of(
                f"refund {refund.id}", "refund_asked", moves, at=at, purchase_id=purchase.id
            )
        )
        return Refunded(purchase, refund)


async def _refund_of(
    uow: UnitOfWork,
    purchase: Purchase,
    charge: Charge,
    taken: Claim,
    amount: Money | None,
    *,
    reason: str,
    at: datetime,
) -> Refund:
    """
    Raises:
        RefundTooLarge
    """
    back = charge.left if amount is None else amount
    if not back.is_positive or not back <= charge.left:
        raise RefundTooLarge(purchase.id, charge.left)
    checkout = await uow.checkouts.find_by_payment(charge.key.gateway, charge.payment_id)
    return Refund(
        OurRefundId(taken.subject),
        purchase.id,
        purchase.customer_id,
        charge.key.gateway,
        charge.payment_id,
        charge.key.charge_id,
        back,
        charge.amount,
        reason.strip(),
        at,
        receipt=None if checkout is None else checkout.receipt,
        due_at=at + SENDING_LEASE,
    )


async def _taken_back(
    uow: UnitOfWork, purchase: Purchase, charge: Charge, refund: Refund, *, at: datetime
) -> Refunded:
    done = replace(refund, is_chargeback=True, receipt=None).ended(RefundStatus.DONE, at=at)
    return Refunded(await book_done(uow, done, purchase, charge, at=at), done)


async def _as_it_is(uow: UnitOfWork, taken: Claim, purchase_id: PurchaseId) -> Refunded:
    purchase = await uow.purchases.get(purchase_id)
    if taken.answer == WALLET:
        return Refunded(purchase, None)
    return Refunded(purchase, await uow.refunds.get(OurRefundId(taken.subject)))


async def _charge_of(uow: UnitOfWork, purchase: Purchase, charge_id: str | None) -> Charge | None:
    """
    The charge to give back of. None: the purchase was paid from the wallet.

    Raises:
        NothingToRefund
    """
    charges = await uow.charges.of_purchase(purchase.id)
    if charge_id is not None:
        named = [charge for charge in charges if charge.key.charge_id == charge_id]
        if not named:
            raise NothingToRefund(purchase.id)
        return named[0]
    settled = [charge for charge in charges if charge.settled]
    if settled:
        return settled[0]
    if purchase.from_wallet and purchase.refundable.is_positive:
        return None
    raise NothingToRefund(purchase.id)


def _require_ability(gateway: PaymentGateway, charge: Charge, back: Money) -> None:
    ability = gateway.abilities.refunding
    if ability is Refunding.NONE:
        raise RefundNotPossible(gateway.name, "none")
    if ability is Refunding.WHOLE and back != charge.amount:
        raise RefundNotPossible(gateway.name, "whole_only")


async def _require_not_set_aside(uow: UnitOfWork, purchase: Purchase, charge: Charge) -> None:
    """What lies in an escrow goes back only by the end of its part; then it is in a wallet again."""
    if not charge.settled or not isinstance(purchase.item, EscrowShare):
        return
    escrow = await uow.escrows.get(purchase.item.escrow_id)
    if escrow.part(purchase.item.part).is_set_aside:
        raise RefundNotPossible(charge.key.gateway, "set_aside_in_escrow")


async def _into_the_wallet(
    uow: UnitOfWork, purchase: Purchase, taken: Claim, amount: Money | None, *, at: datetime
) -> Refunded:
    """
    It was paid from the wallet, so it goes back there: cash first, and never more of it than
    was spent of it, so that bonus does not become money that can be withdrawn. What is there again
    as the rest of its plan does not come a second time.
    """
    if purchase.ware is None:
        raise RefundNotPossible(WALLET, "escrow")
    left = purchase.refundable - await in_wallet_again(uow, purchase)
    if not left.is_positive:
        raise NothingToRefund(purchase.id)
    back = left if amount is None else amount
    if not back.is_positive or not back <= left:
        raise RefundTooLarge(purchase.id, left)
    paid = await uow.ledger.find(EntryId(f"purchase {purchase.id}"))
    assert paid is not None, "paid and booked in one unit"
    of_cash = -sum(
        posting.amount.amount_minor
        for posting in paid.postings
        if posting.account == ledger.cash(purchase.customer_id)
    )
    before = purchase.amount - left
    cash_left = max(of_cash - before.amount_minor, 0)
    cash = Money(min(cash_left, back.amount_minor), back.currency)
    entry = ledger.entry_of(
        f"refund {taken.subject}",
        "refund",
        [
            (ledger.revenue(purchase.ware.terms.code), -back),
            (ledger.cash(purchase.customer_id), cash),
            (ledger.bonus(purchase.customer_id), back - cash),
        ],
        at=at,
        purchase_id=purchase.id,
    )
    await uow.ledger.post(entry)
    await uow.record(credited(purchase.customer_id, back, entry.id, at=at))
    purchase = await gave_back(uow, purchase, back, at=at, of_bonus=back - cash)
    await tell(uow, purchase, back, entry.id, at=at)
    return Refunded(purchase, None)


class Returning:
    """What is between us and the gateway while money goes back; each step may be repeated."""

    def __init__(self, store: Store, gateways: Gateways, now: Now) -> None:
        self._store = store
        self._gateways = gateways
        self._now = now

    async def send(self, refund: Refund) -> Refunded:
        """
        Ask the gateway to do it, and write down what it said. Without an answer it stays asked
        for, and the sweep looks after it.
        """
        try:
            facts = await self._gateways.get(refund.gateway).refund(refund)
        except RefundDeclined as no:
            return await self._write(refund.id, None, failed=no.reason)
        except GatewayUnavailable:
            return await self._write(refund.id, None)
        return await self._write(refund.id, facts)

    async def look(self, refund: Refund) -> Refunded:
        """
        Ask what became of it. Where the gateway has never heard of it, it is sent again while its
        key is good, and has failed after that.

        Raises:
            GatewayUnavailable
        """
        gateway = self._gateways.get(refund.gateway)
        known = await gateway.find_refunds(refund.payment_id)
        facts = next((one for one in known if refund.is_told_by(one)), None)
        if facts is not None:
            return await self._write(refund.id, facts)
        if self._now() < refund.asked_at + KEY_LIFE:
            return await self.send(refund)
        return await self._write(refund.id, None, failed="never_heard_of")

    async def _write(
        self, refund_id: OurRefundId, facts: RefundFacts | None, *, failed: str | None = None
    ) -> Refunded:
        async with self._store.write() as uow:
            refund = await uow.refunds.get(refund_id)
            await uow.customers.lock(refund.customer_id)
            done = await learn(uow, refund_id, facts, failed=failed, at=self._now())
            await uow.commit()
        return done


class WatchRefund:
    """Look after a refund that has not ended: ask, and send it again where that is safe."""

    def __init__(self, store: Store, gateways: Gateways, now: Now) -> None:
        self._store = store
        self._returning = Returning(store, gateways, now)

    async def __call__(self, refund_id: OurRefundId) -> None:
        """
        Raises:
            GatewayUnavailable: try again later.
        """
        async with self._store.read() as view:
            refund = await view.refunds.get(refund_id)
        if refund.status is RefundStatus.ASKED:
            await self._returning.look(refund)
