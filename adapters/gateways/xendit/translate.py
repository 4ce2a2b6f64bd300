"""Xendit's words and ours: requests from checkouts, facts and notices from payloads. Pure."""

import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

from adapters.gateways.calls import at, text_at
from adapters.gateways.xendit.account import XenditAccount
from core.domain.checkout import Checkout
from core.domain.money import AMOUNT_MINOR_MAX, AmountNotUsable, Money, UnknownCurrency
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
from core.domain.payment_method import Billing
from core.domain.payout import PayoutOrder
from core.domain.plan import GatewayName
from core.domain.refund import Refund
from core.ports.payment_gateway import GatewayUnavailable, WebhookNotReadable, WebhookNotTrusted

NAME: Final = GatewayName("xendit")

SESSION_TERM: Final = timedelta(hours=1)
"""How long a payer has; unless told, Xendit gives half an hour (Xendit docs, Payment Sessions)."""

ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
PAYMENT_ID: Final = re.compile(r"(?:ps|py|pr)-[0-9a-z-]{1,60}")
"""Of a session, a payment, or a payment request."""
EVENT: Final = re.compile(r"[a-z0-9_]{1,32}\.[a-z0-9_]{1,32}")
SAFE_TEXT: Final = re.compile(r"[0-9A-Za-z_.:+-]{1,64}")
OURS: Final = re.compile(r"(?:chk|pur|cus|rfd|wd)_[0-9a-z]{1,60}")
RAIL: Final = re.compile(r"[0-9A-Z_]{1,32}")

SESSION_STATUSES: Final = {
    "ACTIVE": PaymentStatus.PENDING,  # Also after a refusal: the payer may try again.
    "EXPIRED": PaymentStatus.CANCELED,
    "CANCELED": PaymentStatus.CANCELED,
}
PAYMENT_STATUSES: Final = {
    "PENDING": PaymentStatus.PENDING,
    "AUTHORIZED": PaymentStatus.AUTHORIZED,
    "SUCCEEDED": PaymentStatus.PAID,
    "FAILED": PaymentStatus.CANCELED,
    "CANCELED": PaymentStatus.CANCELED,
    "EXPIRED": PaymentStatus.CANCELED,
}
REFUND_STATUSES: Final = {
    "PENDING": OutgoingStatus.PENDING,
    "SUCCEEDED": OutgoingStatus.DONE,
    "FAILED": OutgoingStatus.FAILED,
    "CANCELLED": OutgoingStatus.FAILED,
}
PAYOUT_STATUSES: Final = {
    **dict.fromkeys(("ACCEPTED", "REQUESTED", "LOCKED", "READY"), OutgoingStatus.PENDING),
    "PENDING_COMPLIANCE_ASSESSMENT": OutgoingStatus.PENDING,
    "PENDING_COMPLIANCE_REVIEW": OutgoingStatus.PENDING,
    "SUCCEEDED": OutgoingStatus.DONE,
    **dict.fromkeys(("FAILED", "CANCELLED", "EXPIRED"), OutgoingStatus.FAILED),
    **dict.fromkeys(("COMPLIANCE_REJECTED", "REJECTED"), OutgoingStatus.FAILED),
    "REVERSED": OutgoingStatus.RETURNED,  # Hours or days after it had succeeded.
}

CHANNELS: Final = {
    "gcash": "PH_GCASH",
    "maya": "PH_PAYMAYA",
    "bank_bdo": "PH_BDO",
    "bank_bpi": "PH_BPI",
    "bank_unionbank": "PH_UBP",
}
"""Kinds of account that can be paid out to, by their channel code (Xendit docs, Payouts)."""

OTHER_MODE_LINKS: Final = {
    True: ("https://dev.xen.to/", "https://checkout-staging.xendit.co/"),
    False: ("https://xen.to/", "https://checkout.xendit.co/"),
}
"""In live mode, where pages of test mode are, which prove nothing there; and the reverse."""

SUBJECTS: Final = {
    "payment_session": "payment_session_id",
    "payment": "payment_id",
    "payment_request": "payment_request_id",
    "refund": "id",
    "payout": "id",
    "v3_payout": "payout_id",
    "invoice": "id",
    "dispute": "id",
}
"""What names the thing that an event is about. A saved token is not kept: it charges money."""

EMAIL_MAX: Final = 50
E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")

