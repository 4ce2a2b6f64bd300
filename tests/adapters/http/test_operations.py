"""Operations: what is declared is what is validated, routed and documented."""

import json

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate
from pydantic import BaseModel
from starlette.applications import Starlette

from adapters.http.documents import document_routes
from adapters.http.operations import (
    Closed,
    Operation,
    openapi_document,
    routes,
)
from adapters.http.problems import ANSWERS_TO_ERRORS
from tests.adapters.http.tea_room import (
    GOOD,
    KETTLE,
    KEY,
    OPERATIONS,
    TOLD,
    pour_raw,
    said,
)


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = Starlette(
        routes=routes(OPERATIONS) + document_routes(OPERATIONS, **TOLD),
        exception_handlers=dict(ANSWERS_TO_ERRORS),
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://tea")


async def test_a_request_reaches_its_endpoint_as_models(client: httpx.AsyncClient) -> None:
    sent = {**GOOD, "at": "2026-10-01T15:00:00+03:00", "leaf": {"kind": "green", "degrees": 80}}

    answer = await client.post("/kettles/ket_abcd/", json=sent, headers=KEY)

    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["id"] == "ket_abcd"
    assert answer.json()["key"] == "k1"
    assert answer.json()["tea"] == {**sent, "at": "2026-10-01T12:00:00Z", "hot": True}


@pytest.mark.parametrize("path", ["/kettles/ket_abcd", "/kettles/ket_abcd/", "/cups", "/cups/"])
async def test_a_path_answers_with_and_without_its_slash(
    client: httpx.AsyncClient, path: str
) -> None:
    assert (await client.get(path)).status_code == 200


async def test_a_named_path_comes_before_a_parameter(client: httpx.AsyncClient) -> None:
    assert (await client.get("/kettles/preview/")).json()["id"] == "preview"
    assert (await client.post("/kettles/preview/")).status_code == 405, "and is nobody's id"


async def test_a_405_lists_every_method_of_the_path(client: httpx.AsyncClient) -> None:
    answer = await client.put("/kettles/ket_abcd/")

    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST", "DELETE"}
    assert answer.json()["code"] == "method_not_allowed"


async def test_head_is_get(client: httpx.AsyncClient) -> None:
    assert (await client.head("/kettles/ket_abcd/")).status_code == 200


async def test_an_answer_may_be_empty_or_raw_or_a_refusal(client: httpx.AsyncClient) -> None:
    emptied = await client.delete("/kettles/ket_abcd/")
    refused = await client.delete("/kettles/ket_none/")
    raw = await client.get("/raw/")

    assert (emptied.status_code, emptied.content) == (204, b"")
    assert (refused.status_code, refused.json()["code"]) == (409, "kettle_empty")
    assert raw.text == "as it is"


@pytest.mark.parametrize("kettle_id", ["x", "ket_ABCD", "ket_abcd%0A", "ket_abcd%00", "a%2Fb"])
async def test_an_id_that_cannot_be_is_not_found(client: httpx.AsyncClient, kettle_id: str) -> None:
    answer = await client.get(f"/kettles/{kettle_id}/")

    assert (answer.status_code, answer.json()["code"]) == (404, "path_not_found")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Idempotency-Key": ""},
        {"Idempotency-Key": "x" * 65},
        {"Idempotency-Key": "a b"},
        [("Idempotency-Key", "a"), ("Idempotency-Key", "b")],
    ],
)
async def test_a_header_that_is_missing_or_wrong_is_a_400(
    client: httpx.AsyncClient, headers: dict[str, str] | list[tuple[str, str]]
) -> None:
    answer = await client.post("/kettles/ket_abcd/", json=GOOD, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "headers_not_valid")
    assert said(answer) == [("header", "Idempotency-Key")]


