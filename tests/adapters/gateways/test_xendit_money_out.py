"""Xendit gives money back and pays it out: each by its key, and never by a guess."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio

from core.domain.money import Money
from core.domain.payment import (
    Foreign,
    NoticeKind,
    OutgoingStatus,
    PaymentFacts,
    PaymentId,
    PaymentStatus,
    PayoutFacts,
    PayoutId,
    RefundFacts,
)
from core.ports.payment_gateway import (
    GatewayUnavailable,
    PayoutDeclined,
    RefundDeclined,
    Webhook,
)
from tests.adapters.gateways.served import Stage, a_stage
from tests.adapters.gateways.xendit_desk import (
    CALLBACK_TOKEN,
    NOWHERE,
    PESOS,
    XenditDesk,
    a_refund_of,
    a_xendit_desk,
    an_order,
    asked,
    found,
    paid,
)
from tests.builders import Clock

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with a_stage() as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="module")
async def desk(stage: Stage, now: Clock) -> AsyncIterator[XenditDesk]:
    async with a_xendit_desk(stage, now) as desk:
        yield desk


# Refunds.


async def test_a_refund_asked_twice_is_one(desk: XenditDesk) -> None:
    facts = await paid(desk)
    desk.lose_answers(1)
    with pytest.raises(GatewayUnavailable):
        await desk.gateway.refund(a_refund_of(facts, 300_00))

    again = await desk.gateway.refund(a_refund_of(facts, 300_00))

    assert (again.status, again.our_id) == (OutgoingStatus.PENDING, "rfd_1")
    assert (again.payment_id, again.charge_id) == (facts.payment_id, facts.charge_id)
    assert await desk.gateway.find_refunds(facts.payment_id) == [again]
    desk.rules.finish_refund(again.refund_id, at=desk.now())
    [done] = await desk.gateway.find_refunds(facts.payment_id)
    assert (done.status, done.amount) == (OutgoingStatus.DONE, Money.of(300_00, "PHP"))


@pytest.mark.parametrize(
    ("channel", "minor", "reason"),
    [
        ("GCASH", 690_51, "maximum_refund_amount_reached"),
        ("QRPH", 300_00, "refund_not_supported"),
        ("GRABPAY", 300_00, "partial_refund_not_supported"),
    ],
)
async def test_what_cannot_be_given_back_is_declined_by_its_code(
    desk: XenditDesk, channel: str, minor: int, reason: str
) -> None:
    facts = await paid(desk, channel=channel)
    if channel == "GCASH":
        await desk.gateway.refund(a_refund_of(facts, 300_00))

    with pytest.raises(RefundDeclined) as refusal:
        await desk.gateway.refund(a_refund_of(facts, minor, "rfd_2"))

    assert refusal.value.reason == reason


async def test_a_refund_key_that_was_used_otherwise_concludes_nothing(desk: XenditDesk) -> None:
    facts = await paid(desk)
    await desk.gateway.refund(a_refund_of(facts, 300_00))

    with pytest.raises(GatewayUnavailable):
        await desk.gateway.refund(a_refund_of(facts, 200_00))


async def test_a_payment_that_is_not_there_is_not_refunded(desk: XenditDesk) -> None:
    facts = await paid(desk)
    gone = replace(a_refund_of(facts, 300_00), charge_id="py-0")

    with pytest.raises(RefundDeclined):
        await desk.gateway.refund(gone)


async def test_a_refund_of_the_dashboard_is_found_by_the_payment_that_its_notice_names(
    desk: XenditDesk,
) -> None:
    facts = await paid(desk)
    made = desk.rules.refund_at_dashboard(facts.payment_id, at=desk.now())

    notice = desk.gateway.read_webhook(desk.webhook(made["id"], "refund.succeeded"))
    assert (notice.kind, notice.payment_id) == (NoticeKind.REFUND, facts.charge_id)
    assert notice.payment_id is not None
    [refund] = await desk.gateway.find_refunds(notice.payment_id)

    assert (refund.our_id, refund.charge_id, refund.amount) == (None, facts.charge_id, PESOS)
    assert made["id"] in notice.dedupe_key


async def test_payments_and_refunds_are_found_by_their_request_too(desk: XenditDesk) -> None:
    facts = await paid(desk)
    asked_back = await desk.gateway.refund(a_refund_of(facts, 300_00))
    request_id = PaymentId(desk.rules.find("payment", facts.charge_id)["payment_request_id"])

    alone = await found(desk, request_id)
    [refund] = await desk.gateway.find_refunds(request_id)

    assert alone.charge_id == facts.charge_id
    assert refund == replace(asked_back, payment_id=request_id)


async def test_many_refunds_are_found_page_by_page(desk: XenditDesk) -> None:
    facts = await paid(desk)
    for number in range(103):
        await desk.gateway.refund(a_refund_of(facts, 100 + number, f"rfd_{number}"))

    amounts = [one.amount.amount_minor for one in await desk.gateway.find_refunds(facts.payment_id)]

    assert sorted(amounts) == list(range(100, 203))


async def test_a_payment_without_refunds_or_unknown_has_none(desk: XenditDesk) -> None:
    opened = await desk.gateway.open_checkout(asked(desk))

    for payment_id in (opened.payment_id, NOWHERE, PaymentId("../me"), PaymentId("")):
        assert await desk.gateway.find_refunds(payment_id) == []


# Payouts.


async def test_a_payout_asked_twice_is_one_and_ends_by_enquiry(desk: XenditDesk) -> None:
    desk.lose_answers(1)
    with pytest.raises(GatewayUnavailable):
        await desk.gateway.pay_out(an_order())

    sent = await desk.gateway.pay_out(an_order())

    [payout] = desk.rules.all("payout")
    assert payout["channel_code"] == "PH_GCASH"
    assert (sent.status, sent.our_id) == (OutgoingStatus.PENDING, "wd_1")
    for status, outcome in (
        ("SUCCEEDED", OutgoingStatus.DONE),
        ("REVERSED", OutgoingStatus.RETURNED),
    ):
        desk.rules.finish_payout(sent.payout_id, at=desk.now(), status=status)
        told = await desk.gateway.find_payout(an_order(), sent.payout_id)
        assert told is not None
        assert told.status is outcome


@pytest.mark.parametrize(
    ("kind", "channel"),
    [
        ("gcash", "PH_GCASH"),
        ("maya", "PH_PAYMAYA"),
        ("bank_bdo", "PH_BDO"),
        ("bank_bpi", "PH_BPI"),
        ("bank_unionbank", "PH_UBP"),
    ],
)
async def test_each_kind_of_account_is_sent_to_by_its_channel(
    desk: XenditDesk, kind: str, channel: str
) -> None:
    assert desk.gateway.abilities.sends(PESOS, kind)

    await desk.gateway.pay_out(an_order(kind=kind))

    [payout] = desk.rules.all("payout")
    assert payout["channel_code"] == channel


async def test_a_payout_without_an_answer_is_found_by_our_reference(desk: XenditDesk) -> None:
    assert await desk.gateway.find_payout(an_order(), None) is None
    desk.lose_answers(1)
    with pytest.raises(GatewayUnavailable):
        await desk.gateway.pay_out(an_order())
    await desk.gateway.pay_out(an_order(id_="wd_2"))

    for known in (None, PayoutId("disb-000000000000000000000000"), PayoutId("../x")):
        told = await desk.gateway.find_payout(an_order(), known)
        assert told is not None
        assert told.our_id == "wd_1"


async def test_a_payout_of_the_same_name_at_the_dashboard_is_not_ours(desk: XenditDesk) -> None:
    ours = await desk.gateway.pay_out(an_order())
    theirs = desk.rules.find("payout", ours.payout_id) | {"id": "disb-1", "metadata": None}
    desk.rules.tables["payout"] = {"disb-1": theirs, **desk.rules.tables["payout"]}

    assert await desk.gateway.find_payout(an_order(), None) == ours


async def test_a_failed_payout_says_why_and_its_notice_names_it(desk: XenditDesk) -> None:
    sent = await desk.gateway.pay_out(an_order())
    desk.rules.finish_payout(
        sent.payout_id, at=desk.now(), status="FAILED", failure_code="INVALID_DESTINATION"
    )

    notice = desk.gateway.read_webhook(desk.webhook(sent.payout_id, "payout.failed"))
    told = await desk.gateway.find_payout(an_order(), sent.payout_id)

    assert (notice.kind, notice.payout_id, notice.payment_id) == (
        NoticeKind.PAYOUT,
        sent.payout_id,
        None,
    )
    assert told is not None
    assert (told.status, told.reason) == (OutgoingStatus.FAILED, "invalid_destination")
    for secret in ("0917", "JUAN"):
        assert secret not in notice.body


async def test_what_xendit_refuses_to_send_is_declined(desk: XenditDesk) -> None:
    assert desk.gateway.abilities.sends(Money.of(50_000_00, "PHP"), "bank_bdo")
    assert not desk.gateway.abilities.sends(Money.of(50_000_01, "PHP"), "bank_bdo")
    assert not desk.gateway.abilities.sends(PESOS, "bank_card")

    with pytest.raises(PayoutDeclined) as refusal:
        await desk.gateway.pay_out(an_order(0))

    assert refusal.value.reason == "api_validation_error"


async def test_a_payout_key_that_was_used_otherwise_concludes_nothing(desk: XenditDesk) -> None:
    await desk.gateway.pay_out(an_order())

    with pytest.raises(GatewayUnavailable):
        await desk.gateway.pay_out(an_order(150_01))


# Transactions.


async def listed(desk: XenditDesk) -> list[PaymentFacts | RefundFacts | PayoutFacts]:
    return [one async for one in desk.gateway.since(desk.now() - timedelta(hours=1))]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("SUCCEEDED", OutgoingStatus.DONE),
        ("FAILED", OutgoingStatus.FAILED),
        ("REVERSED", OutgoingStatus.RETURNED),
        ("REQUESTED", OutgoingStatus.PENDING),
    ],
)
async def test_a_payout_is_listed_as_it_stands(
    desk: XenditDesk, status: str, told: OutgoingStatus
) -> None:
    sent = await desk.gateway.pay_out(an_order())
    desk.rules.find("payout", sent.payout_id)["status"] = status

    [payout] = await listed(desk)

    assert isinstance(payout, PayoutFacts)
    assert (payout.payout_id, payout.status) == (sent.payout_id, told)
    assert (payout.amount, payout.our_id) == (sent.amount, "wd_1")


async def test_a_listed_payment_is_that_of_its_session(desk: XenditDesk) -> None:
    facts = await paid(desk)
    desk.rules.decline((await desk.gateway.open_checkout(asked(desk, 2))).payment_id, at=desk.now())

    payments = {one.charge_id: one for one in await listed(desk) if isinstance(one, PaymentFacts)}

    one = payments.pop(facts.charge_id)
    assert (one.status, one.paid, one.checkout_id) == (PaymentStatus.PAID, PESOS, "chk_1")
    [failed] = payments.values()
    assert (failed.status, failed.paid) == (PaymentStatus.CANCELED, None)


async def test_another_business_and_other_products_are_not_ours(desk: XenditDesk) -> None:
    await paid(desk)
    desk.rules.business_id = "661f87c614802d6c402cd82e"
    [stranger] = await listed(desk)
    assert isinstance(stranger, PaymentFacts)
    assert stranger.foreign is Foreign.OTHER_SHOP

    for payment in desk.rules.all("payment"):
        payment["payment_id"] = "62f4b5b8ccec448135c51fd4"  # As an invoice's is.
    assert await listed(desk) == []


# Disputes.


def disputed(charge_id: str, **changed: object) -> Webhook:
    """As documented: flat, its amounts texts."""
    told = {
        "event": "dispute.lost",
        "id": "mi-dspt-f44d259f-fd9d-4de9-80de-1eef3f1506b7",
        "status": "LOST",
        "currency": "PHP",
        "amount": {"initial": "990.50", "terminal": "500.00"},
        "note": "Juan says that nothing came.",
        "payment_id": charge_id,
        "reference_id": "chk_1",
    }
    body = json.dumps(told | changed).encode()
    return Webhook(sender=None, headers={"x-callback-token": CALLBACK_TOKEN}, body=body)


@pytest.mark.parametrize(
    ("changed", "status", "minor"),
    [
        ({}, OutgoingStatus.DONE, 500_00),
        ({"status": "WON", "event": "dispute.won"}, OutgoingStatus.FAILED, 500_00),
        (
            {"status": "ACTION_REQUIRED", "amount": {"initial": "990.50", "terminal": None}},
            OutgoingStatus.PENDING,
            990_50,
        ),
        ({"status": "WITHDRAWN"}, OutgoingStatus.UNKNOWN, 500_00),
    ],
)
async def test_a_dispute_is_told_and_not_borne_out(
    desk: XenditDesk, changed: dict, status: OutgoingStatus, minor: int
) -> None:
    facts = await paid(desk)

    notice = desk.gateway.read_webhook(disputed(facts.charge_id, **changed))
    told = desk.gateway.dispute_in(notice)

    assert (notice.kind, notice.payment_id) == (NoticeKind.REFUND, facts.charge_id)
    assert "Juan" not in notice.body
    assert told is not None
    assert (told.status, told.amount) == (status, Money.of(minor, "PHP"))
    assert (told.charge_id, told.is_chargeback) == (facts.charge_id, True)
    assert await desk.gateway.find_refunds(facts.payment_id) == []


async def test_a_dispute_without_an_amount_tells_nothing(desk: XenditDesk) -> None:
    notice = desk.gateway.read_webhook(disputed("py-1", amount={"initial": "all"}))

    assert desk.gateway.dispute_in(notice) is None
