"""Billhook as `make run` starts it, and a real browser in front of it."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, async_playwright, expect

from tests.running import billhook_run

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 30_000

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where the browser is. Its absence is a failure where CI runs, and said aloud elsewhere."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("there is no Chromium: .ci/run installs it")
        pytest.skip("no Chromium here; install Debian's package chromium to run these tests")
    return found


@pytest.fixture
def billhook(tmp_path: Path) -> Iterator[str]:
    with billhook_run(tmp_path) as url:
        yield url


@pytest.fixture
async def browser(chromium: str, billhook: str) -> AsyncIterator[BrowserContext]:
    """One person's browser, gone before Billhook. What a page complains of fails the test."""
    complaints: list[str] = []
    async with async_playwright() as play:
        launched = await play.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        context = await launched.new_context(viewport={"width": 1100, "height": 820})
        context.set_default_timeout(PATIENCE_MS)
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        context.on("console", lambda said: _heard(said, complaints))
        yield context
        await launched.close()
    assert complaints == []


def _heard(said: object, complaints: list[str]) -> None:
    if getattr(said, "type", "") == "error":
        complaints.append(getattr(said, "text", ""))
