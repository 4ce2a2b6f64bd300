"""What the store keeps of operators, and what it counts for them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.domain.customer import Identity
from core.domain.money import Money
from core.domain.operator import Draft, Operator


@dataclass(frozen=True, slots=True)
class Sold:
    """How many purchases were paid in one currency, and for how much, less what was given back."""

    count: int
    amount: Money


@dataclass(frozen=True, slots=True)
class Figures:
    """
    How the business stands: `new`, `sold` and `sold_since_month` count from moments that were
    asked for, all else is of the present. Deposits, checks and parts of escrows are no sales. A
    currency in which nothing was sold is left out. `withdrawals` are those that wait for a person.
    """

    new: int
    active: int
    trials: int
    sold: tuple[Sold, ...]
    sold_since_month: tuple[Sold, ...]
    withdrawals: int
    cases: int
    failed_notices: int


class FiguresRead(Protocol):
    async def told(self, now: datetime, *, day: datetime, month: datetime) -> Figures:
        """`day` and `month`: when they began, where the business is."""
        ...


class OperatorsRead(Protocol):
    """Read anew at each press, so that who lost a role has lost it at once."""

    async def find(self, identity: Identity) -> Operator | None: ...

    async def everybody(self) -> list[Operator]:
        """By identity."""
        ...

    async def draft(self, operator: Identity) -> Draft | None:
        """The newest of theirs."""
        ...


class Operators(OperatorsRead, Protocol):
    async def put(self, operator: Operator) -> None:
        """Add them, or replace the role that they had."""
        ...

    async def remove(self, identity: Identity) -> bool:
        """Whether they had a role."""
        ...

    async def put_draft(self, draft: Draft) -> None:
        """In place of the one that they had."""
        ...
