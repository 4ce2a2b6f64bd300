"""The clock that the application and the doubles share: real UTC time plus an offset that only
grows.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

OFFSET_MAX: Final = timedelta(days=366 * 100)
"""Far enough for any rehearsal, and near enough for every date to stay printable."""


class ClockCannotMove(ValueError):
    """Time goes forward only, and not further than a century."""


class SandboxClock:
    """Pass `now` where the code asks for the time; `offset_file` remembers across restarts."""

    def __init__(self, offset_file: Path | None = None) -> None:
        self._file = offset_file
        self._offset = timedelta()
        if offset_file is not None and offset_file.exists():
            self._offset = timedelta(seconds=json.loads(offset_file.read_text())["offset_seconds"])

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def advance(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> datetime:
        """
        Moves time forward and returns the new now.

        Raises: ClockCannotMove.
        """
        try:
            step = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
            offset = self._offset + step
        except (OverflowError, ValueError) as error:  # Infinity, NaN, millions of years.
            raise ClockCannotMove(str(error)) from error
        if step < timedelta() or offset > OFFSET_MAX:
            raise ClockCannotMove(f"{step} is not a step that this clock can make")
        self._offset = offset
        if self._file is not None:
            replace_file(self._file, json.dumps({"offset_seconds": offset.total_seconds()}))
        return self.now()


def replace_file(file: Path, text: str) -> None:
    """Writes the whole file or nothing: a process killed meanwhile leaves the old one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(file.name + ".new")
    fresh.write_text(text)
    fresh.replace(file)
