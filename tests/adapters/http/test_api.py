"""The business over HTTP: what clients send and hear."""

from collections.abc import AsyncIterator

import pytest
from openapi_spec_validator import validate

from adapters.http.app import operations
from adapters.http.tokens import api_key_hash
from adapters.persistence.memory import MemoryStore
from core.domain.credentials import Scope
from core.use_cases.consequences import consequences
from tests.adapters.http.api import KEY, PEPPER, ROOT, Api, an_api
from tests.world import World


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    world = await World(MemoryStore(consequences)).opens()
    async with an_api(world) as client:
        yield client


async def test_the_fourth_photo_is_refused_and_pro_is_unlimited(api: Api) -> None:
    token = await api.session()

    async def consumes(request_id: str) -> dict[str, object]:
        answer = await api.host(
            "POST",
            "customers/telegram:1001/usage/photo_ai/consume/",
            {"amount": 1, "request_id": request_id},
        )
        assert answer.status_code == 200
        return answer.json()

    for n in range(3):
        assert (await consumes(f"r{n}"))["allowed"] is True
    fourth = await consumes("r3")
    assert fourth == {
        "allowed": False,
        "used": 3,
        "limit": 3,
        "remaining": 0,
        "resets_at": "2026-03-10T21:00:00Z",
        "packs": None,
    }

    bought = await api.call("POST", "purchases/", {"plan": "PRO_MONTHLY"}, token=token, key="k1")
    assert bought.status_code == 201
    purchase = bought.json()
    assert purchase["status"] == "pending"
    assert purchase["amount"] == {
        "amount_minor": 29900,
        "currency": "RUB",
        "display": "299,00\xa0₽",
    }
    assert purchase["confirmation_url"].startswith("https://")

    api.world.gateway.pay(purchase["payment_id"])
    await api.world.hears(purchase["payment_id"])

    me = (await api.call("GET", "me/", token=token)).json()
    assert me["subscription"]["plan"] == "PRO_MONTHLY"
    assert me["subscription"]["status"] == "active"
    assert me["usage"]["photo_ai"] == {
        "used": 3,
        "limit": None,
        "remaining": None,
        "resets_at": "2026-03-10T21:00:00Z",
        "packs": None,
    }
    assert me["wallet"]["balances"] == [
        {"amount_minor": 0, "currency": "RUB", "display": "0,00\xa0₽"}
    ]
    assert (await consumes("r4"))["remaining"] is None
    paid = await api.call("GET", f"purchases/{purchase['id']}/", token=token)
    assert paid.json()["status"] == "paid"
    assert paid.json()["confirmation_url"] is None


async def test_plans_are_told_in_the_language_asked_for(api: Api) -> None:
    russian = (await api.call("GET", "plans/?language=ru")).json()["items"]
    english = (await api.call("GET", "plans/")).json()["items"]
    assert [plan["code"] for plan in russian] == ["FREE", "PRO_MONTHLY", "PRO_YEARLY"]
    assert russian[1]["title"] == "PRO на месяц"
    assert english[1]["title"] == "PRO, one month"
    assert russian[0]["is_default"] is True
    assert russian[1]["prices"][0]["amount_minor"] == 29900
    assert russian[1]["quotas"]["photo_ai"]["limit"] is None


