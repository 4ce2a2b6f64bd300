"""PRO bought for Stars: the real bot asks Telegram's double for updates, all of it over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from dependency_injector import providers
from telegram import Update

from adapters.catalog_file import catalog_from_file
from adapters.gateways.telegram.gateway import TelegramStarsGateway
from adapters.jobs.pump import Pump
from adapters.jobs.work import ASIDE, work_of
from adapters.memory_notifier import MemoryWebhooks
from adapters.persistence.memory import MemoryStore
from adapters.telegram.chat import Chat
from adapters.telegram.notifier import TelegramNotifier
from adapters.telegram.visits import Surroundings
from adapters.telegram.ways_in import open_bot, poll
from core.domain.cause import Cause
from core.domain.customer import CustomerId, Identity, IdentityKind
from core.domain.money import Money
from core.ports.payment_gateway import Gateways
from core.use_cases.consequences import consequences
from entrypoints.container import Container
from sandbox.app import DEMO_BOT_TOKEN
from tests.sandbox.served_sandbox import Served, serve
from tests.world import FITNESS

ANNA, BEN = 1001, 1002
SECRET = "a-secret-of-this-process"


def utc_now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def served() -> Iterator[Served]:
    with serve() as it:
        yield it


class Shop:
    """Billhook in one process, and its customers, who see what the chat's page would show."""

    def __init__(self, served: Served, chat: Chat, container: Container) -> None:
        self.served = served
        self.chat = chat
        self.billing = container.billing()
        store = container.store()
        self.pump = Pump(store, work_of(self.billing), utc_now, aside=ASIDE)

    async def presses(self, button: str, who: int = ANNA) -> dict[str, Any]:
        """What the client does, once there is such a button."""
        path = f"telegram/users/{who}/press"
        async with asyncio.timeout(15):
            while True:
                answer = self.served.control(path, button=button)
                if answer.status_code == 200:
                    return dict(answer.json())
                await asyncio.sleep(0.02)

    async def pays(self, slug: str, who: int = ANNA) -> dict[str, Any]:
        """Presses Pay in the sheet, and waits for what comes of it."""
        asked = self.served.control(f"telegram/invoices/{slug}/pay", user_id=who).json()
        async with asyncio.timeout(15):
            while True:
                told = self.served.client.get(f"/sandbox/telegram/invoices/{slug}").json()
                [mine] = [one for one in told["attempts"] if one | asked == one]
                if mine["status"] != "asked":
                    return dict(mine)
                await asyncio.sleep(0.02)

    async def plan(self, who: int = ANNA) -> str:
        identity = Identity(IdentityKind.TELEGRAM, str(who))
        customer_id = await self.billing.find_customer(identity)
        account = await self.billing.show_account(customer_id)
        return account.standing.plan(utc_now()).code

    async def until(self, claim: Callable[[], object]) -> None:
        async with asyncio.timeout(15):
            while not claim():
                await self.pump.drain()
                await asyncio.sleep(0.02)

    def heard(self, who: int = ANNA) -> list[str]:
        told = self.served.client.get(f"/sandbox/telegram/users/{who}/messages").json()["items"]
        return [one["text"] for one in told if one["from"] == "bot"]


class Troubled(Chat):
    """A chat that can be held up."""

    held_up: asyncio.Event | None = None

    async def take_in(self, update: Update) -> None:
        if self.held_up is not None:
            await self.held_up.wait()
        await super().take_in(update)


@asynccontextmanager
async def a_shop(served: Served) -> AsyncIterator[Shop]:
    address = f"{served.url}/sandbox/telegram"
    gateway = TelegramStarsGateway(DEMO_BOT_TOKEN, now=utc_now, secret=SECRET, api_url=address)
    async with open_bot(DEMO_BOT_TOKEN, address) as bot:
        container = Container(
            store=providers.Object(MemoryStore(consequences)),
            gateways=Gateways(gateway),
            notifier=providers.Object(TelegramNotifier(bot, utc_now, None)),
            webhooks=providers.Object(MemoryWebhooks()),
            now=providers.Object(utc_now),
        )

        async def fine(_customer: CustomerId, _cause: Cause) -> None: ...

        billing = container.billing()
        around = Surroundings(billing, utc_now, lambda: "https://t.me/x", fine, None, SECRET)
        chat = Troubled(bot, around)
        shop = Shop(served, chat, container)
        wanted = catalog_from_file(FITNESS)
        plans = tuple(
            replace(one, prices=(Money.of(250, "XTR"),), gateways=(), receipt=None)
            if one.prices
            else one
            for one in wanted.plans
        )
        await shop.billing.apply_catalog(replace(wanted, plans=plans))
        stop = asyncio.Event()
        asking = asyncio.create_task(poll(bot, chat, stop))
        try:
            yield shop
        finally:
            stop.set()
            await asking
            await gateway.close()


async def order(shop: Shop, who: int = ANNA) -> str:
    """Through the chat's screens to the invoice behind the last button."""
    shop.served.control(f"telegram/users/{who}/send", text="/start p_PRO_MONTHLY")
    for button in ("Выбрать", "Заказать за 250"):
        await shop.presses(button, who)
    does = await shop.presses("Оплатить 250", who)
    return str(does["url"]).partition("https://t.me/$")[2]


async def test_pro_for_stars_from_the_first_word_to_the_receipt(served: Served) -> None:
    async with a_shop(served) as shop:
        slug = await order(shop)
        forwarded = await shop.pays(slug, BEN)
        paid = await shop.pays(slug)
        await shop.until(lambda: "Оплачено 250" in shop.heard()[-1])

        assert forwarded["status"] == "refused"
        assert paid["status"] == "paid"
        assert await shop.plan() == "PRO_MONTHLY"
        again = await shop.pays(slug)
        assert again["status"] == "refused"
        assert "уже оплачен" in again["error_message"]
        told = served.client.get("/sandbox/telegram/stars").json()
        assert told["balance"] == 250


async def test_who_is_about_to_pay_waits_behind_nobody(served: Served) -> None:
    async with a_shop(served) as shop:
        slug = await order(shop)
        assert isinstance(shop.chat, Troubled)
        shop.chat.held_up = asyncio.Event()
        served.control(f"telegram/users/{ANNA}/send", text="/plans")

        paid = await shop.pays(slug)

        assert paid["status"] == "paid"
        identity = Identity(IdentityKind.TELEGRAM, str(ANNA))
        customer_id = await shop.billing.find_customer(identity)
        [started] = await shop.billing.show_purchases.page(customer_id, limit=5)
        purchase_id = started.purchase.id
        async with asyncio.timeout(15):
            while started.purchase.is_pending:
                await shop.pump.drain()
                started = await shop.billing.show_purchases.one(customer_id, purchase_id)
        assert await shop.plan() == "PRO_MONTHLY", "nor does the money wait"
        shop.chat.held_up.set()
