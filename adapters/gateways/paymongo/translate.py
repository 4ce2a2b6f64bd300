"""PayMongo's words and ours: requests from checkouts, facts and notices from payloads. Pure."""

import hmac
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from adapters.gateways.calls import at, text_at
from adapters.gateways.paymongo.account import PayMongoAccount
from core.domain.checkout import Checkout
from core.domain.money import AMOUNT_MINOR_MAX, CURRENCIES, Money
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

NAME: Final = GatewayName("paymongo")

SESSION_TERM: Final = timedelta(hours=24)
"""A session ends at no time of its own (PayMongo docs, Checkout Sessions): we close it after this."""

PROOF_LIFE: Final = timedelta(hours=3)
"""
How old the time in a signature may be. It is not said whether a retry is stamped anew, and
retries end after 136.5 minutes (PayMongo docs, Webhooks).
"""
CLOCKS_DIFFER: Final = timedelta(minutes=5)

EXPONENT: Final = 2
"""Of every amount: the API counts hundredths (PayMongo docs, Payment)."""

ID: Final = re.compile(r"[a-z_]{2,16}_[0-9A-Za-z]{6,64}")
EVENT: Final = re.compile(r"[a-z_]{1,32}(\.[a-z_]{1,32}){1,3}")
OURS: Final = re.compile(r"(?:chk|pur|cus|rfd|wd)_[0-9a-z]{1,60}")
SIGNATURE: Final = re.compile(r"t=([0-9]{1,12}),te=([0-9a-f]*),li=([0-9a-f]*)")

DISPUTE: Final = "dispute."
TRANSFER_UPDATED: Final = "transfer.updated"
"""Our name for the callback of a transfer, which has none of its own."""

REFUND_STATUSES: Final = {
    "pending": OutgoingStatus.PENDING,
    "processing": OutgoingStatus.PENDING,
    "succeeded": OutgoingStatus.DONE,
    "failed": OutgoingStatus.FAILED,
}
TRANSFER_STATUSES: Final = {
    "pending": OutgoingStatus.PENDING,
    "succeeded": OutgoingStatus.DONE,
    "failed": OutgoingStatus.FAILED,
}

DISPUTE_STATUSES: Final = {
    "needs_response": OutgoingStatus.PENDING,
    "under_review": OutgoingStatus.PENDING,
    "won": OutgoingStatus.FAILED,
    "lost": OutgoingStatus.DONE,
}
"""Of a dispute, as the chargeback that may come of it (PayMongo docs, Disputes)."""

BANKS: Final = {"gcash": "GXCHPHM2XXX", "paymongo": "PAEYPHM2XXX"}
"""Kinds of account that can be paid out to, by their BIC (PayMongo docs, Money Movement)."""


def check_signature(header: str, body: bytes, account: PayMongoAccount, now: datetime) -> None:
    """
    `t=<unix>,te=<hex>,li=<hex>`: HMAC-SHA256 of `t.body`, in `te` in test mode and in `li` live
    (PayMongo docs, Webhooks). Which one counts is ours to say, never the body's.

    Raises:
        WebhookNotTrusted
    """
    parts = SIGNATURE.fullmatch(header)
    if parts is None:
        raise WebhookNotTrusted
    said = parts[3] if account.live else parts[2]
    signed = parts[1].encode() + b"." + body
    proof = hmac.new(account.webhook_secret.encode(), signed, sha256).hexdigest()
    if not hmac.compare_digest(said.encode(), proof.encode()):
        raise WebhookNotTrusted
    signed_at = datetime.fromtimestamp(int(parts[1]), UTC)
    if not now - PROOF_LIFE <= signed_at <= now + CLOCKS_DIFFER:
        raise WebhookNotTrusted


