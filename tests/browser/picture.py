"""The README's picture, made again: `python -m tests.browser.picture`."""

import asyncio
from base64 import b64encode
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import Browser, Page, async_playwright, expect

from tests.browser.conftest import ARGUMENTS
from tests.browser.test_fitness_app import BEN, ChatPage, pays
from tests.running import billhook_run

PICTURE = Path("docs/pictures/chat-and-mini-app.png")
PHONE = {"width": 400, "height": 720}
BOTH = """<body style="margin: 0; display: flex; gap: 24px; padding: 24px; background: #eef1f4">
<style>img {{ width: 400px; border-radius: 24px; box-shadow: 0 6px 20px rgb(0 0 0 / 18%) }}</style>
{}</body>"""


async def main(url: str) -> None:
    async with async_playwright() as play:
        browser = await play.chromium.launch(
            executable_path="/usr/bin/chromium", args=list(ARGUMENTS)
        )
        shots = [await shot(page) for page in await bought(browser, url)]
        images = "".join(f'<img src="data:image/png;base64,{one}">' for one in shots)
        page = await browser.new_page(viewport={"width": 872, "height": 768})
        await page.set_content(BOTH.format(images))
        PICTURE.parent.mkdir(exist_ok=True)
        await page.screenshot(path=PICTURE)
        await browser.close()


async def bought(browser: Browser, url: str) -> list[Page]:
    """The chat with its receipt, and the Mini App over the same chat, a photo later."""
    context = await browser.new_context(viewport=PHONE, reduced_motion="reduce")
    pages = []
    for _ in range(2):
        pages.append(page := await context.new_page())
        await page.goto(f"{url}/sandbox/telegram/?user={BEN}")
    chat, app_page = (ChatPage(context, page) for page in pages)
    await chat.page.get_by_test_id("start").click()
    await chat.sees("3 photos left of 3")
    await chat.orders()
    await chat.at_the_checkout(pays)
    await chat.sees("✅ Paid RUB")
    await app_page.page.get_by_test_id("menu").click()
    app = app_page.page.frame_locator('[data-testid="miniapp"]')
    await expect(app.get_by_test_id("left")).to_contain_text("Unlimited")
    await app.get_by_test_id("photo").click()
    await expect(app.get_by_test_id("status")).to_be_visible()
    return pages


async def shot(page: Page) -> str:
    return b64encode(await page.screenshot()).decode()


if __name__ == "__main__":
    with TemporaryDirectory() as folder, billhook_run(Path(folder)) as address:
        asyncio.run(main(address))
