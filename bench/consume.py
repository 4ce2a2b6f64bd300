"""Consume over HTTP on PostgreSQL: against a bare server, and against the statement alone."""

import asyncio
import tempfile
from functools import partial
from pathlib import Path
from typing import Final

import psycopg

from adapters.persistence.sql.store import SqlStore
from bench import bare
from bench.databases import a_store, new_database, verdict
from bench.processes import free_port, load, pgbench, pgbench_program, serving
from bench.rounds import Measure, Plan, Report, by_turns
from core.domain.customer import identity
from entrypoints import commands
from entrypoints.process import opened
from entrypoints.settings import Settings, read_settings

CATALOG: Final = Path(__file__).parent / "catalog.toml"
KEY: Final = "bh_bench"
CUSTOMERS: Final = 200

OURS: Final = ("-c", "from entrypoints.cli import main; main()", "web")

UPSERT_SCRIPT: Final = f"""
    \\set customer random(0, {CUSTOMERS - 1})
    INSERT INTO bare_usage (customer, feature, day, used)
        VALUES (concat('customer ', :customer::int), 'photo_ai', CURRENT_DATE, 1)
    ON CONFLICT (customer, feature, day) DO UPDATE SET used = bare_usage.used + excluded.used
    RETURNING used;
"""


class Served:
    """One server under load, and how many uses it answered in all."""

    def __init__(self, port: int, seconds: float) -> None:
        self.answered = 0
        self._port = port
        self._seconds = seconds

    async def round(self, connections: int, customers: int) -> float:
        loaded = await load(
            self._port,
            connections=connections,
            customers=customers,
            seconds=self._seconds,
            key=KEY,
        )
        assert loaded.rate, "nothing was answered"
        assert not loaded.refused, f"{loaded.refused} requests were refused"
        self.answered += loaded.answered
        return loaded.rate


async def measure(plan: Plan) -> Report:
    bare_url = bare_database(plan.postgres_url)
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_for(new_database(plan.postgres_url, "bench_consume"), folder)
        await prepare(settings)
        peer_port = free_port()
        with (
            serving(OURS, settings.port, environment(settings)),
            serving(("-m", "bench.bare", bare_url, str(peer_port)), peer_port, {}),
        ):
            ours, peer = Served(settings.port, plan.seconds), Served(peer_port, plan.seconds)
            for what, connections, customers in (
                (f"consume, 32 connections, {CUSTOMERS} customers", 32, CUSTOMERS),
                (f"consume, 64 connections, {CUSTOMERS} customers", 64, CUSTOMERS),
                ("consume, 32 connections, one hot customer", 32, 1),
            ):
                peers: dict[str, Measure] = {
                    "bare Starlette + asyncpg": partial(peer.round, connections, customers)
                }
                if customers == CUSTOMERS and connections == 32 and pgbench_program():
                    peers["pgbench, the upsert alone"] = partial(
                        pgbench, bare_url, UPSERT_SCRIPT, clients=32, seconds=plan.seconds
                    )
                report.lines += await by_turns(
                    what, plan.rounds, partial(ours.round, connections, customers), peers
                )
        async with a_store(settings.database) as store:
            await _judge(report, store, ours.answered)
    if not pgbench_program():
        report.notes.append("pgbench was not found, so its line is missing")
    return report


async def _judge(report: Report, store: SqlStore, answered: int) -> None:
    told, findings = await verdict("consume on PostgreSQL", store, uses=answered)
    report.notes.append(told)
    report.findings += findings


def bare_database(server_url: str) -> str:
    url = new_database(server_url, "bench_bare")
    with psycopg.connect(url) as connection:
        connection.execute(bare.TABLES)
    return url


def settings_for(database_url: str, folder: str) -> Settings:
    """A shop is named, so that no sandbox stands in."""
    return read_settings(
        env="development",
        database_url=database_url,
        data_dir=Path(folder),
        port=free_port(),
        catalog=CATALOG,
        dev_api_key=KEY,
        yookassa_shop_id_test="bench",
        yookassa_secret_key_test="test_bench",
    )


def environment(settings: Settings) -> dict[str, str]:
    """The same settings for a process of its own."""
    told = {
        "DATABASE_URL": settings.database,
        "DATA_DIR": str(settings.data_dir),
        "PORT": str(settings.port),
        "CATALOG": str(settings.catalog),
        "DEV_API_KEY": KEY,
        "YOOKASSA_SHOP_ID_TEST": settings.yookassa_shop_id_test or "",
        "YOOKASSA_SECRET_KEY_TEST": settings.secret("yookassa_secret_key_test") or "",
        "LOG_LEVEL": "error",
    }
    return {f"BILLHOOK_{name}": value for name, value in told.items()}


async def prepare(settings: Settings) -> None:
    """As `billhook run` does, and the customers."""
    await asyncio.to_thread(commands.prepare, settings)
    async with opened(settings) as parts:
        for number in range(CUSTOMERS):
            await parts.billing.register_customer(identity(f"external:c{number}"))
