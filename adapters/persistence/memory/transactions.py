"""Tables in memory with READ COMMITTED transactions: row locks, unique keys, deadlocks."""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import Field, dataclass, replace
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

from core.domain.cause import StoreBusy
from core.ports.unit_of_work import SavedMeanwhile

Owner = Hashable
"""Whose unit it is: in a simulation the process, elsewhere None."""


class Versioned(Protocol):
    """A frozen entity whose saves are compare-and-set."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def version(self) -> int: ...


Key = TypeVar("Key", bound=Hashable)
Row = TypeVar("Row")
Entity = TypeVar("Entity", bound=Versioned)

Index = Callable[[Row], Iterable[Hashable]]
"""The values under which a row is found; none where the row is not in the index."""


class Table(Generic[Key, Row]):
    """
    The committed rows by key. No two rows share a value of a `unique` index.

    `rows` is for reading; only a commit changes it.
    """

    def __init__(
        self,
        name: str,
        *,
        unique: Mapping[str, Index[Row]] | None = None,
        index: Mapping[str, Index[Row]] | None = None,
    ) -> None:
        self.name: Final = name
        self.rows: Final[dict[Key, Row]] = {}
        self.unique: Final = dict(unique or {})
        self.indexes: Final = self.unique | dict(index or {})
        self._found: Final[dict[tuple[str, Hashable], dict[Key, None]]] = {}

    def keys(self, index: str, value: Hashable) -> Iterable[Key]:
        return self._found.get((index, value), ())

    def put(self, key: Key, row: Row | None) -> None:
        """Replace the row, or delete it (None)."""
        before = self.rows.pop(key, None)
        if before is not None:
            for place in self._places(before):
                found = self._found[place]
                del found[key]
                if not found:
                    del self._found[place]
        if row is not None:
            self.rows[key] = row
            for place in self._places(row):
                self._found.setdefault(place, {})[key] = None

    def _places(self, row: Row) -> Iterator[tuple[str, Hashable]]:
        for name, values in self.indexes.items():
            for value in values(row):
                yield name, value


@dataclass(frozen=True, slots=True)
class Resource:
    """What can be locked: a row by its key (`index` is empty), or a value of a unique index."""

    table: str
    index: str
    value: Hashable


class Locks:
    """Who holds what, until the transaction ends; whoever asks next waits in order."""

    def __init__(self) -> None:
        self._holders: Final[dict[Resource, Transaction]] = {}
        self._queues: Final[
            dict[Resource, deque[tuple[Transaction, asyncio.Future[None]]]]
        ] = {}

    def is_held_by_another(self, resource: Resource, unit: "Transaction") -> bool:
        return self._holders.get(resource, unit) is not unit

    async def take(self, resource: Resource, unit: "Transaction") -> None:
        """
        Raises:
            StoreBusy: waiting would close a circle of units that wait for each other.
        """
        if self._holders.get(resource) is unit:
            return
        if resource not in self._holders:
            self._give(resource, unit)
            return
        if self._would_wait_for_itself(resource, unit):
            raise StoreBusy
        turn = asyncio.get_running_loop().create_future()
        self._queues.setdefault(resource, deque()).append((unit, turn))
        unit.waits_for = resource
        try:
            await turn
        finally:
            self._stop_waiting(unit)

    def release(self, unit: "Transaction") -> None:
        """Hand everything over to whoever waits longest."""
        self._stop_waiting(unit)
        for resource in unit.held:
            del self._holders[resource]
            queue = self._queues.get(resource)
            if queue:
                following, turn = queue.popleft()
                self._give(resource, following)
                turn.set_result(None)
        unit.held.clear()

    def _give(self, resource: Resource, unit: "Transaction") -> None:
        self._holders[resource] = unit
        unit.held.append(resource)

    def _stop_waiting(self, unit: "Transaction") -> None:
        resource, unit.waits_for = unit.waits_for, None
        if resource is None:
            return
        left = [(other, turn) for other, turn in self._queues[resource] if other is not unit]
        if left:
            self._queues[resource] = deque(left)
        else:
            del self._queues[resource]

    def _would_wait_for_itself(self, resource: Resource, unit: "Transaction") -> bool:
        wanted: Resource | None = resource
        while wanted is not None:
            holder = self._holders[wanted]
            if holder is unit:
                return True
            wanted = holder.waits_for
        return False


class Transaction:
    """
    One unit's or one reader's way to the tables: the newest committed rows under its own writes.

    For one task at a time. It holds its locks until `commit` or `roll_back`.
    """

    def __init__(self, locks: Locks, owner: Owner = None) -> None:
        self.owner: Final = owner
        self.is_open = True
        self.held: Final[list[Resource]] = []
        self.waits_for: Resource | None = None
        self.written: Final[dict[Table[Any, Any], dict[Any, Any]]] = {}
        self._locks: Final = locks

    def get(self, table: Table[Key, Row], key: Key) -> Row | None:
        mine: dict[Key, Row | None] = self.written.get(table, {})
        return mine[key] if key in mine else table.rows.get(key)

    def find(self, table: Table[Key, Row], index: str, value: Hashable) -> list[tuple[Key, Row]]:
        """Keys and rows with this value, the longest known first."""
        mine: dict[Key, Row | None] = self.written.get(table, {})
        found = [(key, table.rows[key]) for key in table.keys(index, value) if key not in mine]
        values = table.indexes[index]
        own = ((key, row) for key, row in mine.items() if row is not None)
        return found + [(key, row) for key, row in own if value in values(row)]

    async def lock(self, table: Table[Key, Row], key: Key) -> Row | None:
        """The row as it is once nobody else holds it."""
        await self._locks.take(Resource(table.name, "", key), self)
        return self.get(table, key)

    def is_locked_elsewhere(self, table: Table[Key, Row], key: Key) -> bool:
        return self._locks.is_held_by_another(Resource(table.name, "", key), self)

    async def put(self, table: Table[Key, Row], key: Key, row: Row | None) -> bool:
        """
        Write the row, or delete it (None). False, and nothing is written, where another row has
        one of its unique values; whether it does is known once every unit that might give or
        free such a value has ended.
        """
        before = await self.lock(table, key)
        for index, values in table.unique.items():
            had, has = (tuple(values(it)) if it is not None else () for it in (before, row))
            for value in dict.fromkeys((*had, *has)):
                if value in had and value in has:
                    continue
                await self._locks.take(Resource(table.name, index, value), self)
                if value in has and self.find(table, index, value):
                    return False
        self.written.setdefault(table, {})[key] = row
        return True

    async def add(self, table: Table[Key, Row], key: Key, row: Row) -> None:
        """
        Raises:
            SavedMeanwhile: its key or one of its unique values is taken.
        """
        taken = await self.lock(table, key) is not None
        if taken or not await self.put(table, key, row):
            raise SavedMeanwhile(str(key))

    async def save(self, table: Table[Key, Entity], key: Key, entity: Entity) -> None:
        """
        Compare and set.

        Raises:
            SavedMeanwhile: the version is not the present one, or a unique value is taken.
        """
        present = await self.lock(table, key)
        if present is None or present.version != entity.version:
            raise SavedMeanwhile(str(key))
        if not await self.put(table, key, replace(entity, version=entity.version + 1)):
            raise SavedMeanwhile(str(key))

    def commit(self) -> None:
        """Everything at once: nobody runs in between."""
        assert self.is_open, "a unit is committed once"
        for table, rows in self.written.items():
            for key, row in rows.items():
                table.put(key, row)
        self.roll_back()

    def roll_back(self) -> None:
        """End it and free its locks. What was not committed is forgotten."""
        self.is_open = False
        self._locks.release(self)
