"""The memory store's charges and refunds."""

from datetime import datetime

from adapters.persistence.memory.repositories import Dated, Repository
from core.domain.charge import Charge, ChargeKey
from core.domain.payment import PaymentId
from core.domain.plan import GatewayName
from core.domain.purchase import PurchaseId
from core.domain.refund import OurRefundId, Refund, RefundNotFound


class MemoryCharges(Repository):
    async def find(self, key: ChargeKey) -> Charge | None:
        await self._unit.called()
        return self._unit.get(self._tables.charges, key)

    async def of_purchase(self, purchase_id: PurchaseId) -> list[Charge]:
        await self._unit.called()
        found = self._unit.find(self._tables.charges, "purchase", purchase_id)
        return sorted((it for _, it in found), key=lambda it: (it.charged_at, it.key))

    async def of_payment(self, gateway: GatewayName, payment_id: PaymentId) -> list[Charge]:
        await self._unit.called()
        found = self._unit.find(self._tables.charges, "payment", (gateway, payment_id))
        return sorted((it for _, it in found), key=lambda it: (it.charged_at, it.key))

    async def since(
        self, gateway: GatewayName, since: datetime, *, limit: int, after: str = ""
    ) -> list[Charge]:
        await self._unit.called()
        found = [
            (key.charge_id, it)
            for key, it in self._unit.all(self._tables.charges)
            if key.gateway == gateway and it.charged_at >= since and key.charge_id > after
        ]
        return [it for _, it in sorted(found, key=lambda one: one[0])[:limit]]

    async def add(self, charge: Charge) -> None:
        await self._unit.called()
        await self._unit.add(self._tables.charges, charge.key, charge)

    async def save(self, charge: Charge) -> None:
        await self._unit.called()
        await self._unit.save(self._tables.charges, charge.key, charge)


class MemoryRefunds(Dated):
    async def get(self, refund_id: OurRefundId) -> Refund:
        await self._unit.called()
        refund = self._unit.get(self._tables.refunds, refund_id)
        if refund is None:
            raise RefundNotFound(refund_id)
        return refund

    async def of_purchase(self, purchase_id: PurchaseId) -> list[Refund]:
        await self._unit.called()
        found = self._unit.find(self._tables.refunds, "purchase", purchase_id)
        return sorted((it for _, it in found), key=lambda it: (it.asked_at, it.id))

    async def of_payment(self, gateway: GatewayName, payment_id: PaymentId) -> list[Refund]:
        await self._unit.called()
        found = self._unit.find(self._tables.refunds, "payment", (gateway, payment_id))
        return sorted((it for _, it in found), key=lambda it: (it.asked_at, it.id))

    async def since(
        self, gateway: GatewayName, since: datetime, *, limit: int, after: str = ""
    ) -> list[Refund]:
        await self._unit.called()
        found = [
            (id_, it)
            for id_, it in self._unit.all(self._tables.refunds)
            if it.gateway == gateway and it.asked_at >= since and id_ > after
        ]
        return [it for _, it in sorted(found, key=lambda one: one[0])[:limit]]

    async def add(self, refund: Refund) -> None:
        await self._unit.called()
        await self._unit.add(self._tables.refunds, refund.id, refund)
        await self._put_due(self._tables.refunds, refund.id, refund.due_at)

    async def save(self, refund: Refund) -> None:
        await self._unit.called()
        await self._unit.save(self._tables.refunds, refund.id, refund)
        await self._put_due(self._tables.refunds, refund.id, refund.due_at)

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[OurRefundId]:
        return await self._take_due(self._tables.refunds, now, until, limit)
