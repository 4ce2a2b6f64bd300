"""Webhooks to the business's own system, at the command line."""

import base64
import secrets
from typing import Annotated

import typer

from core.domain.audit import Deed
from core.domain.delivery import DeliveryId, DeliveryStatus
from entrypoints.command_line import DataDir, read, run_to_end
from entrypoints.operator_cli import As, Reason

webhooks_cli = typer.Typer(help="What your own system is told.", no_args_is_help=True)

FailedOnly = Annotated[bool, typer.Option("--failed", help="Those that nobody tries any more.")]


@webhooks_cli.command("list")
def webhooks_list(*, failed: FailedOnly = False, data_dir: DataDir = None) -> None:
    """The newest first: when, what, how far it has come, and what was answered."""
    from entrypoints import webhook_commands as commands  # noqa: PLC0415

    status = DeliveryStatus.FAILED if failed else None
    run_to_end(commands.list_deliveries(read(data_dir=data_dir), status))


@webhooks_cli.command("replay")
def webhooks_replay(
    delivery_id: Annotated[str | None, typer.Argument(help="None: with --failed, all.")] = None,
    *,
    reason: Reason,
    who: As,
    failed: FailedOnly = False,
    data_dir: DataDir = None,
) -> None:
    """Tell it once more, by the next job: one, or all that failed."""
    from entrypoints import webhook_commands as commands  # noqa: PLC0415

    if (delivery_id is None) is not failed:
        raise typer.BadParameter("name one delivery, or say --failed")
    settings, deed = read(data_dir=data_dir), Deed(who, reason)
    if delivery_id is None:
        run_to_end(commands.replay_failed(settings, deed))
    else:
        run_to_end(commands.replay_one(settings, DeliveryId(delivery_id), deed))


@webhooks_cli.command("test")
def webhooks_test(data_dir: DataDir = None) -> None:
    """Send a `webhook.test` at once, and say what was answered."""
    from entrypoints import webhook_commands as commands  # noqa: PLC0415

    run_to_end(commands.send_test(read(data_dir=data_dir)))


@webhooks_cli.command("secret")
def webhooks_secret() -> None:
    """Print a fresh value for BILLHOOK_WEBHOOK_SECRET."""
    typer.echo(
        f"BILLHOOK_WEBHOOK_SECRET=whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    )
