"""What an operator does at the command line: by name, with a reason, and an audit line."""

import secrets

import typer

from core.domain.audit import FIRST_SEAL, Deed
from core.domain.cause import Cause
from core.domain.customer import customer_ref, identity
from core.domain.money import Money
from core.domain.operator import Role
from core.domain.purchase import PurchaseId
from core.domain.referral_program import Door, Invitation
from entrypoints.process import ready
from entrypoints.settings import Settings

CASES_SHOWN = 100
AUDIT_PAGE = 1000


def once(action: str) -> Cause:
    """A command is its own cause: given twice, it is done twice."""
    return Cause(f"command {action}", secrets.token_hex(16), "")


async def block_customer(settings: Settings, ref: str, deed: Deed) -> int:
    async with ready(settings) as parts:
        customer_id = await parts.billing.find_customer(customer_ref(ref))
        await parts.billing.block_customer(customer_id, deed=deed)
    typer.echo(f"{customer_id} is not served from now on; money that arrives is still booked")
    return 0


async def unblock_customer(settings: Settings, ref: str, deed: Deed) -> int:
    async with ready(settings) as parts:
        customer_id = await parts.billing.find_customer(customer_ref(ref))
        await parts.billing.unblock_customer(customer_id, deed=deed)
    typer.echo(f"{customer_id} is served again")
    return 0


async def erase_customer(settings: Settings, ref: str, deed: Deed) -> int:
    async with ready(settings) as parts:
        customer_id = await parts.billing.find_customer(customer_ref(ref))
        await parts.billing.erase_customer(customer_id, deed=deed)
    typer.echo(f"{customer_id} is erased by the next job; the books keep the id alone")
    return 0


async def attach_referral(settings: Settings, ref: str, code: str, deed: Deed) -> int:
    async with ready(settings) as parts:
        customer_id = await parts.billing.find_customer(customer_ref(ref))
        invitation = Invitation(code, Door.OPERATOR)
        referral = await parts.billing.join_referral(customer_id, invitation, deed=deed)
    typer.echo(f"{customer_id} was brought by {referral.referrer_id}")
    return 0


async def grant_days(settings: Settings, ref: str, plan: str, days: int, deed: Deed) -> int:
    async with ready(settings) as parts:
        customer_id = await parts.billing.find_customer(customer_ref(ref))
        until = await parts.billing.grant_days(
            customer_id, plan, days, deed=deed, cause=once("grant_days")
        )
    typer.echo(f"{customer_id}: {plan} until {until:%Y-%m-%d %H:%M} UTC")
    return 0


async def retry_access(settings: Settings, ref: str, deed: Deed) -> int:
    async with ready(settings) as parts:
        customer_id = await parts.billing.find_customer(customer_ref(ref))
        await parts.billing.retry_access(customer_id, deed=deed)
    typer.echo(f"{customer_id}: its access is made again by the next job")
    return 0


async def list_switches(settings: Settings) -> int:
    async with ready(settings) as parts:
        for one in await parts.billing.list_switches():
            turned = f"  since {one.changed_at:%Y-%m-%d %H:%M} UTC, by {one.by}" if one.by else ""
            typer.echo(f"{'on ' if one.is_on else 'OFF'} {one.name}{turned}")
    return 0


async def turn_switch(settings: Settings, name: str, deed: Deed, *, is_on: bool) -> int:
    async with ready(settings) as parts:
        await parts.billing.turn_switch(name, is_on=is_on, deed=deed)
    typer.echo(f"{name} is {'on' if is_on else 'off'}")
    return 0


async def adjust_wallet(
    settings: Settings, ref: str, amount: Money, account: str, deed: Deed
) -> int:
    async with ready(settings) as parts:
        customer_id = await parts.billing.find_customer(customer_ref(ref))
        entry = await parts.billing.adjust_wallet(
            customer_id, amount, account=account, deed=deed, cause=once("adjust")
        )
    typer.echo(f"{customer_id}: {amount} of {account}, entry {entry.id!r}")
    return 0


