"""Erasing a person: what stops it, what goes, what stays, and that the books stay whole."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.persistence.memory import MemoryStore
from core.domain import ledger
from core.domain.audit import Deed
from core.domain.broadcast import Draft
from core.domain.credentials import NotSignedIn
from core.domain.customer import (
    CustomerBlocked,
    CustomerId,
    CustomerNotFound,
    Names,
    identity,
)
from core.domain.period import Period, PeriodUnit
from core.domain.plan import PlanCode
from core.domain.promo_code import DaysOf, PercentOff, PromoCodeNotTaken
from core.domain.referral_program import Door, Invitation, ReferralTerms, RewardLevel, code_of
from core.ports.unit_of_work import UnitOfWork
from core.use_cases.checkouts import Terms
from core.use_cases.consequences import consequences
from core.use_cases.erasing import EscrowUnderWay, WalletNotEmpty, WithdrawalUnderWay
from core.use_cases.escrows import PayeeNotServed
from core.use_cases.promo_codes import WantedCode
from tests.adapters.telegram.chat_room import ANNA
from tests.builders import rub
from tests.escrows import DOWN, Trade
from tests.market import ANN, opens_market, proves, withdraws
from tests.stars import StarsShop
from tests.world import RETURN, World

REF = "telegram:1001"


async def offers_a_trial(world: World) -> None:
    wanted = world.wanted()
    trial = Period(3, PeriodUnit.DAY)
    plans = [
        replace(one, trial=trial) if one.code == "PRO_MONTHLY" else one for one in wanted.plans
    ]
    await world.billing.apply_catalog(replace(wanted, plans=tuple(plans)))


async def test_a_person_goes_and_comes_back_as_somebody_new(world: World) -> None:
    anna = await world.customer(REF)
    session = await world.billing.open_session(anna, may_pay=True)
    await world.pays_and_is_heard(await world.buys(anna))

    await world.billing.erase_customer(anna, deed=Deed("ann", "asked by mail"))
    with pytest.raises(NotSignedIn):
        await world.billing.check_session(session.id, session.turn)
    with pytest.raises(CustomerBlocked):
        await world.buys(anna)
    await world.pump.drain()

    gone = (await world.me(anna)).standing
    assert gone.customer.identities == ()
    assert (gone.customer.zone, gone.customer.language) == ("UTC", "en")
    assert gone.customer.erased_at is not None
    assert gone.plan(world.clock()).code == "FREE"
    with pytest.raises(CustomerNotFound):
        await world.billing.find_customer(identity(REF))
    assert await world.customer(REF) != anna
    [(_, line, _)] = await world.billing.show_audit(limit=9, subject=anna)
    assert (line.action, line.actor) == ("customer.erase", "ann")
    await world.billing.erase_customer(anna)
    await world.pump.drain()
    assert len(await world.billing.show_audit(limit=9, subject=anna)) == 1, "a repeat is nothing"


class OvertakenStore(MemoryStore):
    """Something happens between somebody's look and their unit."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    @asynccontextmanager
    async def write(self) -> AsyncIterator[UnitOfWork]:
        happens, self.meanwhile = self.meanwhile, None
        if happens is not None:
            await happens()
        async with super().write() as uow:
            yield uow


async def test_what_a_person_writes_while_being_forgotten_is_not_kept() -> None:
    store = OvertakenStore(consequences)
    world = await World(store).opens()
    anna = await world.customer(REF)
    await world.billing.erase_customer(anna)
    store.meanwhile = world.pump.drain

    told = await world.billing.register_customer(
        identity(REF), receipt_contact="anna@example.com", names=Names("Anna", "anna")
    )

    gone = (await world.me(anna)).standing.customer
    assert gone.erased_at is not None
    assert (gone.receipt_contact, gone.name, gone.username) == (None, None, None)
    assert told == gone


