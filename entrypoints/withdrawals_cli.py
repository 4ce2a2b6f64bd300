"""Withdrawals that wait for a person, at the command line."""

import typer

from core.domain.audit import Deed
from entrypoints.command_line import DataDir, read, run_to_end
from entrypoints.operator_cli import As, Reason

withdrawals_cli = typer.Typer(help="Withdrawals that wait for a person.", no_args_is_help=True)


@withdrawals_cli.command("list")
def withdrawals_list(data_dir: DataDir = None) -> None:
    """The oldest hundred first, each with why it waits."""
    from entrypoints import withdrawal_commands as commands  # noqa: PLC0415

    run_to_end(commands.list_waiting(read(data_dir=data_dir)))


@withdrawals_cli.command("account")
def withdrawals_account(
    withdrawal_id: str, reason: Reason, who: As, data_dir: DataDir = None
) -> None:
    """Where to send one by hand, whole; each look is in the audit trail."""
    from entrypoints import withdrawal_commands as commands  # noqa: PLC0415

    deed = Deed(who, reason)
    run_to_end(commands.show_account(read(data_dir=data_dir), withdrawal_id, deed))


@withdrawals_cli.command("approve")
def withdrawals_approve(
    withdrawal_id: str, reason: Reason, who: As, data_dir: DataDir = None
) -> None:
    """Let go what is above a brake."""
    _decide("approve_withdrawal", withdrawal_id, Deed(who, reason), data_dir)


@withdrawals_cli.command("reject")
def withdrawals_reject(
    withdrawal_id: str, reason: Reason, who: As, data_dir: DataDir = None
) -> None:
    """Give back what nobody has sent yet. The customer is told the reason."""
    _decide("reject_withdrawal", withdrawal_id, Deed(who, reason), data_dir)


@withdrawals_cli.command("done")
def withdrawals_done(withdrawal_id: str, reason: Reason, who: As, data_dir: DataDir = None) -> None:
    """Say that one was sent by hand, or left where its gateway cannot be asked."""
    _decide("mark_withdrawal_done", withdrawal_id, Deed(who, reason), data_dir)


def _decide(how: str, withdrawal_id: str, deed: Deed, data_dir: DataDir) -> None:
    from entrypoints import withdrawal_commands as commands  # noqa: PLC0415

    run_to_end(commands.decide(read(data_dir=data_dir), how, withdrawal_id, deed))
