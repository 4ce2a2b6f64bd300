"""Billhook as `make run` starts it, and a real browser in front of it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.async_api import BrowserContext, async_playwright, expect

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
STARTS_WITHIN_SECONDS = 60
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


@contextmanager
def billhook_run(folder: Path) -> Iterator[str]:
    """The address of a fresh `billhook run`, with the sandbox and nothing in its books."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = {n: v for n, v in os.environ.items() if not n.startswith("BILLHOOK_")}
    said = folder / "said.txt"
    with said.open("w") as output:
        command = [Path(sys.prefix) / "bin" / "billhook", "run", "--port", str(port)]
        process = subprocess.Popen(
            [*command, "--data-dir", folder / "data"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_for(url, process, said)
            yield url
        finally:
            process.terminate()
            process.wait(30)


def _wait_for(url: str, process: "subprocess.Popen[bytes]", said: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, said.read_text()
        try:
            if httpx.get(f"{url}/health/ready", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise AssertionError(f"not ready in time: {said.read_text()}")


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
