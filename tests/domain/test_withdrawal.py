"""A withdrawal moves forward only, and each of its states has its entry in the books."""

from datetime import timedelta

import pytest

from core.domain import ledger
from core.domain.money import Money
from core.domain.plan import GatewayName
from core.domain.withdrawal import (
    LAST_LOOK,
    MOVES,
    QUEUE,
    Withdrawal,
    WithdrawalMoved,
    WithdrawalStatus,
)
from tests.builders import ANNA, NOON, YOOKASSA, rub
from tests.money_builders import a_requested_withdrawal

WAYS = {
    WithdrawalStatus.REQUESTED: lambda it: it.becomes_requested(at=NOON),
    WithdrawalStatus.SENT: lambda it: it.becomes_sent(at=NOON),
    WithdrawalStatus.DONE: lambda it: it.becomes_done(at=NOON),
    WithdrawalStatus.FAILED: lambda it: it.becomes_failed("why", at=NOON),
    WithdrawalStatus.RETURNED: lambda it: it.becomes_returned("why", at=NOON),
}
OWN, HELD, OUTSIDE = ledger.cash(ANNA), ledger.hold(ANNA), ledger.clearing(YOOKASSA)


@pytest.mark.parametrize("before", WithdrawalStatus)
@pytest.mark.parametrize("after", WAYS)
def test_it_moves_along_the_table_and_in_no_other_way(
    before: WithdrawalStatus, after: WithdrawalStatus
) -> None:
    withdrawal = a_requested_withdrawal(status=before)

    if after in MOVES[before]:
        assert WAYS[after](withdrawal).status is after
    else:
        with pytest.raises(WithdrawalMoved) as moved:
            WAYS[after](withdrawal)
        assert moved.value.withdrawal_status == before


@pytest.mark.parametrize(
    ("status", "suffix", "debit", "credit"),
    [
        (WithdrawalStatus.HELD, "", OWN, HELD),
        (WithdrawalStatus.REQUESTED, "", OWN, HELD),
        (WithdrawalStatus.DONE, " ended", HELD, OUTSIDE),
        (WithdrawalStatus.FAILED, " ended", HELD, OWN),
        (WithdrawalStatus.RETURNED, " returned", OUTSIDE, OWN),
    ],
)
@pytest.mark.parametrize("amount", [rub(400), Money.of(1, "RUB"), Money.of(7, "XTR")])
def test_its_state_says_where_the_money_is(
    status: WithdrawalStatus,
    suffix: str,
    debit: ledger.Account,
    credit: ledger.Account,
    amount: Money,
) -> None:
    entry = a_requested_withdrawal(status=status, amount=amount).entry(at=NOON)

    assert entry.id == f"withdrawal wd_00000001{suffix}"
    assert {one.account: one.amount for one in entry.postings} == {debit: -amount, credit: amount}


def test_done_and_failed_are_ends_of_the_same_thing_so_only_one_can_be_booked() -> None:
    sent = a_requested_withdrawal(status=WithdrawalStatus.SENT)

    ends = [sent.becomes_done(at=NOON), sent.becomes_failed("no", at=NOON)]

    assert len({one.entry(at=NOON).id for one in ends}) == 1


def test_the_order_is_the_same_whatever_became_of_it() -> None:
    fresh = a_requested_withdrawal()
    lives: list[Withdrawal] = [
        fresh.becomes_sent(at=NOON + timedelta(hours=1)),
        fresh.becomes_sent(at=NOON).looked_at(at=NOON).looked_at(at=NOON),
        fresh.becomes_done(at=NOON),
    ]

    assert {one.order for one in lives} == {fresh.order}
    assert fresh.order.id == fresh.id


def test_it_is_looked_at_soon_and_then_every_six_hours_for_ever() -> None:
    withdrawal = a_requested_withdrawal(status=WithdrawalStatus.SENT)
    waits = []
    for _ in range(12):
        withdrawal = withdrawal.looked_at(at=NOON)
        assert withdrawal.due_at is not None
        waits.append(withdrawal.due_at - NOON)

    assert waits[:3] == [timedelta(minutes=2), timedelta(minutes=4), timedelta(minutes=8)]
    assert waits[-1] == LAST_LOOK
    assert sorted(waits) == waits


def test_what_has_ended_is_not_found_by_time_any_more() -> None:
    sent = a_requested_withdrawal(status=WithdrawalStatus.SENT)

    for ended in (sent.becomes_done(at=NOON), sent.becomes_failed("no", at=NOON)):
        assert (ended.due_at, ended.ended_at, ended.is_open) == (None, NOON, False)


@pytest.mark.parametrize(("gateway", "is_found"), [(YOOKASSA, True), (QUEUE, False)])
def test_nothing_but_a_person_looks_after_the_queue(gateway: GatewayName, is_found: bool) -> None:
    held = a_requested_withdrawal(gateway=gateway, status=WithdrawalStatus.HELD, due_at=None)

    assert (held.becomes_requested(at=NOON).due_at is not None) is is_found


def test_a_reason_of_a_provider_is_not_kept_beyond_its_length() -> None:
    failed = a_requested_withdrawal().becomes_failed("x" * 5000, at=NOON)

    assert failed.reason == "x" * 200


def test_nothing_of_the_account_shows() -> None:
    shown = repr(a_requested_withdrawal()) + repr(a_requested_withdrawal().order)

    assert not any(secret in shown for secret in ("0917", "4567", "JUAN"))
