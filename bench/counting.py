"""What a piece of work says to the database, counted where the driver is called."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, event


@dataclass
class Said:
    """Statements by their verb, the rows that lists of rows were run for, and commits."""

    verbs: Counter[str] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)
    commits: int = 0

    def __str__(self) -> str:
        verbs = ", ".join(f"{count} {verb}" for verb, count in sorted(self.verbs.items()))
        more = self.runs.total() - self.verbs.total()
        lists = f", {self.runs.total()} runs as lists of rows" if more else ""
        return f"{self.verbs.total()} statements ({verbs}){lists}, {self.commits} commits"


@contextmanager
def counted() -> Iterator[Said]:
    """Of all engines of this process."""
    said = Said()

    def statement(_c: Any, _cursor: Any, text: str, rows: Any, _context: Any, many: bool) -> None:
        verb = text.split(maxsplit=1)[0].upper()
        said.verbs[verb] += 1
        said.runs[verb] += len(rows) if many else 1

    def commit(_: Any) -> None:
        said.commits += 1

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", commit)
    try:
        yield said
    finally:
        event.remove(Engine, "before_cursor_execute", statement)
        event.remove(Engine, "commit", commit)
