"""Purchases, checkouts and the sweeps: one open purchase, payments never collide, due work."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.domain.checkout import CheckoutId
from core.domain.customer import CustomerId
from core.domain.item import Deposit, PlanItem
from core.domain.money import Money
from core.domain.payment import OpenedCheckout, PaymentId
from core.domain.plan import GatewayName
from core.domain.purchase import Purchase, PurchaseId
from core.ports.unit_of_work import SavedMeanwhile, Store
from tests.builders import (
    ANNA,
    BORIS,
    NOON,
    a_catalog,
    a_checkout,
    a_customer,
    a_free_subscription,
    a_pending_purchase,
    a_plan_version,
    a_purchase,
    a_reminder,
    a_subscription,
    an_asked_checkout,
    rub,
)
from tests.contracts.units import again, let_others_go_on, seen, written

MINUTE = timedelta(minutes=1)
LEASE = timedelta(minutes=4, seconds=30)


async def add_purchases(store: Store, *purchases: Purchase) -> None:
    async with store.write() as uow:
        for purchase in purchases:
            await uow.purchases.add(purchase)
        await uow.commit()


async def find_pending(store: Store, **otherwise: Any) -> Purchase | None:
    asked = {
        "customer_id": ANNA,
        "item": PlanItem(a_plan_version()),
        "amount": rub(299),
    } | otherwise
    return await seen(store, lambda view: view.purchases.find_pending(**asked))


async def test_several_purchases_are_found_at_once(shop):
    one = a_pending_purchase()
    other = a_pending_purchase(id=PurchaseId("pur_2"), amount=rub(300))
    await add_purchases(shop, one, other)

    ids = [other.id, one.id, PurchaseId("pur_unknown"), one.id]
    found = await seen(shop, lambda view: view.purchases.several(ids))

    assert sorted(found, key=lambda purchase: purchase.id) == [one, other]
    assert await seen(shop, lambda view: view.purchases.several([])) == []


async def test_of_the_same_thing_at_the_same_price_one_purchase_is_open(shop):
    await add_purchases(shop, a_pending_purchase())

    with pytest.raises(SavedMeanwhile):
        await add_purchases(shop, a_pending_purchase(id=PurchaseId("pur_2")))

    assert await find_pending(shop) == a_pending_purchase()


async def test_another_customer_price_or_plan_is_another_purchase(shop):
    yearly = a_catalog().plan("PRO_YEARLY")
    others = {
        "customer": a_pending_purchase(id=PurchaseId("pur_2"), customer_id=BORIS),
        "price": a_pending_purchase(id=PurchaseId("pur_3"), amount=rub(300)),
        "currency": a_pending_purchase(id=PurchaseId("pur_4"), amount=Money.of(29900, "PHP")),
        "plan": a_pending_purchase(id=PurchaseId("pur_5"), item=PlanItem(yearly)),
    }
    await add_purchases(shop, a_pending_purchase(), *others.values())

    assert await find_pending(shop) == a_pending_purchase()
    assert await find_pending(shop, customer_id=BORIS) == others["customer"]
    assert await find_pending(shop, amount=rub(300)) == others["price"]
    assert await find_pending(shop, amount=Money.of(29900, "PHP")) == others["currency"]
    assert await find_pending(shop, item=PlanItem(yearly)) == others["plan"]
    assert await find_pending(shop, item=Deposit()) is None


async def test_an_ended_purchase_leaves_room_for_a_new_one(shop):
    second = a_pending_purchase(id=PurchaseId("pur_2"))
    await add_purchases(shop, a_pending_purchase(), a_purchase(id=PurchaseId("pur_old")))

    async with shop.write() as uow:
        await uow.purchases.save(a_pending_purchase().canceled(at=NOON))
        await uow.purchases.add(second)
        await uow.commit()

    assert await find_pending(shop) == second


async def test_of_two_who_start_the_same_purchase_at_once_one_is_told_to_repeat(shop):
    async def start(number: int) -> PurchaseId:
        async with shop.write() as uow:
            open_one = await uow.purchases.find_pending(ANNA, PlanItem(a_plan_version()), rub(299))
            if open_one is not None:
                return open_one.id
            await let_others_go_on()
            purchase = a_pending_purchase(id=PurchaseId(f"pur_{number}"))
            await uow.purchases.add(purchase)
            await let_others_go_on()
            await uow.commit()
        return purchase.id

    ids = await asyncio.gather(*(again(lambda n=n: start(n)) for n in range(4)))

    open_one = await find_pending(shop)
    assert open_one is not None
    assert set(ids) == {open_one.id}


async def test_purchases_are_listed_in_pages_the_newest_first(shop):
    when = [NOON, NOON + MINUTE, NOON + MINUTE, NOON - MINUTE]
    purchases = [
        a_purchase(id=PurchaseId(f"pur_{number}"), created_at=at) for number, at in enumerate(when)
    ]
    await add_purchases(shop, *purchases, a_purchase(id=PurchaseId("pur_9"), customer_id=BORIS))

    async def page(after: str | None, limit: int = 2) -> list[str]:
        found = await seen(shop, lambda view: view.purchases.page(ANNA, limit=limit, after=after))
        return [purchase.id for purchase in found]

    assert await page(None, limit=9) == ["pur_2", "pur_1", "pur_0", "pur_3"]
    assert await page(None) == ["pur_2", "pur_1"]
    assert await page("pur_1") == ["pur_0", "pur_3"]
    assert await page("pur_3") == []


async def test_a_payment_belongs_to_one_checkout_of_its_gateway(shop):
    await add_purchases(shop, a_pending_purchase())
    first = a_checkout()
    elsewhere = a_checkout(id=CheckoutId("chk_2"), gateway=GatewayName("cryptopay"))
    await written(shop, lambda uow: uow.checkouts.add(first))
    await written(shop, lambda uow: uow.checkouts.add(elsewhere))
    third = an_asked_checkout(id=CheckoutId("chk_3"))
    await written(shop, lambda uow: uow.checkouts.add(third))

    with pytest.raises(SavedMeanwhile):
        await written(shop, lambda uow: uow.checkouts.add(a_checkout(id=CheckoutId("chk_4"))))
    with pytest.raises(SavedMeanwhile):
        await written(
            shop, lambda uow: uow.checkouts.save(third.becomes_open(first.opened, at=NOON))
        )

    async with shop.read() as view:
        payment = first.payment_id
        assert await view.checkouts.find_by_payment(first.gateway, payment) == first
        assert await view.checkouts.find_by_payment(elsewhere.gateway, payment) == elsewhere
        assert await view.checkouts.find_by_payment(first.gateway, PaymentId("x")) is None
        assert await view.checkouts.get(third.id) == third


async def test_a_payment_is_found_as_soon_as_its_checkout_is_open(shop):
    await add_purchases(shop, a_pending_purchase())
    await written(shop, lambda uow: uow.checkouts.add(an_asked_checkout()))
    opened = an_asked_checkout().becomes_open(
        OpenedCheckout(PaymentId("new"), "https://pay.example/new", None), at=NOON
    )

    async with shop.write() as uow:
        await uow.checkouts.save(opened)
        inside = await uow.checkouts.find_by_payment(opened.gateway, PaymentId("new"))
        await uow.commit()

    outside = await seen(
        shop, lambda view: view.checkouts.find_by_payment(opened.gateway, PaymentId("new"))
    )
    assert inside == outside == replace(opened, version=1)


async def test_the_checkouts_of_purchases_come_in_the_order_they_were_asked(shop):
    first, second, third = (a_purchase(id=PurchaseId(f"pur_{number}")) for number in range(1, 4))
    await add_purchases(shop, first, second, third)
    for id_, purchase, at in [
        ("chk_d", first, NOON + MINUTE),
        ("chk_c", second, NOON),
        ("chk_b", first, NOON),
        ("chk_a", third, NOON),
    ]:
        checkout = an_asked_checkout(id=CheckoutId(id_), purchase_id=purchase.id, asked_at=at)
        await written(shop, lambda uow, checkout=checkout: uow.checkouts.add(checkout))

    found = await seen(
        shop, lambda view: view.checkouts.of_purchases([first.id, second.id, "pur_404"])
    )
    assert [checkout.id for checkout in found] == ["chk_b", "chk_c", "chk_d"]


class Due:
    """Ten of one kind, due a minute apart from NOON on; `take` is the sweep's first step."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    async def fill(self, store: Store) -> None:
        async with store.write() as uow:
            for number in range(10):
                await self.add(uow, number, NOON + number * MINUTE)
            await uow.commit()

    async def add(self, uow: Any, number: int, due: datetime) -> None:
        purchase = a_pending_purchase(
            id=PurchaseId(f"pur_{number}"), amount=rub(number + 1), expires_at=due
        )
        match self.kind:
            case "purchases":
                await uow.purchases.add(replace(purchase, created_at=due - timedelta(days=1)))
            case "checkouts":
                await uow.purchases.add(a_purchase(id=purchase.id))
                await uow.checkouts.add(
                    an_asked_checkout(
                        id=CheckoutId(f"chk_{number}"), purchase_id=purchase.id, due_at=due
                    )
                )
            case _:
                customer = CustomerId(f"cus_due{number:05d}")
                await uow.customers.add(a_customer(id=customer, identities=()))
                await uow.reminders.add(a_reminder(customer_id=customer, next_at=due))
                period = replace(a_subscription().period, end=due)
                await uow.subscriptions.add(replace(a_free_subscription(customer), period=period))

    async def take(self, store: Store, at: datetime, limit: int = 100) -> list[int]:
        async with store.write() as uow:
            repository = getattr(uow, self.kind)
            ids = await repository.take_due(at, until=at + LEASE, limit=limit)
            await let_others_go_on()
            await uow.commit()
        return [int(id_[-1]) for id_ in ids]


