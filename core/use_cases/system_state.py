"""How the whole system stands, in one word, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

from core.domain.case import CaseKind
from core.domain.errors import Unavailable
from core.ports.payment_gateway import Gateways
from core.ports.unit_of_work import Now, Store

JOBS_LATE: Final = timedelta(minutes=2)
"""A job that is due is begun within a second; after this long nobody works, or too few do."""

CASES_MAX: Final = 1000


class Level(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"  # Something does not work, or not in time; nothing is lost.
    UNAVAILABLE = "unavailable"  # Nothing can be done at present.


@dataclass(frozen=True, slots=True)
class Trouble:
    """One reason: `code` is stable, `facts` are what its sentence tells."""

    code: str
    facts: Mapping[str, str | int] = field(default_factory=dict)
    level: Level = Level.DEGRADED


@dataclass(frozen=True, slots=True)
class SystemState:
    """Counts reach to CASES_MAX."""

    troubles: Sequence[Trouble]
    waiting_jobs: int = 0
    open_cases: int = 0
    switched_off: Sequence[str] = ()

    @property
    def level(self) -> Level:
        levels = {trouble.level for trouble in self.troubles}
        return next(one for one in reversed(Level) if one in levels | {Level.OK})


class ShowSystemState:
    """What can be seen from the store and from the gateways' breakers; a process adds its own."""

    def __init__(self, store: Store, gateways: Gateways, now: Now) -> None:
        self._store = store
        self._gateways = gateways
        self._now = now

    async def __call__(self) -> SystemState:
        away = [
            Trouble("gateway_away", {"gateway": it.name}) for it in self._gateways if it.is_down
        ]
        try:
            async with self._store.read() as view:
                waiting, oldest = await view.jobs.waiting(), await view.jobs.oldest()
                cases = await view.open_cases(limit=CASES_MAX)
                off = await view.switches.off()
        except Unavailable:
            return SystemState([Trouble("store_away", level=Level.UNAVAILABLE), *away])
        late = timedelta() if oldest is None else self._now() - oldest
        given_up = sum(case.kind is CaseKind.POISON for case in cases)
        # A bound of one subscription turns no switch, and one that a person turned on is believed.
        safety = [case.facts for case in cases if case.kind is CaseKind.SAFETY]
        stopped = [facts for facts in safety if facts["switch"] in off]
        found = [
            *([Trouble("jobs_late", {"seconds": int(late.total_seconds())})] * (late > JOBS_LATE)),
            *([Trouble("work_given_up", {"count": given_up})] * (given_up > 0)),
            *(
                Trouble("stopped_by_itself", {n: it[n] for n in ("switch", "why")})
                for it in stopped
            ),
        ]
        return SystemState([*found, *away], waiting, len(cases), sorted(off))
