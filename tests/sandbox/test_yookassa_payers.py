"""What payers, dashboards, time and planned faults do to payments, and how the shop is told."""

import json
from copy import deepcopy
from datetime import datetime

import pytest

from sandbox.faults import NoSuchFault
from sandbox.yookassa.machine import MoveNotAllowed, NoSuchPayment
from sandbox.yookassa.rules import YooKassaRules
from tests.sandbox.shop_floor import ShopFloor, a_shop, an_order


@pytest.fixture
def floor() -> ShopFloor:
    return ShopFloor()


def events(notices):
    return [(notice["event"], notice["object"]["id"]) for notice in notices]


def test_paying_again_repeats_the_webhook_and_never_the_charge(floor):
    paid = floor.paid()
    first = floor.sent()
    floor.wait(minutes=1)
    again = floor.rules.pay(paid["id"], at=floor.at)

    assert again == paid
    assert floor.sent() == first


def test_a_canceled_payment_cannot_be_paid(floor):
    declined, expired, late = floor.opened(), floor.opened(), floor.opened()
    floor.rules.decline(declined["id"], at=floor.at)
    floor.rules.expire(expired["id"], at=floor.at)
    floor.wait(hours=1)

    for payment in (declined, expired, late):
        with pytest.raises(MoveNotAllowed):
            floor.rules.pay(payment["id"], at=floor.at)


def test_a_paid_payment_can_neither_be_declined_nor_expire(floor):
    paid = floor.paid()
    floor.wait(days=30)

    with pytest.raises(MoveNotAllowed):
        floor.rules.decline(paid["id"], at=floor.at)
    with pytest.raises(MoveNotAllowed):
        floor.rules.expire(paid["id"], at=floor.at)
    assert floor.get(f"/payments/{paid['id']}").body == paid


def test_an_unknown_payment_cannot_be_paid(floor):
    with pytest.raises(NoSuchPayment):
        floor.rules.pay("nothing", at=floor.at)


def test_a_payment_can_be_paid_for_one_hour(floor):
    payment = floor.opened()
    floor.wait(hours=1, microseconds=-1)

    assert floor.rules.pay(payment["id"], at=floor.at)["status"] == "succeeded"


def test_a_decline_tells_its_reason(floor):
    payment = floor.opened()
    declined = floor.rules.decline(payment["id"], at=floor.at, reason="card_expired")

    assert declined["cancellation_details"] == {
        "party": "payment_network",
        "reason": "card_expired",
    }


def test_the_dashboard_makes_payments_without_metadata_and_refunds(floor):
    payment = floor.rules.pay_at_dashboard("100500", "500.00", at=floor.at)
    refund = floor.rules.refund_at_dashboard(payment["id"], at=floor.at)

    assert "metadata" not in payment
    assert refund["amount"] == {"value": "500.00", "currency": "RUB"}
    assert events(floor.sent()) == [
        ("payment.succeeded", payment["id"]),
        ("refund.succeeded", refund["id"]),
    ]


def test_another_shop_has_payments_of_its_own(floor):
    floor.rules.shops["2"] = a_shop(shop_id="2", test=True)
    floor.rules.pay_at_dashboard("2", "500.00", at=floor.at)

    (notice,) = floor.sent()
    assert notice["object"]["recipient"]["account_id"] == "2"
    assert notice["object"]["test"] is True


