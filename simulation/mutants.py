"""Planted bugs, each put in where the product is composed: the simulation must find every one."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from itertools import count
from typing import Any, Final

from core.domain.cause import Cause, Claim, claim
from core.domain.checkout import Checkout
from core.domain.credentials import NotSignedIn, Session, SessionId
from core.domain.ledger import Entry
from core.domain.money import Money
from core.domain.payment import (
    InboxItem,
    PaymentFacts,
    PaymentId,
    PaymentStatus,
)
from core.domain.plan import GatewayName
from core.domain.purchase import PurchaseId
from core.domain.usage_quota import RECEIPT_LIFE, HoldId, QuotaDecision, UsageReceipt
from core.ports.notifier import CustomerUnreachable, NotifierUnavailable
from core.ports.payment_gateway import Gateways, PaymentGateway, Webhook
from core.ports.unit_of_work import SavedMeanwhile, Store, UnitOfWork, View
from core.use_cases.billing import Billing
from core.use_cases.customers import standing_of
from core.use_cases.news import NewsRef, TellCustomer
from core.use_cases.purchases import ExpirePurchase
from core.use_cases.quotas import Ask, ConsumeQuota, ExpireHold
from core.use_cases.sessions import CheckSession, RefreshSession
from core.use_cases.settling import Settlement, SettlePayment, book, find_notice
from core.use_cases.updates import ChatUpdate, HandleUpdate
from core.use_cases.webhooks import TakeInWebhook
from simulation.app import Compose, Outside, wired
from simulation.network import NAME, SimulatedYooKassa


class Changed:
    """Something of ours, with a few of its methods replaced."""

    def __init__(self, real: Any, **replaced: Any) -> None:
        self._real = real
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class ChangedStore:
    """A store whose units are changed by `change` before anybody has them."""

    def __init__(self, real: Store, change: Callable[[Any], None]) -> None:
        self._real = real
        self._change = change

    @asynccontextmanager
    async def write(self) -> AsyncIterator[UnitOfWork]:
        async with self._real.write() as uow:
            self._change(uow)
            yield uow

    def read(self) -> AbstractAsyncContextManager[View]:
        return self._real.read()

    def exclusive(self, name: str) -> AbstractAsyncContextManager[None]:
        return self._real.exclusive(name)


def no_lock(outside: Outside) -> Billing:
    """Locking a customer only reads it. Compare-and-set alone must make that a retry, not a loss."""

    def change(uow: Any) -> None:
        uow.customers = Changed(uow.customers, lock=uow.customers.get)

    return wired(replace(outside, store=ChangedStore(outside.store, change)))


def no_lock_and_no_versions(outside: Outside) -> Billing:
    """Status is checked, then acted on: nothing is locked, and what is saved replaces all."""

    def change(uow: Any) -> None:
        uow.customers = Changed(uow.customers, lock=uow.customers.get)
        for name, key in (
            ("purchases", "id"),
            ("checkouts", "id"),
            ("subscriptions", "customer_id"),
        ):
            setattr(uow, name, overwriting(getattr(uow, name), key))

    return wired(replace(outside, store=ChangedStore(outside.store, change)))


def overwriting(repository: Any, key: str) -> Changed:
    async def save(entity: Any) -> None:
        while True:
            present = await repository.get(getattr(entity, key))
            with suppress(SavedMeanwhile):
                await repository.save(replace(entity, version=present.version))
                return

    return Changed(repository, save=save)


class LateLedgerStore(ChangedStore):
    """What a unit posts is posted by a second unit, after the first has committed."""

    def __init__(self, real: Store) -> None:
        super().__init__(real, lambda _: None)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[UnitOfWork]:
        late: list[Entry] = []

        async def post(entry: Entry) -> None:
            late.append(entry)

        async with self._real.write() as uow:
            uow.ledger = Changed(uow.ledger, post=post)
            yield uow
        if late:
            async with self._real.write() as second:
                for entry in late:
                    await second.ledger.post(entry)
                await second.commit()


def posting_in_a_second_unit(outside: Outside) -> Billing:
    return wired(replace(outside, store=LateLedgerStore(outside.store)))


class AnswersFirst(TakeInWebhook):
    """Says 200, then stores."""

    async def __call__(self, gateway: str, webhook: Webhook) -> InboxItem:
        notice = self._gateways.get(gateway).read_webhook(webhook)
        asyncio.get_running_loop().create_task(self._later(gateway, webhook))
        return InboxItem("inb_later", notice, received_at=self._now())

    async def _later(self, gateway: str, webhook: Webhook) -> None:
        await super().__call__(gateway, webhook)


def answer_before_storing(outside: Outside) -> Billing:
    take_in = AnswersFirst(outside.store, outside.gateways, outside.now, outside.new_id)
    return replace(wired(outside), take_in_webhook=take_in)


class Trusts(SettlePayment):
    """Books what the message says, and asks nobody."""

    async def __call__(
        self, gateway: GatewayName, payment_id: PaymentId, *, inbox_id: str | None = None
    ) -> Settlement:
        item = await find_notice(self._store, inbox_id)
        if item is None or not item.notice.claims_paid:
            return await super().__call__(gateway, payment_id, inbox_id=inbox_id)
        told = json.loads(item.notice.body)["object"]
        metadata = told.get("metadata", {})
        facts = PaymentFacts(
            gateway,
            payment_id,
            payment_id,
            PaymentStatus.PAID,
            paid=Money.from_decimal_text(told["amount"]["value"], told["amount"]["currency"]),
            checkout_id=metadata.get("checkout_id"),
            purchase_id=metadata.get("purchase_id"),
        )
        return await book(self._store, facts, self._now, item)


def trust_the_message(outside: Outside) -> Billing:
    settle = Trusts(outside.store, outside.gateways, outside.now)
    return replace(wired(outside), settle_payment=settle)


class ChecksThenCounts(ConsumeQuota):
    """Looks whether it fits in one unit, and counts in another."""

    async def __call__(self, ask: Ask) -> QuotaDecision:
        if ask.hold_seconds is not None:
            return await super().__call__(ask)
        now = self._now()
        async with self._store.write() as uow:
            quota = (await standing_of(uow, ask.customer_id)).quota(ask.feature, now)
            known = await uow.usage.receipts([(ask.customer_id, ask.request_id)])
            used = (await uow.usage.used([quota.key])).get(quota.key, 0)
            for receipt in known.values():
                return receipt.repeated(ask.feature, ask.units)
            _, decision = replace(quota, used=used).decide(ask.units)
        async with self._store.write() as uow:
            counted = (await uow.usage.lock([quota.key]))[quota.key]
            if decision.allowed:
                counted += ask.units
                decision = replace(decision, used=counted)
            await uow.usage.save([replace(quota, used=counted)])
            expires_at = decision.resets_at + RECEIPT_LIFE
            receipt = UsageReceipt(
                ask.customer_id, ask.request_id, ask.feature, ask.units, decision, expires_at
            )
            await uow.usage.add_receipts([receipt])
            await uow.commit()
        return decision


def quota_check_then_increment(outside: Outside) -> Billing:
    given = (outside.store, outside.now, outside.new_id)
    return replace(wired(outside), consume_quota=ChecksThenCounts(*given))


class NeverExpires(ExpireHold):
    """Whoever held it will see to it."""

    async def __call__(self, hold_id: HoldId) -> None:
        """Do nothing."""


def hold_never_expires(outside: Outside) -> Billing:
    return replace(wired(outside), expire_hold=NeverExpires(outside.store, outside.now))


class ExpiresUnasked(ExpirePurchase):
    """Its time is over, so it is over."""

    async def __call__(self, purchase_id: PurchaseId) -> None:
        async with self._store.write() as uow:
            now = self._now()
            purchase = await uow.purchases.get(purchase_id)
            await uow.customers.lock(purchase.customer_id)
            if purchase.is_pending and purchase.expires_at <= now:
                await uow.purchases.save(purchase.expired(at=now))
                await uow.commit()


def expire_without_asking(outside: Outside) -> Billing:
    expire = ExpiresUnasked(outside.store, outside.gateways, outside.now)
    return replace(wired(outside), expire_purchase=expire)


class FreshKeys(SimulatedYooKassa):
    """Each try to open a checkout is a new request to the provider."""

    def __init__(self, real: PaymentGateway) -> None:
        self.__dict__.update(real.__dict__)
        self._tries = count(1)

    def key_of(self, checkout: Checkout) -> str:
        return f"{checkout.id}-{next(self._tries)}"


def new_key_per_attempt(outside: Outside) -> Billing:
    gateways = [FreshKeys(one) if one.name == NAME else one for one in outside.gateways]
    return wired(replace(outside, gateways=Gateways(*gateways)))


def claim_without_continuation(outside: Outside) -> Billing:
    """Whoever claimed first is waited for, for ever."""

    def change(uow: Any) -> None:
        claims = uow.claims

        async def take(claim: Claim) -> Claim:
            taken: Claim = await claims.take(claim)
            mine = taken.subject == claim.subject
            return taken if mine else replace(taken, leased_until=claim.leased_until)

        uow.claims = Changed(claims, take=take)

    return wired(replace(outside, store=ChangedStore(outside.store, change)))


def turns_without_compare_and_set(outside: Outside) -> Billing:
    """A session is read, turned and written, whoever has written it meanwhile."""

    def change(uow: Any) -> None:
        real = uow.credentials

        async def save(session: Session) -> None:
            present = await real.find_session(session.id)
            await real.save_session(replace(session, version=present.version))

        uow.credentials = Changed(real, save_session=save)

    return wired(replace(outside, store=ChangedStore(outside.store, change)))


class TakesAnyTurn(CheckSession):
    """A token is good for as long as its session is."""

    async def __call__(self, session_id: SessionId, turn: int, *, reading: bool = False) -> Session:
        async with self._store.read() as view:
            session = await view.credentials.find_session(session_id)
        newest = turn if session is None else session.turn
        return await super().__call__(session_id, newest, reading=reading)


def retired_tokens_live_on(outside: Outside) -> Billing:
    check = TakesAnyTurn(outside.store, outside.now)
    return replace(wired(outside), check_session=check)


class RefusesTheLast(RefreshSession):
    """Each token may be exchanged once, whether the answer was heard or not."""

    async def __call__(self, session_id: SessionId, turn: int) -> Session:
        async with self._store.read() as view:
            known = await view.credentials.find_session(session_id)
        if known is None or known.turn != turn:
            raise NotSignedIn
        return await super().__call__(session_id, turn)


def refresh_without_grace(outside: Outside) -> Billing:
    refresh = RefusesTheLast(outside.store, outside.now)
    return replace(wired(outside), refresh_session=refresh)


class AnswersUpdatesFirst(HandleUpdate):
    """Says 200, and acts when it gets round to it."""

    async def __call__(self, update: ChatUpdate, act: Callable[[Cause], Awaitable[None]]) -> None:
        asyncio.get_running_loop().create_task(super().__call__(update, act))


def update_answered_before_it_is_acted_on(outside: Outside) -> Billing:
    handle = AnswersUpdatesFirst(outside.store, outside.now)
    return replace(wired(outside), handle_update=handle)


class TellsTwoUnitsLate(TellCustomer):
    """Writes down that it was told, and tells afterwards."""

    async def __call__(self, ref: NewsRef) -> None:
        async with self._store.write() as uow:
            cause = Cause("news", ref.id, ref.customer_id)
            taken = await uow.claims.take(claim(cause, cause.key, at=self._now()))
            if taken.answer is not None:
                return
            await uow.claims.save(taken.answered("told"))
            await uow.commit()
        async with self._store.read() as view:
            news = await self._news(view, ref)
        with suppress(NotifierUnavailable, CustomerUnreachable):
            if self._notifier.reaches(news.standing):
                await self._notifier.tell(news)


def news_told_after_it_was_written_down(outside: Outside) -> Billing:
    tell = TellsTwoUnitsLate(outside.store, outside.notifier, outside.now)
    return replace(wired(outside), tell_customer=tell)


MUTANTS: Final[dict[str, Compose]] = {
    mutant.__name__: mutant
    for mutant in (
        no_lock_and_no_versions,
        posting_in_a_second_unit,
        answer_before_storing,
        trust_the_message,
        quota_check_then_increment,
        hold_never_expires,
        expire_without_asking,
        new_key_per_attempt,
        claim_without_continuation,
        turns_without_compare_and_set,
        retired_tokens_live_on,
        refresh_without_grace,
        update_answered_before_it_is_acted_on,
        news_told_after_it_was_written_down,
    )
}
