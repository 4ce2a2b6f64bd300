"""
The payments and refunds of YooKassa and how they move: what payers, banks, dashboards and time do.

No network, no clock, no chance: time is the argument `at` (aware UTC, never going back), ids come
from a seed. A copy by `copy.deepcopy` lives on alone.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Final

from sandbox.deliveries import Deliveries, Notification
from sandbox.faults import Faults
from sandbox.yookassa import checks, means
from sandbox.yookassa.wire import (
    Json,
    Shop,
    digits_of,
    invalid,
    minor_from_value,
    money,
    object_id,
    stamp,
    value_from_minor,
)

CHECKOUT_URL: Final = "https://yoomoney.ru/checkout/payments/v2/contract?orderId="
CONFIRMATION_TERM: Final = timedelta(hours=1)
HOLD_TERM: Final = timedelta(days=7)
REFUND_TERM: Final = timedelta(days=3 * 365)
# A try, and the next ones after 1, 2, 5, 10, 30 minutes, then hourly.
PAUSES: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 30, 60))
KEEPS_TRYING: Final = timedelta(hours=24)


class NoSuchPayment(Exception):
    """The double has no such payment, refund or saved method."""


class MoveNotAllowed(Exception):
    """YooKassa's states do not allow this: final ones never change."""


@dataclass(slots=True)
class Payment:
    shop_id: str
    body: Json
    """What YooKassa answers about it now."""
    minor: int
    created_at: datetime
    capture: bool = True
    method_type: str = "bank_card"
    save_method: bool = False
    has_receipt: bool = False
    return_url: str | None = None
    deadline: datetime | None = None
    """When a pending or held payment is canceled by itself."""
    refunds_minor: int = 0
    """Of refunds that are pending or succeeded."""


@dataclass(slots=True)
class Refund:
    shop_id: str
    body: Json
    minor: int
    created_at: datetime


