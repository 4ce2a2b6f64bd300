"""What tables are made of: columns, keys and rules in the forms that all of them share."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    text,
)
from sqlalchemy.sql.schema import SchemaItem

from adapters.persistence.sql.column_types import Json, Moment, Whole, Words, YesNo
from core.domain.money import AMOUNT_MINOR_MAX

NAMING: Final = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}
all_tables: Final = MetaData(naming_convention=NAMING)


def table(name: str, *parts: SchemaItem, **options: Any) -> Table:
    return Table(name, all_tables, *parts, sqlite_strict=True, **options)


def number() -> Column[Any]:
    """A number that the database gives, and never again to another row."""
    return Column("id", BigInteger().with_variant(Integer(), "sqlite"), nullable=False)


def words(name: str, *, null: bool = False) -> Column[Any]:
    return Column(name, Words(), nullable=null)


def whole(name: str, *, null: bool = False) -> Column[Any]:
    return Column(name, Whole(), nullable=null)


def moment(name: str, *, null: bool = False) -> Column[Any]:
    return Column(name, Moment(), nullable=null)


def yes_no(name: str, *, null: bool = False) -> Column[Any]:
    return Column(name, YesNo(), nullable=null)


def json_(name: str, *, null: bool = False) -> Column[Any]:
    return Column(name, Json(), nullable=null)


def check(name: str, rule: str) -> CheckConstraint:
    return CheckConstraint(rule, name=name)


def one_of(column: str, members: type[StrEnum] | Iterable[str]) -> CheckConstraint:
    allowed = ", ".join(f"'{member}'" for member in members)
    return check(column, f"{column} IN ({allowed})")


def price(column: str = "amount_minor") -> CheckConstraint:
    return check(column, f"{column} BETWEEN 1 AND {AMOUNT_MINOR_MAX}")


def currency(column: str = "currency") -> CheckConstraint:
    return check(column, f"length({column}) BETWEEN 3 AND 8 AND {column} = upper({column})")


def together(name: str, *columns: str) -> CheckConstraint:
    """All of them are there, or none."""
    first, *others = columns
    rule = " AND ".join(f"({first} IS NULL) = ({other} IS NULL)" for other in others)
    return check(name, rule)


def key(*columns: str) -> PrimaryKeyConstraint:
    return PrimaryKeyConstraint(*columns)


def refers(column: str, to: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint([column], [to])


def due(of_table: str) -> Index:
    """What sweeps look through: its size follows what will be due, not what exists."""
    there = text("due_at IS NOT NULL")
    return Index(f"ix_{of_table}_due", "due_at", "id", postgresql_where=there, sqlite_where=there)
