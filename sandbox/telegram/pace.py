"""How fast a bot may send before Telegram tells it to wait."""

from dataclasses import dataclass, field
from datetime import datetime
from math import ceil


@dataclass(slots=True)
class Pace:
    """So many a second over time, and so many at once after a rest."""

    per_second: float
    burst: int
    _spent: dict[int, tuple[float, datetime]] = field(default_factory=dict)
    """Of each key: how much of the burst was used, and when that was reckoned."""

    def seconds_to_wait(self, key: int, *, at: datetime) -> int:
        """Zero: go on."""
        over = self._used(key, at) + 1 - self.burst
        return max(0, ceil(over / self.per_second))

    def count(self, key: int, *, at: datetime) -> None:
        self._spent[key] = (self._used(key, at) + 1, at)

    def _used(self, key: int, at: datetime) -> float:
        used, since = self._spent.get(key, (0.0, at))
        return max(0.0, used - self.per_second * (at - since).total_seconds())
