"""Reminders as rows, one for each customer who ever paid for a time."""

from datetime import datetime

from sqlalchemy import select

from adapters.persistence.sql.due import take_due
from adapters.persistence.sql.statements import Statements
from adapters.persistence.sql.tables import reminder as reminders
from core.domain.customer import CustomerId
from core.domain.money import Money
from core.domain.reminder import PriceNotice, Reminder


class SqlReminders:
    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def find(self, customer_id: CustomerId) -> Reminder | None:
        c = reminders.c
        row = await self._statements.first(select(reminders).where(c.id == customer_id))
        if row is None:
            return None
        notice = None
        if row[c.told_at] is not None:
            price = Money.of(row[c.price_minor], row[c.price_currency])
            notice = PriceNotice(price, row[c.told_at])
        return Reminder(
            row[c.id],
            row[c.plan],
            row[c.ends_at],
            row[c.passed],
            row[c.next_at],
            notice,
            row[c.version],
        )

    async def add(self, reminder: Reminder) -> None:
        insert = self._statements.insert(reminders)
        await self._statements.run(insert, [_row(reminder)], subject=reminder.customer_id)

    async def save(self, reminder: Reminder) -> None:
        await self._statements.save(reminders, _row(reminder))

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[CustomerId]:
        rows = await take_due(self._statements, reminders, now, until=until, limit=limit)
        return [row[reminders.c.id] for row in rows]


def _row(reminder: Reminder) -> dict[str, object]:
    notice = reminder.notice
    return {
        "id": reminder.customer_id,
        "plan": reminder.plan,
        "ends_at": reminder.ends_at,
        "passed": reminder.passed,
        "next_at": reminder.next_at,
        "due_at": reminder.due_at,
        "price_minor": None if notice is None else notice.price.amount_minor,
        "price_currency": None if notice is None else notice.price.currency.code,
        "told_at": None if notice is None else notice.told_at,
        "version": reminder.version,
    }
