"""`python -m bench [consume forecast jobs renewals settle sqlite statements wallet]`: ratios against the bare limits, in one run.

Times are told, never asserted: they are the machine's. What fails is a book out of balance.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from bench import consume, forecast, jobs, renewals, settle, sqlite, statements, wallet
from bench.rounds import Plan, Report, table
from entrypoints.logs import configure_logs
from tests.postgres_server import postgres_server

PARTS: Final[Mapping[str, Callable[[Plan], Coroutine[Any, Any, Report]]]] = {
    "consume": consume.measure,
    "forecast": forecast.measure,
    "settle": settle.measure,
    "sqlite": sqlite.measure,
    "statements": statements.measure,
    "wallet": wallet.measure,
    "jobs": jobs.measure,
    "renewals": renewals.measure,
}


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m bench")
    options.add_argument("parts", nargs="*", metavar="part", help=f"some of: {', '.join(PARTS)}")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=2, help="per round")
    options.add_argument("--due", type=int, default=100, help="renewals")
    options.add_argument("--among", type=int, default=1000, help="subscriptions that are not due")
    given = options.parse_args()
    unknown = set(given.parts) - set(PARTS)
    if unknown:
        options.error(f"no such part: {', '.join(sorted(unknown))}")
    configure_logs("warning", for_people=True)  # A line for each job would be measured too.
    whole = Report()
    with postgres_server(durable=True) as url:
        plan = Plan(url, given.rounds, given.seconds, given.due, given.among)
        for name in given.parts or PARTS:
            print(f"measuring: {name} ...", file=sys.stderr, flush=True)
            report = asyncio.run(PARTS[name](plan))
            whole.lines += report.lines
            whole.notes += report.notes
            whole.findings += report.findings
    if whole.lines:
        print(f"\nMedians of {given.rounds} rounds, ours and the others by turns.")
        print(table(whole.lines))
    print("", *whole.notes, *whole.findings, sep="\n")
    return 1 if whole.findings else 0


if __name__ == "__main__":
    sys.exit(main())
