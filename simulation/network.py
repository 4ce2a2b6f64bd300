"""YooKassa behind a bad network: the gateway port round the double's pure rules."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Final

from core.domain.checkout import Checkout
from core.domain.money import Money
from core.domain.payment import (
    Foreign,
    Notice,
    NoticeKind,
    OpenedCheckout,
    PaymentFacts,
    PaymentId,
    PaymentStatus,
)
from core.domain.payment_method import Billing
from core.domain.plan import GatewayName
from core.ports.payment_gateway import (
    Abilities,
    CheckoutDeclined,
    GatewayUnavailable,
    SenderNotListed,
    TakesPayments,
    Webhook,
    WebhookNotReadable,
)
from core.ports.unit_of_work import Now, unit_is_open
from sandbox.deliveries import Notification
from sandbox.yookassa.machine import MoveNotAllowed
from sandbox.yookassa.rules import YooKassaRules
from sandbox.yookassa.wire import Answer, Call, Json, Shop
from simulation.loop import Node, SimulatedLoop
from simulation.nemesis import CALM, Faults

NAME: Final = GatewayName("yookassa")
PROVIDER_ADDRESS: Final = "185.71.76.1"
OUR_SHOP: Final = Shop("100500", "test_ours")
OTHER_SHOP: Final = Shop("100501", "test_theirs")
TIMEOUT_SECONDS: Final = 20.0
SILENT_TIMES: Final = 3
CONFIRMATION_TERM: Final = timedelta(hours=1)

Send = Callable[[Webhook], Awaitable[bool]]
"""Carry a webhook to the shop; whether it was answered with 200."""

_STATUSES: Final = {
    "pending": PaymentStatus.PENDING,
    "waiting_for_capture": PaymentStatus.AUTHORIZED,
    "succeeded": PaymentStatus.PAID,
    "canceled": PaymentStatus.CANCELED,
}


class PromiseBroken(AssertionError):
    """The system under simulation broke a law or an invariant."""


class Provider:
    """What stands at the other end: rules, payers, webhooks, and the way there and back."""

    def __init__(self, loop: SimulatedLoop, now: Now) -> None:
        self.node: Final = Node("provider")
        self.rules: Final = YooKassaRules([OUR_SHOP, OTHER_SHOP], seed=loop.seed)
        self.faults: Faults = CALM
        self.webhooks_have_stopped = False
        self.is_out = False
        self._loop = loop
        self._now = now
        self._chance = loop.stream("gateway")
        self._webhook_chance = loop.stream("webhooks")
        self._news = asyncio.Event()
        self._declined: dict[str, bool] = {}
        self._before: dict[str, tuple[datetime, Json]] = {}

    async def call(self, call: Call) -> Answer | None:
        """None: no answer came. The provider may act all the same, also after the asker's death."""
        answered = asyncio.get_running_loop().create_future()
        self._loop.spawn(self.node, self._serve(call, answered))
        answer: Answer | None = await answered
        return answer

    def payment(self, payment_id: str) -> Json | None:
        """The truth about a payment of our shop."""
        payment = self.rules._payments.get(payment_id)
        return payment.body if payment and payment.shop_id == OUR_SHOP.shop_id else None

    def taken(self, payment_id: str) -> Money | None:
        """What was captured by it; None: nothing."""
        body = self.payment(payment_id)
        return money_of(body) if body is not None and body["status"] == "succeeded" else None

    def captured(self) -> list[Json]:
        """All payments of our shop that were paid."""
        return [
            payment.body
            for payment in self.rules.payments()
            if payment.shop_id == OUR_SHOP.shop_id and payment.body["status"] == "succeeded"
        ]

    def pay(self, payment_id: str, *, short: bool = False) -> bool:
        """A payer pays at the checkout page; `short`: one minor unit less arrives."""
        if short:
            self.rules.faults.plan("amount", 1)
        try:
            return self._moved(payment_id, self.rules.pay)
        finally:
            self.rules.faults.plan("amount", 0)

    def decline(self, payment_id: str) -> bool:
        return self._moved(payment_id, self.rules.decline)

    def pay_at_dashboard(self, value: str, shop: Shop = OUR_SHOP) -> str:
        body = self.rules.pay_at_dashboard(shop.shop_id, value, at=self._now())
        self._news.set()
        return str(body["id"])

    async def keep_telling(self, send: Send) -> None:
        """Deliver what is due, for ever; what is not answered with 200 comes again."""
        while True:
            now = self._now()
            for one in self.rules.due_notifications(now):
                self.rules.failed(one.id, at=now)  # Unless it is answered, this was only a try.
                self._plan(one, send)
            self._news.clear()
            next_at = self.rules.next_event_at()
            wait = None if next_at is None else (next_at - self._now()).total_seconds()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._news.wait()

    def _moved(self, payment_id: str, move: Callable[..., Json]) -> bool:
        now = self._now()
        before = deepcopy(self.rules.payment(payment_id, at=now).body)
        try:
            move(payment_id, at=now)
        except MoveNotAllowed:
            return False
        lag = timedelta(seconds=self._chance.uniform(0, self.faults.lag_seconds_max))
        self._before[payment_id] = (now + lag, before)
        self._loop.note(f"payer: {move.__name__} {payment_id}")
        self._news.set()
        return True

    async def _serve(self, call: Call, answered: "asyncio.Future[Answer | None]") -> None:
        chance, faults = self._chance, self.faults
        await asyncio.sleep(chance.uniform(0, faults.call_seconds_max))
        answer = None
        if not self.is_out and chance.random() >= faults.call_lost:
            if call.key is not None and self._is_declined(call.key):
                answer = Answer(403, {"type": "error", "code": "forbidden"})
            else:
                answer = self._lagging(call) or self.rules.answer(call, at=self._now())
            self._loop.note(f"provider: {call.method} {call.path} {call.key} -> {answer.status}")
            self._news.set()
        await asyncio.sleep(chance.uniform(0, faults.call_seconds_max))
        if answer is None or chance.random() < faults.answer_lost:
            answer = None
            await asyncio.sleep(chance.uniform(0, TIMEOUT_SECONDS))
        if not answered.done():
            answered.set_result(answer)

    def _is_declined(self, key: str) -> bool:
        """A key repeats its first answer, refusals too."""
        if (OUR_SHOP.shop_id, key) not in self.rules._remembered:
            declines = self._chance.random() < self.faults.declined
            return self._declined.setdefault(key, declines)
        return False

    def _lagging(self, call: Call) -> Answer | None:
        until, before = self._before.get(call.path.rpartition("/")[2], (None, {}))
        if call.method == "GET" and until is not None and self._now() < until:
            return Answer(200, deepcopy(before))
        return None

    def _plan(self, one: Notification, send: Send) -> None:
        chance, faults = self._webhook_chance, self.faults
        about = one.body["object"]
        is_lost = self.webhooks_have_stopped or (
            one.tries == 1 and chance.random() < faults.webhook_lost
        )
        # Nobody could ever find what was paid without a checkout, so the news of it is not lost.
        is_lost = is_lost and "metadata" in about
        if is_lost or about["recipient"]["account_id"] != OUR_SHOP.shop_id:
            self.rules.delivered(one.id)
            return
        copies = chance.randint(2, 5) if chance.random() < faults.webhook_copied else 1
        for _ in range(copies):
            late = chance.random() < faults.webhook_late
            delay = chance.uniform(0, 86_400.0 if late else faults.webhook_seconds_max)
            self._loop.spawn(self.node, self._tell(one, send, delay))

    async def _tell(self, one: Notification, send: Send, delay: float) -> None:
        await asyncio.sleep(delay)
        if await send(Webhook(PROVIDER_ADDRESS, {}, json.dumps(one.body).encode())):
            self.rules.delivered(one.id)


