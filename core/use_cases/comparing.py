"""Comparing: what a gateway says of one thing beside what the books say of it. Reads alone."""

from enum import StrEnum
from typing import Final

from core.domain.charge import ChargeKey
from core.domain.ledger import EntryId
from core.domain.money import Money
from core.domain.payment import (
    OutgoingStatus,
    PaymentFacts,
    PaymentStatus,
    PayoutFacts,
    RefundFacts,
)
from core.domain.reconciliation import NOTHING, Found, Kind, Moved, Verdict
from core.domain.refund import Refund, RefundStatus
from core.domain.withdrawal import Withdrawal, WithdrawalStatus
from core.ports.unit_of_work import View
from core.use_cases.found_refunds import charge_of
from core.use_cases.withdrawals import find_withdrawal

Facts = PaymentFacts | RefundFacts | PayoutFacts


async def compared(view: View, facts: Facts) -> Verdict:
    """How the books stand to what the gateway says of this payment, refund or payout."""
    match facts:
        case PaymentFacts():
            return await _payment(view, facts)
        case RefundFacts():
            return await _refund(view, facts)
        case PayoutFacts():
            return await _payout(view, facts)


def id_of(facts: Facts) -> tuple[Kind, str]:
    """The provider's id; of a payment that of its charge, since one payment may have several."""
    match facts:
        case PaymentFacts():
            return Kind.PAYMENT, facts.charge_id
        case RefundFacts():
            return Kind.REFUND, facts.refund_id
        case PayoutFacts():
            return Kind.PAYOUT, facts.payout_id


async def _payment(view: View, facts: PaymentFacts) -> Verdict:
    charge = await view.charges.find(ChargeKey(facts.gateway, facts.charge_id))
    said = facts.status.value
    if charge is None:
        there = Moved(facts.paid) if facts.foreign is None else NOTHING
        return Verdict(Kind.PAYMENT, facts.charge_id, _unbooked(facts), said, there)
    knows_fee = facts.fee is not None
    found = Found.AGREES
    if facts.paid is None or facts.paid != charge.amount:
        found = Found.DIFFERS
    elif knows_fee and charge.fee is None:  # It was told only later.
        found = Found.MISSING_HERE
    elif knows_fee and facts.fee != charge.fee:
        found = Found.DIFFERS
    return Verdict(
        Kind.PAYMENT,
        facts.charge_id,
        found,
        said,
        Moved(facts.paid, facts.fee),
        Moved(charge.amount, charge.fee if knows_fee else None),
        customer_id=charge.customer_id,
    )


def _unbooked(facts: PaymentFacts) -> Found:
    if facts.foreign is not None:
        return Found.FOREIGN
    if facts.status is PaymentStatus.PAID:
        return Found.MISSING_HERE
    return Found.AGREES if facts.status is PaymentStatus.CANCELED else Found.OURS_OPEN


class _Here(StrEnum):
    """How something that goes out stands in the books."""

    NOWHERE = "nowhere"
    OPEN = "open"
    DONE = "done"
    NOT_DONE = "not_done"  # It failed, or came back.


_REFUNDS: Final = {
    RefundStatus.ASKED: _Here.OPEN,
    RefundStatus.DONE: _Here.DONE,
    RefundStatus.FAILED: _Here.NOT_DONE,
}
_WITHDRAWALS: Final = {
    WithdrawalStatus.HELD: _Here.OPEN,
    WithdrawalStatus.REQUESTED: _Here.OPEN,
    WithdrawalStatus.SENT: _Here.OPEN,
    WithdrawalStatus.DONE: _Here.DONE,
    WithdrawalStatus.FAILED: _Here.NOT_DONE,
    WithdrawalStatus.RETURNED: _Here.NOT_DONE,
}


def _weighed(said: OutgoingStatus, here: _Here) -> Found:
    has_ended = said not in {OutgoingStatus.PENDING, OutgoingStatus.UNKNOWN}
    if not has_ended:
        is_open = here in {_Here.NOWHERE, _Here.OPEN}
        return Found.OURS_OPEN if is_open else Found.DIFFERS
    is_done = said is OutgoingStatus.DONE
    if here is _Here.NOWHERE:
        return Found.MISSING_HERE if is_done else Found.AGREES
    if here is _Here.OPEN:
        return Found.MISSING_HERE
    return Found.AGREES if is_done == (here is _Here.DONE) else Found.DIFFERS


async def _refund(view: View, facts: RefundFacts) -> Verdict:
    charge = await charge_of(view, facts)
    ours, amount = None, None
    if charge is not None and charge.customer_id is None:  # It was nobody's: there is an entry.
        amount = await _posted(view, f"refund {facts.gateway} {facts.refund_id}")
        here = _Here.NOWHERE if amount is None else _Here.DONE
    else:
        known = (
            ()
            if charge is None
            else await view.refunds.of_payment(facts.gateway, charge.payment_id)
        )
        ours = next((one for one in known if one.is_told_by(facts)), None)
        amount = None if ours is None else ours.amount
        here = _Here.NOWHERE if ours is None else _REFUNDS[ours.status]
    if facts.is_chargeback and facts.status is OutgoingStatus.PENDING and here is _Here.DONE:
        # How a dispute ended a notice told, or a person: asked, the gateway says that it was one.
        return Verdict(Kind.REFUND, facts.refund_id, Found.AGREES, facts.status.value)
    return await _gone(view, facts, here, amount, ours)


async def _payout(view: View, facts: PayoutFacts) -> Verdict:
    ours = await withdrawal_of(view, facts)
    here = _Here.NOWHERE if ours is None else _WITHDRAWALS[ours.status]
    amount = None if ours is None else ours.amount
    return await _gone(view, facts, here, amount, ours)


async def withdrawal_of(view: View, facts: PayoutFacts) -> Withdrawal | None:
    return await find_withdrawal(view, facts.gateway, facts.payout_id, our_id=facts.our_id)


async def _gone(
    view: View,
    facts: RefundFacts | PayoutFacts,
    here: _Here,
    amount: Money | None,
    ours: Refund | Withdrawal | None,
) -> Verdict:
    kind, id_ = id_of(facts)
    found = _weighed(facts.status, here)
    if amount is not None and amount != facts.amount:
        found = Found.DIFFERS
    fee_there = fee_here = None
    if ours is not None and found is Found.AGREES and here is _Here.DONE:
        fee_there = facts.fee
        fee_here = None if fee_there is None else await _fee_of(view, ours, fee_there)
        found = Found.AGREES if fee_here == fee_there else Found.DIFFERS
    return Verdict(
        kind,
        id_,
        found,
        facts.status.value,
        Moved(facts.amount if facts.status is OutgoingStatus.DONE else None, fee_there),
        Moved(amount if here is _Here.DONE else None, fee_here),
        None if ours is None else ours.id,
        None if ours is None else ours.customer_id,
    )


async def _fee_of(view: View, ours: Refund | Withdrawal, said: Money) -> Money:
    """No entry is a fee of nothing."""
    what = "refund" if isinstance(ours, Refund) else "withdrawal"
    return await _posted(view, f"fee {what} {ours.id}") or Money(0, said.currency)


async def _posted(view: View, entry_id: str) -> Money | None:
    """What an entry of two postings moved."""
    entry = await view.ledger.find(EntryId(entry_id))
    if entry is None:
        return None
    return max((one.amount for one in entry.postings), key=lambda it: it.amount_minor)
