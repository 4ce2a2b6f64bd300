"""The ledger: what does not balance cannot be said, and a repeat is told from a contradiction."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.ledger import (
    Account,
    Entry,
    EntryId,
    Posting,
    bonus,
    cash,
    clearing,
    hold,
    is_of_a_customer,
    kind_of,
    natural_sign,
    receivable,
    revenue,
    suspense,
    transfer,
)
from core.domain.money import AMOUNT_MINOR_MAX, Money
from core.domain.plan import PlanCode
from tests.builders import ANNA, BORIS, NOON, YOOKASSA, an_entry, rub

PRO = PlanCode("PRO_MONTHLY")
ACCOUNTS = (cash(ANNA), cash(BORIS), bonus(ANNA), clearing(YOOKASSA), revenue(PRO))

postings = st.builds(
    Posting,
    st.sampled_from(ACCOUNTS),
    st.builds(Money.of, st.integers(-9, 9).filter(bool), st.sampled_from(["RUB", "XTR", "USDT"])),
)


def entry_of(lines: tuple[Posting, ...]) -> Entry:
    return Entry(EntryId("charge yookassa 1"), "charge", NOON, lines)


def sums(lines: tuple[Posting, ...]) -> dict[str, int]:
    codes = {line.amount.currency.code for line in lines}
    return {
        code: sum(one.amount.amount_minor for one in lines if one.amount.currency.code == code)
        for code in codes
    }


@given(st.lists(postings, max_size=6).map(tuple))
def test_lines_balance_in_each_currency_or_are_no_entry(lines):
    if len(lines) >= 2 and not any(sums(lines).values()):
        assert entry_of(lines).postings == lines
    else:
        with pytest.raises(AssertionError):
            entry_of(lines)


@given(st.lists(postings, min_size=1, max_size=5))
def test_an_entry_completed_in_each_currency_is_accepted(lines):
    owed = [
        Posting(suspense(YOOKASSA), Money.of(-rest, code))
        for code, rest in sums(tuple(lines)).items()
        if rest
    ]
    if len(lines) + len(owed) >= 2:
        assert not any(sums(entry_of((*lines, *owed)).postings).values())


def test_an_entry_of_two_currencies_balances_in_neither_alone():
    with pytest.raises(AssertionError, match="does not balance"):
        entry_of((Posting(cash(ANNA), rub(3)), Posting(revenue(PRO), Money.of(-300, "XTR"))))


@pytest.mark.parametrize(
    "lines", [(), (Posting(cash(ANNA), rub(0)), Posting(revenue(PRO), rub(0)))]
)
def test_an_entry_that_moves_nothing_is_refused(lines):
    with pytest.raises(AssertionError):
        entry_of(lines)


@given(st.permutations(an_entry().postings), st.timedeltas())
def test_an_entry_says_the_same_in_any_order_at_any_time(lines, later):
    try:
        again = an_entry(postings=tuple(lines), at=NOON + later)
    except OverflowError:
        return

    assert an_entry().says_the_same_as(again)
    assert again.says_the_same_as(an_entry())


@pytest.mark.parametrize(
    "change",
    [
        {"id": EntryId("charge yookassa 2")},
        {"purpose": "refund"},
        {"purchase_id": None},
        {"purchase_id": "pur_00000002"},
        {"postings": an_entry().postings + an_entry().postings},
        {"postings": tuple(replace(p, amount=-p.amount) for p in an_entry().postings)},
        {
            "postings": tuple(
                replace(p, account=cash(BORIS)) if p.account == cash(ANNA) else p
                for p in an_entry().postings
            )
        },
    ],
    ids="-".join,
)
def test_an_entry_that_differs_in_anything_but_time_contradicts(change):
    assert not an_entry().says_the_same_as(an_entry(**change))


def test_the_same_number_in_another_currency_contradicts():
    def one(code):
        amount = Money.of(100, code)
        return transfer("e", "x", amount, debit=cash(ANNA), credit=cash(BORIS), at=NOON)

    assert one("RUB").says_the_same_as(one("RUB"))
    assert not one("RUB").says_the_same_as(one("USD"))


@pytest.mark.parametrize(
    "amount", [rub(1), Money.of(1, "XTR"), Money.of(1, "TON"), Money.of(AMOUNT_MINOR_MAX, "RUB")]
)
def test_a_transfer_takes_from_the_debit_and_gives_to_the_credit(amount):
    entry = transfer(
        "purchase pur_1",
        "purchase",
        amount,
        debit=cash(ANNA),
        credit=revenue(PRO),
        at=NOON + timedelta(1),
        purchase_id="pur_1",
    )

    lines = (Posting(cash(ANNA), -amount), Posting(revenue(PRO), amount))
    assert entry == Entry(
        EntryId("purchase pur_1"), "purchase", NOON + timedelta(1), lines, "pur_1"
    )


@pytest.mark.parametrize("amount", [rub(0), rub(-1)])
def test_a_transfer_never_runs_backwards(amount):
    with pytest.raises(AssertionError):
        transfer("e", "x", amount, debit=cash(ANNA), credit=cash(BORIS), at=NOON)


@pytest.mark.parametrize(
    ("account", "path", "of_a_customer", "sign"),
    [
        (cash(ANNA), "cash:cus_anna0001", True, 1),
        (bonus(ANNA), "bonus:cus_anna0001", True, 1),
        (hold(ANNA), "hold:cus_anna0001", True, 1),
        (Account("escrow:esc_1"), "escrow:esc_1", True, 1),
        (receivable(ANNA), "receivable:cus_anna0001", True, -1),
        (clearing(YOOKASSA), "clearing:yookassa", False, 1),
        (suspense(YOOKASSA), "suspense:yookassa", False, 1),
        (revenue(PRO), "revenue:PRO_MONTHLY", False, 1),
    ],
)
def test_the_chart_of_accounts(account, path, of_a_customer, sign):
    assert account == path
    assert kind_of(account) == path.split(":")[0]
    assert is_of_a_customer(account) is of_a_customer
    assert natural_sign(account) == sign
