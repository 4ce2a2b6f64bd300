"""Counters and receipts: N at once against K left give exactly K, and a repeat hears the same."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from core.domain.customer import CustomerId
from core.domain.plan import Feature
from core.domain.usage_quota import QuotaDecision, UsageKey, UsageQuota, UsageReceipt
from core.ports.unit_of_work import SavedMeanwhile, Store
from tests.builders import ANNA, BORIS, NOON, PHOTO_AI, an_open_hold
from tests.contracts.units import again, let_others_go_on, seen, written

TOMORROW = NOON + timedelta(days=1)
KEY = UsageKey(ANNA, PHOTO_AI, NOON)
KEYS = [
    UsageKey(customer, Feature(feature), start)
    for customer in (ANNA, BORIS)
    for feature in ("photo_ai", "video_ai")
    for start in (NOON, TOMORROW)
]


def a_receipt(request_id: str = "r1", **fields: object) -> UsageReceipt:
    decision = QuotaDecision(allowed=True, used=2, limit=3, resets_at=TOMORROW)
    receipt = UsageReceipt(ANNA, request_id, PHOTO_AI, 2, decision, NOON + timedelta(days=36))
    return replace(receipt, **fields)


async def use(store: Store, key: UsageKey, units: int, *, limit: int | None = None) -> bool:
    """Consume under the counter's lock, as the use case does."""
    async with store.write() as uow:
        used = (await uow.usage.lock([key]))[key]
        quota, decision = UsageQuota(key, TOMORROW, limit, used).decide(units)
        if decision.allowed:
            await uow.usage.save([quota])
        await uow.commit()
    return decision.allowed


async def used(store: Store, *keys: UsageKey) -> list[int]:
    found = await seen(store, lambda view: view.usage.used(keys))
    return [found.get(key, 0) for key in keys]


async def test_two_hundred_at_once_against_fifty_left_give_exactly_fifty(shop):
    answers = await asyncio.gather(
        *(again(lambda: use(shop, KEY, 1, limit=50)) for _ in range(200))
    )

    assert sum(answers) == 50
    assert await used(shop, KEY) == [50]


async def test_what_packs_gave_is_locked_with_the_window_and_taken_once(shop):
    async def one() -> bool:
        async with shop.write() as uow:
            counters = await uow.usage.lock([KEY, KEY.of_packs, KEYS[-1], KEYS[-1].of_packs])
            quota = UsageQuota(KEY, TOMORROW, 3, used=0).counted(counters)
            quota, decision = quota.decide(2)
            if decision.allowed:
                await uow.usage.save([quota])
            await uow.commit()
        return decision.allowed

    async def give() -> None:
        await written(shop, lambda uow: uow.usage.give(KEY.of_packs, 7))

    await give()
    answers = await asyncio.gather(*(again(one) for _ in range(20)), again(give))
    answers += [await one() for _ in range(20)]

    assert answers.count(True) == (3 + 7 + 7) // 2
    assert await used(shop, KEY, KEY.of_packs) == [3, 1]
    known = await seen(shop, lambda view: view.usage.used([key.of_packs for key in KEYS]))
    assert known == {KEY.of_packs: 1}, "who was given nothing has no counter of packs"


async def test_what_is_given_while_somebody_waits_is_locked_or_not_seen(shop):
    await use(shop, KEY, 1)
    has_locked = asyncio.Event()

    async def gives() -> None:
        async with shop.write() as uow:
            await uow.usage.lock([KEY])
            has_locked.set()
            await let_others_go_on()
            await uow.usage.give(KEY.of_packs, 5)
            await uow.commit()

    async def uses() -> None:
        await has_locked.wait()
        async with shop.write() as uow:
            counters = await uow.usage.lock([KEY, KEY.of_packs])
            quota = UsageQuota(KEY, TOMORROW, limit=9, used=0).counted(counters)
            await uow.usage.save([quota.decide(1)[0]])
            await uow.commit()

    await asyncio.gather(gives(), again(uses))

    assert await used(shop, KEY, KEY.of_packs) == [2, 5]


async def test_a_counter_that_was_never_used_stands_at_zero(shop):
    async with shop.write() as uow:
        assert await uow.usage.lock(KEYS) == dict.fromkeys(KEYS, 0)
        await uow.commit()

    assert await used(shop, *KEYS) == [0] * len(KEYS)


async def test_each_customer_feature_and_window_has_a_counter_of_its_own(shop):
    for units, key in enumerate(KEYS, start=1):
        await use(shop, key, units)

    assert await used(shop, *KEYS) == list(range(1, len(KEYS) + 1))
    async with shop.write() as uow:
        locked = await uow.usage.lock(KEYS[::-1])
    assert [locked[key] for key in KEYS] == list(range(1, len(KEYS) + 1))


