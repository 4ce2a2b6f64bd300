"""What can come of asking Billhook, other than an answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx

from billhook_client.answers import Decision


class BillhookError(Exception):
    """What was asked of Billhook did not come about."""


@dataclass(eq=False)
class QuotaDenied(BillhookError):
    """The quota does not allow it; `decision` says how much is left, and until when."""

    decision: Decision


@dataclass(eq=False)
class Unavailable(BillhookError):
    """
    Billhook did not answer, or was too busy, however often it was asked. What was asked may have
    happened all the same: ask again with the same `request_id` or `idempotency_key`. The cause is
    chained.
    """

    retry_after_seconds: int | None = None


@dataclass(eq=False)
class Problem(BillhookError):
    """Billhook said no. `code` never changes its meaning; `facts` are whatever it told besides."""

    status: int
    code: str
    title: str
    facts: Mapping[str, object]

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.title}"


class Invalid(Problem):
    """The request makes no sense; asking again will not help."""


class NotAllowed(Problem):
    """The API key is unknown or revoked, or lacks the scope that is needed."""


class NotFound(Problem):
    """There is no such customer, feature or hold."""


class Conflict(Problem):
    """It contradicts what was recorded before."""


class RequestIdUsedOtherwise(Conflict):
    """This `request_id` was used before to ask for something else."""


class HoldEnded(Conflict):
    """The hold has ended in another way: `facts` has `hold_status` and how much was `captured`."""


_BY_CODE: Final[Mapping[str, type[Problem]]] = {
    "request_id_used_otherwise": RequestIdUsedOtherwise,
    "usage_hold_ended": HoldEnded,
}
_BY_STATUS: Final[Mapping[int, type[Problem]]] = {
    400: Invalid,
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    422: Invalid,
}
_STANDING: Final = frozenset({"type", "title", "status", "code"})


def problem_from_response(response: httpx.Response) -> Problem:
    """From a problem document; from whatever else somebody between us answers, at least a status."""
    try:
        told = response.json()
    except ValueError:
        told = None
    if not isinstance(told, dict):
        told = {}
    code = str(told.get("code", "answer_not_understood"))
    title = str(told.get("title", response.reason_phrase))
    facts = {name: value for name, value in told.items() if name not in _STANDING}
    kind = _BY_CODE.get(code) or _BY_STATUS.get(response.status_code, Problem)
    return kind(response.status_code, code, title, facts)
