"""Statements are few, and connections come back clean whatever happened on them."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.util import await_only

from adapters.persistence.sql.store import SqlStore, open_store
from core.domain.cause import StoreBusy
from core.domain.customer import CustomerId
from core.domain.period import WindowKind
from core.domain.plan import QuotaRule
from core.domain.usage_quota import PACKS, QuotaDecision, UsageKey, UsageReceipt
from core.ports.unit_of_work import HeldElsewhere, IdentityTaken
from core.use_cases.consequences import consequences
from core.use_cases.quotas import Ask, CaptureHold, ConsumeQuota
from tests.builders import (
    ANNA,
    BORIS,
    NOON,
    PHOTO_AI,
    Clock,
    CountedIds,
    a_catalog,
    a_claim,
    a_customer,
    a_pending_purchase,
    a_plan_version,
)
from tests.contracts.units import seen, written
from tests.sql_databases import DATA_KEY


@contextmanager
def counted(store: SqlStore) -> Iterator[list[str]]:
    """The statements that are sent meanwhile, but for the beginnings of transactions."""
    sent: list[str] = []

    def note(_connection, _cursor, statement, *_rest):
        if not statement.startswith(("BEGIN", "PRAGMA")):
            sent.append(statement)

    # On PostgreSQL both share one pool, and what is heard on the one is heard on the other.
    by_pool = {id(engine.pool): engine.sync_engine for engine in (store._reader, store._writer)}
    engines = by_pool.values()
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield sent
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)


async def consume(store: SqlStore, request_id: str) -> None:
    """What a group of quota decisions asks of the store."""
    async with store.write() as uow:
        standings = await uow.subscriptions.standings([ANNA, BORIS])
        quotas = [standing.quota(PHOTO_AI, NOON) for standing in standings.values()]
        used = await uow.usage.lock([quota.key for quota in quotas])
        await uow.usage.receipts([(quota.key.customer_id, request_id) for quota in quotas])
        await uow.usage.save([replace(quota, used=used[quota.key] + 1) for quota in quotas])
        decision = QuotaDecision(allowed=True, used=1, limit=3, resets_at=NOON)
        await uow.usage.add_receipts(
            [
                UsageReceipt(
                    quota.key.customer_id,
                    request_id,
                    PHOTO_AI,
                    1,
                    decision,
                    NOON + timedelta(days=36),
                )
                for quota in quotas
            ]
        )
        await uow.commit()


async def test_a_group_of_quota_decisions_takes_five_statements(shop):
    await consume(shop, "first")

    with counted(shop) as sent:
        await consume(shop, "second")

    assert len(sent) == 5, sent


async def test_holds_cost_a_group_one_statement_and_uses_and_packs_none(shop):
    """Far below their limits: what reaches a line is told, by statements of its own."""
    catalog, plenty = a_catalog(revision=2), {PHOTO_AI: QuotaRule(50, WindowKind.DAY)}
    free = a_plan_version(
        id="plv_free_2", number=2, code="FREE", prices=(), period=None, quotas=plenty
    )
    await written(
        shop,
        lambda uow: uow.catalogs.apply(replace(catalog, plans={**catalog.plans, "FREE": free})),
    )
    await written(shop, lambda uow: uow.usage.give(UsageKey(ANNA, PHOTO_AI, PACKS), 9))
    decide = ConsumeQuota(shop, Clock(), CountedIds())
    asks = [Ask(customer, PHOTO_AI, 1, "warm") for customer in (ANNA, BORIS)]
    await asyncio.gather(*(decide(ask) for ask in asks))

    with counted(shop) as plain:
        await asyncio.gather(*(decide(replace(ask, request_id="used")) for ask in asks))
    with counted(shop) as mixed:
        held = replace(asks[1], request_id="held", hold_seconds=60)
        await asyncio.gather(decide(replace(asks[0], request_id="again")), decide(held))
    with counted(shop) as with_a_pack:
        decision = await decide(replace(asks[0], request_id="packs", units=50))

    assert len(plain) == 5, plain
    assert len(mixed) == 6, mixed
    assert len(with_a_pack) == 5, with_a_pack
    assert (decision.used, decision.packs) == (50, 6)


async def test_a_hold_ends_in_five_statements(shop):
    decide = ConsumeQuota(shop, Clock(), CountedIds())
    decision = await decide(Ask(ANNA, PHOTO_AI, 2, "held", hold_seconds=60))

    with counted(shop) as sent:
        await CaptureHold(shop, Clock())(decision.hold.id, 1)

    assert len(sent) == 5, sent


async def test_the_customers_page_takes_one_statement(shop):
    await seen(shop, lambda view: view.overview(ANNA))

    with counted(shop) as sent:
        await seen(shop, lambda view: view.overview(ANNA))

    assert len(sent) == 1, sent


async def test_a_plan_version_is_read_once_for_all_its_purchases(shop):
    await written(shop, lambda uow: uow.purchases.add(a_pending_purchase()))
    await seen(shop, lambda view: view.purchases.page(ANNA, limit=9))

    with counted(shop) as sent:
        await seen(shop, lambda view: view.purchases.page(ANNA, limit=9))

    assert len(sent) == 1, sent


async def test_a_unit_canceled_at_any_moment_leaves_no_lock_and_no_half_of_itself(shop):
    async def write() -> None:
        async with shop.write() as uow:
            await uow.customers.lock(ANNA)
            await uow.purchases.add(a_pending_purchase())
            await uow.customers.save(a_customer(language="en"))
            await uow.commit()

    committed = 0
    for steps in range(0, 60, 3):
        task = asyncio.create_task(write())
        for _ in range(steps):
            await asyncio.sleep(0.0003)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(5):
            async with shop.write() as uow:
                customer = await uow.customers.lock(ANNA)
                purchase = await uow.purchases.find(a_pending_purchase().id)
        assert (customer.language == "en") == (purchase is not None)
        committed += purchase is not None
        if committed:
            break


async def test_a_view_canceled_in_the_middle_gives_its_connection_back(shop):
    for steps in range(12):
        task = asyncio.create_task(seen(shop, lambda view: view.overview(ANNA)))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    overviews = await asyncio.gather(
        *(seen(shop, lambda view: view.overview(ANNA)) for _ in range(40))
    )
    assert len(overviews) == 40
    assert shop._reader.pool.checkedout() == 0


@pytest.mark.parametrize("moment", ["engine_connect", "checkout", "reset"])
async def test_whoever_is_canceled_while_a_connection_comes_or_goes_leaves_none(shop, moment):
    reached = asyncio.Event()

    def slowly(*_: object) -> None:
        reached.set()
        await_only(asyncio.sleep(0.02))

    engine = shop._reader.sync_engine
    target = engine if moment == "engine_connect" else engine.pool
    event.listen(target, moment, slowly)
    for _ in range(3):
        reached.clear()
        task = asyncio.create_task(seen(shop, lambda view: view.overview(ANNA)))
        await reached.wait()
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert shop._reader.pool.checkedout() == 0
    event.remove(target, moment, slowly)


async def test_a_unit_that_failed_cannot_be_committed_after_all(shop):
    with pytest.raises(AssertionError, match="failed"):
        async with shop.write() as uow:
            await uow.claims.take(a_claim())
            taken = a_customer(id=CustomerId("cus_carol001"))
            with pytest.raises(IdentityTaken):
                await uow.customers.add(taken)
            await uow.commit()

    assert await written(shop, lambda uow: uow.claims.find(a_claim().cause)) is None


@pytest.mark.postgres
@pytest.mark.parametrize("url", ["postgres"], indirect=True)
async def test_connections_that_were_cut_while_idle_are_replaced_unseen(shop, raw: Engine):
    await asyncio.gather(*(seen(shop, lambda view: view.overview(ANNA)) for _ in range(5)))
    cut_all(raw)
    await asyncio.sleep(1.1)  # One that was used within the last second is not asked.

    assert await written(shop, lambda uow: uow.customers.lock(ANNA)) == a_customer()


@pytest.mark.postgres
@pytest.mark.parametrize("url", ["postgres"], indirect=True)
async def test_a_connection_cut_within_a_unit_is_a_busy_store_and_then_a_good_one(
    shop, raw: Engine
):
    with pytest.raises(StoreBusy):
        async with shop.write() as uow:
            await uow.claims.take(a_claim())
            cut_all(raw)
            await uow.commit()

    assert await written(shop, lambda uow: uow.claims.find(a_claim().cause)) is None


@pytest.mark.postgres
@pytest.mark.parametrize("url", ["postgres"], indirect=True)
async def test_an_error_of_the_use_case_is_told_even_if_the_connection_is_gone(shop, raw: Engine):
    class ThePowerWentOut(Exception):
        """Any error that nobody expects."""

    with pytest.raises(ThePowerWentOut):
        async with shop.write() as uow:
            await uow.claims.take(a_claim())
            cut_all(raw)
            raise ThePowerWentOut


@pytest.mark.postgres
@pytest.mark.parametrize("url", ["postgres"], indirect=True)
async def test_nothing_waits_for_ever(shop):
    async with shop._reader.connect() as connection:
        settings = {
            name: await connection.scalar(text(f"SHOW {name}"))
            for name in (
                "statement_timeout",
                "lock_timeout",
                "idle_in_transaction_session_timeout",
                "timezone",
                "transaction_isolation",
            )
        }

    assert settings == {
        "statement_timeout": "10s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "30s",
        "timezone": "UTC",
        "transaction_isolation": "read committed",
    }


def cut_all(raw: Engine) -> None:
    with raw.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'billhook'"
            )
        )


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_a_commit_on_sqlite_is_on_the_disk_and_references_are_checked(shop):
    async with shop.write() as uow:
        connection = uow._statements._connection
        settings = {
            name: await connection.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers")
        }

    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "recursive_triggers": 1,
    }


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_on_sqlite_writers_take_turns_in_the_order_they_came(shop):
    order = []

    async def write(number: int) -> None:
        async with shop.write() as uow:
            await uow.customers.lock(ANNA)
            order.append(number)
            await uow.commit()

    await asyncio.gather(*(write(number) for number in range(20)))

    assert order == list(range(20))


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_on_sqlite_a_reader_cannot_write(shop):
    with pytest.raises(StoreBusy):
        async with shop.read() as view:
            await view.customers._statements.run(text("DELETE FROM job"))


HOLDER = """
import asyncio, sys
from adapters.persistence.sql.data_key import DataKey
from adapters.persistence.sql.store import open_store

