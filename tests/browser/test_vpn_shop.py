"""
The VPN shop over a year, as its customers meet it in the browser's chat: one brings another, who tries,
buys from a balance, gets access although the panel was away, and renews by itself.
"""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.test_fitness_app import ChatPage, chat
from tests.running import billhook_run
from tests.sampling import is_whole

__all__ = ["chat"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.timeout(600),
]

CATALOG = Path(__file__).parents[2] / "catalogs" / "vpn_shop.toml"
ANNA, BEN = "1001", "1002"
KEY = "bh_the_shops_own_backend"
MONTHS = 12 if is_whole("sweeps") else 2
MINUTE = timedelta(minutes=1)


class Shop:
    """What happens around the chat: time, the panel, and what the shop's own backend is told."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def passes(self, span: timedelta) -> datetime:
        seconds = {"seconds": span // timedelta(seconds=1)}
        answer = await self._client.post("/sandbox/clock/advance", json=seconds)
        return datetime.fromisoformat(answer.json()["now"])

    async def comes(self, moment: datetime) -> None:
        await self.passes(moment - await self.passes(timedelta()))

    async def panel(self, mode: str, calls: int) -> None:
        fault = {"mode": mode, "next": calls}
        assert (await self._client.post("/sandbox/panel/faults", json=fault)).status_code == 200

    async def told(self, path: str) -> Any:
        answer = await self._client.get(
            f"/api/v1/billing/customers/telegram:{path}", headers={"Authorization": f"Bearer {KEY}"}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def access(self) -> dict[str, Any]:
        told: dict[str, Any] = await self.told(f"{BEN}/subscription/access/")
        return told

    async def end(self) -> datetime:
        subscription = (await self.told(f"{BEN}/"))["subscription"]
        return datetime.fromisoformat(subscription["current_period_end"])


@pytest.fixture
def billhook(tmp_path: Path) -> Iterator[str]:
    settings = {"GATEWAYS": "yookassa", "DEV_API_KEY": KEY}
    with billhook_run(tmp_path, "--catalog", str(CATALOG), **settings) as url:
        yield url


@pytest.fixture
async def shop(billhook: str) -> AsyncIterator[Shop]:
    async with httpx.AsyncClient(base_url=billhook, trust_env=False, timeout=30) as client:
        shop = Shop(client)
        noon = (await shop.passes(timedelta())).astimezone(ZoneInfo("Europe/Moscow"))
        noon = noon.replace(hour=12, minute=0) + timedelta(days=1)  # Nobody is woken by reminders.
        await shop.comes(noon.astimezone(UTC))
        yield shop


async def deposits(chat: ChatPage, context: BrowserContext, sum_: str) -> None:
    await chat.says(sum_)
    await chat.presses("Card or SBP")
    async with context.expect_page() as opened:
        await chat.presses("Pay RUB")
    checkout: Page = await opened.value
    await checkout.get_by_role("button", name="Pay").click()
    await expect(checkout.get_by_test_id("user")).to_have_value(BEN)
    await checkout.close()


async def buys_from_the_balance(chat: ChatPage) -> None:
    await chat.says("/plans")
    await chat.presses("VPN, one month")
    await chat.presses("Choose")
    await chat.presses("From the wallet ·")
    await chat.presses("Pay RUB 299.00 from the wallet")


async def sees_times(chat: ChatPage, text: str, times: int) -> None:
    told = chat.page.get_by_test_id("message").filter(has_text=text)
    await expect(told).to_have_count(times)


async def test_a_year_in_the_life_of_a_vpn_shop(
    chat: ChatPage, shop: Shop, browser: BrowserContext
) -> None:
    # Anna brings Ben.
    await chat.starts(ANNA)
    await chat.presses("Пригласить друзей")
    link = chat.page.get_by_test_id("message").filter(has_text="start=r_").last
    code = (await link.inner_text()).partition("start=")[2].split()[0]
    await shop.passes(MINUTE)
    await chat.starts(BEN)
    await chat.says(f"/start {code}")
    await chat.sees("You came by a friend's invitation.")

    # He tries it, and has access at once.
    await chat.presses("Try 3 days for free")
    await chat.sees("Your trial has begun")
    await chat.sees("Your access is there")
    assert (await shop.access())["activation"] == "active"

    # He puts money into his balance by card, which is worth a tenth to Anna.
    await deposits(chat, browser, "5000")
    await chat.sees("✅ Paid RUB")
    await chat.page.get_by_test_id("user").select_option(ANNA)
    await chat.sees("Приглашённый вами друг оплатил: 500,00")
    await chat.page.get_by_test_id("user").select_option(BEN)

    # The trial is over. He buys while the panel is away, is told, and has access when it is back.
    await shop.comes(await shop.end() + MINUTE)
    await chat.sees("VPN, one month has ended.")
    await shop.panel("down", 1000)
    await buys_from_the_balance(chat)
    await chat.sees("Activation takes a little longer; I will write.")
    assert (await shop.access())["activation"] == "pending"
    await shop.panel("down", 0)
    await shop.passes(10 * MINUTE)
    await sees_times(chat, "Your access is there", 2)
    assert (await shop.access())["activation"] == "active"

    # Anna's reward has waited its time.
    await shop.passes(timedelta(days=14))
    await chat.page.get_by_test_id("user").select_option(ANNA)
    await chat.sees("500,00 ₽ за приглашённого друга в вашем кошельке")
    await chat.page.get_by_test_id("user").select_option(BEN)

    # From now on it renews by itself: a reminder and a receipt each month, and no more.
    await chat.says("/status")
    await chat.presses("Renew from the wallet")
    await chat.sees("It renews by itself from your wallet")
    for month in range(1, MONTHS + 1):
        end = await shop.end()
        await shop.comes(end - timedelta(days=3) + MINUTE)
        await sees_times(chat, "renews by itself from your wallet on", month + 1)
        await shop.comes(end - timedelta(days=1) + MINUTE)
        await sees_times(chat, "✅ Paid RUB 299.00", month + 1)
        assert await shop.end() > end + timedelta(days=27)

    me, access = await shop.told(f"{BEN}/wallet/"), await shop.access()
    assert me["balances"][0]["amount_minor"] == 5000_00 - (1 + MONTHS) * 299_00
    assert access["activation"] == "active"
    assert datetime.fromisoformat(access["until"]) >= await shop.end()
    anna = await shop.told(f"{ANNA}/referral/")
    assert (anna["paying"], [one["amount_minor"] for one in anna["earned"]]) == (1, [500_00])
