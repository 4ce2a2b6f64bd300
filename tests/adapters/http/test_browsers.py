"""Cookies, CSRF and CORS: whose page may do what, and that nobody else's may."""

from collections.abc import AsyncIterator
from dataclasses import replace
from http.cookies import SimpleCookie

import httpx
import pytest
from starlette.routing import Route

from adapters.http.app import SECURITY_SCHEMES, operations
from adapters.http.browsers import COOKIE
from adapters.http.operations import routes
from adapters.http.return_urls import origin_of
from adapters.persistence.memory import MemoryStore
from core.use_cases.consequences import consequences
from tests.adapters.http.api import ROOT, Api, an_api
from tests.world import World

OWN = "https://billing.example.com"
LISTED = "https://shop.example.com"
FOREIGN = {
    "null": "null",
    "nothing": "",
    "over http": "http://shop.example.com",
    "another port": "https://shop.example.com:8443",
    "the default port spelled out": "https://shop.example.com:443",
    "a sibling": "https://evil.example.com",
    "the parent": "https://example.com",
    "a child": "https://x.shop.example.com",
    "a host that ends alike": "https://evilshop.example.com",
    "a host that begins alike": "https://shop.example.com.evil.com",
    "a path behind it": "https://shop.example.com/",
    "in capitals": "HTTPS://SHOP.EXAMPLE.COM",
    "ours over http": "http://billing.example.com",
    "two at once": "https://shop.example.com https://evil.com",
    "any": "*",
}


