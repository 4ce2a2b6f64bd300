"""Crypto Pay's words and ours: requests from checkouts, facts and notices from payloads. Pure."""

import hmac
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from adapters.gateways.calls import at, text_at
from adapters.gateways.cryptopay.account import CryptoPayAccount
from core.domain.checkout import Checkout
from core.domain.errors import Invalid
from core.domain.money import Money
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
)
from core.domain.payout import PayoutOrder
from core.domain.plan import GatewayName
from core.ports.payment_gateway import GatewayUnavailable, WebhookNotReadable, WebhookNotTrusted

NAME: Final = GatewayName("cryptopay")
COINS: Final = frozenset({"USDT", "TON"})
"""Of the currencies that we keep books in, those that an invoice can be priced in as an asset."""

INVOICE_TERM: Final = timedelta(hours=1)
"""An invoice has no end unless it is told one (Crypto Pay API, createInvoice)."""

PAID: Final = "invoice_paid"
"""The only kind of update there is (Crypto Pay API, Webhooks)."""

ID: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
EVENT: Final = re.compile(r"[a-z_]{1,64}")
OURS: Final = re.compile(r"(?:chk|pur|cus)_[0-9a-z]{1,60}")
PLAIN: Final = re.compile(r"[A-Z0-9]{2,16}|[0-9]{1,20}(?:\.[0-9]{1,18})?")
USER_ID: Final = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)

STATUSES: Final = {
    "active": PaymentStatus.PENDING,
    "paid": PaymentStatus.PAID,
    "expired": PaymentStatus.CANCELED,
}
TRANSFER_STATUSES: Final = {"completed": OutgoingStatus.DONE}

FACTS: Final = (
    "paid_asset",
    "paid_amount",
    "paid_fiat_rate",
    "fee_asset",
    "fee_amount",
    "swapped_to",
    "swapped_output",
)
"""What is worth keeping of a paid invoice: in what it was paid, at which rate, what came of it."""


def check_signature(header: str, body: bytes, account: CryptoPayAccount) -> None:
    """
    HMAC-SHA256 over the bytes as they came, in hexadecimal; the key is the digest of the token
    (Crypto Pay API, Verifying webhook updates). The same JSON written anew is another text.

    Raises:
        WebhookNotTrusted
    """
    key = sha256(account.token.encode()).digest()
    proof = hmac.new(key, body, sha256).hexdigest()
    if not hmac.compare_digest(header.encode(errors="replace"), proof.encode()):
        raise WebhookNotTrusted


def notice_from_body(raw: bytes) -> Notice:
    """
    An update's id is documented as not unique, so repeats are told by the invoice. How old it is
    proves nothing: retries run for three days.

    Raises:
        WebhookNotReadable
    """
    try:
        told = json.loads(raw)
    except (ValueError, RecursionError):
        raise WebhookNotReadable from None
    event, invoice = text_at(told, "update_type"), at(told, "payload")
    id_ = _id(at(invoice, "invoice_id"))
    is_payment = event == PAID
    if not EVENT.fullmatch(event) or (is_payment and id_ is None):
        raise WebhookNotReadable
    safe = {
        "event": event,
        "object": id_,
        "status": text_at(invoice, "status")[:32],
        "amount": text_at(invoice, "amount")[:32],
        "currency": (text_at(invoice, "fiat") or text_at(invoice, "asset"))[:16],
        "payload": _ours(invoice),
    }
    return Notice(
        gateway=NAME,
        kind=NoticeKind.PAYMENT if is_payment else NoticeKind.OTHER,
        event=event,
        dedupe_key=f"{event} {id_ or sha256(raw).hexdigest()}",
        payment_id=PaymentId(id_) if is_payment and id_ else None,
        claims_paid=is_payment and safe["status"] == "paid",
        body=json.dumps(safe),
    )


def request_from_checkout(checkout: Checkout, account: CryptoPayAccount) -> str:
    """
    The body of createInvoice. A price in a currency of a state is asked for in it, whatever it is
    paid in; what comes back for us is the payload, which the payer never sees.
    """
    code = checkout.amount.currency.code
    fields: dict[str, object] = {
        "currency_type": "crypto" if code in COINS else "fiat",
        "amount": checkout.amount.decimal_text(),
        "description": checkout.description[:1024] or "Payment",
        "payload": json.dumps(
            {
                "checkout_id": checkout.id,
                "purchase_id": checkout.purchase_id,
                "customer_id": checkout.customer_id,
            }
        ),
        "allow_comments": False,  # We have no use for what people write there.
        "expires_in": int(INVOICE_TERM.total_seconds()),
    }
    if code in COINS:
        fields["asset"] = code
    else:
        fields |= {"fiat": code, "accepted_assets": ",".join(account.assets)}
    # A button without an address is refused (PAID_BTN_URL_REQUIRED): both, or neither.
    if checkout.return_url.startswith(("https://", "http://")):
        fields |= {"paid_btn_name": "callback", "paid_btn_url": checkout.return_url}
    return json.dumps(fields)