@pytest.fixture(params=["subscriptions", "reminders", "purchases", "checkouts"])
async def due(request: pytest.FixtureRequest, shop: Store) -> Due:
    kind = Due(request.param)
    await kind.fill(shop)
    return kind


async def test_due_work_is_leased_the_oldest_first_and_a_few_at_a_time(shop, due):
    at = NOON + 5 * MINUTE

    assert await due.take(shop, NOON - timedelta(microseconds=1)) == []
    assert await due.take(shop, at, limit=4) == [0, 1, 2, 3]
    assert await due.take(shop, at, limit=4) == [4, 5]
    assert await due.take(shop, at, limit=4) == []


async def test_a_lease_ends_and_the_work_is_due_again(shop, due):
    await due.take(shop, NOON, limit=1)

    assert await due.take(shop, NOON + LEASE - timedelta(microseconds=1)) == [1, 2, 3, 4]
    assert await due.take(shop, NOON + LEASE) == [0]


async def test_a_lease_is_forgotten_with_its_unit(shop, due):
    async with shop.write() as uow:
        await getattr(uow, due.kind).take_due(NOON, until=NOON + MINUTE, limit=9)

    assert await due.take(shop, NOON) == [0]


async def test_due_work_is_never_handed_to_two(shop, due):
    at = NOON + timedelta(hours=1)

    taken = await asyncio.gather(*(again(lambda: due.take(shop, at, limit=3)) for _ in range(5)))

    numbers = [number for some in taken for number in some]
    assert len(numbers) == len(set(numbers))
    assert all(len(some) <= 3 for some in taken)
    rest = await due.take(shop, at)
    assert sorted(numbers + rest) == list(range(10))


