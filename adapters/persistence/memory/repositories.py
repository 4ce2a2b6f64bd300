"""The memory store's customers and what they buy, catalogs and credentials."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from adapters.persistence.memory.tables import Tables
from adapters.persistence.memory.transactions import Table, Transaction
from core.domain.catalog import Catalog
from core.domain.checkout import Checkout, CheckoutId, CheckoutNotFound
from core.domain.credentials import ApiKey, Session, SessionId
from core.domain.customer import Customer, CustomerId, CustomerNotFound, Identity
from core.domain.item import Item
from core.domain.money import Money
from core.domain.payment import PaymentId
from core.domain.plan import GatewayName
from core.domain.purchase import PAID, Purchase, PurchaseId, PurchaseNotFound
from core.domain.reminder import Reminder
from core.domain.subscription import Standing, Subscription
from core.ports.unit_of_work import CatalogMissing, SavedMeanwhile

IN_FORCE: Final = "in force"


class Repository:
    """Some of the tables, as one unit or one reader sees them."""

    def __init__(self, tables: Tables, unit: Transaction) -> None:
        self._tables = tables
        self._unit = unit


class MemoryCustomers(Repository):
    async def ids(
        self, refs: Collection[Identity | CustomerId]
    ) -> Mapping[Identity | CustomerId, CustomerId]:
        found = {ref: await self.find(ref) for ref in refs}
        return {ref: customer.id for ref, customer in found.items() if customer is not None}

    async def find(self, ref: Identity | CustomerId) -> Customer | None:
        await self._unit.called()
        if isinstance(ref, Identity):
            found = self._unit.find(self._tables.customers, "identity", ref)
            return found[0][1] if found else None
        return self._unit.get(self._tables.customers, ref)

    async def named(self, beginning: str, *, limit: int) -> list[Customer]:
        await self._unit.called()
        sought, found = beginning.casefold(), dict[CustomerId, Customer]()
        for field in ("username", "name"):
            keyed = [
                (called.casefold(), id_, customer)
                for id_, customer in self._unit.all(self._tables.customers)
                if (called := getattr(customer, field)) is not None
            ]
            alike = sorted(row for row in keyed if row[0].startswith(sought))
            found |= {id_: customer for _, id_, customer in alike}
        return list(found.values())[:limit]

    async def get(self, ref: Identity | CustomerId) -> Customer:
        customer = await self.find(ref)
        if customer is None:
            raise CustomerNotFound(str(ref))
        return customer

    async def lock(self, customer_id: CustomerId) -> Customer:
        await self.get(customer_id)
        customer = await self._unit.lock(self._tables.customers, customer_id)
        assert customer is not None, "customers are never deleted"
        return customer

    async def add(self, customer: Customer) -> None:
        await self._unit.called()
        await self._unit.add(self._tables.customers, customer.id, customer)

    async def save(self, customer: Customer) -> None:
        await self._unit.called()
        await self._unit.save(self._tables.customers, customer.id, customer)

    async def remember_gone(self, identities: Collection[Identity], *, at: datetime) -> None:
        await self._unit.called()
        for one in identities:
            await self._unit.put(self._tables.gone, mark_of(one), at)

    async def was_here(self, identity: Identity, *, since: datetime | None = None) -> bool:
        await self._unit.called()
        gone_at = self._unit.get(self._tables.gone, mark_of(identity))
        return gone_at is not None and (since is None or since <= gone_at)


def mark_of(identity: Identity) -> str:
    return hashlib.sha256(str(identity).encode()).hexdigest()


class Dated(Repository):
    """What sweeps look for: each row has a `due_at` of its own, which leases move."""

    async def _put_due(self, table: Table[Any, Any], key: str, due_at: datetime | None) -> None:
        await self._unit.put(self._tables.due, (table.name, key), due_at)

    async def _take_due(
        self, table: Table[Any, Any], now: datetime, until: datetime, limit: int
    ) -> list[Any]:
        await self._unit.called()
        waiting = self._unit.find(self._tables.due, "table", table.name)
        taken: list[Any] = []
        for due_at, (_, key) in sorted((due_at, place) for place, due_at in waiting):
            if due_at > now or len(taken) == limit:
                break
            if not self._unit.is_locked_elsewhere(table, key):
                await self._unit.lock(table, key)
                await self._put_due(table, key, until)
                taken.append(key)
        return taken


class MemorySubscriptions(Dated):
    async def get(self, customer_id: CustomerId) -> Subscription:
        await self._unit.called()
        subscription = self._unit.get(self._tables.subscriptions, customer_id)
        if subscription is None:
            raise CustomerNotFound(customer_id)
        return subscription

    async def standings(
        self, customer_ids: Collection[CustomerId]
    ) -> Mapping[CustomerId, Standing]:
        await self._unit.called()
        found = ((id_, find_standing(self._tables, self._unit, id_)) for id_ in customer_ids)
        return {id_: standing for id_, standing in found if standing is not None}

    async def add(self, subscription: Subscription) -> None:
        await self._unit.called()
        customer_id = subscription.customer_id
        await self._unit.add(self._tables.subscriptions, customer_id, subscription)
        await self._put_due(self._tables.subscriptions, customer_id, subscription.due_at)

    async def save(self, subscription: Subscription) -> None:
        await self._unit.called()
        customer_id = subscription.customer_id
        await self._unit.save(self._tables.subscriptions, customer_id, subscription)
        await self._put_due(self._tables.subscriptions, customer_id, subscription.due_at)

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[CustomerId]:
        return await self._take_due(self._tables.subscriptions, now, until, limit)


class MemoryReminders(Dated):
    async def find(self, customer_id: CustomerId) -> Reminder | None:
        await self._unit.called()
        return self._unit.get(self._tables.reminders, customer_id)

    async def add(self, reminder: Reminder) -> None:
        await self._unit.called()
        await self._unit.add(self._tables.reminders, reminder.customer_id, reminder)
        await self._put_due(self._tables.reminders, reminder.customer_id, reminder.due_at)

    async def save(self, reminder: Reminder) -> None:
        await self._unit.called()
        await self._unit.save(self._tables.reminders, reminder.customer_id, reminder)
        await self._put_due(self._tables.reminders, reminder.customer_id, reminder.due_at)

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[CustomerId]:
        return await self._take_due(self._tables.reminders, now, until, limit)


class MemoryPurchases(Dated):
    async def find(self, purchase_id: PurchaseId) -> Purchase | None:
        await self._unit.called()
        return self._unit.get(self._tables.purchases, purchase_id)

    async def several(self, purchase_ids: Collection[PurchaseId]) -> list[Purchase]:
        await self._unit.called()
        found = (self._unit.get(self._tables.purchases, one) for one in set(purchase_ids))
        return [purchase for purchase in found if purchase is not None]

    async def get(self, purchase_id: PurchaseId) -> Purchase:
        purchase = await self.find(purchase_id)
        if purchase is None:
            raise PurchaseNotFound(purchase_id)
        return purchase

    async def find_pending(
        self, customer_id: CustomerId, item: Item, amount: Money | None
    ) -> Purchase | None:
        await self._unit.called()
        if amount is not None:
            same = (customer_id, item.key, amount)
            found = self._unit.find(self._tables.purchases, "pending", same)
            return found[0][1] if found else None
        all_of_theirs = self._unit.find(self._tables.purchases, "customer", customer_id)
        open_ones = (it for _, it in all_of_theirs if it.is_pending and it.item.key == item.key)
        return next(open_ones, None)

    async def has_paid(self, customer_id: CustomerId) -> bool:
        await self._unit.called()
        found = self._unit.find(self._tables.purchases, "customer", customer_id)
        return any(it.status in PAID for _, it in found)

    async def waiting(self, customer_id: CustomerId) -> list[Purchase]:
        await self._unit.called()
        found = self._unit.find(self._tables.purchases, "customer", customer_id)
        waiting = [it for _, it in found if it.is_pending and it.from_wallet]
        return sorted(waiting, key=lambda purchase: (purchase.created_at, purchase.id))

    async def reduced(self, customer_id: CustomerId) -> list[Purchase]:
        await self._unit.called()
        found = self._unit.find(self._tables.purchases, "customer", customer_id)
        return [it for _, it in found if it.is_pending and it.reduction is not None]

    async def page(
        self, customer_id: CustomerId, *, limit: int, after: PurchaseId | None = None
    ) -> list[Purchase]:
        await self._unit.called()
        found = self._unit.find(self._tables.purchases, "customer", customer_id)
        newest = sorted(((it.created_at, id_, it) for id_, it in found), reverse=True)
        ids = [id_ for _, id_, _ in newest]
        start = 0 if after is None else ids.index(after) + 1
        return [it for _, _, it in newest[start : start + limit]]

    async def add(self, purchase: Purchase) -> None:
        await self._unit.called()
        await self._unit.add(self._tables.purchases, purchase.id, purchase)
        await self._put_due(self._tables.purchases, purchase.id, purchase.due_at)

    async def save(self, purchase: Purchase) -> None:
        await self._unit.called()
        await self._unit.save(self._tables.purchases, purchase.id, purchase)
        await self._put_due(self._tables.purchases, purchase.id, purchase.due_at)

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[PurchaseId]:
        return await self._take_due(self._tables.purchases, now, until, limit)


class MemoryCheckouts(Dated):
    async def find(self, checkout_id: CheckoutId) -> Checkout | None:
        await self._unit.called()
        checkout = self._unit.get(self._tables.checkouts, checkout_id)
        return None if checkout is None else self._whole(checkout)

    async def get(self, checkout_id: CheckoutId) -> Checkout:
        checkout = await self.find(checkout_id)
        if checkout is None:
            raise CheckoutNotFound(checkout_id)
        return checkout

    async def find_by_payment(self, gateway: GatewayName, payment_id: PaymentId) -> Checkout | None:
        await self._unit.called()
        found = self._unit.find(self._tables.checkouts, "payment", (gateway, payment_id))
        return self._whole(found[0][1]) if found else None

    async def of_purchases(self, purchase_ids: Collection[PurchaseId]) -> list[Checkout]:
        await self._unit.called()
        found = [
            self._whole(checkout)
            for purchase_id in purchase_ids
            for _, checkout in self._unit.find(self._tables.checkouts, "purchase", purchase_id)
        ]
        return sorted(found, key=lambda checkout: (checkout.asked_at, checkout.id))

    async def add(self, checkout: Checkout) -> None:
        await self._unit.called()
        await self._unit.add(self._tables.checkouts, checkout.id, checkout)
        await self._put_due(self._tables.checkouts, checkout.id, checkout.due_at)

    async def save(self, checkout: Checkout) -> None:
        await self._unit.called()
        await self._unit.save(self._tables.checkouts, checkout.id, checkout)
        await self._put_due(self._tables.checkouts, checkout.id, checkout.due_at)

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[CheckoutId]:
        return await self._take_due(self._tables.checkouts, now, until, limit)

    def _whole(self, checkout: Checkout) -> Checkout:
        place = (self._tables.checkouts.name, checkout.id)
        return replace(checkout, due_at=self._unit.get(self._tables.due, place))


def current_catalog(tables: Tables, unit: Transaction) -> Catalog:
    catalog = unit.get(tables.catalogs, IN_FORCE)
    if catalog is None:
        raise CatalogMissing
    return catalog


def find_standing(tables: Tables, unit: Transaction, customer_id: CustomerId) -> Standing | None:
    customer = unit.get(tables.customers, customer_id)
    subscription = unit.get(tables.subscriptions, customer_id)
    if customer is None or subscription is None:
        return None
    waiting = unit.find(tables.redemptions, "waiting", customer_id)
    discount = waiting[0][1].discount if waiting else None
    return Standing(customer, subscription, current_catalog(tables, unit), discount)


class MemoryCatalogs(Repository):
    """Old plan versions need no keeping: whatever was sold holds its own."""

    async def current(self) -> Catalog:
        await self._unit.called()
        return current_catalog(self._tables, self._unit)

    async def apply(self, catalog: Catalog) -> None:
        await self._unit.called()
        former = await self._unit.lock(self._tables.catalogs, IN_FORCE)
        if catalog.revision != (0 if former is None else former.revision) + 1:
            raise SavedMeanwhile(f"catalog {catalog.revision}")
        await self._unit.put(self._tables.catalogs, IN_FORCE, catalog)


class MemoryCredentials(Repository):
    async def find_session(self, session_id: SessionId) -> Session | None:
        await self._unit.called()
        return self._unit.get(self._tables.sessions, session_id)

    async def find_keys(self, key_hashes: Collection[str]) -> Mapping[str, ApiKey]:
        await self._unit.called()
        found = {one: self._unit.find(self._tables.keys, "hash", one) for one in key_hashes}
        return {key_hash: rows[0][1] for key_hash, rows in found.items() if rows}

    async def list_keys(self) -> list[ApiKey]:
        await self._unit.called()
        keys = dict(self._unit.all(self._tables.keys))
        return [keys[name] for name in sorted(keys)]

    async def sessions_of(self, proof: str) -> Sequence[Session]:
        await self._unit.called()
        return [one for _, one in self._unit.find(self._tables.sessions, "proof", proof)]

    async def add_session(self, session: Session) -> None:
        await self._unit.called()
        await self._unit.add(self._tables.sessions, session.id, session)

    async def save_session(self, session: Session) -> None:
        await self._unit.called()
        await self._unit.save(self._tables.sessions, session.id, session)

    async def forget_sessions(self, now: datetime, *, limit: int) -> int:
        await self._unit.called()
        sessions = self._unit.all(self._tables.sessions)
        over = [session_id for session_id, session in sessions if session.expires_at <= now]
        for session_id in over[:limit]:
            await self._unit.put(self._tables.sessions, session_id, None)
        return len(over[:limit])

    async def put_key(self, key: ApiKey) -> None:
        await self._unit.called()
        await self._unit.put(self._tables.keys, key.name, key)
