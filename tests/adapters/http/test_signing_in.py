"""Sessions over HTTP: tokens that turn, proofs that are used up, blocks and limits."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import httpx
import pytest
from limits import RateLimitItemPerMinute

from adapters.http.edge import INIT_DATA_LIFE
from adapters.http.init_data import FUTURE_MAX
from adapters.http.limits import (
    OPENING_BY_ADDRESS,
    OPENINGS_BY_CUSTOMER,
    REFRESH_BY_ADDRESS,
    SIGN_IN_BY_ADDRESS,
    SIGN_IN_BY_CUSTOMER,
)
from adapters.http.tokens import api_key_hash
from adapters.persistence.memory import MemoryStore
from core.domain.audit import Deed
from core.domain.cause import StoreBusy
from core.domain.credentials import SESSION_LIFE, Scope
from core.domain.customer import identity
from core.ports.unit_of_work import UnitOfWork
from core.use_cases.consequences import consequences
from tests.adapters.http.api import OLD_PEPPER, Api, an_api
from tests.world import World

PLAN = {"plan": "PRO_MONTHLY"}


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    world = await World(MemoryStore(consequences)).opens()
    async with an_api(world) as client:
        yield client


async def signs_in(api: Api, init_data: str, **headers: str) -> httpx.Response:
    return await api.call("POST", "auth/telegram/", {"init_data": init_data}, **headers)


async def refreshed(api: Api, token: str) -> str:
    answer = await api.call("POST", "auth/refresh/", token=token)
    assert answer.status_code == 200
    return str(answer.json()["access_token"])


async def statuses(api: Api, token: str) -> tuple[int, int]:
    """Of a look and of a change."""
    return (
        (await api.call("GET", "me/", token=token)).status_code,
        (await api.call("POST", "purchases/preview/", PLAN, token=token)).status_code,
    )


async def test_a_retired_token_reads_for_a_minute_and_changes_nothing(api: Api) -> None:
    old = await api.session()
    new = await refreshed(api, old)
    assert await statuses(api, old) == (200, 401)
    assert await statuses(api, new) == (200, 200)
    api.world.clock.advance(seconds=60)
    assert await statuses(api, old) == (401, 401)
    assert await statuses(api, new) == (200, 200)


async def test_a_copied_token_ends_the_session_when_it_is_renewed(api: Api) -> None:
    init_data = api.init_data()
    old = (await signs_in(api, init_data)).json()["access_token"]
    new = await refreshed(api, old)
    assert await refreshed(api, old), "within a minute it is a lost answer or another tab"
    api.world.clock.advance(seconds=60)
    caught = await api.call("POST", "auth/refresh/", token=old)
    assert (caught.status_code, caught.json()["code"]) == (401, "not_signed_in")
    assert await statuses(api, new) == (401, 401)
    assert (await signs_in(api, init_data)).status_code == 200, "the owner comes back"


async def test_the_same_proof_signs_in_until_somebody_signs_out_with_it(api: Api) -> None:
    init_data = api.init_data()
    one, two = [(await signs_in(api, init_data)).json()["access_token"] for _ in range(2)]
    tma = {"Authorization": f"tma {init_data}"}
    assert (await api.call("GET", "me/", **tma)).status_code == 200

    for _ in range(2):
        assert (await api.call("POST", "auth/logout/", token=one)).status_code == 204
    shuffled = "&".join(reversed(init_data.split("&")))
    for replayed in (init_data, shuffled, init_data.replace("%20", "+")):
        refused = await signs_in(api, replayed)
        assert (refused.status_code, refused.json()["code"]) == (401, "signed_out_before")
        assert "reopen the app" in refused.json()["title"]
    assert (await api.call("GET", "me/", **tma)).json()["code"] == "signed_out_before"
    assert await statuses(api, two) == (401, 401), "what the same proof opened is over as well"
    api.world.clock.advance(seconds=1)
    assert (await signs_in(api, api.init_data())).status_code == 200


async def test_a_retired_token_may_still_sign_out(api: Api) -> None:
    old = await api.session()
    new = await refreshed(api, old)
    api.world.clock.advance(minutes=5)
    assert (await api.call("POST", "auth/logout/", token=old)).status_code == 204
    assert await statuses(api, new) == (401, 401)


def test_a_proof_is_too_old_before_the_session_that_spent_it_is_forgotten() -> None:
    assert INIT_DATA_LIFE + FUTURE_MAX < SESSION_LIFE


async def test_init_data_itself_neither_renews_nor_signs_out_nor_buys(api: Api) -> None:
    await api.session()
    tma = {"Authorization": f"tma {api.init_data()}"}
    for path in ("auth/refresh/", "auth/logout/", "purchases/preview/", "purchases/"):
        answer = await api.call("POST", path, PLAN if "purch" in path else None, key="k", **tma)
        assert answer.status_code == 401, path


async def test_a_key_made_under_the_older_pepper_still_opens(api: Api) -> None:
    old = "bh_made_before_the_key_was_replaced"
    hashed = api_key_hash(old, OLD_PEPPER)
    await api.world.billing.put_key("old", hashed, frozenset({Scope.CUSTOMERS}))
    assert (await api.call("PUT", "customers/external:anna/", {}, token=old)).status_code == 200
    unknown = api_key_hash("bh_other", "a pepper that was never ours at all")
    await api.world.billing.put_key("other", unknown, frozenset(Scope))
    refused = await api.call("PUT", "customers/external:anna/", {}, token="bh_other")
    assert refused.status_code == 401


async def test_a_blocked_customer_hears_so_at_once_and_not_why(api: Api) -> None:
    init_data = api.init_data()
    token = (await signs_in(api, init_data)).json()["access_token"]
    anna = await api.world.billing.find_customer(identity("telegram:1001"))
    await api.world.billing.block_customer(anna, deed=Deed("ann", "charged back twice"))

    for answer in (
        await signs_in(api, init_data),
        await api.call("GET", "me/", token=token),
        await api.call("GET", "me/", Authorization=f"tma {init_data}"),
        await api.call("POST", "purchases/", PLAN, token=token, key="k"),
        await api.call("POST", "auth/refresh/", token=token),
        await api.host("POST", "customers/telegram:1001/sessions/"),
        await api.host("POST", "customers/telegram:1001/purchases/", PLAN, key="k"),
        await api.host("POST", "customers/telegram:1001/purchases/preview/", PLAN),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "customer_blocked")
        assert "charged" not in answer.text
    shown = await api.host("GET", "customers/telegram:1001/")
    assert shown.json()["customer"]["blocked"] is True
    use = {"amount": 1, "request_id": "r"}
    path = "customers/telegram:1001/usage/photo_ai/consume/"
    assert (await api.host("POST", path, use)).json()["allowed"] is True

    await api.world.billing.unblock_customer(anna, deed=Deed("ann", "settled"))
    assert (await api.call("GET", "me/", token=token)).json()["customer"]["blocked"] is False


async def test_a_mini_app_offers_what_the_operator_lets_telegram_see(api: Api) -> None:
    await api.world.lets_telegram_sell_for_stars_alone()
    inside = await api.session()
    web = (await api.host("POST", "customers/telegram:1001/sessions/")).json()["access_token"]
    bought = await api.call("POST", "purchases/", PLAN, token=web, key="web")
    assert bought.json()["gateway"] == "yookassa"
    one_more = f"purchases/{bought.json()['id']}/checkouts/"

    async def tries(token: str, key: str) -> set[tuple[int, str | None]]:
        asked = {"purchases/preview/": PLAN, "purchases/": PLAN, one_more: {}}
        answers = [
            await api.call("POST", path, body, token=token, key=key) for path, body in asked.items()
        ]
        return {(answer.status_code, answer.json().get("code")) for answer in answers}

    refused = {(409, "no_way_to_pay")}
    assert await tries(inside, "k1") == refused
    assert await tries(await refreshed(api, inside), "k2") == refused
    assert await tries(web, "k3") == {(200, None), (201, None)}


async def passed(answers: list[httpx.Response]) -> int:
    """How many were let through; the others were told to wait."""
    refused = [one for one in answers if one.status_code == 429]
    for one in refused:
        assert one.json()["code"] == "too_many_requests"
        assert int(one.headers["Retry-After"]) == one.json()["retry_after_seconds"] > 0
    return len(answers) - len(refused)


async def test_an_address_signs_in_so_often_whatever_it_sends(api: Api) -> None:
    most = SIGN_IN_BY_ADDRESS.amount
    here = {"X_Forwarded_For": "203.0.113.9"}
    answers = [await signs_in(api, "forged", **here) for _ in range(most + 5)]
    assert await passed(answers) == most
    last = await signs_in(api, api.init_data(), **here)
    assert last.status_code == 429
    assert (await signs_in(api, api.init_data(), X_Forwarded_For="203.0.113.10")).is_success
    api.world.clock.advance(minutes=10)
    assert (await signs_in(api, api.init_data(), **here)).is_success


async def test_a_customer_signs_in_so_often_from_wherever(api: Api) -> None:
    most = SIGN_IN_BY_CUSTOMER.amount
    answers = [
        await signs_in(api, api.init_data(), X_Forwarded_For=f"203.0.113.{n}")
        for n in range(most + 5)
    ]
    assert await passed(answers) == most
    assert (await signs_in(api, api.init_data(1002))).is_success


class BusyStore(MemoryStore):
    """Cannot open a unit the next few times."""

    busy = 0

    def write(self) -> AbstractAsyncContextManager[UnitOfWork]:
        if self.busy:
            self.busy -= 1
            raise StoreBusy
        return super().write()


async def test_what_is_tried_again_because_the_store_is_busy_counts_once() -> None:
    store = BusyStore(consequences)
    async with an_api(await World(store).opens()) as api:
        answers = []
        for n in range(SIGN_IN_BY_CUSTOMER.amount + 1):
            store.busy = 2 if n < 3 else 0
            here = {"X_Forwarded_For": f"203.0.113.{n}"}
            answers.append(await signs_in(api, api.init_data(), **here))
        assert await passed(answers) == SIGN_IN_BY_CUSTOMER.amount


async def test_an_address_renews_so_often(api: Api) -> None:
    most = REFRESH_BY_ADDRESS.amount
    answers = [await api.call("POST", "auth/refresh/", token="x") for _ in range(most + 5)]
    assert await passed(answers) == most


async def test_a_customer_opens_so_many_checkouts_whoever_asks(api: Api) -> None:
    token = await api.session()
    most = OPENINGS_BY_CUSTOMER[0].amount
    answers = [
        await api.call("POST", "purchases/", PLAN, token=token, key=f"k{n}")
        for n in range(most - 1)
    ]
    purchase = answers[0].json()["id"]
    path = f"purchases/{purchase}/checkouts/"
    answers.append(await api.call("POST", path, {}, token=token, key="another"))
    assert await passed(answers) == most
    hosted = await api.host("POST", "customers/telegram:1001/purchases/", PLAN, key="h")
    mine = await api.call("POST", "purchases/", PLAN, token=token, key="one-more")
    assert (hosted.status_code, mine.status_code) == (429, 429)

    other = await api.session(1002)
    assert (await api.call("POST", "purchases/", PLAN, token=other, key="k")).status_code == 201
    api.world.clock.advance(minutes=1)
    mine = await api.call("POST", "purchases/", PLAN, token=token, key="one-more")
    assert mine.status_code == 201


async def test_one_key_at_two_doors_is_no_repeat(api: Api) -> None:
    token = await api.session()
    most, deposit = (
        OPENINGS_BY_CUSTOMER[0].amount,
        {"amount": {"amount_minor": 100, "currency": "RUB"}},
    )
    asked = {"purchases/": PLAN, "wallet/deposits/": deposit}
    answers = [
        await api.call("POST", path, body, token=token, key=f"k{n}")
        for n in range(most)
        for path, body in asked.items()
    ]
    assert await passed(answers) == most


async def test_in_an_hour_a_customer_opens_sixty(api: Api) -> None:
    api.world.gateway.unavailable(1000)
    token, answers = await api.session(), []
    per_minute, per_hour = (limit.amount for limit in OPENINGS_BY_CUSTOMER)
    for minute in range(10):
        for n in range(per_minute):
            key = f"{minute}-{n}"
            answers.append(await api.call("POST", "purchases/", PLAN, token=token, key=key))
        api.world.clock.advance(minutes=1)
    assert await passed(answers) == per_hour


async def test_who_repeats_the_same_request_is_not_locked_out(api: Api) -> None:
    token = await api.session()
    repeats = OPENINGS_BY_CUSTOMER[0].amount * 3
    answers = [
        await api.call("POST", "purchases/", PLAN, token=token, key="same") for _ in range(repeats)
    ]
    assert {one.status_code for one in answers} == {201}
    more = OPENINGS_BY_CUSTOMER[0].amount - 1
    answers = [
        await api.call("POST", "purchases/", PLAN, token=token, key=f"k{n}")
        for n in range(more + 3)
    ]
    assert await passed(answers) == more, "the repeats counted once"


async def test_a_request_that_was_refused_does_not_pass_as_a_repeat(api: Api) -> None:
    token = await api.session()
    most = OPENINGS_BY_CUSTOMER[0].amount
    for n in range(most):
        await api.call("POST", "purchases/", PLAN, token=token, key=f"k{n}")
    refused = [
        await api.call("POST", "purchases/", PLAN, token=token, key="late") for _ in range(3)
    ]
    assert await passed(refused) == 0


async def test_an_address_opens_so_often_for_whomever(api: Api) -> None:
    most = OPENING_BY_ADDRESS.amount
    here = {"X_Forwarded_For": "203.0.113.9"}
    answers = [await api.call("POST", "purchases/", PLAN, key="k", **here) for _ in range(most + 5)]
    assert await passed(answers) == most
    await api.host("PUT", "customers/external:anna/", {})
    path = "customers/external:anna/purchases/"
    hosted = await api.host("POST", path, PLAN, key="k", **here)
    assert hosted.status_code == 201, "a backend has one address for all its customers"


async def test_a_key_has_no_limit_unless_it_is_given_one(api: Api) -> None:
    answers = [await api.host("PUT", "customers/external:a/", {}) for _ in range(300)]
    assert {one.status_code for one in answers} == {200}


async def test_a_key_with_a_limit_makes_so_many_requests_a_minute() -> None:
    world = await World(MemoryStore(consequences)).opens()
    limit = RateLimitItemPerMinute(5, namespace="key")
    async with an_api(world, key_limit=limit) as api:
        other = "bh_another"
        hashed = api_key_hash(other, OLD_PEPPER)
        await world.billing.put_key("another", hashed, frozenset(Scope))
        answers = [await api.host("PUT", "customers/external:a/", {}) for _ in range(8)]
        assert await passed(answers) == 5
        path = "customers/external:a/usage/photo_ai/consume/"
        assert (await api.host("POST", path, {"request_id": "r"})).status_code == 429
        assert (await api.call("GET", "customers/external:a/", token=other)).status_code == 200
        world.clock.advance(minutes=1)
        assert (await api.host("GET", "customers/external:a/")).status_code == 200
