"""When customers are reminded, and the hours in which nobody is told what can wait."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from core.domain.period import time_zone


@dataclass(frozen=True, slots=True)
class ReminderTerms:
    """
    `days_before` the end of what is paid for, the most first, and `days_after` it, the fewest
    first. `quiet` hours run from the first to the second by the customer's own clock, over
    midnight where the first is the later one; the same twice: there are none.
    """

    days_before: tuple[int, ...] = (3, 1)
    days_after: tuple[int, ...] = (1,)
    quiet: tuple[time, time] = (time(22), time(9))

    @property
    def days(self) -> tuple[int, ...]:
        """Seen from the end, in order and with it: what is negative lies before it."""
        return (*(-days for days in self.days_before), 0, *self.days_after)

    def awake_at(self, at: datetime, zone: str) -> datetime:
        """The moment itself, or the end of the quiet hours that it falls into, in UTC."""
        place = time_zone(zone)
        local = at.astimezone(place)
        if not self._is_quiet(local.time()):
            return at
        morning = self.quiet[1]
        day = local.date() + timedelta(days=1 if local.time() >= morning else 0)
        # In a repeated hour the clock shows the end twice, and the first may have passed.
        ends = (datetime.combine(day, morning, place).replace(fold=fold) for fold in (0, 1))
        return next(end for end in (one.astimezone(UTC) for one in ends) if end > at)

    def _is_quiet(self, clock: time) -> bool:
        evening, morning = self.quiet
        if evening <= morning:
            return evening <= clock < morning
        return clock >= evening or clock < morning
