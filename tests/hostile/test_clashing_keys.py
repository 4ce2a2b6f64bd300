"""Idempotency keys that clash, on every operation that takes one: one execution, one answer."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from adapters.http.operations import Operation
from adapters.persistence.memory import MemoryStore
from core.use_cases.consequences import consequences
from tests.adapters.http.api import an_api
from tests.hostile.examples import OPERATIONS, WITH_KEY, Scene, a_scene, fields_of, name_of
from tests.hostile.served import everything_in
from tests.world import World

OTHER_VALUES = {
    "days": 11,
    "plan": "PRO_YEARLY",
    "gateway": "yookassa",
    "return_url": "https://shop.example.com/x",
    "title": "A bathroom, painted",
    "part": "remainder",
    "amount": {"amount_minor": 20001, "currency": "RUB"},
    "to": "payer",
    "code": "AUTUMN-30",
    "limit": 7,
}
"""Valid values that make a request another one; at least one for each operation with a key."""


TELL_THE_PRESENT = {"POST /operator/purchases/{purchase_id}/refund/": ("refund", "refunded")}
"""A repeat hears how far it has come, meanwhile too; these of its fields stay as they were."""


def the_lasting_part(operation: Operation, answer: httpx.Response) -> str:
    fields = TELL_THE_PRESENT.get(name_of(operation))
    if fields is None:
        return answer.text
    told = answer.json()
    return json.dumps({name: told[name] for name in fields})


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async for one in a_new_scene():
        yield one


async def a_new_scene() -> AsyncIterator[Scene]:
    world = await World(MemoryStore(consequences)).opens()
    async with an_api(world) as api:
        yield await a_scene(api)


def rows_in(scene: Scene) -> dict[str, int]:
    return {name: len(rows) for name, rows in everything_in(scene.api.world).items()}


def another_body(scene: Scene, operation: Operation) -> bytes:
    name = next((name for name in OTHER_VALUES if name in fields_of(operation)), None)
    assert name is not None, (
        f"{name_of(operation)}: teach OTHER_VALUES of {__name__} one of its fields"
    )
    return json.dumps((scene.body(operation) or {}) | {name: OTHER_VALUES[name]}).encode()


@pytest.mark.parametrize("operation", WITH_KEY, ids=name_of)
async def test_a_repeat_is_the_first_answer_and_does_nothing(
    scene: Scene, operation: Operation
) -> None:
    token = scene.credentials(operation)
    first = await scene.sends(operation, token=token)
    assert first.status_code < 300, first.text
    before = everything_in(scene.api.world)

    again = await scene.sends(operation, token=token)

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert everything_in(scene.api.world) == before


@pytest.mark.parametrize("operation", WITH_KEY, ids=name_of)
async def test_the_same_key_with_another_request_is_a_conflict(
    scene: Scene, operation: Operation
) -> None:
    token = scene.credentials(operation)
    assert (await scene.sends(operation, token=token)).status_code < 300
    before = everything_in(scene.api.world)

    answer = await scene.sends(operation, token=token, raw=another_body(scene, operation))

    assert answer.status_code == 409
    assert answer.json()["code"] == "key_used_otherwise"
    assert everything_in(scene.api.world) == before


@pytest.mark.parametrize("many", [2, 10])
@pytest.mark.parametrize("operation", WITH_KEY, ids=name_of)
async def test_many_at_once_are_one_execution(
    scene: Scene, operation: Operation, many: int
) -> None:
    async for other in a_new_scene():
        await other.sends(operation, token=other.credentials(operation))
        once = rows_in(other)

    answers = await asyncio.gather(
        *(scene.sends(operation, token=scene.credentials(operation)) for _ in range(many))
    )

    done = [answer for answer in answers if answer.status_code < 300]
    assert done
    assert len({the_lasting_part(operation, answer) for answer in done}) == 1
    for answer in answers:
        if answer not in done:
            assert answer.status_code == 409, answer.text
            assert answer.json()["code"] == "still_running"
            assert 0 < int(answer.headers["Retry-After"]) <= 30
    assert rows_in(scene) == once


@pytest.mark.parametrize("operation", WITH_KEY, ids=name_of)
async def test_a_request_that_was_not_valid_does_not_use_its_key_up(
    scene: Scene, operation: Operation
) -> None:
    token = scene.credentials(operation)
    for raw in (b'{"no such field": 1}', b"{", b'{"gateway": "nowhere"}', b'{"plan": "NONE"}'):
        wrong = await scene.sends(operation, token=token, raw=raw)
        assert 400 <= wrong.status_code < 500

    assert (await scene.sends(operation, token=token)).status_code < 300


@pytest.mark.parametrize("operation", WITH_KEY, ids=name_of)
async def test_a_key_that_another_operation_used_is_unused(
    scene: Scene, operation: Operation
) -> None:
    token = scene.credentials(operation)
    others = [one for one in WITH_KEY if one is not operation and scene.credentials(one) == token]
    assert others
    for other in others:
        assert (await scene.sends(other, token=token)).status_code < 300

    assert (await scene.sends(operation, token=token)).status_code < 300


@pytest.mark.parametrize("operation", WITH_KEY, ids=name_of)
@pytest.mark.parametrize("key", ["k", "x" * 255, "!~{}\"'--;%s", "0"])
async def test_a_key_is_1_to_255_plain_characters(
    scene: Scene, operation: Operation, key: str
) -> None:
    answer = await scene.sends(operation, token=scene.credentials(operation), key=key)

    assert answer.status_code < 300, answer.text


@pytest.mark.parametrize("operation", WITH_KEY, ids=name_of)
@pytest.mark.parametrize(
    "lines",
    [[], [b""], [b" "], [b"x" * 256], [b"a b"], [b"a\tb"], [b"k\xc3\xa9"], [b"\xff"], [b"k", b"k"],
     [b"k\x7f"], [b"k\x00"]],
)  # fmt: skip
async def test_an_odd_key_is_refused_and_nothing_done(
    scene: Scene, operation: Operation, lines: list[bytes]
) -> None:
    before = everything_in(scene.api.world)
    headers = [
        (b"Authorization", f"Bearer {scene.credentials(operation)}".encode()),
        (b"Content-Type", b"application/json"),
        *((b"Idempotency-Key", line) for line in lines),
    ]

    answer = await scene.api.client.request(
        operation.method,
        scene.path(operation),
        content=json.dumps(scene.body(operation)).encode(),
        headers=headers,
    )

    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "headers_not_valid"
    assert everything_in(scene.api.world) == before


def test_every_operation_that_moves_money_takes_a_key() -> None:
    moves = {
        "POST /purchases/",
        "POST /purchases/{purchase_id}/checkouts/",
        "POST /customers/{ref}/purchases/",
        "POST /customers/{ref}/purchases/{purchase_id}/checkouts/",
        *(
            f"POST {whose}{path}"
            for whose in ("", "/customers/{ref}")
            for path in (
                "/wallet/deposits/",
                "/wallet/withdrawals/",
                "/payment-methods/",
                "/escrows/",
                "/escrows/{escrow_id}/fund/",
                "/escrows/{escrow_id}/release/",
                "/escrows/{escrow_id}/refund/",
            )
        ),
        "POST /operator/purchases/{purchase_id}/refund/",
        "POST /operator/customers/{ref}/adjust/",
        "POST /operator/escrows/{escrow_id}/resolve/",
    }

    assert moves <= {name_of(one) for one in WITH_KEY}
    assert all(one.method == "POST" for one in WITH_KEY)
    assert len(OPERATIONS) > len(WITH_KEY)
