"""An escrow: each part ends at most once, and what is paid out is what was put in."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import BillingError
from core.domain.escrow import (
    MOVES,
    Escrow,
    EscrowNotFound,
    EscrowNotUsable,
    EscrowPartNotFound,
    EscrowPartNotReady,
    EscrowSide,
    EscrowWithOneself,
    NothingDisputed,
    NotYourMove,
    Part,
    PartStatus,
    opened,
)
from core.domain.item import EscrowId, EscrowPart
from core.domain.money import Money
from core.domain.money_terms import EscrowTerms
from tests.builders import ANNA, BORIS, NOON, rub
from tests.escrows import BUFFER, DOWN, REST, a_fresh_escrow, an_escrow

TERMS = EscrowTerms(is_offered=True, fee_basis_points=550, buffer=BUFFER)
ENDED = {PartStatus.RELEASED, PartStatus.REFUNDED}
TICK = timedelta(microseconds=1)


def an_opened(total: Money, down_payment: Money, terms: EscrowTerms = TERMS) -> Escrow:
    return opened(
        EscrowId("esc_1"),
        "A kitchen",
        payer=ANNA,
        payee=BORIS,
        total=total,
        down_payment=down_payment,
        terms=terms,
        at=NOON,
    )


def funded(**fields: object) -> Escrow:
    parts = {
        "down_payment": Part(rub(300), PartStatus.FUNDED),
        "remainder": Part(rub(700), PartStatus.FUNDED),
    }
    return an_escrow(**parts | fields)


def test_the_total_is_split_into_what_is_paid_first_and_the_rest():
    escrow = an_opened(rub(1000), rub(300))

    assert [part.amount for part in escrow.parts.values()] == [rub(300), rub(700)]
    assert escrow.total == rub(1000)
    assert (escrow.fee_basis_points, escrow.buffer) == (550, BUFFER)


def test_a_down_payment_of_all_of_it_leaves_no_remainder():
    escrow = an_opened(rub(1000), rub(1000))

    assert list(escrow.parts) == [DOWN]
    with pytest.raises(EscrowPartNotFound):
        escrow.amount_to_fund(REST)


@pytest.mark.parametrize("rest", [1, 2])
def test_a_remainder_of_one_minor_unit_is_a_part(rest):
    total = rub(1000)

    escrow = an_opened(total, total - Money.of(rest, "RUB"))

    assert escrow.part(REST).amount == Money.of(rest, "RUB")


@pytest.mark.parametrize(
    ("total", "down_payment"),
    [
        (rub(1000), rub(0)),
        (rub(1000), rub(-1)),
        (rub(1000), Money.of(100_001, "RUB")),
        (rub(0), rub(0)),
        (rub(-1000), rub(-300)),
        (rub(-1000), rub(300)),
        (rub(1000), Money.of(30_000, "XTR")),
    ],
)
def test_amounts_that_make_no_escrow_are_refused(total, down_payment):
    with pytest.raises(EscrowNotUsable):
        an_opened(total, down_payment)


def test_nobody_has_an_escrow_with_oneself():
    with pytest.raises(EscrowWithOneself):
        opened(
            EscrowId("esc_1"),
            "A kitchen",
            payer=ANNA,
            payee=ANNA,
            total=rub(2),
            down_payment=rub(1),
            terms=TERMS,
            at=NOON,
        )


def test_each_side_is_known_and_for_everybody_else_it_is_not_there():
    escrow = an_escrow()

    assert (escrow.side_of(ANNA), escrow.side_of(BORIS)) == (EscrowSide.PAYER, EscrowSide.PAYEE)
    with pytest.raises(EscrowNotFound):
        escrow.side_of("cus_carol001")
    with pytest.raises(EscrowNotFound):
        escrow.require(EscrowSide.PAYER, "cus_carol001")
    with pytest.raises(NotYourMove) as refused:
        escrow.require(EscrowSide.PAYEE, ANNA)
    assert refused.value.facts == {"decides": "payee"}


@pytest.mark.parametrize(
    ("first", "can"),
    [
        (PartStatus.UNFUNDED, False),
        (PartStatus.FUNDED, True),
        (PartStatus.DISPUTED, False),
        (PartStatus.RELEASED, True),
        (PartStatus.REFUNDED, False),
    ],
)
def test_the_remainder_waits_for_a_down_payment_that_holds_good(first, can):
    ended_at = NOON if first in ENDED else None
    escrow = a_fresh_escrow(down_payment=Part(rub(300), first, ended_at=ended_at))

    assert escrow.awaits(REST) is can
    assert escrow.awaits(DOWN) is (first is PartStatus.UNFUNDED)


def test_the_word_of_the_payer_is_kept_after_the_buffer_to_the_microsecond():
    escrow = funded().becomes_approved(DOWN, at=NOON)

    assert escrow.due_at == escrow.part(DOWN).releasing_at == NOON + BUFFER
    assert escrow.at(NOON + BUFFER - TICK) == escrow
    over = escrow.at(NOON + BUFFER)
    assert over.part(DOWN) == Part(rub(300), PartStatus.RELEASED, ended_at=NOON + BUFFER)
    assert over.part(REST) == escrow.part(REST)
    assert over.due_at is None


def test_of_two_words_the_first_counts_and_the_earlier_part_is_due_first():
    escrow = funded().becomes_approved(REST, at=NOON).becomes_approved(DOWN, at=NOON + TICK)

    again = escrow.becomes_approved(REST, at=NOON + timedelta(hours=9))

    assert again == escrow
    assert escrow.due_at == escrow.part(REST).releasing_at


def test_until_the_buffer_is_over_the_payer_may_dispute_and_then_no_more():
    escrow = funded().becomes_approved(DOWN, at=NOON)

    disputed = escrow.becomes_disputed(DOWN, at=NOON + BUFFER - TICK)

    assert disputed.part(DOWN) == Part(rub(300), PartStatus.DISPUTED)
    assert disputed.due_at is None
    assert disputed.at(NOON + timedelta(days=99)) == disputed
    with pytest.raises(EscrowPartNotReady) as late:
        escrow.becomes_disputed(DOWN, at=NOON + BUFFER)
    assert late.value.part_status == "released"
    with pytest.raises(EscrowPartNotReady):
        escrow.becomes_refunded(DOWN, at=NOON + BUFFER)


@pytest.mark.parametrize("status", PartStatus)
def test_what_can_be_asked_of_a_part_follows_the_table_of_its_moves(status):
    ended_at = NOON if status in ENDED else None
    escrow = funded(down_payment=Part(rub(300), status, ended_at=ended_at))
    asked = {
        PartStatus.DISPUTED: escrow.becomes_disputed,
        PartStatus.REFUNDED: escrow.becomes_refunded,
        PartStatus.RELEASED: escrow.becomes_approved,
    }

    for goal, become in asked.items():
        if status is goal:
            assert become(DOWN, at=NOON) == escrow, "asked again, it stays as it is"
        elif status is PartStatus.FUNDED:
            assert become(DOWN, at=NOON) != escrow
        else:
            # Of a part in dispute an operator decides alone.
            with pytest.raises(EscrowPartNotReady):
                become(DOWN, at=NOON)


def test_an_operator_decides_every_part_in_dispute_and_no_other():
    first = funded().becomes_disputed(DOWN, at=NOON)
    both = first.becomes_disputed(REST, at=NOON)

    one = first.becomes_resolved(EscrowSide.PAYEE, at=NOON)
    two = both.becomes_resolved(EscrowSide.PAYER, at=NOON)

    assert [part.status for part in one.parts.values()] == ["released", "funded"]
    assert [part.status for part in two.parts.values()] == ["refunded", "refunded"]
    with pytest.raises(NothingDisputed):
        one.becomes_resolved(EscrowSide.PAYER, at=NOON)


@pytest.mark.parametrize(
    ("amount", "points", "fee"),
    [
        (Money.of(30_000, "RUB"), 550, 1_650),
        (Money.of(1, "RUB"), 9_999, 0),
        (Money.of(18, "RUB"), 550, 0),
        (Money.of(19, "RUB"), 550, 1),
        (Money.of(100, "RUB"), 0, 0),
        (Money.of(7, "XTR"), 5_000, 3),
        (Money.of(1, "XTR"), 550, 0),
        (Money.of(10**15, "USDT"), 9_999, 999_900_000_000_000),
    ],
)
def test_the_fee_is_rounded_down_and_the_payee_gets_all_the_rest(amount, points, fee):
    escrow = an_opened(amount, amount, EscrowTerms(True, points, BUFFER))
    escrow = escrow.becomes_funded(DOWN, at=NOON).becomes_approved(DOWN, at=NOON)

    to, gets = escrow.at(NOON + BUFFER).due_to(DOWN)

    assert to == BORIS
    assert (escrow.fee(DOWN).amount_minor, gets + escrow.fee(DOWN)) == (fee, amount)


def test_both_manners_of_ending_are_one_entry_so_that_only_one_can_be_posted():
    escrow = funded()
    back = escrow.becomes_refunded(DOWN, at=NOON).end_of(DOWN, at=NOON)
    approved = escrow.becomes_approved(DOWN, at=NOON).at(NOON + BUFFER)
    released = approved.end_of(DOWN, at=NOON)

    assert back.id == released.id == "escrow esc_00000001 down_payment ended"
    assert not back.says_the_same_as(released)
    assert [(one.account, one.amount) for one in released.postings] == [
        ("escrow:cus_anna0001", rub(-300)),
        ("cash:cus_boris001", Money.of(28_350, "RUB")),
        ("revenue:escrow", Money.of(1_650, "RUB")),
    ]
    assert [(one.account, one.amount) for one in back.postings] == [
        ("escrow:cus_anna0001", rub(-300)),
        ("cash:cus_anna0001", rub(300)),
    ]


ASKED = st.tuples(
    st.sampled_from(["fund", "approve", "dispute", "refund", "to payer", "to payee", "sweep"]),
    st.sampled_from(EscrowPart),
    st.integers(0, 30),
)


def asked_of(escrow: Escrow, what: str, part: EscrowPart, at: object) -> Escrow:
    match what:
        case "fund":
            escrow.amount_to_fund(part)
            return escrow.becomes_funded(part, at=at)
        case "approve":
            return escrow.becomes_approved(part, at=at)
        case "dispute":
            return escrow.becomes_disputed(part, at=at)
        case "refund":
            return escrow.becomes_refunded(part, at=at)
        case "sweep":
            return escrow.at(at)
        case _:
            return escrow.becomes_resolved(EscrowSide(what.removeprefix("to ")), at=at)


@given(
    asks=st.lists(ASKED, max_size=25),
    total=st.integers(1, 10**15),
    share=st.integers(1, 100),
    points=st.integers(0, 9_999),
)
def test_in_any_order_of_asks_each_part_ends_at_most_once_and_the_sums_hold(
    asks, total, share, points
):
    first = max(1, total * share // 100)
    terms = EscrowTerms(True, points, BUFFER)
    escrow = an_opened(Money.of(total, "RUB"), Money.of(first, "RUB"), terms)
    at, put_in, ended = NOON, 0, {}

    for what, part, hours in asks:
        at += timedelta(hours=hours)
        try:
            after = asked_of(escrow, what, part, at)
        except BillingError:
            continue
        for which, one in after.parts.items():
            former = escrow.part(which)
            if former.status is not one.status:
                assert one.status in MOVES[former.status]
                put_in += one.amount.amount_minor if one.status is PartStatus.FUNDED else 0
                if one.status in ENDED:
                    assert which not in ended
                    ended[which] = after.end_of(which, at=at)
        escrow = after

    aside = sum(p.amount.amount_minor for p in escrow.parts.values() if p.is_set_aside)
    out = sum(-entry.postings[0].amount.amount_minor for entry in ended.values())
    assert put_in == aside + out
    assert sum(p.amount.amount_minor for p in escrow.parts.values()) == total
