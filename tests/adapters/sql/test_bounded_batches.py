"""A batch is never larger than was asked for, whatever PostgreSQL believes of its tables."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from adapters.persistence.sql.store import SqlStore
from core.domain.credentials import SessionId
from core.domain.payment import NoticeKind
from core.domain.usage_quota import RECEIPT_LIFE, HoldId, QuotaDecision, UsageReceipt
from core.ports.unit_of_work import UnitOfWork
from tests.builders import ANNA, NOON, PHOTO_AI, a_hold, a_job, a_notice, a_session, an_inbox_item
from tests.contracts.units import written

LATER = NOON + timedelta(hours=12)


def a_receipt(number: int) -> UsageReceipt:
    decision = QuotaDecision(True, 1, 3, LATER)
    return UsageReceipt(ANNA, f"r{number}", PHOTO_AI, 1, decision, NOON + timedelta(minutes=number))


async def enqueue(uow: UnitOfWork, number: int) -> None:
    await uow.jobs.enqueue(a_job(dedupe=f"chk_{number}"))


async def receive(uow: UnitOfWork, number: int) -> None:
    await uow.usage.add_receipts([a_receipt(number)])


async def claim(uow: UnitOfWork) -> int:
    return len(await uow.jobs.claim(LATER, limit=2))


async def sign_in(uow: UnitOfWork, number: int) -> None:
    await uow.credentials.add_session(a_session(id=SessionId(f"ses_{number:08}"), expires_at=NOON))


async def forget_sessions(uow: UnitOfWork) -> int:
    return await uow.credentials.forget_sessions(LATER, limit=2)


async def take_in(uow: UnitOfWork, number: int) -> None:
    notice = a_notice(kind=NoticeKind.OTHER, dedupe_key=f"n{number}", payment_id=None)
    await uow.inbox.take(an_inbox_item(id=f"inb_{number:08}", notice=notice))


async def forget_notices(uow: UnitOfWork) -> int:
    return await uow.inbox.forget(LATER, limit=2)


async def hold(uow: UnitOfWork, number: int) -> None:
    one = a_hold(id=HoldId(f"hld_{number:08}"), resets_at=NOON - RECEIPT_LIFE)
    await uow.usage.lock([one.key])
    await uow.holds.add([one])


async def forget_holds(uow: UnitOfWork) -> int:
    return await uow.holds.forget(LATER, limit=2)


async def forget(uow: UnitOfWork) -> int:
    return await uow.usage.forget_receipts(LATER, limit=2)


@pytest.mark.parametrize(
    ("table", "add", "take"),
    [
        ("job", enqueue, claim),
        ("usage_receipt", receive, forget),
        ("customer_session", sign_in, forget_sessions),
        ("inbox", take_in, forget_notices),
        ("usage_hold", hold, forget_holds),
    ],
)
async def test_a_table_that_was_small_when_it_was_last_counted_gives_no_more(
    shop: SqlStore,
    raw: Engine,
    table: str,
    add: Callable[[UnitOfWork, int], Awaitable[None]],
    take: Callable[[UnitOfWork], Awaitable[int]],
) -> None:
    """With one row counted, a plan that runs a sub-select again for each row looks cheap."""
    await written(shop, lambda uow: add(uow, 0))
    if raw.dialect.name == "postgresql":
        with raw.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"VACUUM ANALYZE {table}"))
    for number in range(1, 6):
        await written(shop, lambda uow, number=number: add(uow, number))

    assert [await written(shop, take) for _ in range(4)] == [2, 2, 2, 0]