def notice_from_body(raw: bytes) -> Notice:
    """
    One sale fires `payment.paid` too: the session's event is the one acted on, since only the
    session is what we opened. The last of its payments is what the event is about.

    Raises:
        WebhookNotReadable
    """
    try:
        told = json.loads(raw)
    except (ValueError, RecursionError):
        raise WebhookNotReadable from None
    event_id, event = text_at(told, "data", "id"), text_at(told, "data", "attributes", "type")
    resource = at(told, "data", "attributes", "data")
    if text_at(told, "data", "type") == "wallet_transaction":
        event_id, event, resource = (
            text_at(told, "data", "id"),
            TRANSFER_UPDATED,
            at(told, "data"),
        )
    object_id = text_at(resource, "id")
    if not (ID.fullmatch(event_id) and EVENT.fullmatch(event) and ID.fullmatch(object_id)):
        raise WebhookNotReadable
    kind, about = _about(event, resource)
    is_payout = kind is NoticeKind.PAYOUT
    safe = {
        "event": event,
        "object": object_id,
        "status": text_at(resource, "attributes", "status")[:32],
        "livemode": at(resource, "attributes", "livemode") is True,
        "metadata": _ours(resource),
    }
    disputed = _money(resource, "amount") if event.startswith(DISPUTE) else None
    if disputed is not None:
        safe |= {"amount": disputed.amount_minor, "currency": disputed.currency.code}
    return Notice(
        gateway=NAME,
        kind=kind,
        event=event,
        dedupe_key=event_id,
        payment_id=PaymentId(about) if about and not is_payout else None,
        claims_paid=kind is NoticeKind.PAYMENT,
        body=json.dumps(safe),
        payout_id=PayoutId(about) if is_payout else None,
    )


def _about(event: str, resource: object) -> tuple[NoticeKind, str]:
    """What to ask about; empty where there is nothing to ask."""
    named = text_at(resource, "attributes", "payment_id")
    if event == TRANSFER_UPDATED:
        # It names the wallet's line, not the transfer; the reference number is ours.
        reference = text_at(resource, "attributes", "reference_number")
        if OURS.fullmatch(reference):
            return NoticeKind.PAYOUT, reference
    elif event == "checkout_session.payment.paid":
        return NoticeKind.PAYMENT, _last_payment(resource)
    elif event == "payment.refunded":
        return NoticeKind.REFUND, text_at(resource, "id")
    elif event == "payment.refund.updated":
        if not ID.fullmatch(named):
            raise WebhookNotReadable
        return NoticeKind.REFUND, named
    elif event.startswith(DISPUTE) and ID.fullmatch(named):
        # Where a dispute names its payment is not documented: elsewhere it is stored, and no more.
        return NoticeKind.REFUND, named
    return NoticeKind.OTHER, ""


def chargeback_from_notice(notice: Notice) -> RefundFacts | None:
    """
    What a notice of a dispute says, under the name that `refunds_of_payment` gives it; None: it is
    of none, or does not say of how much.
    """
    if not notice.event.startswith(DISPUTE) or notice.payment_id is None:
        return None
    told = json.loads(notice.body)
    amount = _amount(at(told, "amount"), text_at(told, "currency"))
    if amount is None:
        return None
    status = DISPUTE_STATUSES.get(text_at(told, "status"), OutgoingStatus.UNKNOWN)
    return _chargeback(notice.payment_id, notice.payment_id, amount, status)


def _last_payment(session: object) -> str:
    session_id, payments = text_at(session, "id"), at(session, "attributes", "payments")
    last = text_at(payments, -1, "id")
    return f"{session_id}/{last}" if ID.fullmatch(last) else session_id


def request_from_checkout(
    checkout: Checkout, billing: Billing | None, methods: tuple[str, ...]
) -> str:
    """The body of `POST /v1/checkout_sessions`. The same checkout gives the same bytes."""
    line = {
        "name": checkout.description[:255] or "Payment",
        "amount": checkout.amount.amount_minor,
        "currency": checkout.amount.currency.code,
        "quantity": 1,
    }
    attributes: dict[str, Any] = {
        "line_items": [line],
        "payment_method_types": list(methods),
        "success_url": checkout.return_url,
        "cancel_url": checkout.return_url,
        "description": checkout.description[:255],
        "reference_number": checkout.id,
        "send_email_receipt": False,
        "show_description": True,
        "show_line_items": True,
        "metadata": {
            "checkout_id": checkout.id,
            "purchase_id": checkout.purchase_id,
            "customer_id": checkout.customer_id,
        },
    }
    if billing is not None:
        attributes["billing"] = asdict(billing)
    return json.dumps({"data": {"attributes": attributes}})


def request_from_refund(refund: Refund) -> str:
    attributes = {
        "amount": refund.amount.amount_minor,
        "payment_id": refund.charge_id,
        "reason": "requested_by_customer",
        "metadata": {"refund_id": refund.id, "purchase_id": refund.purchase_id},
    }
    return json.dumps({"data": {"attributes": attributes}})


