"""Rounds: ours and its peers by turns, so that a noisy minute falls on all of them alike."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Final

Measure = Callable[[], Awaitable[float]]
"""One round; how many per second."""

HEADINGS: Final = ("what", "ours/s", "against", "its/s", "ratio", "min..max")


@dataclass(frozen=True)
class Plan:
    """How much to measure."""

    postgres_url: str
    rounds: int
    seconds: float
    due: int
    """Renewals, of the part of that name; `among`: so many that are not due."""

    among: int


@dataclass(frozen=True)
class Line:
    """What one peer and we did, round by round."""

    what: str
    peer: str
    ours: list[float] = field(default_factory=list)
    its: list[float] = field(default_factory=list)

    def cells(self) -> tuple[str, ...]:
        ratios = [mine / other for mine, other in zip(self.ours, self.its, strict=True)]
        return (
            self.what,
            f"{median(self.ours):.0f}",
            self.peer,
            f"{median(self.its):.0f}",
            f"{median(ratios):.2f}",
            f"{min(ratios):.2f}..{max(ratios):.2f}",
        )


@dataclass
class Report:
    """`findings` is what must not be: books out of balance, uses that were not counted."""

    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)


async def by_turns(
    what: str, rounds: int, ours: Measure, peers: Mapping[str, Measure]
) -> list[Line]:
    lines = [Line(what, peer) for peer in peers]
    for _ in range(rounds):
        mine = await ours()
        for line in lines:
            line.ours.append(mine)
            line.its.append(await peers[line.peer]())
    return lines


def table(lines: list[Line]) -> str:
    rows = [HEADINGS, *(line.cells() for line in lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
