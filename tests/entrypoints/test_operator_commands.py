"""What an operator does at the command line, as it is typed."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from adapters.catalog_file import catalog_from_file
from core.domain.audit import ReasonMissing
from core.domain.case import Case, CaseKind
from core.domain.customer import CustomerNotFound, identity
from core.use_cases.operators import CaseNotFound
from core.use_cases.wallet import AdjustmentNotUsable
from entrypoints.cli import cli
from entrypoints.commands import migrate_database
from entrypoints.operator_commands import verify_audit
from entrypoints.process import Opened, opened
from entrypoints.settings import Settings
from tests.builders import NOON
from tests.contracts.units import seen, written
from tests.world import FITNESS

Types = Callable[..., Result]


def settings_of(folder: Path) -> Settings:
    return Settings(_env_file=None, data_dir=folder)  # type: ignore[call-arg]


def within(folder: Path, work: Callable[[Opened], Coroutine[Any, Any, Any]]) -> Any:
    async def do() -> Any:
        async with opened(settings_of(folder)) as parts:
            return await work(parts)

    return asyncio.run(do())


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    migrate_database(settings_of(tmp_path))

    async def open_it(parts: Opened) -> None:
        await parts.billing.apply_catalog(catalog_from_file(FITNESS))
        await parts.billing.register_customer(identity("telegram:1001"))

    within(tmp_path, open_it)
    return tmp_path


@pytest.fixture
def types(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Types:
    """`billhook …` as somebody named olga, with a reason where one is asked for."""
    monkeypatch.chdir(shop)

    def run(*words: str, deed: bool = True) -> Result:
        said = ("--as", "olga", "--reason", "asked by mail") if deed else ()
        return CliRunner().invoke(cli, [*words, *said, "--data-dir", str(shop)])

    return run


def adjusts(types: Types, amount: str, *more: str) -> Result:
    named = ("wallet", "adjust", "telegram:1001", "--amount", amount, "--currency", "RUB")
    return types(*named, *more)


def test_money_is_given_and_taken_by_hand(types: Types, shop: Path) -> None:
    given = adjusts(types, "100.00")
    taken = adjusts(types, "-130.00")

    assert (given.exit_code, taken.exit_code) == (0, 0), given.output + taken.output
    assert "100.00 RUB of cash" in given.output

    async def owed(parts: Opened) -> list[str]:
        customer = await parts.billing.find_customer(identity("telegram:1001"))
        account = await parts.billing.show_account(customer)
        return [str(amount) for amount in (*account.cash, *account.owed)]

    assert within(shop, owed) == ["0.00 RUB", "30.00 RUB"]
    lines = within(shop, lambda parts: parts.billing.show_audit(limit=9))
    assert [(line.actor, line.reason) for _, line, _ in lines] == [("olga", "asked by mail")] * 2


def test_what_cannot_be_given_is_said(types: Types) -> None:
    refusals = [
        (adjusts(types, "0"), AdjustmentNotUsable),
        (adjusts(types, "5", "--account", "hold"), AdjustmentNotUsable),
        (types("customers", "block", "telegram:404"), CustomerNotFound),
        (types("cases", "close", "nothing of the kind"), CaseNotFound),
    ]

    for result, kind in refusals:
        assert isinstance(result.exception, kind), result.output


@pytest.mark.parametrize("missing", ["--as", "--reason"])
def test_a_deed_needs_a_name_and_a_reason(types: Types, missing: str) -> None:
    said = {"--as": "olga", "--reason": "asked by mail"}
    del said[missing]
    words = [word for pair in said.items() for word in pair]
    result = types("customers", "block", "telegram:1001", *words, deed=False)

    assert result.exit_code == 2
    assert missing in result.output
    short = ("customers", "block", "telegram:1001", "--as", "olga", "--reason", "no")
    assert isinstance(types(*short, deed=False).exception, ReasonMissing)


def test_cases_are_listed_and_closed_by_what_is_shown_in_quotes(types: Types, shop: Path) -> None:
    assert "nothing waits" in types("cases", "list", deed=False).output
    cause = "charge yookassa 2d8f0001"
    case = Case(f"case {cause}", CaseKind.MISMATCH, cause, NOON, {"purchase_id": "pur_1"})
    within(shop, lambda parts: written(parts.store, lambda uow: uow.open_case(case)))

    listed = types("cases", "list", deed=False).output
    closed = types("cases", "close", cause)

    assert f"mismatch  '{cause}'  purchase_id=pur_1" in listed
    assert closed.exit_code == 0, closed.output
    kept = within(shop, lambda parts: seen(parts.store, lambda view: view.find_case(cause)))
    assert kept.reason == "asked by mail"
    assert "nothing waits" in types("cases", "list", deed=False).output


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE audit_line SET reason = 'x' WHERE id = 5", 5),
        ("UPDATE audit_line SET actor = 'ben' WHERE id = 1", 1),
        ("UPDATE audit_line SET seal = 'x' WHERE id = 7", 7),
        ("DELETE FROM audit_line WHERE id = 2", 3),
        ("DELETE FROM audit_line WHERE id = 1", 2),
    ],
)
def test_the_audit_trail_is_proven_in_pages_and_the_first_broken_line_is_named(
    types: Types, shop: Path, capsys: pytest.CaptureFixture[str], statement: str, broken: int
) -> None:
    assert "0 lines" in types("audit", "verify", deed=False).output
    for _ in range(7):
        adjusts(types, "1.00")
    whole = types("audit", "verify", deed=False)
    assert (whole.exit_code, "7 lines" in whole.output) == (0, True), whole.output
    assert asyncio.run(verify_audit(settings_of(shop), page=3)) == 0

    forges(shop, statement)

    told = types("audit", "verify", deed=False)
    assert told.exit_code == 1
    assert told.output.startswith(f"line {broken} "), told.output
    capsys.readouterr()
    assert asyncio.run(verify_audit(settings_of(shop), page=3)) == 1
    assert capsys.readouterr().out == told.output


def forges(shop: Path, statement: str) -> None:
    """What somebody with the database's password could do."""
    with closing(sqlite3.connect(shop / "billhook.db")) as connection, connection:
        connection.execute(statement)


def test_a_key_is_made_for_an_operator(types: Types, shop: Path) -> None:
    made = types("keys", "create", "olga", "--scope", "operator", deed=False)

    assert made.exit_code == 0, made.output
    assert made.output.startswith("bh_")
    assert "olga  operator  live" in types("keys", "list", deed=False).output
