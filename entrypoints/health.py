"""How a process and the system stand: for load balancers, for operators, for their monitoring."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from adapters.http.app import Health
from adapters.locales.translations import translation
from adapters.metrics import Metrics
from core.domain.errors import Unavailable
from core.ports.payment_gateway import Gateways
from core.ports.unit_of_work import Now
from core.use_cases.system_state import Level, ShowSystemState, SystemState, Trouble
from entrypoints.gateways import breakers_told


@dataclass(frozen=True, slots=True)
class OfProcess:
    """
    What one process alone knows. `outdated`: why the database is not as it needs it; empty where
    it is. `works` and `listens`: whether jobs are worked off here, whether
    chats are answered here; None: neither was meant to be. `limits`: where requests are counted,
    and whether that place is away.
    """

    outdated: Callable[[], Awaitable[Sequence[str]]]
    workers: Callable[[], Awaitable[Mapping[str, timedelta]]]
    works: Callable[[], bool | None]
    listens: Callable[[], bool | None]
    limits: Callable[[], Awaitable[tuple[str, bool]]]
    way_in: str


def health_of(
    process: OfProcess,
    show_state: ShowSystemState,
    gateways: Gateways,
    now: Now,
    metrics: Metrics,
) -> Health:
    async def not_ready() -> Sequence[str]:
        lost = _lost_here(process)
        return [*await process.outdated(), *(_said(trouble) for trouble in lost)]

    async def look() -> tuple[SystemState, str]:
        """The system's state, with what this process has to add; and where requests are counted."""
        limits, is_away = await process.limits()
        own = [*_lost_here(process), *([Trouble("limits_away")] if is_away else ())]
        try:
            unusable = [_outdated(reason) for reason in await process.outdated()]
        except Unavailable:
            unusable = [Trouble("store_away", level=Level.UNAVAILABLE)]
        # Of a database at another revision nothing more is read: it may be of any shape.
        found = SystemState([]) if unusable else await show_state()
        return replace(found, troubles=[*unusable, *found.troubles, *own]), limits

    async def status() -> Mapping[str, object]:
        found, limits = await look()
        is_away = found.level is Level.UNAVAILABLE
        workers = {} if is_away else await process.workers()
        reasons = [{"code": it.code, "says": _said(it), **it.facts} for it in found.troubles]
        return {
            "state": found.level.value,
            "reasons": reasons,
            "time": now().isoformat(),
            "gateways": [gateway.name for gateway in gateways],
            "switched_off": list(found.switched_off),
            "breakers": breakers_told(gateways),
            "telegram": process.way_in,
            "jobs": {
                "waiting": found.waiting_jobs,
                "worked_off_here": bool(process.works()),
            },
            "workers": {name: round(it.total_seconds(), 1) for name, it in workers.items()},
            "open_cases": found.open_cases,
            "limits": limits,
        }

    async def measured() -> bytes:
        found, _ = await look()
        return metrics.told(found)

    return Health(not_ready, status, measured)


def _lost_here(process: OfProcess) -> list[Trouble]:
    return [
        *([Trouble("worker_stopped")] if process.works() is False else ()),
        *([Trouble("chat_silent")] if process.listens() is False else ()),
    ]


def _outdated(reason: str) -> Trouble:
    return Trouble("outdated", {"reason": reason}, Level.UNAVAILABLE)


def _said(trouble: Trouble) -> str:
    return translation("en").gettext(f"trouble.{trouble.code}").format(**trouble.facts)
