"""The application as `billhook run` serves it, killed by SIGKILL at the step that it is told.

A step is a statement or a commit, counted while the file `armed` lies in the data folder; it says
which run this is and at which step of it to die, 0 for never. Each run counts from one; the count
so far is kept in the file `steps`.
"""

import os
import signal
from pathlib import Path

import uvicorn
from sqlalchemy import Engine, event

from entrypoints import commands
from entrypoints.process import application
from entrypoints.settings import read_settings


def main() -> None:
    settings = read_settings()
    commands.prepare(settings)
    _count(settings.data_dir)
    uvicorn.run(application(settings, whole=True), port=settings.port, log_level="critical")


def _count(folder: Path) -> None:
    armed, steps = folder / "armed", folder / "steps"
    present, taken = "", 0

    def step() -> None:
        nonlocal present, taken
        try:
            run, mortal_at = armed.read_text().split()
        except FileNotFoundError:
            return
        present, taken = run, taken + 1 if run == present else 1
        replace(steps, str(taken))
        if taken == int(mortal_at):
            os.kill(os.getpid(), signal.SIGKILL)

    @event.listens_for(Engine, "before_cursor_execute")
    def _statement(_c: object, _cursor: object, text: str, *_: object) -> None:
        # The pump looks for jobs and the sweep for what is due all the time; they are not counted.
        if "SKIP LOCKED" not in text and "UPDATE job" not in text:
            step()

    @event.listens_for(Engine, "commit")
    def _commit(_: object) -> None:
        step()


def replace(file: Path, text: str) -> None:
    """Whoever reads meanwhile never finds it empty."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_text(text)
    fresh.replace(file)


if __name__ == "__main__":
    main()
