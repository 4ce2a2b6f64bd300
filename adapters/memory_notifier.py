"""Notifiers that reach nobody: they keep what they were told, for tests and the simulation."""

import asyncio
from typing import Final

from core.domain.customer import CustomerId
from core.domain.delivery import Delivery, Reply
from core.domain.subscription import Standing
from core.ports.notifier import (
    CustomerUnreachable,
    Letter,
    News,
    NotifierUnavailable,
)
from core.ports.unit_of_work import unit_is_open


class MemoryNotifier:
    """
    `told` is what arrived, in order, and `mailed` who was sent what with many others. `away` take no
    messages; `mail_fails` is what becomes of the next letters, None of those that arrive.
    """

    def __init__(self) -> None:
        self.told: Final[list[News]] = []
        self.mailed: Final[list[tuple[CustomerId, Letter]]] = []
        self.mail_fails: Final[list[BaseException | None]] = []
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

    async def mail(self, standing: Standing, letter: Letter) -> None:
        assert not unit_is_open.get(), "nobody is sent anything inside a unit of work"
        await asyncio.sleep(0)
        if standing.customer.id in self.away:
            raise CustomerUnreachable
        trouble = self.mail_fails.pop(0) if self.mail_fails else None
        if trouble is not None:
            raise trouble
        self.mailed.append((standing.customer.id, letter))

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
