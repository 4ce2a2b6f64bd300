"""Xendit's words: every sample of what it sends or answers, and what is forged or odd."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.gateways.xendit.account import XenditAccount
from adapters.gateways.xendit.gateway import XenditGateway
from adapters.gateways.xendit.translate import (
    PAYOUT_STATUSES,
    facts_from_payment,
    facts_from_payout,
    facts_from_refund,
    facts_from_session,
    notice_from_body,
    opened_from_session,
)
from core.domain.money import Money
from core.domain.payment import (
    Foreign,
    NoticeKind,
    OutgoingStatus,
    PaymentId,
    PaymentStatus,
)
from core.ports.payment_gateway import (
    GatewayUnavailable,
    Webhook,
    WebhookNotReadable,
    WebhookNotTrusted,
)
from tests.adapters.gateways.recorded import RECORDINGS, raw
from tests.adapters.gateways.xendit_desk import BUSINESS_ID

TEST = XenditAccount("xnd_development_1", "token-of-test-mode", live=False)
LIVE = XenditAccount("xnd_production_1", "token-of-live-mode", live=True)
OURS = replace(TEST, business_id=BUSINESS_ID)
SESSION_ID = "ps-661f87c614802d6c402cd82d"
PAYMENT_ID = "py-1402feb0-bb79-47ae-9d1e-e69394d3949c"
PAYOUT_ID = "disb-571f3644d2b55ed5cc3e2b9d"
PESOS = Money.of(990_50, "PHP")
PAYMENT, REFUND, PAYOUT, OTHER = (
    NoticeKind.PAYMENT,
    NoticeKind.REFUND,
    NoticeKind.PAYOUT,
    NoticeKind.OTHER,
)
WEBHOOKS = {
    "payment_session.completed": (PAYMENT, SESSION_ID, True),
    "payment_session.completed-saved": (PAYMENT, SESSION_ID, True),
    "payment_session.expired": (PAYMENT, SESSION_ID, False),
    "payment.capture": (PAYMENT, PAYMENT_ID, True),
    "payment.capture-card": (PAYMENT, PAYMENT_ID, True),
    "payment.authorization": (PAYMENT, PAYMENT_ID, False),
    "payment.failure": (OTHER, None, False),
    "payment_request.expiry": (OTHER, None, False),
    "payment_token.activation": (OTHER, None, False),
    "refund.succeeded": (REFUND, PAYMENT_ID, False),
    "refund.failed": (REFUND, PAYMENT_ID, False),
    "payout.succeeded": (PAYOUT, PAYOUT_ID, False),
    "payout.failed": (PAYOUT, PAYOUT_ID, False),
    "payout.reversed": (PAYOUT, PAYOUT_ID, False),
    "v3_payout.succeeded": (OTHER, None, False),
    "v3_payout.failed": (OTHER, None, False),
    "v3_payout.reversed": (OTHER, None, False),
    "v3_payout.rejected": (OTHER, None, False),
    "v3_payout.pending_compliance": (OTHER, None, False),
    "invoice.paid": (OTHER, None, False),
    "invoice.paid-card": (OTHER, None, False),
    "invoice.expired": (OTHER, None, False),
}
CANARIES = (
    *("JUAN", "Juan", "09170000000", "1234567890", "payee@", "buyer@", "831000", "521802141667"),
    *(
        "016153570198200",
        "VISA",
        "BDO Unibank",
        "Sample St",
        "order-100042",
        "payout-55",
        "refund-rr-9",
    ),
    *("pt-cc3938dc", "cust-e2878b4c", "shop.example", "dev.xen.to", "GC-0001", "674810c577"),
)


def sample(name: str) -> Any:
    """As the adapter reads it: numbers exact."""
    return json.loads(raw(name, "xendit"), parse_float=Decimal)


def told(name: str, **changes: object) -> bytes:
    """The webhook, with changes to its data."""
    body = json.loads(raw(name, "xendit"))
    return json.dumps(body | {"data": body["data"] | changes}).encode()


# Proof.


def received(account: XenditAccount, headers: dict[str, str], body: bytes = b"{") -> None:
    XenditGateway(account).read_webhook(Webhook(None, headers, body))


@pytest.mark.parametrize("name", ["x-callback-token", "X-CALLBACK-TOKEN", "X-Callback-Token"])
def test_the_token_is_the_proof(name: str) -> None:
    received(TEST, {name: TEST.callback_token}, raw("payment.capture", "xendit"))
    received(LIVE, {name: LIVE.callback_token}, raw("payment.capture", "xendit"))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-callback-token": ""},
        {"x-callback-token": "guessed"},
        {"x-callback-token": TEST.callback_token},
        {"x-callback-token": LIVE.callback_token[:-1]},
        {"x-callback-token": LIVE.callback_token + " "},
        {"x-callback-token": LIVE.callback_token.upper()},
        {"x-callback-token": f"{TEST.callback_token}, {LIVE.callback_token}"},
        {"x-callback-token": "токен"},
        {"x-callback-token": "\udcff"},
        {"callback-token": LIVE.callback_token},
        {"authorization": LIVE.callback_token},
    ],
)
def test_what_is_not_proven_is_not_trusted_and_not_read(headers: dict[str, str]) -> None:
    with pytest.raises(WebhookNotTrusted):
        received(LIVE, headers)


@pytest.mark.parametrize("given", [{}, {"x-callback-token": ""}])
def test_without_a_token_of_ours_nobody_is_believed(given: dict[str, str]) -> None:
    with pytest.raises(WebhookNotTrusted):
        received(replace(TEST, callback_token=""), given, raw("payment.capture", "xendit"))


# Webhooks.


def test_every_sample_of_a_webhook_is_looked_at_here() -> None:
    names = {file.stem for file in (RECORDINGS / "xendit").glob("*.json")}

    assert {one for one in names if not one.startswith(("api-", "request-"))} == set(WEBHOOKS)


@pytest.mark.parametrize("name", WEBHOOKS)
def test_each_webhook_is_understood(name: str) -> None:
    kind, about, claims = WEBHOOKS[name]

    notice = notice_from_body(raw(name, "xendit"))

    assert notice.event == name.partition("-")[0]
    assert (notice.kind, notice.claims_paid) == (kind, claims)
    assert (notice.payment_id, notice.payout_id) == (
        (None, about) if kind is PAYOUT else (about, None)
    )


@pytest.mark.parametrize("name", WEBHOOKS)
def test_nothing_about_a_person_a_card_or_a_token_is_kept(name: str) -> None:
    shown = repr(notice_from_body(raw(name, "xendit")))

    assert any(canary in raw(name, "xendit").decode() for canary in CANARIES)
    assert not [canary for canary in CANARIES if canary in shown]


def test_what_helps_to_understand_a_webhook_is_kept() -> None:
    ours = {"checkout_id": "chk_1", "purchase_id": "pur_1", "order_id": "100042"}

    kept = json.loads(notice_from_body(told("payment.capture", metadata=ours)).body)["data"]

    assert kept["metadata"] == {"checkout_id": "chk_1", "purchase_id": "pur_1"}
    assert (kept["status"], kept["request_amount"], kept["currency"]) == (
        "SUCCEEDED",
        "990.5",
        "PHP",
    )


def planted(value: Any) -> Any:
    """The same with a canary in every object, under names that are not in the samples."""
    if isinstance(value, dict):
        personal = ("full_name", "payer_email", "client_ip", "mobile_number", "payer_name")
        grown = {name: planted(inner) for name, inner in value.items()}
        return dict.fromkeys(personal, "canary") | grown
    return value


@pytest.mark.parametrize("name", [one for one in WEBHOOKS if "token" not in one])
def test_what_nobody_knows_yet_is_not_kept_either(name: str) -> None:
    body = json.dumps(planted(json.loads(raw(name, "xendit")))).encode()

    assert notice_from_body(body) == notice_from_body(raw(name, "xendit"))


@pytest.mark.parametrize("name", WEBHOOKS)
def test_a_retry_is_the_same_notice_though_its_time_is_another(name: str) -> None:
    body = json.loads(raw(name, "xendit"))
    if "data" in body:
        body["created"] = "2026-11-21T10:03:07.500Z"

    again = json.dumps(body, indent=2).encode()

    assert notice_from_body(again) == notice_from_body(raw(name, "xendit"))


def test_different_webhooks_are_different_notices() -> None:
    keys = [notice_from_body(raw(name, "xendit")).dedupe_key for name in WEBHOOKS]
    twins = {"payment_session.completed-saved", "payment.capture-card", "invoice.paid-card"}

    assert len(set(keys)) == len(WEBHOOKS) - len(twins)


def test_a_refund_nested_twice_is_read_as_the_documents_nest_it() -> None:
    body = json.loads(raw("refund.succeeded", "xendit"))
    nested = json.dumps(body | {"data": body}).encode()

    assert notice_from_body(nested) == notice_from_body(raw("refund.succeeded", "xendit"))


def test_a_refund_that_names_no_payment_is_asked_for_by_its_request() -> None:
    notice = notice_from_body(told("refund.succeeded", payment_id=None))

    assert notice.payment_id == "pr-1102feb0-bb79-47ae-9d1e-e69394d3949c"


def test_an_event_of_tomorrow_is_stored_and_not_acted_on() -> None:
    one = notice_from_body(b'{"event": "bank_account.verified", "data": {"x": 1}}')
    other = notice_from_body(b'{"event": "bank_account.verified", "data": {"x": 2}}')

    assert (one.kind, one.payment_id) == (NoticeKind.OTHER, None)
    assert one.dedupe_key != other.dedupe_key


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b"{}", b"5", b"\xff\x00", b"[" * 100_000),
        b'{"event": "payment.capture"}',
        b'{"event": "payment.capture", "data": []}',
        b'{"event": "payment.capture", "data": {"payment_id": "../../me"}}',
        b'{"event": "payment.capture", "data": {"payment_id": "ps-1 OR 1=1"}}',
        b'{"event": "payment_session.completed", "data": {"payment_session_id": 5}}',
        b'{"event": "payout.succeeded", "data": {"id": "a/b"}}',
        b'{"event": "refund.succeeded", "data": {"id": "rfd-1"}}',
        b'{"event": "refund.succeeded", "data": {"payment_id": "py-1"}}',
        b'{"event": "Payment Capture!", "data": {}}',
        b'{"event": "payment.capture", "data": {"payment_id": "py-1", "x": 1e99999999999999999}}'
        b"9" * 9,
        b'{"event": "payment.capture", "data": {"payment_id": "py-1", "x": 1e99999999999999999999}}',
    ],
)
def test_what_is_no_event_is_not_readable(body: bytes) -> None:
    with pytest.raises(WebhookNotReadable):
        notice_from_body(body)


@given(
    st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))
)
def test_no_body_does_more_than_be_unreadable(body: bytes) -> None:
    with pytest.raises(WebhookNotReadable):
        notice_from_body(body)


# Facts.


def test_sessions_are_what_they_say() -> None:
    active = facts_from_session(sample("api-create-session.active"), None, OURS)
    expired = facts_from_session(sample("api-get-session.expired"), None, OURS)
    canceled = facts_from_session(sample("api-cancel-session.canceled"), None, OURS)

    assert active.status is PaymentStatus.PENDING
    assert active.opened == opened_from_session(sample("api-create-session.active"))
    assert active.opened.confirmation_url == "https://dev.xen.to/kGxPCi76"
    assert [one.status for one in (expired, canceled)] == [PaymentStatus.CANCELED] * 2
    assert {one.foreign for one in (active, expired, canceled)} == {None}


def test_a_completed_session_is_paid_with_what_its_payment_captured() -> None:
    payment = sample("payment.capture")["data"]

    facts = facts_from_session(sample("api-get-session.completed"), payment, OURS)

    assert (facts.payment_id, facts.charge_id) == (SESSION_ID, PAYMENT_ID)
    assert (facts.status, facts.paid, facts.foreign) == (PaymentStatus.PAID, PESOS, None)
    assert dict(facts.details) == {"rail": "gcash"}


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("payment.capture", PaymentStatus.PAID),
        ("payment.capture-card", PaymentStatus.PAID),
        ("payment.authorization", PaymentStatus.AUTHORIZED),
        ("payment.failure", PaymentStatus.CANCELED),
    ],
)
def test_payments_are_what_they_say(name: str, status: PaymentStatus) -> None:
    facts = facts_from_payment(sample(name)["data"], OURS)

    assert (facts.payment_id, facts.charge_id) == (PAYMENT_ID, PAYMENT_ID)
    assert facts.status is status
    assert facts.was_refused == (name == "payment.failure")


@pytest.mark.parametrize(
    ("captures", "paid"),
    [
        ("[]", PESOS),
        ("null", PESOS),
        ('[{"capture_amount": 990.49}]', Money.of(990_49, "PHP")),
        ('[{"capture_amount": 990.50}]', PESOS),
        ('[{"capture_amount": "990.5"}]', PESOS),
        ('[{"capture_amount": 990}]', Money.of(990_00, "PHP")),
        ('[{"capture_amount": 0.1}, {"capture_amount": 0.2}]', Money.of(30, "PHP")),
        ('[{"capture_amount": 9999999999999.99}]', Money.of(10**15 - 1, "PHP")),
        ('[{"capture_amount": 9e12}, {"capture_amount": 9e12}]', None),
        ('[{"capture_amount": 9999999999999}, {"capture_amount": 9999999999999}]', None),
        ('[{"capture_amount": 990.505}]', None),
        ('[{"capture_amount": 990.5}, {}]', None),
        ('[{"capture_amount": -990.5}]', None),
        ('[{"capture_amount": 0}]', None),
        ('[{"capture_amount": true}]', None),
        ('[{"capture_amount": null}]', None),
        ('[{"capture_amount": NaN}]', None),
        ('[{"capture_amount": Infinity}]', None),
        ('[{"capture_amount": 1e300}]', None),
        ('[{"capture_amount": "9,90"}]', None),
        ('["990.5"]', None),
        ("{}", None),
        ('"990.5"', None),
        ("5", None),
    ],
)
def test_what_was_captured_is_exact_or_unknown(captures: str, paid: Money | None) -> None:
    payment = sample("payment.capture")["data"]
    payment["captures"] = json.loads(captures, parse_float=Decimal)

    facts = facts_from_payment(payment, OURS)

    assert facts.paid == paid
    assert facts.status is (PaymentStatus.UNKNOWN if paid is None else PaymentStatus.PAID)


@pytest.mark.parametrize("currency", ["XXX", "", "php", None])
def test_a_currency_without_books_is_never_paid(currency: object) -> None:
    payment = sample("payment.capture")["data"] | {"currency": currency}

    assert facts_from_payment(payment, OURS).status is PaymentStatus.UNKNOWN


@pytest.mark.parametrize(
    ("account", "changes", "foreign"),
    [
        (TEST, {}, None),
        (OURS, {}, None),
        (OURS, {"business_id": "661f87c614802d6c402cd82e"}, Foreign.OTHER_SHOP),
        (OURS, {"business_id": None}, Foreign.OTHER_SHOP),
        (LIVE, {}, Foreign.OTHER_MODE),
        (LIVE, {"payment_link_url": "https://xen.to/kGxPCi76"}, None),
        (TEST, {"payment_link_url": "https://xen.to/kGxPCi76"}, Foreign.OTHER_MODE),
    ],
)
def test_what_is_none_of_our_business_says_so(
    account: XenditAccount, changes: dict[str, object], foreign: Foreign | None
) -> None:
    session = sample("api-get-session.completed") | changes

    facts = facts_from_session(session, sample("payment.capture")["data"], account)

    assert facts.foreign is foreign


def test_ids_of_another_system_are_not_taken_for_ours() -> None:
    payment = sample("payment.capture")["data"]
    payment["metadata"] = {"checkout_id": "100042", "purchase_id": "pur_1; DROP"}

    facts = facts_from_payment(payment, OURS)

    assert (facts.checkout_id, facts.purchase_id) == (None, None)


def test_refunds_are_what_they_say() -> None:
    session_id = PaymentId(SESSION_ID)
    pending = facts_from_refund(sample("api-create-refund.pending"), session_id)
    done = facts_from_refund(sample("refund.succeeded")["data"], session_id)
    failed = facts_from_refund(sample("refund.failed")["data"], session_id)

    assert [one.status for one in (pending, done, failed)] == [
        OutgoingStatus.PENDING,
        OutgoingStatus.DONE,
        OutgoingStatus.FAILED,
    ]
    assert {(one.charge_id, one.amount) for one in (pending, done, failed)} == {
        (PAYMENT_ID, Money.of(300_00, "PHP"))
    }
    assert (done.our_id, done.fee, failed.reason) == (None, None, "insufficient_balance")


def test_a_refund_of_ours_is_known_by_its_reference_and_tells_its_fee() -> None:
    refund = sample("refund.succeeded")["data"]
    refund |= {"reference_id": "rfd_1", "refund_fee_amount": Decimal("2.5")}

    facts = facts_from_refund(refund, PaymentId(SESSION_ID))

    assert (facts.our_id, facts.fee) == ("rfd_1", Money.of(250, "PHP"))


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("api-create-payout-v2.accepted", OutgoingStatus.PENDING),
        ("api-get-payout-v2.succeeded", OutgoingStatus.DONE),
        ("api-cancel-payout-v2.cancelled", OutgoingStatus.FAILED),
    ],
)
def test_payouts_are_what_they_say(name: str, status: OutgoingStatus) -> None:
    facts = facts_from_payout(sample(name))

    assert (facts.payout_id, facts.status) == (PAYOUT_ID, status)
    assert (facts.amount, facts.our_id) == (Money.of(1500_00, "PHP"), None)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        *PAYOUT_STATUSES.items(),
        ("PENDING_COMPLIANCE_ASSESSMENT", OutgoingStatus.PENDING),
        ("COMPLIANCE_REJECTED", OutgoingStatus.FAILED),
        ("REVERSED", OutgoingStatus.RETURNED),
        ("SETTLED", OutgoingStatus.UNKNOWN),
        ("", OutgoingStatus.UNKNOWN),
    ],
)
def test_each_status_of_a_payout_has_a_meaning_and_a_new_one_has_none(
    said: str, status: OutgoingStatus
) -> None:
    payout = sample("api-get-payout-v2.succeeded") | {"status": said}

    assert facts_from_payout(payout).status is status


@pytest.mark.parametrize(
    "thing", [None, [], {}, "x", {"id": "a b", "amount": 1, "currency": "PHP"}]
)
def test_what_is_something_else_teaches_nothing(thing: object) -> None:
    for reading in (
        lambda: opened_from_session(thing),
        lambda: facts_from_session(thing, None, OURS),
        lambda: facts_from_payment(thing, OURS),
        lambda: facts_from_refund(thing, PaymentId(SESSION_ID)),
        lambda: facts_from_payout(thing),
    ):
        with pytest.raises(GatewayUnavailable):
            reading()
