"""The SQL store: connections, their settings, and the ways in."""

import asyncio
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
    suppress,
)
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Engine, Select, event, exc, false, func, inspect, make_url, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from adapters.persistence.sql.catalogs import Shelf
from adapters.persistence.sql.data_key import DataKey
from adapters.persistence.sql.statements import Statements, failures_told
from adapters.persistence.sql.unit_of_work import SqlUnitOfWork, SqlView
from core.domain.cause import StoreBusy
from core.ports.unit_of_work import Consequences, HeldElsewhere, unit_is_open

HEAD: Final = "0024"
"""The revision of the migrations that this code is written for."""

_WAIT_SECONDS: Final = 10
_LOOK_SECONDS: Final = 1
_SILENT_SECONDS: Final = 15
_READERS: Final = 4
_CONNECTIONS: Final = 20
_HOLDER: Final = "billhook "
_IDLE_SECONDS: Final = 1.0

# Whatever hangs ends by itself: a statement, a wait for a lock, a unit whose process is stuck.
_POSTGRESQL: Final = {
    "application_name": "billhook",
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "options": "-c timezone=UTC -c statement_timeout=10000 -c lock_timeout=5000"
    " -c idle_in_transaction_session_timeout=30000",
}


class SqlStore:
    """
    A store on SQLite or PostgreSQL. On SQLite one connection writes, handed out in the order it
    was asked for, and a few others read; on PostgreSQL all share one pool.
    """

    def __init__(
        self,
        writer: AsyncEngine,
        reader: AsyncEngine,
        *,
        consequences: Consequences,
        data_key: DataKey,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._consequences = consequences
        self._data_key = data_key
        self._shelf = Shelf()
        self._is_sqlite = writer.dialect.name == "sqlite"
        self._turn: AbstractAsyncContextManager[Any] = (
            asyncio.Lock() if self._is_sqlite else nullcontext()
        )

    @asynccontextmanager
    async def write(self) -> AsyncIterator[SqlUnitOfWork]:
        token = unit_is_open.set(True)
        try:
            async with self._turn, _connected(self._writer) as connection:
                yield SqlUnitOfWork(
                    Statements(connection), self._shelf, self._data_key, self._consequences
                )
        finally:
            unit_is_open.reset(token)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[SqlView]:
        async with _connected(self._reader) as connection:
            yield SqlView(Statements(connection), self._shelf, self._data_key)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Statements]:
        """One moment of the whole database, for reports: nothing is written, no haste is made."""
        async with _connected(self._reader) as connection:
            with failures_told():
                if self._is_sqlite:
                    await connection.exec_driver_sql("BEGIN")
                else:
                    await connection.execution_options(
                        isolation_level="REPEATABLE READ", postgresql_readonly=True
                    )
                    await connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            yield Statements(connection)

    def exclusive(self, name: str) -> AbstractAsyncContextManager[None]:
        database = self._writer.url.database
        if self._is_sqlite:
            return _lock_file(Path(f"{database}.{name}.lock"), name)
        return _advisory_lock(self._reader, name)

    async def revision(self) -> tuple[str | None, str]:
        """The revision of the database (None: never migrated), and the one it must have."""
        async with _connected(self._reader) as connection:
            with failures_told():
                if not await connection.run_sync(
                    lambda sync: inspect(sync).has_table("alembic_version")
                ):
                    return None, HEAD
                present = await connection.scalar(text("SELECT version_num FROM alembic_version"))
        return present, HEAD

    async def clock(self) -> datetime:
        """What the database takes for the present."""
        ask = (
            "SELECT strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')"
            if self._is_sqlite
            else "SELECT now()::text"
        )
        async with _connected(self._reader) as connection:
            with failures_told():
                return datetime.fromisoformat(str(await connection.scalar(text(ask))))

    async def workers(self) -> Mapping[str, timedelta]:
        """Who works at a database of several, and how long ago each was last heard of."""
        if self._is_sqlite:
            return {}
        ask = text(
            "SELECT substr(application_name, :skip), clock_timestamp() - state_change"
            " FROM pg_stat_activity WHERE datname = current_database()"
            " AND starts_with(application_name, :holder) ORDER BY 1"
        )
        known = {"skip": len(_HOLDER) + 1, "holder": f"{_HOLDER}worker "}
        async with _connected(self._reader) as connection:
            with failures_told():
                return {row[0]: row[1] for row in await connection.execute(ask, known)}

    async def close(self) -> None:
        await self._writer.dispose()
        await self._reader.dispose()


def open_store(url: str, *, consequences: Consequences, data_key: DataKey) -> SqlStore:
    """
    A store on `sqlite:///path` or `postgresql://…`. It connects when it is first used; whoever
    opens it closes it.
    """
    address = database_address(url)
    if address.get_backend_name() == "sqlite":
        writer, reader = _sqlite_engines(address)
    else:
        writer = create_async_engine(
            address,
            connect_args=_POSTGRESQL,
            pool_size=_CONNECTIONS,
            max_overflow=0,
            pool_timeout=_WAIT_SECONDS,
            hide_parameters=True,
        )
        _replace_when_cut(writer.sync_engine)
        # A read is one statement, or several that need not agree: no transaction, no round trips.
        reader = writer.execution_options(isolation_level="AUTOCOMMIT")
    return SqlStore(writer, reader, consequences=consequences, data_key=data_key)


def database_address(url: str, *, driver: str = "aiosqlite") -> URL:
    """
    The address with the driver that we use, whichever the setting names. On SQLite it must be a
    file: a database in memory has only one connection.

    Raises:
        ValueError: another kind of database, or no file.
    """
    address = make_url(url)
    match address.get_backend_name():
        case "sqlite" if address.database not in {None, "", ":memory:"}:
            return address.set(drivername=f"sqlite+{driver}")
        case "postgresql":
            return address.set(drivername="postgresql+psycopg")
    raise ValueError("The database is sqlite:///path/to/file or postgresql://user@host/name.")


