"""What the two of an escrow are told."""

import pytest

from core.domain.escrow import EscrowSide
from core.domain.money import Money
from core.ports.notifier import NewsKind
from core.ports.unit_of_work import Store
from tests.builders import rub
from tests.escrows import DEED, REST, Trade


@pytest.fixture
async def trade(store: Store) -> Trade:
    return await Trade.begins(store)


async def test_each_side_hears_of_what_the_other_or_a_person_did(trade: Trade) -> None:
    told = trade.world.notifier.told
    payer, payee = trade.payer, trade.payee
    escrow = await trade.funded(rub(1000), rub(300))
    await trade.world.pump.drain()
    await trade.approves(escrow)
    await trade.world.time_passes(hours=49)
    await trade.disputes(escrow, REST)
    await trade.world.pump.drain()
    await trade.world.billing.resolve_escrow(
        escrow.id, EscrowSide.PAYER, deed=DEED, cause=trade.world.cause()
    )
    await trade.world.pump.drain()

    heard = [
        (one.kind, one.standing.customer.id, one.received, one.title)
        for one in told
        if one.kind.startswith("escrow_")
    ]
    title = "A kitchen, painted"
    assert sorted(heard[:2], key=str) == [
        (NewsKind.ESCROW_FUNDED, payee, rub(300), title),
        (NewsKind.ESCROW_FUNDED, payee, rub(700), title),
    ]
    assert heard[2:] == [
        (NewsKind.ESCROW_RELEASED, payee, Money.of(28350, "RUB"), title),
        (NewsKind.ESCROW_DISPUTED, payee, rub(700), title),
        (NewsKind.ESCROW_REFUNDED, payer, rub(700), title),
    ]
