"""Crypto Pay together with what its payers and its troubles do."""

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256

from starlette.applications import Starlette
from starlette.routing import Mount

from adapters.gateways.cryptopay.account import CryptoPayAccount
from adapters.gateways.cryptopay.gateway import CryptoPayGateway
from core.domain.money import Money
from core.domain.payment import Foreign, PaymentId
from core.domain.payout import PayoutAccount
from core.ports.payment_gateway import Webhook
from sandbox.cryptopay.app import CryptoPayDouble
from sandbox.cryptopay.rules import CryptoPayRules
from tests.adapters.gateways.served import Stage
from tests.builders import Clock

TOKEN = "12345:AAExampleTokenExampleTokenExample00"
ACCOUNT = CryptoPayAccount(TOKEN, live=False)
PROOF = "crypto-pay-api-signature"


@dataclass
class CryptoPayDesk:
    gateway: CryptoPayGateway
    rules: CryptoPayRules
    now: Clock
    payee = PayoutAccount("telegram", "1001", "Anna")

    def opened(self) -> int:
        return len(self.rules.all("invoice"))

    def pay(
        self, payment_id: PaymentId, amount: Money | None = None, *, asset: str | None = None
    ) -> None:
        if amount is not None:
            changed = {"amount": amount.decimal_text(), "fiat": amount.currency.code}
            self.rules.find("invoice", payment_id).update(changed)
        self.rules.pay(payment_id, at=self.now(), asset=asset)

    def cancel(self, payment_id: PaymentId) -> None:
        """No payer cancels: only an expired invoice has ended."""
        self.rules.expire(payment_id, at=self.now())

    def puzzle(self, payment_id: PaymentId) -> None:
        self.rules.find("invoice", payment_id)["status"] = "frozen"

    def foreign(self, payment_id: PaymentId, why: Foreign) -> None:
        assert why is Foreign.OTHER_MODE, "another app's invoices are not found at all"
        invoice = self.rules.find("invoice", payment_id)
        for name in ("mini_app_invoice_url", "web_app_invoice_url"):
            invoice[name] = invoice[name].replace("Testnet", "").replace("testnet-", "")

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
            if str(notification.body["payload"]["invoice_id"]) == payment_id:
                body, headers = self.rules.signed(notification, self.now())
                return Webhook(sender=None, headers=headers, body=body)
        raise LookupError(payment_id)

    def vouched(self, body: bytes) -> Webhook:
        """Signed by Crypto Pay, whatever it is."""
        proof = hmac.new(sha256(TOKEN.encode()).digest(), body, "sha256").hexdigest()
        return Webhook(sender=None, headers={PROOF: proof}, body=body)

    def forged(self, body: bytes) -> Webhook:
        return Webhook(sender=None, headers={PROOF: "0" * 64}, body=body)


@asynccontextmanager
async def a_cryptopay_desk(stage: Stage, now: Clock) -> AsyncIterator[CryptoPayDesk]:
    rules = CryptoPayRules(token=TOKEN, checkout_url=f"{stage.url}/sandbox/cryptopay/checkout/")
    double = CryptoPayDouble(rules, webhook_url="http://127.0.0.1:9/", now=now)
    stage.app = Starlette(routes=[Mount("/sandbox", routes=double.routes)])
    gateway = CryptoPayGateway(ACCOUNT, api_url=f"{stage.url}/sandbox/cryptopay/api")
    try:
        yield CryptoPayDesk(gateway, rules, now)
    finally:
        await gateway.close()
