"""What customers own, in every state that an operation asks for: the same for each of them."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from core.domain.audit import Deed
from core.domain.broadcast import BroadcastId, BroadcastMove, Draft, Segment
from core.domain.case import Case, CaseKind
from core.domain.customer import CustomerId
from core.domain.delivery import DeliveryId
from core.domain.item import EscrowPart
from core.domain.money_terms import (
    Brake,
    DepositTerms,
    EscrowTerms,
    MoneyTerms,
    VerificationTerms,
    WithdrawalTerms,
)
from core.domain.payment import InboxStatus
from core.domain.payout import PayoutAccount
from core.domain.period import Period, PeriodUnit
from core.domain.referral_program import ReferralTerms, RewardLevel
from core.use_cases.buying import WALLET
from core.use_cases.checkouts import Terms
from tests.builders import a_notice, an_inbox_item, rub
from tests.contracts.units import written
from tests.market import proves
from tests.money_builders import a_delivery
from tests.world import RETURN, World

DOWN: Final = EscrowPart.DOWN_PAYMENT
ANN: Final = Deed("ann", "set the scene")
MARKET: Final = MoneyTerms(
    DepositTerms(bounds=((rub(1), rub(100_000)),)),
    VerificationTerms((rub(1),)),
    EscrowTerms(is_offered=True),
    WithdrawalTerms((rub(10),), (Brake(rub(500), rub(900), rub(50_000)),)),
    referral=ReferralTerms((RewardLevel(1, 1000),)),
)


async def opens_everything(world: World) -> None:
    """The fitness app sells all that can be sold, and tells what it sold."""
    world.webhooks.host = "app.example.com"
    wanted, trial = world.wanted(), Period(3, PeriodUnit.DAY)
    plans = tuple(
        replace(plan, trial=trial) if plan.code == "PRO_MONTHLY" else plan for plan in wanted.plans
    )
    await world.billing.apply_catalog(replace(wanted, money=MARKET, plans=plans))


async def things_of(world: World, who: CustomerId, partner: CustomerId) -> Mapping[str, str]:
    """The id of one thing for each state. Nothing of the partner's is anybody else's."""
    await _gives(world, who, 50_000)
    await _gives(world, partner, 5000)
    things = {"given": await _gives(world, who, 1)}
    await _gives(world, who, 2990)
    await world.billing.start_purchase(
        who, "PRO_YEARLY", gateway=WALLET, return_url=RETURN, cause=world.cause()
    )
    for state in ("agreed", "funded", "disputed"):
        things[state] = await _escrow(world, who, partner, is_funded=state != "agreed")
    await world.billing.dispute_part(who, things["disputed"], DOWN)
    things["earned"] = await _escrow(world, partner, who, is_funded=True)
    for state in ("old", "proven"):
        account = PayoutAccount("gcash", f"0917{state}", "JUAN DELA CRUZ")
        things[state] = (await proves(world, who, account)).id
    deposit = await world.deposits(who, rub(200))
    things["paid"] = deposit.purchase.id
    things["waiting"] = (
        await world.billing.request_withdrawal(who, rub(600), things["proven"], cause=world.cause())
    ).id
    things["queued"] = await _queued(world, who)
    things["given up"], things["case"] = await _left_to_a_person(world, who)
    things |= await _broadcasts(world)
    things["not taken"] = await _not_taken(world, who)
    return things


async def _gives(world: World, who: CustomerId, roubles: int) -> str:
    entry = await world.billing.adjust_wallet(
        who, rub(roubles), account="cash", deed=ANN, cause=world.cause()
    )
    return entry.id


async def _escrow(world: World, payer: CustomerId, payee: CustomerId, *, is_funded: bool) -> str:
    escrow = await world.billing.open_escrow(
        payer,
        payee,
        "A kitchen, painted",
        total=rub(300),
        down_payment=rub(300),
        cause=world.cause(),
    )
    if is_funded:
        terms = Terms(RETURN, WALLET)
        await world.billing.fund_escrow(payer, escrow.id, DOWN, terms, cause=world.cause())
    return escrow.id


async def _queued(world: World, who: CustomerId) -> str:
    """A withdrawal to an account that no gateway sends to."""
    method = await proves(world, who, PayoutAccount("by_hand", "09170000001", "JUAN DELA CRUZ"))
    asked = await world.billing.request_withdrawal(who, rub(100), method.id, cause=world.cause())
    return (await world.billing.approve_withdrawal(asked.id, deed=ANN)).id


async def _left_to_a_person(world: World, who: CustomerId) -> tuple[str, str]:
    item = an_inbox_item(
        id=f"inb_{who[4:]}",
        notice=a_notice(dedupe_key=f"given up {who}"),
        status=InboxStatus.STORED,
        handled_at=None,
        result=None,
    )
    await written(world.store, lambda uow: uow.inbox.take(item))
    failed = item.failed("unconfirmed", at=world.clock())
    await written(world.store, lambda uow: uow.inbox.save(failed))
    cause = f"charge yookassa {who}"
    case = Case(f"case {cause}", CaseKind.MISMATCH, cause, world.clock(), {}, who)
    await written(world.store, lambda uow: uow.open_case(case))
    return item.id, cause


async def _broadcasts(world: World) -> Mapping[str, str]:
    """One that was only written, one that runs, one that is held."""
    made = {}
    for state in ("written", "running", "paused"):
        draft = Draft({"en": "An offer"}, Segment(language="la"))
        one = await world.billing.create_broadcast(draft, deed=ANN, cause=world.cause())
        made[state] = one.id
    for state, move in (
        ("running", BroadcastMove.START),
        ("paused", BroadcastMove.START),
        ("paused", BroadcastMove.PAUSE),
    ):
        await world.billing.move_broadcast(BroadcastId(made[state]), move, deed=ANN)
    return made


async def _not_taken(world: World, who: CustomerId) -> str:
    """A delivery that nobody tries any more."""
    id_ = DeliveryId(f"msg_{hashlib.md5(who.encode()).hexdigest()}")
    await written(world.store, lambda uow: uow.deliveries.add(a_delivery(id=id_)))
    return id_
