"""How often anybody may ask: counted in this process or for all of them, before what costs."""

import asyncio
import hashlib
import math
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address, IPv6Network
from typing import Final

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.aio.storage import RedisStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError
from redis.asyncio import BlockingConnectionPool

from adapters.http.client_address import parse_address
from core.domain.errors import Refused, Unavailable

UNLISTED_SENDER: Final = RateLimitItemPerHour(100, namespace="unlisted_sender")
"""A sender of webhooks who is not on the list: refused a hundred times, then told to wait."""

SIGN_IN_BY_ADDRESS: Final = RateLimitItemPerMinute(60, 10, namespace="sign_in_address")
"""A mobile operator has a crowd behind one address; six a minute is a crowd, not a machine."""

SIGN_IN_BY_CUSTOMER: Final = RateLimitItemPerHour(30, namespace="sign_in_customer")
"""An app is opened often, and each opening is a sign-in and a row of ours."""

REFRESH_BY_ADDRESS: Final = RateLimitItemPerMinute(300, 10, namespace="refresh_address")
"""Once an hour for each of a crowd; each is a unit of work."""

OPENING_BY_ADDRESS: Final = RateLimitItemPerMinute(60, namespace="opening_address")
"""Repeats count too. Each new one becomes an object at a gateway, which has limits of its own."""

OPENINGS_BY_CUSTOMER: Final = (
    RateLimitItemPerMinute(10, namespace="opening_customer"),
    RateLimitItemPerHour(60, namespace="opening_customer"),
)
"""Nobody wants ten ways to pay in a minute."""

OPENINGS_REPEATED: Final = RateLimitItemPerMinute(120, namespace="opening_repeated")
"""The same request again, because no answer came: it opens nothing new."""

RECHECKS_BY_CUSTOMER: Final = (RateLimitItemPerMinute(1, namespace="recheck_customer"),)
"""Each asks several gateways; what they say does not change so fast."""

_KNOWN: Final = RateLimitItemPerHour(1, namespace="known_request")

KEYS_MAX: Final = 50_000
SHARED_SECONDS_MAX: Final = 2.0
"""An answer of the shared store that takes longer is none: people wait behind it."""

CONNECTIONS_MAX: Final = 32


@dataclass(eq=False)
class TooManyRequests(Refused):
    """Too many requests; wait as long as the answer says."""

    retry_after_seconds: int


@dataclass(eq=False)
class LimitsAway(Unavailable):
    """Requests cannot be counted at the moment; repeat the same request."""

    retry_after_seconds: int = 5


class RateLimits:
    """
    A window opens with the first hit of a key; within it the limit's amount passes, to the unit.
    A limit is named by its namespace, e.g. `RateLimitItemPerHour(100, namespace="sign_in")`.
    """

    def __init__(self, now: Callable[[], datetime], storage: Storage | None = None) -> None:
        """`now`: the clock that the storage's windows follow."""
        self._now = now
        self._storage = storage or BoundedMemory(now)
        self._limiter = FixedWindowRateLimiter(self._storage)

    async def hit(self, limit: RateLimitItem, key: str) -> None:
        """
        Raises:
            TooManyRequests: this one is over the limit, too.
            LimitsAway
        """
        async with _answering():
            if await self._limiter.hit(limit, key):
                return
            window = await self._limiter.get_window_stats(limit, key)
        seconds = window.reset_time - self._now().timestamp()
        raise TooManyRequests(max(1, math.ceil(seconds)))

    async def hit_once(
        self, limits: Sequence[RateLimitItem], key: str, what: str, *, again: RateLimitItem
    ) -> None:
        """
        Count `what` once; the same again, after it has passed, counts as a repeat instead.

        Raises:
            TooManyRequests, LimitsAway
        """
        mark = hashlib.sha256(f"{key} {what}".encode()).hexdigest()
        async with _answering():
            is_new = await self._limiter.test(_KNOWN, mark)
        for limit in limits if is_new else (again,):
            await self.hit(limit, key)
        if is_new:
            async with _answering():
                await self._limiter.hit(_KNOWN, mark)

    async def is_away(self) -> bool:
        try:
            async with _answering():
                return not await self._storage.check()
        except LimitsAway:
            return True


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(SHARED_SECONDS_MAX):
            yield
    except (StorageError, TimeoutError, OSError) as error:
        raise LimitsAway from error


@asynccontextmanager
async def shared_storage(url: str, prefix: str) -> AsyncIterator[Storage]:
    """
    Counters in Valkey or Redis, the same for all processes with this address and prefix. Its
    windows are its own keys' lives, so they end in real time, whatever our clock says.
    """
    pool = BlockingConnectionPool.from_url(  # Beyond its connections asks wait, and do not fail.
        url,
        max_connections=CONNECTIONS_MAX,
        timeout=SHARED_SECONDS_MAX,
        socket_timeout=SHARED_SECONDS_MAX,
        socket_connect_timeout=SHARED_SECONDS_MAX,
    )
    try:
        yield RedisStorage(
            url,
            wrap_exceptions=True,
            implementation="redispy",
            key_prefix=prefix,
            connection_pool=pool,  # type: ignore[arg-type] # As its documentation has it.
        )
    finally:
        await pool.aclose()


def address_key(address: str | None) -> str:
    """By what an address is counted: IPv6 by its /64, since who has one address has all."""
    parsed = parse_address(address) if address else None
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, 64), strict=False))
    return "unknown" if parsed is None else str(parsed)


@dataclass(slots=True)
class _Window:
    ends_at: float
    count: int = 0


class BoundedMemory(Storage):
    """
    Counters of one process. The library's own memory store walks all its keys at each hit, and
    keeps as many as a flood brings; here a hit costs the same always, and each namespace forgets
    its oldest window beyond `keys_max`, so that a flood of one limit cannot empty another.
    """

    STORAGE_SCHEME = None

    def __init__(self, now: Callable[[], datetime], keys_max: int = KEYS_MAX) -> None:
        super().__init__()
        self._now = now
        self._keys_max = keys_max
        self._namespaces: dict[str, OrderedDict[str, _Window]] = {}

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        window = self._open(key)
        if window is None:
            windows = self._namespaces.setdefault(_namespace(key), OrderedDict())
            windows.pop(key, None)
            while len(windows) >= self._keys_max:
                windows.popitem(last=False)
            window = windows[key] = _Window(self._now().timestamp() + expiry)
        window.count += amount
        return window.count

    async def get(self, key: str) -> int:
        window = self._open(key)
        return 0 if window is None else window.count

    async def get_expiry(self, key: str) -> float:
        window = self._open(key)
        return self._now().timestamp() if window is None else window.ends_at

    async def check(self) -> bool:
        return True

    async def reset(self) -> int:
        count = sum(len(windows) for windows in self._namespaces.values())
        self._namespaces.clear()
        return count

    async def clear(self, key: str) -> None:
        self._namespaces.get(_namespace(key), OrderedDict()).pop(key, None)

    def _open(self, key: str) -> _Window | None:
        windows = self._namespaces.get(_namespace(key))
        window = windows.get(key) if windows else None
        return window if window and window.ends_at > self._now().timestamp() else None


def _namespace(key: str) -> str:
    return key.partition("/")[0]
