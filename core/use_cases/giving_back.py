"""Money going back, inside a unit: where it is taken from, and what becomes of what was bought."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from core.domain import ledger
from core.domain.case import Case, CaseKind
from core.domain.charge import Charge
from core.domain.event import Event
from core.domain.item import PackItem, PlanItem, Verification
from core.domain.ledger import EntryId
from core.domain.money import Money
from core.domain.payment import OutgoingStatus, RefundFacts
from core.domain.purchase import Purchase
from core.domain.refund import OurRefundId, Refund, RefundStatus
from core.domain.subscription import PaidPeriod
from core.ports.unit_of_work import UnitOfWork
from core.use_cases.gateway_renewals import hand_on
from core.use_cases.granting import Moves
from core.use_cases.packs import take_units
from core.use_cases.rests import in_wallet_again, is_of, paid_since
from core.use_cases.wallet import credited, purse_of

PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Refunded:
    """A purchase after money went back; `refund` is None where it went back into the wallet."""

    purchase: Purchase
    refund: Refund | None


async def learn(
    uow: UnitOfWork,
    refund_id: OurRefundId,
    facts: RefundFacts | None,
    *,
    at: datetime,
    failed: str | None = None,
) -> Refunded:
    """What the gateway says of a refund of ours, made so; the customer's row is locked."""
    refund = await uow.refunds.get(refund_id)
    purchase = await uow.purchases.get(refund.purchase_id)
    if facts is not None:
        if refund.status is RefundStatus.DONE and not refund.is_told_by(facts):
            # What was done was another's of the same sum, and this is money too.
            await uow.record(_to_be_asked_about("refund.another", refund, at=at))
            return Refunded(purchase, refund)
        refund = refund.named(facts.refund_id)
        if facts.amount != refund.amount:
            await for_a_person(uow, CaseKind.DIFFERENCE, refund, at=at)
        elif facts.status is OutgoingStatus.FAILED:
            failed = facts.reason or "failed"
            if refund.is_chargeback:
                await for_a_person(uow, CaseKind.DIFFERENCE, refund, at=at, why="won after all")
        elif facts.status is OutgoingStatus.DONE and refund.status is not RefundStatus.DONE:
            return await _done(uow, refund, purchase, facts, at=at)
    if refund.status is RefundStatus.ASKED and failed is not None:
        return await _failed(uow, refund, purchase, failed, at=at)
    if refund.status is RefundStatus.ASKED:
        refund = refund.looked_at(at=at)
        await uow.refunds.save(refund)
    return Refunded(purchase, refund)


async def book_done(
    uow: UnitOfWork, refund: Refund, purchase: Purchase, charge: Charge, *, at: datetime
) -> Purchase:
    """One that we hear of when it is done; the customer's row is locked."""
    await uow.refunds.add(refund)
    await uow.charges.save(charge.giving_back(refund.amount))
    moves = await taken_from(uow, purchase, charge, refund.amount)
    entry = ledger.entry_of(
        f"refund {refund.id} ended",
        "refund",
        [*moves, (ledger.clearing(refund.gateway), refund.amount)],
        at=at,
        purchase_id=purchase.id,
    )
    await uow.ledger.post(entry)
    if charge.settled:
        purchase = await gave_back(uow, purchase, refund.amount, at=at)
    await tell(uow, purchase, refund.amount, entry.id, at=at)
    return purchase


async def _done(
    uow: UnitOfWork, refund: Refund, purchase: Purchase, facts: RefundFacts, *, at: datetime
) -> Refunded:
    charge = await uow.charges.find(refund.charge)
    assert charge is not None, "a refund is of a charge in the books"
    clearing = (ledger.clearing(refund.gateway), refund.amount)
    if refund.status is RefundStatus.FAILED:  # It was given again; now it is taken once more.
        await uow.charges.save(charge.giving_back(refund.amount))
        moves = [*await taken_from(uow, purchase, charge, refund.amount), clearing]
        entry_id = f"refund {refund.id} done after all"
    else:
        moves = [(ledger.hold(refund.customer_id), -refund.amount), clearing]
        entry_id = f"refund {refund.id} ended"
    entry = ledger.entry_of(entry_id, "refund", moves, at=at, purchase_id=purchase.id)
    await uow.ledger.post(entry)
    await book_fee(uow, refund, facts, at=at)
    refund = refund.ended(RefundStatus.DONE, at=at)
    await uow.refunds.save(refund)
    if charge.settled:
        purchase = await gave_back(uow, purchase, refund.amount, at=at)
    await tell(uow, purchase, refund.amount, entry.id, at=at)
    return Refunded(purchase, refund)


async def _failed(
    uow: UnitOfWork, refund: Refund, purchase: Purchase, why: str, *, at: datetime
) -> Refunded:
    charge = await uow.charges.find(refund.charge)
    assert charge is not None, "a refund is of a charge in the books"
    moves = await given_again(uow, refund, purchase, settled=charge.settled)
    entry = ledger.entry_of(
        f"refund {refund.id} ended",
        "refund_failed",
        [(ledger.hold(refund.customer_id), -refund.amount), *moves],
        at=at,
        purchase_id=purchase.id,
    )
    await uow.ledger.post(entry)
    await uow.charges.save(charge.kept_after_all(refund.amount))
    refund = refund.ended(RefundStatus.FAILED, at=at)
    await uow.refunds.save(refund)
    await for_a_person(uow, CaseKind.REFUND, refund, at=at, why=why)
    await uow.record(credited(refund.customer_id, refund.amount, entry.id, at=at))
    # Another may have been heard of meanwhile, and found nothing left to be given back.
    await uow.record(_to_be_asked_about("refund.failed", refund, at=at))
    return Refunded(purchase, refund)


