"""Promo codes at the command line."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from core.domain.audit import Deed
from core.domain.plan import Feature, PlanCode
from core.domain.promo_code import DaysOf, Gives, PercentOff, UnitsOf
from core.use_cases.promo_codes import WantedCode
from entrypoints.command_line import DataDir, read, run_to_end
from entrypoints.operator_cli import As, Reason

promo_cli = typer.Typer(help="Promo codes.", no_args_is_help=True)


@promo_cli.command("create")
def promo_create(
    name: Annotated[str | None, typer.Argument(help="Nothing: one is made up.")] = None,
    *,
    reason: Reason,
    who: As,
    percent: Annotated[int | None, typer.Option(help="Off the next purchase: 1 to 90.")] = None,
    days: Annotated[int | None, typer.Option(help="Of the one plan that is named.")] = None,
    plan: Annotated[
        list[str] | None, typer.Option(help="May be repeated with --percent; nothing: any plan.")
    ] = None,
    units: Annotated[int | None, typer.Option(help="Of a feature that a plan counts.")] = None,
    feature: Annotated[str | None, typer.Option(help="Of which --units are given.")] = None,
    limit: Annotated[int | None, typer.Option(help="To how many customers in all.")] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"], help="UTC."),
    ] = None,
    only_new: Annotated[
        bool, typer.Option("--only-new", help="To those alone who never paid.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Make a code that gives a discount (--percent), days of a plan (--days and --plan) or units (--units and --feature)."""
    from entrypoints import promo_commands as commands  # noqa: PLC0415

    end = None if until is None else until.replace(tzinfo=UTC)
    wanted = WantedCode(
        _gives(percent, days, plan or [], units, feature), name, limit, end, only_new
    )
    run_to_end(commands.create_code(read(data_dir=data_dir), wanted, Deed(who, reason)))


def _gives(
    percent: int | None, days: int | None, plans: list[str], units: int | None, feature: str | None
) -> Gives:
    named = tuple(PlanCode(one) for one in dict.fromkeys(plans))
    match percent, days, units, feature:
        case int(), None, None, None:
            return PercentOff(percent, named)
        case None, int(), None, None:
            if len(named) != 1:
                raise typer.BadParameter("days are of one plan: name it by --plan")
            return DaysOf(named[0], days)
        case None, None, int(), str() if not named:
            return UnitsOf(Feature(feature), units)
    raise typer.BadParameter(
        "say what it gives: --percent, or --days and --plan, or --units and --feature"
    )


@promo_cli.command("list")
def promo_list(data_dir: DataDir = None) -> None:
    """The newest hundred first, with how often each was used."""
    from entrypoints import promo_commands as commands  # noqa: PLC0415

    run_to_end(commands.list_codes(read(data_dir=data_dir)))


@promo_cli.command("show")
def promo_show(name: str, data_dir: DataDir = None) -> None:
    """One code."""
    from entrypoints import promo_commands as commands  # noqa: PLC0415

    run_to_end(commands.show_code(read(data_dir=data_dir), name))


@promo_cli.command("stop")
def promo_stop(name: str, reason: Reason, who: As, data_dir: DataDir = None) -> None:
    """Let nobody use it any more. A discount that somebody has already stays good."""
    from entrypoints import promo_commands as commands  # noqa: PLC0415

    run_to_end(commands.stop_code(read(data_dir=data_dir), name, Deed(who, reason)))
