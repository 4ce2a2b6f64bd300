"""Empty, migrated databases for tests: a PostgreSQL per session, a copied SQLite file per test."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest
from sqlalchemy import make_url

from adapters.persistence.sql.data_key import DataKey
from adapters.persistence.sql.migrate import migrate
from adapters.persistence.sql.tables import metadata
from tests.postgres_server import postgres_server

DATA_KEY: Final = DataKey(["ZRkjn8v2I8CqhZpfHoab3etpe4W56VgEC7XcxSbsXRI="])

# Deleting a few rows from every table takes a millisecond; a new database would take thirty. As a
# replica, the connection is not stopped by the seal on the books nor by references.
EMPTY: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid();
    SET session_replication_role = replica;
""" + ";".join(f"DELETE FROM {table}" for table in metadata.tables)


@pytest.fixture(scope="session")
def postgres_admin_url() -> Iterator[str]:
    """A real PostgreSQL, for as long as the session lasts; where databases can be made."""
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_database(
    postgres_admin_url: str,
) -> Iterator[tuple[str, "psycopg.Connection[tuple[()]]"]]:
    name = "billhook_tests"
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {name}")
    url = make_url(postgres_admin_url).set(database=name).render_as_string(hide_password=False)
    migrate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        yield url, connection


@pytest.fixture
def postgres_url(postgres_database: tuple[str, "psycopg.Connection[tuple[()]]"]) -> str:
    """The URL of a migrated PostgreSQL database with nothing in it."""
    url, connection = postgres_database
    connection.execute(EMPTY)
    return url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "billhook.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a migrated SQLite file with nothing in it."""
    path = tmp_path / "billhook.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"
