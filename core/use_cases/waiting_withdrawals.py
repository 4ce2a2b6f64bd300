"""Withdrawals that wait for a person: which, why, and what an operator decides about each."""

from dataclasses import dataclass
from datetime import datetime

from core.domain.audit import Deed, line_of
from core.domain.customer import Customer
from core.domain.money import Money
from core.domain.money_terms import Braked
from core.domain.payout import PayoutAccount
from core.domain.withdrawal import (
    QUEUE,
    Withdrawal,
    WithdrawalId,
    WithdrawalMoved,
    WithdrawalSentByGateway,
    WithdrawalStatus,
)
from core.ports.unit_of_work import Now, Store, View
from core.use_cases.withdrawals import case_cause, end_withdrawal, tell_of_withdrawal


@dataclass(frozen=True, slots=True)
class WaitingWithdrawal:
    """
    A withdrawal, whose it is, and the brake that held it (None: none did, or it was held before
    that was written down).
    """

    withdrawal: Withdrawal
    customer: Customer
    braked: Braked | None


class ShowWaitingWithdrawals:
    """What waits for an operator's word, the oldest first."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def one(self, withdrawal_id: WithdrawalId) -> WaitingWithdrawal:
        """
        Also one that waits no more.

        Raises:
            WithdrawalNotFound
        """
        async with self._store.read() as view:
            return await _told(view, await view.withdrawals.get(withdrawal_id))

    async def page(
        self, *, limit: int, after: WithdrawalId | None = None
    ) -> list[WaitingWithdrawal]:
        """
        Raises:
            WithdrawalNotFound: there never was an `after`.
        """
        async with self._store.read() as view:
            found = await view.withdrawals.waiting(limit=limit, after=after)
            return [await _told(view, one) for one in found]


async def _told(view: View, withdrawal: Withdrawal) -> WaitingWithdrawal:
    case = await view.find_case(case_cause(withdrawal))
    facts, braked = {} if case is None else case.facts, None
    if "brake" in facts:
        most = Money(int(facts["most_minor"]), withdrawal.amount.currency)
        braked = Braked(facts["brake"], most)
    customer = await view.customers.get(withdrawal.customer_id)
    return WaitingWithdrawal(withdrawal, customer, braked)


class ShowPayoutAccount:
    """
    Where a withdrawal is to be sent by hand: the account whole, which is masked everywhere else.
    Each look leaves an audit line. What a gateway sends nobody has to see.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, withdrawal_id: WithdrawalId, *, deed: Deed) -> PayoutAccount:
        """
        Raises:
            WithdrawalNotFound, WithdrawalSentByGateway, OwnAffair
            WithdrawalMoved: it has ended.
        """
        async with self._store.write() as uow:
            at = self._now()
            customer_id = (await uow.withdrawals.get(withdrawal_id)).customer_id
            (await uow.customers.lock(customer_id)).require_another(deed.actor)
            withdrawal = await uow.withdrawals.get(withdrawal_id)
            if withdrawal.gateway != QUEUE:
                raise WithdrawalSentByGateway(withdrawal.id)
            if not withdrawal.is_open:
                raise WithdrawalMoved(withdrawal.id, withdrawal.status)
            await uow.audit(line_of(deed, "withdrawal.show_account", withdrawal_id, at=at))
            await uow.commit()
        return withdrawal.account


class _Deciding:
    """What an operator decides about one withdrawal, with a reason, and so closes its case."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def _decide(self, withdrawal_id: WithdrawalId, action: str, deed: Deed) -> Withdrawal:
        async with self._store.write() as uow:
            at = self._now()
            customer_id = (await uow.withdrawals.get(withdrawal_id)).customer_id
            (await uow.customers.lock(customer_id)).require_another(deed.actor)
            withdrawal = await uow.withdrawals.get(withdrawal_id)
            became = self._become(withdrawal, deed, at)
            if became == withdrawal:
                return withdrawal
            if not became.is_open:
                await end_withdrawal(uow, became, None, at=at)
            else:
                await tell_of_withdrawal(uow, became, at=at)
            await uow.withdrawals.save(became)
            if became.gateway != QUEUE or not became.is_open:
                await uow.close_case(case_cause(withdrawal), reason=deed.reason.strip(), at=at)
            await uow.audit(line_of(deed, action, withdrawal_id, at=at))
            await uow.commit()
        return became

    def _become(self, withdrawal: Withdrawal, deed: Deed, at: datetime) -> Withdrawal:
        raise NotImplementedError


class ApproveWithdrawal(_Deciding):
    """It may go, although it is above a brake. Approving again changes nothing."""

    async def __call__(self, withdrawal_id: WithdrawalId, *, deed: Deed) -> Withdrawal:
        """
        Raises:
            WithdrawalNotFound, WithdrawalMoved
        """
        return await self._decide(withdrawal_id, "withdrawal.approve", deed)

    def _become(self, withdrawal: Withdrawal, deed: Deed, at: datetime) -> Withdrawal:  # noqa: ARG002
        going = {WithdrawalStatus.REQUESTED, WithdrawalStatus.SENT, WithdrawalStatus.DONE}
        return withdrawal if withdrawal.status in going else withdrawal.becomes_requested(at=at)


class RejectWithdrawal(_Deciding):
    """It does not go, and the customer has the money again. Unsent, or out of sight and not gone."""

    async def __call__(self, withdrawal_id: WithdrawalId, *, deed: Deed) -> Withdrawal:
        """
        Raises:
            WithdrawalNotFound, WithdrawalMoved
            WithdrawalSentByGateway: it is on its way.
        """
        return await self._decide(withdrawal_id, "withdrawal.reject", deed)

    def _become(self, withdrawal: Withdrawal, deed: Deed, at: datetime) -> Withdrawal:
        if withdrawal.status is WithdrawalStatus.SENT and not withdrawal.is_out_of_sight:
            raise WithdrawalSentByGateway(withdrawal.id)
        if withdrawal.status is WithdrawalStatus.FAILED:
            return withdrawal
        return withdrawal.becomes_failed(deed.reason.strip(), at=at)


class MarkWithdrawalDone(_Deciding):
    """An operator has sent the money by hand, or found that it left where no gateway can be asked."""

    async def __call__(self, withdrawal_id: WithdrawalId, *, deed: Deed) -> Withdrawal:
        """
        Raises:
            WithdrawalNotFound, WithdrawalMoved, WithdrawalSentByGateway
        """
        return await self._decide(withdrawal_id, "withdrawal.mark_done", deed)

    def _become(self, withdrawal: Withdrawal, deed: Deed, at: datetime) -> Withdrawal:  # noqa: ARG002
        if withdrawal.status is WithdrawalStatus.DONE:
            return withdrawal
        if withdrawal.gateway != QUEUE and not withdrawal.is_out_of_sight:
            raise WithdrawalSentByGateway(withdrawal.id)
        return withdrawal.becomes_done(at=at)