async def test_a_pack_is_bought_and_counts_in_what_remains(api: Api) -> None:
    token = await api.session()
    [sold] = (await api.call("GET", "plans/")).json()["packs"]
    price = sold.pop("prices")[0]["amount_minor"]
    assert (price, sold) == (
        29900,
        {
            "code": "PHOTOS_50",
            "title": "50 photos",
            "feature": "photo_ai",
            "units": 50,
            "pay_with": ["yookassa", "wallet"],
        },
    )
    shown = (
        await api.call("POST", "purchases/preview/", {"pack": "PHOTOS_50"}, token=token)
    ).json()
    assert (shown["plan"], shown["pack"], shown["period_end"]) == (None, "PHOTOS_50", None)
    order = {"pack": "PHOTOS_50", "preview_id": shown["preview_id"]}
    bought = await api.call("POST", "purchases/", order, token=token, key="k1")
    assert bought.status_code == 201
    assert bought.json()["item"]["pack"] == "PHOTOS_50"
    api.world.gateway.pay(bought.json()["payment_id"])
    await api.world.hears(bought.json()["payment_id"])

    four = {"amount": 4, "request_id": "four"}
    told = await api.host("POST", "customers/telegram:1001/usage/photo_ai/consume/", four)
    me = (await api.call("GET", "me/", token=token)).json()
    for usage in (told.json(), me["usage"]["photo_ai"]):
        assert (usage["used"], usage["limit"], usage["remaining"]) == (3, 3, 49)
        assert usage["packs"] == {"remaining": 49}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "fields_not_valid"),
        ({"plan": "PRO_MONTHLY", "pack": "PHOTOS_50"}, 422, "fields_not_valid"),
        ({"plan": "PHOTOS_50"}, 404, "plan_not_found"),
        ({"pack": "PRO_MONTHLY"}, 404, "pack_not_found"),
    ],
)
async def test_exactly_one_plan_or_pack_is_named(
    api: Api, body: dict[str, object], status: int, code: str
) -> None:
    token = await api.session()
    for path in ("purchases/", "purchases/preview/"):
        answer = await api.call("POST", path, body, token=token, key="k1")
        assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_money_needs_an_idempotency_key(api: Api) -> None:
    token = await api.session()
    answer = await api.call("POST", "purchases/", {"plan": "PRO_MONTHLY"}, token=token)
    assert answer.status_code == 400
    assert answer.json()["code"] == "headers_not_valid"


async def test_one_key_is_one_answer_and_another_request_with_it_a_conflict(api: Api) -> None:
    token = await api.session()
    body = {"plan": "PRO_MONTHLY"}
    one = await api.call("POST", "purchases/", body, token=token, key="same")
    two = await api.call("POST", "purchases", body, token=token, key="same")
    assert (one.status_code, one.json()) == (two.status_code, two.json())
    other = await api.call("POST", "purchases/", {"plan": "PRO_YEARLY"}, token=token, key="same")
    assert other.status_code == 409
    assert other.json()["code"] == "key_used_otherwise"


async def test_one_callers_key_is_not_anothers(api: Api) -> None:
    anna, boris = await api.session(1001), await api.session(1002)
    body = {"plan": "PRO_MONTHLY"}
    one = await api.call("POST", "purchases/", body, token=anna, key="same")
    two = await api.call("POST", "purchases/", body, token=boris, key="same")
    assert two.status_code == 201
    assert one.json()["id"] != two.json()["id"]


async def test_a_client_names_a_plan_never_a_price(api: Api) -> None:
    token = await api.session()
    body = {"plan": "PRO_MONTHLY", "amount": {"amount_minor": 1, "currency": "RUB"}}
    answer = await api.call("POST", "purchases/", body, token=token, key="k")
    assert answer.status_code == 422
    assert answer.json()["code"] == "fields_not_valid"


@pytest.mark.parametrize("path", ["me/", "purchases/", "purchases/pur_00000001/"])
async def test_without_a_session_nothing_is_shown(api: Api, path: str) -> None:
    for token in (None, "nonsense", KEY, "a.b.c"):
        answer = await api.call("GET", path, token=token)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_somebody_elses_purchase_looks_like_none(api: Api) -> None:
    anna, boris = await api.session(1001), await api.session(1002)
    bought = await api.call("POST", "purchases/", {"plan": "PRO_MONTHLY"}, token=anna, key="k")
    purchase_id = bought.json()["id"]

    async def told(method: str, path: str, **more: str) -> tuple[int, object]:
        answer = await api.call(method, path, {} if method == "POST" else None, token=boris, **more)
        body = answer.json()
        body.pop("purchase_id")
        return answer.status_code, body

    for method, rest, more in (
        ("GET", "", {}),
        ("POST", "cancel/", {}),
        ("POST", "checkouts/", {"key": "k2"}),
    ):
        theirs = await told(method, f"purchases/{purchase_id}/{rest}", **more)
        nobodys = await told(method, f"purchases/pur_99999999/{rest}", **more)
        assert theirs == nobodys
        assert theirs[0] == 404


async def test_a_session_ends_at_sign_out_and_is_renewed_until_then(api: Api) -> None:
    token = await api.session()
    api.world.clock.advance(minutes=50)
    renewed = (await api.call("POST", "auth/refresh/", token=token)).json()
    assert renewed["token_type"] == "Bearer"
    assert renewed["expires_in"] == 3600
    api.world.clock.advance(minutes=20)
    assert (await api.call("GET", "me/", token=token)).status_code == 401
    fresh = renewed["access_token"]
    assert (await api.call("GET", "me/", token=fresh)).status_code == 200
    assert (await api.call("POST", "auth/logout/", token=fresh)).status_code == 204
    assert (await api.call("GET", "me/", token=fresh)).status_code == 401
    assert (await api.call("POST", "auth/refresh/", token=fresh)).status_code == 401