WRONG_BODIES = {
    "nothing in it": ({}, ["name", "price"]),
    "a list": ([], [""]),
    "null": (None, [""]),
    "an unknown field": ({**GOOD, "role": "admin"}, ["role"]),
    "an unknown field within": (
        {**GOOD, "price": {**GOOD["price"], "balance": 1}},
        ["price.balance"],
    ),
    "a field called __proto__": ({**GOOD, "__proto__": {}}, ["__proto__"]),
    "true for a number": (
        {**GOOD, "price": {"amount_minor": True, "currency": "RUB"}},
        ["price.amount_minor"],
    ),
    "a text for a number": (
        {**GOOD, "price": {"amount_minor": "1", "currency": "RUB"}},
        ["price.amount_minor"],
    ),
    "a fraction": (
        {**GOOD, "price": {"amount_minor": 1.5, "currency": "RUB"}},
        ["price.amount_minor"],
    ),
    "below zero": (
        {**GOOD, "price": {"amount_minor": -1, "currency": "RUB"}},
        ["price.amount_minor"],
    ),
    "too much": (
        {**GOOD, "price": {"amount_minor": 10**15 + 1, "currency": "RUB"}},
        ["price.amount_minor"],
    ),
    "a number for a text": ({**GOOD, "name": 1}, ["name"]),
    "a number for a flag": ({**GOOD, "hot": 1}, ["hot"]),
    "a time as a number": ({**GOOD, "at": 0}, ["at"]),
    "a time as digits": ({**GOOD, "at": "1790856000"}, ["at"]),
    "a time without an offset": ({**GOOD, "at": "2026-10-01T15:00:00"}, ["at"]),
    "a date": ({**GOOD, "at": "2026-10-01"}, ["at"]),
    "a time before the calendar": ({**GOOD, "at": "0001-01-01T00:00:00+23:59"}, ["at"]),
    "a time with an odd offset": ({**GOOD, "at": "2026-10-01T15:00:00+99:99"}, ["at"]),
    "a time that never was": ({**GOOD, "at": "2026-02-30T15:00:00Z"}, ["at"]),
    "another kind": ({**GOOD, "leaf": {"kind": "x" * 1000}}, ["leaf"]),
    "a text too long": ({**GOOD, "name": "x" * 21}, ["name"]),
}


@pytest.mark.parametrize(("body", "fields"), WRONG_BODIES.values(), ids=WRONG_BODIES.keys())
async def test_a_wrong_body_is_a_422_that_names_the_field(
    client: httpx.AsyncClient, body: object, fields: list[str]
) -> None:
    answer = await client.post(
        "/kettles/ket_abcd/",
        content=json.dumps(body),
        headers={**KEY, "Content-Type": "application/json"},
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "fields_not_valid")
    assert said(answer) == [("body", field) for field in fields]


async def test_a_body_may_stay_away_if_nothing_in_it_is_required(
    client: httpx.AsyncClient,
) -> None:
    assert (await client.post("/pour/")).json()["id"] == "cups None"
    assert (await client.post("/pour/", json={"cups": 2})).json()["id"] == "cups 2"
    assert (await client.post("/pour/", json={"cup": 2})).status_code == 422
    assert (await client.post("/pour/", content=b"cups=2")).status_code == 415
    document = (await client.get("/openapi.json")).json()
    assert document["paths"]["/pour/"]["post"]["requestBody"]["required"] is False
    assert document["paths"][KETTLE]["post"]["requestBody"]["required"] is True


async def test_a_whole_number_may_be_written_as_a_fraction(client: httpx.AsyncClient) -> None:
    raw = b'{"name": "assam", "price": {"amount_minor": 1.0e2, "currency": "RUB"}}'

    answer = await client.post(
        "/kettles/ket_abcd/", content=raw, headers={**KEY, "Content-Type": "application/json"}
    )

    assert answer.json()["tea"]["price"]["amount_minor"] == 100


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"", {"Content-Type": "application/json"}, 400, "body_not_json"),
        (b"[" * 60_000, {"Content-Type": "application/json"}, 400, "body_not_json"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "media_type_not_supported"),
        (b"{}", {}, 415, "media_type_not_supported"),
        (b" " * 65_537, {"Content-Type": "application/json"}, 413, "body_too_large"),
    ],
)
async def test_what_is_no_json_is_a_problem_of_its_own(
    client: httpx.AsyncClient, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await client.post("/kettles/ket_abcd/", content=content, headers={**KEY, **headers})

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1_0", "limit"),
        ("limit=+1", "limit"),
        ("limit=%201", "limit"),
        ("limit=1.0", "limit"),
        ("limit=01", "limit"),
        ("limit=%EF%BC%91", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("strong=yes", "strong"),
        ("strong=1", "strong"),
        ("since=0", "since"),
        ("since=2026-10-01", "since"),
        ("sort=up", "sort"),
        ("cursor=%00", "cursor"),
        ("role=admin", "role"),
        ("&".join(f"f{n}=1" for n in range(65)), ""),
    ],
)
async def test_a_wrong_query_is_a_422_that_names_the_field(
    client: httpx.AsyncClient, query: str, field: str
) -> None:
    answer = await client.get(f"/cups?{query}")

    assert answer.status_code == 422
    assert said(answer) == [("query", field)]


