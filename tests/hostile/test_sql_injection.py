"""SQL in every place where a stranger may write: it is data, on both databases, or refused."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from urllib.parse import quote

import pytest
from sqlalchemy import Engine, event

from adapters.http.operations import Operation
from adapters.persistence.sql.store import open_store
from core.use_cases.consequences import consequences
from tests.adapters.http.api import an_api
from tests.hostile.examples import OPERATIONS, Scene, a_scene, fields_of, name_of, takes_a_key
from tests.sql_databases import DATA_KEY
from tests.world import World

MARK = "zq7"
"""In every payload: a statement that holds it was put together from what was sent."""

PAYLOADS = [
    *(
        "'",
        '"',
        ";--",
        "' OR 1=1--",
        "%",
        "_",
        "\\",
        "$1",
        ":name",
        "?",
        "{}",
        "/*",
        "\0",
        "％ＯＲ",
    ),
    *("';SELECT pg_sleep(5);--", "1;DROP TABLE customer", "%(x)s", "%s", "')) UNION SELECT 1--"),
]
MARKED = [f"{payload}{MARK}" for payload in PAYLOADS]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    url = request.getfixturevalue(f"{request.param}_url")
    store = open_store(url, consequences=consequences, data_key=DATA_KEY)
    world = await World(store).opens()
    async with an_api(world) as api:
        yield await a_scene(api)
    await store.close()


@contextmanager
def statements() -> Iterator[list[str]]:
    """The text of all that is sent to a database meanwhile, without its parameters."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, text: str, *_: object) -> None:
        found.append(text)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def tried(scene: Scene, operation: Operation) -> AsyncIterator[tuple[str, str, int]]:
    """Every payload in every place of a request: the place, the payload and the answer's status."""
    token = scene.credentials(operation)
    for n, payload in enumerate(MARKED):
        for field, schema in fields_of(operation).items():
            if "string" not in json.dumps(schema):
                continue
            raw = json.dumps((scene.body(operation) or {}) | {field: payload}).encode()
            answer = await scene.sends(operation, token=token, raw=raw, key=f"{field}-{n}")
            yield field, payload, answer.status_code
        for name in () if operation.params is None else operation.params.model_fields:
            # A text that may stand in an identity of the host's own choice is tried as one, too.
            prefixes = ("", "external:a") if name == "ref" else ("",)
            for prefix in prefixes:
                own = scene.ids_of(operation, name).own
                path = scene.path(operation).replace(own, quote(prefix + payload, safe=""))
                answer = await scene.sends(operation, token=token, path=path)
                yield name, payload, answer.status_code
        for name in () if operation.query is None else operation.query.model_fields:
            answer = await scene.sends(operation, token=token, query=[(name, payload)])
            yield name, payload, answer.status_code
        if takes_a_key(operation) and payload.isascii() and payload.isprintable():
            answer = await scene.sends(operation, token=token, key=payload.replace(" ", "+"))
            yield "the key", payload, answer.status_code
        if token is not None and payload.isascii() and payload.isprintable():
            answer = await scene.sends(operation, token=token[:20] + payload)
            yield "the credentials", payload, answer.status_code


@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
async def test_what_is_written_never_becomes_a_statement(
    scene: Scene, operation: Operation
) -> None:
    with statements() as sent:
        before = await scene.sends(operation, token=scene.credentials(operation))
        assert before.status_code < 500
        wrong = [one async for one in tried(scene, operation) if one[2] >= 500]

    assert not wrong
    assert not [text for text in sent if MARK in text]
    if operation.security:
        assert sent, "nothing was asked of the database, so nothing was proven"


async def test_texts_that_may_be_anything_come_back_as_they_were(scene: Scene) -> None:
    token = scene.sessions["anna"]
    request_ids = [payload.replace(" ", "+") for payload in MARKED if payload.isascii()]
    for request_id in request_ids:
        if not request_id.isprintable():
            continue
        path = "customers/telegram:1001/usage/photo_ai/consume/"
        first, again = [
            await scene.api.host("POST", path, {"request_id": request_id}) for _ in range(2)
        ]
        assert first.status_code == 200
        assert first.json() == again.json(), "it was found again under its own text"

    assert (await scene.api.call("GET", "me/", token=token)).status_code == 200