def _to_be_asked_about(name: str, refund: Refund, *, at: datetime) -> Event:
    told: dict[str, str | int] = {"gateway": refund.gateway, "payment_id": refund.payment_id}
    return Event(name, refund.id, at, refund.customer_id, told)


async def book_fee(uow: UnitOfWork, refund: Refund, facts: RefundFacts, *, at: datetime) -> None:
    if facts.fee is None or not facts.fee.is_positive:
        return
    await uow.ledger.post(
        ledger.transfer(
            f"fee refund {refund.id}",
            "fee",
            facts.fee,
            debit=ledger.fees(refund.gateway),
            credit=ledger.clearing(refund.gateway),
            at=at,
        )
    )


async def for_a_person(
    uow: UnitOfWork, kind: CaseKind, refund: Refund, *, at: datetime, why: str = ""
) -> None:
    told = {"refund": refund.id, "purchase_id": refund.purchase_id, "gateway": refund.gateway}
    if why:
        told["reason"] = why[:100]
    cause = f"{kind} {refund.id}"
    await uow.open_case(Case(f"case {cause}", kind, cause, at, told, refund.customer_id))


async def gave_back(
    uow: UnitOfWork,
    purchase: Purchase,
    amount: Money,
    *,
    at: datetime,
    of_bonus: Money | None = None,
) -> Purchase:
    """
    Of a purchase refunded wholly, the time that it added goes too, or the units of a pack, as far
    as they have not been used; what was refunded in part has been paid for with less. `of_bonus`: how much of it went back as bonus; None: nothing.
    """
    less = purchase.gave_back(amount)
    await uow.purchases.save(less)
    plan, item = less.plan, less.item
    if isinstance(item, PackItem) and not less.refundable.is_positive:
        pack, whose = item.terms, less.customer_id
        await take_units(uow, whose, pack.feature, pack.units, by=less.id, at=at)
    if plan is None:
        return less
    assert plan.terms.period is not None, "a plan without a period is never sold"
    subscription = await uow.subscriptions.get(less.customer_id)
    running = subscription.at(at).period
    if running is None or not await _pays_for(uow, less, running):
        return less
    added = None if less.refundable.is_positive else plan.terms.period
    of_bonus = amount - amount if of_bonus is None else of_bonus
    shorter = subscription.without(plan, added, amount, of_bonus, at=at)
    if shorter == subscription:
        return less
    await uow.subscriptions.save(shorter)
    await hand_on(uow, subscription, shorter, at=at)
    if added is not None:
        told: dict[str, str | int] = {"purchase_id": less.id}
        if shorter.period is not None:
            told["period_end"] = shorter.period.end.isoformat()
        await uow.record(
            Event("subscription.shortened", less.customer_id, at, less.customer_id, told)
        )
    return less


async def _pays_for(uow: UnitOfWork, purchase: Purchase, running: PaidPeriod) -> bool:
    """
    Whether the running stretch is longer by this purchase. One that was paid before it began is of
    another, which has ended, unless it was bought during days that were free: then it is among the
    latest, whose money makes up what was paid.
    """
    paid_at = purchase.ended_at
    assert paid_at is not None, "it was paid"
    if running.is_free:
        return False
    if paid_at >= running.start:
        return True
    later, paid = running.paid - running.paid, running.paid
    for one in await paid_since(uow, purchase):
        if is_of(one, running.plan.code, paid):
            later += one.refundable
    return later < paid


async def tell(
    uow: UnitOfWork, purchase: Purchase, amount: Money, entry_id: str, *, at: datetime
) -> None:
    told: dict[str, str | int] = {
        "amount_minor": amount.amount_minor,
        "currency": amount.currency.code,
        "entry_id": entry_id,
    }
    await uow.record(Event("purchase.refunded", purchase.id, at, purchase.customer_id, told))


async def taken_from(uow: UnitOfWork, purchase: Purchase, charge: Charge, amount: Money) -> Moves:
    """
    Where the money that goes back comes from: what is not there any more is owed. Of a plan it is
    the business's own as far as that has kept any; what is in the wallet again comes from there.
    """
    purse = await purse_of(uow, purchase.customer_id, amount.currency)
    if not charge.settled:
        return purse.given_up(amount)
    match purchase.item:
        case PlanItem() | PackItem():
            kept = charge.left - await in_wallet_again(uow, purchase)
            own = min(max(kept, amount - amount), amount)
            revenue = ledger.revenue(purchase.item.terms.code)
            return [(revenue, -own), *purse.given_up(amount - own)]
        case Verification():
            return purse.given_up(amount, from_bonus=True)
        case _:
            return purse.given_up(amount)


async def given_again(
    uow: UnitOfWork, refund: Refund, purchase: Purchase, *, settled: bool
) -> Moves:
    """The reverse, when a refund failed. What was owed because of it is repaid from it at once."""
    own, nothing = ledger.cash(refund.customer_id), refund.amount - refund.amount
    match purchase.item:
        case PlanItem() | PackItem() if settled:
            revenue = ledger.revenue(purchase.item.terms.code)
            asked = await uow.ledger.find(EntryId(f"refund {refund.id}"))
            assert asked is not None, "it was set aside when it was asked for"
            lost = [-one.amount for one in asked.postings if one.account == revenue]
            back = sum(lost, start=nothing)
            return [(revenue, back), (own, refund.amount - back)]
        case Verification() if settled:
            own = ledger.bonus(refund.customer_id)
        case _:
            pass
    return [(own, refund.amount)]
