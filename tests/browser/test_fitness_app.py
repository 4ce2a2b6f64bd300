"""The fitness app as a newcomer meets it: in the browser's chat, and in the Mini App."""

import re
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import BrowserContext, FrameLocator, Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

BEN = "1002"


class ChatPage:
    """The chat, in the hands of one user."""

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.context = context
        self.page = page

    async def starts(self, who: str = BEN) -> None:
        await self.page.get_by_test_id("user").select_option(who)
        await self.page.get_by_test_id("start").click()

    async def says(self, text: str) -> None:
        await self.page.get_by_test_id("input").fill(text)
        await self.page.get_by_test_id("input").press("Enter")

    async def presses(self, label: str) -> None:
        await self._button(label).click()

    def _button(self, label: str):
        return self.page.get_by_test_id("button").filter(has_text=label).last

    async def sees(self, text: str) -> None:
        told = self.page.get_by_test_id("message").filter(has_text=text)
        await expect(told.last).to_be_visible()

    async def orders(self) -> None:
        await self.presses("Plans")
        await self.presses("PRO, one month")
        await self.presses("Choose")
        await self.sees("It begins as soon as it is paid")
        await self.presses("Order for")
        await self.sees("The receipt will come here")

    async def at_the_checkout(self, does: Callable[[Page], Awaitable[None]]) -> None:
        """The checkout page that opens, and what is done on it; it leads back to the chat."""
        async with self.context.expect_page() as opened:
            await self.presses("Pay RUB")
        checkout = await opened.value
        await expect(checkout.get_by_test_id("amount")).to_contain_text("299.00")
        await does(checkout)
        await expect(checkout).to_have_url(re.compile("/sandbox/telegram/$"))
        await expect(checkout.get_by_test_id("user")).to_have_value(BEN)
        await checkout.close()

    async def opens_the_app(self) -> FrameLocator:
        await self.presses("Open app")
        return self.page.frame_locator('[data-testid="miniapp"]')


@pytest.fixture
async def chat(browser: BrowserContext, billhook: str) -> ChatPage:
    page = await browser.new_page()
    await page.goto(f"{billhook}/sandbox/telegram/")
    return ChatPage(browser, page)


async def pays(checkout: Page) -> None:
    await checkout.get_by_role("button", name="Pay").click()


async def is_turned_down(checkout: Page) -> None:
    await checkout.get_by_role("button", name="Decline").click()


async def test_pro_is_bought_in_the_chat_and_ends_after_a_month(chat: ChatPage) -> None:
    await chat.starts()
    await chat.sees("3 photos left of 3")
    await chat.orders()
    await chat.at_the_checkout(pays)
    await chat.sees("✅ Paid RUB")
    await chat.presses("My plan")
    await chat.sees("Unlimited photos")

    await chat.page.get_by_test_id("advance-31").click()

    await chat.sees("PRO, one month has ended. You are on Free now.")
    await chat.presses("My plan")
    await chat.sees("3 photos left of 3")


async def test_a_declined_payment_takes_nothing_and_another_try_buys(chat: ChatPage) -> None:
    await chat.starts()
    await chat.orders()
    await chat.at_the_checkout(is_turned_down)
    await chat.sees("did not go through. Nothing was taken.")
    await chat.presses("New order")
    await chat.presses("Choose")
    await chat.presses("Order for")
    orders = chat.page.get_by_test_id("message").filter(has_text="The receipt will come here")
    await expect(orders).to_have_count(2)
    await chat.at_the_checkout(pays)
    await chat.sees("✅ Paid RUB")


async def test_the_language_is_switched(chat: ChatPage) -> None:
    await chat.starts("1001")
    await chat.sees("Здравствуйте, Anna!")
    await chat.presses("Настройки")
    await chat.presses("English")
    await chat.sees("Your plan: Free")
    await chat.says("/plans")
    await chat.sees("PRO, one month")


async def test_pro_is_bought_in_the_mini_app_and_photos_are_unlimited(chat: ChatPage) -> None:
    await chat.starts()
    app = await chat.opens_the_app()
    await expect(app.get_by_test_id("left")).to_contain_text("3")
    await app.get_by_test_id("blurred").click()
    await expect(app.get_by_test_id("status")).to_contain_text("your photo was not counted")
    await expect(app.get_by_test_id("left")).to_contain_text("3")
    for left in ("2", "1", "0"):
        await app.get_by_test_id("photo").click()
        await expect(app.get_by_test_id("left")).to_contain_text(left)
    await app.get_by_test_id("photo").click()
    await expect(app.get_by_test_id("status")).to_be_visible()

    await app.get_by_test_id("buy-PRO_MONTHLY").click()
    await app.get_by_test_id("pay").click()
    await app.get_by_role("button", name="Pay").click()

    await expect(app.get_by_test_id("plan")).to_contain_text("PRO")
    await app.get_by_test_id("photo").click()
    await expect(app.get_by_test_id("left")).to_contain_text("nlimited")

    await app.get_by_test_id("buy-PRO_YEARLY").click()
    await app.get_by_test_id("pay").click()
    await app.get_by_role("button", name="Pay").click()
    await expect(app.get_by_test_id("plan")).to_contain_text("PRO, one year")
    await expect(app.get_by_test_id("wallet")).to_contain_text("In your wallet: RUB 29")
    await chat.page.get_by_test_id("close").click()
    await chat.sees("✅ Paid RUB")

    for _ in range(12):
        await chat.page.get_by_test_id("advance-31").click()
    await chat.sees("PRO, one year has ended. You are on Free now.")
    await chat.says("/start")
    app = await chat.opens_the_app()
    await expect(app.get_by_test_id("left")).to_contain_text("3")
