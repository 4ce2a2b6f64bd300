"""What one piece of work costs PostgreSQL: statements, commits, and round trips on the wire."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Final

import httpx
import uvicorn

from adapters.catalog_file import catalog_from_file
from adapters.persistence.sql.migrate import migrate
from adapters.persistence.sql.store import SqlStore
from bench.consume import CATALOG, KEY, prepare, settings_for
from bench.counting import counted
from bench.databases import a_store, new_database, verdict
from bench.rounds import Plan, Report
from bench.settle import Till
from bench.wire import Wire, listened
from entrypoints.process import application
from entrypoints.settings import Settings
from tests.world import World

GROUP: Final = 32
API: Final = "/api/v1/billing"
WARM: Final = 6
"""How often a thing is done before it is counted: a driver is wordier at first."""


async def measure(plan: Plan) -> Report:
    report = Report()
    url = new_database(plan.postgres_url, "bench_statements")
    migrate(url)
    async with listened(url) as (heard, wire), a_store(heard) as store:
        await _in_process(store, Teller(wire, report))
        await _judge(report, "statements in process", store, WARM + 1 + GROUP)
    url = new_database(plan.postgres_url, "bench_statements_http")
    async with listened(url) as (heard, wire):
        with tempfile.TemporaryDirectory() as folder:
            await _over_http(settings_for(heard, folder), Teller(wire, report))
        async with a_store(heard) as store:
            await _judge(report, "statements over HTTP", store, WARM + 1)
    return report


async def _judge(report: Report, name: str, store: SqlStore, uses: int) -> None:
    told, findings = await verdict(name, store, uses=uses)
    report.notes.append(told)
    report.findings += findings


class Teller:
    """Counts one piece of work on a wire that nobody else uses, and tells what it took."""

    def __init__(self, wire: Wire, report: Report) -> None:
        self._wire = wire
        self._report = report

    async def __call__(self, what: str, work: Awaitable[object]) -> None:
        before = self._wire.round_trips
        with counted() as said:
            await work
        trips = self._wire.round_trips - before
        self._report.notes.append(f"{what}: {said}, {trips} round trips")


async def _in_process(store: SqlStore, tell: Teller) -> None:
    world = World(store)
    till = Till(world)
    await world.billing.apply_catalog(catalog_from_file(CATALOG))
    crowd = [await world.customer(f"external:c{number}") for number in range(GROUP)]
    for number in range(WARM):
        await world.uses(crowd[0], f"warm-{number}")
    await tell("consume, alone in its group", world.uses(crowd[0], "alone"))
    asks = (world.uses(who, "together") for who in crowd)
    await tell(f"consume, a group of {GROUP} customers", asyncio.gather(*asks))

    payments = await till.paid(WARM)
    await till.hear(payments)
    await till.settle()
    await tell("start a purchase", world.buys(crowd[0]))
    payments = await till.paid(1)
    await tell("take in its webhook", till.hear(payments))
    await tell("settle it, as a job", till.settle())


async def _over_http(settings: Settings, tell: Teller) -> None:
    await prepare(settings)
    async with _served(settings) as client:
        backend = {"Authorization": f"Bearer {KEY}"}
        signed_in = await client.post("customers/external:c1/sessions/", headers=backend)
        session = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}

        async def look() -> None:
            (await client.get("me/", headers=session)).raise_for_status()

        async def use(request_id: str) -> None:
            path = "customers/external:c1/usage/photo_ai/consume/"
            body = {"request_id": request_id}
            (await client.post(path, json=body, headers=backend)).raise_for_status()

        for number in range(WARM):
            await look()
            await use(f"warm-{number}")
        await tell("GET /me/ with a session", look())
        await tell("consume over HTTP, alone", use("alone"))


@asynccontextmanager
async def _served(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The application in this process, so that what it says is counted."""
    app = application(settings, whole=False)
    server = uvicorn.Server(uvicorn.Config(app, port=settings.port, log_level="error"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - It has no event to wait for.
        await asyncio.sleep(0.02)
    try:
        async with httpx.AsyncClient(base_url=f"{settings.base_url}{API}/") as client:
            yield client
    finally:
        server.should_exit = True
        await serving
