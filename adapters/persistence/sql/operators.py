"""Operators as rows: who has a role, and what each has begun."""

from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Table, and_, delete, select

from adapters.persistence.sql.operator_tables import operator_draft as drafts
from adapters.persistence.sql.operator_tables import operator_role as roles
from adapters.persistence.sql.statements import Statements
from core.domain.customer import Identity, IdentityKind
from core.domain.operator import Draft, Operator, Role


class SqlOperators:
    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def find(self, identity: Identity) -> Operator | None:
        row = await self._statements.first(select(roles).where(_is(roles, identity)))
        return None if row is None else operator_from_row(row)

    async def everybody(self) -> list[Operator]:
        ordered = select(roles).order_by(roles.c.kind, roles.c.value)
        return [operator_from_row(row) for row in await self._statements.all(ordered)]

    async def draft(self, operator: Identity) -> Draft | None:
        row = await self._statements.first(select(drafts).where(_is(drafts, operator)))
        return None if row is None else draft_from_row(row)

    async def put(self, operator: Operator) -> None:
        await self._put(roles, row_from_operator(operator))

    async def remove(self, identity: Identity) -> bool:
        removed = await self._statements.run(delete(roles).where(_is(roles, identity)))
        return removed.rowcount == 1

    async def put_draft(self, draft: Draft) -> None:
        await self._put(drafts, row_from_draft(draft))

    async def _put(self, table: Table, row: dict[str, Any]) -> None:
        upsert = self._statements.insert(table).values(row)
        await self._statements.run(
            upsert.on_conflict_do_update(index_elements=["kind", "value"], set_=row),
            subject=row["value"],
        )


def _is(table: Table, identity: Identity) -> ColumnElement[bool]:
    return and_(table.c.kind == identity.kind, table.c.value == identity.value)


def operator_from_row(row: RowMapping) -> Operator:
    c = roles.c
    who = Identity(IdentityKind(row[c.kind]), row[c.value])
    return Operator(who, Role(row[c.role]), row[c.since], row[c.by])


def row_from_operator(operator: Operator) -> dict[str, Any]:
    return {
        "kind": operator.identity.kind,
        "value": operator.identity.value,
        "role": operator.role,
        "since": operator.since,
        "by": operator.by,
    }


def draft_from_row(row: RowMapping) -> Draft:
    c = drafts.c
    who = Identity(IdentityKind(row[c.kind]), row[c.value])
    told = (row[c.deed], row[c.about], row[c.at], row[c.answers])
    return Draft(row[c.id], who, *told, is_done=row[c.is_done])


def row_from_draft(draft: Draft) -> dict[str, Any]:
    return {
        "kind": draft.operator.kind,
        "value": draft.operator.value,
        "id": draft.id,
        "deed": draft.deed,
        "about": draft.about,
        "at": draft.at,
        "answers": dict(draft.answers),
        "is_done": draft.is_done,
    }
