"""The money methods of the Bot API over HTTP: nothing shared, nothing endless, one silence."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx
import structlog

from core.domain.plan import GatewayName
from core.ports.payment_gateway import GatewayUnavailable
from core.ports.unit_of_work import unit_is_open

API_URL: Final = "https://api.telegram.org"
CALLS_AT_ONCE: Final = 16
TIMEOUT: Final = httpx.Timeout(10.0, connect=3.05)
"""Between two pieces of the answer, and to connect, in seconds."""
CALL_SECONDS_MAX: Final = 30.0
"""For the whole answer, however small its pieces."""
RETRY_SECONDS_MAX: Final = 3600

NAMED: Final = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
"""What went wrong stands in a sentence, as in `Bad Request: CHARGE_ALREADY_REFUNDED`."""

log = structlog.get_logger()


@dataclass(eq=False)
class AnsweredNo(Exception):
    """Telegram read the request and refuses it. `word` is its name for why, or `refused`."""

    word: str


class TelegramClient:
    """Calls of one bot, on behalf of one gateway. The token is in every address: none is logged."""

    def __init__(
        self, gateway: GatewayName, token: str, *, api_url: str, timeout: httpx.Timeout = TIMEOUT
    ) -> None:
        self._gateway = gateway
        self._address = f"{api_url.rstrip('/')}/bot{token}/"
        limits = httpx.Limits(max_connections=CALLS_AT_ONCE)
        self._http = httpx.AsyncClient(timeout=timeout, limits=limits, trust_env=False)

    async def call(self, method: str, fields: Mapping[str, object]) -> object:
        """
        The `result`. There are no retries in here.

        Raises:
            AnsweredNo
            GatewayUnavailable: anything else; the call may have been acted on.
        """
        assert not unit_is_open.get(), "a gateway is never called inside a unit of work"
        called = log.bind(gateway=self._gateway, method=method)
        # `from None`: a network error holds the request, and with it the token.
        try:
            async with asyncio.timeout(CALL_SECONDS_MAX):
                answer = await self._http.post(self._address + method, json=fields)
            told = answer.json()
        except (httpx.HTTPError, TimeoutError, ValueError, RecursionError) as error:
            called.warning("provider unavailable", cause=type(error).__name__)
            raise GatewayUnavailable(self._gateway) from None
        status = answer.status_code
        if not isinstance(told, dict) or not isinstance(told.get("ok"), bool):
            called.warning("provider unreadable", status=status)
            raise GatewayUnavailable(self._gateway)
        if status == httpx.codes.OK and told["ok"] and "result" in told:
            return told["result"]
        if status in {httpx.codes.BAD_REQUEST, httpx.codes.FORBIDDEN}:
            found = NAMED.search(str(told.get("description")))
            raise AnsweredNo("refused" if found is None else found[0][:64])
        if status in {httpx.codes.UNAUTHORIZED, httpx.codes.NOT_FOUND}:
            # Nothing was done; once the operator has mended the token, the checkout goes on.
            called.error("provider refused our credentials", status=status)
        else:
            called.warning("provider unavailable", status=status)
        raise GatewayUnavailable(self._gateway, *_asked_to_wait(told))

    async def close(self) -> None:
        await self._http.aclose()


def _asked_to_wait(told: Mapping[str, object]) -> tuple[int, ...]:
    match told:
        case {"parameters": {"retry_after": int(seconds)}} if 0 < seconds <= RETRY_SECONDS_MAX:
            return (seconds,)
    return ()
