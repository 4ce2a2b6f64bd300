"""`kill -9` of the real process at a step of a purchase, then a restart: nothing lost or doubled."""

import asyncio

import pytest

from core.domain.customer import identity
from tests.sampling import drawn, is_whole
from tests.torture.shop import Died, Shop, books

CATALOG = "catalogs/fitness.toml"
SAMPLES = 1

pytestmark = [pytest.mark.torture, pytest.mark.timeout(3600 if is_whole("torture") else 300)]


def buys(shop: Shop) -> None:
    shop.does("POST", "purchases/", {"plan": "PRO_MONTHLY"})


def pays(shop: Shop) -> None:
    shop.until(lambda: bool(shop.purchases()))
    payment = shop.purchases()[0]["payment_id"]
    assert shop.double.post(f"yookassa/payments/{payment}/pay").is_success


def is_pro(shop: Shop) -> None:
    shop.until(lambda: shop.told("")["subscription"]["plan"] == "PRO_MONTHLY")


def has_an_address(shop: Shop) -> None:
    """Nobody repeats the request: what was begun is finished by itself."""
    shop.until(lambda: bool(shop.purchases()[0]["confirmation_url"]))


PURCHASE = (Shop.registers, buys, pays, is_pro)


def test_a_paid_purchase_ends_active_once_wherever_the_process_died(shop: Shop) -> None:
    shop.welcomes("anna")
    for step in drawn("torture", shop.steps_of(*PURCHASE), SAMPLES):
        shop.welcomes("anna")
        known = set(shop.keys_sent("yookassa", "/payments"))
        with shop.run(step):
            for act in PURCHASE:
                shop.surely(act)
            shop.surely(Shop.rests)

            [purchase] = shop.purchases()
            assert purchase["status"] == "paid"
            assert shop.wallet()["balances"] == [0]
            assert len(set(shop.keys_sent("yookassa", "/payments")) - known) == 1
            assert asyncio.run(_periods(shop)) == 1


def test_a_started_purchase_ends_with_an_address_though_nobody_repeats_the_request(
    shop: Shop,
) -> None:
    shop.welcomes("boris")
    for step in drawn("torture", shop.steps_of(Shop.registers, buys), SAMPLES):
        shop.welcomes("boris")
        with shop.run(step):
            shop.surely(Shop.registers)
            try:
                buys(shop)
            except Died:
                shop.restarts()
                if not shop.purchases():  # Death before the intent was kept: nothing was begun.
                    buys(shop)
            shop.surely(has_an_address)
            assert len(shop.surely(Shop.purchases)) == 1


async def _periods(shop: Shop) -> int:
    """How many periods the customer was given in all."""
    async with books(shop.database_url) as store, store.read() as view:
        customer = await view.customers.get(identity(shop.customer))
        subscription = await view.subscriptions.get(customer.id)
    assert subscription.period is not None
    return subscription.period.count
