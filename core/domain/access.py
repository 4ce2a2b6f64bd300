"""Access outside Billhook: what is due to a customer there, and what was made so."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from core.domain.customer import CustomerId
from core.domain.subscription import Subscription

FIRST_WAIT: Final = timedelta(seconds=5)
LAST_WAIT: Final = timedelta(minutes=5)
TRY_LEASE: Final = timedelta(minutes=2)
"""A try that nobody ended is made again after this long."""
PATIENCE: Final = timedelta(minutes=15)
"""How long it may take before a person is told."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a customer may use, and until when: past that moment the outside takes it back itself."""

    grants: tuple[str, ...] = ()
    until: datetime | None = None


NO_ACCESS: Final = Access()


def due_access(subscription: Subscription) -> Access:
    """
    What a subscription gives as it stands; ask one `at(now)`. One that renews by itself gives it
    until its grace is over.
    """
    period, renews = subscription.period, subscription.renews
    if period is None or not period.plan.terms.grants:
        return NO_ACCESS
    return Access(period.plan.terms.grants, period.end if renews is None else renews.grace_until)


@dataclass(frozen=True, slots=True)
class AccessState:
    """
    What was made outside for a customer last, as far as we heard. `waiting_since`: since when
    something else is due, or may be there; None: the outside is as it should be. `tries` counts
    those that failed since then. `link` is where the customer finds what `made` gives.
    """

    customer_id: CustomerId
    made: Access = NO_ACCESS
    link: str | None = None
    waiting_since: datetime | None = None
    tries: int = 0
    due_at: datetime | None = None
    version: int = 0

    def gives(self, due: Access, at: datetime) -> bool:
        """Whether the customer has these grants now, until whatever moment."""
        made = self.made
        return made.grants == due.grants and (made.until is None or made.until > at)

    def is_overdue(self, at: datetime) -> bool:
        return self.waiting_since is not None and at - self.waiting_since >= PATIENCE

    def begun(self, at: datetime) -> "AccessState":
        """A try follows; whatever becomes of it, it is looked after."""
        since = at if self.waiting_since is None else self.waiting_since
        return replace(self, waiting_since=since, due_at=at + TRY_LEASE)

    def failed(self, at: datetime, *, asked: timedelta) -> "AccessState":
        """The next try follows after twice as long as the last time, or as was `asked` for."""
        wait = max(FIRST_WAIT * 2 ** min(self.tries, 10), asked)
        return replace(self.begun(at), tries=self.tries + 1, due_at=at + min(wait, LAST_WAIT))

    def overtaken(self, made: Access, at: datetime) -> "AccessState":
        """It was made, and meanwhile something else has become due."""
        return replace(self.begun(at), made=made, due_at=at)

    def settled(self, made: Access, link: str | None) -> "AccessState":
        """It was made, and is what is due."""
        link = link if made.grants else None
        return replace(self, made=made, link=link, waiting_since=None, tries=0, due_at=None)
