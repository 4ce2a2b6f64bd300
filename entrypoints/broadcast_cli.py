"""Broadcasts at the command line."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from core.domain.audit import Deed
from core.domain.broadcast import BroadcastId, BroadcastMove, Draft, Segment
from core.domain.plan import PlanCode
from entrypoints.command_line import DataDir, read, run_to_end
from entrypoints.operator_cli import As, Reason

broadcast_cli = typer.Typer(help="One message to many customers.", no_args_is_help=True)

Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="A day, in UTC.")]


@broadcast_cli.command("create")
def broadcast_create(
    *,
    en: Annotated[str | None, typer.Option(help="The text in English.")] = None,
    ru: Annotated[str | None, typer.Option(help="The text in Russian.")] = None,
    button_plan: Annotated[str | None, typer.Option(help="A button to this plan.")] = None,
    button_url: Annotated[str | None, typer.Option(help="A button to https://….")] = None,
    on_plan: Annotated[list[str] | None, typer.Option(help="On it now; may be repeated.")] = None,
    paid: Annotated[
        bool | None, typer.Option("--paid/--never-paid", help="Whether they ever paid.")
    ] = None,
    trialing: Annotated[bool, typer.Option("--trialing", help="Trying a plan now.")] = False,
    expired_days: Annotated[
        int | None, typer.Option(help="What they had ran out in so many last days.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="Such as ru.")] = None,
    registered_from: Day = None,
    registered_before: Day = None,
    reason: Reason,
    who: As,
    data_dir: DataDir = None,
) -> None:
    """Write one down, for those of whom all that is said holds. Nobody is sent anything yet."""
    from entrypoints import broadcast_commands as commands  # noqa: PLC0415

    segment = Segment(
        tuple(PlanCode(one) for one in on_plan or ()),
        paid,
        trialing,
        expired_days,
        language,
        registered_from and registered_from.replace(tzinfo=UTC),
        registered_before and registered_before.replace(tzinfo=UTC),
    )
    texts = {"en": en, "ru": ru}
    plan = None if button_plan is None else PlanCode(button_plan)
    draft = Draft({name: said for name, said in texts.items() if said}, segment, plan, button_url)
    run_to_end(commands.create(read(data_dir=data_dir), draft, Deed(who, reason)))


@broadcast_cli.command("preview")
def broadcast_preview(broadcast_id: str, data_dir: DataDir = None) -> None:
    """Whom a start would reach, by language, and what they would read."""
    from entrypoints import broadcast_commands as commands  # noqa: PLC0415

    run_to_end(commands.preview(read(data_dir=data_dir), BroadcastId(broadcast_id)))


@broadcast_cli.command("start")
def broadcast_start(broadcast_id: str, reason: Reason, who: As, data_dir: DataDir = None) -> None:
    """Send it, by the worker: look at `preview` first."""
    _move(broadcast_id, BroadcastMove.START, Deed(who, reason), data_dir)


@broadcast_cli.command("pause")
def broadcast_pause(broadcast_id: str, reason: Reason, who: As, data_dir: DataDir = None) -> None:
    """Send no more of it for now."""
    _move(broadcast_id, BroadcastMove.PAUSE, Deed(who, reason), data_dir)


@broadcast_cli.command("resume")
def broadcast_resume(broadcast_id: str, reason: Reason, who: As, data_dir: DataDir = None) -> None:
    """Go on with those who were not sent it yet."""
    _move(broadcast_id, BroadcastMove.RESUME, Deed(who, reason), data_dir)


@broadcast_cli.command("stop")
def broadcast_stop(broadcast_id: str, reason: Reason, who: As, data_dir: DataDir = None) -> None:
    """Never send any more of it."""
    _move(broadcast_id, BroadcastMove.STOP, Deed(who, reason), data_dir)


def _move(broadcast_id: str, move: BroadcastMove, deed: Deed, data_dir: DataDir) -> None:
    from entrypoints import broadcast_commands as commands  # noqa: PLC0415

    run_to_end(commands.move(read(data_dir=data_dir), BroadcastId(broadcast_id), move, deed))


@broadcast_cli.command("list")
def broadcast_list(data_dir: DataDir = None) -> None:
    """The newest first, and how far each has come."""
    from entrypoints import broadcast_commands as commands  # noqa: PLC0415

    run_to_end(commands.list_broadcasts(read(data_dir=data_dir)))


@broadcast_cli.command("show")
def broadcast_show(broadcast_id: str, data_dir: DataDir = None) -> None:
    """How far one has come."""
    from entrypoints import broadcast_commands as commands  # noqa: PLC0415

    run_to_end(commands.show(read(data_dir=data_dir), BroadcastId(broadcast_id)))
