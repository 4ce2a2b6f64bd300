"""Withdrawals at the command line: which wait, where one is to be sent, and what is decided."""

from pathlib import Path

import pytest

from core.domain.audit import Deed
from core.domain.customer import identity
from core.domain.withdrawal import QUEUE, WithdrawalNotFound, WithdrawalStatus
from entrypoints.process import opened
from entrypoints.withdrawal_commands import decide, list_waiting, show_account
from tests.entrypoints.test_commands import a_shop
from tests.money_builders import a_method, a_requested_withdrawal

ANN = Deed("ann", "the bank's own app sends it")


async def test_one_to_be_sent_by_hand_is_found_seen_let_go_and_ended_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = await a_shop(tmp_path)
    async with opened(settings) as parts, parts.store.write() as uow:
        anna = (await uow.customers.get(identity("telegram:1001"))).id
        await uow.methods.add(a_method(customer_id=anna))
        waits = {"status": WithdrawalStatus.HELD, "due_at": None}
        one = a_requested_withdrawal(customer_id=anna, gateway=QUEUE, **waits)
        await uow.withdrawals.add(one)
        await uow.commit()

    assert await list_waiting(settings) == 0
    assert await show_account(settings, one.id, ANN) == 0
    assert await decide(settings, "approve_withdrawal", one.id, ANN) == 0
    with pytest.raises(WithdrawalNotFound):
        await decide(settings, "approve_withdrawal", "wd_none", ANN)

    listed, account, decided = capsys.readouterr().out.splitlines()
    assert listed.startswith(f"{one.id}  400.00 RUB to {one.account.kind} {one.account.masked}")
    assert f"of {anna}" in listed
    assert listed.endswith("to be sent by hand")
    assert account == f"{one.account.kind} {one.account.number}, {one.account.holder_name}"
    assert decided.endswith("requested")
