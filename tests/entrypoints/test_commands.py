"""What the operator's commands do and say."""

import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from limits import RateLimitItemPerMinute
from starlette.types import Receive, Scope, Send

from adapters.catalog_file import catalog_from_file
from adapters.http.limits import TooManyRequests
from adapters.jobs.pump import Ended, Ending
from adapters.metrics import Metrics
from adapters.persistence.sql.migrate import DatabaseOfANewerVersion
from core.domain.audit import Deed
from core.domain.customer import CustomerNotFound, identity
from entrypoints.commands import examine, migrate_database, require_free_port
from entrypoints.operator_commands import block_customer, unblock_customer
from entrypoints.process import DatabaseOfAnotherVersion, application, opened, rate_limits
from entrypoints.settings import Settings, SettingsNotUsable
from tests.typing_commands import typist
from tests.world import FITNESS

NOWHERE = "redis://:hidden@127.0.0.1:1/0"


async def a_shop(folder: Path, **more: object) -> Settings:
    settings = Settings(_env_file=None, data_dir=folder, **more)  # type: ignore[arg-type]
    migrate_database(settings)
    async with opened(settings) as parts:
        await parts.billing.apply_catalog(catalog_from_file(FITNESS))
        await parts.billing.register_customer(identity("telegram:1001"))
    return settings


def test_what_the_telegram_library_cannot_read_is_not_logged() -> None:
    speaks = (
        "import logging; from entrypoints.logs import configure_logs; import telegram;"
        "configure_logs('DEBUG', for_people=False);"
        "logging.getLogger('telegram.Bot').critical('Received data was: Anna');"
        "logging.getLogger('other').error('heard')"
    )
    told = subprocess.run(
        [sys.executable, "-c", speaks], check=True, capture_output=True, text=True
    )
    assert told.stderr == "ERROR other: heard\n"


async def test_a_customer_is_blocked_and_unblocked_by_any_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = await a_shop(tmp_path)
    assert await block_customer(settings, "telegram:1001", Deed("ann", "charged back")) == 0
    async with opened(settings) as parts, parts.store.read() as view:
        anna = await view.customers.get(identity("telegram:1001"))
    assert anna.blocked_at is not None
    assert f"{anna.id} is not served" in capsys.readouterr().out

    assert await unblock_customer(settings, anna.id, Deed("ann", "paid it back")) == 0
    async with opened(settings) as parts, parts.store.read() as view:
        assert (await view.customers.get(anna.id)).blocked_at is None
        told = [(event.name, event.facts.get("reason")) for event in await view.history(anna.id)]
    assert told[1:] == [
        ("customer.blocked", "charged back"),
        ("customer.unblocked", "paid it back"),
    ]
    with pytest.raises(CustomerNotFound):
        await block_customer(settings, "telegram:404", Deed("ann", "spam"))


