"""Making access at an outside system: what we ask of it, and what it may answer."""

from dataclasses import dataclass
from typing import Protocol

from core.domain.access import Access
from core.domain.customer import Customer
from core.domain.errors import Refused, Unavailable


@dataclass(eq=False)
class AccessUnavailable(Unavailable):
    """No answer, or none that can be understood. It may have been done: order the same again."""

    retry_after_seconds: int = 5


@dataclass(eq=False)
class AccessRefused(Refused):
    """The system understood, and will not: a setting, or one of us, is wrong. A person must look."""

    why: str


@dataclass(frozen=True, slots=True)
class Applied:
    """`link` is what to hand to the customer; None: this system has none."""

    link: str | None = None


class AccessProvisioner(Protocol):
    """
    An outside system, such as a VPN panel or the business's own. It is told what should be, never
    what to change, so that the same order may come twice, late, or after one that was lost.
    """

    async def apply(self, customer: Customer, due: Access, *, revision: int) -> Applied:
        """
        Make it so that this customer has `due`, and nothing else of ours; whoever has no access is
        left without. Of two orders the one with the higher `revision` is newer. A system that can
        is to end it by itself at `due.until`. Must not be called while a unit of work is open.

        Raises:
            AccessUnavailable: order it again, not before the time it says.
            AccessRefused
        """
        ...
