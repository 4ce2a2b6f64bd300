"""What an operator looks at: how the business stands, whom somebody means, how gateways stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.domain.audit import AuditLine
from core.domain.cause import Cause, claim
from core.domain.charge import ChargeKey
from core.domain.checkout import CheckoutId
from core.domain.customer import (
    Customer,
    CustomerId,
    Identity,
    IdentityKind,
    IdentityNotReadable,
    customer_ref,
    identity,
)
from core.domain.payment import InboxItem, InboxStatus, PaymentId
from core.domain.period import time_zone
from core.domain.purchase import PurchaseId
from core.domain.switch import gateway_switch
from core.ports.operators import Figures
from core.ports.payment_gateway import Gateways
from core.ports.unit_of_work import Now, Store, View

FOUND_MAX = 10
BEGINNING_MIN = 2
"""Letters of a name: fewer would mean too many people."""


class ShowFigures:
    """Today and this month, as the business's own zone counts them."""

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self) -> tuple[Figures, str]:
        """With the zone."""
        async with self._store.read() as view:
            zone = (await view.catalogs.current()).zone
            now = self._now()
            day = now.astimezone(time_zone(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
            figures = await view.figures.told(now, day=day, month=day.replace(day=1))
        return figures, zone


@dataclass(frozen=True, slots=True)
class Found:
    """A customer who may be meant; `purchase_id` where it was a purchase that led there."""

    customer: Customer
    purchase_id: PurchaseId | None = None


class SearchCustomers:
    """
    Who is meant by what somebody sent: our id, a Telegram id, the business's own reference, a
    purchase, a checkout, a payment's or a charge's id at a gateway, a username or how a name begins.
    """

    def __init__(self, store: Store, gateways: Gateways) -> None:
        self._store = store
        self._gateways = gateways

    async def __call__(self, sought: str) -> list[Found]:
        """At most FOUND_MAX; more than one only for names."""
        sought = sought.strip()[:200]
        async with self._store.read() as view:
            one = await self._exactly(view, sought)
            if one is not None:
                return [one]
            beginning = sought.removeprefix("@")
            if len(beginning) < BEGINNING_MIN or "\0" in beginning:
                return []
            return [Found(it) for it in await view.customers.named(beginning, limit=FOUND_MAX)]

    async def _exactly(self, view: View, sought: str) -> Found | None:
        for ref in _refs(sought):
            customer = await view.customers.find(ref)
            if customer is not None:
                return Found(customer)
        purchase_id = await self._purchase(view, sought)
        purchase = None if purchase_id is None else await view.purchases.find(purchase_id)
        if purchase is None:
            return None
        return Found(await view.customers.get(purchase.customer_id), purchase.id)

    async def _purchase(self, view: View, sought: str) -> PurchaseId | None:
        if "\0" in sought:
            return None
        if sought.startswith("pur_"):
            return PurchaseId(sought)
        checkout = await view.checkouts.find(CheckoutId(sought))
        if checkout is not None:
            return checkout.purchase_id
        for gateway in self._gateways:
            checkout = await view.checkouts.find_by_payment(gateway.name, PaymentId(sought))
            if checkout is not None:
                return checkout.purchase_id
            charge = await view.charges.find(ChargeKey(gateway.name, sought))
            if charge is not None and charge.purchase_id is not None:
                return charge.purchase_id
        return None


def _refs(sought: str) -> Sequence[Identity | CustomerId]:
    """What it may be as it stands, or with what people leave out."""
    tried = []
    for text in (sought, f"{IdentityKind.TELEGRAM}:{sought}", f"{IdentityKind.EXTERNAL}:{sought}"):
        try:
            tried.append(customer_ref(text) if text == sought else identity(text))
        except IdentityNotReadable:
            continue
    return tried


class OpenCustomer:
    """
    An operator looks at a person: who it is, and one line in the audit trail for each operator,
    customer and day (UTC), however often the page is turned.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, customer_id: CustomerId, *, actor: str) -> Customer:
        """
        Raises:
            CustomerNotFound
        """
        async with self._store.write() as uow:
            at = self._now()
            customer = await uow.customers.get(customer_id)
            cause = Cause("customer.open", f"{actor} {customer_id} {at:%Y-%m-%d}", "")
            taken = await uow.claims.take(claim(cause, customer_id, at=at))
            if taken.answer is None:
                await uow.claims.save(taken.answered("seen"))
                seen = AuditLine(at, actor, "customer.open", customer_id, "looked at")
                await uow.audit(seen)
                await uow.commit()
        return customer


@dataclass(frozen=True, slots=True)
class GatewayStanding:
    """`is_down`: this process has given up on it for a moment. `is_off`: somebody switched it off."""

    name: str
    is_down: bool
    is_off: bool


@dataclass(frozen=True, slots=True)
class Doors:
    """By which money comes in. `oldest` is the notice that has waited the longest."""

    gateways: Sequence[GatewayStanding]
    oldest: datetime | None


class ShowDoors:
    """How the gateways stand, and whether what they tell is worked off."""

    def __init__(self, store: Store, gateways: Gateways) -> None:
        self._store = store
        self._gateways = gateways

    async def __call__(self) -> Doors:
        async with self._store.read() as view:
            off = await view.switches.off()
            waiting = await view.inbox.not_done(InboxStatus.STORED, limit=1)
        told = [
            GatewayStanding(it.name, it.is_down, gateway_switch(it.name) in off)
            for it in self._gateways
        ]
        return Doors(told, waiting[0].received_at if waiting else None)


class ListFailedNotices:
    """What was given up on, the oldest first."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, *, limit: int) -> list[InboxItem]:
        async with self._store.read() as view:
            return await view.inbox.not_done(InboxStatus.FAILED, limit=limit)
