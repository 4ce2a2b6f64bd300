"""`billhook simulate`: its options, each an assumption with its default."""

import re
from pathlib import Path
from typing import Annotated, Final

import typer

from entrypoints.command_line import read

CUSTOMERS_MAX: Final = 20_000
DAYS_MAX: Final = 3_660
SIZE_MAX: Final = 10_000_000
"""Customers times days: some minutes, and less than a gigabyte."""
WHOLE: Final = 100_00


def share_from_text(text: str, option: str) -> int:
    """
    `12.5` as hundredths of a percent. `option` is where it was written.

    Raises:
        typer.BadParameter
    """
    read = re.fullmatch(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?", text, re.ASCII)
    share = 0 if read is None else int(read[1] + (read[2] or "").ljust(2, "0"))
    if read is None or share > WHOLE:
        raise typer.BadParameter(
            f"{text!r} is not a percentage such as 20 or 12.5", param_hint=option
        )
    return share


def simulate(
    *,
    catalog: Annotated[Path | None, typer.Option(help="The catalog file.")] = None,
    customers: Annotated[
        int, typer.Option(min=1, max=CUSTOMERS_MAX, help="Who come, at any time.")
    ] = 1_000,
    days: Annotated[int, typer.Option(min=1, max=DAYS_MAX)] = 365,
    seed: Annotated[int, typer.Option(help="The same seed, the same output.")] = 7,
    referred: Annotated[str, typer.Option(help="% of newcomers, by a code.")] = "20",
    tries: Annotated[str, typer.Option(help="% of newcomers begin a trial.")] = "40",
    converts: Annotated[str, typer.Option(help="% of those who tried buy.")] = "30",
    buys: Annotated[str, typer.Option(help="% of those who do not try buy.")] = "10",
    automatic: Annotated[str, typer.Option(help="% of buyers let it renew by itself.")] = "50",
    leaves: Annotated[str, typer.Option(help="% leave at each end of a plan.")] = "20",
    late: Annotated[str, typer.Option(help="% of renewals are paid late.")] = "10",
    declined: Annotated[str, typer.Option(help="% of payments are declined at first.")] = "5",
    refunded: Annotated[str, typer.Option(help="% of payments by hand are given back.")] = "2",
    fee: Annotated[str, typer.Option(help="% that gateways keep; of Stars nothing.")] = "3.5",
    uses: Annotated[
        int, typer.Option(min=0, max=100, help="Uses of each feature in 30 days.")
    ] = 12,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """
    Forecast what a catalog earns: the real use cases on a simulated clock, in memory.

    It is arithmetic on assumptions, each of them an option, not a promise.

    Ends with 0 where the books hold, else with 1.
    """
    from entrypoints.forecast_command import tell  # noqa: PLC0415
    from entrypoints.logs import configure_logs  # noqa: PLC0415
    from simulation.habits import Assumptions  # noqa: PLC0415

    if customers * days > SIZE_MAX:
        raise typer.BadParameter(
            f"{customers} customers in {days} days are more than is kept in memory:"
            f" customers times days is at most {SIZE_MAX:,}"
        )
    shares = {
        "referred": referred,
        "tries": tries,
        "converts": converts,
        "buys": buys,
        "automatic": automatic,
        "leaves": leaves,
        "late": late,
        "declined": declined,
        "refunded": refunded,
        "fee": fee,
    }
    told = {name: share_from_text(text, f"--{name}") for name, text in shares.items()}
    assumed = Assumptions(customers, days, seed, uses=uses, **told)
    settings = read(catalog=catalog)
    # A line for each of its thousands of jobs would bury what it says.
    configure_logs("error", for_people=settings.is_development)
    if tell(settings, assumed, as_json=as_json):
        raise typer.Exit(1)
