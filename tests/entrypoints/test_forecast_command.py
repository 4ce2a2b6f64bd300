"""`billhook simulate`: what it says, twice the same, and what it refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from adapters.catalog_file import CatalogNotUsable
from entrypoints.cli import cli
from entrypoints.forecast_cli import share_from_text

CATALOGS = Path(__file__).parents[2] / "catalogs"
MARKETPLACE, VPN_SHOP = str(CATALOGS / "marketplace.toml"), str(CATALOGS / "vpn_shop.toml")
SMALL = ("--customers", "40", "--days", "60", "--buys", "50")


@pytest.fixture
def simulate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BILLHOOK_DATA_DIR", str(tmp_path))

    def run(*words: str) -> Result:
        return CliRunner().invoke(cli, ["simulate", *words])

    return run


def test_it_says_what_is_assumed_and_that_the_books_hold(simulate) -> None:
    told = simulate("--catalog", MARKETPLACE, *SMALL)

    assert told.exit_code == 0
    assert "This is arithmetic on assumptions, not a promise" in told.output
    assert "50 % of newcomers who do not try buy" in told.output
    assert "PHP" in told.output
    assert "the books hold: " in told.output
    assert "trial" not in told.output  # Of which this catalog has none, nor of referrals.
    assert "code" not in told.output
    assert "day 1 of" not in told.output  # That is for terminals.


def test_for_programs_it_says_the_same(simulate) -> None:
    told = json.loads(simulate("--catalog", VPN_SHOP, *SMALL, "--json").output)

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
    simulate,
    words: list[str],
    why: str,
) -> None:
    told = simulate("--catalog", MARKETPLACE, *words)

    assert told.exit_code == 2
    assert why in " ".join(told.output.replace("│", " ").split())


def test_a_catalog_with_errors_is_refused_as_its_check_does(simulate, tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text(Path(MARKETPLACE).read_text().replace('"499.00"', '"many"'))

    told = simulate("--catalog", str(broken))
    checked = CliRunner().invoke(cli, ["catalog", "check", "--catalog", str(broken)])

    assert isinstance(told.exception, CatalogNotUsable)
    assert str(told.exception) == str(checked.exception)


@pytest.mark.parametrize(
    ("text", "share"), [("0", 0), ("2", 200), ("12.5", 1250), ("0.25", 25), ("100", 10_000)]
)
def test_a_share_is_read_exactly(text: str, share: int) -> None:
    assert share_from_text(text, "--fee") == share


@pytest.mark.parametrize("text", ["", "-1", "100.01", "1.234", "½", "five", "1e1", "nan"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        share_from_text(text, "--fee")