def request_from_order(order: PayoutOrder, account: PayMongoAccount) -> str:
    """One transfer of a batch; the reference number is ours."""
    transfer = {
        "provider": "instapay",
        "amount": order.amount.amount_minor,
        "currency": order.amount.currency.code,
        "purpose": "Withdrawal",
        "description": re.sub(r"[^A-Za-z0-9 ]", " ", order.description)[:50],
        "reference_number": order.id[:35],
        "source_account": {
            "number": account.wallet_number,
            "name": account.wallet_name,
            "bic": BANKS["paymongo"],
        },
        "destination_account": {
            "number": order.account.number,
            "name": order.account.holder_name,
            "bic": BANKS[order.account.kind],
        },
        "metadata": {"withdrawal_id": order.id},
    }
    return json.dumps({"transfers": [transfer]})


def opened_from_session(session: object) -> OpenedCheckout:
    """
    Raises:
        GatewayUnavailable: it is not a session, so nothing was learned.
    """
    id_, url = text_at(session, "id"), text_at(session, "attributes", "checkout_url")
    if not ID.fullmatch(id_) or not url.startswith(("https://", "http://")):
        raise GatewayUnavailable(NAME)
    created = _moment(at(session, "attributes", "created_at"))
    return OpenedCheckout(PaymentId(id_), url, None if created is None else created + SESSION_TERM)


def facts_from_session(
    session: object, account: PayMongoAccount, charge_id: str | None = None
) -> PaymentFacts:
    """
    A session is paid when one of its payments is (it stays `active` all the same). The first paid
    one is told, or the one asked for: a session may be paid more than once.

    Raises:
        GatewayUnavailable: it is not a session.
    """
    opened = opened_from_session(session)
    payments = at(session, "attributes", "payments")
    paid = [one for one in payments if _is_paid(one)] if isinstance(payments, list) else []
    if charge_id is not None:
        paid = [one for one in paid if text_at(one, "id") == charge_id]
    if paid:
        return _of_payment(paid[0], account, payment_id=opened.payment_id, ours=_ours(session))
    status = {"active": PaymentStatus.PENDING, "expired": PaymentStatus.CANCELED}.get(
        text_at(session, "attributes", "status"), PaymentStatus.UNKNOWN
    )
    ours = _ours(session)
    return PaymentFacts(
        gateway=NAME,
        payment_id=opened.payment_id,
        charge_id=charge_id or opened.payment_id,
        status=status,
        checkout_id=ours.get("checkout_id"),
        purchase_id=ours.get("purchase_id"),
        foreign=_foreign(session, account),
        opened=opened if status is PaymentStatus.PENDING else None,
    )


def facts_from_payment(payment: object, account: PayMongoAccount) -> PaymentFacts:
    """A payment by itself: whose session it was in is not said, its metadata may be."""
    id_ = text_at(payment, "id")
    if not ID.fullmatch(id_):
        raise GatewayUnavailable(NAME)
    return _of_payment(payment, account, payment_id=PaymentId(id_), ours=_ours(payment))


def _of_payment(
    payment: object, account: PayMongoAccount, *, payment_id: PaymentId, ours: Mapping[str, str]
) -> PaymentFacts:
    status = {
        "paid": PaymentStatus.PAID,
        "failed": PaymentStatus.CANCELED,
        "pending": PaymentStatus.PENDING,
    }.get(text_at(payment, "attributes", "status"), PaymentStatus.UNKNOWN)
    paid = _money(payment, "amount") if status is PaymentStatus.PAID else None
    if status is PaymentStatus.PAID and (paid is None or not paid.is_positive):
        status, paid = PaymentStatus.UNKNOWN, None
    rail = text_at(payment, "attributes", "source", "type")
    return PaymentFacts(
        gateway=NAME,
        payment_id=payment_id,
        charge_id=text_at(payment, "id"),
        status=status,
        paid=paid,
        checkout_id=ours.get("checkout_id"),
        purchase_id=ours.get("purchase_id"),
        foreign=_foreign(payment, account),
        was_refused=status is PaymentStatus.CANCELED,
        fee=_fee(payment) if paid is not None else None,
        details={"rail": rail} if re.fullmatch(r"[a-z_]{1,32}", rail) else {},
    )


