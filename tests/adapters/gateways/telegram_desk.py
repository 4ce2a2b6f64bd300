"""Telegram's two gateways together with what payers in a chat do, and with troubles to come."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from starlette.applications import Starlette
from starlette.routing import Mount

from adapters.gateways.telegram.gateway import (
    PROOF,
    TelegramPaymentsGateway,
    TelegramStarsGateway,
)
from core.domain.money import Money
from core.domain.payment import PaymentId
from core.ports.payment_gateway import Webhook
from sandbox.telegram.app import TelegramDouble
from sandbox.telegram.invoices import Invoice
from sandbox.telegram.rules import TelegramRules
from sandbox.telegram.wire import Call
from tests.adapters.gateways.served import Stage
from tests.builders import Clock

TOKEN = "100500:test-bot-token"
PROVIDER_TOKEN = "100500:TEST:provider"
SECRET = "a-secret_of_the_webhook"
ANNA, BEN = 1001, 1002


@dataclass
class TelegramDesk:
    gateway: TelegramStarsGateway | TelegramPaymentsGateway
    rules: TelegramRules
    now: Clock

    def opened(self) -> int:
        """A link is no payment: whatever links there are to one payload lead to one."""
        return len({one.payload for one in self.rules.till.invoices.values()})

    def pay(self, payment_id: PaymentId, amount: Money | None = None, *, who: int = ANNA) -> str:
        """Pays, and the bot lets it. Each time it is another charge, whose id is returned."""
        invoice = self.invoice(payment_id)
        if amount is not None:
            changed = replace(invoice, total=amount.amount_minor, currency=amount.currency.code)
            self.rules.till.invoices[invoice.slug] = changed
        asked = self.rules.pay(invoice.slug, who, at=self.now())
        self._call("answerPreCheckoutQuery", **asked, ok=True)
        return list(self.rules.till.charges)[-1]

    def give_back(self, charge_id: str, who: int = ANNA) -> None:
        """The owner of the bot does, past us."""
        self._call("refundStarPayment", user_id=who, telegram_payment_charge_id=charge_id)

    def refund_there(self, payment_id: PaymentId, amount: Money) -> None:
        """Of the newest payment there was, which can be given back whole alone."""
        [charge_id] = list(self.rules.till.charges)[-1:]
        assert self.invoice(payment_id).total == amount.amount_minor
        self.give_back(charge_id)

    def down(self, next_n: int) -> None:
        self.rules.faults.plan("down", next_n)

    def lose_answers(self, next_n: int) -> None:
        self.rules.faults.plan("timeout_after_acting", next_n)

    def decline_next(self) -> None:
        self.rules.faults.plan("decline", 1)

    def webhook(self, payment_id: PaymentId, kind: str = "successful_payment") -> Webhook:
        """What Telegram would send about it, the oldest that waits."""
        for told in self.rules.updates.fetched(0, 10_000, at=self.now()):
            content = told.get("message", {}).get(kind, told.get(kind, {}))
            if content.get("invoice_payload") == payment_id:
                return a_webhook(told)
        raise LookupError(payment_id)

    def forged(self, body: bytes) -> Webhook:
        return Webhook(sender=None, headers={PROOF: "guessed"}, body=body)

    def invoice(self, payment_id: PaymentId) -> Invoice:
        """The newest with this payload."""
        found = [one for one in self.rules.till.invoices.values() if one.payload == payment_id]
        return found[-1]

    def _call(self, method: str, **fields: object) -> None:
        answer = self.rules.answer(Call(TOKEN, method, fields), at=self.now())
        assert answer.status == 200, answer.body


def a_webhook(told: object, secret: str = SECRET) -> Webhook:
    return Webhook(sender=None, headers={PROOF: secret}, body=json.dumps(told).encode())


@asynccontextmanager
async def a_telegram_desk(stage: Stage, now: Clock, name: str) -> AsyncIterator[TelegramDesk]:
    rules = TelegramRules(TOKEN, username="tea_room_bot", name="Tea room")
    double = TelegramDouble(rules, now=now)
    stage.app = Starlette(routes=[Mount("/sandbox", routes=double.routes)])
    api_url = f"{stage.url}/sandbox/telegram"
    gateway: TelegramStarsGateway | TelegramPaymentsGateway
    if name == "telegram_stars":
        gateway = TelegramStarsGateway(TOKEN, now=now, secret=SECRET, api_url=api_url)
    else:
        gateway = TelegramPaymentsGateway(
            TOKEN, PROVIDER_TOKEN, live=False, now=now, secret=SECRET, api_url=api_url
        )
    try:
        yield TelegramDesk(gateway, rules, now)
    finally:
        await gateway.close()
