"""Refunds that a gateway tells of: made at its own dashboard, by the payer's bank, or by us."""

from dataclasses import replace
from datetime import datetime

from core.domain import ledger
from core.domain.case import Case, CaseKind
from core.domain.charge import Charge, ChargeKey
from core.domain.payment import OutgoingStatus, PaymentId, RefundFacts
from core.domain.plan import GatewayName
from core.domain.refund import OurRefundId, Refund, RefundStatus
from core.ports.payment_gateway import Gateways, PaymentGateway
from core.ports.unit_of_work import NewId, Now, Store, UnitOfWork, View
from core.use_cases.giving_back import book_done, book_fee, for_a_person, learn
from core.use_cases.settling import book, close_notice, find_notice


class BookRefunds:
    """
    Ask the gateway for all refunds of a payment, and book each that is done, whoever made it: at
    the gateway's own dashboard, by the payer's bank (a chargeback), or we. A dispute that goes on
    moves nothing and is a case. How it ended a notice may tell, and is believed where the payment,
    asked for, is disputed; what is not clear then is a case, and a person books it.
    """

    def __init__(self, store: Store, gateways: Gateways, now: Now, new_id: NewId) -> None:
        self._store = store
        self._gateways = gateways
        self._now = now
        self._new_id = new_id

    async def __call__(
        self, gateway: GatewayName, payment_id: PaymentId, *, inbox_id: str | None = None
    ) -> int:
        """
        How many refunds of the payment are known. `inbox_id`: the notice that made us ask.

        Raises:
            GatewayUnavailable
        """
        known = self._gateways.get(gateway)
        item = await find_notice(self._store, inbox_id)
        found = await known.find_refunds(payment_id)
        told = None if item is None else known.dispute_in(item.notice)
        if told is not None:
            found = _beside(found, told)
        if found:
            await self._settle_first(known, payment_id, found[0])
        for facts in found:
            await self._book(facts)
        async with self._store.write() as uow:
            await close_notice(uow, item, f"refunds: {len(found)}", at=self._now())
            await uow.commit()
        return len(found)

    async def _settle_first(
        self, gateway: PaymentGateway, payment_id: PaymentId, first: RefundFacts
    ) -> None:
        """A refund may be heard of before its payment."""
        async with self._store.read() as view:
            if await charge_of(view, first) is not None:
                return
        payment = await gateway.find_payment(payment_id)
        if payment is not None:
            await book(self._store, payment, self._now)

    async def _book(self, facts: RefundFacts) -> None:
        async with self._store.read() as view:
            charge = await charge_of(view, facts)
        async with self._store.write() as uow:
            at = self._now()
            if charge is None:
                await _unknown(uow, facts, at=at)
            elif charge.customer_id is None:
                await _from_suspense(uow, facts, charge, at=at)
            else:
                await uow.customers.lock(charge.customer_id)
                await self._book_owned(uow, facts, charge, at=at)
            await uow.commit()

    async def _book_owned(
        self, uow: UnitOfWork, facts: RefundFacts, found: Charge, *, at: datetime
    ) -> None:
        for refund in await uow.refunds.of_payment(facts.gateway, found.payment_id):
            if _is_of(facts, refund):
                if refund.is_chargeback and refund.provider_id is None:
                    await uow.refunds.save(refund.named(facts.refund_id))
                await learn(uow, refund.id, facts, at=at)
                return
        if facts.status is not OutgoingStatus.DONE:
            await _tell_of_dispute(uow, facts, found, at=at)
            return
        charge = await uow.charges.find(found.key)
        assert charge is not None, "charges stay"
        assert charge.purchase_id is not None, "it has an owner"
        if not facts.amount <= charge.left:
            await _unknown(uow, facts, at=at)
            return
        purchase = await uow.purchases.get(charge.purchase_id)
        refund = Refund(
            OurRefundId(self._new_id("rfd")),
            purchase.id,
            purchase.customer_id,
            facts.gateway,
            charge.payment_id,
            charge.key.charge_id,
            facts.amount,
            charge.amount,
            facts.reason or "made at the gateway",
            at,
            status=RefundStatus.DONE,
            provider_id=facts.refund_id,
            is_chargeback=facts.is_chargeback,
            ended_at=at,
        )
        await book_done(uow, refund, purchase, charge, at=at)
        await book_fee(uow, refund, facts, at=at)
        if facts.is_chargeback:
            await for_a_person(uow, CaseKind.CHARGEBACK, refund, at=at)


