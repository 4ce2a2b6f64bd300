"""Notifiers that reach nobody: they keep what they were told, for tests and the simulation."""

import asyncio
from typing import Final

from core.domain.customer import CustomerId
from core.domain.delivery import Delivery, Reply
from core.domain.subscription import Standing
from core.ports.notifier import CustomerUnreachable, News, NotifierUnavailable
from core.ports.unit_of_work import unit_is_open


class MemoryNotifier:
    """`told` is what arrived, in order. `away` take no messages."""

    def __init__(self) -> None:
        self.told: Final[list[News]] = []
        self.away: Final[set[CustomerId]] = set()
        self._unavailable = self._lost = 0

    def reaches(self, standing: Standing) -> bool:  # noqa: ARG002 - Everybody, for it is a rehearsal.
        return True

    async def tell(self, news: News) -> None:
        assert not unit_is_open.get(), "nobody is told anything inside a unit of work"
        await asyncio.sleep(0)  # Others run meanwhile, as during any call over a network.
        if self._unavailable > 0:
            self._unavailable -= 1
            raise NotifierUnavailable
        if news.standing.customer.id in self.away:
            raise CustomerUnreachable
        self.told.append(news)
        if self._lost > 0:
            self._lost -= 1
            raise NotifierUnavailable

    # Trouble to come.

    def unavailable(self, next_n: int = 1) -> None:
        """The next messages are not sent."""
        self._unavailable = next_n

    def act_then_fail(self, next_n: int = 1) -> None:
        """The next messages arrive, and we do not hear of it."""
        self._lost = next_n


class MemoryWebhooks:
    """`sent` is every try, in order. The next tries are answered as `replies` say, then with 204."""

    def __init__(self, host: str | None = None) -> None:
        self.host = host
        self.sent: Final[list[Delivery]] = []
        self.replies: Final[list[Reply]] = []

    def wants(self, event: str) -> bool:  # noqa: ARG002 - All or nothing.
        return self.host is not None

    async def send(self, delivery: Delivery) -> Reply:
        assert not unit_is_open.get(), "nobody is told anything inside a unit of work"
        await asyncio.sleep(0)
        self.sent.append(delivery)
        return self.replies.pop(0) if self.replies else Reply(204, "204")