async def test_an_old_sign_in_may_look_and_not_pay(api: Api) -> None:
    token = await api.session(age_seconds=2 * 3600)
    assert (await api.call("GET", "me/", token=token)).status_code == 200
    answer = await api.call("POST", "purchases/", {"plan": "PRO_MONTHLY"}, token=token, key="k")
    assert answer.status_code == 403
    assert answer.json()["code"] == "sign_in_too_old_for_money"


async def test_init_data_itself_reads_and_does_nothing_else(api: Api) -> None:
    await api.session()
    tma = {"Authorization": f"tma {api.init_data()}"}
    assert (await api.call("GET", "me/", **tma)).status_code == 200
    answer = await api.call("POST", "purchases/", {"plan": "PRO_MONTHLY"}, key="k", **tma)
    assert answer.status_code == 401


async def test_init_data_a_day_old_or_forged_does_not_sign_in(api: Api) -> None:
    old = {"init_data": api.init_data(age_seconds=25 * 3600)}
    assert (await api.call("POST", "auth/telegram/", old)).json()["code"] == "init_data_too_old"
    forged = {"init_data": api.init_data().replace("1001", "1002")}
    answer = await api.call("POST", "auth/telegram/", forged)
    assert answer.status_code == 401
    assert answer.json()["code"] == "init_data_not_trusted"


async def test_the_host_registers_and_signs_in_its_own_customers(api: Api) -> None:
    body = {"language": "ru", "receipt_contact": "anna@example.com", "zone": "Asia/Omsk"}
    put = await api.host("PUT", "customers/external:anna/", body)
    assert put.status_code == 200
    assert put.json()["customer"]["zone"] == "Asia/Omsk"
    again = await api.host("PUT", "customers/external:anna/", {"zone": "Europe/Paris"})
    assert again.json()["customer"] == put.json()["customer"], "a zone is not changed in passing"
    opened = await api.host("POST", "customers/external:anna/sessions/")
    assert opened.status_code == 201
    me = await api.call("GET", "me/", token=opened.json()["access_token"])
    assert me.json()["customer"]["identities"] == ["external:anna"]
    assert "anna@example.com" not in me.text, "a contact is written and never told"


async def test_the_host_buys_for_its_customer(api: Api) -> None:
    await api.host("PUT", "customers/external:anna/", {})
    path = "customers/external:anna/purchases/"
    bought = await api.host("POST", path, {"plan": "PRO_YEARLY"}, key="h1")
    assert bought.status_code == 201
    listed = (await api.host("GET", path)).json()
    assert [one["id"] for one in listed["items"]] == [bought.json()["id"]]
    assert listed["next_cursor"] is None
    one = await api.host("GET", f"{path}{bought.json()['id']}/")
    assert one.json() == bought.json()
    canceled = await api.host("POST", f"{path}{bought.json()['id']}/cancel/")
    assert canceled.json()["status"] == "canceled"


async def test_a_preview_says_what_buying_does(api: Api) -> None:
    token = await api.session()
    preview = await api.call("POST", "purchases/preview/", {"plan": "PRO_MONTHLY"}, token=token)
    assert preview.status_code == 200
    assert preview.json()["period_end"] == "2026-04-10T09:00:00.123457Z"
    assert preview.json()["returned_to_wallet"] is None


async def test_keys_do_what_their_scopes_say_and_no_more(api: Api) -> None:
    await api.host("PUT", "customers/external:anna/", {})
    weak = "bh_weak"
    await api.world.billing.put_key("weak", api_key_hash(weak, PEPPER), frozenset({Scope.USAGE}))
    consume = "customers/external:anna/usage/photo_ai/consume/"
    allowed = await api.call("POST", consume, {"request_id": "r"}, token=weak)
    assert allowed.status_code == 200
    for method, path in (("PUT", "customers/external:b/"), ("GET", "customers/external:anna/")):
        refused = await api.call(method, path, {} if method == "PUT" else None, token=weak)
        assert refused.status_code == 403
        assert refused.json()["needs"] == "customers"
    hashed = api_key_hash(weak, PEPPER)
    await api.world.billing.put_key("weak", hashed, frozenset({Scope.CUSTOMERS}))
    api.world.clock.advance(seconds=1)
    opened = await api.call("POST", "customers/external:anna/sessions/", token=weak)
    assert (opened.status_code, opened.json()["needs"]) == (403, "purchases"), "a session may buy"
    await api.world.billing.revoke_key("weak")
    api.world.clock.advance(seconds=1)
    assert (await api.call("POST", consume, {"request_id": "s"}, token=weak)).status_code == 401


