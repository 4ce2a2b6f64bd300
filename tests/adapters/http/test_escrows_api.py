"""Escrows over HTTP: what both sides, a stranger and an operator send and hear."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.persistence.memory import MemoryStore
from core.domain.payment import PaymentId
from core.use_cases.consequences import consequences
from tests.adapters.http.api import Api, an_api
from tests.builders import rub
from tests.escrows import Trade, offer_escrow
from tests.world import World

ANNA = "customers/external:anna"
WORKER = "customers/external:worker-1"
DOWN = {"part": "down_payment"}
REST = {"part": "remainder"}


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    world = await World(MemoryStore(consequences)).opens()
    await offer_escrow(world)
    async with an_api(world) as client:
        await client.host("PUT", f"{ANNA}/", {})
        yield client


def money(amount_minor: int, currency: str = "RUB") -> dict[str, object]:
    return {"amount_minor": amount_minor, "currency": currency}


def asked(**fields: object) -> dict[str, object]:
    told = {"payee": "external:worker-1", "title": "A kitchen, painted"}
    return {**told, "total": money(100_000), "down_payment": money(30_000), **fields}


async def opened(api: Api, key: str = "open") -> str:
    answer = await api.host("POST", f"{ANNA}/escrows/", asked(), key=key)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def given(api: Api, roubles: int) -> None:
    anna = await api.world.customer("external:anna")
    await Trade(api.world, anna, anna).gives(anna, rub(roubles))


async def funded(api: Api) -> str:
    """Both parts, from a wallet that held exactly so much."""
    await given(api, 1000)
    escrow_id = await opened(api)
    for body in (DOWN, REST):
        answer = await does(api, escrow_id, "fund", body | {"source": "wallet"})
        assert (answer.status_code, answer.json()["status"]) == (201, "paid")
    return escrow_id


async def does(
    api: Api, escrow_id: str, what: str, body: object = None, *, who: str = ANNA, key: str = ""
) -> Any:
    body = DOWN if body is None else body
    path = f"{who}/escrows/{escrow_id}/{what}/"
    return await api.host("POST", path, body, key=key or f"{what} {body}".replace(" ", "_"))


async def states(api: Api, escrow_id: str, who: str = ANNA) -> list[str]:
    answer = await api.host("GET", f"{who}/escrows/{escrow_id}/")
    return [part["status"] for part in answer.json()["parts"]]


async def balances(api: Api, who: str) -> tuple[int, int]:
    """Cash, and what lies in escrow."""
    told = (await api.host("GET", f"{who}/wallet/")).json()
    [cash], [aside] = (
        [one["amount_minor"] for one in told[name] if one["currency"] == "RUB"]
        for name in ("balances", "escrow")
    )
    return cash, aside


async def test_an_escrow_is_opened_for_a_payee_whom_the_backend_names_first(api: Api) -> None:
    answer = await api.host("POST", f"{ANNA}/escrows/", asked(), key="k")

    told = answer.json()
    assert answer.status_code == 201
    assert told["id"].startswith("esc_")
    assert told["title"] == "A kitchen, painted"
    assert told["total"]["amount_minor"] == 100_000
    first, rest = told["parts"]
    assert (first["part"], first["status"], first["releasing_at"]) == (
        "down_payment",
        "unfunded",
        None,
    )
    assert (first["amount"]["amount_minor"], first["fee"]["amount_minor"]) == (30_000, 1_650)
    assert (rest["part"], rest["amount"]["amount_minor"]) == ("remainder", 70_000)
    worker = (await api.host("GET", f"{WORKER}/")).json()["customer"]["id"]
    assert told["payee"] == worker
    for who in (ANNA, WORKER):
        listed = (await api.host("GET", f"{who}/escrows/")).json()
        assert listed == {"items": [told], "next_cursor": None}


async def test_a_customers_own_session_names_only_whom_we_know(api: Api) -> None:
    await api.world.customer("external:known")
    token = await api.session()

    unknown = await api.call("POST", "escrows/", asked(), token=token, key="k")
    known = await api.call("POST", "escrows/", asked(payee="external:known"), token=token, key="k2")

    assert (unknown.status_code, unknown.json()["code"]) == (404, "customer_not_found")
    assert known.status_code == 201
    assert (await api.host("GET", f"{WORKER}/")).status_code == 404


async def test_a_part_is_funded_at_a_gateway_as_any_purchase_is(api: Api) -> None:
    escrow_id = await opened(api)

    answer = await does(api, escrow_id, "fund", DOWN | {"source": "yookassa"})

    told = answer.json()
    assert (answer.status_code, told["status"], told["gateway"]) == (201, "pending", "yookassa")
    assert (told["item"]["escrow"], told["item"]["part"]) == (escrow_id, "down_payment")
    payment_id = PaymentId(told["payment_id"])
    api.world.gateway.pay(payment_id)
    await api.world.hears(payment_id)
    assert await states(api, escrow_id) == ["funded", "unfunded"]
    assert await balances(api, ANNA) == (0, 30_000)


async def test_a_wallet_with_too_little_says_what_is_missing(api: Api) -> None:
    await given(api, 299)
    escrow_id = await opened(api)

    answer = await does(api, escrow_id, "fund", DOWN | {"source": "wallet"})

    assert (answer.status_code, answer.json()["code"]) == (402, "wallet_too_low")
    assert answer.json()["missing"] == {"amount_minor": 100, "currency": "RUB"}
    assert await states(api, escrow_id) == ["unfunded", "unfunded"]


async def test_the_payers_word_pays_the_payee_after_the_buffer(api: Api) -> None:
    escrow_id = await funded(api)

    word = await does(api, escrow_id, "release")
    await api.world.time_passes(hours=48)

    assert word.json()["parts"][0]["releasing_at"] == "2026-03-12T09:00:00.123457Z"
    assert await states(api, escrow_id, WORKER) == ["released", "funded"]
    assert (await balances(api, WORKER), await balances(api, ANNA)) == ((28_350, 0), (0, 70_000))
    repeated = await does(api, escrow_id, "release")
    assert repeated.content == word.content, "the same key hears the same answer"


async def test_the_payee_gives_back_and_then_nothing_is_released(api: Api) -> None:
    escrow_id = await funded(api)

    payer = await does(api, escrow_id, "refund", key="payer")
    payee = await does(api, escrow_id, "refund", who=WORKER)
    late = await does(api, escrow_id, "release")

    assert (payer.status_code, payer.json()["code"]) == (409, "not_your_move")
    assert payer.json()["decides"] == "payee"
    assert payee.json()["parts"][0]["status"] == "refunded"
    assert (late.status_code, late.json()["code"]) == (409, "escrow_part_not_ready")
    assert late.json()["part_status"] == "refunded"
    assert await balances(api, ANNA) == (30_000, 70_000)


@pytest.mark.parametrize(("to", "worker"), [("payer", 0), ("payee", 28_350)])
async def test_a_dispute_waits_for_an_operator(api: Api, to: str, worker: int) -> None:
    escrow_id = await funded(api)
    await does(api, escrow_id, "release")

    for _ in range(2):
        disputed = await api.host("POST", f"{ANNA}/escrows/{escrow_id}/dispute/", DOWN)
        assert (disputed.status_code, disputed.json()["parts"][0]["status"]) == (200, "disputed")
    await api.world.time_passes(days=9)
    assert await balances(api, WORKER) == (0, 0)
    path, body = f"operator/escrows/{escrow_id}/resolve/", {"to": to, "reason": "photos seen"}
    resolved = await api.host("POST", path, body, key="resolve")

    assert resolved.status_code == 200, resolved.text
    assert await balances(api, WORKER) == (worker, 0)
    assert await api.world.cases() == []
    again = await api.host("POST", path, body, key="another")
    assert (again.status_code, again.json()["code"]) == (409, "nothing_disputed")


async def test_for_everybody_else_an_escrow_is_not_there(api: Api) -> None:
    escrow_id = await funded(api)
    await api.host("PUT", "customers/external:carol/", {})
    token = await api.session(1003)
    nowhere = "esc_99999999"

    for what in ("fund", "release", "refund", "dispute"):
        body = DOWN | ({"source": "wallet"} if what == "fund" else {})
        for who, one in (("customers/external:carol", escrow_id), (ANNA, nowhere)):
            answer = await does(api, one, what, body, who=who, key=f"{what}-{one}")
            assert (answer.status_code, answer.json()["code"]) == (404, "escrow_not_found")
        mine = await api.call("POST", f"escrows/{escrow_id}/{what}/", body, token=token, key="k")
        assert mine.status_code == 404
    assert (await api.call("GET", f"escrows/{escrow_id}/", token=token)).status_code == 404
    assert (await api.call("GET", "escrows/", token=token)).json()["items"] == []
    assert await states(api, escrow_id) == ["funded", "funded"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (asked(down_payment=money(100_001)), 422, "escrow_not_usable"),
        (asked(down_payment=money(0)), 422, "escrow_not_usable"),
        (asked(down_payment=money(-1)), 422, "escrow_not_usable"),
        (asked(down_payment=money(1, "XTR")), 422, "escrow_not_usable"),
        (asked(total=money(9, "EUR"), down_payment=money(9, "EUR")), 422, "escrow_not_usable"),
        (asked(down_payment=money(1, "ZZZ")), 422, "unknown_currency"),
        (asked(down_payment=money(10**15 + 1)), 422, "fields_not_valid"),
        (asked(down_payment=1), 422, "fields_not_valid"),
        (asked(title=""), 422, "fields_not_valid"),
        (asked(payee="nobody"), 422, "identity_not_readable"),
        (asked(payee="cus_nobody00"), 404, "customer_not_found"),
        (asked(payee="external:anna"), 422, "escrow_with_oneself"),
        (asked(fee=0), 422, "fields_not_valid"),
    ],
)
async def test_what_makes_no_escrow_is_said_so(
    api: Api, body: object, status: int, code: str
) -> None:
    answer = await api.host("POST", f"{ANNA}/escrows/", body, key="k")

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await api.host("GET", f"{ANNA}/escrows/")).json()["items"] == []


async def test_without_escrows_nobody_learns_who_is_a_customer() -> None:
    world = await World(MemoryStore(consequences)).opens()
    async with an_api(world) as shop:
        await shop.host("PUT", "customers/telegram:1002/", {})
        token = await shop.session(1001)
        for named in ("telegram:1002", "telegram:1003", "cus_nobody00"):
            odd = asked(payee=named, total=money(1, "ZZZ"))
            told = [
                (await shop.call("POST", "escrows/", body, token=token, key="k")).json()["code"]
                for body in (asked(payee=named), odd)
            ]
            assert told == ["not_offered", "unknown_currency"]
        await shop.host("POST", "customers/telegram:1001/escrows/", asked(), key="k")
        shown = await shop.host("GET", "customers/external:worker-1/")
    assert shown.status_code == 404, "nor is a payee made where nothing can be paid"


async def test_where_money_moves_a_key_is_needed_and_stands_for_one_request(api: Api) -> None:
    escrow_id = await funded(api)
    place = f"{ANNA}/escrows/{escrow_id}"

    for path, body in (
        (f"{ANNA}/escrows/", asked()),
        (f"{place}/fund/", DOWN | {"source": "wallet"}),
        (f"{place}/release/", DOWN),
        (f"{place}/refund/", DOWN),
    ):
        answer = await api.host("POST", path, body)
        assert (answer.status_code, answer.json()["code"]) == (400, "headers_not_valid")
    await api.host("POST", f"{place}/release/", DOWN, key="k")
    other = await api.host("POST", f"{place}/release/", REST, key="k")
    assert (other.status_code, other.json()["code"]) == (409, "key_used_otherwise")
    third = await api.host("POST", f"{place}/release/", {"part": "third"}, key="k3")
    assert third.status_code == 422
    assert await states(api, escrow_id) == ["funded", "funded"]


async def test_escrows_come_in_pages_the_newest_first(api: Api) -> None:
    ids = []
    for number in range(3):
        ids.append(await opened(api, f"open-{number}"))
        api.world.clock.advance(seconds=1)

    first = (await api.host("GET", f"{WORKER}/escrows/?limit=2")).json()
    rest = (await api.host("GET", f"{WORKER}/escrows/?cursor={first['next_cursor']}")).json()

    assert [one["id"] for one in (*first["items"], *rest["items"])] == ids[::-1]
    assert rest["next_cursor"] is None
