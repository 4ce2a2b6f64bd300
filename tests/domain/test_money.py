"""Money: whole minor units, read and printed exactly, never mixed, never invented."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso4217 import Currency as IsoCurrency

from core.domain.money import (
    AMOUNT_MINOR_MAX,
    CURRENCIES,
    AmountNotUsable,
    Currency,
    CurrencyMismatch,
    Money,
    UnknownCurrency,
    currency,
)

OUR_OWN = {"XTR": 0, "USDT": 6, "TON": 9}

codes = st.sampled_from(sorted(CURRENCIES))
minors = st.integers(-AMOUNT_MINOR_MAX, AMOUNT_MINOR_MAX)
amounts = st.builds(Money.of, minors, codes)


@pytest.mark.parametrize("code", sorted(CURRENCIES))
def test_a_currency_has_the_exponent_of_the_standard_or_of_its_own_chain(code):
    known = CURRENCIES[code]

    expected = OUR_OWN[code] if code in OUR_OWN else IsoCurrency(code).exponent

    assert known == Currency(code, expected)
    assert currency(code) is known


@pytest.mark.parametrize("code", ["", "rub", "RUR", "RUB ", "ＲＵＢ", "XXX", "BTC"])
def test_a_currency_we_keep_no_books_in_is_refused(code):
    with pytest.raises(UnknownCurrency):
        Money.of(1, code)


@given(amounts)
def test_what_is_printed_is_read_back_the_same(money):
    assert Money.from_decimal_text(money.decimal_text(), money.currency.code) == money
    assert str(money) == f"{money.decimal_text()} {money.currency.code}"


@given(st.from_regex(r"-?[0-9]{1,17}(\.[0-9]{0,19})?", fullmatch=True), codes)
def test_what_is_read_is_worth_what_was_written(text, code):
    try:
        money = Money.from_decimal_text(text, code)
    except AmountNotUsable:
        return

    whole, _, fraction = text.removeprefix("-").partition(".")
    printed_whole, _, printed_fraction = money.decimal_text().removeprefix("-").partition(".")
    assert int(printed_whole) == int(whole)
    assert printed_fraction.rstrip("0") == fraction.rstrip("0")
    assert money.decimal_text().startswith("-") == (
        text.startswith("-") and money.amount_minor != 0
    )


@given(st.text(max_size=24), codes)
def test_no_text_is_read_that_cannot_be_printed_back(text, code):
    try:
        money = Money.from_decimal_text(text, code)
    except AmountNotUsable:
        return

    assert text.isascii()
    assert Money.from_decimal_text(money.decimal_text(), code) == money


@pytest.mark.parametrize(
    ("text", "code", "amount_minor"),
    [
        ("299.00", "RUB", 29900),
        ("299", "RUB", 29900),
        ("0.5", "RUB", 50),
        ("0.01", "RUB", 1),
        ("-0.01", "RUB", -1),
        ("-0", "RUB", 0),
        ("1.000000000000000000", "RUB", 100),
        ("250", "XTR", 250),
        ("250.00", "XTR", 250),
        ("1.5", "USDT", 1_500_000),
        ("0.000000001", "TON", 1),
        ("10000000000000.00", "RUB", AMOUNT_MINOR_MAX),
        ("1000000000000000", "XTR", AMOUNT_MINOR_MAX),
    ],
)
def test_a_gateways_decimal_is_read_exactly(text, code, amount_minor):
    assert Money.from_decimal_text(text, code) == Money.of(amount_minor, code)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("299.001", "RUB"),
        ("0.5", "XTR"),
        ("0.0000001", "USDT"),
        ("10000000000000.01", "RUB"),
        ("1000000000000001", "XTR"),
        ("10000000000000000", "RUB"),
        ("", "RUB"),
        (".5", "RUB"),
        ("5.", "RUB"),
        ("+5", "RUB"),
        ("--5", "RUB"),
        (" 5", "RUB"),
        ("5\n", "RUB"),
        ("5,00", "RUB"),
        ("1_000", "RUB"),
        ("1e3", "RUB"),
        ("NaN", "RUB"),
        ("Infinity", "RUB"),
        ("0x10", "RUB"),
        ("٢٩٩", "RUB"),
        ("２９９", "RUB"),
    ],
)
def test_an_amount_that_would_need_a_guess_is_refused(text, code):
    with pytest.raises(AmountNotUsable):
        Money.from_decimal_text(text, code)


@pytest.mark.parametrize("code", ["RUB", "XTR", "TON"])
def test_the_bounds_hold_to_the_last_minor_unit(code):
    for usable in (0, 1, -1, AMOUNT_MINOR_MAX, -AMOUNT_MINOR_MAX):
        assert Money.of(usable, code).amount_minor == usable

    for too_much in (AMOUNT_MINOR_MAX + 1, -AMOUNT_MINOR_MAX - 1):
        with pytest.raises(AmountNotUsable):
            Money.of(too_much, code)


@pytest.mark.parametrize("amount", [True, False, 1.0, float("nan"), "1", None, b"1"])
def test_only_a_whole_number_is_an_amount(amount):
    with pytest.raises(AmountNotUsable):
        Money.of(amount, "RUB")


def test_a_sum_above_the_limit_is_refused():
    most = Money.of(AMOUNT_MINOR_MAX, "RUB")
    one = Money.of(1, "RUB")

    with pytest.raises(AmountNotUsable):
        most + one
    with pytest.raises(AmountNotUsable):
        -most - one


@given(minors, minors, codes)
def test_money_adds_and_compares_as_its_minor_units_do(one, other, code):
    small, large = sorted((one // 2, other // 2))
    a, b = Money.of(small, code), Money.of(large, code)

    assert (a + b).amount_minor == small + large
    assert (a - b) == -(b - a)
    assert (a < b) == (small < large)
    assert a <= b
    assert b >= a
    assert a.is_positive == (small > 0)


@given(st.lists(codes, min_size=2, max_size=2, unique=True))
def test_two_currencies_neither_add_nor_compare_nor_equal(pair):
    one, other = (Money.of(1, code) for code in pair)

    assert one != other
    for act in (
        lambda: one + other,
        lambda: one - other,
        lambda: one < other,
        lambda: one <= other,
        lambda: one > other,
    ):
        with pytest.raises(CurrencyMismatch):
            act()


@given(amounts, st.integers(1, 10**9), st.data())
def test_a_share_is_the_exact_fraction_rounded_towards_zero(money, whole, data):
    part = data.draw(st.integers(0, whole))

    share = money.share(part, whole)

    missing = abs(money.amount_minor) * part - abs(share.amount_minor) * whole
    assert 0 <= missing < whole
    assert share.amount_minor * money.amount_minor >= 0
    assert money.share(whole, whole) == money
    assert money.share(0, whole).amount_minor == 0


@given(amounts, st.lists(st.integers(0, 10**6), min_size=1, max_size=8).filter(any))
def test_parts_never_exceed_the_whole(money, parts):
    shares = [money.share(part, sum(parts)).amount_minor for part in parts]

    lost = abs(money.amount_minor) - abs(sum(shares))
    assert 0 <= lost < len(parts)


@pytest.mark.parametrize(("part", "whole"), [(-1, 2), (3, 2), (0, 0)])
def test_nobody_shares_out_more_than_there_is(part, whole):
    with pytest.raises(AssertionError):
        Money.of(100, "RUB").share(part, whole)
