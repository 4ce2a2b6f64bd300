"""What the rules of a gateway's double share: faults, keys, journal, webhooks, and their memory."""

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from sandbox.deliveries import Deliveries, Notification
from sandbox.faults import Faults

Json = dict[str, Any]

KEYS_REMEMBERED: Final = timedelta(hours=24)
CALLS_KEPT: Final = 1000


class NoSuchThing(Exception):
    """The double has no such payment, refund or payout."""


class MoveNotAllowed(Exception):
    """The provider's states do not allow this: final ones never change."""


@dataclass(frozen=True, slots=True)
class Call:
    """`path` is below the API's address. `body` is the parsed JSON, None for what is not JSON."""

    method: str
    path: str
    user: str | None = field(default=None, repr=False)
    key: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    body: object = None


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any
    slow: bool = False
    lost: bool = False
    """Acted, but the caller must not hear of it."""


@dataclass(eq=False)
class Refused(Exception):
    """The provider refuses the call with this status and body."""

    status: int
    body: Any

    def __str__(self) -> str:
        return json.dumps(self.body)


@dataclass(frozen=True, slots=True)
class CallRecord:
    method: str
    path: str
    key: str | None
    status: int | None
    """None where the answer was lost on its way."""
    at: datetime


class GatewayRules:
    """
    No network, no clock, no chance: time is the argument `at`, ids come from a seed. Whatever is
    kept is JSON in `tables`, by kind and id, in the order it was made.
    """

    def __init__(self, *, pauses: Sequence[timedelta], seed: int = 0) -> None:
        """`pauses` lie between one try of a webhook and the next; after the last it is given up."""
        self.faults = Faults()
        self.changes = 0
        self.calls: deque[CallRecord] = deque(maxlen=CALLS_KEPT)
        self.tables: dict[str, dict[str, Json]] = {}
        self.webhooks_are_off = False
        """As a provider turns them off by itself, or by the hand of whoever tests."""
        self._seed = seed
        self._ids_made = 0
        self._keys: dict[str, Json] = {}
        self._deliveries = Deliveries(pauses)

    # What a provider's rules say.

    def act(self, call: Call, at: datetime) -> Answer:
        """One call that got through. Raises: Refused."""
        raise NotImplementedError

    def age(self, at: datetime) -> None:
        """What time alone does."""

    def given_up(self, notification: Notification) -> None:
        """Nobody took this webhook, however often it was tried."""

    down = Answer(503, {"message": "Service unavailable"})

    # Shared.

    def answer(self, call: Call, *, at: datetime) -> Answer:
        self.age(at)
        if self.faults.take("down"):
            answer = self.down
        else:
            try:
                answer = self.act(call, at)
            except Refused as refused:
                answer = Answer(refused.status, refused.body)
            answer = replace(answer, body=deepcopy(answer.body), slow=self.faults.take("slow"))
            if call.method != "GET" and answer.status < 300:
                answer = replace(answer, lost=self.faults.take("timeout_after_acting"))
        told = None if answer.lost else answer.status
        self.calls.append(CallRecord(call.method, call.path, call.key, told, at))
        return answer

    def once(
        self, call: Call, act: Callable[[], Answer], *, clash: Refused, at: datetime
    ) -> Answer:
        """
        What the key of the call was answered first, for a day; `clash` where it was another call.
        Refusals are not remembered. Without a key each call acts.
        """
        if call.key is None:
            return act()
        content = json.dumps([call.path, call.body], sort_keys=True)
        fingerprint = sha256(content.encode()).hexdigest()
        known = self._keys.get(call.key)
        if known is not None and datetime.fromisoformat(known["at"]) + KEYS_REMEMBERED > at:
            if known["fingerprint"] != fingerprint:
                raise clash
            return Answer(known["status"], deepcopy(known["body"]))
        answer = act()
        self._keys[call.key] = {
            "fingerprint": fingerprint,
            "status": answer.status,
            "body": deepcopy(answer.body),
            "at": at.isoformat(),
        }
        return answer

    def find(self, kind: str, id_: str) -> Json:
        """Raises: NoSuchThing."""
        found = self.tables.get(kind, {}).get(id_)
        if found is None:
            raise NoSuchThing(id_)
        return found

    def named(self, kind: str, name: str, *, reference: str) -> Json:
        """By the id given here, or by the caller's own `reference`. Raises: NoSuchThing."""
        for thing in self.all(kind):
            if thing[reference] == name:
                return thing
        return self.find(kind, name)

    def all(self, kind: str) -> list[Json]:
        """In the order they were made."""
        return list(self.tables.get(kind, {}).values())

    def put(self, kind: str, id_: str, thing: Json) -> Json:
        self.changes += 1
        self.tables.setdefault(kind, {})[id_] = thing
        return thing

    def digits(self) -> str:
        """Hexadecimal digits that look like chance and are the same in every run."""
        self._ids_made += 1
        return sha256(f"{self._seed}:{self._ids_made}".encode()).hexdigest()

    def notify(self, body: Json, at: datetime) -> None:
        self.changes += 1
        if not self.webhooks_are_off:
            self._deliveries.add(deepcopy(body), at=at, faults=self.faults)

    def due_notifications(self, at: datetime) -> list[Notification]:
        """In the order to send them; each comes again until `delivered` or `failed` is told."""
        self.age(at)
        return self._deliveries.due(at)

    def signed(self, notification: Notification, at: datetime) -> tuple[bytes, Mapping[str, str]]:
        """The exact bytes to post, and the headers that prove them."""
        raise NotImplementedError

    def delivered(self, notification_id: int) -> None:
        self._deliveries.delivered(notification_id)
        self.changes += 1

    def failed(self, notification_id: int, *, at: datetime) -> None:
        given_up = self._deliveries.failed(notification_id, at=at)
        if given_up is not None:
            self.given_up(given_up)
        self.changes += 1

    def next_event_at(self) -> datetime | None:
        return self._deliveries.next_at()

    def snapshot(self) -> Json:
        """What must outlive a restart, for `json.dumps(..., default=datetime.isoformat)`."""
        return {
            "ids_made": self._ids_made,
            "faults": self.faults.left,
            "tables": self.tables,
            "keys": self._keys,
            "webhooks_are_off": self.webhooks_are_off,
            "deliveries": self._deliveries.snapshot(),
        }

    def restore(self, state: Json) -> None:
        """Takes up a snapshot that went through JSON."""
        self._ids_made = state["ids_made"]
        self.faults.left = dict(state["faults"])
        self.tables = state["tables"]
        self._keys = state["keys"]
        self.webhooks_are_off = state["webhooks_are_off"]
        self._deliveries.restore(state["deliveries"])
