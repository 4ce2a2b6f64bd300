"""Checkouts: open a way to pay, open another, and watch the silent ones."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from core.domain.catalog import Catalog
from core.domain.cause import Cause, Claim, StillRunning
from core.domain.checkout import Checkout, CheckoutId, CheckoutStatus, Receipt
from core.domain.customer import CustomerId
from core.domain.errors import Refused
from core.domain.item import Deposit, EscrowShare, Item, PackItem, PlanItem, Verification
from core.domain.money import Money
from core.domain.payment import OpenedCheckout, PaymentFacts
from core.domain.payment_method import Billing
from core.domain.plan import GatewayName, NoWayToPay, PlanNotForSale
from core.domain.purchase import (
    Purchase,
    PurchaseId,
    PurchaseNotFound,
    PurchaseStatus,
)
from core.domain.subscription import Standing
from core.domain.switch import gateway_switch
from core.ports.payment_gateway import (
    CheckoutDeclined,
    Gateways,
    GatewayUnavailable,
    PaymentGateway,
)
from core.ports.unit_of_work import NewId, Now, Store, UnitOfWork, View
from core.use_cases.customers import standing_of
from core.use_cases.settling import Settlement, book

STARS: Final = GatewayName("telegram_stars")
TELEGRAM_PAYMENTS: Final = GatewayName("telegram_payments")
PAID_IN_A_CHAT: Final = frozenset({STARS, TELEGRAM_PAYMENTS})

OPENING_LEASE: Final = timedelta(seconds=30)
"""After this long without an answer the watcher takes an opening up again."""

KEY_MARGIN: Final = timedelta(hours=1)
"""A key is not used again in the last hour of the provider's memory."""

SECOND: Final = timedelta(seconds=1)

LOOKS_BEFORE_LAPSE: Final = 3
"""A provider may not know a payment for moments after opening it; then it never had it."""


@dataclass(eq=False)
class ReceiptContactMissing(Refused):
    """The law asks for a receipt: give an e-mail address or a telephone number first."""

    item: str


@dataclass(eq=False)
class NoGatewayTakes(Refused):
    """No gateway that is offered takes this amount in this currency; choose another amount or way."""

    gateway: str | None


@dataclass(frozen=True, slots=True)
class Started:
    """A purchase and its latest attempt to be paid; None where none was made yet."""

    purchase: Purchase
    checkout: Checkout | None

    def title(self, language: str) -> str:
        """What was bought, as the bill calls it."""
        ware, checkout = self.purchase.ware, self.checkout
        if ware is not None:
            return ware.terms.title(language)
        return (
            self.purchase.item.key.partition(" ")[0] if checkout is None else checkout.description
        )


@dataclass(frozen=True, slots=True)
class Terms:
    """
    How a purchase is to be paid: at that gateway (None: at any, the first that can be had), and
    where the payer returns to. `in_telegram`: inside Telegram, see `offered_at`.
    """

    return_url: str
    gateway: str | None = None
    in_telegram: bool = False


