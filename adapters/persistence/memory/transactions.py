"""Tables in memory with READ COMMITTED transactions: row locks, unique keys, deadlocks."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import Field, dataclass, replace
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

from core.domain.cause import StoreBusy
from core.domain.errors import BillingError
from core.ports.unit_of_work import SavedMeanwhile

Owner = Hashable
"""Whose unit it is: in a simulation the process, elsewhere None."""

Pause = Callable[[], Awaitable[None]]


class Versioned(Protocol):
    """A frozen entity whose saves are compare-and-set."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def version(self) -> int: ...


Key = TypeVar("Key", bound=Hashable)
Row = TypeVar("Row")
Entity = TypeVar("Entity", bound=Versioned)

Index = Callable[[Key, Row], Iterable[Hashable]]
"""The values under which a row is found; none where the row is not in the index."""


class Table(Generic[Key, Row]):
    """
    The committed rows by key; only a commit changes them. No two rows share a value of a
    `unique` index; `taken` makes the error for whoever tries, from the key and that value.
    """

    def __init__(
        self,
        name: str,
        *,
        unique: Mapping[str, Index[Key, Row]] | None = None,
        index: Mapping[str, Index[Key, Row]] | None = None,
        taken: Callable[[Key, Hashable], BillingError] = lambda key, _: SavedMeanwhile(str(key)),
    ) -> None:
        self.name: Final = name
        self.taken: Final = taken
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
            for place in self._places(key, before):
                found = self._found[place]
                del found[key]
                if not found:
                    del self._found[place]
        if row is not None:
            self.rows[key] = row
            for place in self._places(key, row):
                self._found.setdefault(place, {})[key] = None

    def _places(self, key: Key, row: Row) -> Iterator[tuple[str, Hashable]]:
        for name, values in self.indexes.items():
            for value in values(key, row):
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
        self._queues: Final[dict[Resource, deque[tuple[Transaction, asyncio.Future[None]]]]] = {}

    def holder(self, resource: Resource) -> "Transaction | None":
        return self._holders.get(resource)

    async def take(self, resource: Resource, unit: "Transaction") -> None:
        """
        Raises:
            StoreBusy: waiting would close a circle of units that wait for each other.
        """
        holder = self.holder(resource)
        if holder is None:
            self._give(resource, unit)
        if holder is None or holder is unit:
            return
        if self._would_wait_for_itself(resource, unit):
            raise StoreBusy
        turn = asyncio.get_running_loop().create_future()
        self._queues.setdefault(resource, deque()).append((unit, turn))
        unit.waits_for = resource
        try:
            await turn
        finally:
            self.stop_waiting(unit)

    def release(self, unit: "Transaction") -> None:
        """Hand everything over to whoever waits longest."""
        self.stop_waiting(unit)
        for resource in unit.held:
            del self._holders[resource]
            queue = self._queues.get(resource, deque())
            while queue:
                following, turn = queue.popleft()
                if not turn.done():  # Done: its task was canceled and has not run since.
                    self._give(resource, following)
                    turn.set_result(None)
                    break
            if not queue:
                self._queues.pop(resource, None)
        unit.held.clear()

    def stop_waiting(self, unit: "Transaction") -> None:
        resource, unit.waits_for = unit.waits_for, None
        queue = None if resource is None else self._queues.get(resource)
        if queue is not None:
            waiting = [place for place in queue if place[0] is not unit]
            queue.clear()
            queue.extend(waiting)

    def _give(self, resource: Resource, unit: "Transaction") -> None:
        self._holders[resource] = unit
        unit.held.append(resource)
        unit.waits_for = None

    def _would_wait_for_itself(self, resource: Resource, unit: "Transaction") -> bool:
        holder = self.holder(resource)
        while holder is not None and holder is not unit:
            holder = None if holder.waits_for is None else self.holder(holder.waits_for)
        return holder is unit


