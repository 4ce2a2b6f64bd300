"""Webhooks to the business's own system: signed as Standard Webhooks has it, and to no inner address."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from socket import SOCK_STREAM
from typing import Final

import httpx
import structlog

from adapters.standard_webhooks import signed_headers
from core.domain.delivery import Delivery, Reply
from core.ports.unit_of_work import Now, unit_is_open

TIMEOUT: Final = httpx.Timeout(10.0, connect=3.05, pool=None)
"""Between two pieces of the answer, and to connect, in seconds."""
TRY_SECONDS_MAX: Final = 15.0
"""For the whole try, looking up the address included."""
ANSWER_BYTES_MAX: Final = 16_384
"""Read so that the connection can be used again; what the answer says is not looked at."""

_NAT64: Final = IPv6Network("64:ff9b::/96")
_INNER_TOO: Final = (IPv4Network("192.0.0.0/24"), IPv6Network("fec0::/10"))
"""Inner ones that not every version of Python counts as such, or none: a cloud's own, site-local."""

log = structlog.get_logger()


class AddressRefused(httpx.ConnectError):
    """The host is at an address that a receiver of webhooks is never at."""


class WebhookSender:
    """
    Calls one address. All secrets sign, so that a receiver may know either while they change;
    neither they, nor the address beyond its host, nor what is answered, are ever logged.
    """

    def __init__(
        self,
        url: str | None,
        secrets: Sequence[str],
        now: Now,
        *,
        may_call: Callable[[str], bool],
        events: Collection[str] = (),
        timeout: httpx.Timeout = TIMEOUT,
    ) -> None:
        """
        `url` None: nobody is told anything. `events`: of these alone; none: of all. `may_call`
        says of an address whether it may be called: `is_public`, or what development allows.
        """
        self.host = None if url is None else httpx.URL(url).host
        self._url = url
        self._secrets = secrets
        self._now = now
        self._events = events
        self._may_call = may_call
        self._http = httpx.AsyncClient(
            transport=GuardedTransport(may_call),
            follow_redirects=False,
            timeout=timeout,
            trust_env=False,
        )

    def wants(self, event: str) -> bool:
        return self._url is not None and (not self._events or event in self._events)

    async def send(self, delivery: Delivery) -> Reply:
        assert not unit_is_open.get(), "nobody is told anything inside a unit of work"
        assert self._url is not None, "whoever is told nothing is sent nothing"
        body = delivery.body.encode()
        timestamp = int(self._now().timestamp())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Billhook",
            **signed_headers(self._secrets, delivery.id, timestamp, body),
        }
        try:
            async with asyncio.timeout(TRY_SECONDS_MAX):
                reply = await self._post(body, headers)
        except AddressRefused:
            reply = Reply(None, "address refused: it is not public")
        except TimeoutError:
            reply = Reply(None, "no answer in time")
        except (httpx.HTTPError, OSError, ValueError) as error:
            reply = Reply(None, f"no answer: {type(error).__name__}")
        if not reply.is_yes:
            log.warning("webhook not taken", id=delivery.id, host=self.host, answer=reply.said)
        return reply

    async def _post(self, body: bytes, headers: dict[str, str]) -> Reply:
        assert self._url is not None
        async with self._http.stream("POST", self._url, content=body, headers=headers) as answer:
            read = 0
            async for piece in answer.aiter_raw():
                read += len(piece)
                if read > ANSWER_BYTES_MAX:
                    break
        asked = answer.headers.get("Retry-After", "")
        wait = timedelta(seconds=int(asked[:9])) if asked.isdecimal() else timedelta()
        return Reply(answer.status_code, str(answer.status_code), wait)

    async def problems(self) -> list[str]:
        """Why the host could not be called now; empty where it could, as far as its address says."""
        if self.host is None:
            return []
        try:
            await addresses_of(self.host, 443, self._may_call)
        except (httpx.HTTPError, OSError) as error:
            return [f"{self.host}: {error}"]
        return []

    async def close(self) -> None:
        await self._http.aclose()


def is_public(address: str) -> bool:
    """Whether anybody could be there: an IPv4 address in an IPv6 one is looked at as what it is."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = IPv4Address(int(ip) & 0xFFFFFFFF)
        ip = inner or ip
    if any(ip in network for network in _INNER_TOO):
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def is_public_or_this_machine(address: str) -> bool:
    """In development."""
    return is_public(address) or ip_address(address.partition("%")[0]).is_loopback


async def addresses_of(host: str, port: int, may_call: Callable[[str], bool]) -> list[str]:
    """
    Raises:
        AddressRefused: one of them may not be called, so none is.
        OSError: there are none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=SOCK_STREAM)
    addresses = list(dict.fromkeys(str(place[0]) for *_, place in found))
    if not all(map(may_call, addresses)):
        raise AddressRefused("it is at an address that is not public")
    return addresses


class GuardedTransport(httpx.AsyncBaseTransport):
    """
    Looks the host up once, and calls the very address that was looked at: a name that leads
    elsewhere a moment later leads nowhere. The certificate and the Host header are the name's.
    """

    def __init__(self, may_call: Callable[[str], bool]) -> None:
        self._may_call = may_call
        self._inner = httpx.AsyncHTTPTransport(trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        host = url.raw_host.decode()
        *others, last = await addresses_of(host, port, self._may_call)
        for address in others:
            with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return await self._call(request, host, address)
        return await self._call(request, host, last)

    async def _call(self, request: httpx.Request, host: str, address: str) -> httpx.Response:
        pinned = httpx.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        return await self._inner.handle_async_request(pinned)

    async def aclose(self) -> None:
        await self._inner.aclose()
