"""Counting strangers: exact, forgetful in time, bounded in memory."""

from datetime import UTC, datetime, timedelta

import pytest
from limits import RateLimitItemPerHour, RateLimitItemPerMinute

from adapters.http.limits import (
    UNLISTED_SENDER,
    BoundedMemory,
    RateLimits,
    TooManyRequests,
    address_key,
)

NOON = datetime(2026, 10, 1, 12, 0, tzinfo=UTC)
THREE = RateLimitItemPerMinute(3, namespace="three")


class Clock:
    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at


async def passes(limits: RateLimits, key: str, count: int, limit=THREE) -> int:
    passed = 0
    for _ in range(count):
        try:
            await limits.hit(limit, key)
        except TooManyRequests:
            continue
        passed += 1
    return passed


async def test_exactly_the_amount_passes_and_each_key_counts_alone() -> None:
    limits = RateLimits(Clock())

    assert await passes(limits, "a", 10) == 3
    assert await passes(limits, "b", 2) == 2


async def test_the_refusal_says_when_to_come_back_and_then_it_passes() -> None:
    clock = Clock()
    limits = RateLimits(clock)
    await passes(limits, "a", 3)

    clock.at += timedelta(seconds=20.5)
    with pytest.raises(TooManyRequests) as caught:
        await limits.hit(THREE, "a")
    assert caught.value.retry_after_seconds == 40

    clock.at += timedelta(seconds=39.5)
    assert await passes(limits, "a", 5) == 3


async def test_an_unlisted_sender_is_refused_a_hundred_times_an_hour_and_then_told_to_wait() -> (
    None
):
    clock = Clock()
    limits = RateLimits(clock)

    assert await passes(limits, "203.0.113.9", 150, UNLISTED_SENDER) == 100
    with pytest.raises(TooManyRequests) as caught:
        await limits.hit(UNLISTED_SENDER, "203.0.113.9")
    assert caught.value.retry_after_seconds == 3600

    clock.at += timedelta(hours=1)
    assert await passes(limits, "203.0.113.9", 1, UNLISTED_SENDER) == 1


def test_addresses_of_one_line_count_as_one() -> None:
    assert address_key("2a02:5180:0:1509::1") == address_key("2a02:5180:0:1509:ffff::2")
    assert address_key("2a02:5180:0:1509::1") != address_key("2a02:5180:0:1510::1")
    assert address_key("::ffff:203.0.113.9") == address_key("203.0.113.9")
    assert address_key("203.0.113.9") != address_key("203.0.113.10")
    assert address_key("junk") == address_key(None)


async def test_a_flood_of_keys_takes_no_more_room_and_empties_no_other_limit() -> None:
    clock = Clock()
    storage = BoundedMemory(clock, keys_max=100)
    limits = RateLimits(clock, storage)
    other = RateLimitItemPerHour(1, namespace="other")
    await limits.hit(other, "kept")

    for n in range(1000):
        await limits.hit(THREE, str(n))

    with pytest.raises(TooManyRequests):
        await limits.hit(other, "kept")
    assert await passes(limits, "999", 5) == 2
    assert await passes(limits, "0", 5) == 3
    assert await storage.reset() == 101


async def test_a_window_opened_anew_is_not_the_oldest() -> None:
    clock = Clock()
    storage = BoundedMemory(clock, keys_max=3)
    limits = RateLimits(clock, storage)
    await passes(limits, "a", 4)
    await passes(limits, "b", 4)

    clock.at += timedelta(minutes=1)
    assert await passes(limits, "a", 4) == 3
    await limits.hit(THREE, "c")
    await limits.hit(THREE, "d")

    assert await passes(limits, "a", 1) == 0