class PaymentMachine:
    def __init__(
        self, shops: Iterable[Shop], *, checkout_url: str = CHECKOUT_URL, seed: int = 0
    ) -> None:
        self.shops = {shop.shop_id: shop for shop in shops}
        """Add to it or replace in it at will."""
        self.faults = Faults()
        self.changes = 0
        """Grows with every change worth saving."""
        self._checkout_url = checkout_url
        self._seed = seed
        self._ids_made = 0
        self._payments: dict[str, Payment] = {}
        self._refunds: dict[str, Refund] = {}
        self._saved_methods: dict[str, tuple[str, Json]] = {}
        self._deadlines: list[tuple[datetime, str]] = []
        self._deliveries = Deliveries(PAUSES, KEEPS_TRYING)

    def pay(self, payment_id: str, *, at: datetime) -> Json:
        """
        The payer pays, once. A payment that is already paid only repeats its webhook.

        Raises: NoSuchPayment, MoveNotAllowed (it is canceled).
        """
        payment = self.payment(payment_id, at=at)
        if payment.body["paid"]:
            self._notify("payment", payment.body, at)
        else:
            self._must_be(payment, "pending")
            self._charge(payment, means.new_method(payment.method_type, payment_id, at), at)
        return deepcopy(payment.body)

    def decline(self, payment_id: str, *, at: datetime, reason: str = "insufficient_funds") -> Json:
        """The payer's bank refuses. Raises: NoSuchPayment, MoveNotAllowed (it is not pending)."""
        payment = self.payment(payment_id, at=at)
        self._must_be(payment, "pending")
        self._refuse(payment, means.new_method(payment.method_type, payment_id, at), reason, at)
        return deepcopy(payment.body)

    def expire(self, payment_id: str, *, at: datetime) -> Json:
        """The time of a pending or held payment ends now. Raises: NoSuchPayment, MoveNotAllowed."""
        payment = self.payment(payment_id, at=at)
        self._must_be(payment, "pending", "waiting_for_capture")
        self._run_out(payment, at)
        return deepcopy(payment.body)

    def revoke_method(self, method_id: str) -> None:
        """
        The payer unbinds a saved method: charging it is canceled as `permission_revoked`.

        Raises: NoSuchPayment.
        """
        if method_id not in self._saved_methods:
            raise NoSuchPayment(method_id)
        self._saved_methods[method_id][1]["status"] = "inactive"
        self.changes += 1

    def pay_at_dashboard(self, shop_id: str, value: str, *, at: datetime) -> Json:
        """A bill made by hand and paid: no metadata, no description. Raises: Refused."""
        self._age(at)
        shop = self.shops[shop_id]
        minor = checks.checked_amount({"value": value, "currency": shop.currency}, shop)
        payment = self._open(shop, checks.NewPayment(minor, capture=True), at)
        payment_id = payment.body["id"]
        self._charge(payment, means.new_method(payment.method_type, payment_id, at), at)
        return deepcopy(payment.body)

    def refund_at_dashboard(
        self, payment_id: str, *, at: datetime, value: str | None = None
    ) -> Json:
        """A refund made by hand, of all that is left by default. Raises: NoSuchPayment, Refused."""
        payment = self.payment(payment_id, at=at)
        shop = self.shops[payment.shop_id]
        amount = money(payment.minor - payment.refunds_minor, shop.currency)
        if value is not None:
            amount["value"] = value
        return deepcopy(self._refund(shop, {"payment_id": payment_id, "amount": amount}, at))

    def finish_refund(self, refund_id: str, *, at: datetime) -> Json:
        """A pending refund reaches the payer. Raises: NoSuchPayment, MoveNotAllowed."""
        refund = self._pending_refund(refund_id, at)
        self._settle_refund(refund, at)
        return deepcopy(refund.body)

    def reject_refund(
        self, refund_id: str, *, at: datetime, reason: str = "rejected_by_payee"
    ) -> Json:
        """A pending refund fails; no webhook tells it. Raises: NoSuchPayment, MoveNotAllowed."""
        refund = self._pending_refund(refund_id, at)
        refund.body["status"] = "canceled"
        refund.body["cancellation_details"] = {"party": "refund_network", "reason": reason}
        payment = self._payments[refund.body["payment_id"]]
        payment.refunds_minor -= refund.minor
        payment.body["refundable"] = True
        self.changes += 1
        return deepcopy(refund.body)

    def payment(self, payment_id: str, *, at: datetime) -> Payment:
        """The double's own record, to read. Raises: NoSuchPayment."""
        self._age(at)
        if payment_id not in self._payments:
            raise NoSuchPayment(payment_id)
        return self._payments[payment_id]

    def payments(self) -> Iterator[Payment]:
        """The double's own records, to read; newest first."""
        return reversed(self._payments.values())

    def due_notifications(self, at: datetime) -> list[Notification]:
        """In the order to send them; each comes again until `delivered` or `failed` is told."""
        self._age(at)
        return self._deliveries.due(at)

    def delivered(self, notification_id: int) -> None:
        """The receiver said HTTP 200; nothing else counts."""
        self._deliveries.delivered(notification_id)
        self.changes += 1

    def failed(self, notification_id: int, *, at: datetime) -> None:
        self._deliveries.failed(notification_id, at=at)
        self.changes += 1

    def signed(self, notification: Notification, _at: datetime) -> tuple[bytes, Mapping[str, str]]:
        """Nothing proves them: the receiver looks at the sender's address, and asks back."""
        return json.dumps(notification.body, ensure_ascii=False).encode(), {}

    def next_event_at(self) -> datetime | None:
        """When the next notification or expiry is due; None if nothing is to come."""
        while self._deadlines and not self._is_waiting(*self._deadlines[0]):
            heappop(self._deadlines)
        deadlines = [at for at, _ in self._deadlines[:1]]
        delivery = self._deliveries.next_at()
        return min(deadlines if delivery is None else [*deadlines, delivery], default=None)

    # From here on: moves that the API shares.

    def _open(self, shop: Shop, wanted: checks.NewPayment, at: datetime) -> Payment:
        payment_id = object_id("000f", digits=self._digits(), at=at)
        body: Json = {
            "id": payment_id,
            "status": "pending",
            "amount": money(wanted.minor, shop.currency),
            "recipient": {"account_id": shop.shop_id, "gateway_id": shop.gateway_id},
            "created_at": stamp(at),
            "test": shop.test,
            "paid": False,
            "refundable": False,
        } | deepcopy(wanted.echoed)
        if wanted.return_url is not None:
            url = self._checkout_url + payment_id
            body["confirmation"] = {"type": "redirect", "confirmation_url": url}
        payment = Payment(
            shop.shop_id,
            body,
            wanted.minor,
            datetime.fromisoformat(body["created_at"]),
            capture=wanted.capture,
            method_type=wanted.method_type or "bank_card",
            save_method=wanted.save_method,
            has_receipt=wanted.has_receipt,
            return_url=wanted.return_url,
        )
        self._payments[payment_id] = payment
        self._wait(payment, at + CONFIRMATION_TERM)
        return payment

    def _charge(self, payment: Payment, method: Json, at: datetime) -> None:
        if self.faults.take("decline"):
            return self._refuse(payment, method, "insufficient_funds", at)
        if self.faults.take("amount"):
            payment.minor += -1 if payment.minor > 1 else 1
            payment.body["amount"]["value"] = value_from_minor(payment.minor)
        payer_is_present = not method["saved"]
        if payment.save_method:
            method |= {"saved": True, "status": "active"}
            self._saved_methods[method["id"]] = (payment.shop_id, deepcopy(method))
        kind, body = method["type"], payment.body
        payment.method_type = kind
        body.pop("confirmation", None)
        body |= {"paid": True, "payment_method": method}
        body |= means.authorization(kind, body["id"], payer_is_present=payer_is_present)
        if payment.capture or kind == "sbp":  # SBP cannot hold money.
            return self._settle(payment, at)
        body |= {"status": "waiting_for_capture", "expires_at": stamp(at + HOLD_TERM)}
        self._wait(payment, at + HOLD_TERM)
        return self._notify("payment", body, at)

    def _settle(self, payment: Payment, at: datetime) -> None:
        body, currency = payment.body, payment.body["amount"]["currency"]
        body.pop("expires_at", None)
        body |= {
            "status": "succeeded",
            "amount": money(payment.minor, currency),
            "captured_at": stamp(at),
            "income_amount": money(means.income(payment.minor, payment.method_type), currency),
            "refunded_amount": money(0, currency),
            "refundable": True,
        }
        if payment.has_receipt:
            body["receipt_registration"] = "pending"
        payment.deadline = None
        self._notify("payment", body, at)

    def _refuse(self, payment: Payment, method: Json, reason: str, at: datetime) -> None:
        payer_is_present = not method["saved"]
        payment.body["payment_method"] = method
        payment.body |= means.refusal(method["type"], payer_is_present=payer_is_present)
        self._cancel(payment, "payment_network", reason, at)

    def _cancel(self, payment: Payment, party: str, reason: str, at: datetime) -> None:
        body = payment.body
        body.pop("confirmation", None)
        body.pop("expires_at", None)
        body |= {"status": "canceled", "paid": False}
        body["cancellation_details"] = {"party": party, "reason": reason}
        payment.deadline = None
        self._notify("payment", body, at)

    def _refund(self, shop: Shop, raw: Json, at: datetime) -> Json:
        payment = self._payments.get(str(raw.get("payment_id")))
        if payment is None or payment.shop_id != shop.shop_id:
            raise invalid("payment_id", checks.INCORRECT_PAYMENT_ID)
        minor = checks.checked_amount(raw.get("amount"), shop)
        is_late = at > payment.created_at + REFUND_TERM
        if payment.body["status"] != "succeeded" or is_late:
            raise invalid("payment_id")
        if minor > payment.minor - payment.refunds_minor:
            raise invalid("amount.value")
        # Of a whole refund YooKassa makes the receipt itself, out of the payment's.
        asked = shop.receipt_required and minor < payment.minor
        has_receipt = checks.check_receipt(raw.get("receipt"), minor, shop, asked=asked)
        body: Json = {
            "id": object_id("0015", digits=self._digits(), at=at),
            "payment_id": payment.body["id"],
            "status": "pending",
            "created_at": stamp(at),
            "amount": money(minor, shop.currency),
        } | checks.checked_echo(raw, {"description": 250})
        if has_receipt:
            body["receipt_registration"] = "pending"
        refund = Refund(shop.shop_id, body, minor, datetime.fromisoformat(body["created_at"]))
        self._refunds[body["id"]] = refund
        payment.refunds_minor += minor
        payment.body["refundable"] = payment.refunds_minor < payment.minor
        if not shop.refunds_wait:
            self._settle_refund(refund, at)
        return body

    def _settle_refund(self, refund: Refund, at: datetime) -> None:
        payment = self._payments[refund.body["payment_id"]]
        refund.body["status"] = "succeeded"
        refund.body |= means.refund_trace(payment.method_type, refund.body["id"])
        refunded = payment.body["refunded_amount"]
        done = minor_from_value(refunded["value"]) or 0
        refunded["value"] = value_from_minor(done + refund.minor)
        self._notify("refund", refund.body, at)

    def _notify(self, kind: str, body: Json, at: datetime) -> None:
        event = f"{kind}.{body['status']}"
        notice = {"type": "notification", "event": event, "object": deepcopy(body)}
        self._deliveries.add(notice, at=at, faults=self.faults)
        self.changes += 1

    def _run_out(self, payment: Payment, at: datetime) -> None:
        is_held = payment.body["status"] == "waiting_for_capture"
        reason = "expired_on_capture" if is_held else "expired_on_confirmation"
        self._cancel(payment, "yoo_money", reason, at)

    def _age(self, at: datetime) -> None:
        """Cancels what nobody paid or captured in time."""
        while self._deadlines and self._deadlines[0][0] <= at:
            deadline, payment_id = heappop(self._deadlines)
            if self._is_waiting(deadline, payment_id):
                self._run_out(self._payments[payment_id], at)

    def _wait(self, payment: Payment, deadline: datetime) -> None:
        payment.deadline = deadline
        heappush(self._deadlines, (deadline, payment.body["id"]))

    def _is_waiting(self, deadline: datetime, payment_id: str) -> bool:
        return self._payments[payment_id].deadline == deadline

    def _must_be(self, payment: Payment, *statuses: str) -> None:
        if payment.body["status"] not in statuses:
            raise MoveNotAllowed(f"the payment is {payment.body['status']}")

    def _pending_refund(self, refund_id: str, at: datetime) -> Refund:
        self._age(at)
        if refund_id not in self._refunds:
            raise NoSuchPayment(refund_id)
        refund = self._refunds[refund_id]
        if refund.body["status"] != "pending":
            raise MoveNotAllowed(f"the refund is {refund.body['status']}")
        return refund

    def _digits(self) -> str:
        self._ids_made += 1
        return digits_of(self._seed, self._ids_made)
