"""Answers and notifications have the keys, the types and the telling values of the recordings."""

import json
from pathlib import Path

import pytest

from sandbox.yookassa.wire import Json
from tests.sandbox.shop_floor import ShopFloor, a_receipt, a_shop

RECORDINGS = Path(__file__).parents[1] / "recordings" / "yookassa"
TELLING = {"type", "event", "status", "paid", "refundable", "party", "reason", "code", "test"} | {
    "description",
    "parameter",
    "value",
    "currency",
    "retry_after",
    "account_id",
    "saved",
    "payment_methods",
}
RECURRING = {
    "description": "Автопродление PRO, 2026-12",
    "metadata": {"subscription_id": "sub-77", "period": "2026-12"},
    "confirmation": None,
}
REFUND = {
    "description": "Частичный возврат по заказу 100042",
    "metadata": {"refund_request": "rr-9"},
}


def recorded(name: str) -> Json:
    return json.loads((RECORDINGS / f"{name}.json").read_text())


def outline(value: object, name: str = "") -> object:
    if isinstance(value, dict):
        return {key: outline(inner, key) for key, inner in value.items()}
    if name in TELLING:
        return value
    if isinstance(value, list):
        return [outline(inner) for inner in value]
    return type(value).__name__


@pytest.fixture
def floor() -> ShopFloor:
    return ShopFloor()


def test_a_new_payment(floor):
    assert outline(floor.opened()) == outline(recorded("api-create-payment.pending"))


def test_a_paid_payment(floor):
    receipt = a_receipt(("1.000", "990.00"))
    payment = floor.paid(receipt=receipt, save_payment_method=True)

    read = floor.get(f"/payments/{payment['id']}").body
    assert outline(read) == outline(recorded("api-get-payment.succeeded"))
    assert outline(floor.sent()) == [outline(recorded("payment.succeeded"))]


def test_a_held_payment(floor):
    payment = floor.paid(capture=False, save_payment_method=True)

    assert outline(payment) == outline(recorded("api-get-payment.waiting_for_capture"))
    assert outline(floor.sent()) == [outline(recorded("payment.waiting_for_capture"))]


def test_a_held_payment_that_the_shop_cancels(floor):
    payment = floor.paid(capture=False)

    canceled = floor.post(f"/payments/{payment['id']}/cancel").body
    assert outline(canceled) == outline(recorded("api-cancel-payment.canceled_by_merchant"))


def test_a_held_payment_that_nobody_captures(floor):
    floor.paid(capture=False, save_payment_method=True)
    floor.sent()
    floor.wait(days=7)

    assert outline(floor.sent()) == [outline(recorded("payment.canceled-expired_on_capture"))]


def test_a_declined_payment(floor):
    floor.rules.decline(floor.opened()["id"], at=floor.at)

    assert outline(floor.sent()) == [outline(recorded("payment.canceled"))]


def test_a_payment_that_nobody_confirms(floor):
    floor.opened()
    floor.wait(hours=1)

    assert outline(floor.sent()) == [outline(recorded("payment.canceled-expired_on_confirmation"))]


def test_a_payment_by_sbp(floor):
    floor.paid(payment_method_data={"type": "sbp"})

    assert outline(floor.sent()) == [outline(recorded("payment.succeeded-sbp"))]


def test_a_charge_of_a_saved_card(floor):
    first = floor.paid(save_payment_method=True)
    floor.sent()
    charged = floor.opened(payment_method_id=first["payment_method"]["id"], **RECURRING)

    assert outline(charged) == outline(recorded("api-create-payment.succeeded-recurring"))
    assert outline(floor.sent()) == [outline(recorded("payment.succeeded-recurring"))]


