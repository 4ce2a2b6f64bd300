"""What every command needs: the settings it was given, and a run to its end."""

import asyncio
import os
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
    _require_known_kind(settings.database)
    if settings.is_development or not settings.shares_work:  # Else nothing is kept in it.
        _make_folder(settings.data_dir)
    return settings


def _require_known_kind(database: str) -> None:
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    from adapters.persistence.sql.store import database_address  # noqa: PLC0415
    from entrypoints.settings import SettingsNotUsable  # noqa: PLC0415

    try:
        database_address(database)
    except (ArgumentError, ValueError):
        known = "postgresql://user:password@host/name, or sqlite:///path/to/file"
        raise SettingsNotUsable([f"BILLHOOK_DATABASE_URL: {known}"]) from None


def _make_folder(folder: Path) -> None:
    from entrypoints.settings import SettingsNotUsable  # noqa: PLC0415

    try:
        folder.mkdir(parents=True, exist_ok=True)
        why = None if os.access(folder, os.W_OK | os.X_OK) else "it may not be written to"
    except OSError as error:
        why = f"it cannot be made: {error.strerror}"
    if why is not None:
        remedy = "name a folder of this user's, or mend its permissions"
        raise SettingsNotUsable([f"BILLHOOK_DATA_DIR (--data-dir) is {folder}: {why}; {remedy}"])


def run_to_end(work: Coroutine[Any, Any, int | None]) -> None:
    code = asyncio.run(work)
    if code:
        raise typer.Exit(code)
