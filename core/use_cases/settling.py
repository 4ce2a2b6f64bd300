"""Settling: ask the gateway about a payment, and make what it confirms so in our books."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from core.domain import ledger
from core.domain.case import Case, CaseKind
from core.domain.charge import Charge, ChargeKey
from core.domain.checkout import Checkout, CheckoutId
from core.domain.customer import Customer, CustomerId
from core.domain.errors import Unavailable
from core.domain.event import Event
from core.domain.ledger import Entry, EntryContradicts, EntryId
from core.domain.money import Money
from core.domain.payment import (
    InboxItem,
    InboxStatus,
    PaymentFacts,
    PaymentId,
    PaymentStatus,
    Recurrence,
)
from core.domain.plan import GatewayName
from core.domain.purchase import Meeting, Purchase, PurchaseId
from core.ports.payment_gateway import Gateways, GatewayUnavailable
from core.ports.unit_of_work import Now, Store, UnitOfWork, View
from core.use_cases.gateway_renewals import ask_to_match, began_with, renewal_order
from core.use_cases.granting import grant, obstacle
from core.use_cases.wallet import credited

PATIENCE: Final = timedelta(hours=24)
"""How long a notice may claim more than the provider confirms before a person must look."""


@dataclass(eq=False)
class NotYetConfirmed(Unavailable):
    """The notice says paid, the provider does not say so yet; ask again later."""

    payment_id: str


class Settlement(StrEnum):
    """What asking about a payment came to."""

    SETTLED = "settled"
    LEFT_IN_WALLET = "left_in_wallet"
    MISMATCH = "mismatch"
    SUSPENSE = "suspense"
    REPEATED = "repeated"
    NOT_PAID = "not_paid"
    NOT_FOUND = "not_found"
    FOREIGN = "foreign"


_OF_MEETING: Final = {
    Meeting.SETTLED: Settlement.SETTLED,
    Meeting.SECOND: Settlement.LEFT_IN_WALLET,
    Meeting.AFTER_END: Settlement.LEFT_IN_WALLET,
    Meeting.MISMATCH: Settlement.MISMATCH,
}


_PUZZLING: Final = {
    # We always ask for capture at once, so a held payment means a setting at the provider.
    PaymentStatus.AUTHORIZED: CaseKind.AUTHORIZED,
    PaymentStatus.UNKNOWN: CaseKind.UNCONFIRMED,
}
"""What a payment that is not paid may say that only a person can make sense of."""


class SettlePayment:
    """
    Ask the gateway what became of a payment and book exactly that, exactly once.

    Money always arrives in the customer's wallet (or in suspense); the purchase is paid from it
    only if what arrived equals its snapshot. The charge, the purchase, the subscription, the
    checkout and the notice that made us ask change in one unit. Repeating changes nothing.
    """

    def __init__(self, store: Store, gateways: Gateways, now: Now) -> None:
        self._store = store
        self._gateways = gateways
        self._now = now

    async def __call__(
        self, gateway: GatewayName, payment_id: PaymentId, *, inbox_id: str | None = None
    ) -> Settlement:
        """
        `inbox_id`: the stored notice that made us ask, marked done with the result.

        Raises:
            GatewayUnavailable: nothing was learned; ask again.
            NotYetConfirmed: the notice claims more than the gateway says; ask again.
        """
        item = await find_notice(self._store, inbox_id)
        if item is not None and item.status is not InboxStatus.STORED:
            return Settlement.REPEATED
        known = self._gateways.get(gateway)
        proven = None if item is None else known.proven(item.notice)
        try:
            facts = proven or await known.find_payment(payment_id)
        except GatewayUnavailable:
            await self._note_attempt(item)
            raise
        if item is not None and item.notice.claims_paid and _is_less_than_paid(facts):
            return await self._doubt(item)
        if facts is None:
            async with self._store.write() as uow:
                await close_notice(uow, item, Settlement.NOT_FOUND, at=self._now())
                await uow.commit()
            return Settlement.NOT_FOUND
        return await book(self._store, facts, self._now, item)

    async def _note_attempt(self, item: InboxItem | None) -> None:
        if item is None:
            return
        async with self._store.write() as uow:
            present = await uow.inbox.find(item.id)
            if present is not None:
                await uow.inbox.save(present.tried())
            await uow.commit()

    async def _doubt(self, item: InboxItem) -> Settlement:
        """A claim that the gateway does not confirm: patience for a day, then a person."""
        now = self._now()
        if now < item.received_at + PATIENCE:
            await self._note_attempt(item)
            raise NotYetConfirmed(item.notice.payment_id or "")
        async with self._store.write() as uow:
            notice = item.notice
            about = (notice.gateway, notice.payment_id or "")
            await _for_a_person(uow, CaseKind.UNCONFIRMED, *about, at=now)
            present = await uow.inbox.find(item.id)
            if present is not None:
                await uow.inbox.save(present.failed("unconfirmed", at=now))
            await uow.commit()
        return Settlement.NOT_PAID


async def book(
    store: Store, facts: PaymentFacts, now: Now, item: InboxItem | None = None
) -> Settlement:
    """
    Make these facts, asked from the gateway just now, so in our books, in one unit.

    `item`: the stored notice that made us ask, marked done with the result.
    """
    async with store.read() as view:
        checkout = await _checkout_of(view, facts)
        purchase_id = None if checkout is None else checkout.purchase_id
        if purchase_id is None and facts.purchase_id is not None:
            purchase_id = PurchaseId(facts.purchase_id)
        purchase = None if purchase_id is None else await view.purchases.find(purchase_id)
    async with store.write() as uow:
        at = now()
        if facts.foreign is not None:
            settlement = await _foreign(uow, facts, at=at)
        elif purchase is None:
            settlement = await _ownerless(uow, facts, at=at)
        else:
            owner = await uow.customers.lock(purchase.customer_id)
            checkout_id = None if checkout is None else checkout.id
            settlement = await _owned(uow, facts, owner, purchase.id, checkout_id, at=at)
        await close_notice(uow, item, settlement, at=at)
        await uow.commit()
    return settlement


async def find_notice(store: Store, inbox_id: str | None) -> InboxItem | None:
    if inbox_id is None:
        return None
    async with store.read() as view:
        return await view.inbox.find(inbox_id)


async def close_notice(
    uow: UnitOfWork, item: InboxItem | None, result: str, *, at: datetime
) -> None:
    """Mark the notice handled. Read anew: copies of it may have been counted meanwhile."""
    present = None if item is None else await uow.inbox.find(item.id)
    if present is not None and present.status is InboxStatus.STORED:
        await uow.inbox.save(present.done(result, at=at))


def _is_less_than_paid(facts: PaymentFacts | None) -> bool:
    if facts is None:
        return True
    return facts.foreign is None and facts.status in {
        PaymentStatus.PENDING,
        PaymentStatus.AUTHORIZED,
        PaymentStatus.UNKNOWN,
    }


async def _checkout_of(view: View, facts: PaymentFacts) -> Checkout | None:
    """By the stored payment id; by our asked-back id only where that payment is unknown to us."""
    known = await view.checkouts.find_by_payment(facts.gateway, facts.payment_id)
    if known is not None or facts.checkout_id is None:
        return known
    named = await view.checkouts.find(CheckoutId(facts.checkout_id))
    return named if named is not None and named.gateway == facts.gateway else None


def _about(facts: PaymentFacts) -> str:
    return f"{facts.gateway} {facts.payment_id}"


async def _foreign(uow: UnitOfWork, facts: PaymentFacts, *, at: datetime) -> Settlement:
    """Another shop's payment, or a test one in live mode: nothing is booked, somebody is told."""
    assert facts.foreign is not None
    told = {
        "gateway": facts.gateway,
        "payment_id": facts.payment_id,
        "reason": facts.foreign.value,
    }
    cause = f"foreign {_about(facts)}"
    if await uow.open_case(Case(f"case {cause}", CaseKind.FOREIGN, cause, at, told)):
        await uow.record(Event("payment.foreign", _about(facts), at, facts=told))
    return Settlement.FOREIGN


