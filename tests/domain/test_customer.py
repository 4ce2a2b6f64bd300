"""References to customers: one spelling each, so that nobody is two customers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.customer import (
    TELEGRAM_ID_MAX,
    Identity,
    IdentityKind,
    IdentityNotReadable,
    OwnAffair,
    customer_ref,
    identity,
)
from tests.builders import a_customer


@given(st.integers(1, TELEGRAM_ID_MAX))
def test_a_telegram_id_is_read_and_written_the_same(number):
    ref = f"telegram:{number}"

    assert identity(ref) == Identity(IdentityKind.TELEGRAM, str(number))
    assert str(identity(ref)) == ref


@pytest.mark.parametrize("number", [1, TELEGRAM_ID_MAX])
def test_telegram_ids_reach_from_one_to_2_to_the_52(number):
    assert identity(f"telegram:{number}").value == str(number)


@pytest.mark.parametrize(
    "ref",
    [
        "",
        ":",
        "telegram",
        "telegram:",
        "telegram:0",
        f"telegram:{TELEGRAM_ID_MAX + 1}",
        "telegram:99999999999999999",
        "telegram:01",
        "telegram:-1",
        "telegram:+1",
        "telegram: 1",
        "telegram:1 ",
        "telegram:1\n",
        "telegram:1.0",
        "telegram:1_0",
        "telegram:１２３",
        "telegram:١٢٣",
        "telegram:1\0",
        "telegram:1:2",
        "Telegram:1",
        "TELEGRAM:1",
        " telegram:1",
        "external:",
        "external:a b",
        "external:a\n",
        "external:a\0b",
        "external:a:b",
        "external:a/b",
        "external:é",
        "external:ａ",
        "external:.a",
        "external:-a",
        "external:@a",
        "external:" + "a" * 129,
        "internal:a",
        "123",
        "abc",
        "cus_",
        "cus_short",
        "cus_ABCDEFGH",
        "cus_0123456\n",
        "cus_0123456é",
        "cus_" + "a" * 41,
        "cus-01234567",
        "pur_01234567",
    ],
)
def test_a_ref_outside_the_grammar_is_refused(ref):
    with pytest.raises(IdentityNotReadable) as refused:
        customer_ref(ref)
    assert len(refused.value.ref) <= 64
    with pytest.raises(IdentityNotReadable):
        identity(ref)


@pytest.mark.parametrize("value", ["a", "A0", "anna@example.com", "user+1", "0_-.x", "a" * 128])
def test_a_businesss_own_id_is_read(value):
    assert identity(f"external:{value}") == Identity(IdentityKind.EXTERNAL, value)


@pytest.mark.parametrize("ref", ["cus_01234567", "cus_" + "f" * 32, "cus_" + "z" * 40])
def test_our_own_id_is_a_reference_and_no_identity(ref):
    assert customer_ref(ref) == ref
    with pytest.raises(IdentityNotReadable):
        identity(ref)


@given(st.text(max_size=40) | st.builds("{}:{}".format, st.sampled_from(IdentityKind), st.text()))
def test_whatever_is_read_is_spelled_exactly_so(ref):
    try:
        read = customer_ref(ref)
    except IdentityNotReadable:
        return

    assert str(read) == ref
    assert ref.isascii()
    assert ref.isprintable()


def test_nobody_acts_by_hand_on_themselves_under_any_of_their_names():
    anna = a_customer()
    for one in anna.identities:
        with pytest.raises(OwnAffair):
            anna.require_another(str(one))
    anna.require_another("telegram:1002")
    anna.require_another("olga")
