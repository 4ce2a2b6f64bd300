"""The guide to the marketplace does what it says, at each gateway that it names."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import billhook_run
from tests.sampling import drawn

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guides" / "marketplace.md"
BILLHOOK = Path(sys.prefix) / "bin" / "billhook"


def told(*words: str, data: Path) -> str:
    """What a command prints; it must end well."""
    settings = {n: v for n, v in os.environ.items() if not n.startswith("BILLHOOK_")}
    done = subprocess.run(
        [BILLHOOK, *words, "--data-dir", data],
        capture_output=True,
        text=True,
        env=settings,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def follows_the_guide(environment: dict[str, str]) -> str:
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert len(blocks) > 5
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"} | environment,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(240)
@pytest.mark.parametrize("gateway", drawn("sweeps", ["paymongo", "xendit"], 1))
def test_each_call_of_the_guide_works_and_the_books_hold(tmp_path: Path, gateway: str) -> None:
    catalog = str(ROOT / "catalogs" / "marketplace.toml")
    with billhook_run(tmp_path, "--catalog", catalog, GATEWAYS=gateway):
        data = tmp_path / "data"
        exported = dict(re.findall(r"export (\w+)=(\S+)", (tmp_path / "said.txt").read_text()))
        operator = told("keys", "create", "olga", "--scope", "operator", data=data).split()[0]

        said = follows_the_guide(exported | {"GATEWAY": gateway, "OPERATOR_KEY": operator})

        assert f'"gateway":"{gateway}"' in said
        assert "the books hold" in told("books", "check", data=data)
        assert "holds: 1 line" in told("audit", "verify", data=data)
        assert "nothing waits" in told("cases", "list", data=data)
