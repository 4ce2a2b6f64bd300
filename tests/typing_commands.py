"""Commands as they are typed, each in a process of its own, made from one that has imported everything."""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.house.sources import ROOT


class Typist:
    """Starts each command by a fork: what it does to logs and loops stays in the child."""

    def __init__(self, server: "subprocess.Popen[str]", folder: Path) -> None:
        self._server = server
        self._folder = folder

    def __call__(self, *words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        asked = {"words": words, "cwd": str(cwd), "folder": str(self._folder)}
        self._server.stdin.write(f"{json.dumps(asked)}\n")
        self._server.stdin.flush()
        status = int(self._server.stdout.readline())
        out, err = ((self._folder / name).read_text() for name in ("out", "err"))
        return subprocess.CompletedProcess(words, status, out, err)


@contextmanager
def typist() -> Iterator[Typist]:
    server = subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with TemporaryDirectory() as folder, server:
        try:
            yield Typist(server, Path(folder))
        finally:
            server.kill()


def _serve() -> None:
    from entrypoints import cli, commands, operator_commands  # noqa: F401, PLC0415

    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(asked, cli.main)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become(asked: dict[str, object], main: object) -> None:
    for number, name in ((1, "out"), (2, "err")):
        told = os.open(f"{asked['folder']}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(told, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(str(asked["cwd"]))
    sys.argv = ["billhook", *asked["words"]]  # type: ignore[misc]
    status = 1
    try:
        main()  # type: ignore[operator]
    except SystemExit as end:
        if isinstance(end.code, int):
            status = end.code
        elif end.code is not None:
            sys.stderr.write(f"{end.code}\n")
        else:
            status = 0
    except Exception:  # noqa: BLE001  # As the interpreter does.
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _serve()
