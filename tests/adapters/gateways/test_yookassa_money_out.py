"""YooKassa gives money back, pays it out and charges again: what is asked, and what is concluded."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from adapters.gateways.yookassa.gateway import PAGES_MAX, YooKassaGateway
from adapters.gateways.yookassa.shop import YooKassaShop
from adapters.gateways.yookassa.translate import (
    facts_from_payment,
    facts_from_payout,
    facts_from_refund,
    notice_from_body,
    request_from_charge,
    request_from_checkout,
    request_from_order,
    request_from_refund,
)
from core.domain.money import Money
from core.domain.payment import NoticeKind, OutgoingStatus, PaymentFacts, PaymentId, PayoutId
from core.domain.payout import PayoutAccount, PayoutOrder
from core.ports.payment_gateway import (
    CheckoutDeclined,
    GatewayUnavailable,
    PayoutDeclined,
    RefundDeclined,
)
from tests.adapters.gateways.desks import AGENT, YooKassaDesk, a_yookassa_desk
from tests.adapters.gateways.recorded import SHOP, raw, recorded
from tests.adapters.gateways.served import Script, Stage
from tests.builders import NOON, Clock, a_checkout, an_asked_checkout, rub
from tests.money_builders import a_refund, an_asked_refund

pytestmark = pytest.mark.asyncio(loop_scope="module")

AN_AGENT = YooKassaShop("100600", "live_agent", live=True)
TOKEN = "3286c3c0-000f-5000-8000-1a2b3c4d5e6f"
PAYOUT_ID = PayoutId("po-32870100-0003-5000-8000-1e2f30415263")
CARD = PayoutAccount("bank_card", "2200000000000004", "ANNA IVANOVA")
ORDER = PayoutOrder("wd_1", rub(320), CARD, "Withdrawal wd_1", NOON)
CHECKOUT = an_asked_checkout()
Ask = Callable[[YooKassaGateway], Any]
ASKS: dict[str, tuple[Ask, type[Exception]]] = {
    "refund": (lambda one: one.refund(an_asked_refund()), RefundDeclined),
    "charge": (lambda one: one.charge_saved(CHECKOUT, TOKEN), CheckoutDeclined),
    "payout": (lambda one: one.pay_out(ORDER), PayoutDeclined),
}


@asynccontextmanager
async def answering(
    stage: Stage, *answers: tuple[int, bytes], agent: YooKassaShop | None = AN_AGENT
) -> AsyncIterator[tuple[YooKassaGateway, Script]]:
    """A gateway, and what stands in for YooKassa."""
    script = Script(*answers)
    stage.app = script.app
    gateway = YooKassaGateway(SHOP, payouts=agent, recurring=True, api_url=stage.url)
    try:
        yield gateway, script
    finally:
        await gateway.close()


@pytest_asyncio.fixture(loop_scope="module")
async def desk(stage: Stage, now: Clock) -> AsyncIterator[YooKassaDesk]:
    async with a_yookassa_desk(stage, now) as desk:
        yield desk


def no(parameter: str, code: str = "invalid_request") -> tuple[int, bytes]:
    return 400, json.dumps({"code": code, "parameter": parameter}).encode()


# What is asked.


async def test_a_refund_names_the_charge_and_us_and_takes_its_receipt_along() -> None:
    request = request_from_refund(a_refund())

    receipt = request.pop("receipt")
    assert request == {
        "payment_id": "2d8f0001",
        "amount": {"value": "99.00", "currency": "RUB"},
        "metadata": {"refund_id": "rfd_00000001", "purchase_id": "pur_00000001"},
    }
    paid = request_from_checkout(a_checkout())["receipt"]
    [line], [was] = receipt["items"], paid["items"]
    assert line == was | {"amount": request["amount"]}
    assert (receipt["customer"], receipt["tax_system_code"]) == (
        paid["customer"],
        paid["tax_system_code"],
    )


async def test_without_a_receipt_of_the_payment_a_refund_has_none() -> None:
    assert "receipt" not in request_from_refund(an_asked_refund())


async def test_a_charge_is_the_same_payment_with_nobody_there() -> None:
    request = request_from_charge(a_checkout(saves_method=False), TOKEN)

    with_page = request_from_checkout(a_checkout(saves_method=False))
    del with_page["confirmation"]
    assert request == with_page | {"payment_method_id": TOKEN}


@pytest.mark.parametrize("saves", [True, False])
async def test_a_method_is_saved_only_where_it_is_asked_for(saves: bool) -> None:
    request = request_from_checkout(an_asked_checkout(saves_method=saves))

    assert request.get("save_payment_method") is (True if saves else None)


@pytest.mark.parametrize(
    ("account", "destination"),
    [
        (CARD, {"type": "bank_card", "card": {"number": "2200000000000004"}}),
        (
            PayoutAccount("yoo_money", "4100116075156746", "ANNA"),
            {"type": "yoo_money", "account_number": "4100116075156746"},
        ),
    ],
)
async def test_a_payout_goes_to_a_card_or_a_wallet(
    account: PayoutAccount, destination: object
) -> None:
    assert request_from_order(replace(ORDER, account=account)) == {
        "amount": {"value": "320.00", "currency": "RUB"},
        "payout_destination_data": destination,
        "description": "Withdrawal wd_1",
        "metadata": {"withdrawal_id": "wd_1"},
    }


async def test_each_is_asked_under_its_key_and_payouts_with_credentials_of_their_own(
    stage: Stage,
) -> None:
    answers = (
        (200, raw("api-create-refund.succeeded")),
        (200, json.dumps(recorded("payout.succeeded")["object"]).encode()),
    )
    async with answering(stage, *answers) as (gateway, script):
        await gateway.refund(an_asked_refund())
        await gateway.pay_out(ORDER)

    (refund, _), (payout, _) = script.asked
    assert (refund.url.path, refund.headers["Idempotence-Key"]) == ("/refunds", "rfd_00000001")
    assert (payout.url.path, payout.headers["Idempotence-Key"]) == ("/payouts", "wd_1")
    assert refund.headers["Authorization"] != payout.headers["Authorization"]


# What is understood.


@pytest.mark.parametrize(
    ("recording", "status", "reason"),
    [
        ("api-create-refund.pending", OutgoingStatus.PENDING, None),
        ("api-create-refund.succeeded", OutgoingStatus.DONE, None),
        ("api-get-refund.succeeded-sbp", OutgoingStatus.DONE, None),
        ("api-get-refund.canceled", OutgoingStatus.FAILED, "rejected_by_payee"),
    ],
)
async def test_recorded_refunds_are_understood(
    recording: str, status: OutgoingStatus, reason: str | None
) -> None:
    facts = facts_from_refund(recorded(recording))

    assert (facts.status, facts.reason, facts.amount) == (status, reason, rub(300))
    assert (facts.payment_id, facts.charge_id, facts.our_id) == (TOKEN, TOKEN, None)


@pytest.mark.parametrize(
    ("payout", "status", "reason"),
    [
        (recorded("payout.succeeded")["object"], OutgoingStatus.DONE, None),
        (recorded("payout.canceled")["object"], OutgoingStatus.FAILED, "recipient_not_found"),
        (recorded("api-get-payout.succeeded-bank_card"), OutgoingStatus.DONE, None),
        (recorded("payout.succeeded")["object"] | {"status": "sent"}, OutgoingStatus.UNKNOWN, None),
    ],
)
async def test_recorded_payouts_are_understood(
    payout: Any, status: OutgoingStatus, reason: str | None
) -> None:
    facts = facts_from_payout(payout)

    assert (facts.status, facts.reason, facts.amount) == (status, reason, rub(320))
    assert facts.our_id is None


@pytest.mark.parametrize("change", [{"id": None}, {"amount": None}, {"amount": {"value": "0"}}])
async def test_what_is_neither_says_nothing(change: dict[str, Any]) -> None:
    for understand, thing in (
        (facts_from_refund, recorded("api-create-refund.succeeded")),
        (facts_from_payout, recorded("payout.succeeded")["object"]),
    ):
        with pytest.raises(GatewayUnavailable):
            understand(thing | change)


@pytest.mark.parametrize(
    ("income", "fee"),
    [
        ({"value": "955.35", "currency": "RUB"}, Money.of(34_65, "RUB")),
        ({"value": "990.00", "currency": "RUB"}, Money.of(0, "RUB")),
        ({"value": "990.01", "currency": "RUB"}, None),
        ({"value": "955.35", "currency": "USD"}, None),
        ({"value": "955.355", "currency": "RUB"}, None),
        (None, None),
    ],
)
async def test_the_fee_is_what_is_kept_of_the_payment(income: object, fee: Money | None) -> None:
    told = recorded("api-get-payment.succeeded") | {"income_amount": income}

    assert facts_from_payment(told, SHOP).fee == fee


@pytest.mark.parametrize(
    ("change", "token"),
    [
        ({}, TOKEN),
        ({"saved": False}, None),
        ({"saved": "true"}, None),
        ({"id": "a b"}, None),
    ],
)
async def test_only_a_saved_method_gives_a_token_and_shows_it_nowhere(
    change: dict[str, Any], token: str | None
) -> None:
    payment = recorded("api-create-payment.succeeded-recurring")
    payment["payment_method"] |= change

    facts = facts_from_payment(payment, SHOP)
    pending = facts_from_payment(payment | {"status": "pending"}, SHOP)

    assert (facts.token, pending.token) == (token, None)
    assert TOKEN not in repr(replace(facts, payment_id=PaymentId("x"), charge_id="x"))
    assert facts.details == {"rail": "bank_card"}


async def test_a_notice_of_a_payout_names_it_and_nobody(desk: YooKassaDesk) -> None:
    sent = await desk.gateway.pay_out(ORDER)
    desk.rules.fail_payout(sent.payout_id, at=desk.now())

    notice = desk.gateway.read_webhook(desk.webhook(sent.payout_id))

    assert (notice.kind, notice.event) == (NoticeKind.PAYOUT, "payout.canceled")
    assert (notice.payout_id, notice.payment_id, notice.claims_paid) == (
        sent.payout_id,
        None,
        False,
    )
    assert json.loads(notice.body)["object"]["metadata"] == {"withdrawal_id": "wd_1"}
    assert "220000" not in notice.body


async def test_a_notice_of_a_refund_asks_about_its_payment() -> None:
    notice = notice_from_body(raw("refund.succeeded"))

    assert (notice.kind, notice.payment_id, notice.payout_id) == (NoticeKind.REFUND, TOKEN, None)


# What is concluded of a refusal.


@pytest.mark.parametrize("what", ["refund", "payout"])
async def test_a_refusal_is_final_and_says_which_part(stage: Stage, what: str) -> None:
    ask, declined = ASKS[what]
    async with answering(stage, no("amount.value")) as (gateway, _):
        with pytest.raises(declined) as refusal:
            await ask(gateway)

    assert refusal.value.reason == "invalid_request amount.value"


@pytest.mark.parametrize("what", ASKS)
@pytest.mark.parametrize(
    "answer",
    [
        (400, raw("api-error.400-idempotence-duplicated")),
        (400, raw("api-error.400-idempotence-empty")),
        (401, raw("api-error.401")),
        (403, raw("api-error.403-recurring")),
        (404, raw("api-error.404")),
        (429, raw("api-error.429")),
        (500, raw("api-error.500")),
        (502, b"<html>"),
        (200, b"{}"),
    ],
)
async def test_what_says_nothing_of_the_thing_concludes_nothing(
    stage: Stage, what: str, answer: tuple[int, bytes]
) -> None:
    ask, _ = ASKS[what]
    async with answering(stage, answer) as (gateway, script):
        with pytest.raises(GatewayUnavailable):
            await ask(gateway)

    assert len(script.asked) == 1, "nothing is tried again in here"


@pytest.mark.parametrize("answer", [no("payment_method_id"), no("", "payment_method_not_found")])
async def test_a_method_that_yookassa_does_not_know_is_of_no_more_use(
    stage: Stage, answer: tuple[int, bytes]
) -> None:
    async with answering(stage, answer) as (gateway, _):
        with pytest.raises(CheckoutDeclined):
            await gateway.charge_saved(CHECKOUT, TOKEN)


@pytest.mark.parametrize("parameter", ["receipt", "amount.value", ""])
async def test_a_mistake_of_ours_does_not_cost_anybody_a_method(
    stage: Stage, parameter: str
) -> None:
    async with answering(stage, no(parameter)) as (gateway, _):
        with capture_logs() as logs, pytest.raises(GatewayUnavailable):
            await gateway.charge_saved(CHECKOUT, TOKEN)

    assert [line["log_level"] for line in logs] == ["error"]


async def test_a_charge_in_another_shop_is_not_taken_for_ours(stage: Stage) -> None:
    strange = recorded("api-create-payment.succeeded-recurring") | {"test": True}
    async with answering(stage, (200, json.dumps(strange).encode())) as (gateway, _):
        with pytest.raises(GatewayUnavailable):
            await gateway.charge_saved(CHECKOUT, TOKEN)


# What is found.


@pytest.mark.parametrize(
    ("status", "recording"), [(404, "api-error.404"), (400, "api-error.400-payment-id")]
)
async def test_a_payment_that_is_not_there_has_no_refunds(
    stage: Stage, status: int, recording: str
) -> None:
    async with answering(stage, (status, raw(recording))) as (gateway, script):
        assert await gateway.find_refunds(PaymentId(TOKEN)) == []
        assert await gateway.find_refunds(PaymentId("../me")) == []

    assert len(script.asked) == 1


async def test_many_refunds_are_found_page_by_page(desk: YooKassaDesk) -> None:
    opened = await desk.gateway.open_checkout(CHECKOUT)
    desk.pay(opened.payment_id)
    for minor in range(100, 203):
        desk.refund_there(opened.payment_id, Money.of(minor, "RUB"))

    found = await desk.gateway.find_refunds(opened.payment_id)

    assert sorted(one.amount.amount_minor for one in found) == list(range(100, 203))


async def test_an_empty_list_of_refunds_needs_no_payment(desk: YooKassaDesk) -> None:
    assert await desk.gateway.find_refunds(PaymentId(TOKEN)) == []


async def test_a_payout_is_found_by_its_id_or_by_ours(desk: YooKassaDesk) -> None:
    assert await desk.gateway.find_payout(ORDER, None) is None
    sent = await desk.gateway.pay_out(ORDER)

    for known in (sent.payout_id, None, PAYOUT_ID, PayoutId("../me")):
        assert await desk.gateway.find_payout(ORDER, known) == sent


async def test_a_payout_is_looked_for_from_when_it_was_ordered(desk: YooKassaDesk) -> None:
    await desk.gateway.pay_out(ORDER)

    early = replace(ORDER, ordered_at=NOON + timedelta(minutes=4))
    assert await desk.gateway.find_payout(early, None) is not None
    later = replace(ORDER, ordered_at=NOON + timedelta(minutes=6))
    assert await desk.gateway.find_payout(later, None) is None


async def test_what_cannot_be_looked_through_is_not_said_to_be_missing(stage: Stage) -> None:
    page = {"type": "list", "items": [], "next_cursor": str(PAYOUT_ID)}
    async with answering(stage, (200, json.dumps(page).encode())) as (gateway, script):
        with pytest.raises(GatewayUnavailable):
            await gateway.find_payout(ORDER, None)

    assert len(script.asked) == PAGES_MAX


async def test_what_was_made_in_the_very_millisecond_is_listed(
    desk: YooKassaDesk, now: Clock
) -> None:
    await desk.gateway.open_checkout(CHECKOUT)
    end_of_it = now().replace(microsecond=now().microsecond // 1000 * 1000 + 999)

    listed = [one async for one in desk.gateway.since(end_of_it)]

    assert [type(one) for one in listed] == [PaymentFacts]


# What is declared.


async def test_without_a_gateway_of_payouts_none_are_made(stage: Stage) -> None:
    async with answering(stage, (200, b"{}"), agent=None) as (gateway, script):
        assert not gateway.abilities.sends(rub(100), "bank_card")
        for ask in (gateway.pay_out(ORDER), gateway.find_payout(ORDER, PAYOUT_ID)):
            with pytest.raises(GatewayUnavailable):
                await ask

    assert script.asked == []


async def test_a_shop_that_was_not_allowed_to_saves_nothing() -> None:
    assert not YooKassaGateway(SHOP).abilities.charges_saved
    assert YooKassaGateway(SHOP, recurring=True).abilities.charges_saved


@pytest.mark.parametrize(
    ("minor", "kind", "is_sent"),
    [
        (4_99, "bank_card", False),
        (5_00, "bank_card", True),
        (500_000_00, "yoo_money", True),
        (500_000_01, "bank_card", False),
        (100_00, "gcash", False),
    ],
)
async def test_what_it_sends(minor: int, kind: str, is_sent: bool) -> None:
    gateway = YooKassaGateway(SHOP, payouts=AN_AGENT)

    assert gateway.abilities.sends(Money.of(minor, "RUB"), kind) is is_sent


async def test_more_than_there_is_to_pay_out_fails_and_is_not_declined(
    desk: YooKassaDesk,
) -> None:
    desk.rules.shops[AGENT.shop_id] = replace(AGENT, balance_minor=100_00)

    facts = await desk.gateway.pay_out(ORDER)

    assert (facts.status, facts.reason) == (OutgoingStatus.FAILED, "insufficient_funds")