async def _ownerless(uow: UnitOfWork, facts: PaymentFacts, *, at: datetime) -> Settlement:
    """Nobody we know: what was paid waits in suspense for a person."""
    if facts.paid is None:
        return Settlement.NOT_PAID
    entry = ledger.transfer(
        _charge_id(facts),
        "charge",
        facts.paid,
        debit=ledger.clearing(facts.gateway),
        credit=ledger.suspense(facts.gateway),
        at=at,
    )
    if await _is_booked(uow, entry):
        await _learn_fee(uow, facts, at=at)
        return Settlement.REPEATED
    await uow.ledger.post(entry)
    told = _told(facts, facts.paid)
    # Of several who ask at once, one opens the case; the entry is posted once as well.
    if not await uow.open_case(Case(f"case {entry.id}", CaseKind.SUSPENSE, entry.id, at, told)):
        return Settlement.REPEATED
    await _keep(uow, facts, None, settled=False, at=at)
    await uow.record(Event("payment.in_suspense", _about(facts), at, facts=told))
    return Settlement.SUSPENSE


async def _owned(
    uow: UnitOfWork,
    facts: PaymentFacts,
    owner: Customer,
    purchase_id: PurchaseId,
    checkout_id: CheckoutId | None,
    *,
    at: datetime,
) -> Settlement:
    """
    The owner's row is locked; everything that is decided on is read now. To whom is erased nothing
    is given any more: the money is kept for them, and a person told.
    """
    checkout = None if checkout_id is None else await uow.checkouts.get(checkout_id)
    if checkout is not None and checkout.payment_id in {None, facts.payment_id}:
        told = checkout.told(facts, at=at)
        if told != checkout:
            await uow.checkouts.save(told)
        if facts.was_refused and checkout.is_settling:
            facts_told = {"gateway": facts.gateway, "payment_id": facts.payment_id}
            await uow.record(
                Event("payment.refused", purchase_id, at, checkout.customer_id, facts_told)
            )
    if facts.paid is None:
        if kind := _PUZZLING.get(facts.status):
            await _for_a_person(uow, kind, facts.gateway, facts.payment_id, at=at)
        return Settlement.NOT_PAID
    purchase = await uow.purchases.get(purchase_id)
    charge = ledger.transfer(
        _charge_id(facts),
        "charge",
        facts.paid,
        debit=ledger.clearing(facts.gateway),
        credit=ledger.cash(purchase.customer_id),
        at=at,
        purchase_id=purchase.id,
    )
    if await _is_booked(uow, charge):
        await _learn_fee(uow, facts, at=at)
        return Settlement.REPEATED
    if facts.recurrence is Recurrence.LATER:
        purchase = await renewal_order(uow, purchase, facts, at=at)
        charge = replace(charge, purchase_id=purchase.id)
    instead = Meeting.AFTER_END if owner.is_leaving else await obstacle(uow, purchase)
    await uow.ledger.post(charge)
    purchase, meeting = purchase.meet(facts.paid, at=at, instead=instead)
    settled = meeting is Meeting.SETTLED
    if settled:  # It was paid at a gateway, whatever had been agreed before.
        purchase = replace(purchase, from_wallet=False)
    await uow.purchases.save(purchase)
    await _keep(uow, facts, purchase, settled=settled, at=at)
    if settled:
        await grant(uow, purchase, at=at, facts=facts)
    else:
        await _leave_in_wallet(uow, purchase, facts, meeting, owner, at=at)
        if facts.recurrence is not None:
            await ask_to_match(uow, await began_with(uow, facts), purchase.customer_id, at=at)
    return _OF_MEETING[meeting]


