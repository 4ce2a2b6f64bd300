"""An operator at work: the real bot asks Telegram's double for updates, money goes back at YooKassa's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from dependency_injector import providers

from adapters.catalog_file import catalog_from_file
from adapters.gateways.yookassa.gateway import YooKassaGateway
from adapters.gateways.yookassa.shop import YooKassaShop
from adapters.memory_notifier import MemoryWebhooks
from adapters.persistence.memory import MemoryStore
from adapters.telegram.chat import Chat
from adapters.telegram.notifier import TelegramNotifier
from adapters.telegram.visits import Surroundings
from adapters.telegram.ways_in import open_bot, poll
from core.domain.cause import Cause
from core.domain.customer import CustomerId, identity
from core.domain.purchase import PurchaseStatus
from core.ports.payment_gateway import Gateways
from core.use_cases.billing import Billing
from core.use_cases.consequences import consequences
from entrypoints.container import Container
from sandbox.app import DEMO, DEMO_BOT_TOKEN
from tests.sandbox.served_sandbox import Served, serve
from tests.world import FITNESS, RETURN

CUSTOMER, OWNER = "telegram:1001", "telegram:1002"


def utc_now() -> datetime:
    return datetime.now(UTC)


class Desk:
    """The owner's telephone."""

    def __init__(self, served: Served, billing: Billing) -> None:
        self.billing = billing
        self.served = served
        self._path = f"telegram/users/{OWNER.partition(':')[2]}"

    async def says(self, text: str, answer: str) -> dict[str, Any]:
        assert self.served.control(f"{self._path}/send", text=text).status_code == 200
        return await self._told(answer)

    async def presses(self, button: str, answer: str) -> dict[str, Any]:
        pressed = self.served.control(f"{self._path}/press", button=button)
        assert pressed.status_code == 200, pressed.text
        return await self._told(answer)

    async def _told(self, words: str) -> dict[str, Any]:
        """The newest message of the bot's, once it says this."""
        async with asyncio.timeout(15):
            while True:
                told = self.served.client.get(f"/sandbox/{self._path}/messages").json()["items"]
                if told[-1]["from"] == "bot" and words in told[-1]["text"]:
                    return dict(told[-1])
                await asyncio.sleep(0.02)


@asynccontextmanager
async def a_desk(served: Served) -> AsyncIterator[Desk]:
    address = f"{served.url}/sandbox/telegram"
    shop = YooKassaShop(*DEMO["yookassa"], live=False)
    gateway = YooKassaGateway(shop, api_url=f"{served.url}/sandbox/yookassa/v3")
    async with open_bot(DEMO_BOT_TOKEN, address) as bot:
        billing = Container(
            store=providers.Object(MemoryStore(consequences)),
            gateways=Gateways(gateway),
            notifier=providers.Object(TelegramNotifier(bot, utc_now, None)),
            webhooks=providers.Object(MemoryWebhooks()),
            owner=providers.Object(identity(OWNER)),
            now=providers.Object(utc_now),
        ).billing()
        await billing.apply_catalog(catalog_from_file(FITNESS))

        async def fine(_customer: CustomerId, _cause: Cause) -> None: ...

        around = Surroundings(billing, utc_now, lambda: RETURN, fine)
        stop = asyncio.Event()
        asking = asyncio.create_task(poll(bot, Chat(bot, around), stop))
        try:
            yield Desk(served, billing)
        finally:
            stop.set()
            await asking
            await gateway.close()


async def test_a_purchase_is_found_explained_and_given_back() -> None:
    with serve() as served:
        async with a_desk(served) as desk:
            billing = desk.billing
            customer = await billing.register_customer(
                identity(CUSTOMER), receipt_contact="anna@example.com"
            )
            bought = await billing.start_purchase(
                customer.id, "PRO_MONTHLY", return_url=RETURN, cause=Cause("story", "1", "")
            )
            assert bought.checkout is not None
            payment_id = bought.checkout.payment_id
            assert payment_id is not None
            served.control(f"yookassa/payments/{payment_id}/pay")
            await billing.settle_payment("yookassa", payment_id)

            await desk.says("/admin", "Today")
            await desk.presses("🔎 Find a customer", "Whom?")
            await desk.says(bought.purchase.id, payment_id)
            await desk.presses("↩️ Refund all", "Why?")
            will = await desk.says("asked for it by mail", "This will happen")
            assert "299.00" in will["text"]
            await desk.presses("✅ Do it", "Done")
            await desk.presses("🧾 Purchase", "refunded")
            await desk.presses("❓ Why", f"{OWNER} did purchase.refund")

            now = await billing.show_purchases.one(customer.id, bought.purchase.id)
            assert now.purchase.status is PurchaseStatus.REFUNDED
            lines = [line for _, line, _ in await billing.show_audit(limit=9)]
            assert [(line.actor, line.action, line.reason) for line in lines] == [
                (OWNER, "customer.open", "looked at"),
                (OWNER, "purchase.refund", "asked for it by mail"),
            ]
