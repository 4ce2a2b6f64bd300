"""Customers: register on first contact, find, block, show the account."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.domain.audit import AuditLine, Deed, line_of
from core.domain.customer import Customer, CustomerId, CustomerNotFound, Identity, Names
from core.domain.event import Event
from core.domain.money import Currency, Money
from core.domain.period import time_zone
from core.domain.plan import PlanVersion
from core.domain.referral_program import Invitation
from core.domain.subscription import Standing, Subscription, SubscriptionId
from core.domain.switch import SwitchName
from core.domain.usage_quota import UsageKey, UsageQuota
from core.ports.unit_of_work import (
    AccountOverview,
    IdentityTaken,
    NewId,
    Now,
    Store,
    UnitOfWork,
)
from core.use_cases.grouping import Remembered
from core.use_cases.referrals import join_at_first_contact
from core.use_cases.wallet import Purse


class RegisterCustomer:
    """
    Make sure that this identity has a customer, with a subscription on the default plan.

    Its cause is the identity itself: repeats and races end with the one customer. What is given
    and differs is written down; what is None stays as it is.
    """

    def __init__(self, store: Store, now: Now, new_id: NewId) -> None:
        self._store = store
        self._now = now
        self._new_id = new_id

    async def __call__(
        self,
        identity: Identity,
        *,
        language: str | None = None,
        receipt_contact: str | None = None,
        zone: str | None = None,
        fewer_reminders: bool | None = None,
        no_broadcasts: bool | None = None,
        first_language: str = "en",
        invitation: Invitation | None = None,
        names: Names | None = None,
    ) -> Customer:
        """
        `zone`, `first_language` and `invitation` count only at the first contact, `fewer_reminders`
        and `no_broadcasts` only after it; the catalog's zone stands in for None.
        """
        async with self._store.read() as view:
            known = await view.customers.find(identity)
        if known is None:
            try:
                return await self._add(
                    identity,
                    language or first_language,
                    receipt_contact,
                    zone,
                    invitation,
                    names=names,
                )
            except IdentityTaken:  # Somebody registered the same identity at the same moment.
                async with self._store.read() as view:
                    known = await view.customers.get(identity)
        wanted = _Wanted(language, receipt_contact, fewer_reminders, no_broadcasts, names)
        return await self._update(known, wanted)

    async def _add(
        self,
        identity: Identity,
        language: str,
        contact: str | None,
        zone: str | None,
        invitation: Invitation | None,
        *,
        names: Names | None,
    ) -> Customer:
        async with self._store.write() as uow:
            catalog = await uow.catalogs.current()
            customer = Customer(
                id=CustomerId(self._new_id("cus")),
                identities=(identity,),
                language=language,
                zone=zone or catalog.zone,
                created_at=self._now(),
                receipt_contact=contact,
                name=None if names is None else names.name,
                username=None if names is None else names.username,
            )
            await uow.customers.add(customer)
            # What is given once was given to who was here before, so far as anybody can tell.
            was_here = await uow.customers.was_here(identity)
            trialed_at = customer.created_at if was_here else None
            fresh = Subscription(SubscriptionId(self._new_id("sub")), customer.id)
            await uow.subscriptions.add(replace(fresh, trialed_at=trialed_at))
            await uow.record(
                Event("customer.registered", customer.id, customer.created_at, customer.id)
            )
            if invitation is not None and not was_here:
                await join_at_first_contact(uow, customer, invitation, catalog.money.referral)
            await uow.commit()
        return customer

    async def _update(self, known: Customer, wanted: "_Wanted") -> Customer:
        if wanted.on(known) == known:
            return known
        async with self._store.write() as uow:
            locked = await uow.customers.lock(known.id)
            if locked.erased_at is not None:  # Forgotten since that look: nothing is kept anew.
                return locked
            customer = wanted.on(locked)
            await uow.customers.save(customer)
            await uow.commit()
        return customer


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a customer is to be from now on; None: as it is."""

    language: str | None
    contact: str | None
    fewer_reminders: bool | None
    no_broadcasts: bool | None
    names: Names | None

    def on(self, customer: Customer) -> Customer:
        fewer, none, names = self.fewer_reminders, self.no_broadcasts, self.names
        return replace(
            customer,
            language=self.language or customer.language,
            receipt_contact=self.contact or customer.receipt_contact,
            fewer_reminders=customer.fewer_reminders if fewer is None else fewer,
            no_broadcasts=customer.no_broadcasts if none is None else none,
            name=customer.name if names is None else names.name,
            username=customer.username if names is None else names.username,
        )


class ChangeZone:
    """By which clock the customer's days begin: from the next window on, once in thirty days."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, customer_id: CustomerId, zone: str) -> Customer:
        """
        Raises:
            CustomerNotFound, CustomerBlocked, UnknownTimeZone, ZoneChangedLately
        """
        time_zone(zone)
        async with self._store.write() as uow:
            customer = await uow.customers.lock(customer_id)
            customer.require_served()
            changed = customer.in_zone(zone, at=self._now())
            if changed != customer:
                await uow.customers.save(changed)
                await uow.commit()
        return changed


class FindCustomer:
    """Whose identity this is, or whether this id is anybody's."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._remembered = Remembered(self._find, now)

    async def __call__(self, ref: Identity | CustomerId) -> CustomerId:
        """
        Raises:
            CustomerNotFound
        """
        found = await self._remembered(ref)
        if found is None:
            raise CustomerNotFound(str(ref))
        return found

    async def _find(self, refs: Sequence[Identity | CustomerId]) -> Sequence[CustomerId | None]:
        async with self._store.read() as view:
            found = await view.customers.ids(set(refs))
        return [found.get(ref) for ref in refs]


