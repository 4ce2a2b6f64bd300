"""Withdrawals: asked for, sent, and ended by what the gateway says."""

from datetime import datetime, timedelta
from typing import Final

from core.domain import ledger
from core.domain.case import Case, CaseKind
from core.domain.cause import Cause, claim
from core.domain.customer import CustomerId
from core.domain.event import Event
from core.domain.item import PaymentMethodId
from core.domain.ledger import EntryId
from core.domain.money import Money
from core.domain.money_terms import Braked
from core.domain.payment import OutgoingStatus, PayoutFacts, PayoutId
from core.domain.payment_method import PaymentMethod
from core.domain.plan import GatewayName
from core.domain.switch import SwitchName
from core.domain.withdrawal import (
    QUEUE,
    SENDING_LEASE,
    Withdrawal,
    WithdrawalId,
    WithdrawalNotFound,
    WithdrawalNotTaken,
    WithdrawalStatus,
)
from core.ports.payment_gateway import (
    GatewayNotFound,
    Gateways,
    GatewayUnavailable,
    PayoutDeclined,
    PayoutNotFindable,
)
from core.ports.unit_of_work import NewId, Now, Store, UnitOfWork, View
from core.use_cases.payment_methods import owned_method
from core.use_cases.settling import close_notice, find_notice
from core.use_cases.wallet import credited, repaid

DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)


class RequestWithdrawal:
    """
    Set the money aside, once, and have it sent: cash only, to a proven account of the customer's.
    Above one of the catalog's brakes it waits for a person. What is owed is repaid first.

    The brake over all customers reads what was asked for in the last hour, without a lock. Units
    that are open at the same moment do not see each other, so as many as these may pass it by one
    payout each, at most the brake of a payout; whoever asks after their commits is counted in. The
    brakes of one payout and of a customer's day are exact: the customer's row is locked.
    """

    def __init__(self, store: Store, gateways: Gateways, now: Now, new_id: NewId) -> None:
        self._store = store
        self._gateways = gateways
        self._now = now
        self._new_id = new_id

    async def __call__(
        self, customer_id: CustomerId, amount: Money, method_id: PaymentMethodId, *, cause: Cause
    ) -> Withdrawal:
        """
        Raises:
            PaymentMethodNotFound, PaymentMethodNotVerified, PaymentMethodRemoved
            WithdrawalNotTaken, WalletTooLow, CustomerBlocked, KeyUsedOtherwise
            AmountNotUsable: more would be missing than can be counted.
        """
        async with self._store.write() as uow:
            at = self._now()
            (await uow.customers.lock(customer_id)).require_served()
            fresh = claim(cause, self._new_id("wd"), at=at)
            taken = await uow.claims.take(fresh)
            if taken.subject != fresh.subject:
                taken.taken_again(cause, at=taken.leased_until)
                return await uow.withdrawals.get(WithdrawalId(taken.subject))
            method = await owned_method(uow, customer_id, method_id)
            method.require_verified()
            sends_it = self._sends(method, amount)
            brake = await _brake(uow, customer_id, amount, at=at)
            id_ = WithdrawalId(fresh.subject)
            purse = await repaid(uow, customer_id, amount.currency, f"before {id_}", at=at)
            purse.require(amount, with_bonus=False)
            withdrawal = Withdrawal(
                id_,
                customer_id,
                method_id,
                method.gateway if sends_it else QUEUE,
                method.account,
                amount,
                at,
                WithdrawalStatus.HELD if brake is not None else WithdrawalStatus.REQUESTED,
                due_at=at + SENDING_LEASE if sends_it and brake is None else None,
            )
            await uow.withdrawals.add(withdrawal)
            await uow.ledger.post(withdrawal.entry(at=at))
            if brake is not None or not sends_it:
                await _for_a_person(uow, withdrawal, at=at, brake=brake)
            await tell_of_withdrawal(uow, withdrawal, at=at)
            await uow.claims.save(taken.answered(id_))
            await uow.commit()
        return withdrawal

    def _sends(self, method: PaymentMethod, amount: Money) -> bool:
        """Whether the method's gateway pays out there; else an operator does."""
        try:
            gateway = self._gateways.get(method.gateway)
        except GatewayNotFound:  # Switched off since.
            return False
        return gateway.abilities.sends(amount, method.account.kind)


