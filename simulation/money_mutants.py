"""Planted bugs of money: the simulation must find every one of these too."""

import json
from dataclasses import replace
from itertools import count
from typing import Any, Final

from core.domain import ledger
from core.domain.checkout import Checkout
from core.domain.escrow import Escrow
from core.domain.ledger import Account, Entry, EntryId
from core.domain.money import Money
from core.domain.payment import (
    OutgoingStatus,
    PaymentFacts,
    PaymentId,
    PaymentStatus,
    PayoutFacts,
    PayoutId,
    RefundFacts,
)
from core.domain.payout import PayoutOrder
from core.domain.plan import GatewayName
from core.domain.reconciliation import Tally
from core.domain.refund import OurRefundId, Refund
from core.ports.payment_gateway import Gateways, PaymentGateway
from core.use_cases.billing import Billing
from core.use_cases.comparing import Facts
from core.use_cases.reconciling import Reconcile
from core.use_cases.settling import Settlement, SettlePayment, book, find_notice
from simulation.app import Compose, Outside, wired
from simulation.bank import BANK, SimulatedBank
from simulation.mutants import Changed, ChangedStore, overwriting, posting_in_a_second_unit


class ChangedBank(SimulatedBank):
    """The port to the bank, with a few of its methods replaced."""

    def __init__(self, real: PaymentGateway) -> None:
        self.__dict__.update(real.__dict__)
        self._tried: set[str] = set()
        self._fresh = count(1)


def _with_bank(outside: Outside, changed: type[ChangedBank]) -> Billing:
    gateways = [changed(one) if one.name == BANK else one for one in outside.gateways]
    return wired(replace(outside, gateways=Gateways(*gateways)))


class BooksOurPayload(ChangedBank):
    """Whatever comes with the same id of ours is the same charge."""

    async def find_payment(self, payment_id: PaymentId) -> PaymentFacts | None:
        facts = await super().find_payment(payment_id)
        if facts is None or facts.purchase_id is None:
            return facts
        known = self._bank.payments.values()
        first = next(one for one in known if one.purchase_id == facts.purchase_id)
        return replace(facts, charge_id=first.charge_id)


def credit_keyed_by_our_payload(outside: Outside) -> Billing:
    return _with_bank(outside, BooksOurPayload)


class RefundsAnew(ChangedBank):
    """Each try to give back is a new request to the bank."""

    async def refund(self, refund: Refund) -> RefundFacts:
        fresh = OurRefundId(f"{refund.id}-{next(self._fresh)}")
        return replace(await super().refund(replace(refund, id=fresh)), our_id=refund.id)


def refund_not_deduplicated(outside: Outside) -> Billing:
    return _with_bank(outside, RefundsAnew)


class SendsAnew(ChangedBank):
    """What was not answered is sent again, under another key, and nobody asks before."""

    async def pay_out(self, order: PayoutOrder) -> PayoutFacts:
        tried = order.id in self._tried
        self._tried.add(order.id)
        return await super().pay_out(
            replace(order, id=f"{order.id}-{next(self._fresh)}") if tried else order
        )

    async def find_payout(
        self, order: PayoutOrder, payout_id: PayoutId | None
    ) -> PayoutFacts | None:
        return None if payout_id is None else await super().find_payout(order, payout_id)


def payout_retried_on_unknown(outside: Outside) -> Billing:
    return _with_bank(outside, SendsAnew)


class TrustsTheBank(SettlePayment):
    """Takes the notice for the money."""

    async def __call__(
        self, gateway: GatewayName, payment_id: PaymentId, *, inbox_id: str | None = None
    ) -> Settlement:
        item = await find_notice(self._store, inbox_id)
        async with self._store.read() as view:
            checkout = await view.checkouts.find_by_payment(gateway, payment_id)
        if item is None or checkout is None or not item.notice.claims_paid:
            return await super().__call__(gateway, payment_id, inbox_id=inbox_id)
        told = str(json.loads(item.notice.body)["about"])
        paid: Money = checkout.amount
        facts = PaymentFacts(gateway, PaymentId(told), told, PaymentStatus.PAID, paid=paid)
        return await book(self._store, facts, self._now, item)


