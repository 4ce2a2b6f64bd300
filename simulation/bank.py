"""A bank behind a bad network: it takes, keeps, charges again, gives back and pays out."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from core.domain.checkout import Checkout
from core.domain.money import Money
from core.domain.payment import (
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
    SenderNotListed,
    TakesPayments,
    Webhook,
    WebhookNotReadable,
)
from core.ports.unit_of_work import Now, unit_is_open
from simulation.loop import Node, SimulatedLoop
from simulation.nemesis import CALM, Faults
from simulation.network import TIMEOUT_SECONDS, PromiseBroken, Send

BANK: Final = GatewayName("bank")
BANK_ADDRESS: Final = "198.51.100.7"
TERM: Final = timedelta(hours=1)
RETRY_SECONDS: Final = 600.0
KEY_MEMORY: Final = timedelta(hours=24)
PAYOUT_FEE: Final = Money.of(50, "RUB")
DONE, PENDING = OutgoingStatus.DONE, OutgoingStatus.PENDING

Answer = TypeVar("Answer")


class Bank:
    """Its own books, which are the truth; what it tells of them may be late, twice or lost."""

    def __init__(self, loop: SimulatedLoop, now: Now) -> None:
        self.node: Final = Node("bank")
        self.faults: Faults = CALM
        self.term = TERM
        self.webhooks_have_stopped = self.is_out = False
        self.payments: Final[dict[str, PaymentFacts]] = {}
        self.refunds: Final[dict[str, RefundFacts]] = {}
        self.payouts: Final[dict[str, PayoutFacts]] = {}
        self.sent_for: Final[Counter[str]] = Counter()
        """How many payouts there were for each order, by its description."""
        self._loop = loop
        self._now = now
        self._chance = loop.stream("bank")
        self._amounts: dict[str, Money] = {}
        self._keys: dict[str, tuple[datetime, Any]] = {}
        self._saved: dict[str, str] = {}
        self._before: dict[str, tuple[datetime, Any]] = {}
        self._made_at: dict[str, datetime] = {}
        self._owed: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    @property
    def held_for_us(self) -> int:
        """What it would hand over now, in minor units: taken less given back, sent and kept."""
        paid = (one for one in self.payments.values() if one.paid is not None)
        taken = sum(_minor(one.paid) - _minor(one.fee) for one in paid)
        back = (one.amount for one in self.refunds.values() if one.status is DONE)
        sent = (one for one in self.payouts.values() if one.status is DONE)
        fees = sum(_minor(one.fee) for one in self.payouts.values())
        return taken - sum(map(_minor, back)) - sum(_minor(one.amount) for one in sent) - fees

    # What people do there.

    def pay(self, payment_id: str, *, short: bool = False) -> bool:
        """Whether it could be paid. `short`: one minor unit less arrives."""
        facts = self.payments[payment_id]
        if self.present(payment_id).status is not PaymentStatus.PENDING:
            return False
        amount = self._amounts[payment_id]
        self._take(facts, replace(amount, amount_minor=amount.amount_minor - short))
        return True

    def pay_again(self, payment_id: str) -> None:
        """A second payment at the same address, which nobody asked for: nobody else knows of it."""
        again = PaymentId(f"pay-{len(self.payments) + 1}")
        self._amounts[again] = self._amounts[payment_id]
        facts = replace(
            self.payments[payment_id],
            payment_id=again,
            charge_id=again,
            status=PaymentStatus.PENDING,
            paid=None,
            fee=None,
            token=None,
        )
        self.payments[again] = facts
        self._made_at[again] = self._now()
        self._take(facts, self._amounts[again])

    def decline(self, payment_id: str) -> None:
        if self.present(payment_id).status is PaymentStatus.PENDING:
            self._cancel(self.payments[payment_id])

    def give_back_at_dashboard(self, payment_id: str, amount: Money) -> bool:
        """By hand, without us. Whether so much was left."""
        try:
            self._give_back(PaymentId(payment_id), amount, None, DONE)
        except RefundDeclined:
            return False
        return True

    def send_back(self, payout_id: str) -> None:
        """Wherever it went, they will not have it."""
        self._payout_ends(payout_id, OutgoingStatus.RETURNED)

    # What it is asked, and answers at once. Keys are remembered for a day.

    def open(self, checkout: Checkout) -> PaymentFacts:
        def opens() -> PaymentFacts:
            if self._happens("declined"):
                raise CheckoutDeclined(BANK, "declined")
            facts = self._made(checkout)
            expires_at = self._now() + self.term
            url = f"https://bank.invalid/{facts.payment_id}"
            opened = OpenedCheckout(facts.payment_id, url, expires_at)
            if checkout.saves_method:
                self._saved[facts.payment_id] = f"{facts.payment_id}-saved"
            self.payments[facts.payment_id] = replace(facts, opened=opened)
            return self.payments[facts.payment_id]

        return self._once(f"open {checkout.id}", opens)

    def charge(self, checkout: Checkout, token: str) -> PaymentFacts:
        def charges() -> PaymentFacts:
            if token not in self._saved.values() or self._happens("declined"):
                raise CheckoutDeclined(BANK, "permission_revoked")
            facts = self._made(checkout)
            if self._happens("declined"):
                self._cancel(facts)
            elif self._chance.random() < 0.3:
                self._later(1, 3600, lambda: self._take(facts, checkout.amount))
            else:
                self._take(facts, checkout.amount)
            return self.payments[facts.payment_id]

        known = self._once(f"charge {checkout.id}", charges)
        return self.payments[known.payment_id]

    def refund(self, refund: Refund) -> RefundFacts:
        def gives() -> RefundFacts:
            if self._happens("declined"):
                raise RefundDeclined(BANK, "refused")
            slow = self._chance.random() < 0.5
            status = PENDING if slow else DONE
            facts = self._give_back(refund.payment_id, refund.amount, refund.id, status)
            if slow:
                fails = self._happens("declined")
                ends = OutgoingStatus.FAILED if fails else DONE
                self._later(60, 86_400, lambda: self._refund_ends(facts.refund_id, ends))
            return facts

        return self.refunds[self._once(f"refund {refund.id}", gives).refund_id]

    def pay_out(self, order: PayoutOrder) -> PayoutFacts:
        def sends() -> PayoutFacts:
            if self._happens("declined"):
                raise PayoutDeclined(BANK, "refused")
            payout_id = PayoutId(f"out-{len(self.payouts) + 1}")
            self.sent_for[order.description] += 1
            facts = PayoutFacts(BANK, payout_id, PENDING, order.amount, our_id=order.id)
            self.payouts[payout_id] = facts
            self._made_at[payout_id] = self._now()
            fails = self._happens("payout_fails")
            ends = OutgoingStatus.FAILED if fails else DONE
            self._later(1, 7200, lambda: self._payout_ends(payout_id, ends))
            if not fails and self._happens("payout_returns"):
                self._later(7300, 72_000, lambda: self.send_back(payout_id))
            return facts

        return self.payouts[self._once(f"payout {order.id}", sends).payout_id]

    def present(self, payment_id: str) -> PaymentFacts:
        facts = self.payments[payment_id]
        ends_at = None if facts.opened is None else facts.opened.expires_at
        if ends_at is not None and ends_at <= self._now():
            return replace(facts, status=PaymentStatus.CANCELED, opened=None)
        return facts

    def listed(self, since: datetime) -> list[PaymentFacts | RefundFacts | PayoutFacts]:
        """All that was made since then, each as it is shown."""
        return [
            *(
                self.as_told(id_, self.present(id_))
                for id_ in self._made_since(self.payments, since)
            ),
            *(self.refunds[id_] for id_ in self._made_since(self.refunds, since)),
            *(
                self.as_told(id_, self.payouts[id_])
                for id_ in self._made_since(self.payouts, since)
            ),
        ]

    def as_told(self, id_: str, present: Answer) -> Answer:
        """What it shows, which may be what was so a minute ago."""
        until, before = self._before.get(id_, (None, present))
        return before if until is not None and self._now() < until else present

    # The way there and back.

    async def call(self, act: Callable[[], Answer]) -> Answer:
        """
        Raises:
            GatewayUnavailable: no answer came. It may act all the same, also after the asker's death.
        """
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._loop.spawn(self.node, self._serve(act, answered))
        is_there, answer = await answered
        if not is_there:
            raise GatewayUnavailable(BANK)
        if isinstance(answer, Exception):
            raise answer
        found: Answer = answer
        return found

    async def _serve(self, act: Callable[[], Any], answered: "asyncio.Future[Any]") -> None:
        chance, faults = self._chance, self.faults
        await asyncio.sleep(chance.uniform(0, faults.call_seconds_max))
        is_there = not self.is_out and chance.random() >= faults.call_lost
        answer: Any = None
        if is_there:
            try:
                answer = act()
            except (CheckoutDeclined, RefundDeclined, PayoutDeclined) as no:
                answer = no
            self._loop.note(f"bank: {answer}")
        await asyncio.sleep(chance.uniform(0, faults.call_seconds_max))
        if not is_there or chance.random() < faults.answer_lost:
            is_there = False
            await asyncio.sleep(chance.uniform(0, TIMEOUT_SECONDS))
        if not answered.done():
            answered.set_result((is_there, answer))

    async def keep_telling(self, send: Send) -> None:
        while True:
            told = await self._owed.get()
            if self.webhooks_have_stopped or self._chance.random() < self.faults.webhook_lost:
                continue  # For ever: whoever does not look for it never hears of it.
            copies = 1 + (self._chance.random() < self.faults.webhook_copied)
            for _ in range(copies):
                self._loop.spawn(self.node, self._tell(told, send))

    async def _tell(self, told: dict[str, str], send: Send) -> None:
        late = self._chance.random() < self.faults.webhook_late
        wait = self._chance.uniform(0, 86_400.0 if late else self.faults.webhook_seconds_max)
        await asyncio.sleep(wait)
        if not await send(Webhook(BANK_ADDRESS, {}, json.dumps(told).encode())):
            await asyncio.sleep(RETRY_SECONDS)
            await self._tell(told, send)

    # Its books.

    def _once(self, key: str, act: Callable[[], Answer]) -> Answer:
        at, known = self._keys.get(key, (None, None))
        if at is None or self._now() >= at + KEY_MEMORY:
            try:
                known = act()
            except (CheckoutDeclined, RefundDeclined, PayoutDeclined) as no:
                known = no
            self._keys[key] = (self._now(), known)
        if isinstance(known, Exception):
            raise known
        answer: Answer = known  # type: ignore[assignment]
        return answer

    def _happens(self, fault: str) -> bool:
        chance: float = getattr(self.faults, fault)
        return bool(self._chance.random() < chance)

    def _made_since(self, book: dict[str, Any], since: datetime) -> list[str]:
        return [id_ for id_ in book if self._made_at[id_] >= since]

    def _made(self, checkout: Checkout) -> PaymentFacts:
        id_ = PaymentId(f"pay-{len(self.payments) + 1}")
        self._amounts[id_] = checkout.amount
        self.payments[id_] = PaymentFacts(
            BANK,
            id_,
            id_,
            PaymentStatus.PENDING,
            checkout_id=checkout.id,
            purchase_id=checkout.purchase_id,
        )
        self._made_at[id_] = self._now()
        return self.payments[id_]

    def _take(self, facts: PaymentFacts, amount: Money) -> None:
        id_ = facts.payment_id
        fee = replace(amount, amount_minor=amount.amount_minor // 50)
        self._moved(self.payments, id_, replace(
            facts, status=PaymentStatus.PAID, paid=amount, opened=None, fee=fee,
            token=self._saved.get(id_),
        ))  # fmt: skip
        self._news("payment.succeeded", id_, id_)

    def _cancel(self, facts: PaymentFacts) -> None:
        canceled = PaymentStatus.CANCELED
        after = replace(facts, status=canceled, opened=None, was_refused=True)
        self._moved(self.payments, facts.payment_id, after)
        self._news("payment.canceled", facts.payment_id, facts.payment_id)

    def _give_back(
        self, payment_id: PaymentId, amount: Money, our_id: str | None, status: OutgoingStatus
    ) -> RefundFacts:
        paid = self.payments[payment_id].paid
        before = sum(
            _minor(one.amount)
            for one in self.refunds.values()
            if one.payment_id == payment_id and one.status is not OutgoingStatus.FAILED
        )
        if _minor(amount) > _minor(paid) - before:
            raise RefundDeclined(BANK, "more_than_is_left")
        refund_id = RefundId(f"back-{len(self.refunds) + 1}")
        facts = RefundFacts(BANK, refund_id, payment_id, status, amount, our_id=our_id)
        self.refunds[refund_id] = facts
        self._made_at[refund_id] = self._now()
        if status is DONE:
            self._news("refund.done", refund_id, payment_id)
        return facts

    def _refund_ends(self, refund_id: str, status: OutgoingStatus) -> None:
        self.refunds[refund_id] = replace(self.refunds[refund_id], status=status)
        self._news(f"refund.{status}", refund_id, self.refunds[refund_id].payment_id)

    def _payout_ends(self, payout_id: str, status: OutgoingStatus) -> None:
        """What it kept for sending it stays kept when it comes back."""
        fee = None if status is OutgoingStatus.FAILED else PAYOUT_FEE
        after = replace(self.payouts[payout_id], status=status, fee=fee, reason=status.value)
        self._moved(self.payouts, payout_id, after)
        self._news(f"payout.{status}", payout_id, payout_id)

    def _moved(self, book: dict[str, Any], id_: str, after: Any) -> None:
        lag = timedelta(seconds=self._chance.uniform(0, self.faults.lag_seconds_max))
        self._before[id_] = (self._now() + lag, book[id_])
        book[id_] = after

    def _news(self, event: str, id_: str, about: str) -> None:
        self._loop.note(f"bank: {event} {id_}")
        self._owed.put_nowait({"event": event, "id": id_, "about": about})

    def _later(self, least: float, most: float, act: Callable[[], None]) -> None:
        self._loop.call_as(self.node, self._chance.uniform(least, most), act)


class SimulatedBank(TakesPayments):
    """The port, as small as it can be."""

    name = BANK
    abilities = Abilities(
        bounds={"RUB": (Money.of(1, "RUB"), Money.of(10**9, "RUB"))},
        key_memory=KEY_MEMORY,
        refunding=Refunding.PARTS,
        payouts={"RUB": (Money.of(1, "RUB"), Money.of(10**9, "RUB"))},
        accounts=frozenset({"bank_card"}),
        charges_saved=True,
        lists=True,
    )

    def __init__(self, bank: Bank, loop: SimulatedLoop, now: Now) -> None:
        self.asked: Final[dict[str, datetime]] = {}
        """When we last heard of a payment or a checkout, by its id."""
        self._bank = bank
        self._loop = loop
        self._now = now

    async def open_checkout(
        self,
        checkout: Checkout,
        billing: Billing | None = None,  # noqa: ARG002
    ) -> OpenedCheckout:
        facts = await self._call(lambda: self._bank.open(checkout))
        return facts.opened or OpenedCheckout(facts.payment_id, "", checkout.asked_at)

    def read_webhook(self, webhook: Webhook) -> Notice:
        if webhook.sender != BANK_ADDRESS:
            raise SenderNotListed
        try:
            told = json.loads(webhook.body)
            event, id_, about = (str(told[name]) for name in ("event", "id", "about"))
        except (ValueError, TypeError, KeyError):
            raise WebhookNotReadable from None
        kinds = {"payment": NoticeKind.PAYMENT, "refund": NoticeKind.REFUND}
        kind = kinds.get(event.partition(".")[0], NoticeKind.PAYOUT)
        is_payout = kind is NoticeKind.PAYOUT
        return Notice(
            BANK,
            kind,
            event,
            f"{event} {id_}",
            None if is_payout else PaymentId(about),
            event == "payment.succeeded",
            webhook.body.decode(),
            PayoutId(about) if is_payout else None,
        )

    async def find_payment(self, payment_id: PaymentId) -> PaymentFacts | None:
        return await self._heard(payment_id, lambda: self._shown(payment_id))

    async def find_checkout(self, checkout: Checkout) -> PaymentFacts | None:
        def find() -> PaymentFacts | None:
            known = self._bank.payments.values()
            found = (self._shown(one.payment_id) for one in known if one.checkout_id == checkout.id)
            return next(found, None)

        return await self._heard(checkout.id, find)

    async def charge_saved(self, checkout: Checkout, token: str) -> PaymentFacts:
        return await self._call(lambda: self._bank.charge(checkout, token))

    async def refund(self, refund: Refund) -> RefundFacts:
        return await self._call(lambda: self._bank.refund(refund))

    async def find_refunds(self, payment_id: PaymentId) -> list[RefundFacts]:
        known = self._bank.refunds
        return await self._call(
            lambda: [one for one in known.values() if one.payment_id == payment_id]
        )

    async def pay_out(self, order: PayoutOrder) -> PayoutFacts:
        return await self._call(lambda: self._bank.pay_out(order))

    async def find_payout(
        self, order: PayoutOrder, payout_id: PayoutId | None
    ) -> PayoutFacts | None:
        def find() -> PayoutFacts | None:
            for one in self._bank.payouts.values():
                if payout_id == one.payout_id or (payout_id is None and one.our_id == order.id):
                    return self._bank.as_told(one.payout_id, one)
            return None

        return await self._call(find)

    async def since(
        self, since: datetime
    ) -> AsyncIterator[PaymentFacts | RefundFacts | PayoutFacts]:
        for facts in await self._call(lambda: self._bank.listed(since)):
            yield facts

    def _shown(self, payment_id: str) -> PaymentFacts | None:
        if payment_id not in self._bank.payments:
            return None
        return self._bank.as_told(payment_id, self._bank.present(payment_id))

    async def _heard(self, id_: str, find: Callable[[], Answer]) -> Answer:
        found = await self._call(find)
        self.asked[id_] = self._now()
        return found

    def _call(self, act: Callable[[], Answer]) -> Awaitable[Answer]:
        if unit_is_open.get():
            self._loop.fail(PromiseBroken("law 10: the bank is called inside a unit of work"))
        return self._bank.call(act)


def _minor(money: Money | None) -> int:
    return 0 if money is None else money.amount_minor
