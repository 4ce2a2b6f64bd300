"""HTTP calls to a provider: nothing shared, nothing endless, one silence, numbers kept exact."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import httpx
import structlog

from core.domain.plan import GatewayName
from core.ports.payment_gateway import GatewayUnavailable
from core.ports.unit_of_work import unit_is_open

CALLS_AT_ONCE: Final = 16
TIMEOUT: Final = httpx.Timeout(10.0, connect=3.05, pool=None)
"""Between two pieces of the answer, and to connect, in seconds."""
CALL_SECONDS_MAX: Final = 30.0
"""For the whole answer, however small its pieces."""
RETRY_SECONDS_MAX: Final = 3600

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Told:
    """What the provider answered: a success, or a refusal that it would repeat."""

    status: int
    body: object

    @property
    def is_yes(self) -> bool:
        return httpx.codes.is_success(self.status)


class Calls:
    """Calls of one account. `headers` and `auth` hold its secret: neither is ever logged."""

    def __init__(
        self,
        gateway: GatewayName,
        *,
        url: str,
        auth: tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: httpx.Timeout = TIMEOUT,
    ) -> None:
        self._gateway = gateway
        self._http = httpx.AsyncClient(
            base_url=url.rstrip("/") + "/",
            auth=auth,
            headers=dict(headers or {}),
            timeout=timeout,
            limits=httpx.Limits(max_connections=CALLS_AT_ONCE),
            trust_env=False,  # A .netrc would replace our credentials.
        )

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Told:
        """
        A 2xx, or a 4xx by which the provider says that it did nothing and never will. `body` is
        JSON, as it is to be sent. There are no retries in here.

        Raises:
            GatewayUnavailable: anything else; the call may have been acted on.
        """
        assert not unit_is_open.get(), "a gateway is never called inside a unit of work"
        called = log.bind(gateway=self._gateway, method=method, path=path)
        sent = {"Content-Type": "application/json", **(headers or {})} if body else headers
        # `from None`: a network error holds the request, and with it the secret.
        try:
            async with asyncio.timeout(CALL_SECONDS_MAX):
                answer = await self._http.request(
                    method, path.lstrip("/"), params=query, content=body, headers=sent
                )
            told = json.loads(answer.content, parse_float=Decimal)
        except (
            httpx.HTTPError,
            TimeoutError,
            ValueError,
            ArithmeticError,  # A number with an exponent that no Decimal has.
            RecursionError,
        ) as error:
            called.warning("provider unavailable", cause=type(error).__name__)
            raise GatewayUnavailable(self._gateway) from None
        status = answer.status_code
        if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            # Nothing was done; once the operator has mended it, the work goes on.
            called.error("provider refused our credentials", status=status)
            raise GatewayUnavailable(self._gateway)
        if status in _COME_BACK or not (200 <= status < 300 or 400 <= status < 500):
            called.warning("provider unavailable", status=status)
            raise GatewayUnavailable(self._gateway, *_asked_to_wait(answer))
        return Told(status, told)

    async def close(self) -> None:
        """Let go of the idle connections."""
        await self._http.aclose()


_COME_BACK: Final = frozenset(
    {httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_EARLY, httpx.codes.TOO_MANY_REQUESTS}
)


def _asked_to_wait(answer: httpx.Response) -> tuple[int, ...]:
    for name in ("Retry-After", "Rate-Limit-Reset"):
        asked = answer.headers.get(name, "")
        if asked.isdecimal() and 0 < int(asked) <= RETRY_SECONDS_MAX:
            return (int(asked),)
    return ()


def at(payload: object, *path: str | int) -> Any:
    """What stands at the end of the path; None where there is nothing."""
    for step in path:
        if isinstance(step, str):
            payload = payload.get(step) if isinstance(payload, Mapping) else None
        else:
            is_there = isinstance(payload, list) and -len(payload) <= step < len(payload)
            payload = payload[step] if is_there else None  # type: ignore[index]
    return payload


def text_at(payload: object, *path: str | int) -> str:
    """The text at the end of the path; empty where there is none."""
    found = at(payload, *path)
    return found if isinstance(found, str) else ""