def request_from_order(order: PayoutOrder) -> str:
    """The body of transfer. Our key is its spend_id: the same one is never spent twice."""
    fields = {
        "user_id": int(order.account.number),
        "asset": order.amount.currency.code,
        "amount": order.amount.decimal_text(),
        "spend_id": order.id,
        "comment": order.description[:1024],
    }
    return json.dumps(fields)


def opened_from_invoice(invoice: object) -> OpenedCheckout:
    """
    Raises:
        GatewayUnavailable: it is not an invoice, so nothing was learned.
    """
    id_, url = _id(at(invoice, "invoice_id")), text_at(invoice, "bot_invoice_url")
    if id_ is None or not url.startswith(("https://", "http://")):
        raise GatewayUnavailable(NAME)
    return OpenedCheckout(PaymentId(id_), url, moment_at(invoice, "expiration_date"))


def facts_from_invoice(invoice: object, account: CryptoPayAccount) -> PaymentFacts:
    """
    What was agreed is the invoice's own amount: in `fiat`, or in `asset`. For the first, the
    payer's coins and their rate differ with each payer, and are facts beside it; a swap changes
    only what is left with us.

    Raises:
        GatewayUnavailable: it is not an invoice.
    """
    id_ = _id(at(invoice, "invoice_id"))
    if id_ is None:
        raise GatewayUnavailable(NAME)
    status = STATUSES.get(text_at(invoice, "status"), PaymentStatus.UNKNOWN)
    paid = _agreed(invoice) if status is PaymentStatus.PAID else None
    if status is PaymentStatus.PAID and (paid is None or not paid.is_positive):
        status, paid = PaymentStatus.UNKNOWN, None
    ours = _ours(invoice)
    return PaymentFacts(
        gateway=NAME,
        payment_id=PaymentId(id_),
        charge_id=id_,
        status=status,
        paid=paid,
        checkout_id=ours.get("checkout_id"),
        purchase_id=ours.get("purchase_id"),
        foreign=_foreign(invoice, account),
        opened=opened_from_invoice(invoice) if status is PaymentStatus.PENDING else None,
        fee=None if paid is None else _fee(invoice, paid),
        details={} if paid is None else _details(invoice),
    )


def facts_from_transfer(transfer: object, our_id: str | None) -> PayoutFacts:
    """
    Raises:
        GatewayUnavailable: it is not a transfer.
    """
    id_ = _id(at(transfer, "transfer_id"))
    amount = _money(text_at(transfer, "amount"), text_at(transfer, "asset"))
    if id_ is None or amount is None:
        raise GatewayUnavailable(NAME)
    said = text_at(transfer, "status")
    return PayoutFacts(
        gateway=NAME,
        payout_id=PayoutId(id_),
        status=TRANSFER_STATUSES.get(said, OutgoingStatus.UNKNOWN),
        amount=amount,
        our_id=our_id,
    )


def moment_at(thing: object, name: str) -> datetime | None:
    """When, as ISO 8601 with its zone; None for what is not there, or says no zone."""
    try:
        moment = datetime.fromisoformat(text_at(thing, name))
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment


def _id(found: object) -> str | None:
    return str(found) if type(found) is int and ID.fullmatch(str(found)) else None


def _agreed(invoice: object) -> Money | None:
    kind = {"fiat": "fiat", "crypto": "asset"}.get(text_at(invoice, "currency_type"))
    return None if kind is None else _money(text_at(invoice, "amount"), text_at(invoice, kind))


def _fee(invoice: object, paid: Money) -> Money | None:
    """Known where it is kept of the very asset that was agreed, and is whole in its digits."""
    if text_at(invoice, "fee_asset") != paid.currency.code:
        return None
    fee = _money(text_at(invoice, "fee_amount"), paid.currency.code)
    return fee if fee is not None and fee <= paid else None


def _money(text: str, code: str) -> Money | None:
    """None for what is no amount of a currency that we keep books in: nothing is rounded."""
    try:
        amount = Money.from_decimal_text(text, code)
    except Invalid:
        return None
    return amount if amount.amount_minor >= 0 else None


def _details(invoice: object) -> dict[str, str]:
    told = {name: text_at(invoice, name) for name in FACTS}
    return {name: value for name, value in told.items() if PLAIN.fullmatch(value)}


def _ours(invoice: object) -> dict[str, str]:
    """Our own ids in the payload; another system of the same app may keep anything there."""
    try:
        payload: object = json.loads(text_at(invoice, "payload"))
    except (ValueError, RecursionError):
        return {}
    kept: dict[str, str] = {}
    for name in ("checkout_id", "purchase_id", "customer_id"):
        found = text_at(payload, name) if isinstance(payload, Mapping) else ""
        if OURS.fullmatch(found):
            kept[name] = found
    return kept


def _foreign(invoice: object, account: CryptoPayAccount) -> Foreign | None:
    """
    Only the test network's addresses say which one they are of. Another app's invoices are not
    found at all.
    """
    urls = ("bot_invoice_url", "mini_app_invoice_url", "web_app_invoice_url")
    is_test = any("testnet" in text_at(invoice, name).lower() for name in urls)
    return Foreign.OTHER_MODE if is_test is account.live else None