async def test_many_counters_are_saved_at_once(shop):
    quotas = [
        UsageQuota(key, TOMORROW, None, used=units) for units, key in enumerate(KEYS, start=1)
    ]
    async with shop.write() as uow:
        await uow.usage.lock(KEYS)
        await uow.usage.save(quotas)
        inside = await uow.usage.used(KEYS)
        await uow.commit()

    assert inside == {quota.key: quota.used for quota in quotas}
    assert await used(shop, *KEYS) == [quota.used for quota in quotas]


async def test_nothing_asked_is_nothing_answered(shop):
    async with shop.write() as uow:
        assert await uow.usage.lock([]) == {}
        assert await uow.usage.used([]) == {}
        assert await uow.usage.receipts([]) == {}
        await uow.usage.save([])
        await uow.usage.add_receipts([])
        assert await uow.subscriptions.standings([]) == {}
        assert await uow.checkouts.of_purchases([]) == []
        await uow.commit()


async def test_groups_locked_in_opposite_orders_never_stand_still(shop):
    async def use_all(keys: list[UsageKey]) -> None:
        async with shop.write() as uow:
            locked = await uow.usage.lock(keys)
            await let_others_go_on()
            await uow.usage.save(
                [UsageQuota(key, TOMORROW, None, used + 1) for key, used in locked.items()]
            )
            await uow.commit()

    orders = [KEYS, KEYS[::-1], KEYS[3:] + KEYS[:3]]
    await asyncio.gather(*(use_all(order) for order in orders * 4))

    assert await used(shop, *KEYS) == [12] * len(KEYS)


async def test_a_receipt_comes_back_whole(shop):
    denial = QuotaDecision(allowed=False, used=3, limit=3, resets_at=TOMORROW)
    unlimited = QuotaDecision(allowed=True, used=9, limit=None, resets_at=TOMORROW)
    receipts = [
        a_receipt(),
        a_receipt("r2", decision=denial),
        a_receipt("r3", decision=unlimited),
        a_receipt("r1", customer_id=BORIS, units=1),
        a_receipt("r6", decision=replace(denial, packs=0)),
        a_receipt("r7", decision=replace(unlimited, packs=50)),
        a_receipt("r4", decision=denial, hold_seconds=3600),
        a_receipt("r5", decision=replace(unlimited, hold=an_open_hold().ticket), hold_seconds=1),
    ]
    await written(shop, lambda uow: uow.usage.add_receipts(receipts))

    by_id = {(receipt.customer_id, receipt.request_id): receipt for receipt in receipts}
    absent = (BORIS, "r2")
    found = await written(shop, lambda uow: uow.usage.receipts([*by_id, absent]))
    assert found == by_id


async def test_a_request_id_is_answered_once(shop):
    await written(shop, lambda uow: uow.usage.add_receipts([a_receipt()]))

    with pytest.raises(SavedMeanwhile):
        await written(shop, lambda uow: uow.usage.add_receipts([a_receipt("r0"), a_receipt()]))

    found = await written(shop, lambda uow: uow.usage.receipts([(ANNA, "r0"), (ANNA, "r1")]))
    assert found == {(ANNA, "r1"): a_receipt()}


async def test_one_request_sent_five_times_at_once_counts_once(shop):
    async def ask() -> None:
        async with shop.write() as uow:
            await let_others_go_on()
            await uow.usage.add_receipts([a_receipt()])
            counters = await uow.usage.lock([KEY])
            await uow.usage.save([UsageQuota(KEY, TOMORROW, None, counters[KEY] + 2)])
            await let_others_go_on()
            await uow.commit()

    answers = await asyncio.gather(*(ask() for _ in range(5)), return_exceptions=True)

    assert sum(answer is None for answer in answers) == 1
    assert sum(isinstance(answer, SavedMeanwhile) for answer in answers) == 4
    assert await used(shop, KEY) == [2]


async def test_expired_receipts_are_forgotten_a_few_at_a_time(shop):
    receipts = [
        a_receipt(f"r{number}", expires_at=NOON + timedelta(hours=number)) for number in range(1, 7)
    ]
    await written(shop, lambda uow: uow.usage.add_receipts(receipts))
    later = NOON + timedelta(hours=4, minutes=30)

    dropped = [
        await written(shop, lambda uow: uow.usage.forget_receipts(later, limit=3)) for _ in range(3)
    ]

    asks = [(receipt.customer_id, receipt.request_id) for receipt in receipts]
    left = await written(shop, lambda uow: uow.usage.receipts(asks))
    assert dropped == [3, 1, 0]
    assert left == dict(zip(asks[4:], receipts[4:], strict=True))


async def test_standings_tell_who_is_on_what_under_which_catalog(shop):
    unknown = CustomerId("cus_nobody01")

    async with shop.read() as view:
        standings = await view.subscriptions.standings([ANNA, unknown, BORIS])
        expected = {
            customer: (
                await view.customers.get(customer),
                await view.subscriptions.get(customer),
                await view.catalogs.current(),
            )
            for customer in (ANNA, BORIS)
        }

    assert {
        customer: (standing.customer, standing.subscription, standing.catalog)
        for customer, standing in standings.items()
    } == expected
