"""A payment method is proven, or goes; what is secret of it never shows."""

from datetime import timedelta

import pytest

from core.domain.payment_method import (
    MethodStatus,
    PaymentMethodNotVerified,
    PaymentMethodRemoved,
)
from tests.builders import NOON
from tests.money_builders import a_method, an_unproven_method


def test_it_is_proven_once_and_keeps_what_can_charge_it() -> None:
    proven = an_unproven_method().becomes_verified("token")

    assert (proven.status, proven.token) == (MethodStatus.VERIFIED, "token")
    proven.require_verified()
    with pytest.raises(PaymentMethodRemoved):
        proven.becomes_verified("another")


def test_an_unproven_one_is_good_for_nothing() -> None:
    with pytest.raises(PaymentMethodNotVerified):
        an_unproven_method().require_verified()


@pytest.mark.parametrize("method", [a_method(), an_unproven_method()])
def test_a_removed_one_is_over_and_cannot_be_charged_any_more(method) -> None:
    removed = method.becomes_removed(at=NOON)

    assert (removed.status, removed.token, removed.due_at) == (MethodStatus.REMOVED, None, None)
    assert removed.becomes_removed(at=NOON + timedelta(days=1)) == removed
    with pytest.raises(PaymentMethodRemoved):
        removed.require_verified()
    with pytest.raises(PaymentMethodRemoved):
        removed.becomes_verified(None)


def test_only_an_unproven_one_is_cleaned_away_after_a_day() -> None:
    assert an_unproven_method().due_at == NOON + timedelta(hours=24)
    assert a_method().due_at is None


def test_a_token_that_is_of_no_use_is_forgotten_and_the_rest_stays() -> None:
    left = a_method().forgets_token()

    assert (left.status, left.token) == (MethodStatus.VERIFIED, None)


def test_nothing_secret_shows() -> None:
    shown = repr(a_method()) + str(a_method())

    secrets = ("0917", "4567", "JUAN", "Juan", "juan@", "+639", "token_0001")
    assert not any(secret in shown for secret in secrets)
