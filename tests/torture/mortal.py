"""
The application as `billhook run` serves it, or as `billhook web` and `billhook worker` do between
them, killed by SIGKILL at the step that it is told.

A step is a statement or a commit, counted while the file `armed` lies in the data folder; it says
which run this is, at which step of it to die, 0 for never, and whether it is the process that dies
or what serves its connection in the database. Each run counts from one; the count so far is kept in
the file `steps`. Beside a worker the web counts nothing.
"""

import asyncio
import json
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from sqlalchemy import Connection, Engine, event

from entrypoints import commands
from entrypoints.process import application, opened, work
from entrypoints.settings import Settings, read_settings


def main(role: str) -> None:
    settings = read_settings()
    if role == "worker":
        _count(settings.data_dir)
        asyncio.run(_work(settings))
        return
    commands.prepare(settings)
    if role == "run":
        _count(settings.data_dir)
    app = application(settings, whole=role == "run")
    uvicorn.run(app, port=settings.port, log_level="critical")


async def _work(settings: Settings) -> None:
    """With the clock of the web's sandbox, as soon as the web has prepared the database."""
    file = settings.data_dir / "sandbox" / "clock.json"

    def now() -> datetime:
        moved = json.loads(file.read_text())["offset_seconds"] if file.exists() else 0
        return datetime.now(UTC) + timedelta(seconds=moved)

    async with opened(settings, now=now) as parts:
        while not await _is_ready(parts.store):
            await asyncio.sleep(0.05)
        await work(parts, asyncio.Event(), again_after=0.1)


async def _is_ready(store: Any) -> bool:
    present, expected = await store.revision()
    return bool(present == expected)


def _count(folder: Path) -> None:
    armed, steps = folder / "armed", folder / "steps"
    present, taken = "", 0

    def step(connection: Connection) -> None:
        nonlocal present, taken
        try:
            run, mortal_at, victim = armed.read_text().split()
        except FileNotFoundError:
            return
        present, taken = run, taken + 1 if run == present else 1
        replace(steps, str(taken))
        if taken == int(mortal_at):
            os.kill(os.getpid() if victim == "process" else _backend(connection), signal.SIGKILL)

    @event.listens_for(Engine, "before_cursor_execute")
    def _statement(connection: Connection, _cursor: object, text: str, *_: object) -> None:
        # The pump looks for jobs and the sweep for what is due all the time; they are not counted.
        if "SKIP LOCKED" not in text and "UPDATE job" not in text:
            step(connection)

    @event.listens_for(Engine, "commit")
    def _commit(connection: Connection) -> None:
        step(connection)


def _backend(connection: Connection) -> int:
    """PostgreSQL's own process for it. Killed, it takes all others with it, and what they shared."""
    return int(connection.connection.driver_connection.info.backend_pid)  # type: ignore[union-attr]


def replace(file: Path, text: str) -> None:
    """Whoever reads meanwhile never finds it empty."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_text(text)
    fresh.replace(file)


if __name__ == "__main__":
    main(sys.argv[1])
