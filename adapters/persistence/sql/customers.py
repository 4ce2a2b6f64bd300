"""Customers and their identities as rows."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, Select, bindparam, delete, select, tuple_, update

from adapters.persistence.sql.data_key import DataKey
from adapters.persistence.sql.statements import Statements, json_rows
from adapters.persistence.sql.tables import customer as customers
from adapters.persistence.sql.tables import customer_identity as identities
from adapters.persistence.sql.tables import former_identity
from core.domain.customer import (
    Customer,
    CustomerId,
    CustomerNotFound,
    Identity,
    IdentityKind,
)
from core.ports.unit_of_work import IdentityTaken

LAST_LETTER: Final = "\U0010ffff"
"""Of all code points the last, which is in nobody's name."""


class SqlCustomers:
    def __init__(self, statements: Statements, data_key: DataKey) -> None:
        self._statements = statements
        self._data_key = data_key

    async def ids(
        self, refs: Collection[Identity | CustomerId]
    ) -> Mapping[Identity | CustomerId, CustomerId]:
        named = [(one.kind, one.value) for one in refs if isinstance(one, Identity)]
        ours = [one for one in refs if not isinstance(one, Identity)]
        found: dict[Identity | CustomerId, CustomerId] = {}
        if named:
            i = identities.c
            given = self._statements.given([i.kind, i.value], named)
            asked = select(identities).where(tuple_(i.kind, i.value).in_(select(*given.c)))
            for row in await self._statements.all(asked):
                found[Identity(IdentityKind(row[i.kind]), row[i.value])] = row[i.customer_id]
        if ours:
            asked = select(customers.c.id).where(customers.c.id.in_(ours))
            found |= {
                row[customers.c.id]: row[customers.c.id]
                for row in await self._statements.all(asked)
            }
        return found

    async def find(self, ref: Identity | CustomerId) -> Customer | None:
        row = await self._statements.first(_of(ref, select(*customer_columns)))
        return None if row is None else customer_from_row(row, self._data_key)

    async def named(self, beginning: str, *, limit: int) -> list[Customer]:
        c, sought, found = customers.c, beginning.casefold(), dict[CustomerId, Customer]()
        for key in (c.username_sought, c.name_sought):
            rows = await self._statements.all(
                select(*customer_columns)
                .where(key >= sought, key < sought + LAST_LETTER)
                .order_by(key, c.id)
                .limit(limit)
            )
            found |= {row[c.id]: customer_from_row(row, self._data_key) for row in rows}
        return list(found.values())[:limit]

    async def get(self, ref: Identity | CustomerId) -> Customer:
        found = await self.find(ref)
        if found is None:
            raise CustomerNotFound(str(ref))
        return found

    async def lock(self, customer_id: CustomerId) -> Customer:
        # Two statements: one that waited would see the row anew, but the identities of before.
        held = select(customers.c.id).where(customers.c.id == customer_id)
        await self._statements.run(held.with_for_update(key_share=True))
        return await self.get(customer_id)

    async def add(self, customer: Customer) -> None:
        row = row_from_customer(customer, self._data_key)
        insert = self._statements.insert(customers)
        await self._statements.run(insert, [row], subject=customer.id)
        await self._add_identities(customer, customer.identities)

    async def save(self, customer: Customer) -> None:
        await self._statements.save(customers, row_from_customer(customer, self._data_key))
        before = (await self.get(customer.id)).identities
        if before == customer.identities:
            return
        gone = [(one.kind, one.value) for one in before if one not in customer.identities]
        if gone:
            key = tuple_(identities.c.kind, identities.c.value)
            await self._statements.run(delete(identities).where(key.in_(gone)))
        await self._add_identities(
            customer, tuple(one for one in customer.identities if one not in before)
        )
        if not customer.identities:
            return
        await self._statements.run(
            update(identities)
            .where(
                identities.c.kind == bindparam("of_kind"),
                identities.c.value == bindparam("of_value"),
            )
            .values(position=bindparam("at_position")),
            [
                {"of_kind": one.kind, "of_value": one.value, "at_position": position}
                for position, one in enumerate(customer.identities)
            ],
        )

    async def remember_gone(self, gone: Collection[Identity], *, at: datetime) -> None:
        rows = [{"mark": self._data_key.marks(str(one))[0], "at": at} for one in gone]
        if rows:
            insert = self._statements.insert(former_identity)
            latest = {"at": insert.excluded.at}
            again = insert.on_conflict_do_update(index_elements=["mark"], set_=latest)
            await self._statements.run(again, rows)

    async def was_here(self, identity: Identity, *, since: datetime | None = None) -> bool:
        marks = self._data_key.marks(str(identity))
        known = select(former_identity.c.mark).where(former_identity.c.mark.in_(marks))
        if since is not None:
            known = known.where(former_identity.c.at >= since)
        return await self._statements.first(known) is not None

    async def _add_identities(self, customer: Customer, new: tuple[Identity, ...]) -> None:
        # In order, so that two units with the same new identities wait for each other one way.
        for one in sorted(new):
            added = await self._statements.run(
                self._statements.insert(identities)
                .values(
                    kind=one.kind,
                    value=one.value,
                    customer_id=customer.id,
                    position=customer.identities.index(one),
                )
                .on_conflict_do_nothing()
            )
            if added.rowcount != 1:
                self._statements.failed = True
                raise IdentityTaken(str(one))