class Page:
    """A page in a browser that has signed in with a cookie."""

    def __init__(self, api: Api, answer: httpx.Response) -> None:
        self.api = api
        self.csrf_token = answer.json()["csrf_token"]
        self.cookie = cookie_of(answer)

    async def calls(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> httpx.Response:
        """As our own page would, unless `headers` say otherwise; an empty one is not sent."""
        usual = {"Origin": LISTED, "X_CSRF_Token": self.csrf_token, "Cookie": self.cookie}
        sent = {name: value for name, value in (usual | headers).items() if value}
        return await self.api.call(method, path, body, **sent)


def cookie_of(answer: httpx.Response) -> str:
    [line] = answer.headers.get_list("set-cookie")
    return line.partition(";")[0]


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    world = await World(MemoryStore(consequences)).opens()
    async with an_api(world) as client:
        yield client


async def signed_in(api: Api, user_id: int = 1001, **headers: str) -> httpx.Response:
    body = {"init_data": api.init_data(user_id), "cookie": True}
    return await api.call("POST", "auth/telegram/", body, **{"Origin": LISTED} | headers)


@pytest.fixture
async def page(api: Api) -> Page:
    return Page(api, await signed_in(api))


async def test_signing_in_for_a_page_hides_the_token_in_a_cookie(api: Api) -> None:
    answer = await signed_in(api)

    assert answer.status_code == 200
    assert set(answer.json()) == {"csrf_token", "expires_in"}
    parsed = SimpleCookie(answer.headers["set-cookie"])[COOKIE]
    assert COOKIE.startswith("__Host-")
    assert (parsed["secure"], parsed["httponly"], parsed["samesite"]) == (True, True, "lax")
    assert (parsed["path"], parsed["domain"], parsed["max-age"]) == ("/", "", "3600")
    assert parsed.value not in answer.text


async def test_a_page_looks_buys_renews_and_leaves(page: Page) -> None:
    assert (await page.calls("GET", "me/")).status_code == 200
    bought = await page.calls("POST", "purchases/", {"plan": "PRO_MONTHLY"}, Idempotency_Key="k")
    assert bought.status_code == 201

    page.api.world.clock.advance(minutes=50)
    renewed = await page.calls("POST", "auth/refresh/")
    assert renewed.json() == {"csrf_token": page.csrf_token, "expires_in": 3600}
    assert cookie_of(renewed) != page.cookie
    page.cookie = cookie_of(renewed)

    left = await page.calls("POST", "auth/logout/")
    assert left.status_code == 204
    gone = SimpleCookie(left.headers["set-cookie"])[COOKIE]
    assert (gone.value, gone["max-age"], gone["path"], gone["secure"]) == ("", "0", "/", True)
    assert (await page.calls("GET", "me/")).status_code == 401


async def test_a_new_sign_in_is_a_new_session_with_a_csrf_token_of_its_own(page: Page) -> None:
    again = Page(page.api, await signed_in(page.api, Cookie=page.cookie))
    assert again.cookie != page.cookie
    assert again.csrf_token != page.csrf_token
    crossed = await page.calls("POST", "auth/refresh/", X_CSRF_Token=again.csrf_token)
    assert crossed.json()["code"] == "csrf_token_not_valid"


RUB = {"amount_minor": 100, "currency": "RUB"}
METHOD = {
    "type": "gcash",
    "account_number": "09171234567",
    "holder_name": "JUAN DELA CRUZ",
    "billing": {"name": "Juan", "email": "juan@example.com", "phone": "+639171234567"},
}
ESCROW = {"payee": "telegram:1002", "total": RUB, "down_payment": RUB, "title": "A kitchen"}
CHANGES = (
    ("POST", "auth/refresh/", None),
    ("POST", "auth/logout/", None),
    ("DELETE", "me/", None),
    ("POST", "purchases/preview/", {"plan": "PRO_MONTHLY"}),
    ("POST", "purchases/", {"plan": "PRO_MONTHLY"}),
    ("POST", "purchases/pur_00000001/checkouts/", {}),
    ("POST", "purchases/pur_00000001/cancel/", None),
    ("PATCH", "subscription/", {"auto_renew": True}),
    ("POST", "subscription/trial/", None),
    ("POST", "subscription/cancel/", None),
    ("POST", "subscription/resume/", None),
    ("POST", "referral/", {"code": "nobody12345"}),
    ("POST", "promo/", {"code": "SPRING"}),
    ("POST", "wallet/deposits/", {"amount": RUB}),
    ("POST", "wallet/withdrawals/", {"amount": RUB, "payment_method": "pm_00000001"}),
    ("POST", "payment-methods/", METHOD),
    ("DELETE", "payment-methods/pm_00000001/", None),
    ("POST", "escrows/", ESCROW),
    ("POST", "escrows/esc_00000001/fund/", {"part": "remainder"}),
    ("POST", "escrows/esc_00000001/release/", {"part": "remainder"}),
    ("POST", "escrows/esc_00000001/refund/", {"part": "remainder"}),
    ("POST", "escrows/esc_00000001/dispute/", {"part": "remainder"}),
)
IDS = {
    "purchase_id": "pur_00000001",
    "method_id": "pm_00000001",
    "escrow_id": "esc_00000001",
    "ref": "telegram:1001",
}


def test_these_are_all_that_a_cookie_may_change() -> None:
    changing = {
        (one.method, one.path)
        for one in operations()
        if one.method != "GET" and ("cookie_session", "csrf") in one.security
    }
    assert {(method, with_ids(path)) for method, path in changing} == {
        (method, f"{ROOT}/{path}") for method, path, _ in CHANGES
    }


def with_ids(path: str) -> str:
    for name, own in IDS.items():
        path = path.replace(f"{{{name}}}", own)
    return path


async def is_refused(page: Page, code: str, **headers: str) -> None:
    for method, path, body in CHANGES:
        answer = await page.calls(method, path, body, Idempotency_Key="k", **headers)
        assert (answer.status_code, answer.json()["code"]) == (403, code), (path, headers)


@pytest.mark.parametrize("origin", [value for value in FOREIGN.values() if value])
async def test_with_a_cookie_a_foreign_page_changes_nothing(page: Page, origin: str) -> None:
    await is_refused(page, "origin_not_listed", Origin=origin)
    await is_refused(page, "origin_not_listed", Origin=origin, Sec_Fetch_Site="same-origin")


@pytest.mark.parametrize("site", ["", "cross-site", "same-site", "SAME-ORIGIN", "same-origin, x"])
async def test_who_does_not_say_where_from_changes_nothing(page: Page, site: str) -> None:
    await is_refused(page, "origin_not_listed", Origin="", Sec_Fetch_Site=site)


@pytest.mark.parametrize(
    ("origin", "site"),
    [(OWN, ""), (LISTED, ""), (LISTED, "same-site"), ("", "same-origin"), ("", "none")],
)
async def test_our_own_pages_may(page: Page, origin: str, site: str) -> None:
    answer = await page.calls(
        "POST", "purchases/preview/", {"plan": "PRO_MONTHLY"}, Origin=origin, Sec_Fetch_Site=site
    )
    assert answer.status_code == 200


async def test_without_its_csrf_token_a_page_changes_nothing(page: Page) -> None:
    other = Page(page.api, await signed_in(page.api, 1002))
    forged = ("", "x", page.csrf_token[:-1], page.csrf_token.upper(), other.csrf_token, page.cookie)
    for token in forged:
        await is_refused(page, "csrf_token_not_valid", X_CSRF_Token=token)
    assert (await page.calls("GET", "me/", X_CSRF_Token="")).status_code == 200


async def test_two_origins_or_two_csrf_tokens_are_none(page: Page) -> None:
    for name, value in (("Origin", LISTED), ("X-CSRF-Token", page.csrf_token)):
        twice = [(name, value), (name, value)]
        others = {"Origin": LISTED, "X-CSRF-Token": page.csrf_token, "Cookie": page.cookie}
        others.pop(name)
        answer = await page.api.client.post(
            f"{ROOT}/auth/refresh/", headers=[*others.items(), *twice]
        )
        assert answer.status_code == 403


async def test_the_header_wins_over_the_cookie(page: Page) -> None:
    boris = await page.api.session(1002)
    both = await page.calls("GET", "me/", Authorization=f"Bearer {boris}")
    assert both.json()["customer"]["identities"] == ["telegram:1002"]
    for no_good in ("Bearer x", "Basic eDp5", "Bearer", "tma x", ""):
        sent = {"Authorization": no_good} if no_good else {"Authorization": " "}
        answer = await page.calls("GET", "me/", **sent)
        assert answer.status_code == 401, no_good


async def test_a_bearer_needs_no_csrf_token_and_gets_no_cookie(api: Api) -> None:
    token = await api.session()
    for origin in (LISTED, "https://evil.com", "null"):
        answer = await api.call(
            "POST", "purchases/preview/", {"plan": "PRO_MONTHLY"}, token=token, Origin=origin
        )
        assert answer.status_code == 200
    renewed = await api.call("POST", "auth/refresh/", token=token)
    assert "set-cookie" not in renewed.headers
    assert set(renewed.json()) == {"access_token", "token_type", "expires_in"}


@pytest.mark.parametrize("origin", FOREIGN.values(), ids=FOREIGN.keys())
async def test_a_foreign_page_cannot_make_a_browser_take_its_cookie(api: Api, origin: str) -> None:
    token = await api.session()
    for answer in (
        await signed_in(api, Origin=origin),
        await api.call("POST", "auth/refresh/", {"cookie": True}, token=token, Origin=origin),
    ):
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


async def test_without_an_origin_of_our_own_an_empty_one_is_not_ours(api: Api) -> None:
    edge = replace(api.edge, own_origin=origin_of("http://billing.example.com"))
    assert edge.own_origin == ""
    assert edge.page_origins == {LISTED}
    assert origin_of("https://Billing.example.com:443/x") == OWN
    assert origin_of("http://127.0.0.1:8000/") == "http://127.0.0.1:8000"


async def test_a_page_exchanges_what_the_business_gave_it_for_a_cookie(api: Api) -> None:
    await api.host("PUT", "customers/external:anna/", {})
    token = (await api.host("POST", "customers/external:anna/sessions/")).json()["access_token"]
    answer = await api.call("POST", "auth/refresh/", {"cookie": True}, token=token, Origin=LISTED)
    page = Page(api, answer)

    assert (await page.calls("GET", "me/")).json()["customer"]["identities"] == ["external:anna"]
    plan = {"plan": "PRO_MONTHLY"}
    retired = await api.call("POST", "purchases/preview/", plan, token=token)
    assert retired.status_code == 401, "what passed through a script is of no more use"


async def test_an_api_key_in_the_cookie_is_nothing(api: Api) -> None:
    cookie = f"{COOKIE}=bh_test_key_of_the_host"
    for path in ("me/", "customers/telegram:1001/"):
        assert (await api.call("GET", path, Cookie=cookie)).status_code == 401


async def test_forms_and_plain_text_are_no_requests(page: Page) -> None:
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data"):
        answer = await page.api.client.post(
            f"{ROOT}/purchases/preview/",
            content=b'{"plan": "PRO_MONTHLY"}',
            headers={"Content-Type": kind, "Cookie": page.cookie, "Origin": LISTED},
        )
        assert answer.status_code == 415


async def test_a_method_is_not_overridden_by_a_header(page: Page) -> None:
    answer = await page.calls(
        "GET", "auth/logout/", X_HTTP_Method_Override="POST", X_Method_Override="POST"
    )
    assert answer.status_code == 405
    assert (await page.calls("GET", "me/")).status_code == 200


async def test_no_get_changes_anything(page: Page) -> None:
    """Every reading call there is, over a store that refuses to be written to."""

    def refuses() -> None:
        raise AssertionError("a unit of work was opened")

    gets = [one for one in operations() if one.method == "GET"]
    assert len(gets) >= 7
    page.api.world.store.write = refuses  # type: ignore[method-assign, assignment]
    for one in gets:
        path = with_ids(one.path) + ("?currency=RUB" if one.path.endswith("/entries/") else "")
        mine = await page.calls("GET", path)
        hosted = await page.api.host("GET", path)
        assert {mine.status_code, hosted.status_code} <= {200, 401, 404, 409}, path


def test_the_document_shows_how_a_cookie_is_used() -> None:
    assert SECURITY_SCHEMES["cookie_session"] == {"type": "apiKey", "in": "cookie", "name": COOKIE}
    assert SECURITY_SCHEMES["csrf"] == {"type": "apiKey", "in": "header", "name": "X-CSRF-Token"}
    used = {
        name
        for one in operations()
        for way in one.security
        for name in ([way] if isinstance(way, str) else way)
    }
    assert used == set(SECURITY_SCHEMES)
    assert all(isinstance(one, Route) for one in routes(operations()))


CORS = "access-control-"


def cors(answer: httpx.Response) -> dict[str, str]:
    return {n[len(CORS) :]: v for n, v in answer.headers.items() if n.startswith(CORS)}


async def preflight(
    api: Api, origin: str, method: str = "POST", headers: str = ""
) -> httpx.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    return await api.client.options(f"{ROOT}/purchases/", headers=asked)


async def test_a_listed_origin_is_told_what_it_may_for_ten_minutes(api: Api) -> None:
    wanted = "authorization, content-type, idempotency-key, x-csrf-token"
    answer = await preflight(api, LISTED, headers=wanted)

    assert answer.status_code == 200
    told = cors(answer)
    assert told["allow-origin"] == LISTED
    assert told["allow-credentials"] == "true"
    assert told["max-age"] == "600"
    assert set(told["allow-methods"].split(", ")) == {"GET", "POST", "PUT", "PATCH", "DELETE"}
    assert set(wanted.split(", ")) <= set(told["allow-headers"].lower().split(", "))
    assert answer.headers["X-Request-ID"] == "request-0001", "the front door is before it"


@pytest.mark.parametrize("origin", FOREIGN.values(), ids=FOREIGN.keys())
async def test_to_any_other_origin_nothing_is_said_of_cors(api: Api, origin: str) -> None:
    token = await api.session()
    asked = await preflight(api, origin, headers="authorization")
    called = await api.call("GET", "me/", token=token, Origin=origin)

    assert cors(asked) == cors(called) == {}
    assert asked.status_code == 405
    assert called.status_code == 200, "the browser keeps it from the page; others are no browsers"


async def test_our_own_origin_needs_no_cors(api: Api) -> None:
    assert cors(await preflight(api, OWN)) == {}


async def test_what_is_not_on_the_list_is_not_allowed_to_a_listed_origin_either(api: Api) -> None:
    for asked in (
        await preflight(api, LISTED, method="TRACE"),
        await preflight(api, LISTED, headers="x-http-method-override"),
        await preflight(api, LISTED, headers="cookie"),
    ):
        assert asked.status_code == 400


async def test_a_listed_page_may_read_refusals_too(api: Api) -> None:
    for answer in (
        await api.call("GET", "me/", Origin=LISTED),
        await api.call("GET", "nowhere/", Origin=LISTED),
    ):
        told = cors(answer)
        assert told["allow-origin"] == LISTED
        assert set(told["expose-headers"].split(", ")) == {"Retry-After", "X-Request-ID"}
        assert "Origin" in answer.headers["vary"]


async def test_without_an_origin_nothing_is_said_of_cors(api: Api) -> None:
    assert cors(await api.call("GET", "plans/")) == {}
