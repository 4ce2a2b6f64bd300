"""All or nothing, one at a time, and nobody's save overwrites another's."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from core.domain.checkout import CheckoutId, CheckoutNotFound
from core.domain.customer import (
    CustomerId,
    CustomerNotFound,
    Identity,
    IdentityKind,
    identity,
)
from core.domain.errors import BillingError
from core.domain.ledger import cash, clearing, transfer
from core.domain.payment import PaymentId
from core.domain.purchase import PurchaseId, PurchaseNotFound
from core.domain.usage_quota import UsageKey, UsageQuota
from core.ports.unit_of_work import (
    CatalogMissing,
    HeldElsewhere,
    IdentityTaken,
    SavedMeanwhile,
    Store,
    UnitOfWork,
    unit_is_open,
)
from tests.builders import (
    ANNA,
    BORIS,
    NOON,
    PHOTO_AI,
    YOOKASSA,
    a_case,
    a_claim,
    a_customer,
    a_free_subscription,
    a_job,
    a_pending_purchase,
    a_session,
    an_api_key,
    an_asked_checkout,
    an_event,
    an_inbox_item,
    another_customer,
    rub,
)
from tests.contracts.units import again, let_others_go_on, seen, written

COUNTER = UsageKey(ANNA, PHOTO_AI, NOON)
CAROL = CustomerId("cus_carol001")


class ThePowerWentOut(Exception):
    """Any error that nobody expects."""


async def write_one_of_everything(uow: UnitOfWork) -> None:
    await uow.customers.add(
        a_customer(id=CAROL, identities=(Identity(IdentityKind.EXTERNAL, "c"),))
    )
    await uow.subscriptions.add(a_free_subscription(CAROL))
    await uow.purchases.add(a_pending_purchase())
    await uow.checkouts.add(an_asked_checkout())
    await uow.ledger.post(
        transfer("e1", "charge", rub(5), debit=clearing(YOOKASSA), credit=cash(ANNA), at=NOON)
    )
    await uow.usage.lock([COUNTER])
    await uow.usage.save([UsageQuota(COUNTER, NOON + timedelta(days=1), 3, used=2)])
    await uow.claims.take(a_claim())
    await uow.inbox.take(an_inbox_item())
    await uow.credentials.add_session(a_session())
    await uow.credentials.put_key(an_api_key())
    await uow.jobs.enqueue(a_job())
    await uow.open_case(a_case(closed_at=None, reason=None))
    await uow.record(an_event())


async def everything_written(store: Store) -> list[object]:
    async with store.write() as uow:
        claim = await uow.claims.find(a_claim().cause)
    async with store.read() as view:
        found = [
            claim,
            await view.customers.find(CAROL),
            await view.purchases.find(a_pending_purchase().id),
            await view.checkouts.find(an_asked_checkout().id),
            await view.ledger.find("e1"),
            await view.inbox.find(an_inbox_item().id),
            await view.credentials.find_session(a_session().id),
            (await view.credentials.find_keys({an_api_key().key_hash})).get(an_api_key().key_hash),
            *await view.credentials.list_keys(),
            *await view.open_cases(limit=9),
            *await view.history(an_event().subject),
            await view.jobs.waiting(),
            (await view.usage.used([COUNTER])).get(COUNTER, 0),
            *(await view.ledger.balances(ANNA)).values(),
            *await view.ledger.lines(cash(ANNA), rub(1).currency, limit=9),
        ]
        total = await view.ledger.total(clearing(YOOKASSA), rub(1).currency)
        return [*filter(None, found), *([total] if total.amount_minor else [])]


async def test_without_a_commit_nothing_happened(shop):
    async with shop.write() as uow:
        await write_one_of_everything(uow)

    assert await everything_written(shop) == []


async def test_an_error_forgets_everything(shop):
    with pytest.raises(ThePowerWentOut):
        async with shop.write() as uow:
            await write_one_of_everything(uow)
            raise ThePowerWentOut

    assert await everything_written(shop) == []


async def test_a_commit_keeps_everything(shop):
    await written(shop, write_one_of_everything)

    assert len(await everything_written(shop)) == 16


async def test_what_a_unit_wrote_is_nobody_elses_to_see_before_its_commit(shop):
    async with shop.write() as uow:
        await uow.purchases.add(a_pending_purchase())
        mine = await uow.purchases.find(a_pending_purchase().id)
        theirs = await seen(shop, lambda view: view.purchases.find(a_pending_purchase().id))

    assert (mine, theirs) == (a_pending_purchase(), None)


async def test_a_unit_that_is_canceled_forgets_everything_and_frees_its_locks(shop):
    locked = asyncio.Event()

    async def lock_and_hang() -> None:
        async with shop.write() as uow:
            await uow.customers.lock(ANNA)
            await uow.purchases.add(a_pending_purchase())
            locked.set()
            await asyncio.Event().wait()

    hanging = asyncio.create_task(lock_and_hang())
    await locked.wait()
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging

    async with asyncio.timeout(5):
        await written(shop, lambda uow: uow.customers.lock(ANNA))
    assert await seen(shop, lambda view: view.purchases.find(a_pending_purchase().id)) is None


async def test_a_unit_canceled_while_it_waits_leaves_the_queue_in_order(shop):
    locked, passed = asyncio.Event(), []

    async def hold() -> None:
        async with shop.write() as uow:
            await uow.customers.lock(ANNA)
            locked.set()
            await asyncio.sleep(0.03)
            passed.append("first")

    async def queue(name: str) -> None:
        await locked.wait()
        async with shop.write() as uow:
            await uow.customers.lock(ANNA)
            passed.append(name)

    holding = asyncio.create_task(hold())
    waiting = [asyncio.create_task(queue(name)) for name in ("second", "third")]
    await locked.wait()
    await let_others_go_on()
    waiting[0].cancel()
    await asyncio.gather(holding, *waiting, return_exceptions=True)

    assert passed == ["first", "third"]


async def test_a_task_knows_whether_it_has_a_unit_open(shop):
    before = unit_is_open.get()
    async with shop.write():
        inside = unit_is_open.get()
    with pytest.raises(ThePowerWentOut):
        async with shop.write():
            raise ThePowerWentOut
    after = unit_is_open.get()
    async with shop.read():
        reading = unit_is_open.get()

    assert (before, inside, after, reading) == (False, True, False, False)


async def test_units_under_one_lock_lose_no_update(shop):
    async def add_one() -> None:
        async with shop.write() as uow:
            await uow.customers.lock(ANNA)
            used = (await uow.usage.used([COUNTER])).get(COUNTER, 0)
            await let_others_go_on()
            await uow.usage.lock([COUNTER])
            await uow.usage.save([UsageQuota(COUNTER, NOON, None, used=used + 1)])
            await uow.commit()

    await asyncio.gather(*(add_one() for _ in range(8)))

    assert (await seen(shop, lambda view: view.usage.used([COUNTER])))[COUNTER] == 8


async def test_a_forgotten_lock_is_a_retry_and_not_a_loss(shop):
    await written(shop, lambda uow: uow.purchases.add(a_pending_purchase()))
    await written(shop, lambda uow: uow.checkouts.add(an_asked_checkout()))

    async def look() -> None:
        async with shop.write() as uow:
            checkout = await uow.checkouts.get(an_asked_checkout().id)
            await let_others_go_on()
            await uow.checkouts.save(checkout.looked_at(at=NOON))
            await uow.commit()

    await asyncio.gather(*(again(look) for _ in range(6)))

    checkout = await seen(shop, lambda view: view.checkouts.get(an_asked_checkout().id))
    assert (checkout.looked, checkout.version) == (6, 6)


async def test_a_save_of_what_was_saved_since_it_was_read_is_refused(shop):
    await written(shop, lambda uow: uow.claims.take(a_claim(answer=None)))
    await written(shop, lambda uow: uow.inbox.take(an_inbox_item()))
    await written(shop, lambda uow: uow.purchases.add(a_pending_purchase()))
    await written(shop, lambda uow: uow.checkouts.add(an_asked_checkout()))
    saves = [
        lambda uow: uow.customers.save(a_customer(language="en")),
        lambda uow: uow.subscriptions.save(
            replace(a_free_subscription(), cancel_at_period_end=True)
        ),
        lambda uow: uow.purchases.save(a_pending_purchase().canceled(at=NOON)),
        lambda uow: uow.checkouts.save(an_asked_checkout().lapses()),
        lambda uow: uow.claims.save(a_claim()),
        lambda uow: uow.inbox.save(an_inbox_item(copies=9)),
    ]

    for save in saves:
        await written(shop, save)
        with pytest.raises(SavedMeanwhile):
            await written(shop, save)


async def test_a_second_save_in_the_same_unit_needs_what_the_first_one_left(shop):
    async with shop.write() as uow:
        await uow.customers.save(a_customer(language="en"))
        again_read = await uow.customers.get(ANNA)
        await uow.customers.save(replace(again_read, language="fr"))
        await uow.commit()

    assert await seen(shop, lambda view: view.customers.get(ANNA)) == a_customer(
        language="fr", version=2
    )


async def test_a_customer_is_found_by_every_identity_and_by_our_id(shop):
    refs = [*a_customer().identities, ANNA]

    found = [await seen(shop, lambda view, ref=ref: view.customers.find(ref)) for ref in refs]

    assert found == [a_customer()] * 3


async def test_what_is_absent_raises_the_named_error(shop):
    nobody = Identity(IdentityKind.TELEGRAM, "404")

    async with shop.read() as view:
        for ref in (nobody, CAROL):
            assert await view.customers.find(ref) is None
            with pytest.raises(CustomerNotFound):
                await view.customers.get(ref)
        with pytest.raises(CustomerNotFound):
            await view.overview(CAROL)
        with pytest.raises(PurchaseNotFound):
            await view.purchases.get(PurchaseId("pur_404"))
        with pytest.raises(CheckoutNotFound):
            await view.checkouts.get(CheckoutId("chk_404"))
        assert await view.purchases.find(PurchaseId("pur_404")) is None
        assert await view.checkouts.find(CheckoutId("chk_404")) is None
        assert await view.checkouts.find_by_payment(YOOKASSA, PaymentId("404")) is None
        assert await view.ledger.find("404") is None
        assert await view.inbox.find("404") is None
        assert await view.credentials.find_keys({"404"}) == {}
        assert await view.customers.ids({CustomerId("cus_404"), identity("telegram:404")}) == {}
    async with shop.write() as uow:
        with pytest.raises(CustomerNotFound):
            await uow.customers.lock(CAROL)


async def test_before_the_first_catalog_there_is_none(store):
    async with store.read() as view:
        with pytest.raises(CatalogMissing):
            await view.catalogs.current()


@pytest.mark.parametrize("taken", a_customer().identities)
async def test_an_identity_is_one_customers_for_ever(shop, taken):
    with pytest.raises(IdentityTaken):
        await written(
            shop, lambda uow: uow.customers.add(a_customer(id=CAROL, identities=(taken,)))
        )
    with pytest.raises(IdentityTaken):
        await written(shop, lambda uow: uow.customers.save(another_customer(identities=(taken,))))

    assert await seen(shop, lambda view: view.customers.get(taken)) == a_customer()
    assert await seen(shop, lambda view: view.customers.get(BORIS)) == another_customer()


async def test_of_many_first_contacts_at_once_one_makes_the_customer(shop):
    contact = Identity(IdentityKind.TELEGRAM, "777")

    async def register(number: int) -> str:
        customer = a_customer(id=CustomerId(f"cus_race{number:04d}"), identities=(contact,))
        try:
            async with shop.write() as uow:
                await uow.customers.add(customer)
                await let_others_go_on()
                await uow.subscriptions.add(a_free_subscription(customer.id))
                await uow.commit()
        except IdentityTaken:
            return "taken"
        return customer.id

    answers = await asyncio.gather(*(register(number) for number in range(5)))

    winner = await seen(shop, lambda view: view.customers.get(contact))
    assert sorted(answers) == sorted([winner.id, *["taken"] * 4])


async def test_a_customer_has_one_subscription(shop):
    second = replace(a_free_subscription(), id="sub_second")

    with pytest.raises(SavedMeanwhile):
        await written(shop, lambda uow: uow.subscriptions.add(second))


async def test_locks_taken_in_opposite_order_end_in_a_retry_and_never_in_a_standstill(shop):
    async def visit(first: CustomerId, second: CustomerId) -> None:
        async with shop.write() as uow:
            await uow.customers.lock(first)
            await let_others_go_on()
            await uow.customers.save(await uow.customers.lock(second))
            await uow.commit()

    async with asyncio.timeout(30):
        await asyncio.gather(again(lambda: visit(ANNA, BORIS)), again(lambda: visit(BORIS, ANNA)))

    versions = [
        (await seen(shop, lambda view, who=who: view.customers.get(who))).version
        for who in (ANNA, BORIS)
    ]
    assert versions == [1, 1]


async def test_an_exclusive_right_has_one_holder_at_a_time(shop):
    async with shop.exclusive("pump"), shop.exclusive("something else"):
        with pytest.raises(HeldElsewhere):
            async with shop.exclusive("pump"):
                pass
    async with shop.exclusive("pump"):
        pass


async def test_whatever_the_store_refuses_is_an_error_of_ours(shop):
    await written(shop, lambda uow: uow.purchases.add(a_pending_purchase()))

    with pytest.raises(BillingError):
        await written(shop, lambda uow: uow.purchases.add(a_pending_purchase()))
