"""YooKassa's webhooks: who may send them, and what is read and kept of them."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.gateways.yookassa.gateway import YooKassaGateway
from adapters.gateways.yookassa.translate import notice_from_body
from core.domain.payment import NoticeKind
from core.ports.payment_gateway import SenderNotListed, Webhook, WebhookNotReadable
from tests.adapters.gateways.recorded import SHOP, raw, recorded

PAYMENT_ID = "3286c3c0-000f-5000-8000-1a2b3c4d5e6f"
WEBHOOKS = {
    "payment.succeeded": (NoticeKind.PAYMENT, PAYMENT_ID, True),
    "payment.succeeded-sbp": (NoticeKind.PAYMENT, PAYMENT_ID, True),
    "payment.succeeded-recurring": (
        NoticeKind.PAYMENT,
        "3286e000-000f-5000-9000-1c2d3e4f5061",
        True,
    ),
    "payment.waiting_for_capture": (NoticeKind.PAYMENT, PAYMENT_ID, False),
    "payment.canceled": (NoticeKind.PAYMENT, PAYMENT_ID, False),
    "payment.canceled-expired_on_capture": (NoticeKind.PAYMENT, PAYMENT_ID, False),
    "payment.canceled-expired_on_confirmation": (NoticeKind.PAYMENT, PAYMENT_ID, False),
    "payment.canceled-permission_revoked": (NoticeKind.PAYMENT, PAYMENT_ID, False),
    "refund.succeeded": (NoticeKind.REFUND, PAYMENT_ID, False),
    "payment_method.active": (NoticeKind.OTHER, None, False),
    "payout.succeeded": (NoticeKind.PAYOUT, None, False),
    "payout.canceled": (NoticeKind.PAYOUT, None, False),
    "deal.closed": (NoticeKind.OTHER, None, False),
}
CANARIES = (
    *("555555", "4477", "2029", "MasterCard", "Mastercard", "Sberbank", "Bank card", "СБП"),
    *("603668680243", "603668680244", "603668680999", "062467", "062468", "79000000000"),
    *("B63241001150000A0000050011320801", "A63241300040000A0000050011320803"),
    *("100000000111", "044525225", "Подписка", "Автопродление", "Частичный", "Выплата", "Сделка"),
    *("100042", "sub-77", "rr-9", "3286f000-000f-5000-b000-1d2e3f405162"),
)


@pytest.mark.parametrize("recording", WEBHOOKS)
def test_recorded_webhooks_are_understood(recording: str) -> None:
    kind, payment_id, claims_paid = WEBHOOKS[recording]

    notice = notice_from_body(raw(recording))

    assert notice.event == recording.partition("-")[0]
    assert (notice.kind, notice.payment_id, notice.claims_paid) == (kind, payment_id, claims_paid)


@pytest.mark.parametrize("recording", [name for name in WEBHOOKS if "payment_method" not in name])
def test_repeats_are_known_by_event_and_object(recording: str) -> None:
    told = recorded(recording)

    assert notice_from_body(raw(recording)).dedupe_key == f"{told['event']} {told['object']['id']}"


def test_a_webhook_written_differently_is_the_same_notice() -> None:
    told = recorded("payment.succeeded")
    shuffled = json.dumps(dict(reversed(told.items())), indent=4).encode("utf-16")

    assert notice_from_body(shuffled) == notice_from_body(raw("payment.succeeded"))


@pytest.mark.parametrize("recording", WEBHOOKS)
def test_nothing_about_a_person_or_a_card_is_kept(recording: str) -> None:
    told = raw(recording).decode()
    notice = notice_from_body(raw(recording))
    shown = repr(notice) + json.dumps(json.loads(notice.body), ensure_ascii=False)

    assert any(canary in told for canary in CANARIES)
    assert not [canary for canary in CANARIES if canary in shown]


def test_every_recorded_webhook_is_looked_at_here() -> None:
    told = "".join(raw(recording).decode() for recording in WEBHOOKS)

    assert not [canary for canary in CANARIES if canary not in told]


def test_the_id_of_a_saved_method_is_not_kept_with_a_payment() -> None:
    saved = recorded("payment.succeeded-recurring")["object"]["payment_method"]["id"]

    assert saved not in repr(notice_from_body(raw("payment.succeeded-recurring")))


def planted(value: Any) -> Any:
    """The same with a canary in every object, under names that are not in the recordings."""
    if isinstance(value, dict):
        personal = ("full_name", "email", "client_ip", "account_number", "holder")
        grown = {name: planted(inner) for name, inner in value.items()}
        return dict.fromkeys(personal, "canary") | grown
    return value


@pytest.mark.parametrize("recording", WEBHOOKS)
def test_what_nobody_knows_yet_is_not_kept_either(recording: str) -> None:
    told = json.dumps(planted(recorded(recording))).encode()

    assert notice_from_body(told) == notice_from_body(raw(recording))


@pytest.mark.parametrize("spot", ["status", "created_at", "receipt_registration"])
@pytest.mark.parametrize("odd", ["anna@example.com", "Анна Иванова", "a" * 65, 555555, ["canary"]])
def test_a_known_field_keeps_only_plain_words(spot: str, odd: object) -> None:
    told = recorded("payment.succeeded")
    told["object"][spot] = odd

    kept = json.loads(notice_from_body(json.dumps(told).encode()).body)["object"]

    assert spot not in kept


@pytest.mark.parametrize("theirs", ["79991234567", "+79991234567", "4111111111111111"])
def test_the_numbers_of_somebody_elses_customers_are_not_kept(theirs: str) -> None:
    told = recorded("payment.succeeded")
    told["object"]["metadata"] = {"customer_id": theirs, "purchase_id": theirs}

    assert theirs not in notice_from_body(json.dumps(told).encode()).body


def test_what_an_operator_needs_is_kept() -> None:
    told = recorded("payment.canceled")
    told["object"]["metadata"] = {"checkout_id": "chk_1", "purchase_id": "pur_1", "name": "Anna"}

    body = json.loads(notice_from_body(json.dumps(told).encode()).body)

    assert body["event"] == "payment.canceled"
    assert body["object"]["id"] == PAYMENT_ID
    assert body["object"]["amount"] == {"value": "990.00", "currency": "RUB"}
    assert body["object"]["cancellation_details"]["reason"] == "insufficient_funds"
    assert body["object"]["metadata"] == {"checkout_id": "chk_1", "purchase_id": "pur_1"}


@pytest.mark.parametrize("odd", [None, 5, "", "a b", "a\0", "ы", "../x", "x" * 65, ["x"], {}, "\n"])
def test_an_odd_id_is_refused(odd: object) -> None:
    told = recorded("payment.succeeded")
    told["object"]["id"] = odd
    with pytest.raises(WebhookNotReadable):
        notice_from_body(json.dumps(told).encode())

    refund = recorded("refund.succeeded")
    refund["object"]["payment_id"] = odd
    with pytest.raises(WebhookNotReadable):
        notice_from_body(json.dumps(refund).encode())


@pytest.mark.parametrize(
    "odd", [None, 5, "", "payment", "payment.", "payment.succeeded\n", "PAYMENT.X", "a." + "b" * 99]
)
def test_an_odd_event_is_refused(odd: object) -> None:
    told = recorded("payment.succeeded") | {"event": odd}

    with pytest.raises(WebhookNotReadable):
        notice_from_body(json.dumps(told).encode())


@given(st.binary(max_size=200))
@example(b"")
@example(b"[" * 200_000)
@example(b'{"a":' * 200_000)
@example(b"1" * 10_000)
@example(b'"\\ud800"')
@example(b"\xef\xbb\xbf{}")
@example(b'{"event": "payment.succeeded", "object": []}')
def test_whatever_bytes_come_they_are_only_unreadable(body: bytes) -> None:
    with pytest.raises(WebhookNotReadable):
        notice_from_body(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(
    st.sampled_from(["id", "payment_id", "amount", "metadata", "status"]) | st.text(),
    st.just(PAYMENT_ID) | JSON,
)


@given(
    JSON
    | st.fixed_dictionaries(
        {"event": st.sampled_from([*WEBHOOKS]) | JSON, "object": OBJECTS | JSON}
    )
)
def test_whatever_json_comes_it_is_a_notice_or_unreadable(told: Any) -> None:
    try:
        notice = notice_from_body(json.dumps(told).encode())
    except WebhookNotReadable:
        return

    assert notice.event == told["event"]
    assert len(notice.dedupe_key) <= 130
    assert notice.body.isascii()
    assert set(json.loads(notice.body)) == {"event", "object"}


@pytest.mark.parametrize(
    "sender",
    [
        *("185.71.76.0", "185.71.76.1", "185.71.76.31", "::ffff:185.71.76.1", "::ffff:b947:4c01"),
        *("185.71.77.31", "77.75.153.0", "77.75.153.127", "77.75.154.128", "77.75.154.255"),
        *("77.75.156.11", "77.75.156.35", "2a02:5180:0:1509::1", "2A02:5180:0:1533::1"),
        *("2a02:5180:0:2655::1", "2a02:5180:0:2669:ffff:ffff:ffff:ffff"),
    ],
)
def test_yookassa_is_let_in(sender: str) -> None:
    notice = YooKassaGateway(SHOP).read_webhook(Webhook(sender, {}, raw("payment.succeeded")))

    assert notice.payment_id == PAYMENT_ID


@pytest.mark.parametrize(
    "sender",
    [
        *(None, "", " ", ",", "unknown", "_hidden", "," * 5000, "185.71.76.1, 203.0.113.9"),
        *("127.0.0.1", "::1", "10.0.0.1", "203.0.113.9", "64:ff9b::b947:4c01"),
        *("185.71.76.32", "185.71.75.255", "77.75.156.12", "77.75.153.128", "77.75.154.127"),
        *("185.71.76.1:443", "[2a02:5180:0:1509::1]:443", "185.71.76.0/27", "185.71.76.1\n"),
        *("2a02:5180:0:1510::1", "2a02:5180:0:1509::1%eth0", "::ffff:185.71.76.1%eth0"),
        *("185.71.076.1", "0271.71.76.1", "3108457473", "185.71.76", "185.71.76.1.", "١٨٥.71.76.1"),
    ],
)
def test_everybody_else_is_turned_away_unread(sender: str | None) -> None:
    with pytest.raises(SenderNotListed):
        YooKassaGateway(SHOP).read_webhook(Webhook(sender, {}, b"garbage"))


def test_an_operator_can_name_other_networks() -> None:
    gateway = YooKassaGateway(SHOP, networks=("127.0.0.0/8",))

    assert gateway.read_webhook(Webhook("127.0.0.1", {}, raw("payment.succeeded")))
    with pytest.raises(SenderNotListed):
        gateway.read_webhook(Webhook("185.71.76.1", {}, raw("payment.succeeded")))


@pytest.mark.parametrize("network", ["", "all", "185.71.76.1/27", "185.71.76.0/33"])
def test_a_mistyped_network_stops_the_start(network: str) -> None:
    with pytest.raises(ValueError):
        YooKassaGateway(SHOP, networks=(network,))