async def test_a_lease_makes_no_new_version(shop):
    await add_purchases(shop, a_pending_purchase(expires_at=NOON))
    await written(shop, lambda uow: uow.checkouts.add(an_asked_checkout(due_at=NOON)))
    until = NOON + MINUTE

    await written(shop, lambda uow: uow.purchases.take_due(NOON, until=until, limit=9))
    await written(shop, lambda uow: uow.checkouts.take_due(NOON, until=until, limit=9))

    async with shop.read() as view:
        purchase = await view.purchases.get(a_pending_purchase().id)
        checkout = await view.checkouts.get(an_asked_checkout().id)
    assert purchase == a_pending_purchase(expires_at=NOON)
    assert checkout == an_asked_checkout(due_at=until)


async def test_a_save_says_anew_when_it_is_due(shop, due):
    at = NOON + timedelta(hours=1)
    await due.take(shop, at)

    async with shop.write() as uow:
        match due.kind:
            case "purchases":
                still, ended = [await uow.purchases.get(f"pur_{number}") for number in (0, 1)]
                await uow.purchases.save(still)
                await uow.purchases.save(ended.canceled(at=at))
            case "checkouts":
                still, ended = [await uow.checkouts.get(f"chk_{number}") for number in (0, 1)]
                await uow.checkouts.save(replace(still, due_at=at))
                await uow.checkouts.save(replace(ended, due_at=None))
            case "reminders":
                still, ended = [
                    await uow.reminders.find(f"cus_due{number:05d}") for number in (0, 1)
                ]
                await uow.reminders.save(still)
                await uow.reminders.save(replace(ended, next_at=None))
            case _:
                still, ended = [
                    await uow.subscriptions.get(f"cus_due{number:05d}") for number in (0, 1)
                ]
                await uow.subscriptions.save(still)
                await uow.subscriptions.save(replace(ended, period=None))
        await uow.commit()

    assert await due.take(shop, at) == [0]


async def test_what_waits_for_money_is_found_the_oldest_first(shop):
    later, sooner = (
        a_pending_purchase(
            id=PurchaseId(f"pur_{no}"),
            amount=rub(no),
            from_wallet=True,
            created_at=NOON + no * MINUTE,
            expires_at=NOON + timedelta(days=1),
        )
        for no in (2, 1)
    )
    elsewhere = a_pending_purchase(id=PurchaseId("pur_3"), amount=rub(3))
    others = replace(sooner, id=PurchaseId("pur_4"), customer_id=BORIS)
    paid = a_purchase(id=PurchaseId("pur_5"), amount=rub(500))
    await add_purchases(shop, later, sooner, elsewhere, others, paid)

    found = await seen(shop, lambda view: view.purchases.waiting(ANNA))

    assert found == [sooner, later]
