"""What the store keeps of customers and their things: one protocol for each kind, read and written."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from core.domain.access import AccessState
from core.domain.catalog import Catalog
from core.domain.checkout import Checkout, CheckoutId
from core.domain.credentials import ApiKey, Session, SessionId
from core.domain.customer import Customer, CustomerId, Identity
from core.domain.item import Item
from core.domain.money import Money
from core.domain.payment import PaymentId
from core.domain.plan import GatewayName
from core.domain.purchase import Purchase, PurchaseId
from core.domain.referral_program import Referral
from core.domain.reminder import Reminder
from core.domain.subscription import Standing, Subscription
from core.domain.switch import Switch
from core.domain.usage_quota import HoldId, UsageHold, UsageKey, UsageQuota, UsageReceipt


class CustomersRead(Protocol):
    async def ids(
        self, refs: Collection[Identity | CustomerId]
    ) -> Mapping[Identity | CustomerId, CustomerId]:
        """Whose these identities are, and which of these ids exist. Unknown: left out."""
        ...

    async def find(self, ref: Identity | CustomerId) -> Customer | None: ...

    async def named(self, beginning: str, *, limit: int) -> list[Customer]:
        """
        Whose username or name begins so, whatever the case: usernames first, each in the order of
        its case-folded letters (then by id).
        """
        ...

    async def get(self, ref: Identity | CustomerId) -> Customer:
        """
        Raises:
            CustomerNotFound
        """
        ...


class Customers(CustomersRead, Protocol):
    async def lock(self, customer_id: CustomerId) -> Customer:
        """
        The one lock of a unit: holds the customer's row until the unit ends (FOR NO KEY UPDATE),
        so that everything read afterwards is decided by one unit at a time.

        Raises:
            CustomerNotFound
        """
        ...

    async def add(self, customer: Customer) -> None:
        """
        Raises:
            IdentityTaken: also when a unit at the same time commits it first.
        """
        ...

    async def save(self, customer: Customer) -> None:
        """
        Raises:
            IdentityTaken: as `add`.
        """
        ...

    async def remember_gone(self, identities: Collection[Identity], *, at: datetime) -> None:
        """By marks that only who has the data key can compare with an identity."""
        ...

    async def was_here(self, identity: Identity, *, since: datetime | None = None) -> bool:
        """Whether it was a customer's who is erased; `since`: who was then, or has come after it."""
        ...


class SubscriptionsRead(Protocol):
    async def get(self, customer_id: CustomerId) -> Subscription: ...

    async def standings(
        self, customer_ids: Collection[CustomerId]
    ) -> Mapping[CustomerId, Standing]:
        """Each customer with subscription and the catalog in force, at one price. Unknown: left out."""
        ...


class Subscriptions(SubscriptionsRead, Protocol):
    async def add(self, subscription: Subscription) -> None: ...

    async def save(self, subscription: Subscription) -> None: ...

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[CustomerId]:
        """
        Up to `limit` whose `due_at` is not after `now`, the oldest first, those locked by others
        passed over. Their `due_at` moves to `until` (a lease), without a new version.
        """
        ...


class ReferralsRead(Protocol):
    async def find(self, customer_id: CustomerId) -> Referral | None:
        """How this customer came; None: by nobody's code."""
        ...


class Referrals(ReferralsRead, Protocol):
    async def add(self, referral: Referral) -> None:
        """
        Raises:
            SavedMeanwhile: the customer has one.
        """
        ...

    async def save(self, referral: Referral) -> None: ...


class AccessRead(Protocol):
    async def find(self, customer_id: CustomerId) -> AccessState | None:
        """None: nothing was ever due outside."""
        ...


class AccessStates(AccessRead, Protocol):
    async def add(self, state: AccessState) -> None: ...

    async def save(self, state: AccessState) -> None: ...

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[CustomerId]:
        """As `Subscriptions.take_due`."""
        ...


class RemindersRead(Protocol):
    async def find(self, customer_id: CustomerId) -> Reminder | None: ...


class Reminders(RemindersRead, Protocol):
    """Each is decided under the lock of its customer."""

    async def add(self, reminder: Reminder) -> None: ...

    async def save(self, reminder: Reminder) -> None: ...

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[CustomerId]:
        """As `Subscriptions.take_due`."""
        ...


class PurchasesRead(Protocol):
    async def get(self, purchase_id: PurchaseId) -> Purchase:
        """
        Raises:
            PurchaseNotFound
        """
        ...

    async def find(self, purchase_id: PurchaseId) -> Purchase | None: ...

    async def several(self, purchase_ids: Collection[PurchaseId]) -> list[Purchase]:
        """Those of them that there are, in any order."""
        ...

    async def find_pending(
        self, customer_id: CustomerId, item: Item, amount: Money | None
    ) -> Purchase | None:
        """
        The open purchase of the same thing at the same price; there is at most one. None: at
        whatever price, one of them.
        """

    async def has_paid(self, customer_id: CustomerId) -> bool:
        """Whether the customer ever paid for anything, also what was refunded since."""
        ...

    async def waiting(self, customer_id: CustomerId) -> list[Purchase]:
        """The open purchases that wait for money in the wallet, the oldest first."""
        ...

    async def reduced(self, customer_id: CustomerId) -> list[Purchase]:
        """The open purchases that were agreed with a discount, in any order."""
        ...

    async def page(
        self, customer_id: CustomerId, *, limit: int, after: PurchaseId | None = None
    ) -> list[Purchase]:
        """The newest first (by `created_at`, then id); `after`: older than that one."""
        ...


