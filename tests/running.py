"""Billhook as `make run` starts it: a process of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

STARTS_WITHIN_SECONDS = 60


@contextmanager
def billhook_run(folder: Path, *arguments: str, **settings: str) -> Iterator[str]:
    """
    The address of a fresh `billhook run`, with the sandbox and nothing in its books. What it
    prints is in `said.txt`, its data in `data`.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    ours = {name: value for name, value in os.environ.items() if not name.startswith("BILLHOOK_")}
    environment = ours | {f"BILLHOOK_{name}": value for name, value in settings.items()}
    said = folder / "said.txt"
    with said.open("w") as output:
        command = [Path(sys.prefix) / "bin" / "billhook", "run", "--port", str(port)]
        process = subprocess.Popen(
            [*command, "--data-dir", folder / "data", *arguments],
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