class Opening:
    """
    The steps that every opening of a checkout takes: freeze the request in a unit, ask the
    gateway outside any unit, write down what it said. Each may be repeated by anyone.
    """

    def __init__(self, store: Store, gateways: Gateways, now: Now, new_id: NewId) -> None:
        self._store = store
        self._gateways = gateways
        self._now = now
        self._new_id = new_id

    async def checkout_for(
        self,
        uow: UnitOfWork,
        purchase: Purchase,
        standing: Standing,
        terms: Terms,
        *,
        failed: Collection[GatewayName] = (),
    ) -> Checkout:
        """
        The checkout to carry on with: one that can still be paid or asked for, else a new one; at
        none of the gateways that `failed` just now.
        """
        now = self._now()
        off = {*await uow.switches.off(), *map(gateway_switch, failed)}
        offered = offered_at(standing, self._gateways, off, in_telegram=terms.in_telegram)
        usable = [one.name for one in offered if terms.gateway in {None, one.name}]
        for known in reversed(await uow.checkouts.of_purchases([purchase.id])):
            if known.gateway not in usable:
                continue
            if known.can_be_paid_at(now) or self._may_ask_again(known):
                return known
            is_asked = known.status is CheckoutStatus.ASKED
            if is_asked and now < known.asked_at + OPENING_LEASE:
                # Its gateway honours no keys: whoever asks meanwhile would open a second one.
                raise StillRunning(-((now - known.asked_at - OPENING_LEASE) // SECOND))
        prices = (purchase.amount,)
        chosen, _ = offer(standing.catalog, purchase.item, offered, terms.gateway, prices=prices)
        id_ = CheckoutId(self._new_id("chk"))
        billing = await _billing(uow, purchase.item)
        asked = frozen(
            id_, purchase, standing, chosen.name, billing, return_url=terms.return_url, at=now
        )
        saves = isinstance(purchase.item, Verification) and chosen.abilities.charges_saved
        if purchase.plan is not None and chosen.abilities.subscribes:
            may_subscribe = standing.may_subscribe(purchase.plan, purchase.amount, now)
            saves = may_subscribe and purchase.reduction is None  # Else it would stay so for ever.
        checkout = replace(asked, saves_method=saves)
        await uow.checkouts.add(checkout)
        return checkout

    async def carry_on(
        self, checkout: Checkout, cause: Cause | None, terms: Terms | None = None
    ) -> Started:
        """
        Ask the gateway if nobody has an answer yet, write it down, and answer the cause.

        Where the terms name no gateway, one that fails is followed by the next, each once, by a
        new checkout of the same purchase. Nothing can have been charged meanwhile: nobody has the
        address of what may have been opened without an answer.

        Raises:
            CheckoutDeclined, GatewayUnavailable: the first of them; each is written down.
        """
        failed: dict[GatewayName, CheckoutDeclined | GatewayUnavailable] = {}
        while True:
            try:
                opened = checkout.opened or await self._open(checkout)
                break
            except (CheckoutDeclined, GatewayUnavailable) as failure:
                failed[checkout.gateway] = failure
                following = await self._write_down(checkout, failure, cause, terms, failed)
                if following is None:
                    raise next(iter(failed.values())) from None
                checkout = following
        async with self._store.write() as uow:
            now = self._now()
            await uow.customers.lock(checkout.customer_id)
            present = await uow.checkouts.get(checkout.id)
            open_ = present.becomes_open(opened, at=now) if present.is_unopened else present
            if open_ != present:
                await uow.checkouts.save(open_)
            purchase = await uow.purchases.get(checkout.purchase_id)
            taken = None if cause is None else await uow.claims.find(cause)
            if taken is not None and taken.answer is None:
                await uow.claims.save(taken.answered(answer_of(purchase, checkout)))
            await uow.commit()
        return Started(purchase, open_)

    async def _open(self, checkout: Checkout) -> OpenedCheckout:
        """With the billing data as its method has them: they never change, so nor does the request."""
        async with self._store.read() as view:
            purchase = await view.purchases.get(checkout.purchase_id)
            billing = await _billing(view, purchase.item)
        return await self._gateways.get(checkout.gateway).open_checkout(checkout, billing)

    def _may_ask_again(self, checkout: Checkout) -> bool:
        if checkout.is_charge:
            return False
        memory = self._gateways.get(checkout.gateway).abilities.key_memory
        return checkout.is_unopened and self._now() < checkout.asked_at + memory - KEY_MARGIN

    async def _write_down(
        self,
        checkout: Checkout,
        failure: CheckoutDeclined | GatewayUnavailable,
        cause: Cause | None,
        terms: Terms | None,
        failed: Collection[GatewayName],
    ) -> Checkout | None:
        """
        No address: note why, and in the same unit which checkout follows, so that a death right
        after it is continued there. None follows: the caller may repeat at once.
        """
        async with self._store.write() as uow:
            now = self._now()
            await uow.customers.lock(checkout.customer_id)
            present = await uow.checkouts.get(checkout.id)
            if present.is_unopened:
                is_no = isinstance(failure, CheckoutDeclined)
                ended = present.becomes_declined() if is_no else present.becomes_unknown(at=now)
                await uow.checkouts.save(ended)
            following = await self._following(uow, present, terms, failed)
            taken = None if cause is None else await uow.claims.find(cause)
            if taken is not None and taken.answer is None:
                held = taken.let_go(at=now) if following is None else taken.held_on(at=now)
                if following is not None and taken.subject == checkout.id:
                    held = replace(held, subject=following.id)
                await uow.claims.save(held)
            await uow.commit()
        return following

    async def _following(
        self,
        uow: UnitOfWork,
        checkout: Checkout,
        terms: Terms | None,
        failed: Collection[GatewayName],
    ) -> Checkout | None:
        """
        What to go on with after one failed. Nothing where the gateway was named, as it is for the
        check of a payment method, whose gateway is the method's own.
        """
        if terms is None or terms.gateway is not None:
            return None
        if checkout.can_be_paid_at(self._now()):
            return checkout  # Somebody else was answered meanwhile.
        purchase = await uow.purchases.get(checkout.purchase_id)
        if not purchase.is_pending or isinstance(purchase.item, Verification):
            return None
        standing = await standing_of(uow, purchase.customer_id)
        try:
            return await self.checkout_for(uow, purchase, standing, terms, failed=failed)
        except (Refused, StillRunning):  # No other takes it, or somebody else is asking there.
            return None

    async def watch(self, checkout: Checkout, purchase: Purchase) -> None:
        """
        See to a checkout that has been silent: open it if nobody has its address and the same
        key is still safe, otherwise ask the gateway what became of it. A charge is only asked
        about, and given up only when the gateway said several times that it knows of none.
        """
        async with self._store.read() as view:
            is_off = gateway_switch(checkout.gateway) in await view.switches.off()
        if purchase.is_pending and self._may_ask_again(checkout) and not is_off:
            await self.carry_on(checkout, cause=None)
            return
        gateway = self._gateways.get(checkout.gateway)
        opened = checkout.opened
        if opened and opened.expires_at is not None and opened.expires_at <= self._now():
            # Some providers keep it payable for ever unless they are told.
            await gateway.close_checkout(opened.payment_id)
        facts = await ask(gateway, checkout)
        known = None if facts is None else await book(self._store, facts, self._now)
        if known not in {None, Settlement.FOREIGN}:
            return
        async with self._store.write() as uow:
            now = self._now()
            await uow.customers.lock(checkout.customer_id)
            present = await uow.checkouts.get(checkout.id)
            if present.is_settling:
                gone = present.looked >= LOOKS_BEFORE_LAPSE
                gone = gone or (present.is_unopened and not present.is_charge)
                await uow.checkouts.save(present.lapses() if gone else present.looked_at(at=now))
                await uow.commit()


class WatchCheckout:
    """
    Look after one checkout: finish an opening that died, find a payment whose webhook was lost.
    What the gateway refuses or does not answer is written down; the next look is planned by it.
    """

    def __init__(self, store: Store, gateways: Gateways, now: Now, new_id: NewId) -> None:
        self._store = store
        self._opening = Opening(store, gateways, now, new_id)

    async def __call__(self, checkout_id: CheckoutId) -> None:
        """
        Raises:
            GatewayUnavailable: try again later.
        """
        async with self._store.read() as view:
            checkout = await view.checkouts.get(checkout_id)
            purchase = await view.purchases.get(checkout.purchase_id)
        if not checkout.is_settling:
            return
        try:
            await self._opening.watch(checkout, purchase)
        except CheckoutDeclined:
            return  # Written down; the customer sees it and may pay another way.


def frozen(
    id_: CheckoutId,
    purchase: Purchase,
    standing: Standing,
    gateway: GatewayName,
    billing: Billing | None,
    *,
    return_url: str,
    at: datetime,
) -> Checkout:
    """
    All that the gateway's request is built from, as it is now. `billing` is of the payment method
    that is proven or charged.

    Raises:
        ReceiptContactMissing
    """
    return Checkout(
        id=id_,
        purchase_id=purchase.id,
        customer_id=purchase.customer_id,
        gateway=gateway,
        amount=purchase.amount,
        description=standing.catalog.title(purchase.item, standing.customer.language)[:128],
        return_url=return_url,
        language=standing.customer.language,
        receipt=_receipt(purchase.item, standing, billing),
        asked_at=at,
        due_at=at + OPENING_LEASE,
    )


async def ask(gateway: PaymentGateway, checkout: Checkout) -> PaymentFacts | None:
    """What the gateway says of this checkout now, by whichever id it has."""
    if checkout.payment_id is not None:
        return await gateway.find_payment(checkout.payment_id)
    return await gateway.find_checkout(checkout)


async def owned(
    uow: UnitOfWork | View, customer_id: CustomerId, purchase_id: PurchaseId
) -> Purchase:
    """
    Raises:
        PurchaseNotFound: unknown and somebody else's look alike.
    """
    purchase = await uow.purchases.get(purchase_id)
    if purchase.customer_id != customer_id:
        raise PurchaseNotFound(purchase_id)
    return purchase


def answer_of(purchase: Purchase, checkout: Checkout | None) -> str:
    """What the claim keeps of an answer, for `as_answered`."""
    return f"{purchase.status} {purchase.id if checkout is None else checkout.id}"


async def as_answered(uow: UnitOfWork, taken: Claim) -> Started:
    """The answer that was given to this cause, as it was, whatever happened since."""
    assert taken.answer is not None
    status, _, told = taken.answer.partition(" ")
    checkout = None
    if told.startswith("chk_"):
        checkout = await uow.checkouts.get(CheckoutId(told))
    purchase_id = PurchaseId(told) if checkout is None else checkout.purchase_id
    purchase = await uow.purchases.get(purchase_id)
    if status == PurchaseStatus.PENDING and checkout is not None:
        purchase = replace(purchase, status=PurchaseStatus.PENDING, ended_at=None, remark=None)
        checkout = replace(checkout, status=CheckoutStatus.OPEN)
    return Started(purchase, checkout)


def offered_at(
    standing: Standing, gateways: Gateways, off: Collection[str], *, in_telegram: bool
) -> Gateways:
    """
    The gateways that may be offered there, but for those whose switches are `off`. Inside Telegram
    digital goods are for Stars by its own rules, so any other gateway needs the operator's word.
    What is paid in a chat is offered to whom Telegram knows: nobody else can pay it (see
    `AllowPayment`).
    """
    may_be_any = not in_telegram or standing.catalog.chat.other_gateways
    has_a_chat = standing.customer.telegram_id is not None
    return Gateways(
        *(
            one
            for one in gateways
            if gateway_switch(one.name) not in off
            if (may_be_any or one.name == STARS) and (has_a_chat or one.name not in PAID_IN_A_CHAT)
        )
    )


def offer(
    catalog: Catalog,
    item: Item,
    gateways: Gateways,
    gateway: str | None,
    *,
    prices: Collection[Money],
) -> tuple[PaymentGateway, Money]:
    """
    Which gateway would take which price: the one asked for, else the first in the operator's
    order that the item allows and that takes one of them; those that are down come last. Of
    several prices it takes the first of the catalog's, but rather one in coins of its own.

    Raises:
        GatewayNotFound
        PlanNotForSale, NoGatewayTakes: of a plan, or of anything else.
        NoWayToPay: a plan that has a price, and none of those that take it is offered.
    """
    allowed = allowed_gateways(item, catalog)
    for one in by_preference(gateways) if gateway is None else [gateways.get(gateway)]:
        if allowed and one.name not in allowed:
            continue
        taken = [price for price in prices if one.abilities.takes(price)]
        if taken:
            in_coins = (price for price in taken if price.currency.code in one.abilities.coins)
            return one, next(in_coins, taken[0])
    if isinstance(item, PlanItem):
        is_offered = any(not allowed or one.name in allowed for one in gateways)
        if prices and not is_offered:
            raise NoWayToPay(item.plan.code)
        raise PlanNotForSale(item.plan.code)
    raise NoGatewayTakes(gateway)


def by_preference(gateways: Gateways) -> list[PaymentGateway]:
    """In the operator's order, but those that are down last."""
    return sorted(gateways, key=lambda one: one.is_down)


def allowed_gateways(item: Item, catalog: Catalog) -> Collection[GatewayName]:
    """Those that the catalog allows for it; none named: every one."""
    match item:
        case PlanItem() | PackItem():
            return item.terms.gateways
        case Deposit():
            return catalog.money.deposit.gateways
        case _:
            return ()


async def _billing(uow: UnitOfWork | View, item: Item) -> Billing | None:
    """Of the payment method that is proven by it."""
    if not isinstance(item, Verification):
        return None
    return (await uow.methods.get(item.method_id)).billing


def _receipt(item: Item, standing: Standing, billing: Billing | None) -> Receipt | None:
    """To the customer's contact, else to whom the method names, else to the operator's."""
    money = standing.catalog.money
    match item:
        case PlanItem() | PackItem():
            rule = item.terms.receipt
        case Deposit():
            rule = money.deposit.receipt
        case Verification():
            rule = money.verification.receipt
        case EscrowShare():
            rule = money.escrow.receipt
    if rule is None:
        return None
    named = None if billing is None else billing.email
    contact = standing.customer.receipt_contact or named or rule.fallback_contact
    if contact is None:
        raise ReceiptContactMissing(item.key.partition(" ")[0])
    return Receipt(contact, standing.catalog.title(item, "ru")[:128], rule)
