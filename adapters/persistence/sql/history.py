"""What happened, what was done by hand, what waits for a person: events, audit, cases as rows."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, func, literal, select, tuple_, update

from adapters.persistence.sql.column_types import Moment
from adapters.persistence.sql.statements import Statements
from adapters.persistence.sql.tables import audit_line as lines
from adapters.persistence.sql.tables import billing_case as cases
from adapters.persistence.sql.tables import event as events
from core.domain.audit import FIRST_SEAL, AuditLine
from core.domain.case import Case, CaseKind
from core.domain.event import Event

_END_OF_THE_CHAIN: Final = 4_611_686_018_427_387_002
"""Any number that nobody else locks."""


class SqlHistory:
    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def of(self, subject: str, *, at: datetime | None) -> list[Event]:
        wanted = select(events).where(events.c.subject == subject)
        if at is not None:
            wanted = wanted.where(events.c.at == at)
        rows = await self._statements.all(wanted.order_by(events.c.at, events.c.id))
        return [event_from_row(row) for row in rows]

    async def add(self, event: Event) -> None:
        await self._statements.run(self._statements.insert(events), [row_from_event(event)])

    async def open_cases(
        self, *, limit: int, after: Case | None, kind: CaseKind | None
    ) -> list[Case]:
        place = (cases.c.opened_at, cases.c.id)
        wanted = select(cases).where(cases.c.closed_at.is_(None))
        if kind is not None:
            wanted = wanted.where(cases.c.kind == kind)
        if after is not None:
            last = (literal(after.opened_at, Moment()), literal(after.id))
            wanted = wanted.where(tuple_(*place) > tuple_(*last))
        rows = await self._statements.all(wanted.order_by(*place).limit(limit))
        return [case_from_row(row) for row in rows]

    async def find_case(self, cause: str) -> Case | None:
        row = await self._statements.first(select(cases).where(cases.c.cause == cause))
        return None if row is None else case_from_row(row)

    async def open_case(self, case: Case) -> bool:
        once = self._statements.insert(cases).on_conflict_do_nothing(index_elements=["cause"])
        opened = await self._statements.run(once, [row_from_case(case)], subject=case.id)
        return opened.rowcount == 1

    async def close_case(self, cause: str, *, reason: str, at: datetime) -> bool:
        is_open = (cases.c.cause == cause, cases.c.closed_at.is_(None))
        closing = update(cases).where(*is_open).values(closed_at=at, reason=reason)
        return (await self._statements.run(closing)).rowcount == 1

    async def audit(self, line: AuditLine) -> None:
        """The chain has one end: on PostgreSQL a lock until the unit ends keeps others from it."""
        if self._statements.is_postgresql:
            await self._statements.run(select(func.pg_advisory_xact_lock(_END_OF_THE_CHAIN)))
        last = await self._statements.first(
            select(lines.c.seal).order_by(lines.c.id.desc()).limit(1)
        )
        seal = line.seal(FIRST_SEAL if last is None else last["seal"])
        row = row_from_audit_line(line) | {"seal": seal}
        await self._statements.run(self._statements.insert(lines), [row])

    async def audit_trail(
        self, *, limit: int, after: int, subject: str | None
    ) -> list[tuple[int, AuditLine, str]]:
        wanted = select(lines).where(lines.c.id > after)
        if subject is not None:
            wanted = wanted.where(lines.c.subject == subject)
        rows = await self._statements.all(wanted.order_by(lines.c.id).limit(limit))
        return [(row[lines.c.id], audit_line_from_row(row), row[lines.c.seal]) for row in rows]


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


def audit_line_from_row(row: RowMapping) -> AuditLine:
    c = lines.c
    return AuditLine(
        row[c.at], row[c.actor], row[c.action], row[c.subject], row[c.reason], row[c.facts]
    )


def row_from_audit_line(line: AuditLine) -> dict[str, Any]:
    return {
        "at": line.at,
        "actor": line.actor,
        "action": line.action,
        "subject": line.subject,
        "reason": line.reason,
        "facts": dict(line.facts),
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
