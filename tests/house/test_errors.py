"""Every error can be said: it has one kind, one code, one sentence, and its facts are fields."""

import importlib
import inspect
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime

import pytest

from core.domain import errors
from core.domain.errors import BillingError
from core.domain.money import Money
from tests.house.sources import MIGRATIONS, sources

KINDS = {
    errors.Invalid,
    errors.NotFound,
    errors.Refused,
    errors.PaymentWouldHelp,
    errors.Conflict,
    errors.Unavailable,
}
FACTS = {str, int, bool, Money, datetime, tuple[str, ...], Sequence[Mapping[str, str]]}


def subclasses(of: type[BillingError]) -> set[type[BillingError]]:
    direct = set(of.__subclasses__())
    return direct.union(*(subclasses(one) for one in direct))


@pytest.fixture(scope="module")
def leaves() -> list[type[BillingError]]:
    """Every error of the product: the ones that exist once all of its modules are imported."""
    for source in sources("core", "adapters"):
        if not source.path.startswith(MIGRATIONS):
            importlib.import_module(source.module)
    found = subclasses(BillingError) - KINDS
    ours = {one for one in found if one.__module__.startswith(("core.", "adapters."))}
    return sorted(ours, key=lambda one: one.__name__)


def test_an_error_is_of_exactly_one_kind(leaves):
    assert len(leaves) > 20
    assert [one for one in leaves if len(one.__bases__) != 1 or one.__bases__[0] not in KINDS] == []


def test_no_two_errors_have_the_same_code(leaves):
    codes = [one.code for one in (*leaves, *KINDS)]

    assert sorted(codes) == sorted(set(codes))
    assert "currency_mismatch" in codes


def test_an_error_says_in_a_sentence_what_is_the_case(leaves):
    silent = [
        one
        for one in leaves
        if not (one.__dict__["__doc__"] or "").strip().split("\n\n")[0].endswith((".", "…"))
        or one.__doc__.startswith(f"{one.__name__}(")
    ]

    assert silent == []


def test_the_facts_of_an_error_are_its_fields(leaves):
    loose = []
    for one in leaves:
        told = typing.get_type_hints(one)
        named = {field.name for field in fields(one)}
        strange = {name for name in named if not is_a_fact(told[name])}
        own = set(inspect.get_annotations(one))
        if strange or own != named or "__init__" not in one.__dict__:
            loose.append(one)

    assert loose == []


def is_a_fact(kind: object) -> bool:
    alternatives = set(typing.get_args(kind)) - {type(None)}
    return kind in FACTS or (bool(alternatives) and alternatives <= FACTS)


def test_an_error_can_be_kept_raised_again_and_counted(leaves):
    for one in leaves:
        assert one.__hash__ is not None
        assert not one.__dataclass_params__.frozen
        assert not one.__dataclass_params__.eq


def test_an_error_tells_its_code_and_facts():
    refused = importlib.import_module("core.domain.money").CurrencyMismatch("RUB", "XTR")

    assert refused.facts == {"one": "RUB", "other": "XTR"}
    assert str(refused) == "currency_mismatch(one=RUB, other=XTR)"
