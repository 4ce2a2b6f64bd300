"""Sessions and API keys as rows."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, select

from adapters.persistence.sql.due import forget
from adapters.persistence.sql.statements import Statements
from adapters.persistence.sql.tables import api_key as keys
from adapters.persistence.sql.tables import customer_session as sessions
from core.domain.credentials import ApiKey, Scope, Session, SessionEnd, SessionId


class SqlCredentials:
    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def find_session(self, session_id: SessionId) -> Session | None:
        row = await self._statements.first(select(sessions).where(sessions.c.id == session_id))
        return None if row is None else session_from_row(row)

    async def find_keys(self, key_hashes: Collection[str]) -> Mapping[str, ApiKey]:
        given = self._statements.given([keys.c.key_hash], ([one] for one in key_hashes))
        rows = await self._statements.all(
            select(keys).where(keys.c.key_hash.in_(select(given.c.key_hash)))
        )
        return {key.key_hash: key for key in map(api_key_from_row, rows)}

    async def list_keys(self) -> list[ApiKey]:
        rows = await self._statements.all(select(keys).order_by(keys.c.name))
        return [api_key_from_row(row) for row in rows]

    async def sessions_of(self, proof: str) -> Sequence[Session]:
        rows = await self._statements.all(select(sessions).where(sessions.c.proof == proof))
        return [session_from_row(row) for row in rows]

    async def add_session(self, session: Session) -> None:
        insert = self._statements.insert(sessions)
        await self._statements.run(insert, [row_from_session(session)], subject=session.id)

    async def save_session(self, session: Session) -> None:
        await self._statements.save(sessions, row_from_session(session))

    async def forget_sessions(self, now: datetime, *, limit: int) -> int:
        end = sessions.c.expires_at
        return await forget(self._statements, sessions, end <= now, by=end, limit=limit)

    async def put_key(self, key: ApiKey) -> None:
        row = row_from_api_key(key)
        upsert = self._statements.insert(keys).values(row)
        await self._statements.run(
            upsert.on_conflict_do_update(index_elements=["name"], set_=row), subject=key.name
        )


def session_from_row(row: RowMapping) -> Session:
    c = sessions.c
    return Session(
        id=row[c.id],
        customer_id=row[c.customer_id],
        created_at=row[c.created_at],
        expires_at=row[c.expires_at],
        may_pay=row[c.may_pay],
        in_telegram=row[c.in_telegram],
        proof=row[c.proof],
        turn=row[c.turn],
        refreshed_at=row[c.refreshed_at],
        revoked_at=row[c.revoked_at],
        ended_as=None if row[c.ended_as] is None else SessionEnd(row[c.ended_as]),
        version=row[c.version],
    )


def row_from_session(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "customer_id": session.customer_id,
        "created_at": session.created_at,
        "expires_at": session.expires_at,
        "may_pay": session.may_pay,
        "in_telegram": session.in_telegram,
        "proof": session.proof,
        "turn": session.turn,
        "refreshed_at": session.refreshed_at,
        "revoked_at": session.revoked_at,
        "ended_as": session.ended_as,
        "version": session.version,
    }


def api_key_from_row(row: RowMapping) -> ApiKey:
    c = keys.c
    return ApiKey(
        name=row[c.name],
        key_hash=row[c.key_hash],
        scopes=frozenset(Scope(scope) for scope in row[c.scopes]),
        created_at=row[c.created_at],
        revoked_at=row[c.revoked_at],
    )


def row_from_api_key(key: ApiKey) -> dict[str, Any]:
    return {
        "name": key.name,
        "key_hash": key.key_hash,
        "scopes": sorted(key.scopes),
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
    }
