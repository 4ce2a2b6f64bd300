"""Somebody of a forecast: comes, tries, buys, uses, renews or leaves, by the real use cases."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from core.domain import ledger
from core.domain.audit import Deed
from core.domain.catalog import Catalog
from core.domain.cause import Cause
from core.domain.customer import CustomerId, identity
from core.domain.item import PaymentMethodId
from core.domain.money import Currency, Money
from core.domain.payment_method import Billing as BillingData
from core.domain.payout import PayoutAccount
from core.domain.plan import PlanVersion
from core.domain.purchase import Purchase
from core.domain.referral_program import Door, Invitation, code_of
from core.domain.renewal import FROM_WALLET
from core.domain.subscription import PaidPeriod
from core.use_cases.billing import Billing
from core.use_cases.buying import WALLET
from core.use_cases.checkouts import Started, Terms
from core.use_cases.quotas import Ask
from core.use_cases.wallet import WalletTooLow
from simulation import habits
from simulation.habits import DAY, HOUR, Assumptions, Chance
from simulation.till import Till

RETURN_URL: Final = "https://shop.example.com/"
CARD: Final = PayoutAccount("bank_card", "2200000000000004", "ANNA")
PAYER: Final = BillingData("Anna", "anna@example.com", "+79990000000")
AS_ASKED: Final = Deed("cashier", "asked for it")
DECIDES: Final = 2 * DAY
"""So long before a renewal by itself somebody thinks of it."""


class Street(Protocol):
    """Where patrons live."""

    billing: Billing
    assumed: Assumptions
    catalog: Catalog
    tills: dict[str, Till]
    come: list["Patron"]
    uses: list[tuple[datetime, bool]]

    def now(self) -> datetime: ...

    def at(self, when: datetime, act: Callable[[], Awaitable[None]]) -> None: ...

    def after(self, wait: timedelta, act: Callable[[], Awaitable[None]]) -> None: ...

    def holds(self, account: ledger.Account, unit: Currency) -> int: ...

    def period(self, customer_id: CustomerId) -> PaidPeriod | None: ...


@dataclass(frozen=True, slots=True)
class Way:
    """What somebody settled for: a plan, where it is paid, and from what it renews by itself."""

    plan: PlanVersion
    gateway: str
    price: Money
    source: str | None = None


class Patron:
    """One customer and the one that pays."""

    id: CustomerId

    def __init__(self, street: Street, number: int) -> None:
        self._street = street
        self._billing = street.billing
        self._assumed = street.assumed
        self._number = number
        self._chance = Chance(street.assumed.seed, f"patron {number}")
        self._keys = 0
        self._way: Way | None = None
        self._is_gone = False
        self._thought_of: datetime | None = None
        """The end for which it is decided already what follows."""

    async def comes(self) -> None:
        chance, catalog = self._chance, self._street.catalog
        older = self._street.come
        invitation = None
        if catalog.money.referral.is_offered and older and chance.happens(self._assumed.referred):
            invitation = Invitation(code_of(chance.any_of(older).id), Door.BOT)
        customer = await self._billing.register_customer(
            identity(f"telegram:{1_000 + self._number}"),
            receipt_contact="somebody@example.com",
            invitation=invitation,
        )
        self.id = customer.id
        older.append(self)
        wait = chance.within(habits.THINKS)
        if catalog.trial is not None and chance.happens(self._assumed.tries):
            self._street.after(wait, self._tries)
        elif chance.happens(self._assumed.buys):
            self._street.after(wait, self._buys)
        if self._assumed.uses and catalog.features:
            self._street.after(self._pause(), self._uses)
        self._street.after(habits.STAYS_UNPAID, self._loses_interest)

    async def _tries(self) -> None:
        await self._billing.start_trial(self.id)
        period = self._street.period(self.id)
        assert period is not None
        if self._chance.happens(self._assumed.converts):
            self._street.at(period.end - self._chance.within((HOUR, DAY)), self._buys)

    async def _loses_interest(self) -> None:
        self._is_gone = self._is_gone or self._way is None

    # What is counted.

    async def _uses(self) -> None:
        if self._is_gone:
            return
        feature = self._chance.any_of(sorted(self._street.catalog.features))
        self._keys += 1
        ask = Ask(self.id, feature, 1, f"use-{self._keys}")
        told = await self._billing.consume_quota(ask)
        self._street.uses.append((self._street.now(), told.allowed))
        self._street.after(self._pause(), self._uses)

    def _pause(self) -> timedelta:
        often = self._assumed.uses * len(self._street.catalog.features)
        return self._chance.around(30 * DAY / often)

    # What is bought.

    async def _buys(self) -> None:
        """For the first time: a plan, and how it is to go on."""
        way = self._chooses()
        if way is None:
            return
        self._way, self._is_gone = way, False  # A long trial outlasts the interest of most.
        if way.source == FROM_WALLET:
            await self._deposits(way.price)
        elif way.source is not None:
            await self._keeps_card(way)
        else:
            await self._pays_for(way, way.gateway)

    def _chooses(self) -> Way | None:
        chance, money = self._chance, self._street.catalog.money
        plans = [one for one in self._street.catalog.plans.values() if one.terms.prices]
        if not plans:
            return None
        plan = chance.favorite(plans)
        ways = [
            Way(plan, name, price)
            for name in plan.terms.gateways or self._street.tills
            if (price := self._price_at(plan, name)) is not None
        ]
        if not ways:
            return None
        way = chance.favorite(ways)
        if chance.happens(self._assumed.automatic):
            takes = self._street.tills[way.gateway].abilities
            proves = {one.currency for one in money.verification.amounts}
            if way.price.currency in proves and takes.charges_saved:
                return Way(plan, way.gateway, way.price, source="card")
            if self._deposit_of(way.price) is not None:
                return Way(plan, way.gateway, way.price, source=FROM_WALLET)
        return way

    def _price_at(self, plan: PlanVersion, gateway: str) -> Money | None:
        takes = self._street.tills[gateway].abilities.takes
        return next((price for price in plan.terms.prices if takes(price)), None)

    async def _pays_for(self, way: Way, gateway: str) -> None:
        self._keys += 1
        cause = Cause(f"patron {self.id}", f"buy-{self._keys}", gateway)
        try:
            started = await self._billing.start_purchase(
                self.id, way.plan.code, return_url=RETURN_URL, cause=cause, gateway=gateway
            )
        except WalletTooLow:  # Some of it was owed, for a reward that had gone back.
            await self._leaves()
            return
        if gateway == WALLET:
            await self._has_paid(started.purchase)
        else:
            self._goes_to_pay(started, self._has_paid)

    def _goes_to_pay(
        self, started: Started, then: Callable[[Purchase], Awaitable[None]], *, tries: int = 2
    ) -> None:
        """At the checkout page; whoever is declined comes back once, or does not."""
        checkout = started.checkout
        assert checkout is not None, "nobody settles for a way that nothing can be paid by"
        assert checkout.payment_id is not None
        till, payment_id = self._street.tills[checkout.gateway], checkout.payment_id

        async def pays() -> None:
            if tries > 1 and self._chance.happens(self._assumed.declined):
                await self._billing.take_in_webhook(till.name, till.decline(payment_id))
                if self._chance.happens(habits.WHOLE // 2):
                    wait = self._chance.within(habits.TRIES_AGAIN)
                    self._street.after(wait, comes_back)
                else:
                    await self._leaves()
                return
            await self._billing.take_in_webhook(till.name, till.pay(payment_id))
            self._street.after(HOUR, lambda: then(started.purchase))

        async def comes_back() -> None:
            self._keys += 1
            cause = Cause(f"patron {self.id}", f"again-{self._keys}", till.name)
            again = await self._billing.add_checkout(
                self.id,
                started.purchase.id,
                return_url=RETURN_URL,
                cause=cause,
                gateway=till.name,
            )
            self._goes_to_pay(again, then, tries=tries - 1)

        self._street.after(self._chance.within(habits.PAYS), pays)

    async def _has_paid(self, purchase: Purchase) -> None:
        """It was settled meanwhile: an hour has passed."""
        way = self._way
        assert way is not None
        if self._chance.happens(self._assumed.refunded):
            wait = self._chance.within(habits.ASKS_BACK)
            self._street.after(wait, lambda: self._wants_it_back(purchase))
            return
        if way.source is not None and self._street.period(self.id) is not None:
            await self._billing.change_subscription.renew_from(self.id, way.source)
        await self._thinks_of_the_end()

    async def _wants_it_back(self, purchase: Purchase) -> None:
        self._keys += 1
        cause = Cause("cashier", f"{self.id} {self._keys}", "refund")
        await self._billing.refund_purchase(purchase.id, deed=AS_ASKED, cause=cause)
        await self._leaves()

    async def _leaves(self) -> None:
        self._is_gone = True
        period = self._street.period(self.id)
        if self._way is not None and self._way.source is not None and period is not None:
            await self._billing.change_subscription.cancel(self.id)

    # How it goes on.

    async def _thinks_of_the_end(self) -> None:
        way, period = self._way, self._street.period(self.id)
        assert way is not None
        if period is None:  # It is over, whyever: whoever is not served any more is gone.
            self._is_gone = True
            return
        if period.end == self._thought_of:
            return
        self._thought_of = period.end
        if way.source is not None:
            self._street.at(period.end - DECIDES, self._lets_it_renew)
        elif self._chance.happens(self._assumed.leaves):
            self._street.at(period.end, self._leaves)
        elif self._chance.happens(self._assumed.late):
            self._street.at(period.end + self._chance.within(habits.LATE), self._renews)
        else:
            self._street.at(period.end - self._chance.within(habits.IN_TIME), self._renews)

    async def _renews(self) -> None:
        """By hand: from the wallet where rewards have filled it, else as before."""
        way = self._way
        assert way is not None
        has_enough = self._held(way.price.currency) >= way.price.amount_minor
        await self._pays_for(way, WALLET if has_enough else way.gateway)

    def _held(self, unit: Currency) -> int:
        own = (ledger.cash(self.id), ledger.bonus(self.id))
        return sum(self._street.holds(account, unit) for account in own)

    async def _lets_it_renew(self) -> None:
        """Decided before the first try: whoever stays sees to it that there is enough."""
        way, period = self._way, self._street.period(self.id)
        assert way is not None
        if period is None or self._chance.happens(self._assumed.leaves):
            await self._leaves()
            return
        patience = self._street.catalog.money.renewal.grace
        self._street.at(period.end + patience + 2 * HOUR, self._thinks_of_the_end)
        if way.source == FROM_WALLET:
            is_late = self._chance.happens(self._assumed.late)
            wait = self._chance.within((HOUR, DAY))
            self._street.after(wait + (DECIDES if is_late else timedelta()), self._fills_wallet)

    async def _fills_wallet(self) -> None:
        way = self._way
        assert way is not None
        await self._deposits(way.price)

    # What pays it.

    async def _deposits(self, price: Money) -> None:
        """What is missing, or the least that is taken."""
        amount = self._deposit_of(price)
        if amount is None or not amount.is_positive:
            await self._has_money()
            return
        self._keys += 1
        cause = Cause(f"patron {self.id}", f"deposit-{self._keys}", "deposit")
        terms = Terms(RETURN_URL, self._deposit_gateway(amount))
        started = await self._billing.start_deposit(self.id, amount, terms, cause=cause)
        self._goes_to_pay(started, lambda _: self._has_money())

    async def _has_money(self) -> None:
        """It buys the first time; what renews by itself is paid by its renewal."""
        way = self._way
        assert way is not None
        period = self._street.period(self.id)
        if not self._is_gone and (period is None or period.is_free):
            await self._pays_for(way, WALLET)

    def _deposit_of(self, price: Money) -> Money | None:
        """None: the wallet takes nothing of this currency, or not at any gateway."""
        terms = self._street.catalog.money.deposit
        bounds = terms.bounds_in(price.currency)
        if bounds is None:
            return None
        missing = price.amount_minor - self._held(price.currency)
        if missing <= 0:
            return price - price
        amount = max(Money(missing, price.currency), bounds[0])
        takes = self._deposit_gateway(amount) is not None and amount <= bounds[1]
        return amount if takes else None

    def _deposit_gateway(self, amount: Money) -> str | None:
        tills = self._street.tills
        named = self._street.catalog.money.deposit.gateways or tills
        return next((name for name in named if tills[name].abilities.takes(amount)), None)

    async def _keeps_card(self, way: Way) -> None:
        self._keys += 1
        cause = Cause(f"patron {self.id}", f"card-{self._keys}", "card")
        terms = Terms(RETURN_URL, way.gateway)
        method, started = await self._billing.add_payment_method(
            self.id, CARD, PAYER, terms, cause=cause
        )

        async def proven(method_id: PaymentMethodId) -> None:
            self._way = Way(way.plan, way.gateway, way.price, source=method_id)
            await self._pays_for(way, way.gateway)

        self._goes_to_pay(started, lambda _: proven(method.id))
