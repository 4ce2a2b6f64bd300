"""Sums that customers choose: typed in many ways, or in a button that anybody can forge."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.telegram.sums import (
    looks_like_a_sum,
    round_sums,
    sum_from_word,
    sum_typed,
    word_of,
)
from core.domain.errors import Invalid
from core.domain.money import CURRENCIES, Money, currency

RUB = currency("RUB")


@pytest.mark.parametrize(
    ("text", "minor", "code"),
    [
        ("500", 50000, "RUB"),
        ("500.50", 50050, "RUB"),
        ("500,5", 50050, "RUB"),
        ("1 000,50", 100050, "RUB"),
        ("1\u00a0000\u202f000", 100000000, "RUB"),
        ("0", 0, "RUB"),
        ("20 usdt", 20_000_000, "USDT"),
        ("0.0001 USDT", 100, "USDT"),
        ("250XTR", 250, "XTR"),
    ],
)
def test_a_number_is_read_as_people_write_it(text: str, minor: int, code: str) -> None:
    assert looks_like_a_sum(text)
    assert sum_typed(text, RUB) == Money.of(minor, code)


@pytest.mark.parametrize(
    "text",
    ["-5", "+5", "−5", "1e3", "0x10", "5 5", "1,000", "1.000", "500.505", "1.2.3", "5 GOLD",
     "500₽", "500 ; DROP", "٥٠٠", "\uff15\uff10\uff10", "9" * 17, "5\u202e00", "5<b>", "500.5 XTR", "1.0000001 USDT",
     "10000000000000.01", "1000000000.000001 USDT"],
)  # fmt: skip
def test_what_could_mean_another_sum_is_not_guessed_at(text: str) -> None:
    assert looks_like_a_sum(text)
    assert sum_typed(text, RUB) is None


@pytest.mark.parametrize("text", ["", "hello", "/start", "five", "ben@example.com", "\u202e500"])
def test_other_words_are_no_sums(text: str) -> None:
    assert not looks_like_a_sum(text)


@given(st.integers(1, 10**15), st.sampled_from(sorted(CURRENCIES)))
def test_a_sum_comes_back_from_its_button(minor: int, code: str) -> None:
    assert sum_from_word(word_of(Money.of(minor, code))) == Money.of(minor, code)


@pytest.mark.parametrize(
    "word", ["", "500", "-5_RUB", "5_GOLD", "5_rub", "9999999999999999_RUB", "٥_RUB"]
)
def test_a_forged_sum_is_refused(word: str) -> None:
    with pytest.raises(Invalid):
        sum_from_word(word)


@given(st.integers(1, 10**15), st.integers(1, 10**15))
def test_what_is_offered_lies_within_the_bounds(one: int, other: int) -> None:
    least, most = Money(min(one, other), RUB), Money(max(one, other), RUB)
    offered = round_sums(least, most)
    assert 1 <= len(offered) <= 4
    assert offered == sorted(set(offered), key=lambda money: money.amount_minor)
    assert least <= offered[0]
    assert offered[-1] <= most


def test_the_sums_on_offer_are_round_ones_of_the_middle() -> None:
    offered = round_sums(Money.of(100_00, "RUB"), Money.of(50_000_00, "RUB"))
    assert [one.amount_minor // 100 for one in offered] == [500, 1000, 2000, 5000]
    assert round_sums(Money.of(150, "XTR"), Money.of(150, "XTR")) == [Money.of(150, "XTR")]
