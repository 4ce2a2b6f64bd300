"""The application as `billhook run` serves it, killed by SIGKILL at its N-th step.

`python -m tests.torture.mortal N`: a step is a statement or a commit, counted once the file
`armed` lies in the data folder; N = 0 never dies. The count so far is kept in the file `steps`.
"""

import os
import signal
import sys
from pathlib import Path

import uvicorn
from sqlalchemy import Engine, event

from entrypoints import commands
from entrypoints.process import application
from entrypoints.settings import read_settings


def main() -> None:
    mortal_at = int(sys.argv[1])
    settings = read_settings()
    armed, steps = (settings.data_dir / name for name in ("armed", "steps"))
    commands.prepare(settings)
    _count(mortal_at, armed, steps)
    uvicorn.run(application(settings, whole=True), port=settings.port, log_level="critical")


def _count(mortal_at: int, armed: Path, steps: Path) -> None:
    taken = 0
    written = steps.with_name("steps.new")

    def step() -> None:
        nonlocal taken
        taken += 1
        written.write_text(str(taken))
        written.replace(steps)  # Whoever reads meanwhile never finds it empty.
        if taken == mortal_at:
            os.kill(os.getpid(), signal.SIGKILL)

    @event.listens_for(Engine, "before_cursor_execute")
    def _statement(_c: object, _cursor: object, text: str, *_: object) -> None:
        # The pump looks for jobs and the sweep for what is due all the time; they are not counted.
        if armed.exists() and "SKIP LOCKED" not in text and "UPDATE job" not in text:
            step()

    @event.listens_for(Engine, "commit")
    def _commit(_: object) -> None:
        if armed.exists():
            step()


if __name__ == "__main__":
    main()