async def _keep(
    uow: UnitOfWork,
    facts: PaymentFacts,
    purchase: Purchase | None,
    *,
    settled: bool,
    at: datetime,
) -> None:
    """Remember the charge, so that it can be given back, and book what the gateway kept of it."""
    assert facts.paid is not None
    charge = Charge(
        ChargeKey(facts.gateway, facts.charge_id),
        facts.payment_id,
        facts.paid,
        at,
        settled,
        customer_id=None if purchase is None else purchase.customer_id,
        purchase_id=None if purchase is None else purchase.id,
        fee=facts.fee,
        details=facts.details,
    )
    await uow.charges.add(charge)
    if facts.fee is not None and facts.fee.is_positive:
        await uow.ledger.post(_fee(facts, facts.fee, at=at))


async def _learn_fee(uow: UnitOfWork, facts: PaymentFacts, *, at: datetime) -> None:
    """Some gateways tell their fee only later."""
    charge = await uow.charges.find(ChargeKey(facts.gateway, facts.charge_id))
    if charge is None or charge.fee is not None or facts.fee is None:
        return
    await uow.charges.save(replace(charge, fee=facts.fee))
    if facts.fee.is_positive:
        await uow.ledger.post(_fee(facts, facts.fee, at=at))


def _fee(facts: PaymentFacts, fee: Money, *, at: datetime) -> Entry:
    return ledger.transfer(
        f"fee {_charge_id(facts)}",
        "fee",
        fee,
        debit=ledger.fees(facts.gateway),
        credit=ledger.clearing(facts.gateway),
        at=at,
    )


