"""Refunds that a gateway tells of: made at its own dashboard, by the payer's bank, or by us."""

from datetime import datetime

from core.domain import ledger
from core.domain.case import Case, CaseKind
from core.domain.charge import Charge, ChargeKey
from core.domain.payment import OutgoingStatus, PaymentId, RefundFacts
from core.domain.plan import GatewayName
from core.domain.refund import OurRefundId, Refund, RefundStatus
from core.ports.payment_gateway import Gateways, PaymentGateway
from core.ports.unit_of_work import NewId, Now, Store, UnitOfWork, View
from core.use_cases.giving_back import book_fee, for_a_person, gave_back, learn, taken_from, tell
from core.use_cases.settling import book, close_notice, find_notice


class BookRefunds:
    """
    Ask the gateway for all refunds of a payment, and book each that is done, whoever made it: at
    the gateway's own dashboard, by the payer's bank (a chargeback), or we.
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
        found = await known.find_refunds(payment_id)
        if found:
            await self._settle_first(known, payment_id, found[0])
        for facts in found:
            await self._book(facts)
        item = await find_notice(self._store, inbox_id)
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
                await _from_suspense(uow, facts, charge.key, at=at)
            else:
                await uow.customers.lock(charge.customer_id)
                await self._book_owned(uow, facts, charge, at=at)
            await uow.commit()

    async def _book_owned(
        self, uow: UnitOfWork, facts: RefundFacts, found: Charge, *, at: datetime
    ) -> None:
        for refund in await uow.refunds.of_payment(facts.gateway, found.payment_id):
            if _is_of(facts, refund):
                await learn(uow, refund.id, facts, at=at)
                return
        if facts.status is not OutgoingStatus.DONE:
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
        await uow.refunds.add(refund)
        await uow.charges.save(charge.giving_back(facts.amount))
        moves = await taken_from(uow, purchase, charge, facts.amount)
        entry = ledger.entry_of(
            f"refund {refund.id} ended",
            "refund",
            [*moves, (ledger.clearing(facts.gateway), facts.amount)],
            at=at,
            purchase_id=purchase.id,
        )
        await uow.ledger.post(entry)
        await book_fee(uow, refund, facts, at=at)
        if charge.settled:
            purchase = await gave_back(uow, purchase, facts.amount, at=at)
        if facts.is_chargeback:
            await for_a_person(uow, CaseKind.CHARGEBACK, refund, at=at)
        await tell(uow, purchase, facts.amount, entry.id, at=at)


async def charge_of(view: View, facts: RefundFacts) -> Charge | None:
    """By its own id, where the gateway says it: the payment may be named otherwise than by us."""
    if facts.charge_id is not None:
        return await view.charges.find(ChargeKey(facts.gateway, facts.charge_id))
    charges = await view.charges.of_payment(facts.gateway, facts.payment_id)
    return charges[0] if charges else None


def _is_of(facts: RefundFacts, refund: Refund) -> bool:
    """
    Whether this is that refund of ours. A gateway that gives no id of ours back may tell of one
    that was asked for and not answered: of the same charge and amount, it is taken for it.
    """
    if refund.is_told_by(facts):
        return True
    return (
        facts.our_id is None
        and refund.provider_id is None
        and not facts.is_chargeback
        and refund.status is RefundStatus.ASKED
        and refund.amount == facts.amount
    )


async def _from_suspense(
    uow: UnitOfWork, facts: RefundFacts, key: ChargeKey, *, at: datetime
) -> None:
    """Money that was nobody's went back to whoever paid it."""
    if facts.status is not OutgoingStatus.DONE:
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
    charge = await uow.charges.find(key)
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
