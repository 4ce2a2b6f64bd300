"""A customer's wallet by the Python client, on a good line and a bad one."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from adapters.persistence.memory import MemoryStore
from billhook_client import Balances, Billhook, Conflict, Invalid, NotFound, Unavailable, Wallet
from core.domain.payment import PaymentId
from core.use_cases.consequences import consequences
from tests.adapters.http.api import KEY
from tests.builders import NOON
from tests.client.bad_line import BadLine, Trouble, a_bad_line
from tests.world import World

STILL_RUNNING = (
    "HTTP/1.1 409 Conflict\nConnection: close\nRetry-After: 0\nContent-Length: 25\n\n"
    '{"code": "still_running"}'
)


class Shop:
    def __init__(self, world: World, line: BadLine, client: httpx.AsyncClient) -> None:
        self.world, self.line = world, line
        self.billhook = Billhook(line.url, KEY, client=client)

    @property
    def wallet(self) -> Wallet:
        return self.billhook.wallet("telegram:1001")


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    world = await World(MemoryStore(consequences)).opens()
    await world.customer()
    async with (
        a_bad_line(world) as line,
        httpx.AsyncClient(trust_env=False, timeout=2) as client,
    ):
        yield Shop(world, line, client)


async def test_a_deposit_is_opened_paid_and_in_the_wallet(shop: Shop) -> None:
    opened = await shop.wallet.deposit(50000, "RUB", return_url="https://shop.example.com/done")

    assert (opened.status, opened.amount_minor, opened.currency) == ("pending", 50000, "RUB")
    assert opened.gateway == "yookassa"
    assert opened.confirmation_url is not None
    assert opened.expires_at == NOON + timedelta(hours=24)
    payment_id = PaymentId(str(opened.payment_id))
    shop.world.gateway.pay(payment_id)
    await shop.world.hears(payment_id)
    nothing, all_of_it = {"RUB": 0}, {"RUB": 50000}
    assert await shop.wallet.balances() == Balances(
        all_of_it, nothing, nothing, nothing, nothing, all_of_it
    )


@pytest.mark.parametrize("trouble", [Trouble.CUT_BEFORE, Trouble.CUT_AFTER, STILL_RUNNING])
async def test_a_deposit_that_was_not_answered_is_asked_for_again_and_is_one(
    shop: Shop, trouble: Trouble | str
) -> None:
    shop.line.troubles = [trouble, trouble]

    await shop.wallet.deposit(50000, "RUB")

    assert len(shop.line.requests) == 3
    assert len(shop.world.gateway.payments) == 1


async def test_an_idempotency_key_makes_calls_one(shop: Shop) -> None:
    first, again = [
        await shop.wallet.deposit(50000, "RUB", idempotency_key="order-17") for _ in range(2)
    ]
    assert first == again
    with pytest.raises(Conflict):
        await shop.wallet.deposit(50001, "RUB", idempotency_key="order-17")


async def test_what_makes_no_sense_is_told_at_once(shop: Shop) -> None:
    for amount, code in ((0, "RUB"), (99, "RUB"), (50000, "PHP")):
        with pytest.raises(Invalid):
            await shop.wallet.deposit(amount, code)
    with pytest.raises(NotFound):
        await shop.billhook.wallet("telegram:404").balances()

    assert len(shop.line.requests) == 4


async def test_a_gateway_that_is_down_is_not_known_and_the_same_key_goes_on(shop: Shop) -> None:
    shop.world.gateway.unavailable(1)
    shop.line.troubles = [None, *["HTTP/1.1 503 Service Unavailable\nContent-Length: 0\n\n"] * 4]
    with pytest.raises(Unavailable):
        await shop.wallet.deposit(50000, "RUB", idempotency_key="order-17")

    opened = await shop.wallet.deposit(50000, "RUB", idempotency_key="order-17")

    assert opened.confirmation_url is not None
    assert len(shop.world.gateway.payments) == 1
