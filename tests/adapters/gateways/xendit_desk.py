"""Xendit together with what its payers and its troubles do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.routing import Mount

from adapters.gateways.xendit.account import XenditAccount
from adapters.gateways.xendit.gateway import XenditGateway
from core.domain.checkout import Checkout, CheckoutId
from core.domain.money import Money
from core.domain.payment import Foreign, PaymentFacts, PaymentId
from core.domain.payment_method import Billing
from core.domain.payout import PayoutAccount, PayoutOrder
from core.domain.plan import GatewayName
from core.domain.refund import Refund
from core.ports.payment_gateway import Webhook
from sandbox.xendit.app import XenditDouble
from sandbox.xendit.rules import XenditRules
from tests.adapters.gateways.served import Stage
from tests.builders import NOON, Clock, an_asked_checkout
from tests.money_builders import an_asked_refund

XENDIT = GatewayName("xendit")
PESOS = Money.of(990_50, "PHP")
NOWHERE = PaymentId("ps-000000000000000000000000")
SECRET_KEY = "xnd_development_EXAMPLE"
CALLBACK_TOKEN = "callback-token-of-test-mode"
BUSINESS_ID = "661f87c614802d6c402cd82d"
ACCOUNT = XenditAccount(SECRET_KEY, CALLBACK_TOKEN, live=False, business_id=BUSINESS_ID)


@dataclass
class XenditDesk:
    gateway: XenditGateway
    rules: XenditRules
    now: Clock
    payee = PayoutAccount("gcash", "09170000000", "JUAN DELA CRUZ")

    def opened(self) -> int:
        return len(self.rules.all("session"))

    def pay(self, payment_id: PaymentId, amount: Money | None = None) -> None:
        if amount is not None:
            session = self.rules.find("session", payment_id)
            session["amount"] = float(amount.decimal_text())
            session["currency"] = amount.currency.code
        self.rules.pay(payment_id, at=self.now())

    def cancel(self, payment_id: PaymentId) -> None:
        """A declined payer may try again: only an expired session has ended."""
        self.rules.expire(payment_id, at=self.now())

    def puzzle(self, payment_id: PaymentId) -> None:
        session = self.rules.find("session", payment_id)
        self.rules.find("payment", session["payment_id"])["status"] = "FROZEN"

    def foreign(self, payment_id: PaymentId, why: Foreign) -> None:
        session = self.rules.find("session", payment_id)
        if why is Foreign.OTHER_SHOP:
            session["business_id"] = "661f87c614802d6c402cd82e"
        else:
            session["payment_link_url"] = f"https://checkout.xendit.co/sessions/{payment_id}"

    def refund_there(self, payment_id: PaymentId, amount: Money) -> None:
        self.rules.refund_at_dashboard(
            payment_id, at=self.now(), amount=float(amount.decimal_text())
        )

    def billing(self, payment_id: PaymentId) -> Billing | None:
        id_ = self.rules.find("session", payment_id)["customer_id"]
        if id_ is None:
            return None
        told = self.rules.find("customer", id_)
        name = told["individual_detail"]["given_names"]
        return Billing(name, told["email"], told["mobile_number"])

    def payouts_made(self) -> int:
        return len(self.rules.all("payout"))

    def down(self, next_n: int) -> None:
        self.rules.faults.plan("down", next_n)

    def lose_answers(self, next_n: int) -> None:
        self.rules.faults.plan("timeout_after_acting", next_n)

    def decline_next(self) -> None:
        self.rules.faults.plan("refuse", 1)

    def webhook(self, subject: str, event: str = "payment_session.completed") -> Webhook:
        """What it would send about the session, the payment, the refund or the payout."""
        for notification in self.rules.due_notifications(self.now()):
            told = notification.body["data"]
            names = ("payment_session_id", "payment_id", "id")
            if notification.body["event"] == event and subject in map(told.get, names):
                body, headers = self.rules.signed(notification, self.now())
                return Webhook(sender=None, headers=headers, body=body)
        raise LookupError(subject)

    def forged(self, body: bytes) -> Webhook:
        return Webhook(sender=None, headers={"x-callback-token": "guessed"}, body=body)


@asynccontextmanager
async def a_xendit_desk(stage: Stage, now: Clock) -> AsyncIterator[XenditDesk]:
    rules = XenditRules(
        secret_key=SECRET_KEY,
        callback_token=CALLBACK_TOKEN,
        business_id=BUSINESS_ID,
        checkout_url=f"{stage.url}/sandbox/xendit/checkout/",
    )
    double = XenditDouble(rules, webhook_url="http://127.0.0.1:9/", now=now)
    stage.app = Starlette(routes=[Mount("/sandbox", routes=double.routes)])
    gateway = XenditGateway(ACCOUNT, api_url=f"{stage.url}/sandbox/xendit")
    try:
        yield XenditDesk(gateway, rules, now)
    finally:
        await gateway.close()


def asked(desk: XenditDesk, number: int = 1, amount: Money = PESOS, **fields: object) -> Checkout:
    own = {"id": CheckoutId(f"chk_{number}"), "gateway": XENDIT, "asked_at": desk.now()}
    return an_asked_checkout(**own | {"amount": amount} | fields)


async def found(desk: XenditDesk, payment_id: PaymentId) -> PaymentFacts:
    facts = await desk.gateway.find_payment(payment_id)
    assert facts is not None
    return facts


async def paid(desk: XenditDesk, number: int = 1, channel: str = "GCASH") -> PaymentFacts:
    opened = await desk.gateway.open_checkout(asked(desk, number))
    desk.rules.pay(opened.payment_id, at=desk.now(), channel=channel)
    return await found(desk, opened.payment_id)


def a_refund_of(facts: PaymentFacts, minor: int, id_: str = "rfd_1") -> Refund:
    return an_asked_refund(
        id=id_,
        gateway=XENDIT,
        payment_id=facts.payment_id,
        charge_id=facts.charge_id,
        amount=Money.of(minor, "PHP"),
        paid=PESOS,
    )


def an_order(minor: int = 150_00, id_: str = "wd_1", kind: str = "gcash") -> PayoutOrder:
    account = PayoutAccount(kind, "09170000000", "JUAN DELA CRUZ")
    return PayoutOrder(id_, Money.of(minor, "PHP"), account, "Withdrawal wd_1", NOON)
