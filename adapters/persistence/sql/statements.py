"""One connection's statements, their failures told in our words."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import CursorResult, Executable, RowMapping, Table, exc, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

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