def deposit_credited_without_proof(outside: Outside) -> Billing:
    settle = TrustsTheBank(outside.store, outside.gateways, outside.now)
    return replace(wired(outside), settle_payment=settle)


def hold_ended_twice(outside: Outside) -> Billing:
    """Nobody is locked, what is saved replaces all, and each ending has an entry of its own."""
    fresh = count(1)

    def change(uow: Any) -> None:
        real = uow.ledger

        async def post(entry: Entry) -> None:
            if entry.id.endswith(" ended") and not entry.id.startswith("escrow"):
                entry = replace(entry, id=EntryId(f"{entry.id} {next(fresh)}"))
            await real.post(entry)

        uow.ledger = Changed(real, post=post)
        uow.customers = Changed(uow.customers, lock=uow.customers.get)
        for name in ("withdrawals", "refunds"):
            setattr(uow, name, overwriting(getattr(uow, name), "id"))

    return wired(replace(outside, store=ChangedStore(outside.store, change)))


def escrow_released_without_compare_and_set(outside: Outside) -> Billing:
    """An escrow is read, moved and written, whoever has written it meanwhile."""

    def change(uow: Any) -> None:
        real = uow.escrows

        async def save(escrow: Escrow) -> None:
            present = await real.get(escrow.id)
            await real.save(replace(escrow, version=present.version))

        uow.escrows = Changed(real, lock=real.get, save=save)

    return wired(replace(outside, store=ChangedStore(outside.store, change)))


def bonus_comes_back_as_cash(outside: Outside) -> Billing:
    """Whatever had paid, what comes back is the customer's own."""

    def change(uow: Any) -> None:
        real = uow.ledger

        async def post(entry: Entry) -> None:
            if entry.purpose in {"refund", "rest_of_former_plan"}:
                owned = [
                    replace(one, account=Account(one.account.replace("bonus:", "cash:")))
                    for one in entry.postings
                ]
                entry = replace(entry, postings=tuple(owned))
            await real.post(entry)

        uow.ledger = Changed(real, post=post)

    return wired(replace(outside, store=ChangedStore(outside.store, change)))


def only_the_newest_checkout_is_paid(outside: Outside) -> Billing:
    """Whoever was sent to the next gateway has left the page of the first, so it is forgotten."""

    def change(uow: Any) -> None:
        real = uow.checkouts

        async def add(checkout: Checkout) -> None:
            for former in await real.of_purchases([checkout.purchase_id]):
                if former.is_settling:
                    await real.save(former.lapses())
            await real.add(checkout)

        uow.checkouts = Changed(real, add=add)

    return wired(replace(outside, store=ChangedStore(outside.store, change)))


class BooksWhatIsListed(Reconcile):
    """Each refund that is listed is booked, under an id of its own."""

    async def _see_to(self, gateway: PaymentGateway, facts: Facts, tally: Tally) -> None:
        await super()._see_to(gateway, facts, tally)
        if isinstance(facts, RefundFacts) and facts.status is OutgoingStatus.DONE:
            id_, credit = f"listed {facts.refund_id}", ledger.clearing(gateway.name)
            async with self._store.write() as uow:
                at, debit = self._now(), ledger.ADJUSTMENTS
                await uow.ledger.post(
                    ledger.transfer(id_, "refund", facts.amount, debit=debit, credit=credit, at=at)
                )
                await uow.commit()


def listed_refund_booked_twice(outside: Outside) -> Billing:
    given = (outside.store, outside.gateways, outside.now, outside.new_id)
    return replace(wired(outside), reconcile=BooksWhatIsListed(*given))


MONEY_MUTANTS: Final[dict[str, Compose]] = {
    mutant.__name__: mutant
    for mutant in (
        credit_keyed_by_our_payload,
        refund_not_deduplicated,
        payout_retried_on_unknown,
        posting_in_a_second_unit,
        deposit_credited_without_proof,
        hold_ended_twice,
        escrow_released_without_compare_and_set,
        bonus_comes_back_as_cash,
        only_the_newest_checkout_is_paid,
        listed_refund_booked_twice,
    )
}
