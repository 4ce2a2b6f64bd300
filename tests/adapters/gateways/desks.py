"""A gateway together with what its payers and its troubles do, alike for every provider."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from starlette.applications import Starlette
from starlette.routing import Mount

from adapters.gateways.memory import MemoryGateway
from adapters.gateways.yookassa.gateway import YooKassaGateway
from adapters.gateways.yookassa.shop import YooKassaShop
from core.domain.money import Money
from core.domain.payment import Foreign, PaymentId
from core.domain.payment_method import Billing
from core.domain.payout import PayoutAccount
from core.ports.payment_gateway import Webhook
from sandbox.yookassa.app import YooKassaDouble
from sandbox.yookassa.rules import YooKassaRules
from sandbox.yookassa.wire import Shop
from tests.adapters.gateways.served import Stage
from tests.builders import Clock

LISTED = "185.71.76.1"
SHOP = Shop("100500", "test_secret")
AGENT = Shop("100600", "test_agent_secret", pays_out=True, balance_minor=10**10)


@dataclass
class MemoryDesk:
    gateway: MemoryGateway
    payee = PayoutAccount("bank_card", "2200000000000004", "ANNA IVANOVA")

    def opened(self) -> int:
        return len(self.gateway.payments)

    def pay(self, payment_id: PaymentId, amount: Money | None = None) -> None:
        self.gateway.pay(payment_id, amount)

    def cancel(self, payment_id: PaymentId) -> None:
        self.gateway.cancel(payment_id)

    def puzzle(self, payment_id: PaymentId) -> None:
        self.gateway.puzzle(payment_id)

    def billing(self, payment_id: PaymentId) -> Billing | None:
        return self.gateway.billing_of(payment_id)

    def foreign(self, payment_id: PaymentId, why: Foreign) -> None:
        self.gateway.foreign(payment_id, why)

    def down(self, next_n: int) -> None:
        self.gateway.unavailable(next_n)

    def lose_answers(self, next_n: int) -> None:
        self.gateway.act_then_fail(next_n)

    def decline_next(self) -> None:
        self.gateway.decline(1)

    def refund_there(self, payment_id: PaymentId, amount: Money) -> None:
        self.gateway.refund_at_dashboard(payment_id, amount)

    def payouts_made(self) -> int:
        return len(self.gateway.payouts)

    def refuse_charge(self) -> None:
        self.gateway.refuse_charges(1)

    def revoke(self, token: str) -> None:
        self.gateway.revoke(token)

    def webhook(self, payment_id: PaymentId) -> Webhook:
        return self.gateway.webhook(payment_id)

    def dispute_there(self, payment_id: PaymentId) -> Webhook:
        self.gateway.dispute(payment_id)
        return self.gateway.webhook(payment_id, "dispute.created")

    def end_dispute(self, payment_id: PaymentId, *, lost: bool) -> Webhook:
        return self.gateway.webhook(payment_id, "dispute.lost" if lost else "dispute.won")

    def forged(self, body: bytes) -> Webhook:
        return Webhook(sender=LISTED, headers={"memory-webhook-secret": "guessed"}, body=body)


@dataclass
class YooKassaDesk:
    gateway: YooKassaGateway
    rules: YooKassaRules
    now: Clock
    payee = PayoutAccount("bank_card", "2200000000000004", "ANNA IVANOVA")

    def opened(self) -> int:
        return len(list(self.rules.payments()))

    def pay(self, payment_id: PaymentId, amount: Money | None = None) -> None:
        payment = self.rules.payment(payment_id, at=self.now())
        if amount is not None:
            payment.minor = amount.amount_minor
            payment.body["amount"]["currency"] = amount.currency.code
        self.rules.pay(payment_id, at=self.now())

    def cancel(self, payment_id: PaymentId) -> None:
        self.rules.decline(payment_id, at=self.now())

    def puzzle(self, payment_id: PaymentId) -> None:
        self._body(payment_id)["status"] = "frozen"

    def foreign(self, payment_id: PaymentId, why: Foreign) -> None:
        if why is Foreign.OTHER_SHOP:
            self._body(payment_id)["recipient"]["account_id"] = "100501"
        else:
            self._body(payment_id)["test"] = False

    def down(self, next_n: int) -> None:
        self.rules.faults.plan("down", next_n)

    def lose_answers(self, next_n: int) -> None:
        self.rules.faults.plan("timeout_after_acting", next_n)

    def decline_next(self) -> None:
        self.rules.shops[SHOP.shop_id] = replace(SHOP, receipt_required=True)

    def refund_there(self, payment_id: PaymentId, amount: Money) -> None:
        self.rules.refund_at_dashboard(payment_id, at=self.now(), value=amount.decimal_text())

    def payouts_made(self) -> int:
        return len(self.rules.payouts())

    def refuse_charge(self) -> None:
        self.rules.faults.plan("decline", 1)

    def revoke(self, token: str) -> None:
        self.rules.revoke_method(token)

    def webhook(self, about: str) -> Webhook:
        """What it would send about the payment, the refund or the payout."""
        for notification in self.rules.due_notifications(self.now()):
            if notification.body["object"]["id"] == about:
                body = json.dumps(notification.body).encode()
                return Webhook(sender=LISTED, headers={}, body=body)
        raise LookupError(about)

    def forged(self, body: bytes) -> Webhook:
        return Webhook(sender="203.0.113.9", headers={}, body=body)

    def _body(self, payment_id: PaymentId) -> dict:
        return self.rules.payment(payment_id, at=self.now()).body


Desk = MemoryDesk | YooKassaDesk


def yookassa_plays(stage: Stage, rules: YooKassaRules, now: Clock, **pace: float) -> str:
    """The URL of its API. Nothing is sent: a test takes the webhooks that are due."""
    double = YooKassaDouble(rules, webhook_url="http://127.0.0.1:9/", now=now, **pace)
    stage.app = Starlette(routes=[Mount("/sandbox", routes=double.routes)])
    return f"{stage.url}/sandbox/yookassa/v3"


@asynccontextmanager
async def a_yookassa_desk(stage: Stage, now: Clock) -> AsyncIterator[YooKassaDesk]:
    rules = YooKassaRules([SHOP, AGENT])
    shop = YooKassaShop(SHOP.shop_id, SHOP.secret, live=False)
    agent = YooKassaShop(AGENT.shop_id, AGENT.secret, live=False)
    api_url = yookassa_plays(stage, rules, now)
    gateway = YooKassaGateway(shop, payouts=agent, recurring=True, api_url=api_url)
    try:
        yield YooKassaDesk(gateway, rules, now)
    finally:
        await gateway.close()
