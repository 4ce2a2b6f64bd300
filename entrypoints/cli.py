"""The command line: start, migrate, and the operator's own commands."""

import base64
import os
import secrets
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from core.domain.errors import BillingError, Unavailable
from entrypoints.broadcast_cli import broadcast_cli
from entrypoints.command_line import DataDir, read, run_to_end
from entrypoints.forecast_cli import simulate
from entrypoints.operator_cli import (
    access_cli,
    audit_cli,
    cases_cli,
    customers_cli,
    explain_cli,
    inbox_cli,
    purchases_cli,
    roles_cli,
    switch,
    wallet_cli,
)
from entrypoints.promo_cli import promo_cli
from entrypoints.webhooks_cli import webhooks_cli
from entrypoints.withdrawals_cli import withdrawals_cli

cli = typer.Typer(
    name="billhook",
    help="Billing for Telegram bots, Mini Apps and small web products.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
catalog_cli = typer.Typer(help="The catalog of plans.", no_args_is_help=True)
keys_cli = typer.Typer(help="API keys of your own backend.", no_args_is_help=True)
books_cli = typer.Typer(help="The ledger.", no_args_is_help=True)
cli.add_typer(catalog_cli, name="catalog")
cli.add_typer(keys_cli, name="keys")
cli.add_typer(customers_cli, name="customers")
cli.add_typer(wallet_cli, name="wallet")
cli.add_typer(withdrawals_cli, name="withdrawals")
cli.add_typer(purchases_cli, name="purchases")
cli.add_typer(promo_cli, name="promo")
cli.add_typer(cases_cli, name="cases")
cli.add_typer(inbox_cli, name="inbox")
cli.add_typer(access_cli, name="access")
cli.add_typer(audit_cli, name="audit")
cli.add_typer(roles_cli, name="roles")
cli.add_typer(webhooks_cli, name="webhooks")
cli.add_typer(broadcast_cli, name="broadcast")
cli.add_typer(books_cli, name="books")
cli.add_typer(explain_cli, name="explain")

Port = Annotated[int | None, typer.Option(min=1, max=65535)]
Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
CatalogPath = Annotated[Path | None, typer.Option("--catalog", help="The catalog file.")]


def _tell_the_version(asked: bool) -> None:
    if asked:
        typer.echo(version("billhook"))
        raise typer.Exit


@cli.callback()
def _options(
    *,
    tell_version: Annotated[
        bool,
        typer.Option(
            "--version", help="Which one this is.", callback=_tell_the_version, is_eager=True
        ),
    ] = False,
) -> None: ...


def main() -> None:
    """The command `billhook`. Refusals are said in a line each; only accidents show a trace."""
    if not __debug__:
        sys.exit("billhook: refuses to run without assertions; start Python without -O")
    # Imported late, like everything heavy here, so that `billhook --help` answers at once.
    from entrypoints.settings import SettingsNotUsable  # noqa: PLC0415

    try:
        cli()
    except SettingsNotUsable as error:
        sys.exit("These settings cannot be used:\n" + "\n".join(f"  {p}" for p in error.problems))
    except BillingError as error:
        told = f"billhook: {(error.__doc__ or '').strip()}\n{error}"
        if isinstance(error, Unavailable) and error.__cause__ is not None:
            told += f"\n{str(error.__cause__).partition('(Background on')[0].strip()}"
        sys.exit(told)


@cli.command()
def run(
    host: Host = None, port: Port = None, data_dir: DataDir = None, catalog: CatalogPath = None
) -> None:
    """Everything in one process: web, bot, jobs and, in development, the sandbox."""
    from entrypoints import commands  # noqa: PLC0415

    settings = read(host=host, port=port, data_dir=data_dir, catalog=catalog)
    commands.require_free_port(settings)
    commands.prepare(settings)
    commands.serve(settings, whole=True)


@cli.command()
def web(host: Host = None, port: Port = None, data_dir: DataDir = None) -> None:
    """The web alone, and Telegram's webhook; jobs are worked off by `billhook worker`."""
    from entrypoints import commands  # noqa: PLC0415

    settings = read(host=host, port=port, data_dir=data_dir)
    commands.require_free_port(settings)
    commands.serve(settings, whole=False)


@cli.command()
def bot(data_dir: DataDir = None) -> None:
    """The bot alone, asking Telegram for updates. One at a time; a second one waits."""
    from entrypoints import commands  # noqa: PLC0415

    run_to_end(commands.answer_chats(read(data_dir=data_dir)))


@cli.command()
def worker(data_dir: DataDir = None) -> None:
    """The jobs alone: settling, watching, expiring. On PostgreSQL several share them."""
    from entrypoints import commands  # noqa: PLC0415

    run_to_end(commands.work_off(read(data_dir=data_dir)))


@cli.command()
def migrate(data_dir: DataDir = None) -> None:
    """Bring the database to this version's revision. Safe to repeat."""
    from entrypoints import commands  # noqa: PLC0415

    typer.echo(f"database at revision {commands.migrate_database(read(data_dir=data_dir))}")


@cli.command()
def doctor(data_dir: DataDir = None) -> None:
    """Look for what is wrong, and say what to do about it."""
    from entrypoints import commands  # noqa: PLC0415

    run_to_end(commands.examine(read(data_dir=data_dir)))


@catalog_cli.command("check")
def catalog_check(catalog: CatalogPath = None) -> None:
    """Read the file and say what is wrong with it, without a database."""
    from entrypoints import commands  # noqa: PLC0415

    commands.check_catalog(read(catalog=catalog))


@catalog_cli.command("diff")
def catalog_diff(catalog: CatalogPath = None, data_dir: DataDir = None) -> None:
    """What applying the file would change."""
    from entrypoints import commands  # noqa: PLC0415

    run_to_end(commands.change_catalog(read(catalog=catalog, data_dir=data_dir), dry=True))


@catalog_cli.command("apply")
def catalog_apply(catalog: CatalogPath = None, data_dir: DataDir = None) -> None:
    """Put the file in force. Whoever bought a plan keeps the terms agreed on."""
    from entrypoints import commands  # noqa: PLC0415

    run_to_end(commands.change_catalog(read(catalog=catalog, data_dir=data_dir), dry=False))


@keys_cli.command("create")
def keys_create(
    name: str,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="customers, purchases, usage (these by default), operator; repeatable."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Make a key and show it once. The same name again replaces it."""
    from entrypoints import commands  # noqa: PLC0415

    run_to_end(commands.create_key(read(data_dir=data_dir), name, scope or []))


@keys_cli.command("list")
def keys_list(data_dir: DataDir = None) -> None:
    """Names, scopes and state; never the keys."""
    from entrypoints import commands  # noqa: PLC0415

    run_to_end(commands.list_keys(read(data_dir=data_dir)))


@keys_cli.command("revoke")
def keys_revoke(name: str, data_dir: DataDir = None) -> None:
    """Refuse this key from now on."""
    from entrypoints import commands  # noqa: PLC0415

    run_to_end(commands.revoke_key(read(data_dir=data_dir), name))


@keys_cli.command("data")
def keys_data() -> None:
    """Print fresh values for BILLHOOK_SIGNING_KEY and BILLHOOK_DATA_KEY."""
    typer.echo(f"BILLHOOK_SIGNING_KEY={secrets.token_urlsafe(48)}")
    typer.echo(f"BILLHOOK_DATA_KEY={base64.urlsafe_b64encode(os.urandom(32)).decode()}")


@books_cli.command("check")
def books_check(data_dir: DataDir = None) -> None:
    """Prove that the books hold: entries balance, balances equal their postings, and so on."""
    from entrypoints import commands  # noqa: PLC0415

    run_to_end(commands.check_the_books(read(data_dir=data_dir)))


@cli.command()
def reconcile(
    gateway: Annotated[str, typer.Option(help="Such as paymongo.")],
    since: Annotated[str, typer.Option(help="A day, or a time such as 2026-11-01T08:00:00Z.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    data_dir: DataDir = None,
) -> None:
    """
    Compare the books with all that a gateway lists: heal what was missed, tell what differs.

    Ends with 0 where both agree, else with 1.
    """
    from entrypoints import reconcile_command as command  # noqa: PLC0415

    begin = command.moment(since)
    run_to_end(command.reconcile(read(data_dir=data_dir), gateway, begin, as_json=as_json))


cli.command()(switch)
cli.command()(simulate)