async def _brake(
    uow: UnitOfWork, customer_id: CustomerId, amount: Money, *, at: datetime
) -> Braked | None:
    """
    What holds it; None: nothing does.

    Raises:
        WithdrawalNotTaken
    """
    terms = (await uow.catalogs.current()).money.withdrawal
    brake, least = terms.brake(amount), terms.least_in(amount.currency)
    if brake is None:
        raise WithdrawalNotTaken(amount, None)
    if amount < least:
        raise WithdrawalNotTaken(amount, least)
    today = await uow.withdrawals.asked_since(at - DAY, amount.currency, customer_id)
    lately = await uow.withdrawals.asked_since(at - HOUR, amount.currency)
    return brake.holds(amount, day=today, hour=lately)


class SendWithdrawal:
    """
    Have the gateway send it: written down before it is asked, so that a death in between is
    ended by asking what became of it, and never by sending it under another key. While payouts
    are switched off nothing is sent, and it stays due.
    """

    def __init__(self, store: Store, gateways: Gateways, now: Now) -> None:
        self._store = store
        self._gateways = gateways
        self._now = now

    async def __call__(self, withdrawal_id: WithdrawalId) -> None:
        """
        Raises:
            GatewayUnavailable: try again later.
            GatewayNotFound: switched off since; nothing is marked as sent.
        """
        async with self._store.read() as view:
            withdrawal = await view.withdrawals.get(withdrawal_id)
            is_off = SwitchName.PAYOUTS in await view.switches.off()
        if withdrawal.status is WithdrawalStatus.REQUESTED and withdrawal.due_at is not None:
            self._gateways.get(withdrawal.gateway)
            if await self._mark_sent(withdrawal):
                await self._send(withdrawal)
        elif withdrawal.status in {WithdrawalStatus.SENT, WithdrawalStatus.DONE}:
            await self._look(withdrawal, is_off=is_off)

    async def _mark_sent(self, withdrawal: Withdrawal) -> bool:
        async with self._store.write() as uow:
            await uow.customers.lock(withdrawal.customer_id)
            present = await uow.withdrawals.get(withdrawal.id)
            is_off = SwitchName.PAYOUTS in await uow.switches.off()
            if is_off or present.status is not WithdrawalStatus.REQUESTED:
                return False
            await uow.withdrawals.save(present.becomes_sent(at=self._now()))
            await uow.commit()
        return True

    async def _send(self, withdrawal: Withdrawal) -> None:
        try:
            facts = await self._gateways.get(withdrawal.gateway).pay_out(withdrawal.order)
        except PayoutDeclined as no:
            await learn_payout(self._store, withdrawal.id, None, self._now, declined=no.reason)
        except GatewayUnavailable:
            await learn_payout(self._store, withdrawal.id, None, self._now)
        else:
            await learn_payout(self._store, withdrawal.id, facts, self._now)

    async def _look(self, withdrawal: Withdrawal, *, is_off: bool) -> None:
        gateway = self._gateways.get(withdrawal.gateway)
        try:
            facts = await gateway.find_payout(withdrawal.order, withdrawal.payout_id)
        except GatewayUnavailable:
            await learn_payout(self._store, withdrawal.id, None, self._now)
            raise
        except PayoutNotFindable:
            await _lose_sight(self._store, withdrawal.id, self._now)
            return
        if facts is None and withdrawal.status is WithdrawalStatus.SENT and not is_off:
            # It has never heard of it, it says: the same order under the same key is one payout.
            await self._send(withdrawal)
        else:
            await learn_payout(self._store, withdrawal.id, facts, self._now)


