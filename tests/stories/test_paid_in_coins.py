"""Deposits in roubles and in coins, and withdrawals, through Crypto Pay's double, over HTTP."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from adapters.persistence.memory import MemoryStore
from core.domain import ledger
from core.domain.customer import CustomerId
from core.domain.money import Money
from core.domain.money_terms import (
    Brake,
    DepositTerms,
    MoneyTerms,
    VerificationTerms,
    WithdrawalTerms,
)
from core.domain.payout import PayoutAccount
from core.domain.plan import GatewayName
from core.domain.withdrawal import WithdrawalStatus
from core.ports.payment_gateway import GatewayUnavailable
from core.use_cases.checkouts import Started, Terms
from core.use_cases.consequences import consequences
from tests.adapters.gateways.cryptopay_desk import CryptoPayDesk, a_cryptopay_desk
from tests.adapters.gateways.served import a_stage
from tests.builders import Clock, rub
from tests.market import adds, status, withdraws
from tests.world import RETURN, World

CRYPTOPAY = GatewayName("cryptopay")


def usdt(whole: int) -> Money:
    return Money.of(whole * 10**6, "USDT")


class CoinShop(World):
    """A world whose first gateway is Crypto Pay, which tells by webhooks what was paid."""

    desk: CryptoPayDesk

    def pays_there(self, started: Started, asset: str | None = None) -> None:
        assert started.checkout is not None
        assert started.checkout.payment_id is not None
        self.desk.pay(started.checkout.payment_id, asset=asset)

    async def hears_all(self) -> int:
        """Everything that is due arrives and is worked off; how many there were."""
        due = self.desk.rules.due_notifications(self.clock())
        for one in due:
            invoice_id = str(one.body["payload"]["invoice_id"])
            await self.billing.take_in_webhook(CRYPTOPAY, self.desk.webhook(invoice_id))
            await self.pump.drain()
            self.desk.rules.delivered(one.id)
        return len(due)

    async def adds_money(self, who: CustomerId, amount: Money, asset: str | None = None) -> Started:
        started = await self.starts_deposit(who, amount)
        self.pays_there(started, asset)
        await self.hears_all()
        return started


@pytest.fixture
async def shop() -> AsyncIterator[CoinShop]:
    terms = MoneyTerms(
        deposit=DepositTerms(bounds=((rub(1), rub(100_000)), (usdt(1), usdt(10_000)))),
        verification=VerificationTerms((usdt(1),)),
        withdrawal=WithdrawalTerms((usdt(5),), (Brake(usdt(500), usdt(900), usdt(2000)),)),
    )
    async with a_stage() as stage:
        clock = Clock()
        async with a_cryptopay_desk(stage, clock) as desk:
            shop = CoinShop(MemoryStore(consequences), more_gateways=[desk.gateway], clock=clock)
            shop.desk = desk
            await shop.billing.apply_catalog(replace(shop.wanted(), money=terms))
            yield shop


async def test_roubles_paid_in_any_coin_are_roubles_in_the_wallet(shop: CoinShop) -> None:
    anna = await shop.customer()
    for number, asset in enumerate(("TON", "USDT"), 1):
        await shop.adds_money(anna, rub(990), asset)
        assert await shop.cash(anna) == {"RUB": number * 990_00}

    assert await shop.books(ledger.clearing(CRYPTOPAY)) == -2 * 990_00
    assert shop.desk.rules.available("TON") > 3


async def test_coins_are_booked_with_what_the_provider_kept(shop: CoinShop) -> None:
    anna = await shop.customer()

    await shop.adds_money(anna, usdt(100))

    assert (await shop.cash(anna))["USDT"] == 100_000_000
    assert await shop.books(ledger.clearing(CRYPTOPAY), "USDT") == -97_000_000


async def test_a_repeated_webhook_pays_once(shop: CoinShop) -> None:
    anna = await shop.customer()
    started = await shop.adds_money(anna, rub(990))

    for _ in range(2):
        shop.pays_there(started)

    assert await shop.hears_all() == 2
    assert await shop.cash(anna) == {"RUB": 990_00}


async def test_a_payment_that_no_webhook_told_of_is_found_by_asking(shop: CoinShop) -> None:
    anna = await shop.customer()
    shop.desk.rules.faults.plan("drop", 1)
    shop.pays_there(await shop.starts_deposit(anna, rub(990)))
    assert await shop.hears_all() == 0

    await shop.time_passes(minutes=5)

    assert await shop.cash(anna) == {"RUB": 990_00}


async def test_an_opening_without_an_answer_is_found_by_its_payload_and_not_repeated(
    shop: CoinShop,
) -> None:
    anna, cause = await shop.customer(), shop.cause()
    terms = Terms(RETURN, CRYPTOPAY)  # Who names a gateway is sent to no other.
    shop.desk.lose_answers(1)
    with pytest.raises(GatewayUnavailable):
        await shop.billing.start_deposit(anna, rub(990), terms, cause=cause)

    await shop.time_passes(minutes=5)

    started = await shop.billing.start_deposit(anna, rub(990), terms, cause=cause)
    assert started.checkout is not None
    assert started.checkout.opened is not None
    assert shop.desk.opened() == 1
    shop.pays_there(started)
    await shop.hears_all()
    assert await shop.cash(anna) == {"RUB": 990_00}


async def test_less_than_was_agreed_stays_in_the_wallet_and_a_person_looks(
    shop: CoinShop,
) -> None:
    anna = await shop.customer()
    shop.desk.rules.faults.plan("amount", 1)

    started = await shop.adds_money(anna, rub(990))

    assert await shop.cash(anna) == {"RUB": 989_99}
    assert (await shop.purchase(anna, started.purchase.id)).purchase.is_pending
    assert await shop.cases() == ["mismatch"]


async def test_an_invoice_that_nobody_paid_lapses_and_another_is_opened(shop: CoinShop) -> None:
    anna = await shop.customer()
    first = await shop.starts_deposit(anna, rub(990))
    await shop.time_passes(hours=2)

    second = await shop.starts_deposit(anna, rub(990))

    assert first.checkout is not None
    assert second.checkout is not None
    assert first.checkout.payment_id != second.checkout.payment_id
    shop.pays_there(second)
    await shop.hears_all()
    assert await shop.cash(anna) == {"RUB": 990_00}


async def test_a_withdrawal_goes_to_a_user_of_telegram_once(shop: CoinShop) -> None:
    anna = await shop.customer()
    await shop.adds_money(anna, usdt(100))
    method, proof = await adds(shop, anna, PayoutAccount("telegram", "123456789", "Anna"))
    shop.pays_there(proof)
    await shop.hears_all()
    shop.desk.lose_answers(1)

    asked = await withdraws(shop, anna, method, usdt(40))
    await shop.time_passes(minutes=10)

    assert await status(shop, anna, asked) is WithdrawalStatus.DONE
    [transfer] = shop.desk.rules.all("transfer")
    assert (transfer["user_id"], transfer["amount"]) == (123456789, "40")
    assert transfer["spend_id"] == asked.id


async def test_a_withdrawal_to_somebody_unknown_to_the_bot_is_money_again(shop: CoinShop) -> None:
    anna = await shop.customer()
    await shop.adds_money(anna, usdt(100))
    method, proof = await adds(shop, anna, PayoutAccount("telegram", "404", "Anna"))
    shop.pays_there(proof)
    await shop.hears_all()
    before = await shop.cash(anna)
    shop.desk.rules.forget(404)

    asked = await withdraws(shop, anna, method, usdt(40))

    assert await status(shop, anna, asked) is WithdrawalStatus.FAILED
    assert await shop.cash(anna) == before
