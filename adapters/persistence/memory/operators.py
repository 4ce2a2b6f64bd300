"""The memory store's operators: who has a role, what each has begun, and what is counted."""

from datetime import datetime

from adapters.persistence.memory.repositories import Repository
from core.domain.customer import Identity
from core.domain.operator import Draft, Operator
from core.domain.payment import InboxStatus
from core.domain.purchase import NO_SALES, PAID
from core.domain.subscription import SubscriptionStatus
from core.ports.operators import Figures, Sold


class MemoryOperators(Repository):
    async def find(self, identity: Identity) -> Operator | None:
        await self._unit.called()
        return self._unit.get(self._tables.operators, identity)

    async def everybody(self) -> list[Operator]:
        await self._unit.called()
        return [operator for _, operator in sorted(self._unit.all(self._tables.operators))]

    async def draft(self, operator: Identity) -> Draft | None:
        await self._unit.called()
        return self._unit.get(self._tables.drafts, operator)

    async def put(self, operator: Operator) -> None:
        await self._unit.called()
        await self._unit.put(self._tables.operators, operator.identity, operator)

    async def remove(self, identity: Identity) -> bool:
        await self._unit.called()
        known = await self._unit.lock(self._tables.operators, identity)
        await self._unit.put(self._tables.operators, identity, None)
        return known is not None

    async def put_draft(self, draft: Draft) -> None:
        await self._unit.called()
        await self._unit.put(self._tables.drafts, draft.operator, draft)


class MemoryFigures(Repository):
    async def told(self, now: datetime, *, day: datetime, month: datetime) -> Figures:
        await self._unit.called()
        tables = self._tables
        running = [
            one.status
            for _, one in self._unit.all(tables.subscriptions)
            if one.period is not None and one.period.end > now
        ]
        trials = running.count(SubscriptionStatus.TRIALING)
        cases = [one for _, one in self._unit.all(tables.cases) if one.closed_at is None]
        inbox = [one.status for _, one in self._unit.all(tables.inbox)]
        waiting = [one for _, one in self._unit.all(tables.withdrawals) if one.waits_for_a_person]
        return Figures(
            new=sum(one.created_at >= day for _, one in self._unit.all(tables.customers)),
            active=len(running) - trials,
            trials=trials,
            sold=self._sold(day),
            sold_since_month=self._sold(month),
            withdrawals=len(waiting),
            cases=len(cases),
            failed_notices=inbox.count(InboxStatus.FAILED),
        )

    def _sold(self, since: datetime) -> tuple[Sold, ...]:
        sold: dict[str, Sold] = {}
        for _, one in self._unit.all(self._tables.purchases):
            kind, code = one.item.key.partition(" ")[0], one.amount.currency.code
            is_sale = one.status in PAID and kind not in NO_SALES
            if is_sale and one.ended_at is not None and one.ended_at >= since:
                known = sold.get(code, Sold(0, one.amount - one.amount))
                sold[code] = Sold(known.count + 1, known.amount + one.refundable)
        return tuple(sold[code] for code in sorted(sold))
