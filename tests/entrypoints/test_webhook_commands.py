"""What an operator and the doctor do about webhooks, at the command line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.catalog_file import catalog_from_file
from adapters.jobs.pump import Pump
from adapters.jobs.work import work_of
from core.domain.audit import Deed
from core.domain.customer import identity
from core.domain.plan import Feature
from core.use_cases.quotas import Ask
from entrypoints.cli import cli
from entrypoints.commands import migrate_database
from entrypoints.process import Opened, opened
from entrypoints.settings import Settings, read_settings
from entrypoints.webhook_commands import (
    list_deliveries,
    replay_failed,
    replay_one,
    send_test,
    webhook_problems,
)
from sandbox.app import DEMO_WEBHOOK_SECRET
from tests.sandbox.served_sandbox import Served, serve
from tests.world import FITNESS

OLGA = Deed("olga", "the receiver is back")


@pytest.fixture
def receiver():
    with serve() as one:
        yield one


@pytest.fixture
async def shop(tmp_path: Path, receiver: Served) -> Settings:
    url = f"{receiver.url}/sandbox/webhooks"
    named = {"webhook_url": url, "webhook_secret": DEMO_WEBHOOK_SECRET}
    settings = read_settings(_env_file=None, data_dir=tmp_path, **named)
    migrate_database(settings)
    async with opened(settings) as parts:
        await parts.billing.apply_catalog(catalog_from_file(FITNESS))
    return settings


async def exhausts(parts: Opened, ref: str) -> None:
    customer = await parts.billing.register_customer(identity(ref))
    await parts.billing.consume_quota(Ask(customer.id, Feature("photo_ai"), 3, "all"))
    await Pump(parts.store, work_of(parts.billing), parts.now).drain()


async def test_what_happens_arrives_signed(shop: Settings, receiver: Served, capsys) -> None:
    async with opened(shop) as parts:
        await exhausts(parts, "telegram:1001")
        assert await webhook_problems(parts) == []

    [call] = receiver.client.get("/sandbox/webhooks/calls").json()["items"]
    assert call["status"] == 204
    assert await list_deliveries(shop, None) == 0
    assert f"{call['id']}  quota.exhausted  127.0.0.1  delivered" in capsys.readouterr().out


async def test_a_receiver_that_is_gone_is_seen_and_told_again(
    shop: Settings, receiver: Served, capsys
) -> None:
    receiver.control("webhooks/faults", mode="gone", next=1)
    async with opened(shop) as parts:
        await exhausts(parts, "telegram:1001")
        await exhausts(parts, "telegram:1002")
        paused, failed = await webhook_problems(parts)
        assert paused.startswith("paused")
        assert failed.startswith("2 deliveries failed, the last with 'paused'")
        [case] = await parts.billing.list_cases(limit=9)
        await parts.billing.close_case(case.cause, deed=OLGA)
    assert await replay_failed(shop, OLGA) == 0
    assert "2 deliveries are sent again" in capsys.readouterr().out
    async with opened(shop) as parts:
        await Pump(parts.store, work_of(parts.billing), parts.now).drain()
        first, *_ = await parts.billing.show_deliveries(limit=9)
        assert await webhook_problems(parts) == []
    assert await replay_one(shop, first.id, OLGA) == 0


async def test_a_test_says_what_was_answered(shop: Settings, receiver: Served, capsys) -> None:
    assert await send_test(shop) == 0
    receiver.control("webhooks/faults", mode="down", next=1)
    assert await send_test(shop) == 1
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if "answered" in line] == [
        "127.0.0.1 answered: 204",
        "127.0.0.1 answered: 503",
    ]


def test_a_secret_is_made_that_production_takes() -> None:
    said = CliRunner().invoke(cli, ["webhooks", "secret"]).stdout.strip()

    secret = said.removeprefix("BILLHOOK_WEBHOOK_SECRET=")
    settings = {"webhook_url": "https://app.example.com/", "webhook_secret": secret}
    assert read_settings(_env_file=None, **settings).webhook_secrets == (secret,)


def test_a_replay_is_of_one_or_of_all_that_failed(tmp_path: Path) -> None:
    by_olga = ["--as", "olga", "--reason", "the receiver is back", "--data-dir", str(tmp_path)]
    for words in ([], [f"msg_{'0' * 32}", "--failed"]):
        done = CliRunner().invoke(cli, ["webhooks", "replay", *words, *by_olga])
        assert done.exit_code == 2
        assert "--failed" in done.output
