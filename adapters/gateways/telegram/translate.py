"""Telegram's words and ours: an invoice from a checkout, notices and facts from updates. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from adapters.gateways.calls import at
from core.domain.checkout import Checkout, CheckoutId, Receipt
from core.domain.money import AmountNotUsable, Money, UnknownCurrency
from core.domain.payment import (
    Notice,
    NoticeKind,
    OutgoingStatus,
    PaymentFacts,
    PaymentId,
    PaymentStatus,
    Recurrence,
    RefundFacts,
    RefundId,
    RenewalFacts,
)
from core.domain.plan import GatewayName
from core.ports.payment_gateway import WebhookNotReadable

STARS_CURRENCY: Final = "XTR"

TERM: Final = timedelta(hours=1)
"""How long a payer has. Telegram's invoices never end, so it stands in the payload and is kept at
pre-checkout."""

SUBSCRIPTION_SECONDS: Final = 2_592_000
"""30 days: the one period that Telegram renews."""

TITLE_MAX: Final = 32
DESCRIPTION_MAX: Final = 255

OUR_PAYLOAD: Final = re.compile(r"(chk_[0-9a-z_]{1,60})\.([0-9]{9,11})", re.ASCII)
PLAIN: Final = re.compile(r"[!-~]{1,255}", re.ASCII)
"""What may become an id: Telegram's charge ids, and payloads of whoever else uses this bot."""
NO_PAYLOAD: Final = "unreadable-payload"

PAYMENT_FIELDS: Final = {
    "currency": str,
    "total_amount": int,
    "invoice_payload": str,
    "telegram_payment_charge_id": str,
    "provider_payment_charge_id": str,
    "subscription_expiration_date": int,
    "is_recurring": bool,
    "is_first_recurring": bool,
}
"""What is kept of a message about money: nothing that a payer filled in, or is called by."""

DETAILS: Final = ("is_recurring", "is_first_recurring", "subscription_expiration_date")


@dataclass(frozen=True, slots=True)
class OurPayload:
    checkout_id: CheckoutId
    expires_at: datetime


def payload_of(checkout: Checkout) -> PaymentId:
    """
    Names the checkout and its term, so that the same checkout gives the same payload for ever.
    Telegram knows no payment before it is made: this is the id that we know one by.
    """
    expires_at = checkout.asked_at + TERM
    return PaymentId(f"{checkout.id}.{int(expires_at.timestamp())}")


def our_payload(payload: str) -> OurPayload | None:
    """None: none that we made."""
    found = OUR_PAYLOAD.fullmatch(payload)
    if found is None:
        return None
    return OurPayload(CheckoutId(found[1]), datetime.fromtimestamp(int(found[2]), UTC))


def invoice_from_checkout(checkout: Checkout, provider_token: str) -> dict[str, Any]:
    """The fields of `createInvoiceLink`; no provider token: Stars."""
    title = checkout.description[:TITLE_MAX].strip()
    invoice: dict[str, Any] = {
        "title": title,
        "description": checkout.description[:DESCRIPTION_MAX],
        "payload": payload_of(checkout),
        "provider_token": provider_token,
        "currency": checkout.amount.currency.code,
        "prices": [{"label": title, "amount": checkout.amount.amount_minor}],
    }
    if checkout.receipt is not None and provider_token:
        receipt = {"receipt": _receipt(checkout.receipt, checkout.amount)}
        invoice["provider_data"] = json.dumps(receipt, ensure_ascii=False)
    if checkout.saves_method:
        invoice["subscription_period"] = SUBSCRIPTION_SECONDS
    return invoice


def notice_from_update(raw: bytes, gateway: GatewayName, *, stars: bool) -> Notice:
    """
    Of an update about money in Stars, or in any other currency.

    Raises:
        WebhookNotReadable: also where it is about anything else.
    """
    try:
        told = json.loads(raw)
    except (ValueError, RecursionError):
        raise WebhookNotReadable from None
    message, subscription = at(told, "message"), at(told, "subscription")
    for event, kind in (
        ("successful_payment", NoticeKind.PAYMENT),
        ("refunded_payment", NoticeKind.REFUND),
    ):
        if isinstance(payment := at(message, event), Mapping):
            notice = _notice_of(event, kind, payment, at(message, "from", "id"), gateway)
            if (payment.get("currency") == STARS_CURRENCY) is not stars:
                raise WebhookNotReadable
            return notice
    if isinstance(subscription, Mapping) and stars:
        return _notice_of_subscription(told, subscription, gateway)
    raise WebhookNotReadable


