"""The fitness app on any store: the real use cases, the real pump, a gateway without money."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from dependency_injector import providers

from adapters.catalog_file import catalog_from_file
from adapters.gateways.memory import MemoryGateway
from adapters.jobs.pump import Pump
from adapters.jobs.work import ASIDE, work_of
from adapters.memory_notifier import MemoryNotifier, MemoryWebhooks
from adapters.provisioning.memory import MemoryProvisioner
from core.domain import ledger
from core.domain.audit import Deed
from core.domain.cause import Cause
from core.domain.customer import CustomerId, identity
from core.domain.money import Money, currency
from core.domain.money_terms import DepositTerms, MoneyTerms
from core.domain.payment import PaymentId
from core.domain.plan import Feature
from core.domain.purchase import PurchaseId
from core.domain.reminder_terms import ReminderTerms
from core.domain.usage_quota import HOLD_SECONDS, QuotaDecision
from core.ports.notifier import Notifier
from core.ports.payment_gateway import Gateways, PaymentGateway
from core.ports.unit_of_work import Now, Store
from core.use_cases.catalogs import WantedCatalog
from core.use_cases.checkouts import Started, Terms
from core.use_cases.customers import Account
from core.use_cases.giving_back import Refunded
from core.use_cases.quotas import Ask
from core.use_cases.settling import Settlement
from entrypoints.container import Container
from tests.builders import Clock, CountedIds

FITNESS = Path(__file__).parents[1] / "catalogs" / "fitness.toml"
RETURN = "https://shop.example.com/"


class World:
    """What a support person would do, in a word each."""

    def __init__(
        self,
        store: Store,
        notifier: Callable[[Now], Notifier] | None = None,
        *,
        more_gateways: Sequence[PaymentGateway] = (),
        clock: Clock | None = None,
        memory: str = "yookassa",
        webhooks: MemoryWebhooks | None = None,
    ) -> None:
        """
        `notifier` makes another than the one that only remembers what it was told. The memory
        gateway is the last to be offered, by the name of `memory`.
        """
        self.store = store
        self.clock = clock or Clock()
        self.gateway = MemoryGateway(memory, now=self.clock)
        self.gateways = Gateways(*more_gateways, self.gateway)
        self.notifier = MemoryNotifier()
        self.panel = MemoryProvisioner()
        self.webhooks = webhooks or MemoryWebhooks()
        self.ids = CountedIds()
        self.billing = Container(
            store=providers.Object(store),
            gateways=self.gateways,
            notifier=providers.Object(notifier(self.clock) if notifier else self.notifier),
            provisioner=providers.Object(self.panel),
            webhooks=providers.Object(self.webhooks),
            now=providers.Object(self.clock),
            new_id=providers.Object(self.ids),
        ).billing()
        self.pump = Pump(store, work_of(self.billing), self.clock, aside=ASIDE)
        self._requests = 0

    async def opens(self) -> "World":
        await self.billing.apply_catalog(self.wanted())
        return self

    def wanted(self) -> WantedCatalog:
        """The fitness app, which also takes deposits here, and lets people sleep."""
        wanted = catalog_from_file(FITNESS)
        wanted = replace(wanted, chat=replace(wanted.chat, reminders=ReminderTerms()))
        bounds = (Money.of(100, "RUB"), Money.of(100_000_00, "RUB"))
        return replace(wanted, money=MoneyTerms(deposit=DepositTerms(bounds=(bounds,))))

    async def lets_telegram_sell_for_stars_alone(self) -> None:
        """The operator takes back the word that other gateways are offered there."""
        wanted = catalog_from_file(FITNESS)
        terms = replace(wanted.chat, other_gateways=False)
        await self.billing.apply_catalog(replace(wanted, chat=terms))

    async def customer(self, ref: str = "telegram:1001") -> CustomerId:
        return (await self.billing.register_customer(identity(ref), language="ru")).id

    def cause(self, key: str | None = None, fingerprint: str = "same") -> Cause:
        self._requests += 1
        return Cause("test", key or f"key-{self._requests}", fingerprint)

    async def buys(
        self, who: CustomerId, plan: str = "PRO_MONTHLY", cause: Cause | None = None
    ) -> Started:
        return await self.billing.start_purchase(
            who, plan, return_url=RETURN, cause=cause or self.cause()
        )

    def pays(self, started: Started, amount: Money | None = None) -> PaymentId:
        """The payer pays; nobody has told us yet."""
        assert started.checkout is not None
        payment_id = started.checkout.payment_id
        assert payment_id is not None
        self.gateway.pay(payment_id, amount)
        return payment_id

    async def hears(self, payment_id: PaymentId, event: str = "payment.succeeded") -> None:
        """The gateway's webhook arrives and is worked off."""
        await self.billing.take_in_webhook("yookassa", self.gateway.webhook(payment_id, event))
        await self.pump.drain()

    async def hears_of_a_refusal(self, started: Started) -> None:
        """The payer tries, and is turned down."""
        assert started.checkout is not None
        payment_id = started.checkout.payment_id
        assert payment_id is not None
        self.gateway.cancel(payment_id)
        await self.hears(payment_id, "payment.canceled")

    async def pays_and_is_heard(self, started: Started) -> PaymentId:
        payment_id = self.pays(started)
        await self.hears(payment_id)
        return payment_id

    async def deposits(self, who: CustomerId, amount: Money) -> Started:
        """Opened, paid, and in the wallet."""
        started = await self.starts_deposit(who, amount)
        await self.pays_and_is_heard(started)
        return started

    async def starts_deposit(
        self, who: CustomerId, amount: Money, cause: Cause | None = None
    ) -> Started:
        return await self.billing.start_deposit(
            who, amount, Terms(RETURN), cause=cause or self.cause()
        )

    async def refunds(
        self,
        started: Started,
        amount: Money | None = None,
        cause: Cause | None = None,
        charge_id: str | None = None,
    ) -> Refunded:
        return await self.billing.refund_purchase(
            started.purchase.id,
            deed=Deed("ann", "asked for it"),
            cause=cause or self.cause(),
            amount=amount,
            charge_id=charge_id,
        )

    async def books(self, account: ledger.Account, code: str = "RUB") -> int:
        """What lies in an account: of a customer its balance, of the system its sum."""
        async with self.store.read() as view:
            if ledger.is_of_a_customer(account):
                owner = CustomerId(account.partition(":")[2])
                found = (await view.ledger.balances(owner)).get((account, currency(code)))
                return 0 if found is None else found.amount_minor
            return (await view.ledger.total(account, currency(code))).amount_minor

    async def settles(self, payment_id: PaymentId) -> Settlement:
        return await self.billing.settle_payment(self.gateway.name, payment_id)

    async def time_passes(self, **units: float) -> None:
        """Time moves; what is due is found and done."""
        self.clock.advance(timedelta(**units))
        await self.sweeps()

    async def sweeps(self) -> None:
        for _ in range(50):
            found = await self.billing.sweep()
            done = await self.pump.drain()
            if not found and not done:
                return

    async def me(self, who: CustomerId) -> Account:
        return await self.billing.show_account(who)

    async def plan(self, who: CustomerId) -> str:
        return (await self.me(who)).standing.plan(self.clock()).code

    async def cash(self, who: CustomerId) -> dict[str, int]:
        account = await self.me(who)
        return {m.currency.code: m.amount_minor for m in account.cash if m.amount_minor}

    async def uses(self, who: CustomerId, request_id: str, units: int = 1) -> QuotaDecision:
        return await self.billing.consume_quota(Ask(who, Feature("photo_ai"), units, request_id))

    async def holds(
        self, who: CustomerId, request_id: str, units: int = 1, *, seconds: int = HOLD_SECONDS
    ) -> QuotaDecision:
        ask = Ask(who, Feature("photo_ai"), units, request_id, hold_seconds=seconds)
        return await self.billing.consume_quota(ask)

    async def used(self, who: CustomerId) -> int:
        """Of the photos of this window."""
        return (await self.me(who)).quotas[0].used

    async def purchase(self, who: CustomerId, purchase_id: PurchaseId) -> Started:
        return await self.billing.show_purchases.one(who, purchase_id)

    async def cases(self) -> list[str]:
        async with self.store.read() as view:
            return [case.kind.value for case in await view.open_cases(limit=100)]
