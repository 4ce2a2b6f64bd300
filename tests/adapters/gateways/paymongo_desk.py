"""PayMongo together with what its payers and its troubles do."""

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from starlette.applications import Starlette
from starlette.routing import Mount

from adapters.gateways.paymongo.account import PayMongoAccount
from adapters.gateways.paymongo.gateway import PayMongoGateway
from core.domain.money import Money
from core.domain.payment import Foreign, PaymentId
from core.domain.payment_method import Billing
from core.domain.payout import PayoutAccount
from core.ports.payment_gateway import Webhook
from sandbox.paymongo.app import PayMongoDouble
from sandbox.paymongo.rules import PayMongoRules
from tests.adapters.gateways.served import Stage
from tests.builders import Clock

SECRET_KEY = "sk_test_EXAMPLE"
WEBHOOK_SECRET = "whsk_EXAMPLE"
ACCOUNT = PayMongoAccount(
    SECRET_KEY, WEBHOOK_SECRET, live=False, wallet_number="123456789012", wallet_name="TEA ROOM"
)


@dataclass
class PayMongoDesk:
    gateway: PayMongoGateway
    rules: PayMongoRules
    now: Clock
    payee = PayoutAccount("gcash", "09170000000", "JUAN DELA CRUZ")

    def opened(self) -> int:
        return len(self.rules.all("checkout_session"))

    def pay(self, payment_id: PaymentId, amount: Money | None = None) -> None:
        if amount is not None:
            intent = self._session(payment_id)["payment_intent"]["attributes"]
            intent["amount"] = amount.amount_minor
        self.rules.pay(payment_id, at=self.now())
        if amount is not None:
            for payment in self._session(payment_id)["payments"]:
                payment["attributes"]["currency"] = amount.currency.code

    def cancel(self, payment_id: PaymentId) -> None:
        """A declined payer may try again: only an expired session has ended."""
        self.rules.expire(payment_id, at=self.now())

    def puzzle(self, payment_id: PaymentId) -> None:
        self._session(payment_id)["status"] = "frozen"
        for payment in self._session(payment_id)["payments"]:
            payment["attributes"]["status"] = "frozen"

    def foreign(self, payment_id: PaymentId, why: Foreign) -> None:
        assert why is Foreign.OTHER_MODE, "another account's sessions are not found at all"
        self._session(payment_id)["livemode"] = True
        for payment in self._session(payment_id)["payments"]:
            payment["attributes"]["livemode"] = True

    def refund_there(self, payment_id: PaymentId, amount: Money) -> None:
        self.rules.refund_at_dashboard(payment_id, at=self.now(), amount=amount.amount_minor)

    def billing(self, payment_id: PaymentId) -> Billing | None:
        told = self._session(payment_id)["billing"]
        return None if told["name"] is None else Billing(**told)

    def payouts_made(self) -> int:
        return len(self.rules.all("transfer"))

    def down(self, next_n: int) -> None:
        self.rules.faults.plan("down", next_n)

    def lose_answers(self, next_n: int) -> None:
        self.rules.faults.plan("timeout_after_acting", next_n)

    def decline_next(self) -> None:
        self.rules.faults.plan("refuse", 1)

    def webhook(self, payment_id: PaymentId) -> Webhook:
        for notification in self.rules.due_notifications(self.now()):
            if notification.body["data"]["attributes"]["data"]["id"] == payment_id:
                body, headers = self.rules.signed(notification, self.now())
                return Webhook(sender=None, headers=headers, body=body)
        raise LookupError(payment_id)

    def dispute_there(self, payment_id: PaymentId) -> Webhook:
        return self.webhook(PaymentId(self.rules.dispute(payment_id, at=self.now())["id"]))

    def end_dispute(self, payment_id: PaymentId, *, lost: bool) -> Webhook:
        charges = [one["id"] for one in self._session(payment_id)["payments"]]
        [dispute] = [
            one for one in self.rules.all("dispute") if one["attributes"]["payment_id"] in charges
        ]
        self.rules.resolve_dispute(dispute["id"], "lost" if lost else "won", at=self.now())
        *_, last = self.rules.due_notifications(self.now())
        body, headers = self.rules.signed(last, self.now())
        return Webhook(sender=None, headers=headers, body=body)

    def vouched(self, body: bytes, *, live: bool = False, late: timedelta = timedelta()) -> Webhook:
        """Signed by PayMongo, whatever it is; of which mode, and how long ago."""
        stamp = str(int((self.now() - late).timestamp()))
        proof = hmac.new(WEBHOOK_SECRET.encode(), stamp.encode() + b"." + body, "sha256")
        te, li = ("", proof.hexdigest()) if live else (proof.hexdigest(), "")
        headers = {"Paymongo-Signature": f"t={stamp},te={te},li={li}"}
        return Webhook(sender=None, headers=headers, body=body)

    def forged(self, body: bytes) -> Webhook:
        header = f"t={int(self.now().timestamp())},te={'0' * 64},li="
        return Webhook(sender=None, headers={"Paymongo-Signature": header}, body=body)

    def _session(self, payment_id: PaymentId) -> dict:
        return self.rules.find("checkout_session", payment_id)["attributes"]


@asynccontextmanager
async def a_paymongo_desk(stage: Stage, now: Clock) -> AsyncIterator[PayMongoDesk]:
    rules = PayMongoRules(
        secret_key=SECRET_KEY,
        webhook_secret=WEBHOOK_SECRET,
        checkout_url=f"{stage.url}/sandbox/paymongo/checkout/",
    )
    double = PayMongoDouble(rules, webhook_url="http://127.0.0.1:9/", now=now)
    stage.app = Starlette(routes=[Mount("/sandbox", routes=double.routes)])
    gateway = PayMongoGateway(ACCOUNT, now, api_url=f"{stage.url}/sandbox/paymongo")
    try:
        yield PayMongoDesk(gateway, rules, now)
    finally:
        await gateway.close()
