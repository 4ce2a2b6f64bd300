"""The business's own system as a provisioner: one signed call that says what should be."""

import hashlib
import json
from contextlib import suppress
from datetime import UTC

import httpx

from adapters.provisioning.calls import TIMEOUT, Calls, link_at
from adapters.standard_webhooks import signed_headers
from core.domain.access import Access
from core.domain.customer import Customer
from core.ports.access_provisioner import AccessRefused, Applied
from core.ports.unit_of_work import Now


class OwnSystem:
    """
    `PUT {url}/access/{customer id}` with what is due, signed as Standard Webhooks are. It answers
    a 2xx with nothing, or with JSON in which `link` is what to hand to the customer. The same order
    has the same `webhook-id` whenever it comes.
    """

    def __init__(
        self, url: str, secret: str, *, now: Now, timeout: httpx.Timeout = TIMEOUT
    ) -> None:
        """`secret` is a signing secret."""
        self._secret = secret
        self._now = now
        self._calls = Calls(url=url, timeout=timeout)

    async def close(self) -> None:
        await self._calls.close()

    async def is_there(self) -> None:
        """
        Whether it listens, and nothing more: it is told of nobody.

        Raises:
            AccessUnavailable
        """
        with suppress(AccessRefused):  # What nobody signed it may refuse.
            await self._calls.call("HEAD", "access/")

    async def apply(self, customer: Customer, due: Access, *, revision: int) -> Applied:
        body = _body(customer, due, revision)
        headers = self._signed(customer, body)
        told = await self._calls.call("PUT", f"access/{customer.id}", body=body, headers=headers)
        if not told.is_yes:
            raise AccessRefused(f"the system answers {told.status}")
        return Applied(link_at(told.body, "link"))

    def _signed(self, customer: Customer, body: bytes) -> dict[str, str]:
        digest = hashlib.sha256(customer.id.encode() + body).hexdigest()
        timestamp = int(self._now().timestamp())
        return signed_headers([self._secret], f"msg_{digest[:32]}", timestamp, body)


def _body(customer: Customer, due: Access, revision: int) -> bytes:
    until = None if due.until is None else due.until.astimezone(UTC).isoformat()
    order = {
        "customer": customer.id,
        "identities": [str(one) for one in customer.identities],
        "grants": list(due.grants),
        "until": None if until is None else until.replace("+00:00", "Z"),
        "revision": revision,
    }
    return json.dumps(order, separators=(",", ":")).encode()
