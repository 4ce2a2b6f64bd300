"""The marketplace in the chat: 500 pesos added by card at PayMongo's double, then spent."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from adapters.catalog_file import catalog_from_file
from adapters.persistence.memory import MemoryStore
from core.domain import ledger
from core.domain.checkout import Checkout
from core.domain.plan import GatewayName
from core.use_cases.consequences import consequences
from tests.adapters.gateways.paymongo_desk import PayMongoDesk, a_paymongo_desk
from tests.adapters.gateways.served import a_stage
from tests.adapters.telegram.chat_room import BEN, ChatRoom, labels, link
from tests.builders import Clock

MARKETPLACE = Path(__file__).parents[2] / "catalogs" / "marketplace.toml"
PAYMONGO = GatewayName("paymongo")


class Market:
    """The bot of the marketplace, whose operator lets it sell by other gateways than Stars."""

    def __init__(self, room: ChatRoom, desk: PayMongoDesk) -> None:
        self.room = room
        self.desk = desk

    async def pays_on_the_page(self, screen: dict) -> None:
        """As a browser: the page opens, its button is pressed, and PayMongo's webhooks come."""
        async with httpx.AsyncClient() as browser:
            page = await browser.get(link(screen))
            assert "500.00" in page.text
            pressed = await browser.post(link(screen), data={"action": "card"})
            assert pressed.status_code in {200, 303}, pressed.text
        payment_id = (await self.newest()).payment_id
        assert payment_id is not None
        await self.room.world.billing.take_in_webhook(PAYMONGO, self.desk.webhook(payment_id))
        await self.room.world.pump.drain()

    async def newest(self) -> Checkout:
        who = await self.room.customer(BEN)
        [started] = await self.room.world.billing.show_purchases.page(who, limit=1)
        assert started.checkout is not None
        return started.checkout


@pytest.fixture
async def market() -> AsyncIterator[Market]:
    clock = Clock()
    async with a_stage() as stage, a_paymongo_desk(stage, clock) as desk:
        store = MemoryStore(consequences)
        room = ChatRoom(store, gateways=[desk.gateway], clock=clock)
        wanted = catalog_from_file(MARKETPLACE)
        chat = replace(wanted.chat, other_gateways=True)
        await room.world.billing.apply_catalog(replace(wanted, chat=chat))
        # One gateway alone, so that whatever is taken is PayMongo's.
        room.world.gateway.abilities = replace(room.world.gateway.abilities, bounds={})
        yield Market(room, desk)


async def test_money_comes_by_card_and_buys_a_plan_from_the_wallet(market: Market) -> None:
    room = market.room
    await room.says("/start", BEN)
    await room.presses("Wallet", BEN)
    await room.presses("Add money", BEN)
    ways = await room.presses("500.00", BEN)
    assert "Add ₱500.00 to your wallet" in ways["text"].replace("PHP\xa0", "₱")
    pay = await room.presses("GCash, Maya or card", BEN)

    await market.pays_on_the_page(pay)

    receipt = room.screen(BEN)["text"].replace("PHP\xa0", "₱")
    assert "Paid ₱500.00" in receipt
    assert "In your wallet: ₱500.00" in receipt
    await room.says("/start p_BUSINESS_MONTHLY", BEN)
    assert len(labels(await room.presses("Choose", BEN))) == 3, "PayMongo, the wallet, back"
    await room.presses("From the wallet", BEN)
    await room.presses("Pay", BEN)
    await room.world.pump.drain()
    bought = room.screen(BEN)["text"].replace("PHP\xa0", "₱")
    assert "Business, one month" in bought
    assert "In your wallet: ₱1.00" in bought

    history = (await room.says("/history", BEN))["text"].replace("PHP\xa0", "₱")
    newest, older = [line for line in history.splitlines()[2:] if line]
    assert "−₱499.00" in newest
    assert "paid: Business, one month" in newest
    assert "+₱500.00" in older
    assert "money added" in older
    ben = await room.customer(BEN)
    assert await room.world.books(ledger.cash(ben), "PHP") == 100
    taken = await room.world.books(ledger.clearing(PAYMONGO), "PHP")
    assert taken + await room.world.books(ledger.fees(PAYMONGO), "PHP") == -50000
