"""What a store promises of counts and sums of what happened lately: after a moment, and no more."""

from dataclasses import replace
from datetime import timedelta

from core.domain.checkout import CheckoutStatus
from core.domain.event import Event
from core.domain.item import PaymentMethodId
from core.domain.money import Money, currency
from core.domain.purchase import PurchaseStatus
from core.domain.referral_program import RewardStatus
from core.domain.safety import Rewarded
from core.domain.withdrawal import WithdrawalStatus
from tests.builders import ANNA, BORIS, NOON, a_checkout, a_pending_purchase, a_purchase, rub
from tests.contracts.units import seen, written
from tests.money_builders import a_charge, a_method, a_reward, a_withdrawal, no_reward

RUB = currency("RUB")
BEFORE = NOON - timedelta(microseconds=1)


async def test_events_of_a_subject_are_counted_by_their_names(shop):
    async with shop.write() as uow:
        for name, subject in (("a.b", ANNA), ("c.d", ANNA), ("e.f", ANNA), ("a.b", BORIS)):
            await uow.record(Event(name, subject, NOON))
        counted = await uow.lately.events(ANNA, ("a.b", "c.d"), since=BEFORE)
        await uow.commit()

    assert counted == 2, "also what this unit wrote"
    assert await seen(shop, lambda view: view.lately.events(ANNA, ("a.b",), since=NOON)) == 0


async def test_charges_of_saved_methods_are_counted_by_how_they_ended(shop):
    statuses = (*CheckoutStatus, CheckoutStatus.PAID)
    bought = a_pending_purchase()
    await written(shop, lambda uow: uow.purchases.add(bought))
    for number, status in enumerate((*statuses, CheckoutStatus.LAPSED), start=1):
        is_charge = number <= len(statuses)
        one = replace(
            a_checkout(),
            id=f"chk_{number}",
            purchase_id=bought.id,
            asked_at=NOON,
            status=status,
            opened=None,
            method_id=PaymentMethodId("pm_1") if is_charge else None,
        )
        await written(shop, lambda uow, one=one: uow.checkouts.add(one))

    assert await seen(shop, lambda view: view.lately.charges(since=BEFORE)) == (2, 2)
    assert await seen(shop, lambda view: view.lately.charges(since=NOON)) == (0, 0)


async def test_withdrawals_that_leave_are_summed(shop):
    await written(shop, lambda uow: uow.methods.add(a_method()))
    for number, status in enumerate(WithdrawalStatus, start=1):
        ended = status in {
            WithdrawalStatus.DONE,
            WithdrawalStatus.FAILED,
            WithdrawalStatus.RETURNED,
        }
        one = a_withdrawal(
            id=f"wd_{number}",
            amount=rub(10**number),
            requested_at=NOON,
            status=status,
            payout_id=None,
            ended_at=NOON if ended else None,
        )
        await written(shop, lambda uow, one=one: uow.withdrawals.add(one))

    # Held is the first, failed and returned are the last two.
    assert await seen(shop, lambda view: view.lately.withdrawals(RUB, since=BEFORE)) == rub(11100)
    assert await seen(shop, lambda view: view.lately.withdrawals(RUB, since=NOON)) == rub(0)
    stars = currency("XTR")
    assert not (await seen(shop, lambda v: v.lately.withdrawals(stars, since=BEFORE))).amount_minor


async def test_rewards_are_compared_with_all_that_came_in(shop):
    """The fourth was taken back, the fifth none, and the last is of a purchase of another day."""
    waits = {"taken_back": rub(0), "status": RewardStatus.WAITING}
    stars = {"base": Money.of(300, "XTR"), "amount": Money.of(7, "XTR")}
    rewards = [
        a_reward(purchase_id="pur_1", **waits),
        a_reward(purchase_id="pur_2", **waits),
        a_reward(purchase_id="pur_3", **{**waits, **stars, "taken_back": Money.of(0, "XTR")}),
        a_reward(purchase_id="pur_4", taken_back=rub(7), status=RewardStatus.TAKEN_BACK),
        no_reward(purchase_id="pur_5"),
        a_reward(purchase_id="pur_6", **waits),
    ]
    for one in rewards:
        paid_at = NOON - timedelta(days=2) if one.purchase_id == "pur_6" else NOON
        bought = a_purchase(
            id=one.purchase_id, status=PurchaseStatus.PAID, refunded=None, ended_at=paid_at
        )
        await written(shop, lambda uow, bought=bought: uow.purchases.add(bought))
        await written(shop, lambda uow, one=one: uow.rewards.add(replace(one, at=NOON)))
        charge = a_charge(
            key=a_charge().key._replace(charge_id=one.purchase_id),
            purchase_id=one.purchase_id,
            charged_at=paid_at,
        )
        await written(shop, lambda uow, charge=charge: uow.charges.add(charge))

    assert await seen(shop, lambda view: view.lately.rewards(since=BEFORE)) == [
        Rewarded(2, rub(14), rub(5 * 299)),
        Rewarded(1, Money.of(7, "XTR"), Money.of(0, "XTR")),
    ]
    assert await seen(shop, lambda view: view.lately.rewards(since=NOON)) == []
