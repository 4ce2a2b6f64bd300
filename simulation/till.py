"""A gateway of the forecast: it takes, keeps, charges again and gives back at once, for a fee."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from core.domain.checkout import Checkout, CheckoutId
from core.domain.money import Money, currency
from core.domain.payment import (
    Notice,
    NoticeKind,
    OpenedCheckout,
    OutgoingStatus,
    PaymentFacts,
    PaymentId,
    PaymentStatus,
    RefundFacts,
    RefundId,
)
from core.domain.payment_method import Billing
from core.domain.plan import GatewayName
from core.domain.refund import OurRefundId, Refund
from core.ports.payment_gateway import Abilities, Refunding, TakesPayments, Webhook
from core.ports.unit_of_work import Now
from simulation.habits import currencies_of

TERM: Final = timedelta(hours=1)
MOST: Final = 10**12


class Till(TakesPayments):
    """Its own books are the truth that ours are compared with."""

    def __init__(
        self,
        name: GatewayName,
        now: Now,
        fee: Callable[[Money], Money],
        declines: Callable[[], bool],
    ) -> None:
        """`declines`: whether the payer's bank says no to the next charge of a saved method."""
        self.name = name
        takes = currencies_of(name)
        is_stars = takes == ("XTR",)
        self.abilities = Abilities(
            bounds={code: (Money.of(1, code), Money.of(MOST, code)) for code in takes},
            key_memory=timedelta(hours=24),
            refunding=Refunding.WHOLE if is_stars else Refunding.PARTS,
            charges_saved=not is_stars,
        )
        self.asked: Final[dict[str, datetime]] = {}
        """When we last heard of a payment or a checkout, by its id."""
        self._now = now
        self._fee = fee
        self._declines = declines
        self._payments: dict[PaymentId, PaymentFacts] = {}
        self._of_checkout: dict[CheckoutId, PaymentId] = {}
        self._asked_for: dict[PaymentId, Money] = {}
        self._saves: set[PaymentId] = set()
        self._refunds: dict[OurRefundId, RefundFacts] = {}

    def taken(self, charge_id: str) -> Money | None:
        """What it took by a charge."""
        known = self._payments.get(PaymentId(charge_id))
        return None if known is None else known.paid

    def held_for_us(self, code: str) -> int:
        """What it would hand over now, in minor units: taken less kept and given back."""
        unit = currency(code)
        moved = [one for payment in self._payments.values() for one in _kept(payment)]
        moved += [-one.amount for one in self._refunds.values()]
        return sum(one.amount_minor for one in moved if one.currency == unit)

    # The payer.

    def pay(self, payment_id: PaymentId) -> Webhook:
        """What it tells us then."""
        facts, amount = self._present(payment_id), self._asked_for[payment_id]
        assert facts.status is PaymentStatus.PENDING, facts
        token = f"{payment_id}-saved" if payment_id in self._saves else None
        self._payments[payment_id] = replace(
            facts,
            status=PaymentStatus.PAID,
            paid=amount,
            fee=self._fee(amount),
            opened=None,
            token=token,
        )
        return _told("payment.succeeded", payment_id)

    def decline(self, payment_id: PaymentId) -> Webhook:
        """The payer's bank says no."""
        canceled = PaymentStatus.CANCELED
        facts = replace(self._present(payment_id), status=canceled, opened=None, was_refused=True)
        self._payments[payment_id] = facts
        return _told("payment.canceled", payment_id)

    # The port.

    async def open_checkout(
        self,
        checkout: Checkout,
        billing: Billing | None = None,  # noqa: ARG002 - Whoever it is.
    ) -> OpenedCheckout:
        payment_id = self._of_checkout.get(checkout.id) or self._make(checkout)
        url = f"https://{self.name}.invalid/{payment_id}"
        opened = OpenedCheckout(payment_id, url, self._now() + TERM)
        self._payments[payment_id] = replace(self._payments[payment_id], opened=opened)
        if checkout.saves_method:
            self._saves.add(payment_id)
        return opened

    def read_webhook(self, webhook: Webhook) -> Notice:
        told = json.loads(webhook.body)
        event, payment_id = str(told["event"]), PaymentId(told["payment_id"])
        return Notice(
            self.name,
            NoticeKind.PAYMENT,
            event,
            f"{event} {payment_id}",
            payment_id,
            event == "payment.succeeded",
            webhook.body.decode(),
        )

    async def find_payment(self, payment_id: PaymentId) -> PaymentFacts | None:
        self.asked[payment_id] = self._now()
        return self._present(payment_id) if payment_id in self._payments else None

    async def find_checkout(self, checkout: Checkout) -> PaymentFacts | None:
        self.asked[checkout.id] = self._now()
        payment_id = self._of_checkout.get(checkout.id)
        return None if payment_id is None else self._present(payment_id)

    async def charge_saved(self, checkout: Checkout, token: str) -> PaymentFacts:
        assert token.endswith("-saved")
        known = self._of_checkout.get(checkout.id)
        if known is None:
            known = self._make(checkout)
            (self.decline if self._declines() else self.pay)(known)
        return self._present(known)

    async def refund(self, refund: Refund) -> RefundFacts:
        if refund.id not in self._refunds:
            refund_id = RefundId(f"{self.name}-back-{len(self._refunds) + 1}")
            done = OutgoingStatus.DONE
            self._refunds[refund.id] = RefundFacts(
                self.name, refund_id, refund.payment_id, done, refund.amount, our_id=refund.id
            )
        return self._refunds[refund.id]

    async def find_refunds(self, payment_id: PaymentId) -> list[RefundFacts]:
        return [one for one in self._refunds.values() if one.payment_id == payment_id]

    def _make(self, checkout: Checkout) -> PaymentId:
        payment_id = PaymentId(f"{self.name}-{len(self._payments) + 1}")
        self._of_checkout[checkout.id] = payment_id
        self._asked_for[payment_id] = checkout.amount
        self._payments[payment_id] = PaymentFacts(
            self.name,
            payment_id,
            payment_id,
            PaymentStatus.PENDING,
            checkout_id=checkout.id,
            purchase_id=checkout.purchase_id,
        )
        return payment_id

    def _present(self, payment_id: PaymentId) -> PaymentFacts:
        facts = self._payments[payment_id]
        ends_at = None if facts.opened is None else facts.opened.expires_at
        if ends_at is not None and ends_at <= self._now():
            return replace(facts, status=PaymentStatus.CANCELED, opened=None)
        return facts


def _kept(payment: PaymentFacts) -> list[Money]:
    if payment.paid is None:
        return []
    return [payment.paid] if payment.fee is None else [payment.paid, -payment.fee]


def _told(event: str, payment_id: PaymentId) -> Webhook:
    return Webhook(None, {}, json.dumps({"event": event, "payment_id": payment_id}).encode())
