"""A delivery is tried over some three days, and ends in one way or the other."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.domain.delivery import WAITS, Delivery, DeliveryStatus, Reply
from tests.builders import NOON
from tests.money_builders import a_fresh_delivery

NO = Reply(500, "500")
DAY = timedelta(days=1)


def tried(delivery: Delivery, reply: Reply = NO) -> Delivery:
    return delivery.replied(reply, at=delivery.due_at or NOON)


@pytest.mark.parametrize("status", [200, 204, 299])
def test_any_success_ends_it(status: int) -> None:
    after = tried(a_fresh_delivery(due_at=NOON), Reply(status, str(status)))

    assert (after.status, after.due_at, after.ended_at) == (DeliveryStatus.DELIVERED, None, NOON)


@pytest.mark.parametrize("status", [None, 199, 300, 301, 400, 401, 429, 500])
def test_anything_else_is_tried_again(status: int | None) -> None:
    after = tried(a_fresh_delivery(due_at=NOON), Reply(status, "no"))

    assert (after.status, after.attempts, after.answer) == (DeliveryStatus.WAITING, 1, "no")
    assert after.due_at is not None
    assert timedelta(seconds=5) <= after.due_at - NOON <= timedelta(seconds=5.5)


def test_ten_tries_take_some_three_days_and_then_it_has_failed() -> None:
    delivery = a_fresh_delivery(due_at=NOON)
    for number in range(len(WAITS)):
        delivery = tried(delivery)
        assert (delivery.status, delivery.attempts) == (DeliveryStatus.WAITING, number + 1)
    last = delivery.due_at
    assert last is not None
    assert 3 * DAY < last - NOON < 3.5 * DAY

    delivery = tried(delivery)

    assert (delivery.status, delivery.attempts) == (DeliveryStatus.FAILED, 10)
    assert (delivery.due_at, delivery.ended_at) == (None, last)


def test_what_failed_together_is_not_tried_again_together() -> None:
    waits = {
        tried(a_fresh_delivery(id=f"msg_{n:032x}", due_at=NOON)).due_at
        for n in range(0, 0x10000, 0x1000)
    }

    assert len(waits) == 16


def test_who_asks_for_time_is_given_it_within_a_day() -> None:
    asked = tried(a_fresh_delivery(due_at=NOON), replace(NO, wait=timedelta(hours=1)))
    too_long = tried(a_fresh_delivery(due_at=NOON), replace(NO, wait=30 * DAY))

    assert asked.due_at == NOON + timedelta(hours=1)
    assert too_long.due_at == NOON + DAY


def test_who_is_gone_is_not_tried_again() -> None:
    assert tried(a_fresh_delivery(due_at=NOON), Reply(410, "410")).status is DeliveryStatus.FAILED
