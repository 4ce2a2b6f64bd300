"""After a person was erased nothing of them is left in any table, sealed or open."""

import hashlib
import re

from sqlalchemy import inspect, text

from adapters.persistence.sql.books import check_books
from adapters.persistence.sql.store import open_store
from core.domain.cause import Cause
from core.domain.payment_method import Billing
from core.domain.payout import PayoutAccount
from core.use_cases.checkouts import Terms
from core.use_cases.consequences import consequences
from core.use_cases.updates import ChatUpdate
from tests.adapters.sql.conftest import raw_engine
from tests.adapters.telegram.chat_room import BEN, ChatRoom
from tests.builders import rub
from tests.market import ANN, opens_market, withdraws
from tests.sql_databases import DATA_KEY
from tests.world import RETURN

ACCOUNT = PayoutAccount("gcash", "09170000777", "CANARY BIRD")
BILLING = Billing("Canary Bird", "billing@example.com", "+639170000777")
CANARIES = (
    rf"(?<!\d){BEN}(?!\d)",
    "canary@example",
    "billing@example",
    "(?i)canary.bird",
    "9170000777",
    "-saved",  # Of every token.
)
TYPED = f'{{"command": "promo", "kind": "message", "payload": "", "user": {BEN}}}'
GUESSED = hashlib.sha256(TYPED.encode()).hexdigest()
"""Whoever has the table could try all numbers there are, if it held such a digest."""
_SEALED = re.compile(r"gAAAA[\w=-]+")


def left(url: str) -> list[str]:
    """Which of the canaries lie in the database, also in what its key opens."""
    engine = raw_engine(url)
    with engine.connect() as connection:
        lies = [
            f"{name} {tuple(row)!r}"
            for name in inspect(connection).get_table_names()
            for row in connection.execute(text(f"SELECT * FROM {name}"))
        ]
    engine.dispose()
    told = [*lies, *(DATA_KEY.open(it) for one in lies for it in _SEALED.findall(one))]
    assert not [one for one in lies if GUESSED in one]
    return [f"{canary}: {one}" for canary in CANARIES for one in told if re.search(canary, one)]


async def lives(room: ChatRoom) -> None:
    """All that leaves a trace: receipts, methods, money out and back, a bug, an order that is open."""
    world = await opens_market(room.world)
    await room.says("/start", BEN)
    await room.says("canary@example.com", BEN)
    ben = await room.customer(BEN)
    method, proving = await world.billing.add_payment_method(
        ben, ACCOUNT, BILLING, Terms(RETURN), cause=world.cause()
    )
    await world.pays_and_is_heard(proving)
    await room.says("/promo CANARY-BIRD", BEN)
    await room.says("/start p_PRO_MONTHLY", BEN)
    await room.presses("Choose", BEN)
    [bought, *_] = await _orders(room)
    bought = bought if bought.purchase.plan else await world.buys(ben)
    await world.pays_and_is_heard(bought)
    await world.refunds(bought)
    await world.deposits(ben, rub(500))
    await withdraws(world, ben, method, rub(100))
    world.gateway.finish_payouts()
    await world.time_passes(hours=1)
    await world.billing.adjust_wallet(ben, rub(-400), account="cash", deed=ANN, cause=world.cause())
    await world.buys(ben, "PRO_YEARLY")

    async def breaks(_: Cause) -> None:
        raise RuntimeError

    body = f'{{"command": "", "kind": "message", "payload": "", "user": {BEN}}}'
    await world.billing.handle_update(ChatUpdate(900, "message", body), breaks)


async def _orders(room: ChatRoom) -> list:
    ben = await room.customer(BEN)
    return await room.world.billing.show_purchases.page(ben, limit=9)


async def test_of_a_person_who_was_erased_nothing_is_left(sqlite_url: str) -> None:
    store = open_store(sqlite_url, consequences=consequences, data_key=DATA_KEY)
    room = await ChatRoom(store).opens()
    await lives(room)
    engine = raw_engine(sqlite_url)
    with engine.begin() as connection:  # As a gateway's notices have it.
        told = '{"payer": "Canary Bird", "email": "canary@example.com"}'
        planted = text(
            "UPDATE inbox SET body = :told WHERE status = 'done' AND gateway = 'yookassa'"
        )
        assert connection.execute(planted, {"told": told}).rowcount >= 3
    engine.dispose()
    assert {one.partition(": ")[0] for one in left(sqlite_url)} == set(CANARIES)

    await room.says("/settings", BEN)
    asked = await room.presses("Delete my data", BEN)
    done = await room.presses("Yes, delete", BEN)
    await room.world.pump.drain()

    assert "RUB 1.00 of bonus" in asked["text"].replace("\xa0", " ")
    assert "we meet anew" in done["text"]
    assert left(sqlite_url) == []
    assert await check_books(store) == []
    assert "You have" not in (await room.says("/start", BEN))["text"]
    await store.close()
