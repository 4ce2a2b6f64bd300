"""What the store keeps of operators, and what it counts for them."""

from typing import Protocol

from core.domain.customer import Identity
from core.domain.operator import Draft, Operator


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
