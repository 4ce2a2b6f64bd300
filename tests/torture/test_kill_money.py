"""`kill -9` at a step of a deposit or a withdrawal: money comes in once, and goes out once or not."""

import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.sampling import drawn, is_whole
from tests.torture.shop import Act, Shop

CATALOG = "catalogs/marketplace.toml"
GATEWAYS = ("paymongo", "xendit")
SAMPLES = 1
DEPOSIT, WEALTH, PAYOUT = 500_00, 50_000_00, 100_00
PAYOUTS = {"paymongo": "/batch_transfers", "xendit": "/v2/payouts"}
BILLING = {"name": "Ben Reyes", "email": "ben@example.com", "phone": "+639171234567"}

pytestmark = [pytest.mark.torture, pytest.mark.timeout(7200 if is_whole("torture") else 300)]


def pesos(minor: int) -> dict[str, object]:
    return {"amount": {"amount_minor": minor, "currency": "PHP"}}


def pays(shop: Shop) -> None:
    """Their newest purchase, as soon as it can be paid; paid again, it is only told of again."""
    shop.until(lambda: bool(shop.purchases()[0]["payment_id"]))
    purchase = shop.purchases()[0]
    control = f"{purchase['gateway']}/payments/{purchase['payment_id']}/pay"
    shop.double.post(control).raise_for_status()


def has(minor: int) -> Act:
    return lambda shop: shop.until(lambda: shop.wallet()["balances"] == [minor])


def a_deposit(gateway: str, minor: int = DEPOSIT) -> tuple[Act, ...]:
    asked = pesos(minor) | {"gateway": gateway}
    return lambda shop: shop.does("POST", "wallet/deposits/", asked), pays, has(minor)


def test_a_paid_deposit_is_credited_once_wherever_the_process_died(shop: Shop) -> None:
    shop.welcomes("ana")
    shop.registers()
    steps = shop.steps_of(*a_deposit("xendit"))
    for gateway, step in drawn("torture", list(product(GATEWAYS, steps)), SAMPLES):
        shop.welcomes("ana")
        shop.registers()
        with shop.run(step):
            for act in a_deposit(gateway):
                shop.surely(act)
            shop.surely(Shop.rests)

            assert [one["status"] for one in shop.purchases()] == ["paid"]
            lines = shop.told("wallet/entries/?currency=PHP")["items"]
            assert [one["amount"]["amount_minor"] for one in lines] == [DEPOSIT]
            assert shop.wallet()["held"] == [0]


class Withdrawal:
    """Ben's, through a gateway whose bank will say `finish` or `fail`."""

    def __init__(self, gateway: str, method: str, word: str) -> None:
        self.gateway = gateway
        self.body = pesos(PAYOUT) | {"payment_method": method}
        self.word = word
        self.id = ""

    def story(self) -> tuple[Act, ...]:
        return self.asks, self.ends

    def asks(self, shop: Shop) -> None:
        self.id = shop.does("POST", "wallet/withdrawals/", self.body)["id"]

    def ends(self, shop: Shop) -> None:
        """The bank acts as soon as it was asked; a person, where a case tells of this payout."""

        def has_ended() -> bool:
            shop.double.post(f"{self.gateway}/payouts/{self.id}/{self.word}")
            if shop.status()["open_cases"]:
                decides(shop, self.id, "mark-done" if self.has_left(shop) else "reject")
            return self.told(shop)["status"] in {"done", "failed"}

        shop.until(has_ended)

    def has_left(self, shop: Shop) -> bool:
        """As a person sees at the gateway's own pages."""
        return self.word == "finish" and self.id in shop.keys_sent(
            self.gateway, PAYOUTS[self.gateway]
        )

    def told(self, shop: Shop) -> dict[str, Any]:
        told: dict[str, Any] = shop.told(f"wallet/withdrawals/{self.id}/")
        return told


def test_a_withdrawal_is_sent_once_or_comes_back_wherever_the_process_died(shop: Shop) -> None:
    shop.welcomes("ben")
    shop.registers()
    for act in a_deposit("xendit", WEALTH):
        act(shop)
    methods = {gateway: a_proven_method(shop, gateway) for gateway in GATEWAYS}
    steps = shop.steps_of(*Withdrawal("xendit", methods["xendit"], "finish").story())
    for gateway, step in drawn("torture", list(product(GATEWAYS, steps)), SAMPLES):
        # Each step sees both endings, one at each gateway.
        word = ("finish", "fail")[(step + GATEWAYS.index(gateway)) % 2]
        withdrawal = Withdrawal(gateway, methods[gateway], word)
        sent = shop.keys_sent(gateway, PAYOUTS[gateway])
        [before] = shop.wallet()["balances"]
        with shop.run(step):
            for act in withdrawal.story():
                shop.surely(act)
            shop.surely(Shop.rests)

            keys = shop.keys_sent(gateway, PAYOUTS[gateway])[len(sent) :]
            assert set(keys) <= {withdrawal.id}
            has_left = withdrawal.has_left(shop)
            assert withdrawal.told(shop)["status"] == ("done" if has_left else "failed")
            assert has_left or word == "fail" or gateway == "paymongo"
            wallet = shop.wallet()
            assert wallet["balances"] == [before - PAYOUT * has_left]
            assert wallet["held"] == [0]


def a_proven_method(shop: Shop, gateway: str) -> str:
    asked = {
        "type": "gcash",
        "account_number": "09171234567",
        "holder_name": "BEN REYES",
        "billing": BILLING,
        "gateway": gateway,
    }
    added = shop.does("POST", "payment-methods/", asked)
    pays(shop)
    shop.until(lambda: added["id"] in [one["id"] for one in shop.told("payment-methods/")["items"]])
    shop.runs += 1  # The next request has a key of its own.
    return str(added["id"])


def decides(shop: Shop, withdrawal: str, word: str) -> None:
    """As an operator with a key of their own."""
    made = subprocess.run(
        [
            Path(sys.prefix) / "bin" / "billhook",
            "keys",
            "create",
            withdrawal,
            "--scope",
            "operator",
        ],
        env=shop.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    decided = httpx.post(
        f"{shop.client.base_url}operator/withdrawals/{withdrawal}/{word}/",
        json={"reason": "looked at the gateway's pages"},
        headers={"Authorization": f"Bearer {made.stdout.split()[0]}"},
    )
    assert decided.status_code in {200, 409}, decided.text