class Purchases(PurchasesRead, Protocol):
    async def add(self, purchase: Purchase) -> None: ...

    async def save(self, purchase: Purchase) -> None: ...

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[PurchaseId]:
        """As `Subscriptions.take_due`."""
        ...


class CheckoutsRead(Protocol):
    async def get(self, checkout_id: CheckoutId) -> Checkout:
        """
        Raises:
            CheckoutNotFound
        """
        ...

    async def find(self, checkout_id: CheckoutId) -> Checkout | None: ...

    async def find_by_payment(
        self, gateway: GatewayName, payment_id: PaymentId
    ) -> Checkout | None: ...

    async def of_purchases(self, purchase_ids: Collection[PurchaseId]) -> list[Checkout]:
        """All checkouts of these purchases, in the order they were asked (then by id)."""
        ...


class Checkouts(CheckoutsRead, Protocol):
    async def add(self, checkout: Checkout) -> None: ...

    async def save(self, checkout: Checkout) -> None: ...

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[CheckoutId]:
        """As `Subscriptions.take_due`."""
        ...


class UsageRead(Protocol):
    async def used(self, keys: Collection[UsageKey]) -> Mapping[UsageKey, int]:
        """
        Units used, for the keys that were ever used; of packs the units left, for those who were
        ever given any.
        """
        ...


class Usage(UsageRead, Protocol):
    async def lock(self, keys: Collection[UsageKey]) -> Mapping[UsageKey, int]:
        """
        The counters, locked in the order of their keys until the unit ends; made where missing,
        but those of packs, which only `give` makes.
        """
        ...

    async def receipts(
        self, requests: Collection[tuple[CustomerId, str]]
    ) -> Mapping[tuple[CustomerId, str], UsageReceipt]: ...

    async def save(self, quotas: Sequence[UsageQuota]) -> None:
        """Write the counters that this unit locked."""
        ...

    async def give(self, key: UsageKey, units: int) -> int:
        """Add units to the counter of packs, locked from now on; how many are there now."""
        ...

    async def add_receipts(self, receipts: Sequence[UsageReceipt]) -> None:
        """
        Raises:
            SavedMeanwhile: one of the request ids was answered by another unit.
        """
        ...

    async def forget_receipts(self, now: datetime, *, limit: int) -> int:
        """Drop up to `limit` receipts that expired; how many were dropped."""
        ...


class HoldsRead(Protocol):
    async def get(self, hold_id: HoldId) -> UsageHold:
        """
        Raises:
            UsageHoldNotFound
        """
        ...


class Holds(HoldsRead, Protocol):
    """Holds of usage. Each is decided under the lock of its counter (`Usage.lock`)."""

    async def add(self, holds: Sequence[UsageHold]) -> None: ...

    async def save(self, hold: UsageHold) -> None: ...

    async def take_due(self, now: datetime, *, until: datetime, limit: int) -> list[HoldId]:
        """As `Subscriptions.take_due`."""
        ...

    async def forget(self, now: datetime, *, limit: int) -> int:
        """Drop up to `limit` that have ended and whose receipts have expired; how many."""
        ...


class CredentialsRead(Protocol):
    async def find_session(self, session_id: SessionId) -> Session | None: ...

    async def sessions_of(self, proof: str) -> Sequence[Session]:
        """All that were opened with this proof, ended ones too."""
        ...

    async def find_keys(self, key_hashes: Collection[str]) -> Mapping[str, ApiKey]:
        """The keys with these hashes, revoked ones too. Unknown: left out."""
        ...

    async def list_keys(self) -> list[ApiKey]: ...


class Credentials(CredentialsRead, Protocol):
    async def add_session(self, session: Session) -> None: ...

    async def save_session(self, session: Session) -> None: ...

    async def forget_sessions(self, now: datetime, *, limit: int) -> int:
        """
        Drop up to `limit` that are over, however they ended; how many. What proved them is too
        old by then to open another.
        """
        ...

    async def put_key(self, key: ApiKey) -> None:
        """Add it, or replace the one of the same name."""
        ...


class SwitchesRead(Protocol):
    """Read anew by every decision, and never remembered, so that all processes agree at once."""

    async def turned(self) -> list[Switch]:
        """Those that were ever turned, by name."""
        ...

    async def off(self) -> frozenset[str]:
        """The names of those that are off."""
        ...


class Switches(SwitchesRead, Protocol):
    async def put(self, switch: Switch) -> None:
        """Add it, or replace the one of the same name."""
        ...


class CatalogsRead(Protocol):
    async def current(self) -> Catalog:
        """
        Raises:
            CatalogMissing
        """
        ...


class Catalogs(CatalogsRead, Protocol):
    async def apply(self, catalog: Catalog) -> None:
        """
        Make it the one in force; its new plan versions are kept for ever.

        Raises:
            SavedMeanwhile: its revision is not the one after the current.
        """
        ...
