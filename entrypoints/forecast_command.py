"""What `billhook simulate` came to, for people or as JSON."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import typer

from adapters.catalog_file import catalog_from_file
from core.domain.money import Currency, Money
from core.use_cases.catalogs import WantedCatalog
from entrypoints.settings import Settings
from simulation.figures import COUNTS, FLOWS, STOCKS, Figures, Stretch
from simulation.forecast import Forecast, forecast
from simulation.habits import Assumptions

NO_PROMISE: Final = "This is arithmetic on assumptions, not a promise of what people will do."
SAID: Final = {
    "referred": "of newcomers come by somebody's code",
    "tries": "of newcomers begin a trial",
    "converts": "of those who tried buy",
    "buys": "of newcomers who do not try buy",
    "automatic": "of buyers let it renew by itself, from a saved card or the wallet",
    "leaves": "leave at each end of what they paid for",
    "late": "of the others renew late",
    "declined": "of payments are declined at first; every second of these is tried again",
    "refunded": "of payments by hand are given back",
    "fee": "of what is paid is kept by the gateway (of Stars nothing)",
}


def tell(settings: Settings, assumed: Assumptions, *, as_json: bool) -> int:
    """0 where every promise held, else 1."""
    wanted = catalog_from_file(settings.catalog)
    done = forecast(wanted, assumed, lambda day: _on_day(day, assumed.days))
    name = settings.catalog.name
    told = (
        json.dumps(_as_json(name, wanted, done), indent=2)
        if as_json
        else "\n".join(_told(name, wanted, done))
    )
    typer.echo(told)
    return 1 if done.problems else 0


def _on_day(day: int, days: int) -> None:
    """A line that is written over, for whoever looks at a terminal."""
    if sys.stderr.isatty():
        last = day == days
        typer.echo("\r\x1b[K" if last else f"\rday {day} of {days}", err=True, nl=False)


def _told(name: str, wanted: WantedCatalog, done: Forecast) -> Iterator[str]:
    assumed, figures = done.assumed, done.figures
    yield f"{name}: {assumed.customers} customers in {assumed.days} days, seed {assumed.seed}"
    yield NO_PROMISE
    yield ""
    yield from _told_of(assumed, wanted)
    yield f"  paid at    {', '.join(done.gateways)}"
    yield ""
    zone = ZoneInfo(wanted.zone)
    yield from _table(["month", *_words(_counted(figures))], _count_rows(figures, zone))
    for unit in _currencies(figures):
        yield ""
        names = _moved(figures, unit)
        yield from _table([unit.code, *_words(names)], _sum_rows(figures, unit, names, zone))
    yield ""
    yield from (f"not to be believed: {problem}" for problem in done.problems)
    if not done.problems:
        yield (
            f"the books hold: {done.entries} entries balance, the gateways agree,"
            f" and every promise held at each of {done.commits} commits"
        )


def _told_of(assumed: Assumptions, wanted: WantedCatalog) -> Iterator[str]:
    a_day = assumed.customers * 10 // assumed.days
    yield f"  customers  about {a_day // 10}.{a_day % 10} come a day, at any time"
    for name in _asked_of(wanted):
        yield f"  {name:10} {_percent(getattr(assumed, name))} % {SAID[name]}"
    if any(plan.quotas for plan in wanted.plans):
        yield f"  uses       {assumed.uses} of each feature in 30 days, by whoever is there"


def _asked_of(wanted: WantedCatalog) -> list[str]:
    """The assumptions that this catalog has a use for."""
    money, idle = wanted.money, set()
    if not money.referral.is_offered:
        idle |= {"referred"}
    if all(plan.trial is None for plan in wanted.plans):
        idle |= {"tries", "converts"}
    if not (money.deposit.bounds or money.verification.amounts):
        idle |= {"automatic"}
    return [name for name in SAID if name not in idle]


def _count_rows(figures: Figures, zone: ZoneInfo) -> Iterator[list[str]]:
    names = _counted(figures)
    for stretch in (*figures.months, figures.total):
        counts = {**stretch.counts, **_standing(stretch)}
        yield [_name(stretch, figures, zone), *(str(counts.get(name, 0)) for name in names)]


def _sum_rows(
    figures: Figures, unit: Currency, names: Sequence[str], zone: ZoneInfo
) -> Iterator[list[str]]:
    for stretch in (*figures.months, figures.total):
        sums = (_sum(stretch, name, unit) for name in names)
        yield [
            _name(stretch, figures, zone),
            *(Money(minor, unit).decimal_text() for minor in sums),
        ]


def _counted(figures: Figures) -> list[str]:
    """What this catalog has nothing of is left out."""
    names = [name for name in COUNTS if figures.total.counts[name]]
    trials = ["on_trial"] if "trials" in names else []
    return [*names, "paying", *trials, "churn"]


def _standing(stretch: Stretch) -> dict[str, object]:
    standing, churn = stretch.standing, stretch.churn
    told = f"{churn // 10}.{churn % 10} %"
    return {"paying": standing.paying, "on_trial": standing.on_trial, "churn": told}


def _moved(figures: Figures, unit: Currency) -> list[str]:
    return [
        name
        for name in (*FLOWS, *STOCKS)
        if any(_sum(month, name, unit) for month in figures.months)
    ]


def _sum(stretch: Stretch, name: str, unit: Currency) -> int:
    sums = stretch.sums if name in FLOWS else stretch.standing.sums
    return sums.get(name, {}).get(unit, 0)


def _currencies(figures: Figures) -> list[Currency]:
    moved = {unit for sums in figures.total.sums.values() for unit in sums}
    return sorted(moved, key=lambda unit: unit.code)


def _name(stretch: Stretch, figures: Figures, zone: ZoneInfo) -> str:
    if stretch is figures.total:
        return "total"
    return _month(stretch.begins, zone)


def _month(begins: datetime, zone: ZoneInfo) -> str:
    return f"{begins.astimezone(zone):%Y-%m}"


def _words(names: Iterable[str]) -> list[str]:
    return [name.replace("_", " ") for name in names]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    lines = [heads, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for first, *others in lines:
        cells = (text.rjust(width) for text, width in zip(others, widths[1:], strict=True))
        yield "  ".join((first.ljust(widths[0]), *cells))


def _percent(share: int) -> str:
    whole, part = divmod(share, 100)
    return f"{whole}.{part:02d}".rstrip("0").rstrip(".")


def _as_json(name: str, wanted: WantedCatalog, done: Forecast) -> dict[str, object]:
    figures, zone = done.figures, ZoneInfo(wanted.zone)
    shares = {one: f"{_percent(getattr(done.assumed, one))} %" for one in SAID}
    return {
        "catalog": name,
        "note": NO_PROMISE,
        "assumed": {**asdict(done.assumed), **shares},
        "gateways": list(done.gateways),
        "months": [
            {"month": _month(one.begins, zone), **_stretch(one, figures)} for one in figures.months
        ],
        "total": _stretch(figures.total, figures),
        "proof": {
            "holds": not done.problems,
            "entries": done.entries,
            "commits": done.commits,
            "problems": list(done.problems),
        },
    }


def _stretch(stretch: Stretch, figures: Figures) -> dict[str, object]:
    """Sums in minor units."""
    counts = {**stretch.counts, **_standing(stretch)}
    return {
        **{name: counts.get(name, 0) for name in _counted(figures)},
        "money": {
            unit.code: {
                f"{name}_minor": _sum(stretch, name, unit) for name in _moved(figures, unit)
            }
            for unit in _currencies(figures)
        },
    }
