"""A gateway without money or network, for rehearsals: it does what it is told to."""

import asyncio
import hmac
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from core.domain.checkout import Checkout, CheckoutId, CheckoutStatus
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
    RefundFacts,
    RefundId,
)
from core.domain.payment_method import Billing
from core.domain.payout import PayoutOrder
from core.domain.plan import GatewayName
from core.domain.refund import Refund
from core.ports.payment_gateway import (
    Abilities,
    CheckoutDeclined,
    GatewayUnavailable,
    PayoutDeclined,
    RefundDeclined,
    Refunding,
    TakesPayments,
    Webhook,
    WebhookNotReadable,
    WebhookNotTrusted,
)
from core.ports.unit_of_work import Now, unit_is_open

PROOF: Final = "memory-webhook-secret"
"""The header that proves a webhook."""
OPEN_SECRET: Final = "known-to-everybody"  # noqa: S105 - it guards no money.
KEY_MEMORY: Final = timedelta(hours=24)
CONFIRMATION_TERM: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a key was answered. `opened` is None where the payment was declined."""

    request: tuple[Checkout, Billing | None]
    opened: OpenedCheckout | None
    at: datetime


class MemoryGateway(TakesPayments):
    """
    Keeps every promise of the port. A pending payment ends an hour after it was opened, as at a
    real provider. The methods that are not the port's are the payer's, or trouble to come.
    """

    abilities = Abilities(
        bounds={
            code: (Money.of(1, code), Money.of(10**11, code))
            for code in ("RUB", "PHP", "USD", "EUR", "XTR")
        },
        key_memory=KEY_MEMORY,
        refunding=Refunding.PARTS,
        payouts={code: (Money.of(1, code), Money.of(10**11, code)) for code in ("RUB", "PHP")},
        accounts=frozenset({"gcash", "bank_card"}),
        charges_saved=True,
        lists=True,
    )

    def __init__(self, name: str = "memory", *, now: Now, secret: str = OPEN_SECRET) -> None:
        self.name = GatewayName(name)
        self._now = now
        self._secret = secret
        self._answers: dict[CheckoutId, _Answer] = {}
        self._payments: dict[PaymentId, PaymentFacts] = {}
        self._asked: dict[PaymentId, Money] = {}
        self.payouts: dict[PayoutId, PayoutFacts] = {}
        """All that were ever made, as they are now, the oldest first."""
        self._refunds: dict[RefundId, RefundFacts] = {}
        self._unavailable = self._lost = self._declines = 0
        self._refusals = self._slow_refunds = self._charge_refusals = self._slow_charges = 0
        self._tokens: dict[PaymentId, str] = {}
        """What each payment that has its method saved gives, once it is paid."""
        self._revoked: set[str] = set()
        self._charges: dict[CheckoutId, tuple[Checkout, str, PaymentId | None]] = {}
        """What a key charged with which token; None where it would not try."""
        self._made_at: dict[str, datetime] = {}

    @property
    def payments(self) -> Mapping[PaymentId, PaymentFacts]:
        """All that were ever opened, as they are now, the oldest first."""
        return {payment_id: self._present(payment_id) for payment_id in self._payments}

    async def open_checkout(
        self, checkout: Checkout, billing: Billing | None = None
    ) -> OpenedCheckout:
        await self._reach()
        request = _request(checkout), billing
        known = self._answers.get(checkout.id)
        if known is None or self._now() >= known.at + KEY_MEMORY:
            known = _Answer(request, self._open(checkout), self._now())
            self._answers[checkout.id] = known
        if known.request != request:  # One key for two requests: a mistake of ours.
            raise GatewayUnavailable(self.name)
        self._lose_answer()
        if known.opened is None:
            raise CheckoutDeclined(self.name, "declined")
        return known.opened

    def read_webhook(self, webhook: Webhook) -> Notice:
        proof = webhook.headers.get(PROOF, "").encode(errors="replace")
        if not hmac.compare_digest(proof, self._secret.encode()):
            raise WebhookNotTrusted
        try:
            told = json.loads(webhook.body)
            event, payment_id = told["event"], told["payment_id"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise WebhookNotReadable from None
        is_text = isinstance(event, str) and isinstance(payment_id, str)
        dedupe_key = f"{event} {payment_id}"
        if not is_text or not re.fullmatch(r"[a-z_.]{1,64} [0-9A-Za-z_-]{1,64}", dedupe_key):
            raise WebhookNotReadable
        refund = NoticeKind.REFUND
        kinds = {"payment": NoticeKind.PAYMENT, "refund": refund, "dispute": refund}
        if event.startswith("payout."):
            body = json.dumps({"event": event, "payment_id": payment_id})
            kind, about = NoticeKind.PAYOUT, PayoutId(payment_id)
            return Notice(self.name, kind, event, dedupe_key, None, False, body, about)
        return Notice(
            gateway=self.name,
            kind=kinds.get(event.partition(".")[0], NoticeKind.OTHER),
            event=event,
            dedupe_key=dedupe_key,
            payment_id=PaymentId(payment_id),
            claims_paid=event == "payment.succeeded",
            body=json.dumps({"event": event, "payment_id": payment_id}),
        )

    def dispute_in(self, notice: Notice) -> RefundFacts | None:
        what, _, status = notice.event.partition(".")
        if what != "dispute" or notice.payment_id is None:
            return None
        told = {"lost": OutgoingStatus.DONE, "won": OutgoingStatus.FAILED}
        return self._disputed(notice.payment_id, told.get(status, OutgoingStatus.PENDING))

    def billing_of(self, payment_id: PaymentId) -> Billing | None:
        """Whom the payment was said to be of."""
        checkout_id = self._payments[payment_id].checkout_id
        return next(one.request[1] for id_, one in self._answers.items() if id_ == checkout_id)

    async def find_payment(self, payment_id: PaymentId) -> PaymentFacts | None:
        await self._reach()
        return self._present(payment_id) if payment_id in self._payments else None

    async def find_checkout(self, checkout: Checkout) -> PaymentFacts | None:
        await self._reach()
        found = (one for one in self.payments.values() if one.checkout_id == checkout.id)
        return next(found, None)

    async def charge_saved(self, checkout: Checkout, token: str) -> PaymentFacts:
        await self._reach()
        request = _request(checkout)
        if checkout.id not in self._charges:
            self._charges[checkout.id] = (request, token, self._charge(checkout, token))
        *asked, payment_id = self._charges[checkout.id]
        if asked != [request, token]:  # One key for two requests: a mistake of ours.
            raise GatewayUnavailable(self.name)
        self._lose_answer()
        if payment_id is None:
            raise CheckoutDeclined(self.name, "permission_revoked")
        return self._present(payment_id)

    async def refund(self, refund: Refund) -> RefundFacts:
        await self._reach()
        known = [one for one in self._refunds.values() if one.our_id == refund.id]
        if not known:
            if self._refusals > 0:
                self._refusals -= 1
                raise RefundDeclined(self.name, "refused")
            known = [self._give_back(refund.payment_id, refund.amount, our_id=refund.id)]
        if known[0].amount != refund.amount:  # One key for two requests: a mistake of ours.
            raise GatewayUnavailable(self.name)
        self._lose_answer()
        return known[0]

    async def find_refunds(self, payment_id: PaymentId) -> list[RefundFacts]:
        await self._reach()
        return [one for one in self._refunds.values() if one.payment_id == payment_id]

    async def pay_out(self, order: PayoutOrder) -> PayoutFacts:
        await self._reach()
        known = [one for one in self.payouts.values() if one.our_id == order.id]
        if not known:
            if self._refusals > 0:
                self._refusals -= 1
                raise PayoutDeclined(self.name, "refused")
            payout_id = PayoutId(f"{self.name}-payout-{len(self.payouts) + 1:04d}")
            pending = OutgoingStatus.PENDING
            facts = PayoutFacts(self.name, payout_id, pending, order.amount, our_id=order.id)
            self.payouts[payout_id] = facts
            self._made_at[payout_id] = self._now()
            known = [facts]
        if known[0].amount != order.amount:  # One key for two requests: a mistake of ours.
            raise GatewayUnavailable(self.name)
        self._lose_answer()
        return known[0]

    async def find_payout(
        self, order: PayoutOrder, payout_id: PayoutId | None
    ) -> PayoutFacts | None:
        await self._reach()
        if payout_id is not None:
            return self.payouts.get(payout_id)
        return next((one for one in self.payouts.values() if one.our_id == order.id), None)

    async def since(
        self, since: datetime
    ) -> AsyncIterator[PaymentFacts | RefundFacts | PayoutFacts]:
        await self._reach()
        for payment in list(self.payments.values()):
            if self._made_at[payment.payment_id] >= since:
                yield payment
        for refund in list(self._refunds.values()):
            if self._made_at[refund.refund_id] >= since:
                yield refund
        for payout in list(self.payouts.values()):
            if self._made_at[payout.payout_id] >= since:
                yield payout

    # The payer.

    def pay(self, payment_id: PaymentId, amount: Money | None = None) -> None:
        """Charges `amount`, or what was asked; a payment that is paid is not charged again."""
        facts = self._present(payment_id)
        assert facts.status in {PaymentStatus.PENDING, PaymentStatus.PAID}, facts.status
        if facts.status is PaymentStatus.PENDING:
            paid, token = amount or self._asked[payment_id], self._tokens.get(payment_id)
            self._change(payment_id, status=PaymentStatus.PAID, paid=paid, opened=None, token=token)

    def pay_late(self, payment_id: PaymentId) -> None:
        """The payer's bank was slow: it is charged although its time was over."""
        paid = self._asked[payment_id]
        self._change(payment_id, status=PaymentStatus.PAID, paid=paid, opened=None)

    def pay_again(self, payment_id: PaymentId) -> PaymentId:
        """A second payment for the same thing, with the same metadata, made and charged."""
        again = PaymentId(f"{self.name}-{len(self._payments) + 1:08d}")
        paid = self._asked[again] = self._asked[payment_id]
        self._payments[again] = replace(
            self._present(payment_id),
            payment_id=again,
            charge_id=again,
            status=PaymentStatus.PAID,
            paid=paid,
            opened=None,
        )
        self._made_at[again] = self._now()
        return again

    def cancel(self, payment_id: PaymentId) -> None:
        """The payer's bank said no."""
        assert self._present(payment_id).paid is None
        self._change(payment_id, status=PaymentStatus.CANCELED, opened=None, was_refused=True)

    def refund_at_dashboard(
        self, payment_id: PaymentId, amount: Money, *, is_chargeback: bool = False
    ) -> RefundFacts:
        """Somebody of the shop gives back by hand, or the payer's bank takes back."""
        return self._give_back(payment_id, amount, is_chargeback=is_chargeback)

    def dispute(self, payment_id: PaymentId) -> None:
        """The payer's bank is asked to take all of it back; how that ends only a notice tells."""
        facts = self._disputed(payment_id, OutgoingStatus.PENDING)
        self._made_at[facts.refund_id] = self._now()
        self._refunds[facts.refund_id] = facts

    def revoke(self, token: str) -> None:
        """The payer no longer allows that it is charged."""
        self._revoked.add(token)

    def finish_payouts(
        self,
        status: OutgoingStatus = OutgoingStatus.DONE,
        *,
        fee: Money | None = None,
        reason: str | None = None,
    ) -> None:
        """All payouts are so now."""
        for payout_id, facts in self.payouts.items():
            self.payouts[payout_id] = replace(facts, status=status, fee=fee, reason=reason)

    def tell_of_refund(self, facts: RefundFacts, *, payment_id: str) -> None:
        """The same refund, said to be of another payment."""
        strange = replace(facts, payment_id=PaymentId(payment_id))
        self._refunds[facts.refund_id] = strange

    def finish_refunds(self, status: OutgoingStatus = OutgoingStatus.DONE) -> None:
        """Those that were slow have ended so."""
        for refund_id, facts in self._refunds.items():
            if facts.status is OutgoingStatus.PENDING:
                self._refunds[refund_id] = replace(facts, status=status)

    def webhook(self, payment_id: PaymentId, event: str = "payment.succeeded") -> Webhook:
        """What this gateway would send about the payment, with its proof."""
        body = json.dumps({"event": event, "payment_id": payment_id}).encode()
        return Webhook(sender=None, headers={PROOF: self._secret}, body=body)

    # Trouble to come.

    def unavailable(self, next_n: int = 1) -> None:
        """The next calls do nothing and tell nothing."""
        self._unavailable = next_n

    def act_then_fail(self, next_n: int = 1) -> None:
        """The next openings, charges, refunds and payouts are done, and their answers lost."""
        self._lost = next_n

    def decline(self, next_n: int = 1) -> None:
        """The next openings are refused, and refused again for the same key."""
        self._declines = next_n

    def refuse_refunds(self, next_n: int = 1) -> None:
        """The next refunds and payouts are not made."""
        self._refusals = next_n

    def slow_refunds(self, next_n: int = 1) -> None:
        """The next refunds are pending until they are finished."""
        self._slow_refunds = next_n

    def refuse_charges(self, next_n: int = 1) -> None:
        """The payer's bank refuses the next charges of saved methods."""
        self._charge_refusals = next_n

    def slow_charges(self, next_n: int = 1) -> None:
        """The next charges of saved methods are pending until somebody pays or cancels them."""
        self._slow_charges = next_n

    # Trouble with one payment.

    def foreign(self, payment_id: PaymentId, why: Foreign) -> None:
        self._change(payment_id, foreign=why)

    def forget_metadata(self, payment_id: PaymentId) -> None:
        """As if it had been opened by somebody else: it no longer names our ids."""
        self.tamper(payment_id)

    def tamper(
        self, payment_id: PaymentId, *, checkout: str | None = None, purchase: str | None = None
    ) -> None:
        """From now on its metadata names these ids, whosoever they are."""
        self._change(payment_id, checkout_id=checkout, purchase_id=purchase)

    def puzzle(self, payment_id: PaymentId) -> None:
        """From now on its status is a word that nobody knows."""
        self._change(payment_id, status=PaymentStatus.UNKNOWN, paid=None, opened=None)

    def restate(self, payment_id: PaymentId, paid: Money, *, fee: Money | None = None) -> None:
        """From now on it says that so much was paid, and kept of it."""
        self._change(payment_id, status=PaymentStatus.PAID, paid=paid, fee=fee, opened=None)

    def forget(self, payment_id: PaymentId) -> None:
        """As if it had never been."""
        del self._payments[payment_id]

    async def _reach(self) -> None:
        assert not unit_is_open.get(), "a gateway is never called inside a unit of work"
        await asyncio.sleep(0)  # Others run meanwhile, as during any call over a network.
        if self._unavailable > 0:
            self._unavailable -= 1
            raise GatewayUnavailable(self.name)

    def _lose_answer(self) -> None:
        if self._lost > 0:
            self._lost -= 1
            raise GatewayUnavailable(self.name)

    def _give_back(
        self,
        payment_id: PaymentId,
        amount: Money,
        *,
        our_id: str | None = None,
        is_chargeback: bool = False,
    ) -> RefundFacts:
        payment = self._payments[payment_id]
        before = [one.amount for one in self._refunds.values() if one.payment_id == payment_id]
        assert payment.paid is not None, "nothing was paid"
        left = payment.paid.amount_minor - sum(one.amount_minor for one in before)
        if amount.amount_minor > left:
            raise RefundDeclined(self.name, "more_than_is_left")
        status = OutgoingStatus.DONE
        if self._slow_refunds > 0:
            self._slow_refunds -= 1
            status = OutgoingStatus.PENDING
        refund_id = RefundId(f"{self.name}-refund-{len(self._refunds) + 1:04d}")
        self._made_at[refund_id] = self._now()
        self._refunds[refund_id] = RefundFacts(
            self.name,
            refund_id,
            payment_id,
            status,
            amount,
            our_id=our_id,
            is_chargeback=is_chargeback,
        )
        return self._refunds[refund_id]

    def _disputed(self, payment_id: PaymentId, status: OutgoingStatus) -> RefundFacts:
        paid = self._payments[payment_id].paid
        assert paid is not None, "nothing was paid"
        id_ = RefundId(f"{payment_id}-dispute")
        return RefundFacts(self.name, id_, payment_id, status, paid, is_chargeback=True)

    def _open(self, checkout: Checkout) -> OpenedCheckout | None:
        if self._declines > 0:
            self._declines -= 1
            return None
        payment_id = PaymentId(f"{self.name}-{len(self._payments) + 1:08d}")
        url = f"https://{self.name}.invalid/{payment_id}"
        opened = OpenedCheckout(payment_id, url, self._now() + CONFIRMATION_TERM)
        self._make(payment_id, checkout, opened=opened)
        if checkout.saves_method:
            self._tokens[payment_id] = f"{payment_id}-saved"
        return opened

    def _charge(self, checkout: Checkout, token: str) -> PaymentId | None:
        if token in self._revoked or token not in self._tokens.values():
            return None
        payment_id = PaymentId(f"{self.name}-{len(self._payments) + 1:08d}")
        self._make(payment_id, checkout)
        if self._slow_charges > 0:
            self._slow_charges -= 1
        elif self._charge_refusals > 0:
            self._charge_refusals -= 1
            self.cancel(payment_id)
        else:
            self.pay(payment_id)
        return payment_id

    def _make(
        self, payment_id: PaymentId, checkout: Checkout, opened: OpenedCheckout | None = None
    ) -> None:
        self._asked[payment_id] = checkout.amount
        self._made_at[payment_id] = self._now()
        self._payments[payment_id] = PaymentFacts(
            gateway=self.name,
            payment_id=payment_id,
            charge_id=payment_id,
            status=PaymentStatus.PENDING,
            checkout_id=checkout.id,
            purchase_id=checkout.purchase_id,
            opened=opened,
        )

    def _present(self, payment_id: PaymentId) -> PaymentFacts:
        facts = self._payments[payment_id]
        expires_at = None if facts.opened is None else facts.opened.expires_at
        if expires_at is not None and expires_at <= self._now():
            return replace(facts, status=PaymentStatus.CANCELED, opened=None)
        return facts

    def _change(self, payment_id: PaymentId, **fields: Any) -> None:
        self._payments[payment_id] = replace(self._payments[payment_id], **fields)


def _request(checkout: Checkout) -> Checkout:
    """The checkout without what happened to it: all that a request is built from."""
    asked = CheckoutStatus.ASKED
    return replace(checkout, status=asked, opened=None, looked=0, due_at=None, version=0)