def refunds_of_payment(payment: object, payment_id: PaymentId) -> Iterator[RefundFacts]:
    refunds = at(payment, "attributes", "refunds")
    for one in refunds if isinstance(refunds, list) else ():
        yield facts_from_refund(one, payment_id)
    id_, amount = text_at(payment, "id"), _money(payment, "amount")
    if at(payment, "attributes", "disputed") is True and ID.fullmatch(id_) and amount is not None:
        yield _chargeback(id_, payment_id, amount, OutgoingStatus.PENDING)


def _chargeback(
    charge_id: str, payment_id: PaymentId, amount: Money, status: OutgoingStatus
) -> RefundFacts:
    """A payment says no more than that it is disputed, so that its chargeback has its name."""
    return RefundFacts(
        gateway=NAME,
        refund_id=RefundId(charge_id),
        payment_id=payment_id,
        status=status,
        amount=amount,
        charge_id=charge_id,
        is_chargeback=True,
        reason="taken back by the payer's bank",
    )


def facts_from_refund(refund: object, payment_id: PaymentId) -> RefundFacts:
    """
    Raises:
        GatewayUnavailable: it is not a refund.
    """
    id_, amount = text_at(refund, "id"), _money(refund, "amount")
    if not ID.fullmatch(id_) or amount is None:
        raise GatewayUnavailable(NAME)
    said = text_at(refund, "attributes", "status")
    charge_id = text_at(refund, "attributes", "payment_id")
    return RefundFacts(
        gateway=NAME,
        refund_id=RefundId(id_),
        payment_id=payment_id,
        status=REFUND_STATUSES.get(said, OutgoingStatus.UNKNOWN),
        amount=amount,
        our_id=_ours(refund).get("refund_id"),
        charge_id=charge_id or None,
    )


def facts_from_transfer(transfer: object) -> PayoutFacts:
    """
    Raises:
        GatewayUnavailable: it is not a transfer.
    """
    id_ = text_at(transfer, "id")
    amount = _amount(at(transfer, "amount"), text_at(transfer, "currency"))
    if not ID.fullmatch(id_) or amount is None:
        raise GatewayUnavailable(NAME)
    ours = text_at(transfer, "metadata", "withdrawal_id")
    return PayoutFacts(
        gateway=NAME,
        payout_id=PayoutId(id_),
        status=TRANSFER_STATUSES.get(text_at(transfer, "status"), OutgoingStatus.UNKNOWN),
        amount=amount,
        our_id=ours if OURS.fullmatch(ours) else None,
    )


def created_at(resource: object) -> datetime | None:
    return _moment(at(resource, "attributes", "created_at"))


def _is_paid(payment: object) -> bool:
    return text_at(payment, "attributes", "status") == "paid"


def _ours(resource: object) -> dict[str, str]:
    """Our own ids in the metadata; another system at the same account may keep anything there."""
    kept: dict[str, str] = {}
    for name in ("checkout_id", "purchase_id", "customer_id", "refund_id"):
        found = text_at(resource, "attributes", "metadata", name)
        if OURS.fullmatch(found):
            kept[name] = found
    return kept


def _foreign(resource: object, account: PayMongoAccount) -> Foreign | None:
    """What does not say its mode is not ours. Another account's things are not found at all."""
    return None if at(resource, "attributes", "livemode") is account.live else Foreign.OTHER_MODE


def _money(resource: object, name: str) -> Money | None:
    attributes = at(resource, "attributes")
    return _amount(at(attributes, name), text_at(attributes, "currency"))


def _amount(minor: Any, code: str) -> Money | None:
    """Hundredths; None for what is not a whole number of a currency that we keep such books in."""
    unit = CURRENCIES.get(code)
    if unit is None or unit.exponent != EXPONENT:
        return None
    if type(minor) is not int or not 0 <= minor <= AMOUNT_MINOR_MAX:
        return None
    return Money(minor, unit)


def _fee(payment: object) -> Money | None:
    """All that is kept of it (PayMongo docs, Payment: net_amount is what is left)."""
    paid, net = _money(payment, "amount"), _money(payment, "net_amount")
    return None if paid is None or net is None or not net <= paid else paid - net


def _moment(seconds: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC) if type(seconds) is int else None
    except (OverflowError, OSError, ValueError):
        return None
