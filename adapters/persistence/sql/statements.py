"""One connection's statements, their failures told in our words."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    CursorResult,
    Dialect,
    Executable,
    RowMapping,
    Subquery,
    Table,
    Text,
    cast,
    column,
    exc,
    func,
    literal,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from adapters.persistence.sql.column_types import Json
from core.domain.cause import StoreBusy
from core.ports.unit_of_work import SavedMeanwhile

# Of PostgreSQL its SQLSTATE, of SQLite the name of its result code.
_UNIQUE: Final = {"23505", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}


class Statements:
    """
    Runs statements on one connection. A unit whose statement failed is lost: PostgreSQL refuses
    whatever follows, and answers COMMIT with a silent rollback. `failed` remembers it.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.failed = False

    @property
    def is_postgresql(self) -> bool:
        return self._connection.dialect.name == "postgresql"

    def insert(self, table: Table) -> postgresql.Insert | sqlite.Insert:
        """An insert that knows `on_conflict_do_nothing`, of this database's kind."""
        return postgresql.insert(table) if self.is_postgresql else sqlite.insert(table)

    def given(self, columns: Sequence[Column[Any]], rows: Iterable[Sequence[Any]]) -> Subquery:
        """
        These values as a table with these columns, passed as one parameter: however many there
        are, the text of the statement stays the same, and is prepared once.
        """
        dialect = self._connection.dialect
        listed = [
            {c.name: _plain(c.type, value, dialect) for c, value in zip(columns, row, strict=True)}
            for row in rows
        ]
        text = literal(json.dumps(listed, ensure_ascii=False), Text())
        if self.is_postgresql:
            names = [column(c.name, c.type) for c in columns]
            source = func.jsonb_to_recordset(cast(text, postgresql.JSONB)).table_valued(*names)
            return select(source.render_derived(with_types=True)).subquery("given")
        each = func.json_each(text).table_valued(column("value", Text()))
        return select(
            *(
                type_coerce(func.json_extract(each.c.value, f"$.{c.name}"), c.type).label(c.name)
                for c in columns
            )
        ).subquery("given")

    async def run(
        self,
        statement: Executable,
        rows: Sequence[Mapping[str, Any]] | None = None,
        *,
        subject: str = "",
    ) -> CursorResult[Any]:
        """
        `subject` is the id that a broken unique rule is told of.

        Raises:
            SavedMeanwhile: a unique rule was broken.
            StoreBusy
        """
        try:
            with failures_told(subject):
                return await self._connection.execute(
                    statement, rows, execution_options={"preserve_rowcount": True}
                )
        except BaseException:
            self.failed = True
            raise

    async def add_all(self, table: Table, rows: Sequence[Mapping[str, Any]], *, key: str) -> None:
        """New rows, however many, by one statement; the first one's key stands for all of them."""
        columns = list(table.c)
        names = [c.name for c in columns]
        given = self.given(columns, ([row[name] for name in names] for row in rows))
        insert = self.insert(table).from_select(names, select(*given.c))
        await self.run(insert, subject=str(rows[0][key]) if rows else "")

    async def all(self, statement: Executable) -> Sequence[RowMapping]:
        return (await self.run(statement)).mappings().all()

    async def first(self, statement: Executable) -> RowMapping | None:
        return (await self.run(statement)).mappings().first()

    async def save(
        self, table: Table, row: Mapping[str, Any], *, key: tuple[str, ...] = ("id",)
    ) -> None:
        """Compare-and-set on `version`. An update in place: who waits for the row sees it after."""
        changes = {name: value for name, value in row.items() if name not in key}
        changes["version"] = row["version"] + 1
        mine = [table.c[name] == row[name] for name in (*key, "version")]
        subject = str(row[key[-1]])
        saved = await self.run(update(table).where(*mine).values(changes), subject=subject)
        if saved.rowcount != 1:
            raise SavedMeanwhile(subject)

    async def commit(self) -> None:
        assert not self.failed, "a statement of this unit failed; nothing of it can be kept"
        with failures_told():
            await self._connection.commit()


def _plain(kind: TypeEngine[Any], value: Any, dialect: Dialect) -> Any:
    """A value as JSON can hold it, checked by its column's type as a parameter would be."""
    assert isinstance(kind, TypeDecorator)
    bound = kind.process_bind_param(value, dialect)
    return bound.isoformat() if isinstance(bound, datetime) else bound


@contextmanager
def failures_told(subject: str = "") -> Iterator[None]:
    """What another may have done first, or what may pass by itself; a bug stays what it is."""
    try:
        yield
    except exc.IntegrityError as error:
        if _code(error) in _UNIQUE:
            raise SavedMeanwhile(subject) from error
        raise
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError, OSError) as error:
        raise StoreBusy from error
    except exc.DBAPIError as error:
        if error.connection_invalidated:
            raise StoreBusy from error
        raise


def _code(error: exc.IntegrityError) -> str | None:
    code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", None)
    return None if code is None else str(code)


class json_rows(FunctionElement[Any]):  # noqa: N801 - Reads as the SQL function that it is.
    """
    All rows of a sub-select as one JSON list of lists, in no order; None or empty where there
    are none. Times in it are read by `moment_from_stored`.
    """

    type = Json()
    inherit_cache = True


@compiles(json_rows, "sqlite")
def _json_rows_on_sqlite(element: json_rows, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_group_array(json_array({compiler.process(element.clauses, **options)}))"


@compiles(json_rows, "postgresql")
def _json_rows_on_postgresql(element: json_rows, compiler: SQLCompiler, **options: Any) -> str:
    columns = compiler.process(element.clauses, **options)
    return f"CAST(json_agg(json_build_array({columns})) AS TEXT)"
