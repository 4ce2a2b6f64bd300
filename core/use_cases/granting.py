"""What a paid purchase gives, and how it is paid from the wallet: always in the same unit."""

from datetime import datetime

from core.domain import ledger
from core.domain.escrow import PartStatus
from core.domain.event import Event
from core.domain.item import (
    Deposit,
    EscrowShare,
    Item,
    PackItem,
    PlanItem,
    Verification,
    Ware,
)
from core.domain.ledger import Account
from core.domain.money import Money
from core.domain.payment import PaymentFacts
from core.domain.payment_method import MethodStatus
from core.domain.plan import PackTerms, PlanVersion
from core.domain.purchase import Meeting, Purchase
from core.domain.renewal import source_at_gateway
from core.ports.unit_of_work import UnitOfWork
from core.use_cases import referrals
from core.use_cases.customers import standing_of
from core.use_cases.discounts import is_gone, use_up
from core.use_cases.gateway_renewals import began_with, hand_on
from core.use_cases.packs import give_units
from core.use_cases.rests import whose_rest
from core.use_cases.wallet import credited, purse_of

Moves = list[tuple[Account, Money]]


async def grant(
    uow: UnitOfWork, purchase: Purchase, *, at: datetime, facts: PaymentFacts | None = None
) -> None:
    """
    Pay the purchase from the wallet and give what was bought. It is saved as paid already, and the
    customer's row is locked. Money that a gateway brought for it lies in cash, and is spent from
    there; what was agreed to be paid from the wallet takes bonus first. Whether it can be given is
    asked before, see `obstacle`. `facts` are of the payment that brought the money; None: it
    lay in the wallet.

    Raises:
        WalletTooLow: only where it is paid from the wallet.
    """
    told: dict[str, str | int] = {
        "item": purchase.item.key.partition(" ")[0],
        "amount_minor": purchase.amount.amount_minor,
        "currency": purchase.amount.currency.code,
    }
    match purchase.item:
        case PlanItem(plan):
            told |= await _grant_plan(uow, purchase, plan, facts, at=at)
        case PackItem(terms):
            told |= await _grant_pack(uow, purchase, terms, at=at)
        case Deposit():
            event = credited(purchase.customer_id, purchase.amount, purchase.id, at=at)
            await uow.record(event)
        case Verification(method_id):
            await spend(uow, purchase, ledger.bonus(purchase.customer_id), with_bonus=False, at=at)
            method = await uow.methods.get(method_id)
            # A token is its gateway's own, and the check may have been paid at another.
            token = None
            if facts is not None and facts.gateway == method.gateway:
                token = facts.token
            await uow.methods.save(method.becomes_verified(token))
            told |= {"method_id": method_id}
        case EscrowShare():
            told |= await _fund_part(uow, purchase, purchase.item, at=at)
    await uow.record(Event("purchase.paid", purchase.id, at, purchase.customer_id, told))
    if isinstance(purchase.item, Ware | Deposit):
        await referrals.paid(uow, purchase, at=at)


async def obstacle(uow: UnitOfWork, purchase: Purchase) -> Meeting | None:
    """
    Why it cannot be given any more, though it was agreed on; None: it can. A part of an escrow is
    funded once, by whichever purchase of it is paid first, and for nobody who is erased, and so is
    a discount used once. Ask before anything is posted: the escrow's row is locked here, and balances come after it.
    """
    item = purchase.item
    if await is_gone(uow, purchase):
        return Meeting.AFTER_END
    if isinstance(item, Verification):
        method = await uow.methods.get(item.method_id)
        return None if method.status is MethodStatus.UNVERIFIED else Meeting.AFTER_END
    if not isinstance(item, EscrowShare):
        return None
    escrow = await uow.escrows.lock(item.escrow_id)
    if (await uow.customers.get(escrow.payee_id)).is_leaving:
        return Meeting.AFTER_END
    if escrow.awaits(item.part):
        return None
    is_unfunded = escrow.part(item.part).status is PartStatus.UNFUNDED
    return Meeting.AFTER_END if is_unfunded else Meeting.SECOND


def may_take_bonus(item: Item) -> bool:
    """
    Whether bonus may pay for it. What can come back as cash, or go to somebody else, may not: so
    would bonus become money that can be withdrawn.
    """
    return isinstance(item, Ware)


