"""What anybody is told of plans, deposits and ways to pay, before signing in."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from adapters.persistence.memory import MemoryStore
from core.domain.money import Money
from core.ports.payment_gateway import Abilities, FeeRule
from core.use_cases.consequences import consequences
from tests.adapters.http.api import Api, an_api
from tests.builders import rub
from tests.world import World


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    world = await World(MemoryStore(consequences)).opens()
    async with an_api(world) as client:
        yield client


async def test_ways_to_pay_are_told_with_currency_bounds_and_fee(api: Api) -> None:
    bounds = {"RUB": (rub(1), rub(1000)), "XTR": (Money.of(1, "XTR"), Money.of(9, "XTR"))}
    fees = {"RUB": FeeRule(350, rub(15))}
    api.world.gateway.abilities = Abilities(bounds, timedelta(hours=24), fees=fees)

    told = (await api.call("GET", "plans/")).json()

    roubles, stars = told["ways_to_pay"]
    assert (roubles["gateway"], roubles["currency"]) == ("yookassa", "RUB")
    assert (roubles["minimum"]["amount_minor"], roubles["maximum"]["amount_minor"]) == (100, 100000)
    assert roubles["fee"] == {
        "basis_points": 350,
        "fixed": {"amount_minor": 1500, "currency": "RUB", "display": "RUB\xa015.00"},
    }
    assert (stars["currency"], stars["fee"]) == ("XTR", None)
    [deposit] = told["deposits"]
    assert (deposit["currency"], deposit["pay_with"]) == ("RUB", ["yookassa"])
    assert (deposit["minimum"]["amount_minor"], deposit["maximum"]["amount_minor"]) == (
        100,
        100_000_00,
    )
    assert {plan["code"]: plan["pay_with"] for plan in told["items"]} == {
        "FREE": [],
        "PRO_MONTHLY": ["yookassa", "wallet"],
        "PRO_YEARLY": ["wallet"],  # It costs more than the gateway takes.
    }


async def test_every_way_told_of_a_plan_may_be_named_to_buy_it(api: Api) -> None:
    token = await api.session()
    plans = (await api.call("GET", "plans/")).json()["items"]
    for plan in plans:
        for way in plan["pay_with"]:
            body = {"plan": plan["code"], "gateway": way}
            answer = await api.call("POST", "purchases/preview/", body, token=token)
            assert answer.status_code == 200, answer.text
            assert answer.json()["gateway"] == way
