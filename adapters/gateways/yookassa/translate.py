"""YooKassa's words and ours: a request from a checkout, facts and notices from payloads. Pure."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from adapters.gateways.yookassa.shop import YooKassaShop
from core.domain.checkout import Checkout, Receipt
from core.domain.money import AmountNotUsable, Money, UnknownCurrency
from core.domain.payment import (
    Foreign,
    Notice,
    NoticeKind,
    OpenedCheckout,
    PaymentFacts,
    PaymentId,
    PaymentStatus,
)
from core.domain.plan import GatewayName
from core.ports.payment_gateway import GatewayUnavailable, WebhookNotReadable

NAME: Final = GatewayName("yookassa")

CONFIRMATION_TERM: Final = timedelta(hours=1)
"""How long a payer has (YooKassa docs, Payment process); a few methods give more, none less."""

ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
EVENT: Final = re.compile(r"[a-z_]{1,32}\.[a-z_]{1,32}")
SAFE_TEXT: Final = re.compile(r"[0-9A-Za-z_.:+-]{1,64}")
OURS: Final = re.compile(r"(?:chk|pur|cus)_[0-9a-z]{1,60}")

STATUSES: Final = {
    "pending": PaymentStatus.PENDING,
    "waiting_for_capture": PaymentStatus.AUTHORIZED,
    "succeeded": PaymentStatus.PAID,
    "canceled": PaymentStatus.CANCELED,
}

NOBODY_TRIED: Final = frozenset(
    {"", "expired_on_confirmation", "canceled_by_merchant", "rejected_by_timeout"}
)
"""Reasons of a cancellation that do not mean that a payer was turned down."""

AMOUNT: Final = {"value": None, "currency": None}
SAFE_FIELDS: Final[Mapping[str, Any]] = {
    "id": None,
    "payment_id": None,
    "status": None,
    "paid": None,
    "test": None,
    "refundable": None,
    "created_at": None,
    "captured_at": None,
    "expires_at": None,
    "receipt_registration": None,
    "amount": AMOUNT,
    "income_amount": AMOUNT,
    "refunded_amount": AMOUNT,
    "cancellation_details": {"party": None, "reason": None},
    "recipient": {"account_id": None},
    "payment_method": {"type": None},
    # Another system at the same shop may number its customers by their telephones.
    "metadata": {"checkout_id": OURS, "purchase_id": OURS, "customer_id": OURS},
}
"""
What is kept of a webhook's object: nothing about a person, a card or a bank account. At the end
of a path stands the form of what is kept; None is SAFE_TEXT.
"""


def request_from_checkout(checkout: Checkout) -> dict[str, Any]:
    """The body of `POST /payments`. The same checkout gives the same bytes, for ever."""
    request: dict[str, Any] = {
        "amount": _amount(checkout.amount),
        "capture": True,  # YooKassa's default holds the money for a week, and gives it back.
        "confirmation": {
            "type": "redirect",
            "return_url": checkout.return_url,
            "locale": "ru_RU" if checkout.language.startswith("ru") else "en_US",
        },
        "description": checkout.description[:128],
        "metadata": {
            "checkout_id": checkout.id,
            "purchase_id": checkout.purchase_id,
            "customer_id": checkout.customer_id,
        },
    }
    if checkout.receipt is not None:
        request["receipt"] = _receipt(checkout.receipt, checkout.amount)
    return request


def facts_from_payment(payload: Mapping[str, Any], shop: YooKassaShop) -> PaymentFacts:
    """
    A payment as YooKassa's API shows it. One that succeeded with an amount we cannot keep books
    of has an unknown status: never paid, asked about again, and then a person's.

    Raises:
        GatewayUnavailable: it is not a payment, so nothing was learned.
    """
    payment_id = _id(payload, "id")
    if payment_id is None:
        raise GatewayUnavailable(NAME)
    status = STATUSES.get(_text(payload, "status"), PaymentStatus.UNKNOWN)
    paid = _money(payload) if status is PaymentStatus.PAID else None
    if status is PaymentStatus.PAID and paid is None:
        status = PaymentStatus.UNKNOWN
    return PaymentFacts(
        gateway=NAME,
        payment_id=PaymentId(payment_id),
        charge_id=payment_id,  # A payment is charged once; later charges are new payments.
        status=status,
        paid=paid,
        checkout_id=_id(payload, "metadata", "checkout_id"),
        purchase_id=_id(payload, "metadata", "purchase_id"),
        foreign=_foreign(payload, shop),
        opened=_opened(payload, payment_id) if status is PaymentStatus.PENDING else None,
        was_refused=status is PaymentStatus.CANCELED and _reason(payload) not in NOBODY_TRIED,
    )


def notice_from_body(raw: bytes) -> Notice:
    """
    A notification has no id of its own (YooKassa docs, Notifications): the event and its object
    tell repeats. Read by hand, since the SDK's models refuse oddities that may be tolerated.

    Raises:
        WebhookNotReadable
    """
    try:
        told = json.loads(raw)
    except (ValueError, RecursionError):
        raise WebhookNotReadable from None
    event, object_id = _text(told, "event"), _id(told, "object", "id")
    if not EVENT.fullmatch(event) or object_id is None:
        raise WebhookNotReadable
    if event.startswith("payment_method."):
        # Whoever has the id of a saved method can charge it.
        object_id = sha256(object_id.encode()).hexdigest()[:32]
    kind, payment_id = NoticeKind.OTHER, None
    if event.startswith("payment."):
        kind, payment_id = NoticeKind.PAYMENT, object_id
    elif event == "refund.succeeded":
        kind, payment_id = NoticeKind.REFUND, _id(told, "object", "payment_id")
        if payment_id is None:
            raise WebhookNotReadable
    safe = _only(SAFE_FIELDS, told["object"] | {"id": object_id})
    return Notice(
        gateway=NAME,
        kind=kind,
        event=event,
        dedupe_key=f"{event} {object_id}",
        payment_id=None if payment_id is None else PaymentId(payment_id),
        claims_paid=event == "payment.succeeded",
        body=json.dumps({"event": event, "object": safe}),
    )


def _amount(money: Money) -> dict[str, str]:
    return {"value": money.decimal_text(), "currency": money.currency.code}


def _receipt(receipt: Receipt, amount: Money) -> dict[str, Any]:
    """One line at the whole price (YooKassa docs, Receipts)."""
    if "@" in receipt.contact:
        customer = {"email": receipt.contact}
    else:
        customer = {"phone": re.sub(r"[^0-9]", "", receipt.contact)}
    item = {
        "description": receipt.title[:128],
        "quantity": "1.00",
        "amount": _amount(amount),
        "vat_code": receipt.rule.vat_code,
        "payment_subject": receipt.rule.payment_subject,
        "payment_mode": receipt.rule.payment_mode,
    }
    told: dict[str, Any] = {"customer": customer, "items": [item]}
    if receipt.rule.tax_system_code is not None:
        told["tax_system_code"] = receipt.rule.tax_system_code
    return told


def _money(payload: Mapping[str, Any]) -> Money | None:
    """None: not an amount, or not more than nothing, or of a currency without books."""
    value, code = _text(payload, "amount", "value"), _text(payload, "amount", "currency")
    try:
        money = Money.from_decimal_text(value, code)
    except (AmountNotUsable, UnknownCurrency):
        return None
    return money if money.is_positive else None


def _foreign(payload: Mapping[str, Any], shop: YooKassaShop) -> Foreign | None:
    """What does not say whose it is, or in which mode, is not ours."""
    if _text(payload, "recipient", "account_id") != shop.shop_id:
        return Foreign.OTHER_SHOP
    if payload.get("test") is shop.live or not isinstance(payload.get("test"), bool):
        return Foreign.OTHER_MODE
    return None


def _reason(payload: Mapping[str, Any]) -> str:
    return _text(payload, "cancellation_details", "reason")


def _opened(payload: Mapping[str, Any], payment_id: str) -> OpenedCheckout | None:
    url = _text(payload, "confirmation", "confirmation_url")
    if not url.startswith(("https://", "http://")):
        return None
    return OpenedCheckout(PaymentId(payment_id), url, _expiry(_text(payload, "created_at")))


def _expiry(created_at: str) -> datetime | None:
    try:
        opened_at = datetime.fromisoformat(created_at)
        if opened_at.tzinfo is None:
            return None  # It could be any moment of a day.
        return opened_at.astimezone(UTC) + CONFIRMATION_TERM
    except (ValueError, OverflowError):
        return None


def _text(payload: object, *path: str) -> str:
    """The text at the end of the path; empty where there is none."""
    for name in path:
        payload = payload.get(name) if isinstance(payload, Mapping) else None
    return payload if isinstance(payload, str) else ""


def _id(payload: object, *path: str) -> str | None:
    found = _text(payload, *path)
    return found if ID.fullmatch(found) else None


def _only(allowed: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Of what was given, the allowed fields whose values are plain."""
    kept: dict[str, Any] = {}
    for name, inner in allowed.items():
        value = given.get(name)
        if isinstance(inner, Mapping):
            if isinstance(value, Mapping):
                kept[name] = _only(inner, value)
        elif isinstance(value, bool) or (
            isinstance(value, str) and (inner or SAFE_TEXT).fullmatch(value)
        ):
            kept[name] = value
    return kept
