"""The words of the Telegram Bot API on the wire: calls with their parameters, answers, refusals."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from sandbox.reading import read_json

Json = dict[str, Any]

USER_ID_MAX: Final = 2**52 - 1


@dataclass(frozen=True, slots=True)
class Call:
    token: str = field(repr=False)
    method: str
    params: Mapping[str, object] = field(default_factory=dict)
    """As they came: from a form everything is a text, and what is nested is JSON in a text."""

    def text(self, name: str, default: str = "") -> str:
        value = self.params.get(name)
        if value is None:
            return default
        if isinstance(value, bool):
            return "true" if value else "false"
        return value if isinstance(value, str) else json.dumps(value)

    def whole(self, name: str, default: int = 0) -> int:
        """Telegram takes what it cannot read as the default."""
        try:
            return int(self.text(name, str(default)))
        except ValueError:
            return default

    def flag(self, name: str) -> bool:
        return self.text(name).strip().lower() in {"true", "yes", "1"}

    def nested(self, name: str, complaint: str) -> object:
        """
        The parsed value, None where there is none.

        Raises: Refused, with this complaint.
        """
        value = self.params.get(name)
        if not isinstance(value, str):
            return value
        try:
            return read_json(value) if value else None
        except ValueError:
            raise bad_request(complaint) from None


@dataclass(frozen=True, slots=True)
class Held:
    """A `getUpdates` that waits: for an update, for another call that ends it, or for its time."""

    number: int
    offset: int
    limit: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Json
    slow: bool = False
    lost: bool = False
    """Acted, but the caller must not hear of it."""
    held: Held | None = None
    """Set: not to be told yet. Ask `resume` until it answers."""

    @property
    def retry_after(self) -> int | None:
        seconds = self.body.get("parameters", {}).get("retry_after")
        return seconds if isinstance(seconds, int) else None


@dataclass(eq=False)
class Refused(Exception):
    """Telegram refuses the call, in its own words."""

    status: int
    description: str
    retry_after: int | None = None

    def answer(self) -> Answer:
        body: Json = {"ok": False, "error_code": self.status, "description": self.description}
        if self.retry_after is not None:
            body["parameters"] = {"retry_after": self.retry_after}
        return Answer(self.status, body)


def bad_request(description: str) -> Refused:
    return Refused(400, f"Bad Request: {description}")


def too_many(retry_after: int) -> Refused:
    return Refused(429, f"Too Many Requests: retry after {retry_after}", retry_after)


def done(result: object = True, description: str | None = None) -> Answer:
    body: Json = {"ok": True, "result": result}
    if description is not None:
        body["description"] = description
    return Answer(200, body)


def unix(at: datetime) -> int:
    return int(at.timestamp())


def big_number(*parts: object) -> str:
    """A number of up to 18 digits that looks like chance and is the same in every run."""
    text = ":".join(str(part) for part in parts)
    return str(int(sha256(text.encode()).hexdigest()[:15], 16))
