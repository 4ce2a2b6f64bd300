"""Switches over HTTP, and what a shopper hears meanwhile."""

from adapters.http.tokens import api_key_hash
from adapters.persistence.memory import MemoryStore
from core.domain.credentials import Scope
from core.use_cases.consequences import consequences
from tests.adapters.http.api import PEPPER, an_api
from tests.world import World

OLGA = "bh_test_key_of_olga"


async def test_an_operator_turns_sales_off_and_on_again() -> None:
    world = await World(MemoryStore(consequences)).opens()
    async with an_api(world) as api:
        key_hash = api_key_hash(OLGA, PEPPER)
        await world.billing.put_key("olga", key_hash, frozenset({Scope.OPERATOR}))
        anna = await api.session(1001)
        wanted, path = {"plan": "PRO_MONTHLY"}, "operator/switches/sales/"
        off, on = [{"on": to, "reason": "stocktaking"} for to in (False, True)]

        turned = await api.call("POST", path, off, token=OLGA)
        refused = await api.call("POST", "purchases/", wanted, token=anna, key="k")
        listed = await api.call("GET", "operator/switches/", token=OLGA)
        again = await api.call("POST", path, on, token=OLGA)
        bought = await api.call("POST", "purchases/", wanted, token=anna, key="k")
        unknown = await api.call("POST", "operator/switches/nothing/", off, token=OLGA)

    assert (turned.status_code, turned.json()["on"], turned.json()["by"]) == (200, False, "olga")
    assert (refused.status_code, refused.json()["code"]) == (409, "sales_paused")
    states = {one["name"]: one["on"] for one in listed.json()["items"]}
    assert states == {
        "sales": False,
        "trials": True,
        "rewards": True,
        "payouts": True,
        "renewals": True,
        "broadcasts": True,
        "gateway:yookassa": True,
    }
    assert (again.json()["on"], bought.status_code) == (True, 201)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "switch_not_found")
