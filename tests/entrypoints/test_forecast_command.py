"""`billhook simulate`: what it says, twice the same, and what it refuses."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer

from entrypoints.forecast_cli import share_from_text
from tests.typing_commands import Typist, typist

CATALOGS = Path(__file__).parents[2] / "catalogs"
MARKETPLACE, VPN_SHOP = str(CATALOGS / "marketplace.toml"), str(CATALOGS / "vpn_shop.toml")
Simulate = Callable[..., "subprocess.CompletedProcess[str]"]
SMALL = ("--customers", "40", "--days", "60", "--buys", "50")


@pytest.fixture(scope="module")
def typed() -> Iterator[Typist]:
    with typist() as typed:
        yield typed


@pytest.fixture
def simulate(tmp_path: Path, typed: Typist) -> Simulate:
    return lambda *words: typed("simulate", *words, cwd=tmp_path)


def test_it_says_what_is_assumed_and_that_the_books_hold(simulate: Simulate) -> None:
    told = simulate("--catalog", MARKETPLACE, *SMALL)

    assert told.returncode == 0
    assert "This is arithmetic on assumptions, not a promise" in told.stdout
    assert "50 % of newcomers who do not try buy" in told.stdout
    assert "PHP" in told.stdout
    assert "the books hold: " in told.stdout
    assert "trial" not in told.stdout  # Of which this catalog has none, nor of referrals.
    assert "code" not in told.stdout
    assert "day 1 of" not in told.stdout  # That is for terminals.


def test_for_programs_it_says_the_same(simulate: Simulate) -> None:
    told = json.loads(simulate("--catalog", VPN_SHOP, *SMALL, "--json").stdout)

    assert told["assumed"]["buys"] == "50 %"
    assert told["proof"]["holds"] is True
    assert [month["month"] for month in told["months"]] == ["2026-01", "2026-02", "2026-03"]
    revenue = [month["money"]["RUB"]["revenue_minor"] for month in told["months"]]
    assert told["total"]["money"]["RUB"]["revenue_minor"] == sum(revenue) > 0


def test_two_processes_say_the_same_byte_for_byte(tmp_path: Path) -> None:
    words = ["simulate", "--catalog", VPN_SHOP, *SMALL, "--seed", "11"]
    told = [
        subprocess.Popen(
            [sys.executable, "-c", "from entrypoints.cli import main; main()", *words],
            env={**os.environ, "PYTHONHASHSEED": seed, "BILLHOOK_DATA_DIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for seed in ("1", "2")
    ]

    (first, noise), (second, _) = (one.communicate() for one in told)

    assert b"the books hold" in first
    assert first == second
    assert noise == b"", "what it says is not buried by what its jobs log"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--customers", "0"], "'--customers': Input should be greater than or equal to 1"),
        (["--days", "0"], "'--days': Input should be greater than or equal to 1"),
        (["--customers", "20001"], "less than or equal to 20000"),
        (["--customers", "20000", "--days", "501"], "at most 10,000,000"),
        (["--seed", "lucky"], "'--seed': Input should be a valid integer"),
        (["--leaves", "120"], "--leaves: '120' is not a percentage"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(
    simulate: Simulate,
    words: list[str],
    why: str,
) -> None:
    told = simulate("--catalog", MARKETPLACE, *words)

    assert told.returncode == 2
    assert why in " ".join(told.stderr.replace("│", " ").split())


def test_a_catalog_with_errors_is_refused_as_its_check_does(
    simulate: Simulate, typed: Typist, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text(Path(MARKETPLACE).read_text().replace('"499.00"', '"many"'))

    told = simulate("--catalog", str(broken))
    checked = typed("catalog", "check", "--catalog", str(broken), cwd=tmp_path)

    assert told.returncode == 1
    assert "broken.toml" in told.stderr
    assert told.stderr == checked.stderr


@pytest.mark.parametrize(
    ("text", "share"), [("0", 0), ("2", 200), ("12.5", 1250), ("0.25", 25), ("100", 10_000)]
)
def test_a_share_is_read_exactly(text: str, share: int) -> None:
    assert share_from_text(text, "--fee") == share


@pytest.mark.parametrize("text", ["", "-1", "100.01", "1.234", "½", "five", "1e1", "nan"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        share_from_text(text, "--fee")