async def learn_payout(
    store: Store,
    withdrawal_id: WithdrawalId,
    facts: PayoutFacts | None,
    now: Now,
    *,
    declined: str | None = None,
    is_told: bool = False,
) -> None:
    """
    Make what the gateway said so, once. None: it said nothing. `declined`: it sent nothing.
    `is_told`: a notice made us ask. Never backwards: a payout that was done only comes back.
    """
    async with store.write() as uow:
        at = now()
        withdrawal = await uow.withdrawals.get(withdrawal_id)
        await uow.customers.lock(withdrawal.customer_id)
        withdrawal = became = await uow.withdrawals.get(withdrawal_id)
        if facts is not None:
            if withdrawal.is_out_of_sight:
                await uow.close_case(case_cause(withdrawal), reason="its gateway told of it", at=at)
            withdrawal = became = withdrawal.named(facts.payout_id)
        if facts is not None and _contradicts(withdrawal, facts):
            await _differs(uow, withdrawal, facts, at=at)
        else:
            became = _became(withdrawal, facts, declined, at=at)
        if became.status is not withdrawal.status:
            await end_withdrawal(uow, became, facts, at=at)
            if became.status is WithdrawalStatus.DONE:
                became = became.listened_to(is_told=is_told, at=at)
        elif withdrawal.status is WithdrawalStatus.SENT:
            became = became.looked_at(at=at)
        elif withdrawal.status is WithdrawalStatus.DONE and facts is not None:
            became = became.listened_to(is_told=is_told, at=at)
        await uow.withdrawals.save(became)
        await uow.commit()


async def _lose_sight(store: Store, withdrawal_id: WithdrawalId, now: Now) -> None:
    """It may have been sent, and nobody can be asked: a person looks at the provider's own pages."""
    async with store.write() as uow:
        at = now()
        await uow.customers.lock((await uow.withdrawals.get(withdrawal_id)).customer_id)
        withdrawal = await uow.withdrawals.get(withdrawal_id)
        if withdrawal.status is WithdrawalStatus.SENT and withdrawal.payout_id is None:
            withdrawal = withdrawal.goes_out_of_sight()
            await uow.withdrawals.save(withdrawal)
            await _for_a_person(uow, withdrawal, at=at)
            await uow.commit()


def _contradicts(withdrawal: Withdrawal, facts: PayoutFacts) -> bool:
    """What only a person can make sense of: another sum, or money that left after it came back."""
    lives_on = facts.status in {OutgoingStatus.PENDING, OutgoingStatus.DONE}
    has_failed = withdrawal.status is WithdrawalStatus.FAILED
    return facts.amount != withdrawal.amount or (has_failed and lives_on)


def _became(
    withdrawal: Withdrawal, facts: PayoutFacts | None, declined: str | None, *, at: datetime
) -> Withdrawal:
    is_open = withdrawal.is_open
    if declined is not None:
        return withdrawal.becomes_failed(declined, at=at) if is_open else withdrawal
    status = None if facts is None else facts.status
    reason = (facts.reason if facts is not None else None) or "failed"
    if status is OutgoingStatus.DONE and is_open:
        return withdrawal.becomes_done(at=at)
    if status in {OutgoingStatus.FAILED, OutgoingStatus.RETURNED}:
        if is_open:
            return withdrawal.becomes_failed(reason, at=at)
        if withdrawal.status is WithdrawalStatus.DONE:
            return withdrawal.becomes_returned(reason, at=at)
    return withdrawal


async def end_withdrawal(
    uow: UnitOfWork, became: Withdrawal, facts: PayoutFacts | None, *, at: datetime
) -> None:
    """Book what became of it, and tell; None: a person says so, and no gateway."""
    entry = became.entry(at=at)
    await uow.ledger.post(entry)
    await _book_fee(uow, became, None if facts is None else facts.fee, at=at)
    if became.status is not WithdrawalStatus.DONE:
        await uow.record(credited(became.customer_id, became.amount, entry.id, at=at))
    await tell_of_withdrawal(uow, became, at=at)


async def _book_fee(uow: UnitOfWork, sent: Withdrawal, fee: Money | None, *, at: datetime) -> None:
    """It comes on top, and the business bears it, also of what came back. Booked once."""
    id_ = EntryId(f"fee withdrawal {sent.id}")
    if fee is None or not fee.is_positive or await uow.ledger.find(id_) is not None:
        return
    debit, credit = ledger.fees(sent.gateway), ledger.clearing(sent.gateway)
    await uow.ledger.post(ledger.transfer(id_, "fee", fee, debit=debit, credit=credit, at=at))


async def tell_of_withdrawal(uow: UnitOfWork, withdrawal: Withdrawal, *, at: datetime) -> None:
    told: dict[str, str | int] = {
        "status": withdrawal.status.value,
        "amount_minor": withdrawal.amount.amount_minor,
        "currency": withdrawal.amount.currency.code,
    }
    name = f"withdrawal.{withdrawal.status}"
    await uow.record(Event(name, withdrawal.id, at, withdrawal.customer_id, told))