class BlockCustomer:
    """
    Serve this customer no longer: no sign-in, no session, nothing new to pay, whoever asks.
    Money that arrives is booked and settled as always. A repeat changes nothing.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, customer_id: CustomerId, *, deed: Deed) -> Customer:
        """
        Raises:
            CustomerNotFound
            OwnAffair: whoever does it is the customer.
        """
        at = self._now()
        event = Event("customer.blocked", customer_id, at, customer_id, {"reason": deed.reason})
        line = line_of(deed, "customer.block", customer_id, at=at)
        return await _changed(self._store, event, line, lambda customer: customer.blocked(at=at))


class UnblockCustomer:
    """Serve this customer again; sessions that have not ended work again. Repeats change nothing."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, customer_id: CustomerId, *, deed: Deed) -> Customer:
        """
        Raises:
            CustomerNotFound
            OwnAffair: whoever does it is the customer.
        """
        at = self._now()
        event = Event("customer.unblocked", customer_id, at, customer_id, {"reason": deed.reason})
        line = line_of(deed, "customer.unblock", customer_id, at=at)
        return await _changed(self._store, event, line, Customer.unblocked)


async def _changed(
    store: Store, event: Event, line: AuditLine, change: Callable[[Customer], Customer]
) -> Customer:
    """The event is recorded, and the deed, if it changes anything."""
    async with store.write() as uow:
        customer = await uow.customers.lock(CustomerId(event.subject))
        customer.require_another(line.actor)
        changed = change(customer)
        if changed != customer:
            await uow.customers.save(changed)
            await uow.record(event)
            await uow.audit(line)
            await uow.commit()
    return changed


@dataclass(frozen=True, slots=True)
class Account:
    """
    A customer's own page: the standing and what was used and owned at this moment. `trial` is what
    can be tried for nothing now; None: nothing, or trials are switched off.
    """

    standing: Standing
    quotas: tuple[UsageQuota, ...]
    cash: tuple[Money, ...]
    bonus: tuple[Money, ...]
    held: tuple[Money, ...]
    escrow: tuple[Money, ...]
    owed: tuple[Money, ...]
    at: datetime
    trial: PlanVersion | None = None

    @property
    def withdrawable(self) -> tuple[Money, ...]:
        """Cash, less what is owed in the same currency."""
        owed = {amount.currency: amount for amount in self.owed}
        return tuple(_less(amount, owed.get(amount.currency)) for amount in self.cash)

    @property
    def has_money(self) -> bool:
        """Whether there is anything in the wallet, or owed to it."""
        kinds = (self.cash, self.bonus, self.held, self.escrow, self.owed)
        return any(amount.is_positive for kind in kinds for amount in kind)

    def purse(self, currency: Currency) -> Purse:
        cash, bonus, owed = (
            next((one for one in kind if one.currency == currency), Money(0, currency))
            for kind in (self.cash, self.bonus, self.owed)
        )
        return Purse(self.standing.customer.id, cash, bonus, owed)


class ShowAccount:
    """Everything that `/me/` shows, from one read."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, customer_id: CustomerId) -> Account:
        """
        Raises:
            CustomerNotFound
        """
        async with self._store.read() as view:
            overview = await view.overview(customer_id)
            at = self._now()
            quotas = overview.standing.quotas(at)
            used = overview.used
            trial = overview.standing.trial(at)
            if trial is not None and SwitchName.TRIALS in await view.switches.off():
                trial = None
            if any(_is_hidden(quota.key, used) for quota in quotas):
                keys = [key for quota in quotas for key in (quota.key, quota.key.of_packs)]
                used = await view.usage.used(keys)
        quotas = tuple(quota.counted(used) for quota in quotas)
        kinds = ("cash", "bonus", "hold", "escrow", "receivable")
        cash, bonus, held, escrow, owed = (_balances(overview, kind) for kind in kinds)
        return Account(overview.standing, quotas, cash, bonus, held, escrow, owed, at, trial)


def _less(amount: Money, owed: Money | None) -> Money:
    if owed is None:
        return amount
    return amount - owed if owed <= amount else amount - amount


def _is_hidden(key: UsageKey, newest: Mapping[UsageKey, int]) -> bool:
    """
    Whether the newest counter of the feature began after this window did: then the plan's
    windows grew longer meanwhile, and the window's own counter is an older one.
    """
    return any(
        known.feature == key.feature and known.window_start > key.window_start for known in newest
    )


def _balances(overview: AccountOverview, kind: str) -> tuple[Money, ...]:
    """One amount for each currency of the catalog, zeros too, then any other that is not zero."""
    account = f"{kind}:{overview.standing.customer.id}"
    amounts = dict.fromkeys(overview.standing.catalog.currencies, 0)
    for (name, unit), balance in overview.balances.items():
        if name == account and (balance.is_positive or unit.code in amounts):
            amounts[unit.code] = balance.amount_minor
    return tuple(Money.of(amount, code) for code, amount in amounts.items())


async def standing_of(uow: UnitOfWork, customer_id: CustomerId) -> Standing:
    """
    The standing of one customer, read after the lock.

    Raises:
        CustomerNotFound
    """
    standings = await uow.subscriptions.standings([customer_id])
    if customer_id not in standings:
        raise CustomerNotFound(customer_id)
    return standings[customer_id]
