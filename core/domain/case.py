"""A case: something for a person, opened once per cause and closed with a reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.domain.customer import CustomerId


class CaseKind(StrEnum):
    MISMATCH = "mismatch"  # Money that did not equal the price.
    SUSPENSE = "suspense"  # Money that is nobody's yet.
    FOREIGN = "foreign"  # A payment of another shop or mode was reported to us.
    REFUND = "refund"  # A refund at the provider that our books do not know.
    AUTHORIZED = "authorized"  # Money held at the provider that nobody captured.
    UNCONFIRMED = (
        "unconfirmed"  # Paid, says a notice; not so, or nothing we know, says the provider.
    )
    CHARGEBACK = "chargeback"  # A payer's bank took money back, or is asked to.
    DISPUTE = "dispute"  # A payer says that an escrow must not be released.
    WITHDRAWAL = "withdrawal"  # A withdrawal that waits for a person.
    DIFFERENCE = "difference"  # Our books and the provider's do not say the same.
    SAFETY = "safety"  # A safety bound was reached, and something stopped by itself.
    WEBHOOKS = "webhooks"  # The business's own system is told nothing while this is open.
    POISON = (
        "poison"  # What fails too often: a job, access outside; or a chat's update that met a bug.
    )


@dataclass(frozen=True, slots=True)
class Case:
    """`cause` is unique: the same thing noticed twice is one case. Facts hold ids, never names."""

    id: str
    kind: CaseKind
    cause: str
    opened_at: datetime
    facts: Mapping[str, str]
    customer_id: CustomerId | None = None
    closed_at: datetime | None = None
    reason: str | None = None
