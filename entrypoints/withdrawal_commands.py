"""What the commands about withdrawals do."""

import typer

from core.domain.audit import Deed
from core.domain.withdrawal import QUEUE, Withdrawal, WithdrawalId
from core.use_cases.waiting_withdrawals import WaitingWithdrawal
from entrypoints.process import ready
from entrypoints.settings import Settings

SHOWN = 100


async def list_waiting(settings: Settings) -> int:
    async with ready(settings) as parts:
        found = await parts.billing.show_waiting_withdrawals.page(limit=SHOWN)
    for one in found:
        typer.echo(_line(one))
    if not found:
        typer.echo("no withdrawal waits for a person")
    return 0


async def show_account(settings: Settings, withdrawal_id: str, deed: Deed) -> int:
    async with ready(settings) as parts:
        found = await parts.billing.show_payout_account(WithdrawalId(withdrawal_id), deed=deed)
    typer.echo(f"{found.kind} {found.number}, {found.holder_name}")
    return 0


async def decide(settings: Settings, how: str, withdrawal_id: str, deed: Deed) -> int:
    """`how` is the use case's name."""
    async with ready(settings) as parts:
        decided = await getattr(parts.billing, how)(WithdrawalId(withdrawal_id), deed=deed)
    typer.echo(_told(decided))
    return 0


def _told(one: Withdrawal) -> str:
    return f"{one.id}  {one.amount} to {one.account.kind} {one.account.masked}  {one.status}"


def _line(found: WaitingWithdrawal) -> str:
    one, braked = found.withdrawal, found.braked
    why = "to be sent by hand" if one.gateway == QUEUE else "its gateway cannot be asked"
    if braked is not None:
        why = f"above the brake {braked.brake}, {braked.most}"
    asked = f"{one.requested_at:%Y-%m-%d %H:%M} UTC"
    return f"{_told(one)}  of {one.customer_id}, asked {asked}; {why}"
