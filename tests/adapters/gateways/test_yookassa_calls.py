"""Calls to YooKassa over real HTTP: silences, refusals, keys, credentials, pages."""

import asyncio
import json
import logging
import traceback
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from adapters.gateways.yookassa.gateway import PAGES_MAX, YooKassaGateway
from adapters.gateways.yookassa.shop import YookassaKeyOfOtherMode, YooKassaShop
from core.domain.checkout import CheckoutId
from core.domain.payment import Foreign, OpenedCheckout, PaymentId, PaymentStatus
from core.ports.payment_gateway import (
    CheckoutDeclined,
    Gateways,
    GatewayUnavailable,
    PaymentGateway,
)
from sandbox.yookassa.rules import YooKassaRules
from sandbox.yookassa.wire import Call, Shop
from tests.adapters.gateways.desks import yookassa_plays
from tests.adapters.gateways.recorded import SHOP, TEST_SHOP, raw, recorded
from tests.adapters.gateways.served import Script, Stage
from tests.builders import Clock, a_checkout, an_asked_checkout

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAYMENT_ID = PaymentId("3286c3c0-000f-5000-8000-1a2b3c4d5e6f")
CHECKOUT = a_checkout()
SILENCES = {
    "202 still processing": (202, raw("api-processing.202")),
    "410": (410, raw("api-error.410")),
    "429": (429, raw("api-error.429")),
    "500": (500, raw("api-error.500")),
    "502 in HTML": (502, b"<html>Bad Gateway</html>"),
    "503 in JSON": (503, b'{"message": "no"}'),
    "504 without a body": (504, b""),
    "a redirect": (302, b""),
    "400 in HTML": (400, b"<html>Bad Request</html>"),
    "400 of somebody else": (400, b'{"message": "no"}'),
    "400 in a list": (400, b"[]"),
    "404 in HTML": (404, b"<html>Not Found</html>"),
    "200 in HTML": (200, b"<html>Welcome</html>"),
    "200 without a body": (200, b""),
    "200 with a list": (200, b"[]"),
    "200 with null": (200, b"null"),
    "200 with nothing in it": (200, b"{}"),
    "200 far too deep": (200, b"[" * 100_000),
}
OPERATORS_FAULTS = {
    "401": (401, raw("api-error.401")),
    "403": (403, raw("api-error.403-recurring")),
}


@asynccontextmanager
async def a_gateway(
    api_url: str, shop: YooKassaShop = SHOP, seconds: float = 10.0
) -> AsyncIterator[YooKassaGateway]:
    gateway = YooKassaGateway(shop, api_url=api_url, timeout_seconds=(seconds, seconds))
    yield gateway
    await gateway.close()


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(stage: Stage) -> AsyncIterator[YooKassaGateway]:
    async with a_gateway(stage.url) as gateway:
        yield gateway


def plays(stage: Stage, *answers: tuple[int, bytes]) -> Script:
    script = Script(*answers)
    stage.app = script.app
    return script


@pytest.mark.parametrize("silence", SILENCES | OPERATORS_FAULTS)
async def test_what_is_no_answer_leaves_the_outcome_unknown(
    stage: Stage, gateway: YooKassaGateway, silence: str
) -> None:
    script = plays(stage, (SILENCES | OPERATORS_FAULTS)[silence])

    for ask in (
        gateway.open_checkout(CHECKOUT),
        gateway.find_payment(PAYMENT_ID),
        gateway.find_checkout(CHECKOUT),
    ):
        with pytest.raises(GatewayUnavailable):
            await ask

    assert len(script.asked) == 3, "nothing is tried again in here"


@pytest.mark.parametrize("fault", OPERATORS_FAULTS)
async def test_wrong_credentials_are_said_loudly(
    stage: Stage, gateway: YooKassaGateway, fault: str
) -> None:
    plays(stage, OPERATORS_FAULTS[fault])

    with capture_logs() as logs, pytest.raises(GatewayUnavailable):
        await gateway.open_checkout(CHECKOUT)

    assert [line["log_level"] for line in logs] == ["error"]