def set_up_sqlite(engine: Engine, *, writes: bool) -> None:
    """Every connection waits for its turn, loses nothing at a power cut, and checks references."""

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # The driver begins nothing by itself; "begin" does.
        cursor = connection.cursor()
        for setting in (
            f"busy_timeout={_WAIT_SECONDS * 1000}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "recursive_triggers=ON",  # So that REPLACE cannot remove a sealed posting unseen.
            f"query_only={'OFF' if writes else 'ON'}",
        ):
            cursor.execute(f"PRAGMA {setting}")
        cursor.close()

    @event.listens_for(engine, "invalidate")
    def _let_go(connection: Any, _record: Any, _error: BaseException | None) -> None:
        # A connection dropped in the middle of a statement is closed only when the last object
        # that remembers the statement is gone. Its transaction must not last as long.
        with suppress(asyncio.CancelledError, exc.DBAPIError):
            connection.rollback()

    if writes:

        @event.listens_for(engine, "begin")
        def _begin(connection: Any) -> None:
            # Deferred, two writers that both read first would refuse each other.
            connection.exec_driver_sql("BEGIN IMMEDIATE")


def _sqlite_engines(address: URL) -> tuple[AsyncEngine, AsyncEngine]:
    writer, reader = (
        create_async_engine(
            address,
            pool_size=size,
            max_overflow=0,
            pool_timeout=_WAIT_SECONDS,
            hide_parameters=True,
        )
        for size in (1, _READERS)
    )
    set_up_sqlite(writer.sync_engine, writes=True)
    set_up_sqlite(reader.sync_engine, writes=False)
    return writer, reader


def _replace_when_cut(engine: Engine) -> None:
    """
    A connection that lay idle is asked whether it still lives, and replaced unseen if it does
    not. One that was just used is not: that would be a round trip more for every statement.
    """

    @event.listens_for(engine, "checkin")
    def _note(_connection: Any, record: Any) -> None:
        record.info["idle_since"] = asyncio.get_running_loop().time()

    @event.listens_for(engine, "checkout")
    def _ask(connection: Any, record: Any, _proxy: Any) -> None:
        now = asyncio.get_running_loop().time()
        if now - record.info.get("idle_since", now) < _IDLE_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise exc.DisconnectionError from error


@asynccontextmanager
async def _connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    connection = engine.connect()
    try:
        with failures_told():
            await _to_its_end(connection.start())
        yield connection
    finally:
        if connection.sync_connection is not None:
            await _to_its_end(_closed(connection))


async def _to_its_end(work: Coroutine[Any, Any, object]) -> None:
    """
    Even if this task is being canceled, which is heard of afterwards: half a connection would
    belong to nobody, and neither a lock nor a place in the pool may outlive its unit.
    """
    task = asyncio.ensure_future(work)
    canceled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            canceled = error
    if canceled is not None:
        raise canceled
    await task


async def _closed(connection: AsyncConnection) -> None:
    # A connection that fails now has lost its transaction all the same.
    with suppress(exc.DBAPIError):
        await connection.close()


@asynccontextmanager
async def _advisory_lock(engine: AsyncEngine, name: str) -> AsyncIterator[None]:
    """A lock of PostgreSQL's that ends with the connection it was taken on."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    async with _connected(engine) as connection:
        with failures_told():
            if not await connection.scalar(select(func.pg_try_advisory_lock(number))):
                raise HeldElsewhere(name)
        try:
            with failures_told():
                await connection.execute(_known_by(name))
            async with _as_long_as_held(connection):
                yield
        finally:
            await _to_its_end(_unlocked(connection, number))


def _known_by(name: str) -> Select[Any]:
    """
    The connection says whose it is, and the server itself ends it where nothing is heard on it:
    a process that hangs, or that no network reaches, keeps no right.
    """
    return select(
        func.set_config("application_name", f"{_HOLDER}{name}", false()),
        func.set_config("idle_session_timeout", f"{_SILENT_SECONDS}s", false()),
    )


@asynccontextmanager
async def _as_long_as_held(connection: AsyncConnection) -> AsyncIterator[None]:
    """
    Cancel the block when the connection is lost: the right went with it, and another may have it.

    Raises:
        StoreBusy: the right was lost.
    """
    over = asyncio.Event()
    try:
        async with asyncio.timeout(None) as held:
            looking = asyncio.create_task(_look(connection, held, over))
            try:
                yield
            finally:
                over.set()
                await looking
    except TimeoutError:
        if held.expired():
            raise StoreBusy from None
        raise


async def _look(connection: AsyncConnection, held: asyncio.Timeout, over: asyncio.Event) -> None:
    while not over.is_set():
        try:
            await connection.scalar(select(1))
        except (exc.SQLAlchemyError, OSError):
            if not over.is_set():
                held.reschedule(asyncio.get_running_loop().time())
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS):
                await over.wait()


async def _unlocked(connection: AsyncConnection, number: int) -> None:
    # Said first: the server may hear of the end of a connection only after the next who asks.
    with suppress(exc.SQLAlchemyError):
        await connection.scalar(select(func.pg_advisory_unlock(number)))
    await connection.invalidate()


@asynccontextmanager
async def _lock_file(path: Path, name: str) -> AsyncIterator[None]:
    """A lock of the system's that ends with the process."""
    with _locked(path, name):
        yield


@contextmanager
def _locked(path: Path, name: str) -> Iterator[None]:
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HeldElsewhere(name) from None
        yield
    finally:
        os.close(file)