def case_cause(withdrawal: Withdrawal) -> str:
    """The cause of the case that it is, while it waits for a person."""
    suffix = " out of sight" if withdrawal.is_out_of_sight else ""
    return f"withdrawal {withdrawal.id}{suffix}"


async def _for_a_person(
    uow: UnitOfWork, withdrawal: Withdrawal, *, at: datetime, brake: Braked | None = None
) -> None:
    cause = case_cause(withdrawal)
    told = {
        "withdrawal": withdrawal.id,
        "amount_minor": str(withdrawal.amount.amount_minor),
        "currency": withdrawal.amount.currency.code,
        "status": withdrawal.status.value,
    }
    if brake is not None:
        told |= {"brake": brake.brake, "most_minor": str(brake.most.amount_minor)}
    await uow.open_case(
        Case(f"case {cause}", CaseKind.WITHDRAWAL, cause, at, told, withdrawal.customer_id)
    )


async def _differs(
    uow: UnitOfWork, withdrawal: Withdrawal, facts: PayoutFacts, *, at: datetime
) -> None:
    cause = f"difference {withdrawal.id}"
    told = {
        "withdrawal": withdrawal.id,
        "gateway": facts.gateway,
        "payout_id": facts.payout_id,
        "said_minor": str(facts.amount.amount_minor),
        "said": facts.status.value,
    }
    await uow.open_case(
        Case(f"case {cause}", CaseKind.DIFFERENCE, cause, at, told, withdrawal.customer_id)
    )


class AskPayout:
    """A notice of a payout came: ask the gateway about it, and mark the notice done."""

    def __init__(self, store: Store, gateways: Gateways, now: Now) -> None:
        self._store = store
        self._gateways = gateways
        self._now = now

    async def __call__(
        self, gateway: GatewayName, payout_id: PayoutId, *, inbox_id: str | None = None
    ) -> None:
        """
        Raises:
            GatewayUnavailable
        """
        async with self._store.read() as view:
            # A notice may tell our own id alone.
            withdrawal = await find_withdrawal(view, gateway, payout_id, our_id=payout_id)
        if withdrawal is not None:
            known = self._gateways.get(gateway)
            try:
                facts = await known.find_payout(withdrawal.order, withdrawal.payout_id)
            except PayoutNotFindable:
                await _lose_sight(self._store, withdrawal.id, self._now)
            else:
                await learn_payout(self._store, withdrawal.id, facts, self._now, is_told=True)
        item = await find_notice(self._store, inbox_id)
        result = "nobody's payout" if withdrawal is None else "asked"
        async with self._store.write() as uow:
            await close_notice(uow, item, result, at=self._now())
            await uow.commit()


async def find_withdrawal(
    view: View, gateway: GatewayName, payout_id: PayoutId, *, our_id: str | None
) -> Withdrawal | None:
    """By the provider's id; by ours only where that payout is unknown."""
    known = await view.withdrawals.find_by_payout(gateway, payout_id)
    if known is not None or our_id is None:
        return known
    try:
        named = await view.withdrawals.get(WithdrawalId(our_id))
    except WithdrawalNotFound:
        return None
    return named if named.gateway == gateway else None


class ShowWithdrawals:
    """A customer's own, the newest first."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def one(self, customer_id: CustomerId, withdrawal_id: WithdrawalId) -> Withdrawal:
        """
        Raises:
            WithdrawalNotFound: unknown and somebody else's look alike.
        """
        async with self._store.read() as view:
            withdrawal = await view.withdrawals.get(withdrawal_id)
        if withdrawal.customer_id != customer_id:
            raise WithdrawalNotFound(withdrawal_id)
        return withdrawal

    async def page(
        self, customer_id: CustomerId, *, limit: int, after: WithdrawalId | None = None
    ) -> list[Withdrawal]:
        """
        Raises:
            WithdrawalNotFound: `after` is none of theirs.
        """
        if after is not None:
            await self.one(customer_id, after)
        async with self._store.read() as view:
            return await view.withdrawals.page(customer_id, limit=limit, after=after)
