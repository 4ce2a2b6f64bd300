"""`billhook reconcile` with PayMongo's double over HTTP."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer

from adapters.catalog_file import catalog_from_file
from core.domain.cause import Cause
from core.domain.customer import identity
from core.domain.money import Money
from core.domain.payment import PaymentId
from core.ports.payment_gateway import GatewayNotFound
from core.use_cases.buying import Terms
from core.use_cases.reconciling import GatewayCannotList
from entrypoints.commands import check_the_books, migrate_database
from entrypoints.container import utc_now
from entrypoints.process import opened
from entrypoints.reconcile_command import moment, reconcile
from entrypoints.settings import Settings
from tests.adapters.gateways import xendit_desk
from tests.adapters.gateways.paymongo_desk import (
    SECRET_KEY,
    WEBHOOK_SECRET,
    PayMongoDesk,
    a_paymongo_desk,
)
from tests.adapters.gateways.served import Stage, a_stage
from tests.builders import Clock
from tests.world import RETURN

MARKETPLACE = Path(__file__).parents[2] / "catalogs" / "marketplace.toml"
PESOS = Money.of(5000_00, "PHP")
Screen = pytest.CaptureFixture[str]


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with a_stage() as stage:
        yield stage


@pytest.fixture
async def desk(stage: Stage) -> AsyncIterator[PayMongoDesk]:
    async with a_paymongo_desk(stage, Clock(utc_now())) as desk:
        yield desk


@pytest.fixture
async def shop(tmp_path: Path, stage: Stage) -> Settings:
    """Sells through PayMongo and Xendit, which list, and Telegram Payments, which does not."""
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        data_dir=tmp_path,
        gateways="paymongo,xendit,telegram_payments",
        paymongo_secret_key_test=SECRET_KEY,
        paymongo_webhook_secret_test=WEBHOOK_SECRET,
        paymongo_api_url=f"{stage.url}/sandbox/paymongo",
        xendit_secret_key_test=xendit_desk.SECRET_KEY,
        xendit_callback_token_test=xendit_desk.CALLBACK_TOKEN,
        xendit_api_url=f"{stage.url}/sandbox/xendit",
    )
    migrate_database(settings)
    async with opened(settings) as parts:
        await parts.billing.apply_catalog(catalog_from_file(MARKETPLACE))
    return settings


async def a_deposit(shop: Settings, gateway: str = "paymongo") -> PaymentId:
    """Opened there by a customer."""
    async with opened(shop) as parts:
        anna = await parts.billing.register_customer(identity("external:anna"), language="en")
        started = await parts.billing.start_deposit(
            anna.id, PESOS, Terms(RETURN, gateway=gateway), cause=Cause("test", "1", "")
        )
    assert started.checkout is not None
    assert started.checkout.payment_id is not None
    return started.checkout.payment_id


async def run(
    shop: Settings, screen: Screen, gateway: str = "paymongo", *, as_json: bool = False
) -> tuple[int, str]:
    screen.readouterr()
    since = utc_now() - timedelta(hours=2)
    return await reconcile(shop, gateway, since, as_json=as_json), screen.readouterr().out


async def test_a_lost_webhook_is_healed_and_then_both_agree(
    shop: Settings, desk: PayMongoDesk, capsys: Screen
) -> None:
    session = await a_deposit(shop)
    desk.rules.faults.plan("drop", 9)
    desk.pay(session)
    assert desk.rules.due_notifications(desk.now()) == []

    healed, told = await run(shop, capsys)
    agrees, told_then = await run(shop, capsys)

    [payment] = desk.rules.all("payment")
    assert (healed, agrees) == (0, 0)
    assert "missing_here: 1\n" in told
    assert f"healed: payment {payment['id']}, paid there" in told
    assert "1 payment: gateway 5,000.00 PHP, books 5,000.00 PHP" in told_then
    assert "books and gateway agree: 1 payment 5,000.00 PHP" in told_then
    assert "healed" not in told_then
    assert await check_the_books(shop) == 0


async def test_a_refund_at_the_dashboard_is_healed(
    shop: Settings, desk: PayMongoDesk, capsys: Screen
) -> None:
    session = await a_deposit(shop)
    desk.pay(session)
    await run(shop, capsys)
    desk.rules.refund_at_dashboard(session, at=desk.now(), amount=1000_00)

    code, told = await run(shop, capsys)

    assert code == 0
    assert "healed: refund " in told
    assert "1 refund: gateway 1,000.00 PHP, books 1,000.00 PHP" in told
    async with opened(shop) as parts:
        anna = await parts.billing.find_customer(identity("external:anna"))
        account = await parts.billing.show_account(anna)
    assert Money.of(4000_00, "PHP") in account.cash
    assert await check_the_books(shop) == 0


async def test_xendit_is_reconciled_by_its_transactions(
    shop: Settings, stage: Stage, capsys: Screen
) -> None:
    """Our payment is the session, and a transaction names the payment in it."""
    async with xendit_desk.a_xendit_desk(stage, Clock(utc_now())) as desk:
        session = await a_deposit(shop, "xendit")
        desk.pay(session)
        desk.rules.refund_at_dashboard(session, at=desk.now(), amount=1000)
        desk.rules.faults.plan("drop", 9)

        healed, told = await run(shop, capsys, "xendit")
        agrees, told_then = await run(shop, capsys, "xendit")

    [payment] = desk.rules.all("payment")
    assert (healed, agrees) == (0, 0)
    assert f"healed: payment {payment['payment_id']}, paid there" in told
    assert "healed: refund rfd-" in told
    assert "1 payment 5,000.00 PHP, 1 refund 1,000.00 PHP" in told_then
    assert "healed" not in told_then
    async with opened(shop) as parts:
        anna = await parts.billing.find_customer(identity("external:anna"))
        account = await parts.billing.show_account(anna)
        assert await parts.billing.list_cases(limit=9) == []
    assert Money.of(4000_00, "PHP") in account.cash
    assert await check_the_books(shop) == 0


async def test_what_differs_is_a_case_and_ends_with_one(
    shop: Settings, desk: PayMongoDesk, capsys: Screen
) -> None:
    desk.pay(await a_deposit(shop))
    await run(shop, capsys)
    [payment] = desk.rules.all("payment")
    id_ = payment["id"]
    desk.rules.find("payment", id_)["attributes"]["amount"] = 4999_99

    first = await run(shop, capsys)
    code, told = await run(shop, capsys, as_json=True)

    assert first[0] == code == 1
    assert "DIFFERENCE -0.01 PHP" in first[1]
    assert f"case: payment {id_}, paid there: differs" in first[1]
    assert "do not agree" in first[1]
    read = json.loads(told)
    assert read["agrees"] is False
    assert read["counts"]["differs"] == 1
    [case] = read["cases"]
    assert (case["gateway"], case["books"]) == ("4999.99 PHP", "5000.00 PHP")
    async with opened(shop) as parts:
        assert len(await parts.billing.list_cases(limit=9)) == 1


async def test_who_cannot_list_or_is_not_there_is_said_so(shop: Settings) -> None:
    with pytest.raises(GatewayCannotList):
        await reconcile(shop, "telegram_payments", utc_now())
    with pytest.raises(GatewayNotFound):
        await reconcile(shop, "paypal", utc_now())
    with pytest.raises(typer.BadParameter):
        await reconcile(shop, "paymongo", utc_now() + timedelta(hours=1))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T08:00:00Z", datetime(2026, 11, 1, 8, tzinfo=UTC)),
        ("2026-11-01T08:00:00+08:00", datetime(2026, 11, 1, tzinfo=UTC)),
    ],
)
def test_a_day_or_a_time_with_its_offset_is_understood(text: str, meant: datetime) -> None:
    assert moment(text) == meant


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01", "2026-11-01T08:00:00", "01.11.2026"]
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="2026-11-01T08:00:00Z"):
        moment(text)