async def reverse_adjustment(settings: Settings, entry_id: str, deed: Deed) -> int:
    async with ready(settings) as parts:
        entry = await parts.billing.reverse_adjustment(entry_id, deed=deed)
    moved = ", ".join(f"{one.account} {one.amount}" for one in entry.postings)
    typer.echo(f"entry {entry.id!r}: {moved}")
    return 0


async def refund_purchase(
    settings: Settings,
    purchase_id: str,
    amount: Money | None,
    deed: Deed,
    *,
    is_chargeback: bool = False,
) -> int:
    async with ready(settings) as parts:
        done = await parts.billing.refund_purchase(
            PurchaseId(purchase_id),
            deed=deed,
            cause=once("refund"),
            amount=amount,
            is_chargeback=is_chargeback,
        )
    if done.refund is None:
        typer.echo(f"{purchase_id}: back in the wallet")
        return 0
    typer.echo(f"{purchase_id}: {done.refund.amount}, refund {done.refund.id} {done.refund.status}")
    return 0


async def list_cases(settings: Settings) -> int:
    async with ready(settings) as parts:
        cases = await parts.billing.list_cases(limit=CASES_SHOWN)
    for case in cases:
        facts = " ".join(f"{name}={value}" for name, value in case.facts.items())
        typer.echo(f"{case.opened_at:%Y-%m-%d %H:%M}  {case.kind}  {case.cause!r}  {facts}")
    if not cases:
        typer.echo("nothing waits for a person")
    return 0


async def close_case(settings: Settings, cause: str, deed: Deed) -> int:
    async with ready(settings) as parts:
        await parts.billing.close_case(cause, deed=deed)
    typer.echo(f"closed: {cause}")
    return 0


async def replay_notice(settings: Settings, inbox_id: str, deed: Deed) -> int:
    async with ready(settings) as parts:
        await parts.billing.replay_notice(inbox_id, deed=deed)
    typer.echo(f"{inbox_id}: the gateway is asked again by the next job")
    return 0


async def grant_role(settings: Settings, ref: str, role: Role, deed: Deed) -> int:
    async with ready(settings) as parts:
        await parts.billing.grant_role(identity(ref), role, deed=deed)
    typer.echo(f"{ref} is {role} from now on")
    return 0


async def revoke_role(settings: Settings, ref: str, deed: Deed) -> int:
    async with ready(settings) as parts:
        await parts.billing.revoke_role(identity(ref), deed=deed)
    typer.echo(f"{ref} has no role any more")
    return 0


async def list_roles(settings: Settings) -> int:
    async with ready(settings) as parts:
        found = await parts.billing.list_roles()
        for one in found:
            given = (
                f"since {one.since:%Y-%m-%d %H:%M} UTC, by {one.by}"
                if one.since
                else "by BILLHOOK_OWNER"
            )
            typer.echo(f"{one.role:<8} {one.identity}  {given}")
        if not found:
            typer.echo("nobody has a role; BILLHOOK_OWNER names the first owner")
    return 0


async def verify_audit(settings: Settings, *, page: int = AUDIT_PAGE) -> int:
    """Walk the whole chain, so many lines at a time; the first that does not fit ends it."""
    former, number, count = FIRST_SEAL, 0, 0
    async with ready(settings) as parts:
        while lines := await parts.billing.show_audit(limit=page, after=number):
            for number, line, seal in lines:
                if line.seal(former) != seal:
                    typer.echo(
                        f"line {number} ({line.at.isoformat()} {line.action} {line.subject}) does"
                        " not follow the one before: it was changed, or one was taken out"
                        f" ({count} lines before it hold)"
                    )
                    return 1
                former, count = seal, count + 1
    typer.echo(f"the audit trail holds: {count} lines, sealed to the last: {former[:16] or '-'}")
    return 0