def may_be_paid_from_wallet(item: Item) -> bool:
    """A deposit from there would move nothing, and a check from there would prove nothing."""
    return isinstance(item, Ware | EscrowShare)


async def spend(
    uow: UnitOfWork, purchase: Purchase, to: Account, *, with_bonus: bool, at: datetime
) -> Money:
    """The purchase's one entry; how much of it was bonus."""
    purse = await purse_of(uow, purchase.customer_id, purchase.amount.currency)
    spent = purse.spent(purchase.amount, with_bonus=with_bonus)
    moves: Moves = [*spent, (to, purchase.amount)]
    await uow.ledger.post(
        ledger.entry_of(
            f"purchase {purchase.id}", "purchase", moves, at=at, purchase_id=purchase.id
        )
    )
    (_, of_bonus), _ = spent
    return -of_bonus


async def _grant_plan(
    uow: UnitOfWork,
    purchase: Purchase,
    plan: PlanVersion,
    facts: PaymentFacts | None,
    *,
    at: datetime,
) -> dict[str, str | int]:
    customer = purchase.customer_id
    revenue = ledger.revenue(plan.code)
    of_bonus = await spend(uow, purchase, revenue, with_bonus=purchase.from_wallet, at=at)
    await use_up(uow, purchase, at=at)
    standing = await standing_of(uow, customer)
    former, terms = standing.plan(at), standing.catalog.money.renewal
    assert plan.terms.period is not None, "a plan without a period is never sold"
    extension = standing.subscription.extended_by(
        plan,
        plan.terms.period,
        purchase.amount,
        zone=standing.customer.zone,
        renewals=terms,
        at=at,
        of_bonus=of_bonus,
    )
    extended = extension.subscription
    if facts is not None and facts.recurrence is not None:
        source = source_at_gateway(await began_with(uow, facts))
        before = standing.subscription.at(at)
        extended = extended.charged_at_gateway(before, source, facts.recurrence, terms, at=at)
    await uow.subscriptions.save(extended)
    await hand_on(uow, standing.subscription, extended, at=at)
    if extension.returned is not None:
        running = standing.subscription.period
        assert running is not None, "only what is running has a rest"
        in_cash = running.in_cash(extension.returned)
        rest = ledger.entry_of(
            f"rest {purchase.id}",
            "rest_of_former_plan",
            [
                (ledger.revenue(former.code), -extension.returned),
                (ledger.cash(customer), in_cash),
                (ledger.bonus(customer), extension.returned - in_cash),
            ],
            at=at,
            purchase_id=purchase.id,
        )
        await uow.ledger.post(rest)
        await uow.record(credited(customer, extension.returned, rest.id, at=at))
        for one in await whose_rest(uow, purchase, former.code, extension.returned):
            await referrals.gave_way(uow, one, at=at)
    began = extension.subscription.period
    assert began is not None, "it was just paid for"
    told: dict[str, str | int] = {
        "plan": plan.code,
        "period_start": began.start.isoformat(),
        "period_end": extension.end.isoformat(),
    }
    if plan.terms.grants or former.terms.grants:
        told["access"] = "changed"
    return told


async def _grant_pack(
    uow: UnitOfWork, purchase: Purchase, terms: PackTerms, *, at: datetime
) -> dict[str, str | int]:
    revenue = ledger.revenue(terms.code)
    await spend(uow, purchase, revenue, with_bonus=purchase.from_wallet, at=at)
    whose = purchase.customer_id
    await give_units(uow, whose, terms.feature, terms.units, by=purchase.id, at=at)
    return {"pack": terms.code, "feature": terms.feature, "units": terms.units}


async def _fund_part(
    uow: UnitOfWork, purchase: Purchase, share: EscrowShare, *, at: datetime
) -> dict[str, str | int]:
    payer = purchase.customer_id
    await spend(uow, purchase, ledger.escrow(payer), with_bonus=may_take_bonus(share), at=at)
    escrow = await uow.escrows.lock(share.escrow_id)
    await uow.escrows.save(escrow.becomes_funded(share.part, at=at))
    told: dict[str, str | int] = {
        "part": share.part.value,
        "payee_id": escrow.payee_id,
        "purchase_id": purchase.id,
        "amount_minor": purchase.amount.amount_minor,
        "currency": purchase.amount.currency.code,
    }
    await uow.record(Event("escrow.funded", escrow.id, at, payer, told))
    return {"escrow_id": escrow.id, "part": share.part.value}