async def test_a_query_is_read_into_its_types(client: httpx.AsyncClient) -> None:
    answer = await client.get("/cups?limit=7&strong=true&sort=new&since=2026-10-01T12:00:00Z")

    assert answer.json() == {"items": [], "limit": 7, "strong": True}


async def test_a_refusal_repeats_little_of_what_was_sent(client: httpx.AsyncClient) -> None:
    long = "MARK" * 300
    body = {**GOOD, long: 1, "leaf": {"kind": long}, "name": long, "at": long}

    told = (await client.post("/kettles/ket_abcd/", json=body, headers=KEY)).text
    asked = (await client.get(f"/cups?{long}=1&sort={long}&cursor={long}")).text
    many = await client.get("/cups?" + "&".join(f"f{n}=1" for n in range(60)))

    assert long[:65] not in told
    assert long[:65] not in asked
    assert len(said(many)) == 20


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
LIKE_TEA = st.fixed_dictionaries(
    {},
    optional={
        "name": JSON,
        "price": st.fixed_dictionaries({"amount_minor": JSON, "currency": JSON}) | JSON,
        "at": JSON,
        "leaf": JSON,
    },
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # A busy machine is no failure.
@given(body=LIKE_TEA)
async def test_no_body_breaks_anything(body: object) -> None:
    app = Starlette(routes=routes(OPERATIONS), exception_handlers=dict(ANSWERS_TO_ERRORS))
    headers = {**KEY, "Content-Type": "application/json"}
    content = json.dumps(body).encode()
    transport = httpx.ASGITransport(app=app)

    async with httpx.AsyncClient(transport=transport, base_url="http://tea") as client:
        answer = await client.post("/kettles/ket_abcd/", content=content, headers=headers)

    assert answer.status_code in {201, 400, 422}


async def test_the_document_is_valid_and_says_what_may_happen(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()

    validate(document)
    assert document == json.loads(json.dumps(openapi_document(OPERATIONS, **TOLD)))
    brew = document["paths"][KETTLE]["post"]
    assert brew["operationId"] == "brew_tea"
    assert brew["security"] == [{"session": []}]
    answers = ["200", "201", "400", "401", "404", "409", "413", "415", "422"]
    assert sorted(brew["responses"]) == answers
    conflict = brew["responses"]["409"]
    assert conflict["description"] == "There is no water in it. It has boiled."
    problem = conflict["content"]["application/problem+json"]["schema"]["allOf"]
    assert problem[0] == {"$ref": "#/components/schemas/Problem"}
    assert problem[1]["properties"]["code"]["enum"] == ["kettle_empty", "kettle_hot"]


async def test_the_document_names_components_and_parameters_plainly(
    client: httpx.AsyncClient,
) -> None:
    document = (await client.get("/openapi.json")).json()
    parameters = {
        (each["in"], each["name"]): each
        for operations in document["paths"].values()
        for operation in operations.values()
        for each in operation["parameters"]
    }

    assert {"Problem", "Brewed", "Cups", "Price"} <= set(document["components"]["schemas"])
    assert parameters["header", "Idempotency-Key"]["required"] is True
    assert parameters["path", "kettle_id"]["required"] is True
    assert parameters["query", "limit"]["required"] is False
    assert parameters["query", "strong"]["schema"]["type"] == "boolean"
    assert "null" not in json.dumps(parameters["query", "since"])


async def test_the_page_for_people_needs_nothing_from_elsewhere(
    client: httpx.AsyncClient,
) -> None:
    page = await client.get("/docs")

    assert page.headers["content-security-policy"].startswith("default-src 'self'; style-src 'sha")
    assert "Brew &lt;tea&gt;" in page.text
    assert "Tea &lt;room&gt; 1" in page.text
    assert "kettle_empty" in page.text
    assert "<script" not in page.text
    assert "http" not in page.text


def test_what_a_client_sends_must_be_closed_through_and_through() -> None:
    class Open(BaseModel):
        a: int

    class Outer(Closed):
        inner: Open

    with pytest.raises(AssertionError):
        Operation(
            method="POST",
            path="/",
            endpoint=pour_raw,
            summary="",
            body=Outer,
            responses={200: None},
        )


def test_a_declaration_twice_or_without_its_parameters_stops_the_start() -> None:
    with pytest.raises(AssertionError):
        routes([OPERATIONS[0], OPERATIONS[0]])
    with pytest.raises(AssertionError):
        Operation(method="GET", path="/{x}", endpoint=pour_raw, summary="", responses={200: None})