async def charge_of(view: View, facts: RefundFacts) -> Charge | None:
    """By its own id, where the gateway says it: the payment may be named otherwise than by us."""
    if facts.charge_id is not None:
        return await view.charges.find(ChargeKey(facts.gateway, facts.charge_id))
    charges = await view.charges.of_payment(facts.gateway, facts.payment_id)
    return charges[0] if charges else None


def _is_of(facts: RefundFacts, refund: Refund) -> bool:
    """
    Whether this is that refund of ours. A gateway that gives no id of ours back may tell of one
    that was asked for and not answered: of the same charge and amount, it is taken for it. So is
    a chargeback for one that a person booked.
    """
    if refund.is_told_by(facts):
        return True
    if refund.is_chargeback:
        is_unnamed = facts.is_chargeback and refund.provider_id is None
        return is_unnamed and refund.amount == facts.amount
    return (
        facts.our_id is None
        and refund.provider_id is None
        and not facts.is_chargeback
        and refund.status is RefundStatus.ASKED
        and refund.amount == facts.amount
    )


def _beside(found: list[RefundFacts], told: RefundFacts) -> list[RefundFacts]:
    """
    What was found, with the dispute as a notice tells of it. That it is lost counts only where
    the payment is disputed, so that a notice alone moves nothing.
    """
    others = [one for one in found if one.refund_id != told.refund_id]
    if told.status is OutgoingStatus.DONE and len(others) == len(found):
        told = replace(told, status=OutgoingStatus.UNKNOWN)
    return [*others, told]


async def _tell_of_dispute(
    uow: UnitOfWork, facts: RefundFacts, charge: Charge, *, at: datetime
) -> None:
    """One that was won needs nobody: it moved nothing."""
    if not facts.is_chargeback or facts.status is OutgoingStatus.FAILED:
        return
    goes_on = facts.status is OutgoingStatus.PENDING
    cause = f"dispute {facts.gateway} {facts.refund_id}{'' if goes_on else ' unclear'}"
    told = {
        "gateway": facts.gateway,
        "payment_id": facts.payment_id,
        "charge": charge.key.charge_id,
        "amount_minor": str(facts.amount.amount_minor),
        "currency": facts.amount.currency.code,
        "reason": "disputed: what it comes to is told later"
        if goes_on
        else "disputed, and it is not clear what it came to",
    }
    if charge.purchase_id is not None:
        told["purchase_id"] = charge.purchase_id
    case = Case(f"case {cause}", CaseKind.CHARGEBACK, cause, at, told, charge.customer_id)
    await uow.open_case(case)


async def _from_suspense(
    uow: UnitOfWork, facts: RefundFacts, found: Charge, *, at: datetime
) -> None:
    """Money that was nobody's went back to whoever paid it."""
    if facts.status is not OutgoingStatus.DONE:
        await _tell_of_dispute(uow, facts, found, at=at)
        return
    entry = ledger.transfer(
        f"refund {facts.gateway} {facts.refund_id}",
        "refund",
        facts.amount,
        debit=ledger.suspense(facts.gateway),
        credit=ledger.clearing(facts.gateway),
        at=at,
    )
    if await uow.ledger.find(entry.id) is not None:
        return
    await uow.ledger.post(entry)
    charge = await uow.charges.find(found.key)
    assert charge is not None
    await uow.charges.save(charge.giving_back(facts.amount))


async def _unknown(uow: UnitOfWork, facts: RefundFacts, *, at: datetime) -> None:
    """A refund of what is not in our books, or of more than is: a person compares them."""
    cause = f"refund {facts.gateway} {facts.refund_id}"
    told = {
        "gateway": facts.gateway,
        "payment_id": facts.payment_id,
        "refund_id": facts.refund_id,
        "amount_minor": str(facts.amount.amount_minor),
        "currency": facts.amount.currency.code,
    }
    await uow.open_case(Case(f"case {cause}", CaseKind.REFUND, cause, at, told))
