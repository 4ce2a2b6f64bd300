"""What goes out of any double: so many webhooks at once, each proven at the moment it leaves."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import httpx

from sandbox.deliveries import Notification
from sandbox.double import WEBHOOKS_AT_ONCE, Double
from sandbox.gateway_rules import GatewayRules
from tests.builders import NOON


class SlowShop(Double[Notification]):
    """Its shop takes a webhook whenever the test says so."""

    def __init__(self, rules: GatewayRules) -> None:
        super().__init__("slow", rules, now=lambda: NOON)
        self.rules = rules
        self.under_way: list[int] = []
        self.takes = asyncio.Semaphore(0)

    def owed(self, at: datetime) -> Sequence[Notification]:
        return self.rules.due_notifications(at)

    async def send(self, _client: httpx.AsyncClient, one: Notification) -> None:
        self.under_way.append(one.id)
        await self.takes.acquire()
        self.rules.delivered(one.id)


async def test_a_webhook_waits_for_its_turn_and_leaves_when_another_was_taken():
    double = SlowShop(GatewayRules(pauses=()))
    async with double.running():
        for number in range(WEBHOOKS_AT_ONCE + 2):
            double.rules.notify({"number": number}, NOON)
        double.keep()
        await until(lambda: len(double.under_way) == WEBHOOKS_AT_ONCE)
        await double.change()
        assert len(double.under_way) == WEBHOOKS_AT_ONCE

        for taken in (1, 2):
            double.takes.release()
            sent = WEBHOOKS_AT_ONCE + taken
            await until(lambda: len(double.under_way) == sent)  # noqa: B023 - Awaited here.
    assert double.under_way == list(range(1, WEBHOOKS_AT_ONCE + 3))


async def until(claim) -> None:
    async with asyncio.timeout(10):
        while not claim():
            await asyncio.sleep(0.01)