async def test_money_that_is_here_is_not_given_up_by_a_tap(world: World) -> None:
    await opens_market(world)
    anna = await world.customer(REF)
    method = await proves(world, anna)
    await world.deposits(anna, rub(1000))
    with pytest.raises(WalletNotEmpty):
        await world.billing.erase_customer(anna)
    withdrawal = await withdraws(world, anna, method, rub(600))
    with pytest.raises(WithdrawalUnderWay):
        await world.billing.erase_customer(anna)
    await world.billing.reject_withdrawal(withdrawal.id, deed=ANN)
    await world.billing.adjust_wallet(
        anna, rub(-1000), account="cash", deed=ANN, cause=world.cause()
    )
    assert await world.books(ledger.bonus(anna)) == rub(1).amount_minor, "of the check"

    await world.billing.erase_customer(anna)
    await world.pump.drain()

    assert await world.books(ledger.bonus(anna)) == 0, "bonus is given up, by an entry"
    async with world.store.read() as view:
        [kept] = await view.methods.of_customer(anna)
        [paid] = await view.withdrawals.page(anna, limit=9)
    assert (kept.token, kept.account.number, kept.billing.email) == (None, "erased", "erased")
    assert paid.account.holder_name == "erased"


async def test_what_is_paid_afterwards_is_kept_and_told_to_a_person(world: World) -> None:
    anna = await world.customer(REF)
    open_ = await world.buys(anna)
    await world.billing.erase_customer(anna)
    await world.pump.drain()

    await world.pays_and_is_heard(open_)

    assert await world.books(ledger.cash(anna)) == rub(299).amount_minor
    assert await world.plan(anna) == "FREE"
    assert await world.cases() == ["suspense"]


async def test_what_is_given_once_is_not_given_again_to_who_comes_back(world: World) -> None:
    await offers_a_trial(world)
    anna = await world.customer(REF)
    assert (await world.me(anna)).trial is not None
    await world.billing.start_trial(anna)
    await world.billing.erase_customer(anna)
    await world.pump.drain()

    again = await world.customer(REF)
    other = await world.customer("telegram:1002")

    assert (await world.me(again)).trial is None
    assert (await world.me(other)).trial is not None


async def test_who_comes_back_by_a_friends_link_earns_the_friend_nothing(world: World) -> None:
    friend, anna = await world.customer("telegram:7"), await world.customer(REF)
    await world.billing.erase_customer(anna)
    await world.pump.drain()
    world.clock.advance(timedelta(days=1))

    invited = Invitation(code_of(friend), Door.BOT)
    again = await world.billing.register_customer(identity(REF), invitation=invited)

    async with world.store.read() as view:
        assert await view.referrals.find(again.id) is None


async def test_an_escrow_under_way_stops_it_for_both_sides() -> None:
    trade = await Trade.begins(MemoryStore(consequences))
    await trade.funded()
    for side in (trade.payer, trade.payee):
        with pytest.raises(EscrowUnderWay):
            await trade.world.billing.erase_customer(side)


async def test_what_a_gateway_renews_is_stopped_there_before_the_payer_is_forgotten() -> None:
    shop = await StarsShop(MemoryStore(consequences)).opens()
    first, anna = await shop.subscribes(), await shop.customer()
    assert shop.renews_there(first)
    shop.rules.faults.plan("down", 2)

    await shop.billing.erase_customer(anna)
    await shop.world.pump.drain()
    assert (await shop.world.me(anna)).standing.customer.telegram_id == ANNA, "it was not told yet"
    for _ in range(2):
        await shop.world.time_passes(hours=1)

    assert not shop.renews_there(first)
    assert (await shop.world.me(anna)).standing.customer.telegram_id is None
    assert await shop.world.plan(anna) == "FREE"


@pytest.mark.parametrize("away", [3, 1000])
async def test_access_is_taken_back_before_the_panel_is_asked_for_nobody(
    world: World, away: int
) -> None:
    wanted = world.wanted()
    plans = tuple(
        replace(one, grants=("vpn",)) if one.code == "PRO_MONTHLY" else one for one in wanted.plans
    )
    await world.billing.apply_catalog(replace(wanted, plans=plans))
    anna = await world.customer(REF)
    await world.pays_and_is_heard(await world.buys(anna))
    assert anna in world.panel.given
    world.panel.down(away)

    await world.billing.erase_customer(anna)
    await world.pump.drain()
    assert (await world.me(anna)).standing.customer.identities, "the panel may know no other name"
    for _ in range(20):
        await world.time_passes(minutes=1)

    assert (await world.me(anna)).standing.customer.identities == ()
    was_made = anna not in world.panel.given
    assert (was_made, await world.cases()) == ((True, []) if away == 3 else (False, ["poison"]))