def _of(ref: Identity | CustomerId, wanted: Select[Any]) -> Select[Any]:
    if not isinstance(ref, Identity):
        return wanted.where(customers.c.id == ref)
    owner = select(identities.c.customer_id).where(
        identities.c.kind == ref.kind, identities.c.value == ref.value
    )
    return wanted.where(customers.c.id == owner.scalar_subquery())


_identities = (
    select(json_rows(identities.c.position, identities.c.kind, identities.c.value))
    .where(identities.c.customer_id == customers.c.id)
    .scalar_subquery()
    .label("identities")
)

customer_columns = (*customers.c, _identities)
"""What `customer_from_row` reads."""


def customer_from_row(row: RowMapping, data_key: DataKey) -> Customer:
    c = customers.c
    sealed = row[c.receipt_contact]
    return Customer(
        id=row[c.id],
        identities=tuple(
            Identity(IdentityKind(kind), value)
            for _, kind, value in sorted(row["identities"] or ())
        ),
        language=row[c.language],
        zone=row[c.zone],
        created_at=row[c.created_at],
        receipt_contact=None if sealed is None else data_key.open(sealed),
        unreachable_since=row[c.unreachable_since],
        blocked_at=row[c.blocked_at],
        fewer_reminders=bool(row[c.fewer_reminders]),
        former_zone=row[c.former_zone],
        zone_changed_at=row[c.zone_changed_at],
        leaving_since=row[c.leaving_since],
        erased_at=row[c.erased_at],
        name=row[c.name],
        username=row[c.username],
        no_broadcasts=bool(row[c.no_broadcasts]),
        version=row[c.version],
    )


def row_from_customer(customer: Customer, data_key: DataKey) -> dict[str, Any]:
    contact = customer.receipt_contact
    return {
        "id": customer.id,
        "language": customer.language,
        "zone": customer.zone,
        "created_at": customer.created_at,
        "receipt_contact": None if contact is None else data_key.seal(contact),
        "unreachable_since": customer.unreachable_since,
        "blocked_at": customer.blocked_at,
        "fewer_reminders": customer.fewer_reminders,
        "former_zone": customer.former_zone,
        "zone_changed_at": customer.zone_changed_at,
        "leaving_since": customer.leaving_since,
        "erased_at": customer.erased_at,
        "name": customer.name,
        "username": customer.username,
        "name_sought": _sought(customer.name),
        "username_sought": _sought(customer.username),
        "no_broadcasts": customer.no_broadcasts,
        "version": customer.version,
    }


def _sought(name: str | None) -> str | None:
    return None if name is None else name.casefold()
