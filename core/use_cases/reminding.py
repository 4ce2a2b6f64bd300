"""Reminding: tell customers in time that what they paid for runs out, or renews."""

from core.domain.customer import CustomerId
from core.domain.event import Event
from core.domain.reminder import look, price_change
from core.ports.unit_of_work import Now, Store
from core.use_cases.customers import standing_of


class RemindCustomer:
    """
    Look whether something is to be told now, and when to look next. It follows whatever changes
    the end, and time; looking again finds nothing more.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, customer_id: CustomerId) -> None:
        async with self._store.write() as uow:
            at = self._now()
            await uow.customers.lock(customer_id)
            known = await uow.reminders.find(customer_id)
            standing = await standing_of(uow, customer_id)
            found = look(known, standing, at=at)
            reminder = found.reminder
            if reminder is None:
                return
            await (uow.reminders.add if known is None else uow.reminders.save)(reminder)
            if found.has_notice and reminder.notice is not None:
                change = price_change(standing, reminder.notice, at=at)
                said: dict[str, str | int] = {
                    "plan": reminder.plan,
                    "amount_minor": change.price.amount_minor,
                    "former_minor": change.before.amount_minor,
                    "currency": change.price.currency.code,
                    "from": change.begins.isoformat(),
                    "until": reminder.ends_at.isoformat(),
                }
                await uow.record(Event("renewal.price_told", customer_id, at, customer_id, said))
            if found.kind is not None:
                told: dict[str, str | int] = {
                    "kind": found.kind,
                    "plan": reminder.plan,
                    "until": reminder.ends_at.isoformat(),
                    "days": found.days,
                }
                await uow.record(Event("reminder.due", customer_id, at, customer_id, told))
            await uow.commit()
