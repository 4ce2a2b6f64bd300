"""Grouping: asks that arrive while one answer is being found share the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

from core.domain.errors import Unavailable
from core.ports.unit_of_work import Now

GROUP_MAX: Final = 64
QUEUE_MAX: Final = 4096
REMEMBERED_FOR: Final = timedelta(seconds=1)
REMEMBERED_MAX: Final = 10_000

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")


@dataclass(eq=False)
class TooManyAsks(Unavailable):
    """More requests are waiting than can be answered in time; repeat in a moment."""

    retry_after_seconds: int = 1


class Remembered(Generic[Ask, Answer]):
    """
    A grouped look-up whose answers are good for a second: what is asked a thousand times in it
    is looked up once. What is not there is never remembered. For things that hardly change, and
    where a second more of the old does no harm.
    """

    def __init__(
        self, look_up: Callable[[Sequence[Ask]], Awaitable[Sequence[Answer | None]]], now: Now
    ) -> None:
        self._grouped = Grouped(look_up)
        self._now = now
        self._known: dict[Ask, tuple[Answer, datetime]] = {}

    async def __call__(self, ask: Ask) -> Answer | None:
        known = self._known.get(ask)
        now = self._now()
        if known is not None and now < known[1]:
            return known[0]
        answer = await self._grouped(ask)
        if len(self._known) >= REMEMBERED_MAX:
            self._known.clear()
        if answer is not None:
            self._known[ask] = (answer, now + REMEMBERED_FOR)
        return answer


class Grouped(Generic[Ask, Answer]):
    """
    Answers many asks at once with one function: in the order they came, at most GROUP_MAX at a
    time, each answer no older than its ask. The groups run in a task of their own, so nobody's
    cancellation stops them. If a group fails, each of its asks is tried alone, so that nobody
    pays for a neighbour's bad request.
    """

    def __init__(self, answer: Callable[[Sequence[Ask]], Awaitable[Sequence[Answer]]]) -> None:
        """`answer` gives one answer per ask, in their order."""
        self._answer = answer
        self._waiting: list[tuple[Ask, asyncio.Future[Answer]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def __call__(self, ask: Ask) -> Answer:
        """
        Raises:
            TooManyAsks: the queue is full; nothing was done.
        """
        if len(self._waiting) >= QUEUE_MAX:
            raise TooManyAsks
        heard: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((ask, heard))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await heard

    async def _work(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:GROUP_MAX], self._waiting[GROUP_MAX:]
                await self._tell(group)
        finally:
            self._worker = None

    async def _tell(self, group: Sequence[tuple[Ask, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._answer([ask for ask, _ in group])
        except Exception as error:  # noqa: BLE001 - It is told to whoever asked.
            if len(group) > 1:
                for one in group:
                    await self._tell([one])
            elif not group[0][1].done():
                group[0][1].set_exception(error)
            return
        except BaseException:  # The process is ending: nobody waits for ever.
            for _, heard in group:
                heard.cancel()
            raise
        for (_, heard), answer in zip(group, answers, strict=True):
            if not heard.done():  # Whoever asked may have gone away; what was done stands.
                heard.set_result(answer)