def facts_from_notice(notice: Notice) -> PaymentFacts | None:
    """
    What `notice_from_update` kept of a payment. Telegram says it once and cannot be asked: it is
    proven by the secret that came with it. None: no notice of a payment.
    """
    kept = json.loads(notice.body) if notice.kind is NoticeKind.PAYMENT else {}
    if notice.event != "successful_payment" or notice.payment_id is None:
        return None
    paid = _money(kept.get("total_amount"), kept.get("currency"))
    details = {name: _detail(kept[name]) for name in DETAILS if name in kept}
    charge_id, recurrence = kept["telegram_payment_charge_id"], None
    if kept.get("is_recurring"):
        recurrence = Recurrence.FIRST if kept.get("is_first_recurring") else Recurrence.LATER
    facts = paid_facts(notice.gateway, notice.payment_id, charge_id, paid, recurrence)
    return replace(facts, details=details)


def renewal_from_notice(notice: Notice) -> RenewalFacts | None:
    """A payer's word. That a renewal failed is none: Telegram tells the payer, and tries again."""
    goes_on = {"subscription.active": True, "subscription.canceled": False}.get(notice.event)
    if goes_on is None:
        return None
    return RenewalFacts(PaymentId(json.loads(notice.body)["invoice_payload"]), goes_on)


def paid_facts(
    gateway: GatewayName,
    payment_id: PaymentId,
    charge_id: str,
    paid: Money | None,
    recurrence: Recurrence | None,
) -> PaymentFacts:
    """A sum that we cannot keep books of (None) is never paid: a person's, after a day."""
    ours = our_payload(payment_id)
    return PaymentFacts(
        gateway=gateway,
        payment_id=payment_id,
        charge_id=charge_id,
        status=PaymentStatus.UNKNOWN if paid is None else PaymentStatus.PAID,
        paid=paid,
        checkout_id=None if ours is None else ours.checkout_id,
        recurrence=recurrence,
    )


def unpaid_facts(
    gateway: GatewayName, payment_id: PaymentId, *, at: datetime
) -> PaymentFacts | None:
    """Of a payload that nobody has paid, as far as we know. None: it is none of ours."""
    ours = our_payload(payment_id)
    if ours is None:
        return None
    is_over = ours.expires_at <= at
    return PaymentFacts(
        gateway=gateway,
        payment_id=payment_id,
        charge_id=payment_id,
        status=PaymentStatus.CANCELED if is_over else PaymentStatus.PENDING,
        checkout_id=ours.checkout_id,
    )


@dataclass(frozen=True, slots=True)
class StarRow:
    """
    One line of `getStarTransactions` about an invoice. A refund has the id of its payment, so
    `is_refund` is a part of what tells rows apart. `payer`: whom Telegram gives it back to. Of a
    subscription the rows do not say which is the first: it is the one that was made in the term.
    """

    charge_id: str
    is_refund: bool
    payment_id: PaymentId
    stars: Money | None
    payer: int
    recurrence: Recurrence | None = None

    def facts(self, gateway: GatewayName) -> PaymentFacts | RefundFacts:
        if not self.is_refund:
            return paid_facts(gateway, self.payment_id, self.charge_id, self.stars, self.recurrence)
        unreadable = Money.of(0, STARS_CURRENCY)
        return RefundFacts(
            gateway=gateway,
            refund_id=RefundId(self.charge_id),
            payment_id=self.payment_id,
            status=OutgoingStatus.UNKNOWN if self.stars is None else OutgoingStatus.DONE,
            amount=self.stars or unreadable,
            charge_id=self.charge_id,
        )


