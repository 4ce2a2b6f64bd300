"""What every command needs: the settings it was given, and a run to its end."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

DataDir = Annotated[Path | None, typer.Option(help="Folder of the database file.")]


def read(**overrides: object) -> Any:
    from entrypoints.logs import configure_logs  # noqa: PLC0415
    from entrypoints.settings import read_settings, unknown_variables  # noqa: PLC0415

    settings = read_settings(**overrides)
    configure_logs(settings.log_level, for_people=settings.is_development)
    for name in unknown_variables():
        typer.echo(f"warning: {name} is not a setting of this version", err=True)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return settings


def run_to_end(work: Coroutine[Any, Any, int | None]) -> None:
    code = asyncio.run(work)
    if code:
        raise typer.Exit(code)
