"""Billhook, as a Python service sees it."""

import asyncio
import logging
import uuid
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import httpx

from billhook_client.answers import Decision, EndedHold, decision_from_answer, ended_from_answer
from billhook_client.connection import Connection
from billhook_client.errors import QuotaDenied
from billhook_client.wallet import Wallet

TRIES_MAX: Final = 5
TIMEOUT_SECONDS: Final = 10.0
HOLD_SECONDS: Final = 300
GIVE_BACK_SECONDS: Final = 5.0
"""How long a block that failed is kept waiting for its units to go back."""

log: Final = logging.getLogger("billhook_client")


class Billhook:
    """
    One per process: `async with Billhook(url, api_key) as billhook`. The address may end with
    `/api/v1/billing` or not; the key needs the scope `usage` for quotas, see `Wallet` for the
    wallet. `client`: an httpx client of your own, for proxies or certificates; its timeouts are
    yours, and you close it.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        tries_max: int = TRIES_MAX,
        timeout_seconds: float = TIMEOUT_SECONDS,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError("the address of Billhook begins with http:// or https://")
        self._client = client or httpx.AsyncClient(timeout=timeout_seconds)
        self._closes_client = client is None
        self._connection = Connection(url, api_key, tries_max=tries_max, client=self._client)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        if self._closes_client:
            await self._client.aclose()

    def quota(self, customer: str) -> "Quota":
        """What this customer may use: `telegram:123`, `external:abc`, or Billhook's own id."""
        return Quota(self._connection, customer)

    def wallet(self, customer: str) -> Wallet:
        """The money of this customer, named as for `quota`."""
        return Wallet(self._connection, customer)


class Quota:
    """
    The quotas of one customer. A `request_id` makes an ask one and the same however often it is
    sent, from whichever process; without one, each call is an ask of its own. Work that failed and
    gave back what it held is tried anew under another one.
    """

    def __init__(self, connection: Connection, customer: str) -> None:
        self._connection = connection
        self._path = f"/customers/{quote(customer, safe=':@')}/usage"

    async def consume(
        self, feature: str, units: int = 1, *, request_id: str | None = None
    ) -> Decision:
        """
        Use so many units at once, all or none. A denial is an answer: `decision.allowed`.

        Raises:
            Unavailable: not known; ask again with the same `request_id`.
            NotFound, Invalid, NotAllowed, RequestIdUsedOtherwise
        """
        body = {"amount": units, "request_id": request_id or uuid.uuid4().hex}
        return decision_from_answer(
            await self._connection.post(f"{self._path}/{quote(feature, safe='')}/consume/", body)
        )

    def hold(
        self,
        feature: str,
        units: int = 1,
        *,
        request_id: str | None = None,
        expires_in_seconds: int = HOLD_SECONDS,
    ) -> "Hold":
        """Hold units while a block works: `async with quota.hold("photo_ai") as hold:`."""
        body = {
            "amount": units,
            "request_id": request_id or uuid.uuid4().hex,
            "expires_in_seconds": expires_in_seconds,
        }
        return Hold(self._connection, f"{self._path}/{quote(feature, safe='')}/holds/", body)


class Hold:
    """
    Units taken from a quota while a block works. Captured when the block ends; given back when it
    raises or is canceled; what cannot be given back then goes back when the hold expires. The
    block may capture (all, or fewer units) or release it earlier by itself.

    Entering raises:
        QuotaDenied: with the decision; the block does not run.
        Unavailable, NotFound, Invalid, NotAllowed, RequestIdUsedOtherwise: it does not run either.
    Leaving raises:
        HoldEnded: the block took longer than the hold lives, and the units were given back.
        Unavailable: whether they were captured is not known.
    """

    id: str
    decision: Decision
    expires_at: datetime

    def __init__(self, connection: Connection, path: str, body: Mapping[str, object]) -> None:
        self._connection = connection
        self._asked = (path, body)
        self.ended: EndedHold | None = None

    async def __aenter__(self) -> Self:
        told = await self._connection.post(*self._asked)
        self.decision = decision_from_answer(told)
        if not self.decision.allowed:
            raise QuotaDenied(self.decision)
        self.id = str(told["hold_id"])
        self.expires_at = datetime.fromisoformat(told["expires_at"])
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self.ended is not None:
            return
        if error is None:
            await self.capture()
            return
        try:
            async with asyncio.timeout(GIVE_BACK_SECONDS):
                await self.release()
        except Exception as failure:  # noqa: BLE001 - The block's own error is the one to hear of.
            log.warning("hold %s was not given back; it expires by itself: %r", self.id, failure)

    async def capture(self, units: int | None = None) -> EndedHold:
        """
        The work is done: so many of the held units (None: all) are used, the rest goes back.

        Raises:
            HoldEnded, Invalid, Unavailable
        """
        return await self._end("capture", {} if units is None else {"amount": units})

    async def release(self) -> EndedHold:
        """
        The work is not done: all units go back.

        Raises:
            HoldEnded, Unavailable
        """
        return await self._end("release", {})

    async def _end(self, how: str, body: Mapping[str, object]) -> EndedHold:
        told = await self._connection.post(f"/usage/holds/{self.id}/{how}/", body)
        self.ended = ended_from_answer(told)
        return self.ended
