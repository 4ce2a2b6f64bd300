"""A forecast of each catalog: how many days of customers a minute of the processor is good for."""

import time
from pathlib import Path
from typing import Final

from adapters.catalog_file import catalog_from_file
from bench.rounds import Plan, Report
from simulation.forecast import forecast
from simulation.habits import Assumptions

CATALOGS: Final = Path(__file__).parents[1] / "catalogs"


async def measure(_: Plan) -> Report:
    """It runs on its own clock, in memory: neither the database nor the rounds are of its concern."""
    report, assumed = Report(), Assumptions()
    for path in sorted(CATALOGS.glob("*.toml")):
        wanted = catalog_from_file(path)
        started = time.process_time()
        done = forecast(wanted, assumed)
        minutes = (time.process_time() - started) / 60
        million = assumed.customers * assumed.days / minutes / 10**6
        report.notes.append(
            f"forecast of {path.stem}, {assumed.customers} customers in {assumed.days} days:"
            f" {60 * minutes:.1f} s, {done.commits} commits,"
            f" {million:.1f} million customer-days a minute of the processor"
        )
        report.findings += [f"forecast of {path.stem}: {problem}" for problem in done.problems]
    return report
