"""The check of the books finds what is wrong with money on its way out, and with what proves it."""

import pytest
from sqlalchemy import Engine, text

from adapters.persistence.sql.books import check_books
from adapters.persistence.sql.store import SqlStore
from core.domain.money import Money
from core.domain.payment import OutgoingStatus
from core.domain.withdrawal import Withdrawal
from tests.adapters.sql.test_books import unguarded
from tests.builders import rub
from tests.market import opens_market, proves, withdraws
from tests.world import World


async def a_busy_market(store: SqlStore) -> dict[str, Withdrawal]:
    """Anna's: one withdrawal of every end, one on its way, one that waits for a person."""
    world = await opens_market(await World(store).opens())
    anna = await world.customer()
    method = await proves(world, anna)
    await world.deposits(anna, rub(5000))
    found = {}
    for end, minor in (("done", 10000), ("failed", 20000), ("returned", 11000)):
        found[end] = await withdraws(world, anna, method, Money.of(minor, "RUB"))
        left = OutgoingStatus.FAILED if end == "failed" else OutgoingStatus.DONE
        world.gateway.finish_payouts(left, fee=rub(5))
        await world.time_passes(minutes=10)
        await world.time_passes(days=1)
    [*_, payout_id] = world.gateway.payouts
    world.gateway.finish_payouts(OutgoingStatus.RETURNED)
    await world.billing.take_in_webhook(
        "yookassa", world.gateway.webhook(payout_id, "payout.reversed")
    )
    await world.pump.drain()
    found["sent"] = await withdraws(world, anna, method, rub(30))
    found["held"] = await withdraws(world, anna, method, rub(600))
    return found


async def test_a_busy_market_has_right_books(store: SqlStore) -> None:
    await a_busy_market(store)

    assert await check_books(store) == []


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        (
            "UPDATE balance SET balance_minor = 62999 WHERE account LIKE 'hold:%'",
            "hold:{anna} holds 62999 RUB and what is set aside in it makes 63000",
        ),
        (
            "UPDATE withdrawal SET status = 'failed', ended_at = requested_at WHERE id = '{sent}'",
            "hold:{anna} holds 63000 RUB and what is set aside in it makes 60000",
        ),
        (
            "UPDATE withdrawal SET status = 'failed', ended_at = requested_at WHERE id = '{sent}'",
            "withdrawal {sent} is failed and its entry does not say so",
        ),
        (
            "UPDATE withdrawal SET status = 'sent', ended_at = NULL WHERE id = '{done}'",
            "withdrawal {done} is sent and its entry does not say so",
        ),
        (
            "UPDATE withdrawal SET status = 'failed' WHERE id = '{done}'",
            "withdrawal {done} is failed and its entry does not say so",
        ),
        (
            "UPDATE withdrawal SET status = 'done' WHERE id = '{failed}'",
            "withdrawal {failed} is done and its entry does not say so",
        ),
        (
            "UPDATE withdrawal SET status = 'done' WHERE id = '{returned}'",
            "withdrawal {returned} is done and its entry does not say so",
        ),
        (
            "DELETE FROM entry WHERE id = 'withdrawal {held}'",
            "withdrawal {held} is held and its entry does not say so",
        ),
        (
            "DELETE FROM withdrawal WHERE id = '{done}'",
            "entry withdrawal {done} ended is of a withdrawal that is not there",
        ),
        (
            "DELETE FROM withdrawal WHERE id = '{returned}'",
            "entry withdrawal {returned} returned is of a withdrawal that is not there",
        ),
        (
            "DELETE FROM charge WHERE amount_minor = 100",
            "payment method {method} is verified and no payment proved it",
        ),
    ],
)
async def test_what_is_wrong_is_told_in_words(
    store: SqlStore, raw: Engine, damage: str, finding: str
) -> None:
    found = await a_busy_market(store)
    names = {end: one.id for end, one in found.items()}
    names |= {"anna": found["done"].customer_id, "method": found["done"].method_id}

    with unguarded(raw) as connection:
        for statement in damage.format_map(names).split(";"):
            connection.execute(text(statement))

    assert finding.format_map(names) in await check_books(store)
