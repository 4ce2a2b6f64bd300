"""Bring a database to the revision that this code is written for."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, text
from sqlalchemy.exc import OperationalError

from adapters.persistence.sql.store import HEAD, database_address, set_up_sqlite
from core.domain.cause import StoreBusy
from core.domain.errors import Refused

_FOLDER: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 4_611_686_018_427_387_001
"""Any number that nobody else locks."""


@dataclass(eq=False)
class DatabaseOfANewerVersion(Refused):
    """The database was made by a newer version of Billhook; run that one, or restore a backup."""

    revision: str


def migrate(url: str, revision: str = "head") -> str:
    """
    Upgrade to a revision, in one transaction; the revision reached. Repeats change nothing, and
    of two processes at once the second waits and finds the work done.

    Raises:
        DatabaseOfANewerVersion
        StoreBusy: it cannot be reached.
    """
    address = database_address(url, driver="pysqlite")
    with _alone(address):
        _upgrade(address, revision)
    return HEAD if revision == "head" else revision


@contextmanager
def _alone(address: URL) -> Iterator[None]:
    """
    One process at a time makes a SQLite file: of two that switch a new one to its journal at
    once, SQLite refuses the second without letting it wait. PostgreSQL waits by a lock within.
    """
    if address.get_backend_name() != "sqlite":
        yield
        return
    with Path(f"{address.database}.migrate.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _upgrade(address: URL, revision: str) -> None:
    engine = create_engine(address, hide_parameters=True)
    if address.get_backend_name() == "sqlite":
        set_up_sqlite(engine, writes=True)
    try:
        with _reached(engine) as connection, connection.begin():
            if address.get_backend_name() == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            command.upgrade(alembic_config(connection), revision)
    except CommandError as error:
        if isinstance(unknown := error.__cause__, ResolutionError):
            raise DatabaseOfANewerVersion(unknown.argument) from error
        raise
    finally:
        engine.dispose()


def _reached(engine: Engine) -> Connection:
    try:
        return engine.connect()
    except OperationalError as error:
        raise StoreBusy from error


def alembic_config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