def test_a_charge_of_a_card_that_the_payer_unbound(floor):
    first = floor.paid(save_payment_method=True)
    floor.sent()
    floor.rules.revoke_method(first["payment_method"]["id"])
    metadata = {"metadata": RECURRING["metadata"], "confirmation": None}
    floor.opened(payment_method_id=first["payment_method"]["id"], **metadata)

    assert outline(floor.sent()) == [outline(recorded("payment.canceled-permission_revoked"))]


def test_a_refund_of_a_part(floor):
    payment = floor.paid()
    floor.sent()
    refund = floor.refund(payment["id"], "300.00", **REFUND).body

    assert outline(refund) == outline(recorded("api-create-refund.succeeded"))
    assert outline(floor.sent()) == [outline(recorded("refund.succeeded"))]
    listed = floor.get("/refunds", payment_id=payment["id"]).body
    assert outline(listed) == outline(recorded("api-list-refunds"))


def test_a_refund_by_sbp(floor):
    payment = floor.paid(payment_method_data={"type": "sbp"})
    refund = floor.refund(payment["id"], "300.00", **REFUND).body

    assert outline(refund) == outline(recorded("api-get-refund.succeeded-sbp"))


def test_a_refund_that_waits_and_is_rejected_without_a_word():
    floor = ShopFloor(a_shop(refunds_wait=True))
    payment = floor.paid()
    floor.sent()
    refund = floor.refund(payment["id"], "300.00", **REFUND).body
    floor.rules.reject_refund(refund["id"], at=floor.at)

    assert outline(refund) == outline(recorded("api-create-refund.pending"))
    read = floor.get(f"/refunds/{refund['id']}").body
    assert outline(read) == outline(recorded("api-get-refund.canceled"))
    assert floor.sent() == []


def test_a_payment_that_is_refunded_wholly(floor):
    payment = floor.paid(save_payment_method=True)
    floor.refund(payment["id"], "300.00")
    floor.refund(payment["id"], "690.00")

    read = floor.get(f"/payments/{payment['id']}").body
    assert outline(read) == outline(recorded("api-get-payment.succeeded-fully-refunded"))


def test_a_page_of_payments_and_the_last_page(floor):
    receipt = a_receipt(("1.000", "990.00"))
    floor.paid(receipt=receipt, save_payment_method=True)
    last_page = floor.get("/payments").body
    floor.opened()
    floor.wait(hours=1)
    floor.paid(receipt=receipt, save_payment_method=True)

    assert outline(last_page) == outline(recorded("api-list-payments.last-page"))
    page = floor.get("/payments", limit="2").body
    assert outline(page) == outline(recorded("api-list-payments"))


def test_the_settings_of_a_shop():
    floor = ShopFloor(a_shop(test=True, receipt_required=True))

    assert outline(floor.get("/me").body) == outline(recorded("api-me.shop"))


def test_refusals():
    floor = ShopFloor(a_shop(receipt_required=True, recurring_allowed=False))
    receipt = a_receipt(("1", "990.00"))
    order = {"amount": {"value": "990.00", "currency": "RUB"}, "receipt": receipt}
    floor.post("/payments", order, key="one")
    charge = order | {"payment_method_id": "31d5"}

    answers = {
        "400-idempotence-duplicated": floor.post("/payments", order | {"capture": True}, "one"),
        "400-idempotence-empty": floor.post("/payments", order, key=""),
        "400-payment-id": floor.get("/payments/31d5"),
        "400-receipt": floor.post("/payments", {"amount": order["amount"]}),
        "401": floor.call("GET", "/me", secret="wrong"),
        "403-recurring": floor.post("/payments", charge),
        "404": floor.get("/payments/3286c3c0-000f-5000-8000-1a2b3c4d5e6f"),
    }
    floor.rules.shops["100500"] = a_shop()
    answers["400-invalid_request"] = floor.post("/payments", charge)
    floor.rules.faults.plan("down", 1)
    answers["500"] = floor.get("/me")

    for name, answer in answers.items():
        assert answer.status == int(name[:3]), name
        assert outline(answer.body) == outline(recorded(f"api-error.{name}")), name
