"""YooKassa's words and ours: requests from what is wanted, facts and notices from payloads. Pure."""

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
    OutgoingStatus,
    PaymentFacts,
    PaymentId,
    PaymentStatus,
    PayoutFacts,
    PayoutId,
    RefundFacts,
    RefundId,
)
from core.domain.payout import PayoutAccount, PayoutOrder
from core.domain.plan import GatewayName
from core.domain.refund import Refund
from core.ports.payment_gateway import GatewayUnavailable, WebhookNotReadable

NAME: Final = GatewayName("yookassa")

CONFIRMATION_TERM: Final = timedelta(hours=1)
"""How long a payer has (YooKassa docs, Payment process); a few methods give more, none less."""

ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
EVENT: Final = re.compile(r"[a-z_]{1,32}\.[a-z_]{1,32}")
RAIL: Final = re.compile(r"[a-z][a-z_]{0,31}")
SAFE_TEXT: Final = re.compile(r"[0-9A-Za-z_.:+-]{1,64}")
OURS: Final = re.compile(r"(?:chk|pur|cus|rfd|wd)_[0-9a-z]{1,60}")

STATUSES: Final = {
    "pending": PaymentStatus.PENDING,
    "waiting_for_capture": PaymentStatus.AUTHORIZED,
    "succeeded": PaymentStatus.PAID,
    "canceled": PaymentStatus.CANCELED,
}

OUTGOING_STATUSES: Final = {
    "pending": OutgoingStatus.PENDING,
    "succeeded": OutgoingStatus.DONE,
    "canceled": OutgoingStatus.FAILED,
}
"""Of refunds, and of payouts."""

ACCOUNTS: Final = frozenset({"bank_card", "yoo_money"})
"""Kinds of account that can be paid out to. A transfer by telephone needs its bank's id as well."""

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
    "metadata": {
        "checkout_id": OURS,
        "purchase_id": OURS,
        "customer_id": OURS,
        "refund_id": OURS,
        "withdrawal_id": OURS,
    },
}
"""
What is kept of a webhook's object: nothing about a person, a card or a bank account. At the end
of a path stands the form of what is kept; None is SAFE_TEXT.
"""


def request_from_checkout(checkout: Checkout) -> dict[str, Any]:
    """The body of `POST /payments`. The same checkout gives the same bytes, for ever."""
    request = _payment(checkout) | {
        "confirmation": {
            "type": "redirect",
            "return_url": checkout.return_url,
            "locale": "ru_RU" if checkout.language.startswith("ru") else "en_US",
        },
    }
    if checkout.saves_method:
        request["save_payment_method"] = True
    return request


def request_from_charge(checkout: Checkout, token: str) -> dict[str, Any]:
    """The body of `POST /payments` that charges a saved method, with nobody there."""
    return _payment(checkout) | {"payment_method_id": token}


def request_from_refund(refund: Refund) -> dict[str, Any]:
    """The body of `POST /refunds`. What was fiscalised once is so when it goes back (54-FZ)."""
    request: dict[str, Any] = {
        "payment_id": refund.charge_id,
        "amount": _amount(refund.amount),
        "metadata": {"refund_id": refund.id, "purchase_id": refund.purchase_id},
    }
    if refund.receipt is not None:
        request["receipt"] = _receipt(refund.receipt, refund.amount)
    return request


def request_from_order(order: PayoutOrder) -> dict[str, Any]:
    """The body of `POST /payouts`."""
    return {
        "amount": _amount(order.amount),
        "payout_destination_data": _destination(order.account),
        "description": order.description[:128],
        "metadata": {"withdrawal_id": order.id},
    }


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
    is_saved = _flag(payload, "payment_method", "saved")
    rail = _text(payload, "payment_method", "type")
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
        was_refused=status is PaymentStatus.CANCELED and reason_of(payload) not in NOBODY_TRIED,
        fee=_kept(payload, paid),
        token=_id(payload, "payment_method", "id") if paid is not None and is_saved else None,
        details={"rail": rail} if RAIL.fullmatch(rail) else {},
    )


