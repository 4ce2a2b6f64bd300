"""Escrows when several act at once: one of them is heard, and each part ends by one entry."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from core.domain.errors import BillingError
from core.domain.escrow import Escrow, EscrowSide
from core.domain.item import EscrowPart
from core.ports.unit_of_work import Store
from tests.builders import rub
from tests.contracts.units import again, seen
from tests.escrows import BUFFER, DEED, DOWN, REST, Trade
from tests.world import World

Act = Callable[[], Awaitable[Any]]


@pytest.fixture
async def trade(store: Store) -> Trade:
    return await Trade.begins(store)


async def at_once(*acts: Act) -> list[Any]:
    """What each heard: an answer, or a refusal that is for good."""

    async def heard(act: Act) -> Any:
        try:
            return await again(act)
        except BillingError as refused:
            return refused

    return await asyncio.gather(*(heard(act) for act in acts))


async def ended(trade: Trade, escrow: Escrow, part: EscrowPart = DOWN) -> str | None:
    """The purpose of the entry that ended the part."""
    entry_id = f"escrow {escrow.id} {part} ended"
    entry = await seen(trade.world.store, lambda view: view.ledger.find(entry_id))
    return None if entry is None else entry.purpose


async def everything(trade: Trade) -> int:
    """All roubles of both sides, of the business, and in between."""
    sides = [await trade.cash(who) for who in (trade.payer, trade.payee)]
    return sum(sides) + await trade.kept() + await trade.set_aside()


async def test_many_who_release_at_once_release_once(trade: Trade) -> None:
    escrow = await trade.funded()

    answers = await at_once(*[lambda: trade.approves(escrow)] * 8)
    trade.world.clock.advance(BUFFER)
    await at_once(*[lambda: trade.world.billing.release_due(escrow.id)] * 8)

    assert len({one.part(DOWN).releasing_at for one in answers}) == 1
    assert await trade.cash(trade.payee) == 28_350
    assert await everything(trade) == 100_000


async def test_many_with_one_key_hear_one_answer(trade: Trade) -> None:
    escrow, cause = await trade.funded(), trade.world.cause("k")

    answers = await at_once(*[lambda: trade.gives_back(escrow, cause=cause)] * 8)

    assert [one.part(DOWN) for one in answers] == [answers[0].part(DOWN)] * 8
    assert await trade.cash(trade.payer) == 30_000


@pytest.mark.parametrize("objection", ["dispute", "refund"])
@pytest.mark.parametrize("is_late", [False, True])
async def test_of_a_release_that_is_due_and_an_objection_exactly_one_is_heard(
    trade: Trade, objection: str, is_late: bool
) -> None:
    """Another process, whose clock is slow, takes the objection as being in time."""
    escrow = await trade.funded()
    await trade.approves(escrow)
    other = Trade(World(trade.world.store), trade.payer, trade.payee)
    other.world.clock.at = trade.world.clock() + BUFFER - timedelta(seconds=1)
    trade.world.clock.advance(BUFFER)
    cause = trade.world.cause()
    objects = {
        "dispute": lambda: other.disputes(escrow),
        "refund": lambda: other.gives_back(escrow, cause=cause),
    }
    acts = [lambda: trade.world.billing.release_due(escrow.id), objects[objection]]

    answers = await at_once(*(acts if is_late else reversed(acts)))
    objected = answers[1 if is_late else 0]

    if isinstance(objected, BillingError):
        assert objected.code == "escrow_part_not_ready"
        assert await ended(trade, escrow) == "escrow_release"
    elif objection == "refund":
        assert await ended(trade, escrow) == "escrow_refund"
    else:
        assert (await ended(trade, escrow), await trade.cash(trade.payee)) == (None, 0)
        assert await trade.states(escrow) == ["disputed", "funded"]
    assert await everything(trade) == 100_000


async def test_of_a_refund_and_a_dispute_at_once_exactly_one_is_heard(trade: Trade) -> None:
    escrow = await trade.funded()

    answers = await at_once(lambda: trade.disputes(escrow), lambda: trade.gives_back(escrow))

    assert [isinstance(one, BillingError) for one in answers].count(True) == 1
    disputed = (await trade.states(escrow))[0] == "disputed"
    assert disputed == isinstance(answers[1], BillingError)
    assert await trade.world.cases() == (["dispute"] if disputed else [])
    assert await everything(trade) == 100_000


async def test_of_two_decisions_at_once_exactly_one_is_made(trade: Trade) -> None:
    escrow = await trade.funded()
    await trade.disputes(escrow)
    resolve = trade.world.billing.resolve_escrow

    answers = await at_once(
        *(
            lambda to=to: resolve(escrow.id, to, deed=DEED, cause=trade.world.cause())
            for to in (*EscrowSide, *EscrowSide)
        )
    )

    assert [isinstance(one, BillingError) for one in answers].count(False) == 1
    assert await everything(trade) == 100_000
    async with trade.world.store.read() as view:
        assert len(await view.audit_trail(limit=9, subject=escrow.id)) == 1


async def test_a_part_that_many_fund_at_once_is_funded_once(trade: Trade) -> None:
    await trade.gives(trade.payer, rub(5000))
    escrow = await trade.opens(rub(1000), rub(300))

    answers = await at_once(*[lambda: trade.funds(escrow)] * 6)

    assert [isinstance(one, BillingError) for one in answers].count(False) == 1
    assert (await trade.set_aside(), await trade.cash(trade.payer)) == (30_000, 470_000)


async def test_parts_that_end_while_another_is_funded_keep_every_rouble(trade: Trade) -> None:
    """The customer's row, the escrow's, and the balances: nobody waits for each other for ever."""
    escrow = await trade.funded()
    others = [await trade.funded() for _ in range(3)]
    await trade.gives(trade.payer, rub(1000))
    fresh = await trade.opens(rub(1000), rub(300))

    await at_once(
        lambda: trade.funds(fresh),
        lambda: trade.gives_back(escrow),
        lambda: trade.disputes(escrow, REST),
        *(lambda one=one: trade.gives_back(one, REST) for one in others),
        lambda: trade.funds(fresh, REST),
    )
    await trade.world.sweeps()

    assert await everything(trade) == 500_000
    assert await trade.states(escrow) == ["refunded", "disputed"]
    assert (await trade.states(fresh))[0] == "funded"
