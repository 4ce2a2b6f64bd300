"""Claims as rows: the first to write one decides, whoever comes second waits and gets it."""

from typing import Any

from sqlalchemy import RowMapping, select

from adapters.persistence.sql.statements import Statements
from adapters.persistence.sql.tables import claim as claims
from core.domain.cause import Cause, Claim


class SqlClaims:
    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def take(self, claim: Claim) -> Claim:
        added = await self._statements.run(
            self._statements.insert(claims).on_conflict_do_nothing(), [row_from_claim(claim)]
        )
        if added.rowcount == 1:
            return claim
        row = await self._statements.first(_of(claim.cause).with_for_update())
        assert row is not None, "a claim is never deleted"
        return claim_from_row(row)

    async def find(self, cause: Cause) -> Claim | None:
        row = await self._statements.first(_of(cause))
        return None if row is None else claim_from_row(row)

    async def save(self, claim: Claim) -> None:
        await self._statements.save(claims, row_from_claim(claim), key=("scope", "key"))


def _of(cause: Cause) -> Any:
    return select(claims).where(claims.c.scope == cause.scope, claims.c.key == cause.key)


def claim_from_row(row: RowMapping) -> Claim:
    c = claims.c
    return Claim(
        cause=Cause(row[c.scope], row[c.key], row[c.fingerprint]),
        subject=row[c.subject],
        leased_until=row[c.leased_until],
        answer=row[c.answer],
        version=row[c.version],
    )


def row_from_claim(claim: Claim) -> dict[str, Any]:
    return {
        "scope": claim.cause.scope,
        "key": claim.cause.key,
        "fingerprint": claim.cause.fingerprint,
        "subject": claim.subject,
        "leased_until": claim.leased_until,
        "answer": claim.answer,
        "version": claim.version,
    }
