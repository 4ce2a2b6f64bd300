"""Operators in the chat: which role may do what, and a deed that somebody has begun there."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from core.domain.customer import Identity

DRAFT_LIFE: Final = timedelta(minutes=15)
"""For so long a message of an operator's is taken for an answer to what was asked."""
HEARD: Final = "heard"
"""Beside the answers: which message gave the last of them that was typed, and to what."""


class Role(StrEnum):
    OWNER = "owner"
    MANAGER = "manager"
    SUPPORT = "support"


class Right(StrEnum):
    """What a role lets somebody see, or do."""

    CUSTOMERS = "customers"  # Find one, see how they stand and why.
    CASES = "cases"  # See them, and close them.
    NOTICES = "notices"  # How the gateways stand; have a notice that failed asked about again.
    ACCESS = "access"  # Have access outside made again.
    FIGURES = "figures"  # What was earned.
    REFERRALS = "referrals"  # Say who brought a customer.
    BLOCK = "block"  # Serve a customer no longer, or again.
    DAYS = "days"  # Give days of a plan.
    WALLET = "wallet"  # Give money, or take it.
    REFUND = "refund"  # Give back what was paid.
    WITHDRAWALS = "withdrawals"  # See those that wait for a person, and decide about them.
    SWITCHES = "switches"  # Turn things off and on.
    BROADCAST = "broadcast"  # Write to many.
    ROLES = "roles"  # Say who has which role.


_SUPPORT: Final = frozenset({Right.CUSTOMERS, Right.CASES, Right.NOTICES, Right.ACCESS})

RIGHTS: Final[Mapping[Role, frozenset[Right]]] = {
    Role.OWNER: frozenset(Right),
    Role.MANAGER: frozenset(Right) - {Right.ROLES},
    Role.SUPPORT: _SUPPORT,
}


def may(role: Role | None, right: Right) -> bool:
    """None: no role at all."""
    return role is not None and right in RIGHTS[role]


@dataclass(frozen=True, slots=True)
class Operator:
    """Who has a role. `since` and `by` are None for the owner whom a setting names."""

    identity: Identity
    role: Role
    since: datetime | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """
    A deed that an operator has begun and not confirmed yet; the newest takes the place of the one
    before. `deed` and `about` say what is done to what, `answers` what was asked for since: in
    the words of the chat, which alone reads them. They hold ids, reasons and what is to be sent
    to many, never names.
    """

    id: str
    operator: Identity
    deed: str
    about: str
    at: datetime
    answers: Mapping[str, str] = field(default_factory=dict)
    is_done: bool = False

    def answered(
        self, question: str, text: str, *, at: datetime, message: str | None = None
    ) -> "Draft":
        heard = {} if message is None else {HEARD: f"{message} {question}"}
        return replace(self, answers={**self.answers, question: text, **heard}, at=at)

    def before(self, message: str) -> "Draft":
        """As it was before it heard this one: delivered again, it answers what it answered."""
        heard, _, question = self.answers.get(HEARD, "").partition(" ")
        if heard != message:
            return self
        told = {name: text for name, text in self.answers.items() if name not in {HEARD, question}}
        return replace(self, answers=told)

    def listens(self, now: datetime) -> bool:
        """Whether the next message is an answer."""
        return not self.is_done and now < self.at + DRAFT_LIFE