async def test_nobody_listening_leaves_the_outcome_unknown() -> None:
    async with a_gateway("http://127.0.0.1:9") as gateway:
        with pytest.raises(GatewayUnavailable):
            await gateway.open_checkout(CHECKOUT)


async def test_waiting_has_an_end(stage: Stage, now: Clock) -> None:
    rules = YooKassaRules([Shop("100500", "live_secret", test=False)])
    rules.faults.plan("slow", 1)
    api_url = yookassa_plays(stage, rules, now, slow_seconds=0.5)

    async with a_gateway(api_url, seconds=0.1) as gateway:
        with pytest.raises(GatewayUnavailable):
            await gateway.open_checkout(CHECKOUT)

    assert rules.calls, "it was asked, and may have acted"


async def test_a_broken_off_answer_leaves_the_outcome_unknown(stage: Stage, now: Clock) -> None:
    rules = YooKassaRules([Shop("100500", "live_secret", test=False)])
    rules.faults.plan("timeout_after_acting", 1)

    async with a_gateway(yookassa_plays(stage, rules, now)) as gateway:
        with pytest.raises(GatewayUnavailable):
            await gateway.open_checkout(CHECKOUT)
        found = await gateway.find_checkout(CHECKOUT)

    assert found is not None


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (raw("api-error.400-receipt"), "invalid_request receipt"),
        (raw("api-error.400-invalid_request"), "invalid_request payment_method_id"),
        (b'{"code": "invalid_request"}', "invalid_request"),
        (b'{"code": "not_supported", "parameter": 5}', "not_supported"),
    ],
)
async def test_a_refusal_says_which_part_was_refused(
    stage: Stage, gateway: YooKassaGateway, answer: bytes, reason: str
) -> None:
    plays(stage, (400, answer))

    with pytest.raises(CheckoutDeclined) as declined:
        await gateway.open_checkout(CHECKOUT)

    assert declined.value.reason == reason


async def test_a_refusal_repeats_nothing_personal(stage: Stage, gateway: YooKassaGateway) -> None:
    answer = recorded("api-error.400-receipt") | {
        "description": "anna@example.com is no address",
        "parameter": "receipt.customer.email=anna@example.com",
    }
    plays(stage, (400, json.dumps(answer).encode()))

    with pytest.raises(CheckoutDeclined) as declined:
        await gateway.open_checkout(CHECKOUT)

    assert declined.value.reason == "invalid_request"


@pytest.mark.parametrize(
    ("status", "recording"),
    [
        (400, "api-error.400-idempotence-duplicated"),
        (400, "api-error.400-idempotence-empty"),
        (404, "api-error.404"),
    ],
)
async def test_our_own_mistakes_are_not_the_payers(
    stage: Stage, gateway: YooKassaGateway, status: int, recording: str
) -> None:
    plays(stage, (status, raw(recording)))

    with capture_logs() as logs, pytest.raises(GatewayUnavailable):
        await gateway.open_checkout(CHECKOUT)

    assert [line["log_level"] for line in logs] == ["error"]


@pytest.mark.parametrize(
    ("status", "recording"), [(404, "api-error.404"), (400, "api-error.400-payment-id")]
)
async def test_both_ways_to_say_not_found_are_known(
    stage: Stage, gateway: YooKassaGateway, status: int, recording: str
) -> None:
    plays(stage, (status, raw(recording)))

    assert await gateway.find_payment(PAYMENT_ID) is None


async def test_another_refusal_of_a_question_is_not_not_found(
    stage: Stage, gateway: YooKassaGateway
) -> None:
    plays(stage, (400, b'{"code": "invalid_request", "parameter": "created_at.lte"}'))

    with pytest.raises(GatewayUnavailable):
        await gateway.find_payment(PAYMENT_ID)
    with pytest.raises(GatewayUnavailable):
        await gateway.find_checkout(CHECKOUT)


async def test_the_answer_about_another_payment_is_no_answer(
    stage: Stage, gateway: YooKassaGateway
) -> None:
    plays(stage, (200, raw("api-get-payment.succeeded")))

    with pytest.raises(GatewayUnavailable):
        await gateway.find_payment(PaymentId("3286e000-000f-5000-9000-1c2d3e4f5061"))


