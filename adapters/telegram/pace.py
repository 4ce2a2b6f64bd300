"""A pace of sending: so many seconds between two messages, and none while Telegram says to wait."""

import asyncio
from datetime import datetime, timedelta

from core.ports.unit_of_work import Now


class Pace:
    def __init__(self, now: Now, seconds: float) -> None:
        self._now = now
        self._seconds = seconds
        self._waits_until: datetime | None = None
        self._turn = asyncio.Lock()

    async def turn(self) -> int:
        """Wait for it. How many seconds nothing is to be sent; none: send."""
        async with self._turn:
            if self._waits_until is not None:
                left = self._waits_until - self._now()
                if left > timedelta():
                    return -(-left // timedelta(seconds=1))
            await asyncio.sleep(self._seconds)
        return 0

    def told_to_wait(self, seconds: int) -> None:
        until = self._now() + timedelta(seconds=seconds)
        self._waits_until = max(until, self._waits_until or until)
