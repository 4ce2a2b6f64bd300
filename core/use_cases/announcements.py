"""What the business's own system is told of, and what it is told: one table."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from core.domain.delivery import Delivery, DeliveryId
from core.domain.event import Event, Job
from core.ports.unit_of_work import Consequences

DELIVER_WEBHOOK: Final = "deliver_webhook"

VERSION: Final = 1
"""Of what is told. It grows when something is taken away or changes its meaning, not when it is added."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """
    An event as it is told outside: under a public name, with ids and money, and never more than
    the event itself has, so that it says what was so then. `once` is what makes it this one and
    no other, whenever it is told.
    """

    event: str
    at: datetime
    data: Mapping[str, object]
    once: str

    @property
    def id(self) -> DeliveryId:
        digest = hashlib.sha256(f"{self.event} {self.once}".encode()).hexdigest()
        return DeliveryId(f"msg_{digest[:32]}")

    def delivery(self, host: str, *, due_at: datetime) -> Delivery:
        """Its body is frozen here: every try sends these bytes, whatever version of us makes it."""
        told = {
            "type": self.event,
            "version": VERSION,
            "timestamp": self.at.isoformat(),
            "data": self.data,
        }
        body = json.dumps(told, separators=(",", ":"))
        return Delivery(self.id, self.event, host, body, self.at, due_at=due_at)


@dataclass(frozen=True, slots=True)
class _Told:
    """
    How an event is told: what its subject is called, and which of its facts are told; amounts
    always are. `when`: only of such events. `once_per`: facts that make it the same announcement,
    however often it is recorded; none: it is as often as it is recorded.
    """

    event: str
    subject: str
    facts: tuple[str, ...] = ()
    when: Callable[[Event], bool] = lambda _: True
    once_per: tuple[str, ...] = ()

    def announcement(self, event: Event) -> Announcement:
        facts = event.facts
        data: dict[str, object] = {self.subject: event.subject}
        if event.customer_id is not None:
            data["customer_id"] = event.customer_id
        for amount, minor in _AMOUNTS.items():
            if {minor, "currency"} <= facts.keys():
                data[amount] = {"amount_minor": facts[minor], "currency": facts["currency"]}
        data |= {name: facts[name] for name in self.facts if name in facts}
        once: list[object] = [event.subject]
        once += [facts[name] for name in self.once_per] or [event.at.isoformat(), dict(facts)]
        return Announcement(self.event, event.at, data, json.dumps(once, sort_keys=True))


def _begins(event: Event) -> bool:
    return event.facts.get("period_start") == event.at.isoformat()


def _prolongs(event: Event) -> bool:
    return "period_start" in event.facts and not _begins(event)


def _leaves_nothing(event: Event) -> bool:
    return "period_end" not in event.facts


def _is_over(event: Event) -> bool:
    return event.facts.get("access") == "over"


_AMOUNTS: Final = {"amount": "amount_minor", "former_amount": "former_minor"}
_PLAN: Final = ("plan", "period_start", "period_end")
_PACK: Final = ("pack", "feature", "units")
_ITS_PART: Final = ("escrow_id", "part")
_PART: Final = ("part", "payee_id")
_TOLD: Final[Mapping[str, tuple[_Told, ...]]] = {
    "purchase.paid": (
        _Told("purchase.paid", "purchase_id", ("item", *_PLAN, *_PACK, *_ITS_PART, "method_id")),
        _Told("subscription.activated", "purchase_id", _PLAN, when=_begins),
        _Told("subscription.renewed", "purchase_id", _PLAN, when=_prolongs),
    ),
    "purchase.refunded": (_Told("purchase.refunded", "purchase_id"),),
    "purchase.expired": (_Told("purchase.expired", "purchase_id"),),
    "subscription.trial_started": (_Told("subscription.activated", "customer_id", _PLAN),),
    "subscription.given": (
        _Told("subscription.activated", "customer_id", _PLAN, when=_begins),
        _Told("subscription.renewed", "customer_id", _PLAN, when=_prolongs),
    ),
    "renewal.price_told": (_Told("subscription.price_announced", "customer_id", ("plan", "from")),),
    "subscription.past_due": (_Told("subscription.past_due", "customer_id"),),
    "subscription.canceled": (  # Past due, there is nothing left to be used.
        _Told("subscription.canceled", "customer_id", _PLAN),
        _Told("subscription.expired", "customer_id", when=_is_over),
    ),
    "subscription.ended": (_Told("subscription.expired", "customer_id", _PLAN),),
    "subscription.shortened": (  # By a refund, which may leave nothing of it.
        _Told("subscription.expired", "customer_id", ("purchase_id",), when=_leaves_nothing),
    ),
    "quota.used_up": (
        _Told(
            "quota.exhausted",
            "customer_id",
            ("feature", "used", "limit", "window_start", "resets_at"),
            once_per=("feature", "window_start"),
        ),
    ),
    "customer.erased": (_Told("customer.erased", "customer_id"),),
    "wallet.credited": (_Told("wallet.credited", "customer_id", ("cause",)),),
    "reward.earned": (_Told("referral.rewarded", "purchase_id"),),
    "withdrawal.done": (_Told("withdrawal.done", "withdrawal_id"),),
    "withdrawal.failed": (_Told("withdrawal.failed", "withdrawal_id"),),
    "withdrawal.returned": (_Told("withdrawal.returned", "withdrawal_id"),),
    "escrow.funded": (_Told("escrow.funded", "escrow_id", _PART),),
    "escrow.disputed": (_Told("escrow.disputed", "escrow_id", _PART),),
    "escrow.released": (_Told("escrow.released", "escrow_id", _PART),),
    "escrow.refunded": (_Told("escrow.refunded", "escrow_id", _PART),),
}

ANNOUNCED: Final = tuple(dict.fromkeys(told.event for row in _TOLD.values() for told in row))
"""All that the business's own system can be told of, by its public names."""


def announcements(event: Event) -> Iterator[Announcement]:
    for told in _TOLD.get(event.name, ()):
        if told.when(event):
            yield told.announcement(event)


def announcing(follow: Consequences, wants: Callable[[str], bool]) -> Consequences:
    """
    What follows anyway, and the telling of whatever is wanted. The job holds where the event is
    found and which of its announcements this is.
    """

    def with_announcements(event: Event) -> Sequence[Job]:
        told = [
            Job(
                DELIVER_WEBHOOK,
                {
                    "delivery_id": one.id,
                    "event": event.name,
                    "subject": event.subject,
                    "at": event.at.isoformat(),
                },
                event.at,
                dedupe=one.id,
            )
            for one in announcements(event)
            if wants(one.event)
        ]
        return [*follow(event), *told]

    return with_announcements