SAFE_FIELDS: Final[Mapping[str, Any]] = {
    "id": None,
    "payment_session_id": None,
    "payment_id": None,
    "payment_request_id": None,
    "payout_id": None,
    "business_id": None,
    "status": None,
    "type": None,
    "session_type": None,
    "capture_method": None,
    "channel_code": None,
    "failure_code": None,
    "reason": None,
    "currency": None,
    "country": None,
    "amount": None,
    "request_amount": None,
    "created": None,
    "updated": None,
    "expires_at": None,
    # Another system at the same account may number its customers by their telephones.
    "reference_id": OURS,
    "metadata": {"checkout_id": OURS, "purchase_id": OURS, "customer_id": OURS, "refund_id": OURS},
}
"""
What is kept of a webhook's data: nothing about a person, an account or a card, and no token. At
the end of a path stands the form of what is kept; None is SAFE_TEXT.
"""


def check_token(given: str, account: XenditAccount) -> None:
    """
    The token is all the proof there is: neither the body nor the time is signed (Xendit docs,
    Webhooks).

    Raises:
        WebhookNotTrusted
    """
    token = account.callback_token.encode()
    if not token or not hmac.compare_digest(given.encode(errors="replace"), token):
        raise WebhookNotTrusted


def notice_from_body(raw: bytes) -> Notice:
    """
    `created` is the time of this try (Xendit docs, Webhooks), so the event, its object and the
    status tell repeats. A sale fires `payment.capture` and `payment_session.completed`, in any
    order: both are asked about, and lead to one charge. A second payment has the first alone.

    Raises:
        WebhookNotReadable
    """
    try:
        told = json.loads(raw, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        raise WebhookNotReadable from None
    event, data = text_at(told, "event"), at(told, "data")
    if not event and text_at(told, "external_id"):
        # An invoice of another system at this account: flat, and named by nothing.
        event = f"invoice.{text_at(told, 'status').lower()}"
        data = {"id": at(told, "id"), "status": at(told, "status")}
    if event.startswith("dispute."):  # Flat too; what it comes to is known at its end.
        amount = at(told, "amount", "terminal") or at(told, "amount", "initial")
        data = {**told, "amount": amount}
    if event.startswith("refund.") and not text_at(data, "id"):
        data = at(data, "data")  # As the documents nest it in their example.
    if not EVENT.fullmatch(event) or not isinstance(data, Mapping):
        raise WebhookNotReadable
    kind, about = _about(event, data)
    status = text_at(data, "status")
    is_payout = kind is NoticeKind.PAYOUT
    return Notice(
        gateway=NAME,
        kind=kind,
        event=event,
        dedupe_key=f"{event} {_subject(event, data)} {status if ID.fullmatch(status) else '?'}",
        payment_id=PaymentId(about) if about and not is_payout else None,
        claims_paid=event in {"payment.capture", "payment_session.completed"},
        body=json.dumps({"event": event, "data": _only(SAFE_FIELDS, data)}),
        payout_id=PayoutId(about) if is_payout else None,
    )


def _about(event: str, data: Mapping[str, Any]) -> tuple[NoticeKind, str]:
    """What to ask about. A failed try (`payment.failure`) leaves its session open: it is nothing."""
    names: tuple[str, ...]
    match event.split("."):
        case ["payment_session", _]:
            kind, names = NoticeKind.PAYMENT, ("payment_session_id",)
        case ["payment", "capture" | "authorization"]:
            kind, names = NoticeKind.PAYMENT, ("payment_id",)
        case ["refund", _]:
            kind, names = NoticeKind.REFUND, ("payment_id", "payment_request_id")
        case ["dispute", _]:
            kind, names = NoticeKind.REFUND, ("payment_id",)
        case ["payout", _]:
            kind, names = NoticeKind.PAYOUT, ("id",)
        case _:
            return NoticeKind.OTHER, ""
    form = ID if kind is NoticeKind.PAYOUT else PAYMENT_ID
    for name in names:
        if form.fullmatch(text_at(data, name)):
            return kind, text_at(data, name)
    raise WebhookNotReadable


def _subject(event: str, data: Mapping[str, Any]) -> str:
    """The id of what the event is about; a digest where it has none that may be kept."""
    name = SUBJECTS.get(event.partition(".")[0])
    if name is None:
        content = json.dumps(data, sort_keys=True, default=str)
        return sha256(content.encode(errors="replace")).hexdigest()[:32]
    found = text_at(data, name)
    if not ID.fullmatch(found):
        raise WebhookNotReadable
    return found


def request_from_checkout(checkout: Checkout, billing: Billing | None = None) -> str:
    """The body of `POST /sessions`. The same checkout gives the same bytes."""
    fields: dict[str, object] = {
        "reference_id": checkout.id,
        "session_type": "PAY",
        "mode": "PAYMENT_LINK",
        "currency": checkout.amount.currency.code,
        "country": "PH",
        "capture_method": "AUTOMATIC",
        "allow_save_payment_method": "DISABLED",
        "locale": "en",
        "description": checkout.description or "Payment",
        "expires_at": stamp(checkout.asked_at + SESSION_TERM),
        "success_return_url": checkout.return_url,
        "cancel_return_url": checkout.return_url,
        "metadata": {
            "checkout_id": checkout.id,
            "purchase_id": checkout.purchase_id,
            "customer_id": checkout.customer_id,
        },
    }
    if billing is not None:
        fields["customer"] = _customer(billing, checkout.id)
    return _with_amount(fields, checkout.amount)


def _customer(billing: Billing, reference: str) -> dict[str, object]:
    """One for each checkout, since a reference is taken once; without what Xendit would refuse."""
    customer: dict[str, object] = {"type": "INDIVIDUAL", "reference_id": reference}
    customer["individual_detail"] = {"given_names": billing.name}
    if len(billing.email) <= EMAIL_MAX:
        customer["email"] = billing.email
    if E164.fullmatch(billing.phone):
        customer["mobile_number"] = billing.phone
    return customer


def request_from_refund(refund: Refund, payment_request_id: str) -> str:
    fields = {
        "payment_request_id": payment_request_id,
        "reference_id": refund.id,
        "currency": refund.amount.currency.code,
        "reason": "REQUESTED_BY_CUSTOMER",
        "metadata": {"refund_id": refund.id, "purchase_id": refund.purchase_id},
    }
    return _with_amount(fields, refund.amount)


def request_from_order(order: PayoutOrder) -> str:
    fields = {
        "reference_id": order.id,
        "channel_code": CHANNELS[order.account.kind],
        "channel_properties": {
            "account_number": order.account.number,
            "account_holder_name": order.account.holder_name,
        },
        "currency": order.amount.currency.code,
        "description": order.description[:100],
        "metadata": {"withdrawal_id": order.id},
    }
    return _with_amount(fields, order.amount)


def opened_from_session(session: object) -> OpenedCheckout:
    """
    Raises:
        GatewayUnavailable: it is not a session, so nothing was learned.
    """
    id_, url = text_at(session, "payment_session_id"), text_at(session, "payment_link_url")
    if not PAYMENT_ID.fullmatch(id_) or not url.startswith(("https://", "http://")):
        raise GatewayUnavailable(NAME)
    return OpenedCheckout(PaymentId(id_), url, _moment(text_at(session, "expires_at")))


def payment_of(session: object) -> str:
    """Of a session that is completed, the id of the payment that did it; empty of all others."""
    completed = text_at(session, "status") == "COMPLETED"
    return text_at(session, "payment_id") if completed else ""


def facts_from_session(
    session: object, payment: object | None, account: XenditAccount
) -> PaymentFacts:
    """
    `payment` is the one that completed it. That it is paid is said by both: a completed session
    whose payment says otherwise is nothing that we know.

    Raises:
        GatewayUnavailable: it is not a session, or not a payment.
    """
    opened = opened_from_session(session)
    if payment is not None:
        facts = facts_from_payment(payment, account, session=session)
        if facts.status is not PaymentStatus.CANCELED:
            return facts
        status, charge_id = PaymentStatus.UNKNOWN, facts.charge_id
    else:
        said = text_at(session, "status")
        status = SESSION_STATUSES.get(said, PaymentStatus.UNKNOWN)
        charge_id = opened.payment_id
    ours = ours_in(session)
    return PaymentFacts(
        gateway=NAME,
        payment_id=opened.payment_id,
        charge_id=charge_id,
        status=status,
        checkout_id=ours.get("checkout_id"),
        purchase_id=ours.get("purchase_id"),
        foreign=foreign_of(session, account),
        opened=opened if status is PaymentStatus.PENDING else None,
    )


def facts_from_payment(
    payment: object, account: XenditAccount, *, session: object | None = None
) -> PaymentFacts:
    """
    A payment by itself does not say of which session it is, but has its metadata.

    Raises:
        GatewayUnavailable: it is not a payment.
    """
    charge_id = text_at(payment, "payment_id")
    if not PAYMENT_ID.fullmatch(charge_id):
        raise GatewayUnavailable(NAME)
    status = PAYMENT_STATUSES.get(text_at(payment, "status"), PaymentStatus.UNKNOWN)
    paid = _captured(payment) if status is PaymentStatus.PAID else None
    if status is PaymentStatus.PAID and paid is None:
        status = PaymentStatus.UNKNOWN
    ours = ours_in(payment) | ours_in(session)
    payment_id = text_at(session, "payment_session_id") or charge_id
    rail = text_at(payment, "channel_code")
    return PaymentFacts(
        gateway=NAME,
        payment_id=PaymentId(payment_id),
        charge_id=charge_id,
        status=status,
        paid=paid,
        checkout_id=ours.get("checkout_id"),
        purchase_id=ours.get("purchase_id"),
        foreign=foreign_of(session, account) or foreign_of(payment, account),
        was_refused=status is PaymentStatus.CANCELED and text_at(payment, "status") == "FAILED",
        details={"rail": rail.lower()} if RAIL.fullmatch(rail) else {},
    )


def facts_from_refund(refund: object, payment_id: PaymentId) -> RefundFacts:
    """
    Raises:
        GatewayUnavailable: it is not a refund.
    """
    id_, code = text_at(refund, "id"), text_at(refund, "currency")
    amount = money_from(at(refund, "amount"), code)
    if not ID.fullmatch(id_) or amount is None:
        raise GatewayUnavailable(NAME)
    fee = money_from(at(refund, "refund_fee_amount"), code)
    ours = ours_in(refund)
    charge_id, failed = text_at(refund, "payment_id"), text_at(refund, "failure_code")
    return RefundFacts(
        gateway=NAME,
        refund_id=RefundId(id_),
        payment_id=payment_id,
        status=REFUND_STATUSES.get(text_at(refund, "status"), OutgoingStatus.UNKNOWN),
        amount=amount,
        our_id=ours.get("refund_id") or ours.get("reference_id"),
        charge_id=charge_id if PAYMENT_ID.fullmatch(charge_id) else None,
        fee=fee,
        reason=failed.lower() if SAFE_TEXT.fullmatch(failed) else None,
    )


def facts_from_payout(payout: object) -> PayoutFacts:
    """
    Raises:
        GatewayUnavailable: it is not a payout.
    """
    id_ = text_at(payout, "id")
    amount = money_from(at(payout, "amount"), text_at(payout, "currency"))
    if not ID.fullmatch(id_) or amount is None:
        raise GatewayUnavailable(NAME)
    failed = text_at(payout, "failure_code")
    return PayoutFacts(
        gateway=NAME,
        payout_id=PayoutId(id_),
        status=PAYOUT_STATUSES.get(text_at(payout, "status"), OutgoingStatus.UNKNOWN),
        amount=amount,
        our_id=ours_in(payout).get("reference_id"),
        reason=failed.lower() if SAFE_TEXT.fullmatch(failed) else None,
    )


def _with_amount(fields: Mapping[str, object], amount: Money) -> str:
    """JSON with the amount as a number in major units, exact: it never becomes a float."""
    return f'{json.dumps(fields)[:-1]}, "amount": {amount.decimal_text()}}}'


def _captured(payment: object) -> Money | None:
    """
    What the payer was charged: all that was captured. Some channels tell of no captures (Xendit
    docs, Payment webhook notification); there a payment that succeeded is what was asked for.
    """
    captures, code = at(payment, "captures"), text_at(payment, "currency")
    if captures is None or captures == []:
        captures = [{"capture_amount": at(payment, "request_amount")}]
    if not isinstance(captures, list):
        return None
    amounts = [money_from(at(one, "capture_amount"), code) for one in captures]
    minor = sum(one.amount_minor for one in amounts if one is not None)
    if None in amounts or not 0 < minor <= AMOUNT_MINOR_MAX:
        return None
    return Money.of(minor, code)


def money_from(amount: Any, code: str) -> Money | None:
    """A JSON number, or its text; None: no amount, or of a currency without books."""
    if isinstance(amount, bool) or not isinstance(amount, int | Decimal | str):
        return None
    try:
        money = Money.from_decimal_text(str(amount), code)
    except (AmountNotUsable, UnknownCurrency):
        return None
    return money if money.amount_minor >= 0 else None


def ours_in(resource: object) -> dict[str, str]:
    """Our own ids; another system at the same account may keep anything there."""
    kept = {"reference_id": text_at(resource, "reference_id")}
    for name in ("checkout_id", "purchase_id", "refund_id"):
        kept[name] = text_at(resource, "metadata", name)
    return {name: value for name, value in kept.items() if OURS.fullmatch(value)}


def foreign_of(resource: object | None, account: XenditAccount) -> Foreign | None:
    """
    What does not say whose it is, where it was told whose it must be, is not ours. The mode is the
    key's, so that only the address of its page could tell another.
    """
    if resource is None:
        return None
    if account.business_id and text_at(resource, "business_id") != account.business_id:
        return Foreign.OTHER_SHOP
    if text_at(resource, "payment_link_url").startswith(OTHER_MODE_LINKS[account.live]):
        return Foreign.OTHER_MODE
    return None


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return None if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _only(allowed: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Of what was given, the allowed fields whose values are plain; numbers as texts."""
    kept: dict[str, Any] = {}
    for name, inner in allowed.items():
        value = given.get(name)
        if isinstance(inner, Mapping):
            if isinstance(value, Mapping):
                kept[name] = _only(inner, value)
            continue
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and (inner or SAFE_TEXT).fullmatch(value):
            kept[name] = value
    return kept
