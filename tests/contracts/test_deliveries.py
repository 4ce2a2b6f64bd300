"""What a store promises of deliveries, of cases of one kind, and of the events of a moment."""

from datetime import timedelta

import pytest

from core.domain.case import CaseKind
from core.domain.delivery import DeliveryId, DeliveryStatus
from core.ports.unit_of_work import SavedMeanwhile, Store
from tests.builders import NOON, a_case, an_event
from tests.contracts.units import seen, written
from tests.money_builders import a_delivery, a_fresh_delivery

MINUTE = timedelta(minutes=1)
WAITING, DELIVERED, FAILED = DeliveryStatus


def numbered(number: int, **fields: object):
    id_ = DeliveryId(f"msg_{number:032x}")
    return a_delivery(id=id_, created_at=NOON + number // 2 * MINUTE, **fields)


async def given(store: Store, *deliveries) -> None:
    for one in deliveries:
        await written(store, lambda uow, one=one: uow.deliveries.add(one))


async def page(store: Store, status=None, **place) -> list[int]:
    found = await seen(store, lambda view: view.deliveries.page(status, **place))
    return [int(one.id.removeprefix("msg_"), 16) for one in found]


async def test_what_is_not_there_is_not_found(store: Store) -> None:
    assert await seen(store, lambda view: view.deliveries.find(numbered(1).id)) is None


async def test_the_same_is_not_kept_twice(store: Store) -> None:
    await given(store, numbered(1))

    with pytest.raises(SavedMeanwhile):
        await given(store, numbered(1))


async def test_whoever_saves_something_older_is_told_so(store: Store) -> None:
    await given(store, numbered(1))
    await written(store, lambda uow: uow.deliveries.save(numbered(1, answer="503")))

    with pytest.raises(SavedMeanwhile):
        await written(store, lambda uow: uow.deliveries.save(numbered(1, answer="504")))


async def test_they_come_in_pages_the_newest_first(store: Store) -> None:
    await given(store, *(numbered(n, status=FAILED if n % 3 else DELIVERED) for n in range(1, 7)))

    assert await page(store, limit=4) == [6, 5, 4, 3]
    assert await page(store, limit=4, after=numbered(3).id) == [2, 1]
    assert await page(store, FAILED, limit=2, after=numbered(6).id) == [5, 4]
    assert await page(store, DELIVERED, limit=9) == [6, 3]
    assert await page(store, WAITING, limit=9) == []
    assert await page(store, limit=9, after=numbered(99).id) == []


async def test_whether_any_was_delivered_since(store: Store) -> None:
    await given(
        store,
        numbered(1, status=DELIVERED, ended_at=NOON),
        numbered(2, ended_at=NOON + MINUTE),
    )

    assert await seen(store, lambda view: view.deliveries.delivered_since(NOON))
    later = NOON + timedelta(microseconds=1)
    assert not await seen(store, lambda view: view.deliveries.delivered_since(later))


async def test_what_is_due_is_leased_to_whoever_takes_it(store: Store) -> None:
    due = [a_fresh_delivery(id=numbered(n).id, due_at=NOON + n * MINUTE) for n in (3, 1, 2)]
    await given(store, *due, numbered(4))
    lease = {"until": NOON + 9 * MINUTE, "limit": 9}

    at = NOON + 2 * MINUTE
    taken = await written(store, lambda uow: uow.deliveries.take_due(at, **lease))
    again = await written(store, lambda uow: uow.deliveries.take_due(at, **lease))

    assert taken == [numbered(1).id, numbered(2).id]
    assert again == []
    await written(store, lambda uow: uow.deliveries.save(due[1]))  # A lease makes no new version.


async def test_only_what_ended_is_forgotten_and_so_many_at_once(store: Store) -> None:
    ended = [numbered(n, ended_at=NOON + n * MINUTE) for n in (1, 2, 3)]
    await given(store, *ended, a_fresh_delivery(id=numbered(4).id))
    before = NOON + 3 * MINUTE

    assert await written(store, lambda uow: uow.deliveries.forget(before, limit=1)) == 1
    assert sorted(await page(store, limit=9)) == [2, 3, 4]
    assert await written(store, lambda uow: uow.deliveries.forget(before, limit=9)) == 1
    assert sorted(await page(store, limit=9)) == [3, 4]


async def test_open_cases_of_one_kind(store: Store) -> None:
    for number, kind in enumerate((CaseKind.MISMATCH, CaseKind.WEBHOOKS, CaseKind.WEBHOOKS)):
        cause = f"cause {number}"
        case = a_case(id=cause, cause=cause, kind=kind, closed_at=None, reason=None)
        await written(store, lambda uow, case=case: uow.open_case(case))

    found = await seen(store, lambda view: view.open_cases(limit=9, kind=CaseKind.WEBHOOKS))
    assert [one.cause for one in found] == ["cause 1", "cause 2"]


async def test_the_events_of_a_moment(store: Store) -> None:
    events = [
        an_event(at=NOON, name="one"),
        an_event(at=NOON, name="two"),
        an_event(at=NOON + MINUTE),
    ]
    for event in events:
        await written(store, lambda uow, event=event: uow.record(event))

    found = await seen(store, lambda view: view.history(events[0].subject, at=NOON))
    assert found == events[:2]
