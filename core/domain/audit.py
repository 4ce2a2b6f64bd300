"""The audit trail: who did what by hand, why, and a chain of seals that no line can leave."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from core.domain.errors import Invalid

REASON_MIN: Final = 3
REASON_MAX: Final = 500

FIRST_SEAL: Final = ""
"""What the first line follows."""


@dataclass(eq=False)
class ReasonMissing(Invalid):
    """Say why, in 3 to 500 characters: it is written down with your name."""


@dataclass(frozen=True, slots=True)
class Deed:
    """
    What a person does by hand: `actor` is the name of their key, or of whoever is at the command
    line; `reason` is theirs.
    """

    actor: str
    reason: str

    def __post_init__(self) -> None:
        """
        Raises:
            ReasonMissing
        """
        if not REASON_MIN <= len(self.reason.strip()) <= REASON_MAX:
            raise ReasonMissing


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One deed. `action` is `noun.verb`; facts hold ids, amounts and words, never names of people."""

    at: datetime
    actor: str
    action: str
    subject: str
    reason: str
    facts: Mapping[str, str | int] = field(default_factory=dict)

    def seal(self, former: str) -> str:
        """SHA-256 over the seal of the line before and everything that this one says."""
        said = [self.at.isoformat(), self.actor, self.action, self.subject, self.reason]
        told = json.dumps([former, *said, dict(self.facts)], ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()


def line_of(
    deed: Deed, action: str, subject: str, *, at: datetime, **facts: str | int
) -> AuditLine:
    return AuditLine(at, deed.actor, action, subject, deed.reason.strip(), facts)
