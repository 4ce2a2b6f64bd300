"""Deposits, refunds and withdrawals of the marketplace through Xendit's double, over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.catalog_file import catalog_from_file
from adapters.persistence.memory import MemoryStore
from core.domain import ledger
from core.domain.customer import CustomerId
from core.domain.money import Money
from core.domain.withdrawal import WithdrawalStatus
from core.ports.payment_gateway import Webhook
from core.use_cases.checkouts import Started, Terms
from core.use_cases.consequences import consequences
from tests.adapters.gateways.served import a_stage
from tests.adapters.gateways.xendit_desk import XENDIT, XenditDesk, a_xendit_desk
from tests.builders import Clock
from tests.market import adds, status, withdraws
from tests.world import RETURN, World

MARKETPLACE = Path(__file__).parents[2] / "catalogs" / "marketplace.toml"
PESOS = Money.of(1000_00, "PHP")


class Market(World):
    """A world whose gateway is Xendit, which tells by webhooks what happens there."""

    desk: XenditDesk

    async def hears_all(self) -> list[str]:
        """Everything that is due arrives and is worked off; the events, in order."""
        told = []
        for one in self.desk.rules.due_notifications(self.clock()):
            body, headers = self.desk.rules.signed(one, self.clock())
            await self.billing.take_in_webhook(XENDIT, Webhook(None, headers, body))
            await self.pump.drain()
            self.desk.rules.delivered(one.id)
            told.append(one.body["event"])
        return told

    async def starts(self, who: CustomerId) -> Started:
        return await self.billing.start_deposit(who, PESOS, Terms(RETURN), cause=self.cause())

    def pays_there(self, started: Started, *, again: bool = False) -> None:
        assert started.checkout is not None
        assert started.checkout.payment_id is not None
        self.desk.rules.pay(started.checkout.payment_id, at=self.clock(), again=again)


@pytest.fixture
async def market() -> AsyncIterator[Market]:
    async with a_stage() as stage:
        clock = Clock()
        async with a_xendit_desk(stage, clock) as desk:
            store = MemoryStore(consequences)
            market = Market(store, more_gateways=[desk.gateway], clock=clock)
            market.desk = desk
            await market.billing.apply_catalog(catalog_from_file(MARKETPLACE))
            yield market


async def test_two_events_of_one_sale_pay_once_in_either_order(market: Market) -> None:
    anna = await market.customer()
    orders = set()
    for number in range(1, 7):
        market.pays_there(await market.starts(anna))
        orders.add(tuple(await market.hears_all()))
        assert await market.cash(anna) == {"PHP": number * 1000_00}

    assert len(orders) == 2


async def test_a_sale_that_no_webhook_told_of_is_found_by_asking(market: Market) -> None:
    anna = await market.customer()
    market.desk.rules.faults.plan("drop", 2)
    market.pays_there(await market.starts(anna))
    assert await market.hears_all() == []

    await market.time_passes(minutes=5)

    assert await market.cash(anna) == {"PHP": 1000_00}


async def test_a_second_payment_of_one_session_is_the_customers_too(market: Market) -> None:
    anna = await market.customer()
    started = await market.starts(anna)
    market.pays_there(started)
    await market.hears_all()

    market.pays_there(started, again=True)

    assert await market.hears_all() == ["payment.capture"]
    assert await market.cash(anna) == {"PHP": 2000_00}
    assert await market.books(ledger.clearing(XENDIT), "PHP") == -2000_00


async def test_a_session_that_nobody_paid_lapses_and_another_is_opened(market: Market) -> None:
    anna = await market.customer()
    first = await market.starts(anna)
    market.clock.advance(hours=1)
    assert await market.hears_all() == ["payment_session.expired"]

    second = await market.starts(anna)

    assert first.checkout is not None
    assert second.checkout is not None
    assert first.checkout.payment_id != second.checkout.payment_id
    market.pays_there(second)
    await market.hears_all()
    assert await market.cash(anna) == {"PHP": 1000_00}


async def test_money_given_back_at_the_dashboard_leaves_the_wallet_once(market: Market) -> None:
    anna = await market.customer()
    started = await market.starts(anna)
    market.pays_there(started)
    await market.hears_all()
    assert started.checkout is not None
    assert started.checkout.payment_id is not None

    session = started.checkout.payment_id
    market.desk.rules.refund_at_dashboard(session, at=market.clock(), amount=400.5)

    assert await market.hears_all() == ["refund.succeeded"]
    assert await market.cash(anna) == {"PHP": 599_50}


async def test_what_we_give_back_arrives_later(market: Market) -> None:
    anna = await market.customer()
    started = await market.starts(anna)
    market.pays_there(started)
    await market.hears_all()

    await market.refunds(started, Money.of(300_00, "PHP"))

    [refund] = market.desk.rules.all("refund")
    assert await market.cash(anna) == {"PHP": 700_00}
    market.desk.rules.finish_refund(refund["id"], at=market.clock())
    await market.hears_all()
    assert await market.cash(anna) == {"PHP": 700_00}
    assert await market.books(ledger.clearing(XENDIT), "PHP") == -700_00


async def test_a_payout_that_comes_back_days_later_is_in_the_wallet_again(market: Market) -> None:
    anna = await market.customer()
    market.pays_there(await market.starts(anna))
    method, proof = await adds(market, anna)
    market.pays_there(proof)
    await market.hears_all()
    asked = await withdraws(market, anna, method, Money.of(500_00, "PHP"))
    [payout] = market.desk.rules.all("payout")
    assert payout["channel_code"] == "PH_GCASH"

    seen = []
    for days, end in ((0, "SUCCEEDED"), (2, "REVERSED")):
        market.clock.advance(days=days)
        market.desk.rules.finish_payout(payout["id"], at=market.clock(), status=end)
        await market.hears_all()
        seen.append((await status(market, anna, asked), (await market.cash(anna))["PHP"]))

    assert seen == [
        (WithdrawalStatus.DONE, 500_00),
        (WithdrawalStatus.RETURNED, 1000_00),
    ]
