"""A checkout: it moves forward only, and late, repeated or disordered news changes nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.checkout import MOVES, Checkout, CheckoutEnded, CheckoutStatus
from core.domain.money import Money
from core.domain.payment import OpenedCheckout, PaymentFacts, PaymentId, PaymentStatus
from tests.builders import NOON, YOOKASSA, a_checkout, an_asked_checkout, rub

PAYMENT = PaymentId("2d8f0001-000f-5000-8000-18db351245c7")
ADDRESS = OpenedCheckout(PAYMENT, "https://pay.example/2d8f0001", NOON + timedelta(hours=1))
ANOTHER_ADDRESS = OpenedCheckout(PaymentId("another"), "https://pay.example/another", None)
LATER = NOON + timedelta(minutes=7)
SETTLING = {CheckoutStatus.ASKED, CheckoutStatus.OPEN, CheckoutStatus.UNKNOWN}
STATUSES = list(CheckoutStatus)

MINUTES = {1: 1, 2: 2, 3: 4, 4: 8, 5: 16, 6: 30, 7: 30, 100: 30}
"""How long is waited after each look."""


def checkout_in(status: CheckoutStatus) -> Checkout:
    """As it would have come to be in that status."""
    fresh = an_asked_checkout(due_at=NOON + timedelta(seconds=30))
    return {
        CheckoutStatus.ASKED: fresh,
        CheckoutStatus.OPEN: fresh.becomes_open(ADDRESS, at=NOON),
        CheckoutStatus.DECLINED: fresh.becomes_declined(),
        CheckoutStatus.UNKNOWN: fresh.becomes_unknown(at=NOON),
        CheckoutStatus.PAID: fresh.becomes_open(ADDRESS, at=NOON).told(facts("paid"), at=NOON),
        CheckoutStatus.LAPSED: fresh.becomes_open(ADDRESS, at=NOON).lapses(),
    }[status]


def facts(word: str, *, opened: OpenedCheckout | None = None) -> PaymentFacts:
    status = PaymentStatus(word)
    paid = rub(299) if status is PaymentStatus.PAID else None
    return PaymentFacts(YOOKASSA, PAYMENT, PAYMENT, status, paid, opened=opened)


NEWS = {
    "pending": facts("pending"),
    "pending with an address": facts("pending", opened=ADDRESS),
    "authorized": facts("authorized"),
    "a word we do not know": facts("unknown"),
    "canceled": facts("canceled"),
    "paid": facts("paid"),
}
news = st.sampled_from(list(NEWS.values()))


def test_moves_go_forward_only():
    allowed = {(one.value, other.value) for one, others in MOVES.items() for other in others}

    assert set(MOVES) == set(CheckoutStatus)
    assert allowed == {
        ("asked", "open"),
        ("asked", "declined"),
        ("asked", "unknown"),
        ("asked", "paid"),
        ("asked", "lapsed"),
        ("unknown", "open"),
        ("unknown", "declined"),
        ("unknown", "paid"),
        ("unknown", "lapsed"),
        ("open", "paid"),
        ("open", "lapsed"),
        ("lapsed", "paid"),
    }


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(
    ("become", "target", "stays"),
    [
        (
            lambda one: one.becomes_open(ANOTHER_ADDRESS, at=LATER),
            CheckoutStatus.OPEN,
            {CheckoutStatus.OPEN, CheckoutStatus.PAID},
        ),
        (lambda one: one.becomes_declined(), CheckoutStatus.DECLINED, set()),
        (
            lambda one: one.becomes_unknown(at=LATER),
            CheckoutStatus.UNKNOWN,
            {CheckoutStatus.UNKNOWN},
        ),
        (lambda one: one.lapses(), CheckoutStatus.LAPSED, set()),
    ],
    ids=["open", "declined", "unknown", "lapsed"],
)
def test_every_move_is_made_or_refused_by_the_table(status, become, target, stays):
    checkout = checkout_in(status)

    if target in MOVES[status] or status in stays:
        assert become(checkout).status is (status if status in stays else target)
    else:
        with pytest.raises(CheckoutEnded) as refused:
            become(checkout)
        assert refused.value.checkout_status == status


@pytest.mark.parametrize("status", STATUSES)
def test_only_an_outcome_that_is_open_is_due(status):
    checkout = checkout_in(status)

    assert checkout.is_settling == (status in SETTLING)
    assert (checkout.due_at is not None) == (status in SETTLING)
    assert checkout.is_unopened == (status in SETTLING - {CheckoutStatus.OPEN})


def test_the_first_address_is_kept_whatever_is_told_again():
    open_ = checkout_in(CheckoutStatus.OPEN)

    assert open_.opened == ADDRESS
    assert open_.payment_id == PAYMENT
    assert open_.due_at == NOON + timedelta(minutes=1)
    assert open_.becomes_open(ADDRESS, at=LATER) == open_
    assert open_.becomes_open(ANOTHER_ADDRESS, at=LATER) == open_


def test_an_address_that_comes_after_the_money_changes_nothing():
    paid = checkout_in(CheckoutStatus.ASKED).told(NEWS["paid"], at=NOON)

    assert paid.payment_id == PAYMENT
    assert paid.becomes_open(ADDRESS, at=LATER) == paid


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("name", NEWS)
def test_what_the_gateway_says_of_each_status(status, name):
    before = checkout_in(status)
    expected = status
    if name == "paid" and CheckoutStatus.PAID in MOVES[status]:
        expected = CheckoutStatus.PAID
    elif name == "canceled" and status in SETTLING:
        expected = CheckoutStatus.LAPSED
    elif name == "pending with an address" and before.is_unopened:
        expected = CheckoutStatus.OPEN

    after = before.told(NEWS[name], at=LATER)

    assert after.status is expected
    if expected is not status:
        assert (after.due_at is None) == (expected is not CheckoutStatus.OPEN)
    elif status in SETTLING:
        assert after == before.looked_at(at=LATER)
    else:
        assert after == before


@given(st.sampled_from(STATUSES), st.lists(news, max_size=8))
def test_news_never_moves_a_checkout_backwards(status, told):
    checkout = checkout_in(status)

    for one in told:
        before, checkout = checkout, checkout.told(one, at=LATER)
        assert checkout.status is before.status or checkout.status in MOVES[before.status]
        assert before.opened in {None, checkout.opened}
        assert (
            replace(
                checkout,
                status=before.status,
                opened=before.opened,
                looked=before.looked,
                due_at=before.due_at,
            )
            == before
        )


@given(st.sampled_from(STATUSES), st.lists(news, max_size=4), st.data())
def test_any_order_and_number_of_copies_of_the_news_ends_the_same(status, told, data):
    copies = data.draw(st.lists(st.sampled_from(told), max_size=4)) if told else []
    otherwise = data.draw(st.permutations(told + copies))

    one, other = checkout_in(status), checkout_in(status)
    for item in told:
        one = one.told(item, at=LATER)
    for item in otherwise:
        other = other.told(item, at=LATER)

    assert other.status is one.status
    assert other.is_settling == one.is_settling


@given(st.lists(news, max_size=6), st.lists(news, max_size=6))
def test_wherever_paid_stands_among_the_news_the_end_is_paid_with_its_payment(before, after):
    checkout = checkout_in(CheckoutStatus.ASKED)

    for one in (*before, NEWS["paid"], *after):
        checkout = checkout.told(one, at=LATER)

    assert checkout.status is CheckoutStatus.PAID
    assert checkout.payment_id == PAYMENT
    assert checkout.due_at is None


@pytest.mark.parametrize(("look", "minutes"), MINUTES.items())
def test_looks_grow_rarer_up_to_half_an_hour(look, minutes):
    checkout = an_asked_checkout(looked=look - 1)

    looked = checkout.looked_at(at=LATER)

    assert looked.looked == look
    assert looked.due_at == LATER + timedelta(minutes=minutes)


def test_no_answer_again_is_another_look():
    unknown = checkout_in(CheckoutStatus.UNKNOWN)

    assert unknown.becomes_unknown(at=LATER) == unknown.looked_at(at=LATER)
    assert unknown.becomes_open(ADDRESS, at=LATER).opened == ADDRESS


@pytest.mark.parametrize("status", STATUSES)
def test_a_customer_is_sent_to_an_open_address_while_there_is_time_to_pay(status):
    checkout = checkout_in(status)
    expires = NOON + timedelta(hours=1)

    enough = expires - timedelta(minutes=2, microseconds=1)
    assert checkout.can_be_paid_at(enough) == (status is CheckoutStatus.OPEN)
    assert not checkout.can_be_paid_at(expires - timedelta(minutes=2))


def test_an_address_that_names_no_end_can_be_paid_until_told_otherwise():
    checkout = a_checkout(opened=ANOTHER_ADDRESS)

    assert checkout.can_be_paid_at(NOON + timedelta(days=400))


@pytest.mark.parametrize(
    ("status", "paid"),
    [(word, rub(299)) for word in PaymentStatus if word is not PaymentStatus.PAID]
    + [(PaymentStatus.PAID, None)],
)
def test_money_is_named_exactly_when_it_was_paid(status, paid):
    with pytest.raises(AssertionError):
        PaymentFacts(YOOKASSA, PAYMENT, PAYMENT, status, paid)


def test_a_payment_in_another_currency_pays_the_checkout_and_not_its_price():
    stars = replace(NEWS["paid"], paid=Money.of(250, "XTR"))

    told = checkout_in(CheckoutStatus.OPEN).told(stars, at=LATER)

    assert told.status is CheckoutStatus.PAID
    assert told.amount == rub(299)
