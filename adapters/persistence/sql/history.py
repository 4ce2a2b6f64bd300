"""What happened, and what waits for a person: events and cases as rows."""

from typing import Any

from sqlalchemy import RowMapping, select

from adapters.persistence.sql.statements import Statements
from adapters.persistence.sql.tables import billing_case as cases
from adapters.persistence.sql.tables import event as events
from core.domain.case import Case, CaseKind
from core.domain.event import Event


class SqlHistory:
    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def of(self, subject: str) -> list[Event]:
        rows = await self._statements.all(
            select(events).where(events.c.subject == subject).order_by(events.c.at, events.c.id)
        )
        return [event_from_row(row) for row in rows]

    async def add(self, event: Event) -> None:
        await self._statements.run(self._statements.insert(events), [row_from_event(event)])

    async def open_cases(self, *, limit: int) -> list[Case]:
        rows = await self._statements.all(
            select(cases)
            .where(cases.c.closed_at.is_(None))
            .order_by(cases.c.opened_at, cases.c.id)
            .limit(limit)
        )
        return [case_from_row(row) for row in rows]

    async def open_case(self, case: Case) -> bool:
        once = self._statements.insert(cases).on_conflict_do_nothing(index_elements=["cause"])
        opened = await self._statements.run(once, [row_from_case(case)], subject=case.id)
        return opened.rowcount == 1


def event_from_row(row: RowMapping) -> Event:
    c = events.c
    return Event(row[c.name], row[c.subject], row[c.at], row[c.customer_id], row[c.facts])


def row_from_event(event: Event) -> dict[str, Any]:
    return {
        "name": event.name,
        "subject": event.subject,
        "at": event.at,
        "customer_id": event.customer_id,
        "facts": dict(event.facts),
    }


def case_from_row(row: RowMapping) -> Case:
    c = cases.c
    return Case(
        id=row[c.id],
        kind=CaseKind(row[c.kind]),
        cause=row[c.cause],
        opened_at=row[c.opened_at],
        facts=row[c.facts],
        customer_id=row[c.customer_id],
        closed_at=row[c.closed_at],
        reason=row[c.reason],
    )


def row_from_case(case: Case) -> dict[str, Any]:
    return {
        "id": case.id,
        "kind": case.kind,
        "cause": case.cause,
        "opened_at": case.opened_at,
        "facts": dict(case.facts),
        "customer_id": case.customer_id,
        "closed_at": case.closed_at,
        "reason": case.reason,
    }