async def test_a_payment_that_is_not_understood_is_said_loudly(
    stage: Stage, gateway: YooKassaGateway
) -> None:
    strange = recorded("api-get-payment.succeeded") | {"amount": {"value": "1", "currency": "KZT"}}
    plays(stage, (200, json.dumps(strange).encode()))

    with capture_logs() as logs:
        facts = await gateway.find_payment(PAYMENT_ID)

    assert facts is not None
    assert facts.status is PaymentStatus.UNKNOWN
    assert [line["log_level"] for line in logs] == ["error"]


@pytest.mark.parametrize(
    "recording", ["api-get-payment.succeeded", "api-cancel-payment.canceled_by_merchant"]
)
async def test_nobody_is_sent_to_a_payment_that_has_moved_on(
    stage: Stage, gateway: YooKassaGateway, recording: str
) -> None:
    plays(stage, (200, raw(recording)))
    checkout = an_asked_checkout()

    opened = await gateway.open_checkout(checkout)

    assert opened == OpenedCheckout(PAYMENT_ID, "", checkout.asked_at)
    open_ = checkout.becomes_open(opened, at=checkout.asked_at)
    assert not open_.can_be_paid_at(checkout.asked_at)


async def test_nobody_is_sent_to_a_payment_of_the_other_mode(stage: Stage) -> None:
    plays(stage, (200, raw("api-create-payment.pending")))

    async with a_gateway(stage.url, TEST_SHOP) as gateway:
        with pytest.raises(GatewayUnavailable):
            await gateway.open_checkout(CHECKOUT)


async def test_a_repeat_is_the_same_request_under_the_same_key(
    stage: Stage, gateway: YooKassaGateway
) -> None:
    script = plays(stage, (500, raw("api-error.500")), (200, raw("api-create-payment.pending")))
    with pytest.raises(GatewayUnavailable):
        await gateway.open_checkout(CHECKOUT)

    await gateway.open_checkout(CHECKOUT.becomes_open(CHECKOUT.opened, at=CHECKOUT.asked_at))

    (first, first_body), (again, again_body) = script.asked
    assert first.method == again.method == "POST"
    assert first.url.path == again.url.path == "/payments"
    assert first_body == again_body
    assert first.headers["Idempotence-Key"] == again.headers["Idempotence-Key"] == CHECKOUT.id


async def test_two_shops_at_once_never_mix_their_credentials(stage: Stage, now: Clock) -> None:
    rules = YooKassaRules([Shop("100500", "test_one"), Shop("100501", "test_other")])
    api_url = yookassa_plays(stage, rules, now)
    shops = {
        "100500": YooKassaShop("100500", "test_one", live=False),
        "100501": YooKassaShop("100501", "test_other", live=False),
    }

    async with (
        a_gateway(api_url, shops["100500"]) as one,
        a_gateway(api_url, shops["100501"]) as other,
    ):

        async def opens_and_finds(gateway: YooKassaGateway, number: int) -> Foreign | None:
            checkout = an_asked_checkout(id=CheckoutId(f"chk_{number}"))
            opened = await gateway.open_checkout(checkout)
            facts = await gateway.find_payment(opened.payment_id)
            assert facts is not None
            assert facts.checkout_id == checkout.id
            return facts.foreign

        foreign = await asyncio.gather(
            *(opens_and_finds(one if number % 2 else other, number) for number in range(60))
        )

    assert foreign == [None] * 60
    assert [payment.shop_id for payment in rules.payments()].count("100500") == 30
    assert {record.status for record in rules.calls} == {200}


async def test_another_shops_payment_is_not_found(stage: Stage, now: Clock) -> None:
    rules = YooKassaRules([Shop("100500", "live_secret", test=False), Shop("100501", "live_b")])
    theirs = rules.pay_at_dashboard("100501", "299.00", at=now())

    async with a_gateway(yookassa_plays(stage, rules, now)) as gateway:
        assert await gateway.find_payment(PaymentId(theirs["id"])) is None


