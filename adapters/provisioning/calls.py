"""HTTP calls to a system that gives access: nothing endless, and what its silence means."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
import structlog

from core.ports.access_provisioner import AccessRefused, AccessUnavailable
from core.ports.unit_of_work import unit_is_open

CALLS_AT_ONCE: Final = 8
TIMEOUT: Final = httpx.Timeout(10.0, connect=3.05, pool=None)
CALL_SECONDS_MAX: Final = 20.0
"""For the whole answer, however small its pieces."""
SILENCES_MAX: Final = 3
ANSWER_BYTES_MAX: Final = 256 * 1024
LINK_MAX: Final = 2000
RETRY_SECONDS_MAX: Final = 3600
_COME_BACK: Final = frozenset(
    {
        httpx.codes.REQUEST_TIMEOUT,
        httpx.codes.CONFLICT,
        httpx.codes.TOO_EARLY,
        httpx.codes.TOO_MANY_REQUESTS,
    }
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Told:
    """What was answered: a success, or a refusal that would be repeated."""

    status: int
    body: object

    @property
    def is_yes(self) -> bool:
        return httpx.codes.is_success(self.status)


class Calls:
    """
    Calls of one system. Redirects are not followed: they would take the secret elsewhere. Where it
    stands is the operator's word, which may be a private network. While it is silent one call at a
    time tries it, so that a panel that hangs does not hold all who wait for it.
    """

    def __init__(
        self,
        *,
        url: str,
        headers: Mapping[str, str] | None = None,
        timeout: httpx.Timeout = TIMEOUT,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=url.rstrip("/") + "/",
            headers=dict(headers or {}),
            timeout=timeout,
            limits=httpx.Limits(max_connections=CALLS_AT_ONCE),
            trust_env=False,
        )
        self._silences = 0  # In a row.
        self._under_way = 0

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Told:
        """
        A 2xx or a 4xx, with its JSON (None: an empty body). `body` is JSON, as it is to be sent.

        Raises:
            AccessUnavailable: anything else; the call may have been acted on.
            AccessRefused: our credentials are not taken.
        """
        assert not unit_is_open.get(), "no panel is called inside a unit of work"
        if self._silences >= SILENCES_MAX and self._under_way:
            raise AccessUnavailable
        called = log.bind(method=method, path=path)
        sent = {"Content-Type": "application/json", **(headers or {})} if body else headers
        self._under_way += 1
        try:
            async with asyncio.timeout(CALL_SECONDS_MAX):
                request = self._http.build_request(
                    method, path.lstrip("/"), content=body, headers=sent
                )
                answer = await self._http.send(request, stream=True)
                try:
                    content = await _content(answer)
                finally:
                    await answer.aclose()
        except (httpx.HTTPError, TimeoutError, ValueError, RecursionError) as error:
            self._silences += 1
            # `from None`: a network error holds the request, and with it the secret.
            called.warning("panel unavailable", cause=type(error).__name__)
            raise AccessUnavailable from None
        finally:
            self._under_way -= 1
        self._silences = 0
        status = answer.status_code
        if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            raise AccessRefused(f"the panel refuses our credentials ({status})")
        if status in _COME_BACK or not (200 <= status < 300 or 400 <= status < 500):
            called.warning("panel unavailable", status=status)
            raise AccessUnavailable(*_asked_to_wait(answer))
        return Told(status, content)

    async def close(self) -> None:
        """Let go of the idle connections."""
        await self._http.aclose()


async def _content(answer: httpx.Response) -> object:
    """
    Raises:
        ValueError: more than anybody would say, or a success that is no JSON.
    """
    content = b""
    async for piece in answer.aiter_bytes():
        content += piece
        if len(content) > ANSWER_BYTES_MAX:
            raise ValueError("too long")
    if not content:
        return None
    try:
        told: object = json.loads(content)
    except ValueError:
        if answer.is_success:
            raise
        return None  # A proxy's page about what its status says.
    return told


def at(payload: object, *path: str) -> Any:
    """What stands at the end of the path; None where there is nothing."""
    for step in path:
        payload = payload.get(step) if isinstance(payload, Mapping) else None
    return payload


def link_at(payload: object, *path: str) -> str | None:
    """
    A link that can be handed on: of any scheme, printable, no spaces.

    Raises:
        AccessUnavailable: something else stands there.
    """
    found = at(payload, *path)
    if found is None:
        return None
    is_link = isinstance(found, str) and found.isprintable() and not set(found) & set(" <>\"'")
    if not is_link or not 0 < len(found) <= LINK_MAX or ":" not in found:
        log.warning("panel's link cannot be read")
        raise AccessUnavailable
    return str(found)


def _asked_to_wait(answer: httpx.Response) -> tuple[int, ...]:
    asked = answer.headers.get("Retry-After", "")
    if asked.isdecimal() and len(asked) < 6 and 0 < int(asked) <= RETRY_SECONDS_MAX:
        return (int(asked),)
    return ()
