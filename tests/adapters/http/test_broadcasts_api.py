"""A broadcast over HTTP, from its text to its end."""

from adapters.http.tokens import api_key_hash
from adapters.persistence.memory import MemoryStore
from core.domain.credentials import Scope
from core.use_cases.consequences import consequences
from tests.adapters.http.api import PEPPER, an_api
from tests.world import World

OLGA = "bh_test_key_of_olga"
PATH = "operator/broadcasts/"
OFFER = {
    "texts": {"en": "An offer", "ru": "Скидка"},
    "segment": {"plans": ["FREE"], "paid": False, "registered_from": "2026-01-01T00:00:00Z"},
    "plan": "PRO_MONTHLY",
    "reason": "the spring offer",
}


async def test_an_operator_writes_starts_and_ends_one() -> None:
    world = await World(MemoryStore(consequences)).opens()
    for n in (1, 2):
        await world.customer(f"telegram:{n}")
    async with an_api(world) as api:
        key_hash = api_key_hash(OLGA, PEPPER)
        await world.billing.put_key("olga", key_hash, frozenset({Scope.OPERATOR}))
        why = {"reason": "as agreed"}

        made = await api.call("POST", PATH, OFFER, token=OLGA, key="k")
        again = await api.call("POST", PATH, OFFER, token=OLGA, key="k")
        own = f"{PATH}{made.json()['id']}/"
        preview = await api.call("GET", f"{own}preview/", token=OLGA)
        started = await api.call("POST", f"{own}start/", why, token=OLGA)
        await world.sweeps()
        shown = await api.call("GET", own, token=OLGA)
        late = await api.call("POST", f"{own}pause/", why, token=OLGA)
        listed = await api.call("GET", PATH, token=OLGA)
        refused = [
            await api.call("POST", PATH, {**OFFER, **other}, token=OLGA, key="other")
            for other in (
                {"texts": {}},
                {"texts": {"de": "Hallo"}},
                {"plan": "NOTHING"},
                {"url": "https://example.com/"},
            )
        ]

    assert (made.status_code, made.json()["status"]) == (201, "draft")
    assert again.json() == made.json()
    assert made.json()["segment"]["paid"] is False
    assert preview.json() == {"total": 2, "by_language": {"ru": 2}, "declined": 0}
    assert (started.json()["status"], started.json()["expected"]) == ("running", 2)
    assert (shown.json()["status"], shown.json()["sent"], shown.json()["left"]) == ("done", 2, 0)
    assert (late.status_code, late.json()["code"]) == (409, "broadcast_moved")
    assert [one["id"] for one in listed.json()["items"]] == [made.json()["id"]]
    assert [one.status_code for one in refused] == [422, 422, 422, 422]
    assert {letter.plan for _, letter in world.notifier.mailed} == {"PRO_MONTHLY"}
