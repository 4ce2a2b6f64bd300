"""What an operator does at the command line, as it is typed."""

import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.catalog_file import catalog_from_file
from core.domain.audit import Deed
from core.domain.case import Case, CaseKind
from core.domain.customer import identity
from core.domain.errors import Invalid
from core.domain.money import AmountNotUsable, Money, UnknownCurrency
from core.domain.operator import Role
from core.use_cases.roles import OwnerBySetting
from entrypoints.cli import cli
from entrypoints.commands import examine, migrate_database
from entrypoints.operator_commands import (
    adjust_wallet,
    grant_role,
    list_roles,
    list_switches,
    retry_access,
    revoke_role,
    turn_switch,
    verify_audit,
)
from entrypoints.process import opened
from entrypoints.settings import Settings
from tests.builders import NOON, rub
from tests.contracts.units import seen, written
from tests.typing_commands import Typist, typist
from tests.world import FITNESS

Types = Callable[..., subprocess.CompletedProcess[str]]
BY_OLGA = ("--as", "olga", "--reason", "asked by mail")
OLGA = Deed("olga", "asked by mail")


@pytest.fixture
async def shop(tmp_path: Path) -> Settings:
    settings = Settings(_env_file=None, data_dir=tmp_path)  # type: ignore[call-arg]
    migrate_database(settings)
    async with opened(settings) as parts:
        await parts.billing.apply_catalog(catalog_from_file(FITNESS))
        await parts.billing.register_customer(identity("telegram:1001"))
    return settings


@pytest.fixture(scope="module")
def typed() -> Iterator[Typist]:
    with typist() as typed:
        yield typed


@pytest.fixture
def types(shop: Settings, typed: Typist) -> Types:
    """`billhook …` in a process of its own: what a command does to the logs stays there."""
    return lambda *words: typed(*words, "--data-dir", str(shop.data_dir), cwd=shop.data_dir)


def _quoted(told: str) -> str:
    return told.split("'")[1]


async def test_money_is_given_and_taken_by_hand(types: Types, shop: Settings) -> None:
    named = ("wallet", "adjust", "telegram:1001", "--currency", "RUB", *BY_OLGA)
    given = types(*named, "--amount", "100.00")
    taken = types(*named, "--amount", "-130.00")
    undone = types("wallet", "reverse", _quoted(given.stdout), *BY_OLGA)

    assert {given.returncode, taken.returncode, undone.returncode} == {0}, undone.stderr
    assert "100.00 RUB of cash" in given.stdout
    assert "receivable:" in undone.stdout
    async with opened(shop) as parts:
        customer = await parts.billing.find_customer(identity("telegram:1001"))
        account = await parts.billing.show_account(customer)
        lines = await parts.billing.show_audit(limit=9)
    assert (account.cash, account.owed) == ((rub(0),), (rub(130),))
    assert [(line.actor, line.reason) for _, line, _ in lines] == [("olga", "asked by mail")] * 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("cases", "close", "nothing of the kind", *BY_OLGA), "case_not_found"),
        (("customers", "block", "telegram:404", *BY_OLGA), "customer_not_found"),
        (("access", "retry", "telegram:404", *BY_OLGA), "customer_not_found"),
        (("explain", "entry", "charge yookassa 404"), "'adjustment adj_…'"),
        (
            ("reconcile", "--gateway", "telegram_payments", "--since", "2026-11-01"),
            "its provider's own cabinet",
        ),
        (("reconcile", "--gateway", "yookassa", "--since", "lately"), "2026-11-01T08:00:00Z"),
        (
            ("wallet", "adjust", "telegram:1001", "--amount", "0", "--currency", "RUB", *BY_OLGA),
            "adjustment_not_usable",
        ),
        (("customers", "block", "telegram:1001", "--as", "olga", "--reason", "no"), "reason"),
        (("customers", "block", "telegram:1001", "--reason", "asked by mail"), "--as"),
        (("customers", "block", "telegram:1001", "--as", "olga"), "--reason"),
    ],
)
async def test_what_is_not_done_is_said_in_words(
    types: Types, shop: Settings, words: tuple[str, ...], told: str
) -> None:
    refused = types(*words)

    assert refused.returncode != 0
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr
    async with opened(shop) as parts:
        assert await parts.billing.show_audit(limit=9) == []


@pytest.mark.parametrize("command", [("wallet", "adjust"), ("purchases", "refund")])
@pytest.mark.parametrize(
    ("amount", "currency", "kind"),
    [
        ("100.005", "RUB", AmountNotUsable),
        ("1.5", "XTR", AmountNotUsable),
        ("0.0000001", "USDT", AmountNotUsable),
        ("10000000000000.01", "RUB", AmountNotUsable),
        ("1e3", "RUB", AmountNotUsable),
        ("1,000", "RUB", AmountNotUsable),
        ("1_000", "RUB", AmountNotUsable),
        ("0x10", "RUB", AmountNotUsable),
        ("\uff11\uff10", "RUB", AmountNotUsable),
        ("NaN", "RUB", AmountNotUsable),
        ("true", "RUB", AmountNotUsable),
        ("", "RUB", AmountNotUsable),
        ("100", "rub", UnknownCurrency),
        ("100", "GOLD", UnknownCurrency),
    ],
)
def test_an_amount_that_would_need_a_guess_is_none(
    command: tuple[str, str], amount: str, currency: str, kind: type[Invalid]
) -> None:
    typed = [*command, "whose", "--amount", amount, "--currency", currency, *BY_OLGA]

    assert isinstance(CliRunner().invoke(cli, typed).exception, kind)