@pytest.mark.parametrize(
    ("ref", "status"),
    [("external:nobody", 404), ("cus_00000000", 404), ("telegram:0", 422), ("telegram:x", 422),
     ("nonsense", 422), ("telegram:4503599627370496", 422)],
)  # fmt: skip
async def test_customers_that_are_not_there_are_said_so(api: Api, ref: str, status: int) -> None:
    answer = await api.host("GET", f"customers/{ref}/")
    assert answer.status_code == status


async def test_unknown_features_are_an_error_and_unplanned_ones_a_denial(api: Api) -> None:
    await api.host("PUT", "customers/external:anna/", {})
    answer = await api.host(
        "POST", "customers/external:anna/usage/video/consume/", {"request_id": "r"}
    )
    assert answer.status_code == 404
    assert answer.json()["code"] == "feature_not_found"


async def test_return_addresses_are_only_the_listed_ones(api: Api) -> None:
    token = await api.session()
    for url, status in (
        ("https://shop.example.com/done", 201),
        ("https://evil.example.com/", 422),
        ("//shop.example.com", 422),
    ):
        body = {"plan": "PRO_MONTHLY", "return_url": url}
        answer = await api.call("POST", "purchases/", body, token=token, key=url)
        assert answer.status_code == status, url


async def test_a_gateway_that_is_down_says_when_to_repeat(api: Api) -> None:
    token = await api.session()
    api.world.gateway.unavailable(1)
    body = {"plan": "PRO_MONTHLY"}
    answer = await api.call("POST", "purchases/", body, token=token, key="k")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert (await api.call("POST", "purchases/", body, token=token, key="k")).status_code == 201


async def test_webhooks_without_proof_are_refused_before_anything_is_stored(api: Api) -> None:
    answer = await api.call("POST", "webhooks/yookassa/", {"event": "payment.succeeded"})
    assert answer.status_code == 401
    assert (await api.call("POST", "webhooks/nowhere/", {})).status_code == 422


async def test_paths_answer_with_and_without_the_last_slash(api: Api) -> None:
    for path in ("plans", "plans/"):
        assert (await api.call("GET", path)).status_code == 200


async def test_whatever_is_wrong_is_a_problem_document(api: Api) -> None:
    cases = [
        ("GET", "/nowhere", None, 404),
        ("DELETE", f"{ROOT}/plans/", None, 405),
        ("POST", f"{ROOT}/auth/telegram/", {"x": 1}, 422),
    ]
    for method, path, body, status in cases:
        answer = await api.call(method, path, body)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == status
        assert problem["code"]
        assert problem["title"]
        assert answer.headers["X-Request-ID"] == problem["request_id"] == "request-0001"


async def test_the_document_is_valid_and_names_every_operation(api: Api) -> None:
    document = (await api.call("GET", "/openapi.json")).json()
    validate(document)
    told = {(method.upper(), path) for path, ways in document["paths"].items() for method in ways}
    assert told == {(one.method, one.path) for one in operations()}
    assert (await api.call("GET", "/docs")).status_code == 200


async def test_the_document_leads_on_from_a_purchase(api: Api) -> None:
    document = (await api.call("GET", "/openapi.json")).json()
    for path, ending, ref in (
        (f"{ROOT}/purchases/", "", {}),
        (f"{ROOT}/customers/{{ref}}/purchases/", "_for_customer", {"ref": "$request.path.ref"}),
    ):
        links = document["paths"][path]["post"]["responses"]["201"]["links"]
        names = {f"{name}{ending}" for name in ("show_purchase", "add_checkout", "cancel_purchase")}
        parameters = {**ref, "purchase_id": "$response.body#/id"}
        assert links == {name: {"operationId": name, "parameters": parameters} for name in names}


async def test_health_tells_why_it_is_not_ready() -> None:
    world = await World(MemoryStore(consequences)).opens()
    async with an_api(world, not_ready=["another revision"]) as api:
        answer = await api.call("GET", "/health/ready")
        assert answer.status_code == 503
        assert answer.json()["reasons"] == ["another revision"]
        assert (await api.call("GET", "/health/live")).status_code == 200
