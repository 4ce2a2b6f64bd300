"""The money methods of the Bot API, called on behalf of one bot."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx
import structlog

from adapters.gateways.calls import Calls, at, text_at
from core.domain.plan import GatewayName
from core.ports.payment_gateway import GatewayUnavailable

API_URL: Final = "https://api.telegram.org"

NAMED: Final = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
"""What went wrong stands in a sentence, as in `Bad Request: CHARGE_ALREADY_REFUNDED`."""

log = structlog.get_logger()


@dataclass(eq=False)
class AnsweredNo(Exception):
    """Telegram read the request and refuses it. `word` is its name for why, or `refused`."""

    word: str


class TelegramClient:
    """The token is a part of every address, and so in no log: there a method is all that is named."""

    def __init__(self, gateway: GatewayName, token: str, *, api_url: str) -> None:
        self._gateway = gateway
        self._calls = Calls(gateway, url=f"{api_url.rstrip('/')}/bot{token}")

    async def call(self, method: str, fields: Mapping[str, object]) -> object:
        """
        The `result`. There are no retries in here.

        Raises:
            AnsweredNo
            GatewayUnavailable: anything else; the call may have been acted on.
        """
        told = await self._calls.call("POST", method, body=json.dumps(fields, ensure_ascii=False))
        if told.status == httpx.codes.OK and at(told.body, "ok") is True:
            return at(told.body, "result")
        if told.status == httpx.codes.BAD_REQUEST and at(told.body, "ok") is False:
            found = NAMED.search(text_at(told.body, "description"))
            raise AnsweredNo("refused" if found is None else found[0][:64])
        # A 404 is a token that Telegram does not know: once it is mended, the checkout goes on.
        log.error("provider unreadable", gateway=self._gateway, method=method, status=told.status)
        raise GatewayUnavailable(self._gateway)

    async def close(self) -> None:
        await self._calls.close()
