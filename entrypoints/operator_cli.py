"""The operator's commands on the command line."""

from typing import Annotated

import typer

from core.domain.audit import Deed
from core.domain.money import Money
from core.domain.operator import Role
from entrypoints.command_line import DataDir, read, run_to_end

customers_cli = typer.Typer(help="Customers of yours.", no_args_is_help=True)
cases_cli = typer.Typer(help="What waits for a person.", no_args_is_help=True)
wallet_cli = typer.Typer(help="Money of customers.", no_args_is_help=True)
purchases_cli = typer.Typer(help="Purchases.", no_args_is_help=True)
access_cli = typer.Typer(help="What plans give outside.", no_args_is_help=True)
inbox_cli = typer.Typer(help="Notices of the gateways.", no_args_is_help=True)
roles_cli = typer.Typer(help="Who may do what in the chat.", no_args_is_help=True)
audit_cli = typer.Typer(help="Who did what by hand.", no_args_is_help=True)

explain_cli = typer.Typer(help="Why things are as they are.", no_args_is_help=True)

Reason = Annotated[str, typer.Option(help="Why; kept for ever. Name nobody in it.")]
As = Annotated[str, typer.Option("--as", help="Who you are; kept with the reason.")]
Amount = Annotated[str, typer.Option(help="In major units, such as 100.00.")]
Currency = Annotated[str, typer.Option(help="Such as PHP.")]


@customers_cli.command("block")
def customers_block(ref: str, reason: Reason, who: As, data_dir: DataDir = None) -> None:
    """Serve a customer (telegram:…, external:… or cus_…) no longer: no sign-in, no purchase."""
    from entrypoints import operator_commands as commands  # noqa: PLC0415

    run_to_end(commands.block_customer(read(data_dir=data_dir), ref, Deed(who, reason)))


@customers_cli.command("unblock")
def customers_unblock(ref: str, reason: Reason, who: As, data_dir: DataDir = None) -> None:
    """Serve a customer again."""
    from entrypoints import operator_commands as commands  # noqa: PLC0415

    run_to_end(commands.unblock_customer(read(data_dir=data_dir), ref, Deed(who, reason)))


@customers_cli.command("erase")
def customers_erase(ref: str, reason: Reason, who: As, data_dir: DataDir = None) -> None:
    """Forget the person behind a customer, for good. Refused while money of theirs is here."""
    from entrypoints import operator_commands as commands  # noqa: PLC0415

    run_to_end(commands.erase_customer(read(data_dir=data_dir), ref, Deed(who, reason)))


@customers_cli.command("attach-referral")
def customers_attach_referral(
    ref: str,
    *,
    code: Annotated[str, typer.Option(help="The referrer's code, such as their link ends with.")],
    reason: Reason,
    who: As,
    data_dir: DataDir = None,
) -> None:
    """Say who brought a customer, also late. What was bought before earns nothing."""
    from entrypoints import operator_commands as commands  # noqa: PLC0415

    run_to_end(commands.attach_referral(read(data_dir=data_dir), ref, code, Deed(who, reason)))


@customers_cli.command("grant-days")
def customers_grant_days(
    ref: str,
    *,
    plan: Annotated[str, typer.Option(help="The plan's code.")],
    days: Annotated[int, typer.Option(help="How many.")],
    reason: Reason,
    who: As,
    data_dir: DataDir = None,
) -> None:
    """Give days of a plan: from its current end where it runs, from now on where none does."""
    from entrypoints import operator_commands as commands  # noqa: PLC0415

    deed = Deed(who, reason)
    run_to_end(commands.grant_days(read(data_dir=data_dir), ref, plan, days, deed))


@access_cli.command("retry")
def access_retry(ref: str, reason: Reason, who: As, data_dir: DataDir = None) -> None:
    """Have a customer's access made again at once, after the panel or a setting was mended."""
    from entrypoints import operator_commands as commands  # noqa: PLC0415

    run_to_end(commands.retry_access(read(data_dir=data_dir), ref, Deed(who, reason)))


@wallet_cli.command("adjust")
def wallet_adjust(
    ref: str,
    *,
    amount: Amount,
    currency: Currency,
    reason: Reason,
    who: As,
    account: Annotated[str, typer.Option(help="cash or bonus.")] = "cash",
    data_dir: DataDir = None,
) -> None:
    """Give money (or, with a minus, take it). What is taken and not there is owed."""
    from entrypoints import operator_commands as commands  # noqa: PLC0415

    money, deed = Money.from_decimal_text(amount, currency), Deed(who, reason)
    run_to_end(commands.adjust_wallet(read(data_dir=data_dir), ref, money, account, deed))


@wallet_cli.command("reverse")
def wallet_reverse(entry: str, reason: Reason, who: As, data_dir: DataDir = None) -> None:
    """Take an adjustment back, once: ENTRY is what `wallet adjust` printed, such as 'adjustment adj_…'."""
    from entrypoints import operator_commands as commands  # noqa: PLC0415

    run_to_end(commands.reverse_adjustment(read(data_dir=data_dir), entry, Deed(who, reason)))


