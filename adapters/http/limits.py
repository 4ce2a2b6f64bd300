"""How often a stranger may ask: counted in this process, before anything that costs."""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address, IPv6Network
from typing import Final

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.aio.storage import Storage
from limits.aio.strategies import FixedWindowRateLimiter

from adapters.http.client_address import parse_address
from core.domain.errors import Refused

UNLISTED_SENDER: Final = RateLimitItemPerHour(100, namespace="unlisted_sender")
"""A sender of webhooks who is not on the list: refused a hundred times, then told to wait."""

CHECKOUTS_OF_A_CUSTOMER: Final = RateLimitItemPerMinute(10, namespace="checkouts_of_a_customer")

KEYS_MAX: Final = 50_000


@dataclass(eq=False)
class TooManyRequests(Refused):
    """Too many requests; wait as long as the answer says."""

    retry_after_seconds: int


class RateLimits:
    """
    A window opens with the first hit of a key; within it the limit's amount passes, to the unit.
    A limit is named by its namespace, e.g. `RateLimitItemPerHour(100, namespace="sign_in")`.
    """

    def __init__(self, now: Callable[[], datetime], storage: Storage | None = None) -> None:
        self._now = now
        self._limiter = FixedWindowRateLimiter(storage or BoundedMemory(now))

    async def hit(self, limit: RateLimitItem, key: str) -> None:
        """
        Raises:
            TooManyRequests: this one is over the limit, too.
        """
        if not await self._limiter.hit(limit, key):
            window = await self._limiter.get_window_stats(limit, key)
            seconds = window.reset_time - self._now().timestamp()
            raise TooManyRequests(max(1, math.ceil(seconds)))


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