async def test_a_command_on_a_database_of_another_version_says_what_to_do(tmp_path: Path) -> None:
    settings = await a_shop(tmp_path)
    with closing(sqlite3.connect(tmp_path / "billhook.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '0002'")

    with pytest.raises(DatabaseOfAnotherVersion) as told:
        await block_customer(settings, "telegram:1001", Deed("ann", "charged back"))

    assert told.value.revision == "0002"
    assert "billhook migrate" in (told.value.__doc__ or "")


def test_the_version_is_told(tmp_path: Path) -> None:
    with typist() as typed:
        told = typed("--version", cwd=tmp_path)
    assert (told.returncode, told.stdout) == (0, f"{version('billhook')}\n")


@pytest.mark.parametrize("words", [("migrate",), ("keys", "list")])
def test_a_database_that_is_not_there_is_said_with_where_it_was_looked_for(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / ".env").write_text(
        "BILLHOOK_DATABASE_URL=postgresql://ann:hidden@127.0.0.1:1/none\n"
    )
    with typist() as typed:
        told = typed(*words, cwd=tmp_path)
    assert told.returncode == 1
    assert 'at "127.0.0.1", port 1 failed' in told.stderr
    assert "Traceback" not in told.stderr
    assert "hidden" not in told.stderr


@pytest.mark.parametrize("url", ["mysql://ann:hidden@db/none", "billhook.db"])
def test_another_kind_of_database_is_refused_with_those_there_are(tmp_path: Path, url: str) -> None:
    (tmp_path / ".env").write_text(f"BILLHOOK_DATABASE_URL={url}\n")
    with typist() as typed:
        told = typed("migrate", cwd=tmp_path)
    assert told.returncode == 1
    assert "BILLHOOK_DATABASE_URL: postgresql://" in told.stderr
    assert "Traceback" not in told.stderr
    assert "hidden" not in told.stderr


async def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    settings = await a_shop(tmp_path)
    with closing(sqlite3.connect(tmp_path / "billhook.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(DatabaseOfANewerVersion) as told:
        migrate_database(settings)

    assert told.value.revision == "9999"


def test_a_port_that_is_taken_is_said_before_anything_is_done() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(_env_file=None, port=taken.getsockname()[1])
        with pytest.raises(SettingsNotUsable, match="take another port"):
            require_free_port(settings)
    require_free_port(settings)


def test_a_folder_that_cannot_be_made_is_said_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with typist() as typed:
        told = typed("migrate", "--data-dir", str(tmp_path / "file" / "below"), cwd=tmp_path)
    assert told.returncode == 1
    assert "BILLHOOK_DATA_DIR" in told.stderr
    assert "Traceback" not in told.stderr


async def test_the_doctor_looks_whether_the_shared_limits_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], valkey_url: str
) -> None:
    settings = await a_shop(tmp_path)
    assert await examine(settings) == 0
    assert await examine(settings.model_copy(update=redis(valkey_url))) == 0
    assert "ok   shared limits" in capsys.readouterr().out

    assert await examine(settings.model_copy(update=redis(NOWHERE))) == 1
    said = capsys.readouterr().out
    assert "MEND shared limits" in said
    assert "BILLHOOK_REDIS_URL" in said
    assert "hidden" not in said


async def test_the_doctor_misses_the_proxy_that_ends_tls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = await a_shop(tmp_path)
    alone = settings.model_copy(update={"public_url": "https://billing.example.com"})
    assert await examine(alone) == 1
    assert "BILLHOOK_TRUSTED_PROXIES" in capsys.readouterr().out
    assert await examine(alone.model_copy(update={"trusted_proxies": ("10.0.0.1",)})) == 0


async def test_the_doctor_looks_whether_the_panel_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = await a_shop(tmp_path)
    nowhere = {"provisioner": "remnawave", "panel_url": "http://127.0.0.1:1"}
    assert await examine(settings.model_copy(update=nowhere)) == 1
    assert "BILLHOOK_PANEL_URL" in capsys.readouterr().out


def redis(url: str) -> dict[str, object]:
    read = Settings(_env_file=None, redis_url=url)  # type: ignore[arg-type]
    return {"redis_url": read.redis_url, "redis_prefix": f"billhook-{uuid4().hex}"}


@pytest.mark.parametrize(("url", "told"), [(None, "in this process"), (NOWHERE, "away: ")])
async def test_health_says_where_requests_are_counted(
    tmp_path: Path, url: str | None, told: str
) -> None:
    settings = await a_shop(tmp_path, redis_url=url)
    async with served(settings) as client:
        status = await client.get("/health/status")
        assert status.json()["limits"].startswith(told)
        assert (await client.get("/health/ready")).status_code == 200


async def test_the_systems_state_is_told_to_people_and_to_monitors(tmp_path: Path) -> None:
    settings = await a_shop(tmp_path)
    async with served(settings) as client:
        status, metrics = await client.get("/health/status"), await client.get("/metrics")
        assert (status.status_code, status.json()["state"]) == (200, "ok")
        assert "billhook_system_level 0.0" in metrics.text

        with closing(sqlite3.connect(tmp_path / "billhook.db")) as database, database:
            database.execute("UPDATE alembic_version SET version_num = '0001'")
            database.execute("DROP TABLE billing_case")
        status, metrics = await client.get("/health/status"), await client.get("/metrics")

    told = status.json()
    assert (status.status_code, told["state"]) == (503, "unavailable")
    assert [reason["code"] for reason in told["reasons"]] == ["outdated"]
    assert "billhook migrate" in told["reasons"][0]["says"]
    assert "billhook_system_level 2.0" in metrics.text
    assert 'billhook_troubles{code="outdated"} 1.0' in metrics.text


async def test_a_process_without_a_web_tells_monitors_of_its_own_jobs_alone() -> None:
    metrics = Metrics()
    metrics.iteration_ended(Ended("settle_payment", Ending.AGAIN, 0.3))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with metrics.served(port):
        async with httpx.AsyncClient() as client:
            told = (await client.get(f"http://127.0.0.1:{port}/metrics")).text

    counted = 'billhook_iteration_seconds_count{ending="again",name="settle_payment"} 1.0'
    assert counted in told
    assert "billhook_system_level" not in told  # Nobody looked, so that it would lie.


def served(settings: Settings) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=_Lives(settings)), base_url="http://test"
    )


class _Lives:
    """The application with its lifespan around each request, which httpx's transport leaves out."""

    def __init__(self, settings: Settings) -> None:
        self._app = application(settings, whole=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app._app._app  # type: ignore[attr-defined]
        async with app.router.lifespan_context(app) as state:
            await self._app({**scope, "state": dict(state)}, receive, send)


async def test_shared_limits_go_by_real_time_however_far_the_clock_was_moved(
    valkey_url: str,
) -> None:
    settings = Settings(_env_file=None).model_copy(update=redis(valkey_url))
    two = RateLimitItemPerMinute(2, namespace="two")
    for years in (-10, 10):
        moved = datetime.now(UTC) + timedelta(days=365 * years)
        async with rate_limits(settings, lambda moved=moved: moved) as limits:
            key = str(years)
            await limits.hit(two, key)
            await limits.hit(two, key)
            with pytest.raises(TooManyRequests) as refused:
                await limits.hit(two, key)
            assert 50 <= refused.value.retry_after_seconds <= 60
