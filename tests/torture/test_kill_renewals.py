"""
`kill -9` while plans renew, from the wallet and by a saved method, and a referrer is rewarded: of
worker and web, and of PostgreSQL. Each has happened once.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from core.domain.audit import FIRST_SEAL
from tests.postgres_server import URL_VARIABLE, postgres_server
from tests.sampling import drawn, is_whole
from tests.torture.conftest import new_database
from tests.torture.shop import Act, Shop, books
from tests.torture.test_kill_money import BILLING

CATALOG = "tests/torture/renewing.toml"
ROLES = {"postgres": ("web", "worker")}
STEPS = 300
"""About as many as a run takes; counted where all of them are walked."""
PRICE, REWARD, DEPOSIT = 299_00, 29_90, 1000_00
METHOD = {
    "type": "bank_card",
    "account_number": "2200000000000004",
    "holder_name": "BORIS ORLOV",
    "billing": BILLING,
}

pytestmark = [pytest.mark.torture, pytest.mark.timeout(7200 if is_whole("torture") else 300)]


class People:
    """Anna brought Boris, whose card renews his month; Carol's wallet renews hers."""

    def __init__(self, shop: Shop) -> None:
        shop.runs += 1
        self.anna, self.boris, self.carol = (
            f"external:{name}-{shop.runs}" for name in ("anna", "boris", "carol")
        )
        shop.customer = self.anna
        shop.registers()
        code = shop.told("referral/")["code"]
        shop.customer = self.boris
        shop.does("PUT", "", {"referral_code": code})
        card = shop.does("POST", "payment-methods/", METHOD)["id"]
        pays(shop)
        shop.until(lambda: bool(shop.told("payment-methods/")["items"]))
        self.subscribes(shop, card)
        shop.customer = self.carol
        shop.registers()
        deposit = {"amount": {"amount_minor": DEPOSIT, "currency": "RUB"}}
        shop.does("POST", "wallet/deposits/", deposit)
        pays(shop)
        self.subscribes(shop, "wallet")
        self.due_at = datetime.fromisoformat(shop.told("")["subscription"]["renews_at"])
        shop.rests()

    def subscribes(self, shop: Shop, source: str) -> None:
        shop.does("POST", "purchases/", {"plan": "MONTH"})
        pays(shop)
        shop.does("PATCH", "subscription/", {"auto_renew": True, "source": source})

    def story(self) -> tuple[Act, ...]:
        return self.renew, self.is_given_back

    def renew(self, shop: Shop) -> None:
        """A month later all that is due is done: also the first reward has had its time."""
        left = self.due_at - datetime.fromisoformat(shop.status()["time"])
        if left > timedelta():
            shop.time_passes(left + timedelta(seconds=1))
        for who in (self.boris, self.carol):
            shop.customer = who
            shop.until(renewed_in_time(shop))
        shop.customer = self.anna
        shop.until(lambda: rewards(shop) == (REWARD, REWARD), lambda: rewards(shop))

    def is_given_back(self, shop: Shop) -> None:
        """And the second reward with it."""
        shop.customer = self.boris
        renewal, _ = months(shop)
        refunds(shop, renewal)
        shop.customer = self.anna
        shop.until(lambda: rewards(shop) == (REWARD, 0), lambda: rewards(shop))


def pays(shop: Shop) -> None:
    """Their newest purchase."""
    shop.until(lambda: bool(shop.purchases()[0]["payment_id"]))
    payment = shop.purchases()[0]["payment_id"]
    shop.double.post(f"yookassa/payments/{payment}/pay").raise_for_status()
    shop.until(lambda: shop.purchases()[0]["status"] == "paid")
    shop.runs += 1  # The next request has a key of its own.


def months(shop: Shop) -> list[str]:
    """Those that were paid, the newest first."""
    bought = [one for one in shop.purchases() if one["item"]["plan"]]
    return [one["id"] for one in bought if one["status"] in {"paid", "refunded"}]


def renewed_in_time(shop: Shop) -> Callable[[], bool]:
    """
    A charge that was begun and never sent ends by asking, and only the next try, which is a day
    later, makes another: so time passes now and then.
    """
    looks = count(1)

    def is_renewed() -> bool:
        if next(looks) % 60 == 0:
            shop.time_passes(timedelta(hours=12))
        return len(months(shop)) == 2

    return is_renewed


def rewards(shop: Shop) -> tuple[int, int]:
    """What they have in the wallet of it, and what waits."""
    wallet = shop.wallet()
    return sum(wallet["bonus"]), sum(wallet["held"])


def refunds(shop: Shop, purchase: str) -> None:
    """As an operator who repeats it until there is an answer."""

    def is_done() -> bool:
        answer = shop.client.post(
            f"operator/purchases/{purchase}/refund/",
            json={"reason": "asked for it"},
            headers={"Idempotency-Key": purchase},
        )
        assert answer.status_code not in {400, 401, 403, 422}, answer.text
        return answer.is_success

    shop.until(is_done)


def once(shop: Shop, people: People, known: Counter[str]) -> None:
    """One charge for a period, at the gateway or from the wallet, one refund, one reward that stands."""
    shop.customer = people.boris
    assert len(months(shop)) == 2
    assert shop.told("")["subscription"]["status"] == "active"
    assert keys_sent(shop) - known == {"/payments": 1, "/refunds": 1}
    shop.customer = people.carol
    assert len(months(shop)) == 2
    assert shop.wallet()["balances"] == [DEPOSIT - PRICE]
    shop.customer = people.anna
    assert rewards(shop) == (REWARD, 0)


def keys_sent(shop: Shop) -> Counter[str]:
    """What the gateway was asked to charge, and to give back, each counted once."""
    paths = ("/payments", "/refunds")
    return Counter({path: len(set(shop.keys_sent("yookassa", path))) for path in paths})


async def audit_holds(shop: Shop) -> bool:
    async with books(shop.database_url) as store, store.read() as view:
        former = FIRST_SEAL
        for _, line, seal in await view.audit_trail(limit=10_000):
            if line.seal(former) != seal:
                return False
            former = seal
    return former != FIRST_SEAL


def lives(shop: Shop, step: int, victim: str) -> None:
    people = People(shop)
    known = keys_sent(shop)
    with shop.run(step, victim):
        for act in people.story():
            shop.surely(act)
        shop.surely(Shop.rests)
        once(shop, people, known)
        assert asyncio.run(audit_holds(shop))


def steps_of(shop: Shop) -> list[int]:
    if not is_whole("torture"):
        return list(range(1, STEPS + 1))
    return shop.steps_of(*People(shop).story())


def test_each_renewal_and_reward_happens_once_wherever_the_processes_died(shop: Shop) -> None:
    for step in drawn("torture", steps_of(shop), 1):
        lives(shop, step, "process")


@pytest.fixture(params=[pytest.param("postgres", marks=pytest.mark.postgres)])
def crashing(tmp_path: Path) -> Iterator[Shop]:
    """A shop on a server of its own, which loses nothing that it said was kept."""
    if os.environ.get(URL_VARIABLE):
        pytest.skip("it may not be killed")
    with postgres_server(durable=True) as admin_url:
        url = new_database(admin_url, "crashing")
        shop = Shop(tmp_path, url, CATALOG, ROLES["postgres"])
        try:
            shop.opens()
            yield shop
        finally:
            shop.closes()


def test_each_happens_once_wherever_the_database_died(crashing: Shop) -> None:
    for step in drawn("torture", steps_of(crashing), 1):
        lives(crashing, step, "database")