async def test_a_checkout_is_found_among_many_payments(stage: Stage, now: Clock) -> None:
    rules = YooKassaRules([Shop("100500", "live_secret", test=False)])
    async with a_gateway(yookassa_plays(stage, rules, now)) as gateway:
        checkout = an_asked_checkout()
        opened = await gateway.open_checkout(checkout)
        for number in range(250):
            body = {"amount": {"value": "1.00", "currency": "RUB"}}
            call = Call("POST", "/payments", "100500", "live_secret", key=f"k{number}", body=body)
            assert rules.answer(call, at=now.advance(seconds=1)).status == 200

        found = await gateway.find_checkout(checkout)

    assert found is not None
    assert found.payment_id == opened.payment_id


@pytest.mark.parametrize(
    ("late", "is_found"), [(-4, True), (-6, False), (1444, True), (1446, False)]
)
async def test_it_is_looked_for_while_its_key_could_open_it(
    stage: Stage, now: Clock, late: int, is_found: bool
) -> None:
    rules = YooKassaRules([Shop("100500", "live_secret", test=False)])
    checkout = an_asked_checkout(asked_at=now() - timedelta(minutes=late))

    async with a_gateway(yookassa_plays(stage, rules, now)) as gateway:
        await gateway.open_checkout(checkout)

        assert (await gateway.find_checkout(checkout) is not None) == is_found


async def test_too_many_payments_to_look_through_is_not_not_found(
    stage: Stage, gateway: YooKassaGateway
) -> None:
    page = {"type": "list", "items": [], "next_cursor": "37a5c87d-3984-51e8-a7f3-8de646d39ec15"}
    script = plays(stage, (200, json.dumps(page).encode()))

    with pytest.raises(GatewayUnavailable):
        await gateway.find_checkout(CHECKOUT)

    assert len(script.asked) == PAGES_MAX


@pytest.mark.parametrize("items", [None, {}, "x", [None], [[]]])
async def test_a_list_that_is_none_is_not_not_found(
    stage: Stage, gateway: YooKassaGateway, items: Any
) -> None:
    plays(stage, (200, json.dumps({"type": "list", "items": items}).encode()))

    with pytest.raises(GatewayUnavailable):
        await gateway.find_checkout(CHECKOUT)


async def test_neither_proxies_nor_cookies_come_between(
    stage: Stage, gateway: YooKassaGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    script = plays(stage, (200, raw("api-get-payment.succeeded")))

    assert await gateway.find_payment(PAYMENT_ID)

    assert "cookie" not in script.asked[0][0].headers


@pytest.mark.parametrize("status", [200, 400, 401, 500])
async def test_the_secret_is_shown_nowhere(
    stage: Stage, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    plays(stage, (status, b"<html>"))
    basic = b64encode(b"100500:live_secret").decode()

    caplog.set_level(logging.DEBUG)
    async with a_gateway(stage.url) as gateway, a_gateway("http://127.0.0.1:9") as nobody:
        with capture_logs() as logs:
            shown = [repr(SHOP), str(SHOP), repr(gateway), repr(vars(gateway))]
            for one in (gateway, nobody):
                with pytest.raises(GatewayUnavailable) as unavailable:
                    await one.open_checkout(CHECKOUT)
                shown.extend(traceback.format_exception(unavailable.value))

    told = "".join(shown) + caplog.text + repr(logs)
    assert "live_secret" not in told
    assert basic not in told
    assert "anna@example.com" not in told


@pytest.mark.parametrize(("secret", "live"), [("live_x", False), ("test_x", True)])
async def test_a_key_of_the_other_mode_stops_the_start(secret: str, live: bool) -> None:
    with pytest.raises(YookassaKeyOfOtherMode) as refused:
        YooKassaShop("100500", secret, live=live)

    assert "_x" not in str(refused.value)


async def test_it_can_be_switched_on() -> None:
    switched_on: PaymentGateway = YooKassaGateway(SHOP)

    assert Gateways(switched_on).get("yookassa") is switched_on