async def hold(url):
    key = DataKey(["ZRkjn8v2I8CqhZpfHoab3etpe4W56VgEC7XcxSbsXRI="])
    store = open_store(url, consequences=lambda event: [], data_key=key)
    async with store.exclusive("pump"):
        sys.stdout.write("held\\n")
        sys.stdout.flush()
        await asyncio.Event().wait()

asyncio.run(hold(sys.argv[1]))
"""


async def test_an_exclusive_right_ends_with_the_process_that_held_it(shop, url):
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, url, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    with pytest.raises(HeldElsewhere):
        async with shop.exclusive("pump"):
            pass

    holder.kill()
    await holder.wait()

    async with asyncio.timeout(10):
        while True:
            try:
                async with shop.exclusive("pump"):
                    return
            except HeldElsewhere:
                await asyncio.sleep(0.02)


@pytest.mark.postgres
@pytest.mark.parametrize("url", ["postgres"], indirect=True)
async def test_whoever_loses_the_connection_of_a_right_is_stopped(shop):
    cut = text(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )

    async with asyncio.timeout(10):
        with pytest.raises(StoreBusy):
            async with shop.exclusive("pump"):
                async with shop.read() as view:
                    await view.customers._statements.run(cut)
                await asyncio.Event().wait()
        async with shop.exclusive("pump"):
            pass


@pytest.mark.postgres
@pytest.mark.parametrize("url", ["postgres"], indirect=True)
async def test_workers_are_known_by_the_rights_to_their_names(shop):
    async with shop.exclusive("worker a"), shop.exclusive("telegram"):
        workers = await shop.workers()

    assert list(workers) == ["worker a"]
    assert workers["worker a"] < timedelta(seconds=10)


async def test_a_store_that_cannot_be_reached_is_busy(shop, url, tmp_path):
    nowhere = {
        "sqlite": f"sqlite:///{tmp_path}/no/such/folder/billhook.db",
        "postgresql": "postgresql://nobody@127.0.0.1:1/nothing",
    }[url.partition(":")[0]]
    store = open_store(nowhere, consequences=consequences, data_key=DATA_KEY)

    with pytest.raises(StoreBusy):
        await written(store, lambda uow: uow.claims.take(a_claim()))
    with pytest.raises(StoreBusy):
        await seen(store, lambda view: view.customers.find(ANNA))
    await store.close()