def test_a_refused_notification_comes_again_for_a_day(floor):
    floor.paid()
    started, tries = floor.at, []
    while (moment := floor.rules.next_event_at()) is not None:
        floor.at = moment
        (notification,) = floor.rules.due_notifications(floor.at)
        floor.rules.failed(notification.id, at=floor.at)
        tries.append(int((floor.at - started).total_seconds()) // 60)

    assert tries[:8] == [0, 1, 3, 8, 18, 48, 108, 168]
    assert 23 * 60 < tries[-1] <= 24 * 60


def test_a_notification_is_the_payment_as_it_was(floor):
    payment = floor.paid()
    floor.refund(payment["id"], "1.00")

    assert floor.sent()[0]["object"]["refunded_amount"]["value"] == "0.00"


def test_duplicate_sends_twice(floor):
    floor.rules.faults.plan("duplicate", 1)
    one, two = floor.paid()["id"], floor.paid()["id"]

    told = [("payment.succeeded", payment_id) for payment_id in (one, one, two)]
    assert events(floor.sent()) == told


def test_drop_never_sends(floor):
    floor.rules.faults.plan("drop", 1)
    floor.paid()
    told = floor.paid()["id"]
    floor.wait(days=1)

    assert events(floor.sent()) == [("payment.succeeded", told)]


def test_reorder_lets_the_next_one_overtake(floor):
    floor.rules.faults.plan("reorder", 1)
    one, two = floor.paid()["id"], floor.paid()["id"]

    assert events(floor.sent()) == [("payment.succeeded", two)]
    floor.wait(seconds=1)
    assert events(floor.sent()) == [("payment.succeeded", one)]


def test_reorder_with_nothing_after_it_only_delays(floor):
    floor.rules.faults.plan("reorder", 1)
    floor.paid()

    assert floor.sent() == []
    floor.wait(seconds=5)
    assert len(floor.sent()) == 1


def test_down_answers_5xx_and_does_nothing(floor):
    floor.rules.faults.plan("down", 2)
    answers = [floor.post("/payments", an_order(), key="one") for _ in range(3)]

    assert [answer.status for answer in answers] == [503, 500, 200]
    assert len(list(floor.rules.payments())) == 1


def test_timeout_after_acting_loses_the_answer_and_the_key_finds_it(floor):
    floor.rules.faults.plan("timeout_after_acting", 1)
    read = floor.get("/payments")
    lost = floor.post("/payments", an_order(), key="one")
    again = floor.post("/payments", an_order(), key="one")

    assert (read.lost, lost.lost, again.lost) == (False, True, False)
    assert again.body == lost.body
    assert [call.status for call in floor.rules.calls] == [200, None, 200]
    assert len(list(floor.rules.payments())) == 1


def test_slow_is_a_hint_and_the_call_still_acts(floor):
    floor.rules.faults.plan("slow", 1)

    assert floor.post("/payments", an_order()).slow
    assert not floor.get("/payments").slow


@pytest.mark.parametrize(("asked", "paid"), [("990.00", "989.99"), ("1.00", "0.99")])
def test_amount_pays_one_minor_unit_less(floor, asked, paid):
    floor.rules.faults.plan("amount", 1)
    payment = floor.paid(asked)

    assert payment["amount"]["value"] == paid
    assert floor.paid(asked)["amount"]["value"] == asked
    assert floor.refund(payment["id"], asked).status == 400


def test_decline_refuses_the_next_payer_and_the_next_saved_card(floor):
    card = floor.paid(save_payment_method=True)["payment_method"]["id"]
    floor.rules.faults.plan("decline", 2)

    assert floor.paid()["status"] == "canceled"
    assert floor.opened(payment_method_id=card, confirmation=None)["status"] == "canceled"
    assert floor.opened(payment_method_id=card, confirmation=None)["status"] == "succeeded"


def test_a_fault_is_called_off_by_zero(floor):
    floor.rules.faults.plan("down", 5)
    floor.rules.faults.plan("down", 0)

    assert floor.get("/me").status == 200


@pytest.mark.parametrize(("mode", "count"), [("tired", 1), ("down", -1)])
def test_an_unknown_fault_is_refused(floor, mode, count):
    with pytest.raises(NoSuchFault):
        floor.rules.faults.plan(mode, count)


def test_a_snapshot_brings_everything_back(floor):
    card = floor.paid(save_payment_method=True)["payment_method"]["id"]
    held, pending = floor.paid(capture=False), floor.opened()
    lost = floor.post("/payments", an_order(), key="lost")
    floor.refund(card, "1.00")
    floor.rules.faults.plan("decline", 1)
    state = json.dumps(floor.rules.snapshot(), default=datetime.isoformat)
    was = floor.rules

    floor.rules = YooKassaRules([])
    floor.rules.restore(json.loads(state))

    assert json.dumps(floor.rules.snapshot(), default=datetime.isoformat) == state
    assert floor.post("/payments", an_order(), key="lost") == lost
    assert floor.rules.due_notifications(floor.at) == was.due_notifications(floor.at)
    assert floor.rules.pay(pending["id"], at=floor.at)["status"] == "canceled"  # The fault.
    floor.wait(days=7)
    assert floor.get(f"/payments/{held['id']}").body["status"] == "canceled"


def test_a_copy_lives_on_alone(floor):
    payment = floor.opened()
    copy = deepcopy(floor.rules)
    floor.rules.pay(payment["id"], at=floor.at)

    assert copy.payment(payment["id"], at=floor.at).body["status"] == "pending"
    assert copy.due_notifications(floor.at) == []


def test_an_answer_does_not_change_with_the_payment(floor):
    made = floor.opened()
    read = floor.get(f"/payments/{made['id']}").body
    (listed,) = floor.get("/payments").body["items"]
    floor.rules.pay(made["id"], at=floor.at)

    assert made == read == listed
    assert made["status"] == "pending"
