"""What a refused client reads, and what every answer carries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.http.limits import TooManyRequests
from adapters.http.problems import (
    ANSWERS_TO_ERRORS,
    STATUS,
    FrontDoor,
    error_kinds,
    problem_page,
    request_id_of,
    status_of,
    title_of,
    to_json,
)
from adapters.http.tokens import TokenNotValid
from core.domain.errors import BillingError, Conflict, NotFound, PaymentWouldHelp, Unavailable
from core.domain.money import Money

MADE_ID = "req_made_here"


@dataclass(eq=False)
class LemonadeTooDear(PaymentWouldHelp):
    """
    The lemonade costs
    more than there is.

    A second paragraph is for the page alone.
    """

    has: Money
    needs: Money
    asked_at: datetime


@dataclass(eq=False)
class LemonadeStatusTwisted(Conflict):
    """A fact is called like a member."""

    status: str


RAISED: dict[str, Exception] = {
    "dear": LemonadeTooDear(
        has=Money.of(5, "RUB"),
        needs=Money.of(29900, "RUB"),
        asked_at=datetime(2026, 10, 1, 15, 0, tzinfo=UTC),
    ),
    "twisted": LemonadeStatusTwisted(status="sour"),
    "gone": NotFound(),
    "down": Unavailable(),
    "often": TooManyRequests(retry_after_seconds=17),
    "stranger": TokenNotValid(),
    "bug": KeyError("secret inside"),
    "teapot": HTTPException(418, "secret inside"),
}


async def raising(request: Request) -> Response:
    raise RAISED[request.path_params["what"]]


async def fine(request: Request) -> Response:
    return JSONResponse({"id": request_id_of(request)}, headers={"Cache-Control": "max-age=60"})


def a_client(hosts: Sequence[str] = ()) -> httpx.AsyncClient:
    app = Starlette(
        routes=[
            Route("/raise/{what}", raising),
            Route("/fine", fine),
            Route("/problems/{code}", problem_page),
        ],
        exception_handlers=dict(ANSWERS_TO_ERRORS),
    )
    door = FrontDoor(app, new_request_id=lambda: MADE_ID, hosts=hosts)
    transport = httpx.ASGITransport(app=door, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://billing.example.com")


async def test_a_refusal_is_told_with_its_facts() -> None:
    answer = await a_client().get("/raise/dear")

    assert answer.status_code == 402
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "/problems/lemonade_too_dear",
        "title": "The lemonade costs more than there is.",
        "status": 402,
        "code": "lemonade_too_dear",
        "request_id": MADE_ID,
        "has": {"amount_minor": 5, "currency": "RUB"},
        "needs": {"amount_minor": 29900, "currency": "RUB"},
        "asked_at": "2026-10-01T15:00:00Z",
    }


async def test_a_fact_cannot_pass_for_a_standing_member() -> None:
    told = (await a_client().get("/raise/twisted")).json()

    assert told["status"] == 409
    assert told["code"] == "lemonade_status_twisted"


@pytest.mark.parametrize(
    ("what", "status", "code", "headers"),
    [
        ("gone", 404, "not_found", {}),
        ("down", 503, "unavailable", {"retry-after": "5"}),
        ("often", 429, "too_many_requests", {"retry-after": "17"}),
        ("stranger", 401, "token_not_valid", {"www-authenticate": "Bearer"}),
        ("bug", 500, "internal_error", {}),
        ("teapot", 400, "request_not_readable", {}),
    ],
)
async def test_a_kind_has_its_status_and_its_headers(
    what: str, status: int, code: str, headers: dict[str, str]
) -> None:
    answer = await a_client().get(f"/raise/{what}")

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert {name: answer.headers.get(name) for name in headers} == headers
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == MADE_ID


async def test_only_what_asks_for_patience_says_retry_after() -> None:
    assert "retry-after" not in (await a_client().get("/raise/bug")).headers
    assert "retry-after" not in (await a_client().get("/raise/dear")).headers


async def test_unknown_paths_and_methods_are_problems_too() -> None:
    async with a_client() as client:
        lost = await client.get("/nowhere")
        wrong = await client.delete("/fine")

    assert (lost.status_code, lost.json()["code"]) == (404, "path_not_found")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert set(wrong.headers["allow"].split(", ")) == {"GET", "HEAD"}


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("fact", "told"),
    [
        (None, None),
        (True, True),
        (7, 7),
        ("x" * 1000, "x" * 256),
        (Colour.RED, "red"),
        (b"secret", "bytes"),
        (object(), "object"),
        (1.5, "float"),
        (Money.of(1, "XTR").currency, "XTR"),
        (date(2026, 10, 1), "2026-10-01"),
        (timedelta(minutes=2), 120),
        ((1, Colour.RED), [1, "red"]),
        (frozenset({"b", "a"}), ["a", "b"]),
        ({"a": Money.of(1, "XTR")}, {"a": {"amount_minor": 1, "currency": "XTR"}}),
        (datetime.fromisoformat("2026-10-01T15:00:00+03:00"), "2026-10-01T12:00:00Z"),
    ],
)
def test_a_fact_is_told_as_json_and_an_unknown_thing_by_its_class(
    fact: object, told: object
) -> None:
    assert to_json(fact) == told


def test_every_refusal_has_a_status_and_a_title() -> None:
    kinds = list(error_kinds())

    assert set(STATUS) - {BillingError} <= set(kinds)
    assert all(400 <= status_of(kind) <= 503 and title_of(kind) for kind in kinds)


@pytest.mark.parametrize(
    ("offered", "kept"),
    [
        ("client-id.1_2", "client-id.1_2"),
        ("a" * 64, "a" * 64),
        ("a" * 65, MADE_ID),
        ("short", MADE_ID),
        ("with space in it", MADE_ID),
        ("<script>alert</script>", MADE_ID),
        ("", MADE_ID),
    ],
)
async def test_a_request_id_is_taken_only_in_its_form(offered: str, kept: str) -> None:
    answer = await a_client().get("/fine", headers={"X-Request-ID": offered})

    assert answer.headers["x-request-id"] == answer.json()["id"] == kept


async def test_two_request_ids_are_none() -> None:
    twice = [("X-Request-ID", "first-one"), ("X-Request-ID", "second-one")]

    answer = await a_client().get("/fine", headers=twice)

    assert answer.headers["x-request-id"] == MADE_ID


@pytest.mark.parametrize("path", ["/fine", "/nowhere", "/raise/bug", "/raise/dear"])
async def test_every_answer_carries_the_security_headers(path: str) -> None:
    headers = (await a_client().get(path)).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["cache-control"] == ("max-age=60" if path == "/fine" else "no-store")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("billing.example.com", 200),
        ("BILLING.example.com:8000", 200),
        ("[::1]:8000", 200),
        ("evil.com", 400),
        ("billing.example.com.evil.com", 400),
        ("billing.example.com:abc", 400),
        ("evil.com:80@billing.example.com", 400),
        ("", 400),
    ],
)
async def test_a_foreign_host_name_is_turned_away(host: str, status: int) -> None:
    client = a_client(hosts=["Billing.Example.com", "[::1]"])

    answer = await client.get("/fine", headers={"Host": host})

    assert answer.status_code == status
    if status == 400:
        assert answer.json()["code"] == "host_not_allowed"
        assert answer.headers["x-request-id"] == MADE_ID


async def test_two_host_names_are_turned_away() -> None:
    twice = [("Host", "billing.example.com"), ("Host", "billing.example.com")]

    answer = await a_client(hosts=["billing.example.com"]).get("/fine", headers=twice)

    assert answer.status_code == 400


async def test_any_host_name_will_do_when_none_is_listed() -> None:
    assert (await a_client().get("/fine", headers={"Host": "evil.com"})).status_code == 200


async def test_a_code_has_a_page() -> None:
    page = await a_client().get("/problems/lemonade_too_dear")

    assert page.status_code == 200
    for told in ("lemonade_too_dear", "A second paragraph", "402", "<code>needs</code>"):
        assert told in page.text


async def test_a_code_that_is_none_has_no_page() -> None:
    assert (await a_client().get("/problems/lemonade")).status_code == 404