@purchases_cli.command("refund")
def purchases_refund(
    purchase_id: str,
    *,
    reason: Reason,
    who: As,
    amount: Annotated[str | None, typer.Option(help="Nothing: all that is left.")] = None,
    currency: Annotated[str, typer.Option(help="Such as PHP.")] = "RUB",
    chargeback: Annotated[
        bool, typer.Option("--chargeback", help="The payer's bank took it: only book it.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Give money back to where it came from: at the gateway, or into the wallet."""
    from entrypoints import operator_commands as commands  # noqa: PLC0415

    money = None if amount is None else Money.from_decimal_text(amount, currency)
    deed = Deed(who, reason)
    run_to_end(
        commands.refund_purchase(
            read(data_dir=data_dir), purchase_id, money, deed, is_chargeback=chargeback
        )
    )


@cases_cli.command("list")
def cases_list(data_dir: DataDir = None) -> None:
    """The open ones, the oldest first."""
    from entrypoints import operator_commands as commands  # noqa: PLC0415

    run_to_end(commands.list_cases(read(data_dir=data_dir)))


@cases_cli.command("close")
def cases_close(cause: str, reason: Reason, who: As, data_dir: DataDir = None) -> None:
    """Say how a case was seen to. The cause is what `cases list` shows in quotes."""
    from entrypoints import operator_commands as commands  # noqa: PLC0415

    run_to_end(commands.close_case(read(data_dir=data_dir), cause, Deed(who, reason)))


@inbox_cli.command("replay")
def inbox_replay(inbox_id: str, reason: Reason, who: As, data_dir: DataDir = None) -> None:
    """Have the gateway asked again about a notice that was given up."""
    from entrypoints import operator_commands as commands  # noqa: PLC0415

    run_to_end(commands.replay_notice(read(data_dir=data_dir), inbox_id, Deed(who, reason)))


def switch(
    name: Annotated[str | None, typer.Argument(help="Such as sales. Nothing: list them.")] = None,
    to: Annotated[str | None, typer.Argument(help="on or off.")] = None,
    *,
    reason: Reason = "",
    who: As = "",
    data_dir: DataDir = None,
) -> None:
    """Turn something off for a while, or on again, in all processes at once."""
    from entrypoints import operator_commands as commands  # noqa: PLC0415

    if name is None:
        run_to_end(commands.list_switches(read(data_dir=data_dir)))
        return
    if to not in {"on", "off"}:
        raise typer.BadParameter("say on or off", param_hint="TO")
    if not who:
        raise typer.BadParameter("say who you are", param_hint="--as")
    deed = Deed(who, reason)
    run_to_end(commands.turn_switch(read(data_dir=data_dir), name, deed, is_on=to == "on"))


@roles_cli.command("grant")
def roles_grant(
    ref: Annotated[str, typer.Argument(help="Who, such as telegram:123.")],
    role: Annotated[Role, typer.Argument(help="Another one replaces it.")],
    reason: Reason,
    who: As,
    data_dir: DataDir = None,
) -> None:
    """Let somebody work in the chat, by /admin, from their next press."""
    from entrypoints import operator_commands as commands  # noqa: PLC0415

    run_to_end(commands.grant_role(read(data_dir=data_dir), ref, role, Deed(who, reason)))


@roles_cli.command("revoke")
def roles_revoke(ref: str, reason: Reason, who: As, data_dir: DataDir = None) -> None:
    """Take somebody's role; their next press is refused."""
    from entrypoints import operator_commands as commands  # noqa: PLC0415

    run_to_end(commands.revoke_role(read(data_dir=data_dir), ref, Deed(who, reason)))


@roles_cli.command("list")
def roles_list(data_dir: DataDir = None) -> None:
    """Everybody who has a role, and who gave it."""
    from entrypoints import operator_commands as commands  # noqa: PLC0415

    run_to_end(commands.list_roles(read(data_dir=data_dir)))


@audit_cli.command("verify")
def audit_verify(data_dir: DataDir = None) -> None:
    """Prove that no line of the audit trail was changed or taken out."""
    from entrypoints import operator_commands as commands  # noqa: PLC0415

    run_to_end(commands.verify_audit(read(data_dir=data_dir)))


@explain_cli.command("customer")
def explain_customer(ref: str, data_dir: DataDir = None) -> None:
    """Who (telegram:…, external:… or cus_…), on which plan and why, and where the money is from."""
    from entrypoints import explain_command as command  # noqa: PLC0415

    run_to_end(command.explain_customer(read(data_dir=data_dir), ref))


@explain_cli.command("purchase")
def explain_purchase(purchase_id: str, data_dir: DataDir = None) -> None:
    """All that led to a purchase (pur_…) and that it led to, the oldest first."""
    from entrypoints import explain_command as command  # noqa: PLC0415

    run_to_end(command.explain_purchase(read(data_dir=data_dir), purchase_id))


@explain_cli.command("entry")
def explain_entry(entry: str, data_dir: DataDir = None) -> None:
    """What an entry moved and why: ENTRY is its whole id, such as 'charge yookassa 2d8f…'."""
    from entrypoints import explain_command as command  # noqa: PLC0415

    run_to_end(command.explain_entry(read(data_dir=data_dir), entry))
