"""What follows from which event: one table."""

from collections.abc import Callable, Sequence
from typing import Final

from core.domain.event import Event, Job

SETTLE_PAYMENT: Final = "settle_payment"
WATCH_CHECKOUT: Final = "watch_checkout"
EXPIRE_PURCHASE: Final = "expire_purchase"
EXPIRE_HOLD: Final = "expire_hold"
END_PERIOD: Final = "end_period"


def _ask_about_the_payment(event: Event) -> Job:
    payload = {name: str(event.facts[name]) for name in ("gateway", "payment_id")}
    return Job(
        SETTLE_PAYMENT, {**payload, "inbox_id": event.subject}, event.at, dedupe=event.subject
    )


_FOLLOWS: Final[dict[str, tuple[Callable[[Event], Job], ...]]] = {
    "notice.taken": (_ask_about_the_payment,),
}


def consequences(event: Event) -> Sequence[Job]:
    """The jobs that the unit recording this event enqueues with it."""
    return [follow(event) for follow in _FOLLOWS.get(event.name, ())]