class Transaction:
    """
    One unit's or one reader's way to the tables: the newest committed rows under its own writes.

    For one task at a time. It holds its locks until `commit` or `roll_back`.
    """

    def __init__(self, locks: Locks, pause: Pause, owner: Owner) -> None:
        self.owner: Final = owner
        self.is_open = True
        self.held: Final[list[Resource]] = []
        self.waits_for: Resource | None = None
        self.written: Final[dict[Table[Any, Any], dict[Any, Any]]] = {}
        self._locks: Final = locks
        self._pause: Final = pause

    async def called(self) -> None:
        """Let the others run, as a database far away would: every method begins with this."""
        await self._pause()
        assert self.is_open, "the unit has ended"

    def get(self, table: Table[Key, Row], key: Key) -> Row | None:
        mine: dict[Key, Row | None] = self.written.get(table, {})
        return mine[key] if key in mine else table.rows.get(key)

    def find(self, table: Table[Key, Row], index: str, value: Hashable) -> list[tuple[Key, Row]]:
        """Keys and rows with this value, the longest known first."""
        mine: dict[Key, Row | None] = self.written.get(table, {})
        found = [(key, table.rows[key]) for key in table.keys(index, value) if key not in mine]
        values = table.indexes[index]
        own = ((key, row) for key, row in mine.items() if row is not None)
        return found + [(key, row) for key, row in own if value in values(key, row)]

    def all(self, table: Table[Key, Row]) -> list[tuple[Key, Row]]:
        merged: dict[Key, Row | None] = table.rows | self.written.get(table, {})
        return [(key, row) for key, row in merged.items() if row is not None]

    async def lock(self, table: Table[Key, Row], key: Key) -> Row | None:
        """The row as it is once nobody else holds it."""
        await self._locks.take(Resource(table.name, "", key), self)
        return self.get(table, key)

    def has_locked(self, table: Table[Key, Row], key: Key) -> bool:
        return self._locks.holder(Resource(table.name, "", key)) is self

    def is_locked_elsewhere(self, table: Table[Key, Row], key: Key) -> bool:
        return self._locks.holder(Resource(table.name, "", key)) not in {None, self}

    async def lock_value(
        self, table: Table[Key, Row], index: str, value: Hashable
    ) -> list[tuple[Key, Row]]:
        """Who has this value of a unique index, once every unit that may change that has ended."""
        await self._locks.take(Resource(table.name, index, value), self)
        return self.find(table, index, value)

    async def put(self, table: Table[Key, Row], key: Key, row: Row | None) -> None:
        """
        Write the row whatever it was, or delete it (None).

        Raises:
            what `table.taken` makes: another row has one of its unique values.
        """
        before = await self.lock(table, key)
        for index, values in table.unique.items():
            had, has = (() if it is None else tuple(values(key, it)) for it in (before, row))
            for value in dict.fromkeys((*had, *has)):
                if value in had and value in has:
                    continue
                if await self.lock_value(table, index, value) and value in has:
                    raise table.taken(key, value)
        self.written.setdefault(table, {})[key] = row

    async def add(self, table: Table[Key, Row], key: Key, row: Row) -> None:
        """
        As `put`, for a row that must be new.

        Raises:
            SavedMeanwhile: its key is taken.
        """
        if await self.lock(table, key) is not None:
            raise SavedMeanwhile(str(key))
        await self.put(table, key, row)

    async def save(self, table: Table[Key, Entity], key: Key, entity: Entity) -> None:
        """
        As `put`, comparing and setting the version.

        Raises:
            SavedMeanwhile: the version is not the present one.
        """
        present = await self.lock(table, key)
        if present is None or present.version != entity.version:
            raise SavedMeanwhile(str(key))
        await self.put(table, key, replace(entity, version=entity.version + 1))

    def commit(self) -> None:
        """Everything at once: nobody runs in between."""
        for table, rows in self.written.items():
            for key, row in rows.items():
                table.put(key, row)
        self.roll_back()

    def roll_back(self) -> None:
        """End it and free its locks. What was not committed is forgotten."""
        self.is_open = False
        self._locks.release(self)
