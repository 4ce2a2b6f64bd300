"""Forged, replayed and flooding webhooks through the real route, and return addresses likewise."""

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from adapters.gateways.yookassa.gateway import YooKassaGateway
from adapters.gateways.yookassa.shop import YooKassaShop
from adapters.http.operations import Operation
from adapters.persistence.memory import MemoryStore
from core.domain.payment import PaymentId
from core.ports.payment_gateway import Gateways
from core.ports.unit_of_work import UnitOfWork, View
from core.use_cases.consequences import consequences
from core.use_cases.webhooks import TakeInWebhook
from tests.adapters.http.api import ROOT, Api, an_api
from tests.hostile.examples import WITH_BODY, a_scene, fields_of, name_of
from tests.hostile.served import everything_in
from tests.world import World

PATH = f"{ROOT}/webhooks/yookassa/"
RECORDINGS = Path(__file__).parents[1] / "recordings"
PAID = json.loads((RECORDINGS / "yookassa" / "payment.succeeded.json").read_text("utf-8"))
BAD_RETURN_URLS = json.loads((RECORDINGS / "return_urls_bad.json").read_text("utf-8"))
PROVIDER, STRANGER = "185.71.76.1", "203.0.113.9"


class CountedStore(MemoryStore):
    """Counts how often it is opened at all."""

    opened = 0

    def write(self) -> AbstractAsyncContextManager[UnitOfWork]:
        self.opened += 1
        return super().write()

    def read(self) -> AbstractAsyncContextManager[View]:
        self.opened += 1
        return super().read()


@dataclass(frozen=True)
class Door:
    """YooKassa's own door; what is asked back is answered by a gateway that we can tell what."""

    api: Api
    world: World
    store: CountedStore

    async def hears(self, body: bytes, *lines: tuple[str, str], method: str = "POST") -> int:
        headers = [("Content-Type", "application/json"), *lines]
        answer = await self.api.client.request(method, PATH, content=body, headers=headers)
        if answer.status_code >= 400:
            assert set(answer.json()) >= {"code", "request_id"}
        return answer.status_code

    async def provider_says(self, told: object) -> int:
        return await self.hears(json.dumps(told).encode(), ("X-Forwarded-For", PROVIDER))


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    store = CountedStore(consequences)
    world = await World(store).opens()
    gateway = YooKassaGateway(YooKassaShop("100500", "test_secret", live=False))
    taking_in = TakeInWebhook(store, Gateways(gateway), world.clock, world.ids)
    world.billing = replace(world.billing, take_in_webhook=taking_in)
    async with an_api(world) as api:
        yield Door(api, world, store)
    await gateway.close()


def claim(payment_id: str, **changed: Any) -> dict[str, Any]:
    """What YooKassa sends of a payment, with other facts in its place."""
    return PAID | {"object": PAID["object"] | {"id": payment_id} | changed}


CLAIMS: dict[str, dict[str, Any]] = {
    "as it would be": {},
    "more money": {"amount": {"value": "1000000.00", "currency": "RUB"}},
    "a kopeck less": {"amount": {"value": "298.99", "currency": "RUB"}},
    "another currency": {"amount": {"value": "299.00", "currency": "USD"}},
    "no number": {"amount": {"value": "NaN", "currency": "RUB"}},
    "an amount that is a list": {"amount": [1]},
    "another shop": {"recipient": {"account_id": "666", "gateway_id": "1"}},
    "a live payment": {"test": False},
    "an unknown status": {"status": "gold"},
    "somebody else's purchase": {"metadata": {"purchase_id": "pur_00000001", "customer_id": "x"}},
    "paid and not": {"paid": False, "status": "pending"},
    "refunded more than paid": {"refunded_amount": {"value": "9999.00", "currency": "RUB"}},
}


@pytest.mark.parametrize("changed", CLAIMS.values(), ids=CLAIMS.keys())
async def test_a_webhook_is_a_reason_to_ask_and_never_to_book(
    door: Door, changed: dict[str, Any]
) -> None:
    anna = await door.world.customer()
    started = await door.world.buys(anna)
    payment_id = started.checkout.payment_id

    assert await door.provider_says(claim(payment_id, **changed)) == 200
    await door.world.pump.drain()

    assert await door.world.plan(anna) == "FREE", "the gateway says it is not paid"
    assert await door.world.cash(anna) == {}
    door.world.gateway.pay(payment_id)
    assert await door.provider_says(claim(payment_id, **changed)) == 200
    await door.world.pump.drain()
    assert await door.world.plan(anna) == "PRO_MONTHLY"
    assert await door.world.cash(anna) == {}


async def test_a_payment_that_nobody_knows_books_nothing(door: Door) -> None:
    before = everything_in(door.world)["entries"]

    assert await door.provider_says(claim("00000000-0000-5000-8000-000000000000")) == 200
    await door.world.pump.drain()

    assert everything_in(door.world)["entries"] == before


async def test_a_webhook_replayed_for_a_month_pays_once(door: Door) -> None:
    anna = await door.world.customer()
    payment_id = door.world.pays(await door.world.buys(anna))
    for seconds in (0, 1, 3600, 86_400, 30 * 86_400):
        door.world.clock.advance(seconds=seconds)
        assert await door.provider_says(claim(payment_id)) == 200
        assert await door.provider_says({**claim(payment_id), "extra": " "}) == 200
        await door.world.pump.drain()

    charges = [one for one in everything_in(door.world)["entries"] if "charge" in str(one)]
    assert len(charges) == 1


