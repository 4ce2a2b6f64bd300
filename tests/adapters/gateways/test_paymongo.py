"""PayMongo's own: signatures, sessions that stay active, refunds and transfers by their keys."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from adapters.gateways.paymongo.account import PayMongoAccount, PaymongoKeyOfOtherMode
from adapters.gateways.paymongo.translate import (
    check_signature,
    facts_from_session,
    facts_from_transfer,
    notice_from_body,
)
from core.domain.checkout import CheckoutId
from core.domain.money import Money
from core.domain.payment import (
    NoticeKind,
    OutgoingStatus,
    PaymentFacts,
    PaymentStatus,
    RefundFacts,
)
from core.domain.payout import PayoutAccount, PayoutOrder
from core.domain.plan import GatewayName
from core.ports.payment_gateway import (
    CheckoutDeclined,
    GatewayUnavailable,
    PayoutDeclined,
    PayoutNotFindable,
    RefundDeclined,
    WebhookNotReadable,
    WebhookNotTrusted,
)
from tests.adapters.gateways.paymongo_desk import (
    ACCOUNT,
    SECRET_KEY,
    PayMongoDesk,
    a_paymongo_desk,
)
from tests.adapters.gateways.recorded import raw, recorded
from tests.adapters.gateways.served import Stage, a_stage
from tests.builders import Clock, an_asked_checkout
from tests.money_builders import an_asked_refund

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAYMONGO = GatewayName("paymongo")
PESOS = Money.of(990_00, "PHP")
VECTOR_SECRET = "whsk_EXAMPLEexampleEXAMPLE01"
VECTOR_BODY = (
    b'{"data":{"id":"evt_1","type":"event","attributes":{"type":"payment.paid","livemode":false,'
    b'"data":{"id":"pay_1","type":"payment","attributes":{"amount":10000,"currency":"PHP",'
    b'"status":"paid"}},"previous_data":{},"created_at":1795168871,"updated_at":1795168871}}}'
)
VECTOR_PROOF = "56a52f2b6aad535b97b5ed47ca11614a55f9d5889adb63a858eda316d8a77b55"
SIGNED_AT = datetime.fromtimestamp(1795168871, UTC)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with a_stage() as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="module")
async def desk(stage: Stage, now: Clock) -> AsyncIterator[PayMongoDesk]:
    async with a_paymongo_desk(stage, now) as desk:
        yield desk


def asked(number: int = 1, amount: Money = PESOS):
    return an_asked_checkout(id=CheckoutId(f"chk_{number}"), gateway=PAYMONGO, amount=amount)


async def paid(desk: PayMongoDesk, number: int = 1) -> PaymentFacts:
    opened = await desk.gateway.open_checkout(asked(number))
    desk.pay(opened.payment_id)
    facts = await desk.gateway.find_payment(opened.payment_id)
    assert facts is not None
    return facts


def a_refund_of(facts: PaymentFacts, minor: int, id_: str = "rfd_1"):
    return an_asked_refund(
        id=id_,
        gateway=PAYMONGO,
        payment_id=facts.payment_id,
        charge_id=facts.charge_id,
        amount=Money.of(minor, "PHP"),
        paid=PESOS,
    )


def an_order(minor: int = 150_00, id_: str = "wd_1", kind: str = "gcash") -> PayoutOrder:
    account = PayoutAccount(kind, "09170000000", "JUAN DELA CRUZ")
    return PayoutOrder(id_, Money.of(minor, "PHP"), account, "Withdrawal wd_1", SIGNED_AT)


# Proof.


def header(**parts: str) -> str:
    told = {"t": "1795168871", "te": VECTOR_PROOF, "li": ""} | parts
    return f"t={told['t']},te={told['te']},li={told['li']}"


async def test_the_documented_vector_is_proven() -> None:
    account = PayMongoAccount("sk_test_1", VECTOR_SECRET, live=False)

    check_signature(header(), VECTOR_BODY, account, SIGNED_AT)


@pytest.mark.parametrize(
    "forged",
    [
        "",
        header(te=""),
        header(te="", li=VECTOR_PROOF),
        header(te=VECTOR_PROOF[:-1]),
        header(te=VECTOR_PROOF.upper()),
        header(te="0" * 64),
        header(t="1795168872"),
        header(t="x"),
        f"te={VECTOR_PROOF},t=1795168871,li=",
        header() + ",v1=1",
        header(t="9" * 30),
    ],
)
async def test_what_is_not_proven_is_not_trusted(forged: str) -> None:
    account = PayMongoAccount("sk_test_1", VECTOR_SECRET, live=False)

    with pytest.raises(WebhookNotTrusted):
        check_signature(forged, VECTOR_BODY, account, SIGNED_AT)


async def test_a_test_signature_proves_nothing_in_live_mode() -> None:
    account = PayMongoAccount("sk_live_1", VECTOR_SECRET, live=True)

    with pytest.raises(WebhookNotTrusted):
        check_signature(header(), VECTOR_BODY, account, SIGNED_AT)
    check_signature(header(te="", li=VECTOR_PROOF), VECTOR_BODY, account, SIGNED_AT)


@pytest.mark.parametrize(
    "changed",
    [
        VECTOR_BODY[:-1],
        VECTOR_BODY + b" ",
        VECTOR_BODY.replace(b"10000", b"10001"),
        json.dumps(json.loads(VECTOR_BODY)).encode(),
        json.dumps(json.loads(VECTOR_BODY), indent=1).encode(),
    ],
)
async def test_a_body_written_anew_is_another_body(changed: bytes) -> None:
    account = PayMongoAccount("sk_test_1", VECTOR_SECRET, live=False)

    with pytest.raises(WebhookNotTrusted):
        check_signature(header(), changed, account, SIGNED_AT)


@pytest.mark.parametrize(
    ("late", "trusted"),
    [
        (timedelta(hours=3), True),
        (timedelta(hours=3, seconds=1), False),
        (-timedelta(minutes=5), True),
        (-timedelta(minutes=5, seconds=1), False),
    ],
)
async def test_a_proof_is_good_for_three_hours(late: timedelta, trusted: bool) -> None:
    account = PayMongoAccount("sk_test_1", VECTOR_SECRET, live=False)

    if trusted:
        check_signature(header(), VECTOR_BODY, account, SIGNED_AT + late)
    else:
        with pytest.raises(WebhookNotTrusted):
            check_signature(header(), VECTOR_BODY, account, SIGNED_AT + late)


@pytest.mark.parametrize(("key", "live"), [("sk_live_1", False), ("sk_test_1", True)])
async def test_a_key_of_the_other_mode_is_refused(key: str, live: bool) -> None:
    with pytest.raises(PaymongoKeyOfOtherMode):
        PayMongoAccount(key, "whsk_1", live=live)


# Words.


@pytest.mark.parametrize(
    ("event", "kind", "payment_id", "claims"),
    [
        (
            "checkout_session.payment.paid",
            NoticeKind.PAYMENT,
            "cs_9kVf3mZ2tQxW7aLrP5nEyHbD/pay_5HgTq8NcWz2LmXv7RbKd4FyP",
            True,
        ),
        ("payment.paid", NoticeKind.OTHER, None, False),
        ("payment.failed", NoticeKind.OTHER, None, False),
        ("payment.refunded", NoticeKind.REFUND, "pay_5HgTq8NcWz2LmXv7RbKd4FyP", False),
        ("payment.refund.updated", NoticeKind.REFUND, "pay_5HgTq8NcWz2LmXv7RbKd4FyP", False),
        ("payment.refund.updated-failed", NoticeKind.REFUND, "pay_5HgTq8NcWz2LmXv7RbKd4FyP", False),
        ("link.payment.paid", NoticeKind.OTHER, None, False),
        ("source.chargeable", NoticeKind.OTHER, None, False),
        ("qrph.expired", NoticeKind.OTHER, None, False),
        ("payout.deposited", NoticeKind.OTHER, None, False),
        ("transfer-callback.succeeded", NoticeKind.OTHER, None, False),
    ],
)
async def test_each_recorded_webhook_is_understood(
    event: str, kind: NoticeKind, payment_id: str | None, claims: bool
) -> None:
    notice = notice_from_body(raw(event, "paymongo"))

    assert (notice.kind, notice.payment_id, notice.claims_paid) == (kind, payment_id, claims)
    for secret in ("Juan", "buyer@", "+639", "Sample St", "0198", "client_"):
        assert secret not in notice.body


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"data":{}}', b"[" * 100_000, b'{"data":{"id":"evt_1"}}']
)
async def test_what_is_no_event_is_not_readable(body: bytes) -> None:
    with pytest.raises(WebhookNotReadable):
        notice_from_body(body)


async def test_a_session_is_paid_when_a_payment_of_it_is_though_it_stays_active() -> None:
    unpaid = facts_from_session(
        recorded("api-get-checkout.active-unpaid", "paymongo")["data"], ACCOUNT
    )
    session = recorded("api-get-checkout.active-paid", "paymongo")["data"]
    facts = facts_from_session(session, ACCOUNT)
    expired = recorded("api-expire-checkout.expired", "paymongo")["data"]

    assert session["attributes"]["status"] == "active"
    assert unpaid.status is PaymentStatus.PENDING
    assert (facts.status, facts.paid, facts.fee) == (
        PaymentStatus.PAID,
        PESOS,
        Money.of(24_75, "PHP"),
    )
    assert facts.charge_id == "pay_5HgTq8NcWz2LmXv7RbKd4FyP"
    assert dict(facts.details) == {"rail": "gcash"}
    assert facts_from_session(expired, ACCOUNT).status is PaymentStatus.CANCELED


@pytest.mark.parametrize("currency", ["USDT", "XTR", "XXX", "", None])
async def test_a_currency_that_is_not_counted_in_hundredths_is_never_paid(
    currency: str | None,
) -> None:
    session = recorded("api-get-checkout.active-paid", "paymongo")["data"]
    session["attributes"]["payments"][0]["attributes"]["currency"] = currency

    assert facts_from_session(session, ACCOUNT).status is PaymentStatus.UNKNOWN


async def test_recorded_transfers_end_as_they_say() -> None:
    ends = [
        facts_from_transfer(recorded(f"api-get-transfer-v2.{word}", "paymongo")["data"]).status
        for word in ("succeeded", "failed")
    ]
    assert ends == [OutgoingStatus.DONE, OutgoingStatus.FAILED]


# Against the double, over HTTP.


async def test_opening_twice_opens_two_since_no_key_is_honoured(desk: PayMongoDesk) -> None:
    assert desk.gateway.abilities.key_memory == timedelta(0)

    first = await desk.gateway.open_checkout(asked())
    second = await desk.gateway.open_checkout(asked())

    assert first.payment_id != second.payment_id


async def test_what_is_too_little_is_declined_with_its_code(desk: PayMongoDesk) -> None:
    with pytest.raises(CheckoutDeclined) as refusal:
        await desk.gateway.open_checkout(asked(amount=Money.of(99, "PHP")))

    assert refusal.value.reason == "parameter_below_minimum"


async def test_a_second_payment_of_a_session_is_a_second_charge(desk: PayMongoDesk) -> None:
    first = await paid(desk)
    desk.rules.pay(first.payment_id, at=desk.now(), again=True)

    *_, last = desk.rules.due_notifications(desk.now())
    body, headers = desk.rules.signed(last, desk.now())
    notice = desk.gateway.read_webhook(
        desk.webhook(first.payment_id).__class__(None, headers, body)
    )
    second = await desk.gateway.find_payment(notice.payment_id)

    assert second is not None
    assert second.charge_id != first.charge_id
    assert (second.payment_id, second.paid) == (first.payment_id, first.paid)


async def test_a_closed_session_is_canceled_and_closing_twice_changes_nothing(
    desk: PayMongoDesk,
) -> None:
    opened = await desk.gateway.open_checkout(asked())

    for _ in range(2):
        await desk.gateway.close_checkout(opened.payment_id)

    facts = await desk.gateway.find_payment(opened.payment_id)
    assert facts is not None
    assert facts.status is PaymentStatus.CANCELED


async def test_a_session_that_was_paid_before_it_was_closed_is_paid(desk: PayMongoDesk) -> None:
    facts = await paid(desk)

    await desk.gateway.close_checkout(facts.payment_id)

    again = await desk.gateway.find_payment(facts.payment_id)
    assert again is not None
    assert again.status is PaymentStatus.PAID


async def test_a_refund_asked_twice_is_one(desk: PayMongoDesk) -> None:
    facts = await paid(desk)
    desk.lose_answers(1)
    with pytest.raises(GatewayUnavailable):
        await desk.gateway.refund(a_refund_of(facts, 300_00))

    again = await desk.gateway.refund(a_refund_of(facts, 300_00))

    assert again.status is OutgoingStatus.PENDING
    assert again.our_id == "rfd_1"
    [known] = await desk.gateway.find_refunds(facts.payment_id)
    assert known == again
    desk.rules.finish_refund(again.refund_id, at=desk.now())
    [done] = await desk.gateway.find_refunds(facts.payment_id)
    assert (done.status, done.charge_id) == (OutgoingStatus.DONE, facts.charge_id)


async def test_no_more_is_refunded_than_was_paid(desk: PayMongoDesk) -> None:
    facts = await paid(desk)
    await desk.gateway.refund(a_refund_of(facts, 300_00))

    with pytest.raises(RefundDeclined) as refusal:
        await desk.gateway.refund(a_refund_of(facts, 690_01, "rfd_2"))

    assert refusal.value.reason == "allowed_amount_exceeded"


async def test_qr_ph_cannot_be_refunded_there(desk: PayMongoDesk) -> None:
    opened = await desk.gateway.open_checkout(asked())
    desk.rules.pay(opened.payment_id, at=desk.now(), method="qrph")
    facts = await desk.gateway.find_payment(opened.payment_id)
    assert facts is not None

    with pytest.raises(RefundDeclined):
        await desk.gateway.refund(a_refund_of(facts, 100_00))


async def test_a_refund_of_the_dashboard_is_found_by_the_payment_that_its_notice_names(
    desk: PayMongoDesk,
) -> None:
    facts = await paid(desk)
    desk.rules.refund_at_dashboard(facts.payment_id, at=desk.now())

    *_, last = desk.rules.due_notifications(desk.now())
    notice = notice_from_body(json.dumps(last.body).encode())
    assert notice.kind is NoticeKind.REFUND
    assert notice.payment_id == facts.charge_id
    [refund] = await desk.gateway.find_refunds(notice.payment_id)

    assert (refund.our_id, refund.charge_id, refund.amount) == (None, facts.charge_id, PESOS)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"status": "lost"}, OutgoingStatus.DONE),
        ({"status": "accepted"}, OutgoingStatus.UNKNOWN),
        ({"amount": "29900"}, None),
        ({"currency": "JPY"}, None),
        ({"payment_id": None}, None),
        ({"payment_id": "pay 1", "amount": -1}, None),
    ],
)
async def test_a_dispute_is_never_guessed(
    desk: PayMongoDesk, changed: dict, told: OutgoingStatus | None
) -> None:
    """What its attributes are is not documented: whatever they are, the notice is stored."""
    facts = await paid(desk)
    dispute = json.loads(desk.dispute_there(facts.payment_id).body)
    dispute["data"]["attributes"]["data"]["attributes"] |= changed

    notice = desk.gateway.read_webhook(desk.vouched(json.dumps(dispute).encode()))

    found = desk.gateway.dispute_in(notice)
    assert (None if found is None else found.status) == told
    is_named = changed.get("payment_id", "") == ""
    assert notice.kind is (NoticeKind.REFUND if is_named else NoticeKind.OTHER)


async def test_a_payout_asked_twice_is_one_and_ends_by_enquiry(desk: PayMongoDesk) -> None:
    desk.lose_answers(1)
    with pytest.raises(GatewayUnavailable):
        await desk.gateway.pay_out(an_order())

    sent = await desk.gateway.pay_out(an_order())

    assert len(desk.rules.all("transfer")) == 1
    assert (sent.status, sent.our_id) == (OutgoingStatus.PENDING, "wd_1")
    desk.rules.finish_transfer(sent.payout_id, at=desk.now())
    *_, last = desk.rules.due_notifications(desk.now())
    notice = notice_from_body(json.dumps(last.body).encode())
    assert (notice.kind, notice.payout_id) == (NoticeKind.PAYOUT, "wd_1"), "not the transfer's id"
    done = await desk.gateway.find_payout(an_order(), sent.payout_id)
    assert done is not None
    assert done.status is OutgoingStatus.DONE


async def test_a_payout_without_an_id_cannot_be_found(desk: PayMongoDesk) -> None:
    with pytest.raises(PayoutNotFindable):
        await desk.gateway.find_payout(an_order(), None)


async def test_more_than_instapay_takes_is_declined(desk: PayMongoDesk) -> None:
    assert desk.gateway.abilities.sends(Money.of(50_000_00, "PHP"), "gcash")
    assert not desk.gateway.abilities.sends(Money.of(50_000_01, "PHP"), "gcash")
    assert not desk.gateway.abilities.sends(PESOS, "bank_card")

    with pytest.raises(PayoutDeclined):
        await desk.gateway.pay_out(an_order(50_000_01))


async def test_without_a_wallet_no_payouts_are_declared(desk: PayMongoDesk) -> None:
    gateway = desk.gateway.__class__(
        PayMongoAccount(SECRET_KEY, "whsk_1", live=False), desk.now, api_url="http://127.0.0.1:9"
    )

    assert not gateway.abilities.sends(PESOS, "gcash")
    await gateway.close()


async def test_everything_since_is_listed_page_by_page(desk: PayMongoDesk, now: Clock) -> None:
    early = await paid(desk, 0)
    now.advance(hours=1)
    since = now()
    facts = [await paid(desk, number) for number in range(1, 104)]
    desk.rules.refund_at_dashboard(facts[0].payment_id, at=now(), amount=100)

    found = [one async for one in desk.gateway.since(since)]

    payments = [one.charge_id for one in found if isinstance(one, PaymentFacts)]
    assert payments == [one.charge_id for one in reversed(facts)]
    assert early.charge_id not in payments
    [refund] = [one for one in found if isinstance(one, RefundFacts)]
    assert refund.amount == Money.of(100, "PHP")


async def test_other_credentials_are_told_apart_from_a_refusal(desk: PayMongoDesk) -> None:
    desk.rules.secret_key = "sk_test_other"

    with pytest.raises(GatewayUnavailable):
        await desk.gateway.open_checkout(asked())