async def test_rewards_that_wait_are_given_up_and_no_others_come(world: World) -> None:
    terms = ReferralTerms((RewardLevel(1, 1000),), hold=timedelta(days=3), in_cash=True)
    wanted = world.wanted()
    await world.billing.apply_catalog(replace(wanted, money=replace(wanted.money, referral=terms)))
    friend = await world.customer("telegram:7")
    world.clock.advance(timedelta(seconds=1))
    invited = Invitation(code_of(friend), Door.BOT)
    anna = (await world.billing.register_customer(identity(REF), invitation=invited)).id
    first = await world.buys(anna)
    await world.pays_and_is_heard(first)
    await world.sweeps()
    assert await world.books(ledger.hold(friend)) == 2990

    await world.billing.erase_customer(friend)
    await world.pump.drain()
    await world.pays_and_is_heard(await world.buys(anna))
    await world.time_passes(days=4)

    assert await world.books(ledger.hold(friend)) == 0
    assert await world.books(ledger.cash(friend)) == 0, "nobody could ever take it"
    assert await world.books(ledger.REWARDS) == 0
    await world.refunds(first)
    await world.sweeps()
    assert await world.books(ledger.receivable(friend)) == 0


async def test_what_is_for_who_never_paid_is_not_for_who_comes_back() -> None:
    world = await World(MemoryStore(consequences)).opens()
    wanted = WantedCode(PercentOff(20), "WELCOME", only_new=True)
    await world.billing.create_promo_code(wanted, deed=Deed("ann", "new"), cause=world.cause())
    await world.billing.erase_customer(await world.customer(REF))
    await world.pump.drain()

    again, other = await world.customer(REF), await world.customer("telegram:1002")

    with pytest.raises(PromoCodeNotTaken):
        await world.billing.redeem_promo_code(again, "WELCOME", cause=world.cause())
    await world.billing.redeem_promo_code(other, "WELCOME", cause=world.cause())


async def test_who_comes_back_can_use_new_codes_alone(world: World) -> None:
    async def comes_back() -> CustomerId:
        await world.billing.erase_customer(await world.customer(REF))
        await world.pump.drain()
        world.clock.advance(timedelta(days=1))
        return await world.customer(REF)

    async def redeems(who: CustomerId, name: str) -> None:
        await world.billing.redeem_promo_code(who, name, cause=world.cause())

    async def makes(name: str) -> None:
        wanted = WantedCode(DaysOf(PlanCode("PRO_MONTHLY"), 7), name)
        await world.billing.create_promo_code(
            wanted, deed=Deed("ann", "spring"), cause=world.cause()
        )

    await makes("FIRST")
    await redeems(await world.customer(REF), "FIRST")
    anna = await comes_back()
    await makes("SECOND")
    with pytest.raises(PromoCodeNotTaken):
        await redeems(anna, "FIRST")
    await redeems(anna, "SECOND")
    anna = await comes_back()

    with pytest.raises(PromoCodeNotTaken):
        await redeems(anna, "SECOND")


async def test_nobody_can_set_money_aside_for_who_is_erased() -> None:
    trade = await Trade.begins(MemoryStore(consequences))
    await trade.gives(trade.payer, rub(1000))
    escrow = await trade.opens(rub(1000), rub(300))
    world, terms = trade.world, Terms(RETURN, "yookassa")
    started = await world.billing.fund_escrow(
        trade.payer, escrow.id, DOWN, terms, cause=world.cause()
    )
    await world.billing.erase_customer(trade.payee)

    with pytest.raises(PayeeNotServed):
        await trade.funds(escrow)
    await world.pays_and_is_heard(started)

    assert await world.books(ledger.escrow(trade.payer)) == 0
    assert await world.cash(trade.payer) == {"RUB": 130_000}


async def test_days_are_given_to_nobody_who_is_leaving() -> None:
    world = await World(MemoryStore(consequences)).opens()
    anna, deed = await world.customer(REF), Deed("ann", "a kindness")
    await world.billing.erase_customer(anna)

    with pytest.raises(CustomerBlocked):
        await world.billing.grant_days(anna, "PRO_MONTHLY", 3, deed=deed, cause=world.cause())


async def test_a_letter_to_many_does_not_go_to_who_is_leaving(world: World) -> None:
    await world.billing.erase_customer(await world.customer(REF))
    draft, deed = Draft({"ru": "Весна", "en": "Spring"}), Deed("ann", "spring")
    made = await world.billing.create_broadcast(draft, deed=deed, cause=world.cause())

    assert (await world.billing.show_broadcasts.preview(made.id)).total == 0