async def test_cases_are_listed_and_closed_by_what_is_shown_in_quotes(
    types: Types, shop: Settings
) -> None:
    cause = "charge yookassa 2d8f0001"
    case = Case(f"case {cause}", CaseKind.MISMATCH, cause, NOON, {"purchase_id": "pur_1"})
    async with opened(shop) as parts:
        await written(parts.store, lambda uow: uow.open_case(case))

    listed, closed, rest = (
        types("cases", "list"),
        types("cases", "close", cause, *BY_OLGA),
        types("cases", "list"),
    )

    assert f"mismatch  '{cause}'  purchase_id=pur_1" in listed.stdout
    assert closed.returncode == 0, closed.stderr
    assert "nothing waits" in rest.stdout
    async with opened(shop) as parts:
        kept = await seen(parts.store, lambda view: view.find_case(cause))
    assert kept is not None
    assert kept.reason == "asked by mail"


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
async def test_the_first_broken_line_of_the_audit_trail_is_named_whatever_the_page(
    shop: Settings, capsys: pytest.CaptureFixture[str], statement: str, broken: int
) -> None:
    assert await verify_audit(shop) == 0
    for _ in range(7):
        await adjust_wallet(shop, "telegram:1001", Money.of(1, "RUB"), "cash", OLGA)
    assert await verify_audit(shop) == 0
    told = capsys.readouterr().out.splitlines()
    assert ("0 lines" in told[0], "7 lines" in told[-1]) == (True, True)

    # What somebody with the database's password could do.
    with closing(sqlite3.connect(shop.data_dir / "billhook.db")) as connection, connection:
        connection.execute(statement)

    for page in (1, 3, 1000):
        assert await verify_audit(shop, page=page) == 1
        assert capsys.readouterr().out.startswith(f"line {broken} ")


async def test_the_audit_trail_is_verified_by_a_command_with_its_exit_code(
    types: Types, shop: Settings
) -> None:
    await adjust_wallet(shop, "telegram:1001", rub(1), "cash", OLGA)
    whole = types("audit", "verify")
    with closing(sqlite3.connect(shop.data_dir / "billhook.db")) as connection, connection:
        connection.execute("UPDATE audit_line SET reason = 'x'")
    changed = types("audit", "verify")

    assert (whole.returncode, changed.returncode) == (0, 1)
    assert "1 lines" in whole.stdout
    assert changed.stdout.startswith("line 1 ")


async def test_a_key_is_made_for_an_operator(types: Types) -> None:
    made = types("keys", "create", "olga", "--scope", "operator")

    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("bh_")
    assert "olga  operator  live" in types("keys", "list").stdout


async def test_access_is_made_again_by_an_operators_word(shop: Settings) -> None:
    assert await retry_access(shop, "telegram:1001", OLGA) == 0

    async with opened(shop) as parts:
        [(_, line, _)] = await parts.billing.show_audit(limit=9)
        async with parts.store.read() as view:
            assert await view.jobs.waiting() == 1
    assert (line.action, line.actor) == ("access.retry", "olga")


async def test_roles_are_given_listed_and_taken(
    shop: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    owned = shop.model_copy(update={"owner": "telegram:7"})
    assert await grant_role(owned, "telegram:1001", Role.SUPPORT, OLGA) == 0
    assert await list_roles(owned) == 0
    listed = [line.split()[:2] for line in capsys.readouterr().out.splitlines()[1:]]
    assert listed == [["owner", "telegram:7"], ["support", "telegram:1001"]]

    assert await revoke_role(owned, "telegram:1001", OLGA) == 0
    with pytest.raises(OwnerBySetting):
        await revoke_role(owned, "telegram:7", OLGA)


async def test_what_is_switched_off_is_listed_and_told_by_the_doctor(
    shop: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await examine(shop) == 0

    assert await turn_switch(shop, "sales", OLGA, is_on=False) == 0
    assert await examine(shop) == 1
    assert "sales, by olga: billhook switch sales on" in capsys.readouterr().out
    await list_switches(shop)
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in listed if line.startswith("OFF ")] == ["sales"]

    assert await turn_switch(shop, "sales", OLGA, is_on=True) == 0
    assert await examine(shop) == 0


async def test_what_stopped_by_itself_is_told_by_the_doctor_with_its_figures(
    shop: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {"bound": "payouts", "switch": "payouts", "why": "9.00 RUB in payouts"}
    case = Case("case s", CaseKind.SAFETY, "safety payouts 2026-03-10", NOON, told)
    async with opened(shop) as parts, parts.store.write() as uow:
        await uow.open_case(case)
        await uow.commit()

    assert await examine(shop) == 1
    assert "safety: safety payouts 2026-03-10 (9.00 RUB in payouts)" in capsys.readouterr().out


@pytest.mark.parametrize("words", [("sales",), ("sales", "maybe"), ("sales", "off")])
def test_a_switch_is_turned_on_or_off_by_somebody(words: tuple[str, ...]) -> None:
    assert CliRunner().invoke(cli, ["switch", *words]).exit_code == 2


async def test_why_is_told_in_plain_english(
    types: Types, shop: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    await adjust_wallet(shop, "telegram:1001", rub(100), "cash", OLGA)
    entry_id = _quoted(capsys.readouterr().out)

    of_customer = types("explain", "customer", "telegram:1001")
    of_entry = types("explain", "entry", entry_id)

    assert (of_customer.returncode, of_entry.returncode) == (0, 0), of_entry.stderr
    assert "known as telegram:1001" in of_customer.stdout.splitlines()[0]
    assert "on the plan FREE version 1: nothing else is paid for" in of_customer.stdout
    assert f"'{entry_id}'" in of_customer.stdout
    assert "olga did wallet.adjust to" in of_entry.stdout
    assert "adjustments -100.00 RUB" in of_entry.stdout
