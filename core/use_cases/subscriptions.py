"""Subscriptions: write down what time has already made true."""

from core.domain.customer import CustomerId
from core.domain.event import Event
from core.ports.unit_of_work import Now, Store


class EndPeriod:
    """
    A paid period that is over becomes history; the customer is on the default plan.
    Nobody had access because of the delay: everyone reads `subscription.at(now)`.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, customer_id: CustomerId) -> None:
        async with self._store.write() as uow:
            now = self._now()
            await uow.customers.lock(customer_id)
            subscription = await uow.subscriptions.get(customer_id)
            ended = subscription.at(now)
            if ended == subscription or subscription.period is None:
                return
            await uow.subscriptions.save(ended)
            period = subscription.period
            told: dict[str, str | int] = {
                "plan": period.plan.code,
                "period_end": period.end.isoformat(),
            }
            await uow.record(Event("subscription.ended", customer_id, now, customer_id, told))
            await uow.commit()
