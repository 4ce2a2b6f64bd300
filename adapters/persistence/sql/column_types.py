"""Column types that hold the same values, exactly, on SQLite and PostgreSQL."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, DateTime, Dialect, Integer, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Words(TypeDecorator[str]):
    """Text without NUL, which PostgreSQL cannot keep and SQLite would."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        if value is not None and "\0" in value:
            raise ValueError("text with a NUL character cannot be stored")
        return value


class Sought(Words):
    """Text that is found by how it begins: ordered by code points, in every database."""

    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        kind = Text(collation="C") if dialect.name == "postgresql" else Text()
        return dialect.type_descriptor(kind)


class Whole(TypeDecorator[int]):
    """A 64-bit integer. A float or text would be rounded or converted, each database its own way."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else BigInteger())

    def process_bind_param(self, value: int | None, _dialect: Dialect) -> int | None:
        if value is not None and type(value) is not int:
            raise TypeError(f"a whole number is stored here, not {type(value).__name__}")
        return value


class YesNo(TypeDecorator[bool]):
    """A boolean; 0 or 1 on SQLite."""

    impl = Boolean
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else Boolean())

    def process_bind_param(self, value: bool | None, _dialect: Dialect) -> bool | None:
        return value

    def process_result_value(self, value: Any, _dialect: Dialect) -> bool | None:
        return None if value is None else bool(value)


class Moment(TypeDecorator[datetime]):
    """
    An aware time, exact to the microsecond: `timestamptz` on PostgreSQL, on SQLite an integer of
    microseconds since 1970 in UTC. A naive time is refused.
    """

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        kind = Integer() if dialect.name == "sqlite" else DateTime(timezone=True)
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        if dialect.name == "sqlite":
            return (value - _EPOCH) // _MICROSECOND
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, _dialect: Dialect) -> datetime | None:
        return None if value is None else moment_from_stored(value)


class Json(TypeDecorator[Any]):
    """JSON as text, its keys in the order they were given."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Dialect) -> str | None:
        if value is None:
            return None
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def process_result_value(self, value: str | None, _dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


def moment_from_stored(value: datetime | int | str) -> datetime:
    """A time as either database gives it, in a column or inside JSON."""
    if isinstance(value, int):
        return _EPOCH + value * _MICROSECOND
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.astimezone(UTC)
