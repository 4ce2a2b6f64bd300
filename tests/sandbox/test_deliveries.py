"""What a double owes its shop: tried so often or so long, and given up where somebody hears of it."""

import json
from datetime import datetime, timedelta

import pytest

from sandbox.deliveries import Deliveries, Notification
from sandbox.faults import Faults
from sandbox.gateway_rules import GatewayRules
from tests.builders import NOON

PAUSES = tuple(timedelta(seconds=2**k) for k in range(1, 13))
TRIES = 1 + len(PAUSES)


class Rules(GatewayRules):
    def __init__(self) -> None:
        super().__init__(pauses=PAUSES)
        self.dead: list[Notification] = []

    def given_up(self, notification: Notification) -> None:
        self.dead.append(notification)


def tries(rules: Rules, *, late: timedelta = timedelta()) -> int:
    """How often it is tried, where each try comes and fails so much later than it is due."""
    tried = 0
    while (due_at := rules.next_event_at()) is not None:
        at = due_at + late
        (one,) = rules.due_notifications(at)
        assert rules.dead == []
        rules.failed(one.id, at=at)
        tried += 1
    return tried


@pytest.mark.parametrize("late", [0.0, 0.2, 10.0, 86400.0])
def test_counted_tries_are_all_made_however_late_they_come(late):
    rules = Rules()
    rules.notify({"event": "paid"}, NOON)

    assert tries(rules, late=timedelta(seconds=late)) == TRIES
    assert [one.body for one in rules.dead] == [{"event": "paid"}]


def test_one_that_was_held_back_is_tried_as_often_as_any():
    rules = Rules()
    rules.faults.plan("reorder", 1)
    rules.notify({"event": "paid"}, NOON)

    assert tries(rules) == TRIES


def test_a_restart_goes_on_counting():
    before, after = Rules(), Rules()
    before.notify({"event": "paid"}, NOON)
    for _ in range(5):
        due_at = before.next_event_at()
        assert due_at is not None
        (one,) = before.due_notifications(due_at)
        before.failed(one.id, at=due_at)

    after.restore(json.loads(json.dumps(before.snapshot(), default=datetime.isoformat)))
    assert tries(after) == TRIES - 5


def test_what_is_taken_is_not_given_up():
    rules = Rules()
    rules.notify({"event": "paid"}, NOON)
    (one,) = rules.due_notifications(NOON)
    rules.delivered(one.id)
    rules.failed(one.id, at=NOON)  # Told twice: it is nobody's any more.

    assert rules.next_event_at() is None
    assert rules.dead == []


def test_within_a_term_the_last_pause_repeats_and_lateness_uses_it_up():
    minute = timedelta(minutes=1)
    queue = Deliveries([minute], keeps_trying=timedelta(minutes=3))
    queue.add({"event": "paid"}, at=NOON, faults=Faults())

    (one,) = queue.due(NOON)
    assert [queue.failed(one.id, at=NOON + n * minute) for n in range(3)] == [None] * 3
    assert queue.failed(one.id, at=NOON + 3 * minute) is one
    assert queue.next_at() is None
