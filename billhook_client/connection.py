"""How Billhook is asked: the same request again, a few times, where nothing is known of its end."""

import asyncio
import random
from collections.abc import Mapping
from typing import Any, Final

import httpx

from billhook_client.errors import Problem, Unavailable, problem_from_response

ROOT: Final = "/api/v1/billing"
BUSY: Final = frozenset({429, 502, 503, 504})
FIRST_WAIT_SECONDS: Final = 0.1
LAST_WAIT_SECONDS: Final = 2.0
RETRY_AFTER_SECONDS_MAX: Final = 10
"""Who is told to wait longer than this is told so, and not kept waiting."""

_chance: Final = random.SystemRandom()


class Connection:
    """
    Everything that is asked here may be asked again: it only reads, or carries a request id or an
    idempotency key, or ends a hold, which ends once. So what was not answered is repeated, up to
    `tries_max` times in all.
    """

    def __init__(
        self, url: str, api_key: str, *, tries_max: int, client: httpx.AsyncClient
    ) -> None:
        self._url = url.rstrip("/").removesuffix(ROOT) + ROOT
        self._headers = {"Authorization": f"Bearer {api_key}"}
        self._tries_max = tries_max
        self._client = client

    async def get(self, path: str) -> Mapping[str, Any]:
        """
        Raises:
            Unavailable, Problem
        """
        return await self._ask("GET", path, None, {})

    async def post(
        self, path: str, body: Mapping[str, object], *, key: str | None = None
    ) -> Mapping[str, Any]:
        """
        Raises:
            Unavailable, Problem
        """
        return await self._ask("POST", path, body, {} if key is None else {"Idempotency-Key": key})

    async def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None,
        headers: Mapping[str, str],
    ) -> Mapping[str, Any]:
        tried = 0
        while True:
            tried += 1
            after: int | None = None
            cause: Exception
            try:
                response = await self._client.request(
                    method, self._url + path, json=body, headers={**self._headers, **headers}
                )
                if response.is_success:
                    return _answer(response)
                cause = problem = problem_from_response(response)
                after = _retry_after(response)
                if not _may_pass(problem) or (
                    response.status_code == httpx.codes.TOO_MANY_REQUESTS and after is None
                ):
                    raise problem
            except httpx.TransportError as error:
                cause = error
            if tried >= self._tries_max or (after or 0) > RETRY_AFTER_SECONDS_MAX:
                raise Unavailable(after) from cause
            await asyncio.sleep((after or 0) + _pause(tried))


def _may_pass(problem: Problem) -> bool:
    """Also where the same request, sent before, is still being worked on."""
    return problem.status in BUSY or problem.code == "still_running"


def _answer(response: httpx.Response) -> Mapping[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise problem_from_response(response)
    return answer


def _retry_after(response: httpx.Response) -> int | None:
    told = response.headers.get("Retry-After", "")
    return int(told) if told.isascii() and told.isdigit() else None


def _pause(tried: int) -> float:
    """Twice as long each time, and different for everybody, so that they do not come together."""
    longest = min(FIRST_WAIT_SECONDS * 2 ** (tried - 1), LAST_WAIT_SECONDS)
    return _chance.uniform(longest / 2, longest)
