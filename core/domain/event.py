"""What happened, and what is to be done because of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from core.domain.customer import CustomerId


@dataclass(frozen=True, slots=True)
class Event:
    """
    A line of history, kept for ever. `name` is `noun.past_participle`; `facts` hold ids, amounts
    in minor units and words, never names of people.
    """

    name: str
    subject: str
    at: datetime
    customer_id: CustomerId | None = None
    facts: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """
    Work for now, enqueued by the unit that makes it necessary. `payload` holds ids only. Of two
    waiting jobs with the same name and `dedupe` one is kept. Jobs converge: they read the present
    state, so doing one twice, or late, is harmless.
    """

    name: str
    payload: Mapping[str, str]
    run_at: datetime
    dedupe: str | None = None


ALONE: Final = "pump"
"""The worker of a database that has one alone."""


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job taken by a worker: `attempt` counts from 1, `by` is who took it last."""

    id: int
    job: Job
    attempt: int
    by: str = ALONE
