"""The memory store's payment methods and withdrawals."""

from datetime import datetime

from adapters.persistence.memory.repositories import Dated
from core.domain.customer import CustomerId
from core.domain.item import PaymentMethodId
from core.domain.money import Currency, Money
from core.domain.payment import PayoutId
from core.domain.payment_method import PaymentMethod, PaymentMethodNotFound
from core.domain.plan import GatewayName
from core.domain.withdrawal import (
    Withdrawal,
    WithdrawalId,
    WithdrawalNotFound,
    WithdrawalStatus,
)


class MemoryMethods(Dated):
    async def get(self, method_id: PaymentMethodId) -> PaymentMethod:
        await self._unit.called()
        method = self._unit.get(self._tables.methods, method_id)
        if method is None:
            raise PaymentMethodNotFound(method_id)
        return method

    async def of_customer(self, customer_id: CustomerId) -> list[PaymentMethod]:
        await self._unit.called()
        found = self._unit.find(self._tables.methods, "customer", customer_id)
        return sorted((it for _, it in found), key=lambda it: (it.created_at, it.id))

    async def add(self, method: PaymentMethod) -> None:
        await self._unit.called()
        await self._unit.add(self._tables.methods, method.id, method)
        await self._put_due(self._tables.methods, method.id, method.due_at)

    async def save(self, method: PaymentMethod) -> None:
        await self._unit.called()
        await self._unit.save(self._tables.methods, method.id, method)
        await self._put_due(self._tables.methods, method.id, method.due_at)

    async def take_due(
        self, now: datetime, *, until: datetime, limit: int
    ) -> list[PaymentMethodId]:
        return await self._take_due(self._tables.methods, now, until, limit)


class MemoryWithdrawals(Dated):
    async def get(self, withdrawal_id: WithdrawalId) -> Withdrawal:
        await self._unit.called()
        withdrawal = self._unit.get(self._tables.withdrawals, withdrawal_id)
        if withdrawal is None:
            raise WithdrawalNotFound(withdrawal_id)
        return withdrawal

    async def find_by_payout(self, gateway: GatewayName, payout_id: PayoutId) -> Withdrawal | None:
        await self._unit.called()
        found = self._unit.find(self._tables.withdrawals, "payout", (gateway, payout_id))
        return found[0][1] if found else None

    async def page(
        self, customer_id: CustomerId, *, limit: int, after: WithdrawalId | None = None
    ) -> list[Withdrawal]:
        await self._unit.called()
        found = self._unit.find(self._tables.withdrawals, "customer", customer_id)
        newest = sorted(((it.requested_at, id_, it) for id_, it in found), reverse=True)
        ids = [id_ for _, id_, _ in newest]
        start = 0 if after is None else ids.index(after) + 1
        return [it for _, _, it in newest[start : start + limit]]

    async def waiting(self, *, limit: int, after: WithdrawalId | None = None) -> list[Withdrawal]:
        last = None if after is None else await self.get(after)
        await self._unit.called()
        found = [
            (it.requested_at, id_, it)
            for id_, it in self._unit.all(self._tables.withdrawals)
            if it.waits_for_a_person
            and (last is None or (last.requested_at, last.id) < (it.requested_at, id_))
        ]
        return [it for _, _, it in sorted(found, key=lambda one: one[:2])[:limit]]

    async def since(
        self, gateway: GatewayName, since: datetime, *, limit: int, after: str = ""
    ) -> list[Withdrawal]:
        await self._unit.called()
        found = [
            (id_, it)
            for id_, it in self._unit.all(self._tables.withdrawals)
            if it.gateway == gateway and it.requested_at >= since and id_ > after
        ]
        return [it for _, it in sorted(found, key=lambda one: one[0])[:limit]]

    async def asked_since(
        self, since: datetime, currency: Currency, customer_id: CustomerId | None = None
    ) -> Money:
        await self._unit.called()
        asked = [
            one.amount.amount_minor
            for _, one in self._unit.all(self._tables.withdrawals)
            if one.requested_at > since
            and one.amount.currency == currency
            and one.status is not WithdrawalStatus.FAILED
            and customer_id in {None, one.customer_id}
        ]
        return Money(sum(asked), currency)

    async def add(self, withdrawal: Withdrawal) -> None:
        await self._unit.called()
        await self._unit.add(self._tables.withdrawals, withdrawal.id, withdrawal)
        await self._put_due(self._tables.withdrawals, withdrawal.id, withdrawal.due_at)

    async def save(self, withdrawal: Withdrawal) -> None:
        await self._unit.called()
        await self._unit.save(self._tables.withdrawals, withdrawal.id, withdrawal)
        await self._put_due(self._tables.withdrawals, withdrawal.id, withdrawal.due_at)

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[WithdrawalId]:
        return await self._take_due(self._tables.withdrawals, now, until, limit)
