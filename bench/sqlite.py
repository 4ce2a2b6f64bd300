"""Consume in process on one SQLite file: against one upsert and commit for each decision."""

import asyncio
import os
import sqlite3
import tempfile
import time
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

from adapters.catalog_file import catalog_from_file
from adapters.persistence.sql.migrate import migrate
from bench.consume import CATALOG
from bench.databases import a_store, verdict
from bench.rounds import Plan, Report, by_turns
from core.domain.customer import CustomerId
from tests.world import World

ASKERS: Final = 32

UPSERT: Final = """
    INSERT INTO bare_usage (customer, used) VALUES (?, 1)
    ON CONFLICT (customer) DO UPDATE SET used = used + 1 RETURNING used
"""


async def measure(plan: Plan) -> Report:
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'billhook.db'}"
        migrate(url)
        async with a_store(url) as store:
            world = World(store)
            await world.billing.apply_catalog(catalog_from_file(CATALOG))
            askers = Askers(world)
            await askers.register()
            report.lines += await by_turns(
                f"consume in process on SQLite, {ASKERS} askers",
                plan.rounds,
                partial(askers.round, plan.seconds),
                {"sqlite3, upsert and commit": partial(bare, Path(folder), plan.seconds)},
            )
            told, report.findings = await verdict("SQLite", store, uses=askers.answered)
            report.notes.append(told)
        report.notes.append(f"the disk, right after: {fsyncs_per_second(folder)} fsyncs/s")
    return report


def fsyncs_per_second(folder: str) -> int:
    """What a commit of one costs here: without it a ratio to such commits says nothing."""
    done, started = 0, time.perf_counter()
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        while time.perf_counter() < started + 1:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            done += 1
    return done


class Askers:
    """Each for a customer of its own, asking again when it is answered."""

    def __init__(self, world: World) -> None:
        self.answered = 0
        self._world = world
        self._customers: list[CustomerId] = []
        self._request_ids = count()

    async def register(self) -> None:
        for number in range(ASKERS):
            self._customers.append(await self._world.customer(f"external:c{number}"))

    async def round(self, seconds: float) -> float:
        before, started = self.answered, time.perf_counter()
        await asyncio.gather(*(self._ask(who, started + seconds) for who in self._customers))
        return (self.answered - before) / (time.perf_counter() - started)

    async def _ask(self, who: CustomerId, until: float) -> None:
        while time.perf_counter() < until:
            decision = await self._world.uses(who, f"request-{next(self._request_ids)}")
            assert decision.allowed
            self.answered += 1


async def bare(folder: Path, seconds: float) -> float:
    return await asyncio.to_thread(_upserts_per_second, folder / "bare.db", seconds)


def _upserts_per_second(path: Path, seconds: float) -> float:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS bare_usage (customer TEXT PRIMARY KEY, used INTEGER)"
        )
        done, started = 0, time.perf_counter()
        while time.perf_counter() < started + seconds:
            connection.execute(UPSERT, (f"external:c{done % ASKERS}",)).fetchall()
            done += 1
        return done / (time.perf_counter() - started)