def facts_from_refund(payload: Mapping[str, Any]) -> RefundFacts:
    """
    Raises:
        GatewayUnavailable: it is not a refund.
    """
    refund_id, payment_id = _id(payload, "id"), _id(payload, "payment_id")
    amount = _money(payload)
    if refund_id is None or payment_id is None or amount is None:
        raise GatewayUnavailable(NAME)
    return RefundFacts(
        gateway=NAME,
        refund_id=RefundId(refund_id),
        payment_id=PaymentId(payment_id),
        status=OUTGOING_STATUSES.get(_text(payload, "status"), OutgoingStatus.UNKNOWN),
        amount=amount,
        our_id=_ours(payload, "refund_id"),
        charge_id=payment_id,
        reason=reason_of(payload) or None,
    )


def facts_from_payout(payload: Mapping[str, Any]) -> PayoutFacts:
    """
    Raises:
        GatewayUnavailable: it is not a payout.
    """
    payout_id, amount = _id(payload, "id"), _money(payload)
    if payout_id is None or amount is None:
        raise GatewayUnavailable(NAME)
    return PayoutFacts(
        gateway=NAME,
        payout_id=PayoutId(payout_id),
        status=OUTGOING_STATUSES.get(_text(payload, "status"), OutgoingStatus.UNKNOWN),
        amount=amount,
        our_id=_ours(payload, "withdrawal_id"),
        reason=reason_of(payload) or None,
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
    elif event.startswith("payout."):
        kind = NoticeKind.PAYOUT
    safe = _only(SAFE_FIELDS, told["object"] | {"id": object_id})
    return Notice(
        gateway=NAME,
        kind=kind,
        event=event,
        dedupe_key=f"{event} {object_id}",
        payment_id=None if payment_id is None else PaymentId(payment_id),
        claims_paid=event == "payment.succeeded",
        body=json.dumps({"event": event, "object": safe}),
        payout_id=PayoutId(object_id) if kind is NoticeKind.PAYOUT else None,
    )


def _payment(checkout: Checkout) -> dict[str, Any]:
    """What is said of every payment, whoever makes it."""
    request: dict[str, Any] = {
        "amount": _amount(checkout.amount),
        "capture": True,  # YooKassa's default holds the money for a week, and gives it back.
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


def _destination(account: PayoutAccount) -> dict[str, Any]:
    if account.kind == "yoo_money":
        return {"type": "yoo_money", "account_number": account.number}
    return {"type": "bank_card", "card": {"number": account.number}}


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


def _money(payload: Mapping[str, Any], name: str = "amount") -> Money | None:
    """None: not an amount, or not more than nothing, or of a currency without books."""
    value, code = _text(payload, name, "value"), _text(payload, name, "currency")
    try:
        money = Money.from_decimal_text(value, code)
    except (AmountNotUsable, UnknownCurrency):
        return None
    return money if money.is_positive else None


def _kept(payload: Mapping[str, Any], paid: Money | None) -> Money | None:
    """What YooKassa keeps of it; None where it does not say what is left."""
    income = _money(payload, "income_amount")
    if paid is None or income is None or income.currency != paid.currency or paid < income:
        return None
    return paid - income


def _foreign(payload: Mapping[str, Any], shop: YooKassaShop) -> Foreign | None:
    """What does not say whose it is, or in which mode, is not ours."""
    if _text(payload, "recipient", "account_id") != shop.shop_id:
        return Foreign.OTHER_SHOP
    if payload.get("test") is shop.live or not isinstance(payload.get("test"), bool):
        return Foreign.OTHER_MODE
    return None


def reason_of(payload: Mapping[str, Any]) -> str:
    """Why it was canceled; empty where it was not, or it is not said."""
    reason = _text(payload, "cancellation_details", "reason")
    return reason if not reason or SAFE_TEXT.fullmatch(reason) else "refused"


def _ours(payload: Mapping[str, Any], name: str) -> str | None:
    """Our own id; another system at the same shop may keep anything there."""
    found = _text(payload, "metadata", name)
    return found if OURS.fullmatch(found) else None


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


def _flag(payload: object, name: str, inner: str) -> bool:
    """Whether it says so in so many words."""
    outer = payload.get(name) if isinstance(payload, Mapping) else None
    return isinstance(outer, Mapping) and outer.get(inner) is True


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
