"""What the database refuses and keeps by itself, the same on SQLite and PostgreSQL."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, StatementError

from adapters.persistence.sql.data_key import DataKey
from adapters.persistence.sql.store import database_address, open_store
from core.domain.ledger import cash, clearing, transfer
from core.domain.usage_quota import QuotaDecision, UsageReceipt
from core.use_cases.consequences import consequences
from tests.builders import (
    ANNA,
    NOON,
    PHOTO_AI,
    YOOKASSA,
    a_case,
    a_checkout,
    a_claim,
    a_customer,
    a_hold,
    a_job,
    a_purchase,
    a_session,
    a_subscription,
    an_inbox_item,
    rub,
)
from tests.contracts.units import seen, written
from tests.sql_databases import DATA_KEY


@pytest.fixture
async def full_shop(shop):
    """Something in every table that has rules."""
    async with shop.write() as uow:
        await uow.subscriptions.save(a_subscription(id="sub_anna0001"))
        await uow.purchases.add(a_purchase())
        await uow.checkouts.add(a_checkout())
        await uow.ledger.post(
            transfer("e1", "charge", rub(5), debit=clearing(YOOKASSA), credit=cash(ANNA), at=NOON)
        )
        await uow.inbox.take(an_inbox_item())
        await uow.jobs.enqueue(a_job())
        await uow.open_case(a_case())
        await uow.credentials.add_session(a_session())
        await uow.usage.lock([a_hold().key])
        await uow.holds.add([a_hold()])
        decision = QuotaDecision(
            allowed=True, used=3, limit=3, resets_at=NOON, hold=a_hold().ticket
        )
        receipt = UsageReceipt(ANNA, "r1", PHOTO_AI, 3, decision, NOON, hold_seconds=300)
        await uow.usage.add_receipts([receipt])
        await uow.commit()
    return shop


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE purchase SET amount_minor = 0",
        "UPDATE purchase SET amount_minor = -1",
        f"UPDATE purchase SET amount_minor = {10**15 + 1}",
        "UPDATE purchase SET currency = 'rub'",
        "UPDATE purchase SET currency = 'RU'",
        "UPDATE purchase SET status = 'lost'",
        "UPDATE purchase SET status = 'pending'",
        "UPDATE purchase SET ended_at = NULL",
        "UPDATE purchase SET remark_minor = NULL",
        "UPDATE purchase SET expires_at = created_at, created_at = expires_at",
        "UPDATE purchase SET customer_id = 'cus_nobody01'",
        "UPDATE purchase SET plan_version_id = 'plv_404'",
        "UPDATE checkout SET amount_minor = 0",
        "UPDATE checkout SET status = 'lost'",
        "UPDATE checkout SET confirmation_url = NULL",
        "UPDATE checkout SET receipt_contact = NULL",
        "UPDATE checkout SET purchase_id = 'pur_404'",
        "UPDATE subscription SET period_end = period_start",
        "UPDATE subscription SET paid_minor = NULL",
        "UPDATE subscription SET paid_minor = -1",
        "UPDATE subscription SET status = 'lost'",
        "UPDATE subscription SET customer_id = 'cus_anna0001'",
        "UPDATE balance SET balance_minor = -1",
        f"UPDATE balance SET balance_minor = {10**15 + 1}",
        "UPDATE inbox SET status = 'lost'",
        "UPDATE job SET state = 'lost'",
        "UPDATE billing_case SET kind = 'lost'",
        "UPDATE billing_case SET reason = NULL",
        "UPDATE customer_identity SET kind = 'lost'",
        "UPDATE customer_session SET expires_at = created_at, created_at = expires_at",
        "UPDATE customer SET id = NULL",
        "DELETE FROM customer",
        "UPDATE usage_counter SET used = -1",
        "DELETE FROM usage_counter",
        "UPDATE usage_hold SET units = 0, captured = 0",
        "UPDATE usage_hold SET captured = 4",
        "UPDATE usage_hold SET captured = -1",
        "UPDATE usage_hold SET captured = 0",
        "UPDATE usage_hold SET status = 'lost'",
        "UPDATE usage_hold SET status = 'released'",
        "UPDATE usage_hold SET status = 'open', captured = 0",
        "UPDATE usage_hold SET ended_at = NULL",
        "UPDATE usage_hold SET due_at = expires_at",
        "UPDATE usage_hold SET expires_at = held_at",
        "UPDATE usage_hold SET feature = 'another'",
        "UPDATE usage_receipt SET hold_id = NULL, hold_expires_at = NULL",
        "UPDATE usage_receipt SET hold_expires_at = NULL",
        "UPDATE usage_receipt SET hold_seconds = NULL",
        "UPDATE usage_receipt SET hold_seconds = 3601",
        "UPDATE usage_receipt SET allowed = NOT allowed",
        "INSERT INTO posting SELECT 'e2', 1, 'rewards', 'RUB', 0, NULL, NULL, NULL",
        "INSERT INTO posting SELECT 'e2', 1, 'rewards', 'RUB', 1, 1, NULL, NULL",
    ],
)
async def test_the_database_refuses(full_shop, raw: Engine, change):
    with pytest.raises(IntegrityError), raw.begin() as connection:
        connection.execute(text(change))


async def test_where_a_receipt_goes_cannot_be_read_in_the_database(full_shop, raw: Engine):
    with raw.connect() as connection:
        rows = [
            str(row)
            for table in ("customer", "checkout")
            for row in connection.execute(text(f"SELECT * FROM {table}"))
        ]

    assert len(rows) == 3
    assert not any("anna@example.com" in row or "79001234567" in row for row in rows)
    assert all("gAAAA" in row for row in rows)


async def test_a_new_data_key_opens_what_the_old_one_sealed(shop, url):
    new = Fernet.generate_key().decode()
    old = "ZRkjn8v2I8CqhZpfHoab3etpe4W56VgEC7XcxSbsXRI="
    rotated = open_store(url, consequences=consequences, data_key=DataKey([new, old]))
    lost = open_store(url, consequences=consequences, data_key=DataKey([new]))

    assert await seen(rotated, lambda view: view.customers.get(ANNA)) == a_customer()
    with pytest.raises(RuntimeError, match="BILLHOOK_DATA_KEY"):
        await seen(lost, lambda view: view.customers.get(ANNA))
    await rotated.close()
    await lost.close()


def test_a_text_is_sealed_differently_each_time():
    assert DATA_KEY.seal("anna@example.com") != DATA_KEY.seal("anna@example.com")


@pytest.mark.parametrize(
    "odd",
    [
        a_claim(subject="pur_\0"),
        a_claim(version=1.5),
        a_claim(version="1"),
        a_claim(version=True),
        a_claim(leased_until=datetime(2026, 3, 10, 9)),
    ],
    ids=["NUL", "float", "text", "boolean", "naive"],
)
async def test_what_the_two_databases_would_keep_differently_is_refused_by_both(shop, odd):
    with pytest.raises(StatementError):
        await written(shop, lambda uow: uow.claims.take(odd))


@pytest.mark.parametrize(
    "at",
    [
        datetime(1, 1, 1, tzinfo=NOON.tzinfo),
        datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=NOON.tzinfo),
        datetime(2026, 3, 29, 2, 30, 0, 1, tzinfo=timezone(timedelta(hours=3))),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=NOON.tzinfo),
    ],
)
async def test_a_time_is_kept_to_the_microsecond_and_comes_back_in_utc(shop, at):
    await written(shop, lambda uow: uow.claims.take(a_claim(leased_until=at)))

    found = await written(shop, lambda uow: uow.claims.find(a_claim().cause))
    assert found.leased_until == at
    assert found.leased_until.utcoffset() == timedelta(0)


async def test_text_of_any_script_comes_back_as_it_was(shop):
    subject = "Ёлка 🎄 'quoted' \"twice\" %s :name \\ \u202e"
    await written(shop, lambda uow: uow.claims.take(a_claim(subject=subject, answer="")))

    assert await written(shop, lambda uow: uow.claims.find(a_claim().cause)) == a_claim(
        subject=subject, answer=""
    )


async def test_the_number_of_a_job_is_never_given_to_another(shop):
    await written(shop, lambda uow: uow.jobs.enqueue(a_job()))
    (first,) = await written(shop, lambda uow: uow.jobs.claim(NOON, limit=9))
    await written(shop, lambda uow: uow.jobs.done(first))

    await written(shop, lambda uow: uow.jobs.enqueue(a_job()))

    (second,) = await written(shop, lambda uow: uow.jobs.claim(NOON, limit=9))
    assert second.id > first.id


async def test_a_catalog_that_was_not_committed_is_not_remembered(shop):
    catalog = await seen(shop, lambda view: view.catalogs.current())
    mistaken = replace(catalog, revision=2, zone="Asia/Omsk")
    async with shop.write() as uow:
        await uow.catalogs.apply(mistaken)
        assert await uow.catalogs.current() == mistaken

    right = replace(catalog, revision=2, zone="Asia/Tokyo")
    await written(shop, lambda uow: uow.catalogs.apply(right))

    assert await seen(shop, lambda view: view.catalogs.current()) == right


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/db"])
def test_a_database_that_we_cannot_keep_books_in_is_refused(url):
    with pytest.raises(ValueError, match="sqlite:///path"):
        database_address(url)
