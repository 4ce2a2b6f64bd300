"""What a store promises of broadcasts: kept whole, for the same people everywhere, each of them once."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.domain.broadcast import (
    Audience,
    Broadcast,
    BroadcastId,
    BroadcastNotFound,
    BroadcastStatus,
    Draft,
    Recipient,
    RecipientStatus,
    Segment,
)
from core.domain.customer import CustomerId, Identity, IdentityKind
from core.domain.plan import PlanCode
from core.domain.renewal import Renewal
from core.domain.subscription import SubscriptionStatus
from core.ports.unit_of_work import SavedMeanwhile, Store
from tests.builders import (
    ANNA,
    BORIS,
    NOON,
    a_catalog,
    a_customer,
    a_free_subscription,
    a_pending_purchase,
    a_purchase,
    a_reminder,
    a_subscription,
    rub,
)
from tests.contracts.units import seen, written

DAY = timedelta(days=1)
LATER = NOON + 40 * DAY
PRO, FREE = PlanCode("PRO_MONTHLY"), PlanCode("FREE")
EVERYBODY = Segment()
SEGMENTS = {
    "everybody": EVERYBODY,
    "on pro": Segment(plans=(PRO,)),
    "on free": Segment(plans=(FREE,)),
    "on either": Segment(plans=(FREE, PRO)),
    "paid": Segment(has_paid=True),
    "never paid": Segment(has_paid=False),
    "trying": Segment(is_trialing=True),
    "over since a week": Segment(expired_days=7),
    "over since a month": Segment(expired_days=30),
    "russian": Segment(language="ru"),
    "older": Segment(registered_before=NOON),
    "newer": Segment(registered_from=NOON),
    "russian, never paid, on free": Segment(plans=(FREE,), has_paid=False, language="ru"),
}


def a_broadcast(**fields: Any) -> Broadcast:
    segment = Segment((PRO,), True, True, 7, "ru", NOON - DAY, NOON)
    broadcast = Broadcast(
        BroadcastId("brd_00000001"),
        Draft({"ru": "Скидка", "en": "An offer"}, segment, url="https://example.com/offer"),
        NOON,
        "olga",
        BroadcastStatus.RUNNING,
        started_at=NOON,
        expected=9,
        cursor=CustomerId("cus_00000003"),
        taken=5,
        sent=2,
        unreachable=1,
        failed=1,
        next_at=NOON + DAY,
    )
    return replace(broadcast, **fields)


async def crowd(store: Store) -> None:
    """People of every kind, by number."""
    pro = a_subscription()
    assert pro.period is not None
    ends = {"cancel_at_period_end": False}
    ended = replace(pro.period, start=NOON - DAY, end=NOON + 38 * DAY)
    runs = replace(ended, end=NOON + 99 * DAY)
    free = replace(runs, paid=rub(0), of_bonus=rub(0))
    trial = {"trialed_at": free.start}
    grace = Renewal("wallet", None, NOON + 44 * DAY)
    kinds: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({}, {}),
        ({"language": "en"}, {}),
        ({"created_at": NOON - DAY}, {}),
        ({}, {"period": runs, **ends}),
        ({}, {"period": ended, "renewal": None, **ends}),
        ({}, {"period": ended, "renewal": grace, "status": SubscriptionStatus.ACTIVE, **ends}),
        ({}, {"period": ended, "renewal": grace, "cancel_at_period_end": True}),
        ({}, {"period": free, "status": SubscriptionStatus.TRIALING, **trial, **ends}),
        ({"unreachable_since": NOON}, {}),
        ({"blocked_at": NOON}, {}),
        ({"leaving_since": NOON}, {}),
        ({"fewer_reminders": True, "language": "en"}, {}),
        ({"no_broadcasts": True}, {}),
        ({"identities": (Identity(IdentityKind.EXTERNAL, "web"),)}, {}),
        ({"created_at": LATER + DAY}, {}),
        ({}, {"period": free, "trialed_at": None, **ends}),
    ]
    plain = {"unreachable_since": None, "blocked_at": None}
    plain |= {"fewer_reminders": False, "no_broadcasts": False}
    for n, (of_customer, of_subscription) in enumerate(kinds):
        id_ = CustomerId(f"cus_0000{n:04}")
        known = {"identities": (Identity(IdentityKind.TELEGRAM, f"{5000 + n}"),)}
        customer = a_customer(**{"id": id_, **plain, **known, **of_customer})
        subscription = a_free_subscription(id_)
        if of_subscription:
            own = {"id": subscription.id, "customer_id": id_}
            subscription = a_subscription(**{**own, **of_subscription})
        async with store.write() as uow:
            await uow.customers.add(customer)
            await uow.subscriptions.add(subscription)
            end = LATER - (3 if n % 2 else 20) * DAY
            if n in {2, 4, 6}:
                await uow.reminders.add(a_reminder(customer_id=id_, ends_at=end))
            if n in {0, 4}:
                paid = a_purchase(id=f"pur_{n:08}", customer_id=id_)
                await uow.purchases.add(paid)
            if n == 1:
                await uow.purchases.add(a_pending_purchase(id="pur_00000077", customer_id=id_))
            await uow.commit()


def numbers(ids) -> list[int]:
    return sorted(int(one[4:]) for one in ids)


async def walked(store: Store, audience: Audience, limit: int) -> list[int]:
    found: list[CustomerId] = []
    cursor, is_end = None, False
    while not is_end:
        walk = await written(store, lambda uow: uow.broadcasts.walk(audience, cursor, limit=limit))  # noqa: B023
        cursor, is_end = walk.cursor, walk.is_end
        found += walk.ids
    assert found == sorted(set(found)), "in order, each once"
    return numbers(found)


async def test_it_comes_back_whole_and_is_saved_once(shop: Store) -> None:
    bare = Broadcast(BroadcastId("brd_00000002"), Draft({"en": "Hi"}), NOON - DAY, "olga")
    for one in (a_broadcast(), bare):
        await written(shop, lambda uow, one=one: uow.broadcasts.add(one))
        assert await seen(shop, lambda view, one=one: view.broadcasts.get(one.id)) == one
    done = a_broadcast(status=BroadcastStatus.DONE, ended_at=NOON, is_walked=True)
    await written(shop, lambda uow: uow.broadcasts.save(done))

    page = await seen(shop, lambda view: view.broadcasts.page(limit=9))
    assert page == [replace(done, version=1), bare]
    after = await seen(shop, lambda view: view.broadcasts.page(limit=9, after=done.id))
    assert after == [bare]
    with pytest.raises(SavedMeanwhile):
        await written(shop, lambda uow: uow.broadcasts.save(done))
    with pytest.raises(BroadcastNotFound):
        await written(shop, lambda uow: uow.broadcasts.lock(BroadcastId("brd_9")))


async def test_what_runs_is_found_when_it_is_due_and_leased(shop: Store) -> None:
    others = [
        a_broadcast(id=f"brd_{n}", status=status, ended_at=end)
        for n, (status, end) in enumerate(
            [(BroadcastStatus.PAUSED, None), (BroadcastStatus.STOPPED, NOON)]
        )
    ]
    for one in (a_broadcast(), *others):
        await written(shop, lambda uow, one=one: uow.broadcasts.add(one))

    async def take(now: datetime) -> list[BroadcastId]:
        until = now + DAY
        return await written(shop, lambda uow: uow.broadcasts.take_due(now, until=until, limit=9))

    assert await seen(shop, lambda view: view.broadcasts.running()) == 1
    assert [await take(NOON), await take(NOON + DAY), await take(NOON + DAY)] == [
        [],
        [a_broadcast().id],
        [],
    ]


async def test_an_audience_is_the_same_counted_walked_and_asked(store: Store) -> None:
    await written(store, lambda uow: uow.catalogs.apply(a_catalog()))
    await crowd(store)
    found = {}
    for name, segment in SEGMENTS.items():
        audience = Audience(segment, FREE, LATER, LATER)
        found[name] = await walked(store, audience, 9)
        assert await walked(store, audience, 2) == found[name]
        everybody = [CustomerId(f"cus_0000{n:04}") for n in range(16)]
        among = await written(store, lambda uow: uow.broadcasts.among(audience, everybody))  # noqa: B023
        assert numbers(among) == found[name]
        counts = await seen(store, lambda view: view.broadcasts.count(audience))  # noqa: B023
        assert sum(n for (_, takes), n in counts.items() if takes) == len(found[name])
        if segment is EVERYBODY:
            assert counts[("en", False)] == counts[("ru", False)] == 1

    assert found == {
        "everybody": [0, 1, 2, 3, 4, 5, 6, 7, 15],
        "on pro": [3, 5, 7, 15],
        "on free": [0, 1, 2, 4, 6],
        "on either": [0, 1, 2, 3, 4, 5, 6, 7, 15],
        "paid": [0, 4],
        "never paid": [1, 2, 3, 5, 6, 7, 15],
        "trying": [7],
        "over since a week": [],
        "over since a month": [2, 4, 6],
        "russian": [0, 2, 3, 4, 5, 6, 7, 15],
        "older": [2],
        "newer": [0, 1, 3, 4, 5, 6, 7, 15],
        "russian, never paid, on free": [2, 6],
    }


async def test_nobody_is_a_recipient_twice_and_who_waits_comes_in_order(shop: Store) -> None:
    own = a_broadcast().id
    await written(shop, lambda uow: uow.broadcasts.add(a_broadcast()))
    waiting, taken = RecipientStatus.WAITING, RecipientStatus.TAKEN
    both = [Recipient(own, BORIS, waiting, NOON, NOON), Recipient(own, ANNA, taken, NOON)]
    await written(shop, lambda uow: uow.broadcasts.add_recipients(both))
    with pytest.raises(SavedMeanwhile):
        await written(shop, lambda uow: uow.broadcasts.add_recipients(both[:1]))

    later = replace(both[1], status=waiting, due_at=NOON - DAY)
    await written(shop, lambda uow: uow.broadcasts.save_recipients([later]))

    async def due(now: datetime) -> list[CustomerId]:
        return await written(shop, lambda uow: uow.broadcasts.waiting(own, now, limit=9))

    assert [await due(NOON - 2 * DAY), await due(NOON - DAY), await due(NOON)] == [
        [],
        [ANNA],
        [ANNA, BORIS],
    ]
    assert await written(shop, lambda uow: uow.broadcasts.next_waiting(own)) == NOON - DAY
    listed = await seen(shop, lambda view: view.broadcasts.recipients(own, status=waiting, limit=9))
    assert listed == sorted([later, both[0]], key=lambda one: one.customer_id)
    forget = [
        await written(shop, lambda uow, at=at: uow.broadcasts.forget_recipients(at, limit=1))
        for at in (NOON, *[NOON + DAY] * 3)
    ]
    assert forget == [0, 1, 1, 0]
