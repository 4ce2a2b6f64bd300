"""A purchase: the whole table of what arriving money does to it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.money import AMOUNT_MINOR_MAX, Money
from core.domain.purchase import (
    MOVES,
    PURCHASE_LIFE,
    Meeting,
    Purchase,
    PurchaseNotPending,
    PurchaseStatus,
    Remark,
)
from tests.builders import NOON, a_pending_purchase, a_purchase, rub

LATER = NOON + timedelta(minutes=7)
PRICE = rub(299)
NOT_THE_PRICE = {
    "less": PRICE - Money.of(1, "RUB"),
    "more": PRICE + Money.of(1, "RUB"),
    "nothing": rub(0),
    "all there is": Money.of(AMOUNT_MINOR_MAX, "RUB"),
    "the same number of another currency": Money.of(PRICE.amount_minor, "USD"),
    "the plan's price in another currency": Money.of(250, "XTR"),
}
EQUAL = {
    PurchaseStatus.PENDING: Meeting.SETTLED,
    PurchaseStatus.EXPIRED: Meeting.SETTLED,
    PurchaseStatus.PAID: Meeting.SECOND,
    PurchaseStatus.REFUNDED: Meeting.SECOND,
    PurchaseStatus.CANCELED: Meeting.AFTER_END,
    PurchaseStatus.FAILED: Meeting.AFTER_END,
}
ENDED = [status for status in PurchaseStatus if status is not PurchaseStatus.PENDING]


def purchase_in(status: PurchaseStatus) -> Purchase:
    ended = None if status is PurchaseStatus.PENDING else NOON
    return a_purchase(status=status, ended_at=ended, remark=None)


@pytest.mark.parametrize("status", [status for status in EQUAL if EQUAL[status] is Meeting.SETTLED])
def test_the_exact_price_settles_what_is_pending_or_expired(status):
    purchase, meeting = purchase_in(status).meet(PRICE, at=LATER)

    assert meeting is Meeting.SETTLED
    assert purchase == replace(
        purchase_in(status), status=PurchaseStatus.PAID, ended_at=LATER, remark=None
    )


@pytest.mark.parametrize(
    "status", [status for status in EQUAL if EQUAL[status] is not Meeting.SETTLED]
)
def test_the_exact_price_of_what_has_ended_is_only_remarked(status):
    purchase, meeting = purchase_in(status).meet(PRICE, at=LATER)

    assert meeting is EQUAL[status]
    assert purchase == replace(purchase_in(status), remark=Remark(meeting, PRICE))


@pytest.mark.parametrize("status", PurchaseStatus)
@pytest.mark.parametrize("name", NOT_THE_PRICE)
def test_any_other_sum_settles_nothing_and_is_remarked(status, name):
    received = NOT_THE_PRICE[name]

    purchase, meeting = purchase_in(status).meet(received, at=LATER)

    assert meeting is Meeting.MISMATCH
    assert purchase == replace(purchase_in(status), remark=Remark(meeting, received))


@given(
    st.sampled_from(PurchaseStatus),
    st.lists(st.sampled_from([PRICE, *NOT_THE_PRICE.values()]), max_size=6),
)
def test_of_all_that_arrives_at_most_one_charge_settles(status, charges):
    purchase, meetings = purchase_in(status), []

    for charge in charges:
        purchase, meeting = purchase.meet(charge, at=LATER)
        meetings.append(meeting)

    can_be_paid = EQUAL[status] is Meeting.SETTLED
    assert meetings.count(Meeting.SETTLED) == int(can_be_paid and PRICE in charges)
    if status is PurchaseStatus.PAID or Meeting.SETTLED in meetings:
        assert purchase.status is PurchaseStatus.PAID
    else:
        assert purchase.status is status
    assert purchase.amount == PRICE


def test_a_mismatch_does_not_stand_in_the_way_of_the_price():
    short, _ = a_pending_purchase().meet(rub(298), at=NOON)

    paid, meeting = short.meet(PRICE, at=LATER)

    assert meeting is Meeting.SETTLED
    assert paid.status is PurchaseStatus.PAID


def test_moves_go_forward_only():
    allowed = {(one.value, other.value) for one, others in MOVES.items() for other in others}

    assert set(MOVES) == set(PurchaseStatus)
    assert allowed == {
        ("pending", "paid"),
        ("pending", "canceled"),
        ("pending", "expired"),
        ("pending", "failed"),
        ("expired", "paid"),
        ("paid", "refunded"),
    }


@pytest.mark.parametrize("status", ENDED)
@pytest.mark.parametrize("end", [Purchase.canceled, Purchase.expired])
def test_what_has_ended_does_not_end_again(status, end):
    with pytest.raises(PurchaseNotPending) as refused:
        end(purchase_in(status), at=LATER)

    assert refused.value.purchase_status == status


@pytest.mark.parametrize(
    ("end", "status"),
    [(Purchase.canceled, PurchaseStatus.CANCELED), (Purchase.expired, PurchaseStatus.EXPIRED)],
)
def test_a_pending_purchase_ends_once_and_says_when(end, status):
    ended = end(a_pending_purchase(), at=LATER)

    assert ended == replace(a_pending_purchase(), status=status, ended_at=LATER)


@pytest.mark.parametrize("status", PurchaseStatus)
def test_only_a_pending_purchase_is_due(status):
    purchase = purchase_in(status)

    assert purchase.is_pending == (status is PurchaseStatus.PENDING)
    assert purchase.due_at == (NOON + PURCHASE_LIFE if purchase.is_pending else None)


def test_what_goes_back_is_counted_until_nothing_is_left():
    paid = a_purchase(refunded=None)
    assert paid.refundable == rub(299)

    partly = paid.gave_back(rub(100))
    wholly = partly.gave_back(rub(199))

    assert (partly.status, partly.refundable) == (PurchaseStatus.PAID, rub(199))
    assert (wholly.status, wholly.refundable) == (PurchaseStatus.REFUNDED, rub(0))
    for too_much in (rub(200), rub(0)):
        with pytest.raises(AssertionError):
            partly.gave_back(too_much)


def test_what_was_never_paid_has_nothing_to_give_back():
    assert a_pending_purchase().refundable == rub(0)