async def _leave_in_wallet(
    uow: UnitOfWork,
    purchase: Purchase,
    facts: PaymentFacts,
    meeting: Meeting,
    owner: Customer,
    *,
    at: datetime,
) -> None:
    """
    The customer keeps the money and is told why; a mismatch is for a person too, and so is what
    came for somebody who is erased.
    """
    assert facts.paid is not None
    customer: CustomerId = owner.id
    cause = _charge_id(facts)
    told = {**_told(facts, facts.paid), "purchase_id": purchase.id, "why": meeting.value}
    told["entry_id"] = cause
    if meeting is Meeting.MISMATCH:
        await uow.open_case(Case(f"case {cause}", CaseKind.MISMATCH, cause, at, told, customer))
    elif owner.is_leaving:
        await uow.open_case(Case(f"case {cause}", CaseKind.SUSPENSE, cause, at, told, customer))
    await uow.record(Event("payment.left_in_wallet", purchase.id, at, customer, told))
    await uow.record(credited(customer, facts.paid, cause, at=at))


async def _for_a_person(
    uow: UnitOfWork, kind: CaseKind, gateway: str, payment_id: str, *, at: datetime
) -> None:
    """One case of this kind for this payment, whoever noticed it and how often."""
    cause = f"{kind} {gateway} {payment_id}"
    told = {"gateway": gateway, "payment_id": payment_id}
    await uow.open_case(Case(f"case {cause}", kind, cause, at, told))


async def _is_booked(uow: UnitOfWork, charge: Entry) -> bool:
    """
    Whether this charge is in the books, wherever its money went since.

    Raises:
        EntryContradicts: the provider names another sum under the same charge id.
    """
    known = await uow.ledger.find(charge.id)
    if known is not None and known.postings[0] != charge.postings[0]:
        raise EntryContradicts(charge.id)
    return known is not None


def _charge_id(facts: PaymentFacts) -> EntryId:
    return EntryId(f"charge {facts.gateway} {facts.charge_id}")


def _told(facts: PaymentFacts, paid: Money) -> dict[str, str]:
    return {
        "gateway": facts.gateway,
        "payment_id": facts.payment_id,
        "amount_minor": str(paid.amount_minor),
        "currency": paid.currency.code,
    }