def row_from_transaction(told: Mapping[str, Any]) -> StarRow | None:
    """None for whatever is not about an invoice: withdrawals, gifts, paid media, advertising."""
    is_refund = "receiver" in told
    partner = told.get("receiver" if is_refund else "source")
    payer, payload = at(partner, "user", "id"), at(partner, "invoice_payload")
    charge_id = told.get("id")
    if type(payer) is not int or not isinstance(payload, str) or not isinstance(charge_id, str):
        return None
    stars = None if told.get("nanostar_amount") else _money(told.get("amount"), STARS_CURRENCY)
    recurrence = None
    if type(at(partner, "subscription_period")) is int:
        ours, made = our_payload(payload), made_at(told)
        is_late = ours is not None and made is not None and made > ours.expires_at + TERM
        recurrence = Recurrence.LATER if is_late else Recurrence.FIRST
    return StarRow(charge_id, is_refund, _payment_id(payload), stars, payer, recurrence)


def made_at(told: Mapping[str, Any]) -> datetime | None:
    """Of one line of `getStarTransactions`."""
    date = told.get("date")
    try:
        return datetime.fromtimestamp(date, UTC) if type(date) is int else None
    except (ValueError, OverflowError, OSError):
        return None


def _notice_of(
    event: str,
    kind: NoticeKind,
    payment: Mapping[str, Any],
    payer: object,
    gateway: GatewayName,
) -> Notice:
    kept = {
        name: payment[name]
        for name, form in PAYMENT_FIELDS.items()
        if type(value := payment.get(name)) is form
        and (not isinstance(value, str) or PLAIN.fullmatch(value))
    }
    charge_id = kept.get("telegram_payment_charge_id", "")
    if not PLAIN.fullmatch(charge_id) or not {"currency", "total_amount"} <= set(kept):
        raise WebhookNotReadable
    payment_id = _payment_id(kept.get("invoice_payload", ""))
    kept["invoice_payload"] = payment_id
    if type(payer) is int:
        kept["payer"] = payer
    return Notice(
        gateway=gateway,
        kind=kind,
        event=event,
        dedupe_key=f"{event} {charge_id}",
        payment_id=payment_id,
        claims_paid=kind is NoticeKind.PAYMENT,
        body=json.dumps(kept, sort_keys=True),
    )


def _notice_of_subscription(
    told: Mapping[str, Any], subscription: Mapping[str, Any], gateway: GatewayName
) -> Notice:
    """Nothing is paid or given back by it (Bot API 10.2, BotSubscriptionUpdated)."""
    number, state = told.get("update_id"), subscription.get("state")
    payload = subscription.get("invoice_payload")
    if type(number) is not int or state not in {"active", "canceled", "failed"}:
        raise WebhookNotReadable
    kept = {
        "invoice_payload": _payment_id(payload if isinstance(payload, str) else ""),
        "state": state,
    }
    return Notice(
        gateway=gateway,
        kind=NoticeKind.OTHER,
        event=f"subscription.{state}",
        dedupe_key=f"subscription {number}",
        payment_id=None,
        claims_paid=False,
        body=json.dumps(kept, sort_keys=True),
    )


def _receipt(receipt: Receipt, amount: Money) -> dict[str, Any]:
    """
    For providers that fiscalise (YooKassa docs, Payments in Telegram): one line at the whole
    price, in `provider_data`.
    """
    if "@" in receipt.contact:
        customer = {"email": receipt.contact}
    else:
        customer = {"phone": re.sub(r"[^0-9]", "", receipt.contact)}
    item = {
        "description": receipt.title[:128],
        "quantity": "1.00",
        "amount": {"value": amount.decimal_text(), "currency": amount.currency.code},
        "vat_code": receipt.rule.vat_code,
        "payment_subject": receipt.rule.payment_subject,
        "payment_mode": receipt.rule.payment_mode,
    }
    told: dict[str, Any] = {"customer": customer, "items": [item]}
    if receipt.rule.tax_system_code is not None:
        told["tax_system_code"] = receipt.rule.tax_system_code
    return told


def _payment_id(payload: str) -> PaymentId:
    """Money with a payload that nothing can be kept under is money all the same."""
    return PaymentId(payload if PLAIN.fullmatch(payload) else NO_PAYLOAD)


def _money(amount: object, code: object) -> Money | None:
    """Minor units as they are, whole Stars too. None: no sum, or of a currency without books."""
    if type(amount) is not int or not isinstance(code, str):
        return None
    try:
        money = Money.of(amount, code)
    except (AmountNotUsable, UnknownCurrency):
        return None
    return money if money.is_positive else None


def _detail(value: object) -> str:
    return str(value).lower()
