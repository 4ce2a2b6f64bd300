"""Paying in Stars as a customer meets it: the bill inside the chat."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.test_fitness_app import ChatPage, chat
from tests.running import billhook_run
from tests.world import FITNESS

__all__ = ["chat"]

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture
def billhook(tmp_path: Path) -> Iterator[str]:
    """The fitness app, which sells a month for Stars too."""
    told = FITNESS.read_text(encoding="utf-8")
    told = told.replace('prices = { RUB = "299.00" }', 'prices = { RUB = "299.00", XTR = "250" }')
    told = told.replace('gateways = ["yookassa"]', 'gateways = ["telegram_stars"]')
    catalog = tmp_path / "stars.toml"
    catalog.write_text(told, encoding="utf-8")
    arguments = ("--catalog", str(catalog))
    with billhook_run(tmp_path, *arguments, GATEWAYS="telegram_stars") as url:
        yield url


async def test_a_month_is_paid_in_stars_once_and_the_bill_is_then_of_no_use(chat: ChatPage) -> None:
    page = chat.page
    await chat.starts()
    await chat.presses("Plans")
    await chat.presses("PRO, one month")
    await chat.presses("Choose")
    await chat.presses("Order for")
    await chat.presses("Pay")
    await expect(page.get_by_test_id("pay-title")).to_have_text("PRO, one month")
    await expect(page.get_by_test_id("pay-sum")).to_contain_text("250")
    await page.get_by_test_id("pay-cancel").click()
    await expect(page.get_by_test_id("pay")).to_be_hidden()

    await chat.presses("Pay")
    await page.get_by_test_id("pay-do").click()

    await chat.sees("✅ Paid")
    await chat.presses("My plan")
    await chat.sees("Unlimited photos")
