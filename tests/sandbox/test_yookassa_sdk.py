"""The official SDK, unchanged, against the served double."""

from collections.abc import Iterator
from decimal import Decimal
from types import SimpleNamespace

import pytest
import requests
from yookassa import Configuration, Payment, Refund, Settings
from yookassa.domain.exceptions import BadRequestError, NotFoundError, UnauthorizedError
from yookassa.domain.exceptions.forbidden_error import ForbiddenError
from yookassa.domain.exceptions.internal_server_error import InternalServerError
from yookassa.domain.notification import WebhookNotificationFactory

from sandbox.app import DEMO_SECRET, DEMO_SHOP_ID
from tests.sandbox.served_sandbox import Served
from tests.sandbox.shop_floor import an_order

CONFIGURED = ("account_id", "secret_key", "auth_token", "api_url")


@pytest.fixture(autouse=True)
def _sdk(served: Served) -> Iterator[None]:
    before = SimpleNamespace(**{name: getattr(Configuration, name) for name in CONFIGURED})
    api_url = f"{served.url}/sandbox/yookassa/v3"
    Configuration.configure(DEMO_SHOP_ID, DEMO_SECRET, api_url=api_url)
    yield
    for name in CONFIGURED:
        setattr(Configuration, name, getattr(before, name))


def test_a_purchase_from_checkout_to_refund(served):
    payment = Payment.create(an_order(), "chk-1")
    assert payment.status == "pending"
    assert payment.confirmation.confirmation_url == (
        f"{served.url}/sandbox/yookassa/checkout/{payment.id}"
    )
    assert payment.test is True

    served.control(f"yookassa/payments/{payment.id}/pay")
    found = Payment.find_one(payment.id)
    assert found.status == "succeeded"
    assert found.amount.value == Decimal("990.00")
    assert found.income_amount.value == Decimal("955.35")
    assert found.payment_method.card.last4 == "4477"

    refund = Refund.create({"payment_id": payment.id, "amount": an_order("300.00")["amount"]}, "r")
    assert refund.status == "succeeded"
    assert Refund.find_one(refund.id).amount.value == Decimal("300.00")
    assert Refund.list({"payment_id": payment.id}).items[0].id == refund.id
    assert Payment.find_one(payment.id).refunded_amount.value == Decimal("300.00")


def test_a_hold_is_captured_in_part_or_canceled(served):
    held = [Payment.create(an_order(capture=False), f"chk-{number}") for number in range(2)]
    for payment in held:
        served.control(f"yookassa/payments/{payment.id}/pay")

    part = Payment.capture(held[0].id, {"amount": an_order("700.00")["amount"]}, "capture")
    assert (part.status, part.amount.value) == ("succeeded", Decimal("700.00"))
    assert Payment.cancel(held[1].id, "cancel").cancellation_details.reason == (
        "canceled_by_merchant"
    )


def test_a_capture_without_a_body_takes_all(served):
    payment = Payment.create(an_order(capture=False), "chk")
    served.control(f"yookassa/payments/{payment.id}/pay")

    assert Payment.capture(payment.id, None, "capture").status == "succeeded"


def test_a_saved_card_is_charged_without_its_owner(served):
    first = Payment.create(an_order(save_payment_method=True), "chk-1")
    served.control(f"yookassa/payments/{first.id}/pay")
    card = Payment.find_one(first.id).payment_method

    charge = an_order(payment_method_id=card.id, confirmation=None)
    assert card.saved is True
    assert Payment.create(charge, "chk-2").status == "succeeded"


def test_one_key_makes_one_payment():
    first, again = Payment.create(an_order(), "chk-1"), Payment.create(an_order(), "chk-1")
    assert first.id == again.id

    with pytest.raises(BadRequestError) as refused:
        Payment.create(an_order("991.00"), "chk-1")
    assert refused.value.error.description == "Idempotence key duplicated"


def test_lists_go_page_by_page():
    made = [Payment.create(an_order(), f"chk-{number}").id for number in range(3)]

    first = Payment.list({"limit": 2, "created_at.gte": "2020-01-01T00:00:00.000Z"})
    second = Payment.list({"limit": 2, "cursor": first.next_cursor})
    assert [one.id for one in first.items + second.items] == made[::-1]
    assert second.next_cursor is None


def test_the_settings_name_the_shop():
    settings = Settings.get_account_settings()

    assert settings["account_id"] == DEMO_SHOP_ID
    assert settings["test"] is True


def test_refusals_are_the_errors_of_the_sdk(served):
    with pytest.raises(NotFoundError):
        Payment.find_one("3286c3c0-000f-5000-8000-1a2b3c4d5e6f")
    with pytest.raises(BadRequestError):
        Payment.find_one("no-such-id")
    served.control("yookassa/shops", shop_id=DEMO_SHOP_ID, recurring_allowed=False)
    with pytest.raises(ForbiddenError):
        Payment.create(an_order(save_payment_method=True), "chk-1")
    served.control("yookassa/faults", mode="down", next=1)
    with pytest.raises(InternalServerError):
        Payment.find_one("3286c3c0-000f-5000-8000-1a2b3c4d5e6f")
    Configuration.secret_key = "wrong"
    with pytest.raises(UnauthorizedError):
        Settings.get_account_settings()


def test_a_lost_answer_is_a_broken_connection_and_the_key_finds_the_payment(served):
    served.control("yookassa/faults", mode="timeout_after_acting", next=1)

    with pytest.raises(AttributeError) as broken:  # As the SDK masks every network error.
        Payment.create(an_order(), "chk-1")
    assert isinstance(broken.value.__context__, requests.RequestException)
    again = Payment.create(an_order(), "chk-1")
    assert [one.id for one in Payment.list().items] == [again.id]


def test_webhooks_are_what_the_sdk_understands(served):
    payment = Payment.create(an_order(), "chk-1")
    served.control(f"yookassa/payments/{payment.id}/pay")
    Refund.create({"payment_id": payment.id, "amount": an_order("300.00")["amount"]}, "r")
    served.until(lambda: len(served.hooks) == 2)

    notices = [WebhookNotificationFactory().create(body) for body in served.hooks]
    events = {notice.event: notice.object for notice in notices}
    assert events["payment.succeeded"].id == payment.id
    assert events["refund.succeeded"].payment_id == payment.id