class SimulatedYooKassa(TakesPayments):
    """The port, as small as it can be: nothing of the real adapter is shared."""

    name = NAME
    abilities = Abilities(
        bounds={"RUB": (Money.of(1_00, "RUB"), Money.of(350_000_00, "RUB"))},
        key_memory=timedelta(hours=24),
    )

    def __init__(self, provider: Provider, loop: SimulatedLoop, now: Now) -> None:
        self.asked: Final[dict[str, datetime]] = {}
        """When we last heard of a payment or a checkout, by its id."""
        self._unanswered = 0
        self._provider = provider
        self._loop = loop
        self._now = now

    @property
    def is_down(self) -> bool:
        """As behind a breaker; whoever looks after what was opened there finds it well again."""
        return self._unanswered >= SILENT_TIMES

    async def open_checkout(
        self,
        checkout: Checkout,
        billing: Billing | None = None,  # noqa: ARG002
    ) -> OpenedCheckout:
        body = {
            "amount": _amount(checkout.amount),
            "capture": True,
            "confirmation": {"type": "redirect", "return_url": checkout.return_url},
            "description": checkout.description,
            "metadata": {
                "checkout_id": checkout.id,
                "purchase_id": checkout.purchase_id,
                "customer_id": checkout.customer_id,
            },
        }
        answer = await self._call("POST", "/payments", key=self.key_of(checkout), body=body)
        self._check_once()
        if answer.status == 403:
            raise CheckoutDeclined(NAME, "forbidden")
        if answer.status != 200:
            self._loop.fail(PromiseBroken(f"a request that YooKassa cannot take: {answer.body}"))
        facts = _facts(answer.body)
        return facts.opened or OpenedCheckout(facts.payment_id, "", checkout.asked_at)

    def key_of(self, checkout: Checkout) -> str:
        return checkout.id

    def read_webhook(self, webhook: Webhook) -> Notice:
        if webhook.sender != PROVIDER_ADDRESS:
            raise SenderNotListed
        try:
            told = json.loads(webhook.body)
            event, object_id = str(told["event"]), str(told["object"]["id"])
        except (ValueError, TypeError, KeyError):
            raise WebhookNotReadable from None
        is_payment = event.startswith("payment.")
        return Notice(
            gateway=NAME,
            kind=NoticeKind.PAYMENT if is_payment else NoticeKind.OTHER,
            event=event,
            dedupe_key=f"{event} {object_id}",
            payment_id=PaymentId(object_id) if is_payment else None,
            claims_paid=event == "payment.succeeded",
            body=webhook.body.decode(),
        )

    async def find_payment(self, payment_id: PaymentId) -> PaymentFacts | None:
        answer = await self._call("GET", f"/payments/{payment_id}")
        self.asked[payment_id] = self._now()
        return _facts(answer.body) if answer.status == 200 else None

    async def find_checkout(self, checkout: Checkout) -> PaymentFacts | None:
        query = {
            "limit": "100",
            "created_at.gte": (checkout.asked_at - CONFIRMATION_TERM).isoformat(),
        }
        while True:
            page = (await self._call("GET", "/payments", query=query)).body
            for item in page["items"]:
                if item.get("metadata", {}).get("checkout_id") == checkout.id:
                    self.asked[checkout.id] = self._now()
                    return _facts(item)
            if "next_cursor" not in page:
                self.asked[checkout.id] = self._now()
                return None
            query["cursor"] = page["next_cursor"]

    async def _call(
        self,
        method: str,
        path: str,
        *,
        key: str | None = None,
        body: Json | None = None,
        query: dict[str, str] | None = None,
    ) -> Answer:
        if unit_is_open.get():
            self._loop.fail(PromiseBroken(f"law 10: {method} {path} inside a unit of work"))
        shop = OUR_SHOP
        call = Call(method, path, shop.shop_id, shop.secret, key, dict(query or {}), body)
        answer = await self._provider.call(call)
        self._unanswered = 0 if answer is not None else self._unanswered + 1
        if answer is None:
            raise GatewayUnavailable(NAME)
        return answer

    def _check_once(self) -> None:
        opened = Counter(
            payment.body["metadata"]["checkout_id"]
            for payment in self._provider.rules.payments()
            if "metadata" in payment.body
        )
        for checkout_id, times in opened.items():
            if times > 1:
                self._loop.fail(PromiseBroken(f"law 5: {checkout_id} opened {times} payments"))


def _amount(money: Money) -> Json:
    return {"value": money.decimal_text(), "currency": money.currency.code}


def money_of(body: Json) -> Money:
    return Money.from_decimal_text(body["amount"]["value"], body["amount"]["currency"])


def _facts(body: Json) -> PaymentFacts:
    status = _STATUSES[body["status"]]
    url = body.get("confirmation", {}).get("confirmation_url")
    opened = None
    if status is PaymentStatus.PENDING and url is not None:
        expires_at = datetime.fromisoformat(body["created_at"]) + CONFIRMATION_TERM
        opened = OpenedCheckout(PaymentId(body["id"]), url, expires_at)
    metadata = body.get("metadata", {})
    return PaymentFacts(
        gateway=NAME,
        payment_id=PaymentId(body["id"]),
        charge_id=body["id"],
        status=status,
        paid=money_of(body) if status is PaymentStatus.PAID else None,
        checkout_id=metadata.get("checkout_id"),
        purchase_id=metadata.get("purchase_id"),
        foreign=None if body["recipient"]["account_id"] == OUR_SHOP.shop_id else Foreign.OTHER_SHOP,
        opened=opened,
    )