async def test_succeeded_after_canceled_is_what_the_gateway_says(door: Door) -> None:
    anna = await door.world.customer()
    payment_id = PaymentId(str((await door.world.buys(anna)).checkout.payment_id))
    door.world.gateway.cancel(payment_id)
    canceled = {**claim(payment_id, status="canceled"), "event": "payment.canceled"}
    for told in (canceled, claim(payment_id), canceled, claim(payment_id)):
        assert await door.provider_says(told) == 200
        await door.world.pump.drain()

    assert await door.world.plan(anna) == "FREE"
    assert await door.world.cash(anna) == {}


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_only_post_is_a_webhook(door: Door, method: str) -> None:
    assert await door.hears(b"", ("X-Forwarded-For", PROVIDER), method=method) == 405


FORWARDED: dict[str, tuple[list[tuple[str, str]], int]] = {
    "none": ([], 403),
    "the provider": ([("X-Forwarded-For", PROVIDER)], 200),
    "a stranger": ([("X-Forwarded-For", STRANGER)], 403),
    "the provider made up": ([("X-Forwarded-For", f"{PROVIDER}, {STRANGER}")], 403),
    "the provider nearest": ([("X-Forwarded-For", f"{STRANGER}, {PROVIDER}")], 200),
    "through ourselves": ([("X-Forwarded-For", f"{PROVIDER}, 127.0.0.1")], 200),
    "two lines": ([("X-Forwarded-For", PROVIDER), ("X-Forwarded-For", STRANGER)], 403),
    "mapped": ([("X-Forwarded-For", f"::ffff:{PROVIDER}")], 200),
    "mapped, in hex": ([("X-Forwarded-For", "::ffff:b947:4c01")], 200),
    "NAT64": ([("X-Forwarded-For", "64:ff9b::b947:4c01")], 403),
    "with a port": ([("X-Forwarded-For", f"{PROVIDER}:443")], 403),
    "IPv6": ([("X-Forwarded-For", "2a02:5180:0:1509::1")], 200),
    "IPv6 next door": ([("X-Forwarded-For", "2a02:5180:0:1510::1")], 403),
    "IPv6 with a zone": ([("X-Forwarded-For", "2a02:5180:0:1509::1%eth0")], 403),
    "a word": ([("X-Forwarded-For", "unknown")], 403),
    "empty": ([("X-Forwarded-For", "")], 403),
    "5,000 commas": ([("X-Forwarded-For", "," * 5000)], 403),
    "zeros": ([("X-Forwarded-For", "185.71.076.1")], 403),
    "a number": ([("X-Forwarded-For", "3108457473")], 403),
    "past the edge": ([("X-Forwarded-For", "185.71.76.32")], 403),
    "loopback": ([("X-Forwarded-For", "127.0.0.1")], 403),
    "SQL": ([("X-Forwarded-For", "' OR 1=1--")], 403),
    "other headers": (
        [(name, PROVIDER) for name in ("X-Real-IP", "CF-Connecting-IP", "True-Client-IP")]
        + [("Forwarded", f"for={PROVIDER}")], 403),
    "other headers against": (
        [("X-Forwarded-For", PROVIDER), ("X-Real-IP", STRANGER), ("Forwarded", f"for={STRANGER}")],
        200),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "status"), FORWARDED.values(), ids=FORWARDED.keys())
async def test_the_sender_is_whom_our_own_proxy_saw(
    door: Door, lines: list[tuple[str, str]], status: int
) -> None:
    before = everything_in(door.world)

    assert await door.hears(json.dumps(PAID).encode(), *lines) == status

    assert (everything_in(door.world) == before) is (status != 200)


async def test_a_flood_of_forgeries_never_reaches_the_store_and_hides_no_genuine_one(
    door: Door,
) -> None:
    addresses = count()
    genuine = []
    forged = 0
    before = door.store.opened
    for n in range(2000):
        sender = STRANGER if n % 2 else f"198.51.{next(addresses) % 256}.{n % 250}"
        status = await door.hears(json.dumps(PAID).encode(), ("X-Forwarded-For", sender))
        assert status in {403, 429}
        forged += 1
        if n % 100 == 50:
            assert door.store.opened == before + len(genuine)
            genuine.append(f"30000000-0000-5000-8000-{n:012d}")
            assert await door.provider_says(claim(genuine[-1])) == 200

    assert forged == 2000
    assert door.store.opened == before + len(genuine), "one unit for each genuine one, no other"
    stored = everything_in(door.world)["inbox"].values()
    assert sorted(item.notice.payment_id for item in stored) == genuine


@pytest.mark.parametrize(
    "operation", [one for one in WITH_BODY if "return_url" in fields_of(one)], ids=name_of
)
async def test_no_attack_on_the_return_address_gets_through(operation: Operation) -> None:
    world = await World(MemoryStore(consequences)).opens()
    async with an_api(world) as api:
        scene = await a_scene(api)
        token = scene.credentials(operation)
        before = everything_in(world)
        for n, attack in enumerate(BAD_RETURN_URLS):
            body = (scene.body(operation) or {}) | {"return_url": attack["u"]}
            answer = await scene.sends(
                operation, token=token, raw=json.dumps(body).encode(), key=f"attack-{n}"
            )
            assert answer.status_code in {400, 422}, attack
            assert attack["u"] not in answer.text or len(attack["u"]) < 8
        assert everything_in(world) == before
