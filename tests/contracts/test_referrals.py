"""What a store promises of referrals and rewards: once each, counted, summed, found when due."""

from datetime import timedelta

import pytest

from core.domain.customer import Identity, IdentityKind
from core.domain.money import Money, currency
from core.domain.purchase import PurchaseId, PurchaseStatus
from core.domain.referral_program import ReferralFigures, ReferralStatus, Reward, RewardStatus
from core.ports.unit_of_work import SavedMeanwhile, Store
from tests.builders import ANNA, BORIS, NOON, a_customer, a_purchase, rub
from tests.contracts.units import seen, written
from tests.money_builders import a_referral, a_reward, no_reward

CAROL = a_customer(id="cus_carol001", identities=(Identity(IdentityKind.TELEGRAM, "1003"),))
RUB = currency("RUB")


async def test_a_customer_has_one_referrer_and_a_purchase_one_reward(shop):
    await written(shop, lambda uow: uow.purchases.add(a_purchase(id=a_reward().purchase_id)))
    await written(shop, lambda uow: uow.referrals.add(a_referral()))
    await written(shop, lambda uow: uow.rewards.add(a_reward()))

    with pytest.raises(SavedMeanwhile):
        await written(shop, lambda uow: uow.referrals.add(a_referral()))
    with pytest.raises(SavedMeanwhile):
        await written(shop, lambda uow: uow.rewards.add(a_reward(count=9)))
    await written(shop, lambda uow: uow.referrals.save(a_referral(status=ReferralStatus.EARNING)))
    with pytest.raises(SavedMeanwhile):
        await written(shop, lambda uow: uow.referrals.save(a_referral()))

    assert await seen(shop, lambda view: view.referrals.find(ANNA)) is None
    assert await seen(shop, lambda view: view.rewards.find(PurchaseId("pur_9"))) is None


async def rewarded(shop: Store) -> list[Reward]:
    """Anna brought Boris, who earned her three, and Carol, whose one was taken back."""
    gone = {"taken_back": rub(7), "status": RewardStatus.TAKEN_BACK}
    waits = {"taken_back": rub(0), "status": RewardStatus.WAITING}
    stars = {"base": Money.of(300, "XTR"), "amount": Money.of(7, "XTR")}
    rewards = [
        a_reward(),
        a_reward(purchase_id="pur_00000002", at=NOON + timedelta(days=1), **waits),
        a_reward(
            purchase_id="pur_00000003", **{**waits, **stars, "taken_back": Money.of(0, "XTR")}
        ),
        a_reward(purchase_id="pur_00000004", customer_id=CAROL.id, **gone),
        no_reward(purchase_id="pur_00000005", customer_id=CAROL.id),
    ]
    await written(shop, lambda uow: uow.customers.add(CAROL))
    for one in rewards:
        bought = a_purchase(id=one.purchase_id, status=PurchaseStatus.PAID, refunded=None)
        await written(shop, lambda uow, bought=bought: uow.purchases.add(bought))
        await written(shop, lambda uow, one=one: uow.rewards.add(one))
    active = a_referral(status=ReferralStatus.EARNING)
    for referral in (active, a_referral(customer_id=CAROL.id)):
        await written(shop, lambda uow, it=referral: uow.referrals.add(it))
    return rewards


async def test_figures_count_what_stands(shop):
    await rewarded(shop)

    figures = await seen(shop, lambda view: view.rewards.figures(ANNA))
    nobody = await seen(shop, lambda view: view.rewards.figures(BORIS))

    assert figures == ReferralFigures(
        came=2,
        activated=1,
        paying=1,
        earned=(rub(6),),
        waiting=(rub(7), Money.of(7, "XTR")),
    )
    assert nobody == ReferralFigures(0, 0, 0, (), ())


async def test_what_decides_about_the_next_reward(shop):
    await rewarded(shop)

    async with shop.write() as uow:
        assert await uow.rewards.count_paying(ANNA, but=CAROL.id) == 1
        assert await uow.rewards.count_paying(ANNA, but=BORIS) == 0
        assert await uow.rewards.sum_since(ANNA, RUB, NOON) == rub(13)
        assert await uow.rewards.sum_since(ANNA, RUB, NOON + timedelta(seconds=1)) == rub(7)
        assert await uow.rewards.sum_since(BORIS, RUB, NOON) == rub(0)


async def test_the_ripe_are_taken_once_until_they_are_seen_to(shop):
    await rewarded(shop)
    ripe = NOON + timedelta(days=14)

    async def take(now):
        until = now + timedelta(minutes=2)
        return await written(shop, lambda uow: uow.rewards.take_due(now, until=until, limit=9))

    assert await take(ripe - timedelta(microseconds=1)) == []
    assert sorted(await take(ripe)) == ["pur_00000002", "pur_00000003"]
    assert await take(ripe) == [], "leased"
    for id_ in ("pur_00000002", "pur_00000003"):
        reward = await seen(shop, lambda view, id_=id_: view.rewards.find(PurchaseId(id_)))
        await written(shop, lambda uow, it=reward: uow.rewards.save(it.ripened()))
    assert await take(ripe + timedelta(days=99)) == []


async def test_whether_a_customer_ever_paid_for_anything(shop):
    assert not await seen(shop, lambda view: view.purchases.has_paid(ANNA))
    pending = a_purchase(status=PurchaseStatus.CANCELED, refunded=None)
    await written(shop, lambda uow: uow.purchases.add(pending))
    assert not await seen(shop, lambda view: view.purchases.has_paid(ANNA))

    paid = a_purchase(id="pur_00000009", status=PurchaseStatus.PAID, refunded=None)
    await written(shop, lambda uow: uow.purchases.add(paid))

    assert await seen(shop, lambda view: view.purchases.has_paid(ANNA))
    assert not await seen(shop, lambda view: view.purchases.has_paid(BORIS))
