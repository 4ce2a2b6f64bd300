"""What is on offer, and by which ways it can be paid: known before anybody is offered a way."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from core.domain.catalog import Catalog
from core.domain.customer import CustomerId
from core.domain.item import Deposit, Ware
from core.domain.money import Money
from core.domain.plan import GatewayName
from core.domain.switch import gateway_switch
from core.ports.payment_gateway import FeeRule, Gateways
from core.ports.unit_of_work import Store
from core.use_cases.checkouts import allowed_gateways, by_preference, offered_at


@dataclass(frozen=True, slots=True)
class Way:
    """
    A gateway in one currency: the smallest and the largest payment, and what it is expected to
    keep of one (None: not known before). The business bears the fee. `is_down`: nothing can be
    opened there just now, or it is switched off.
    """

    gateway: GatewayName
    least: Money
    most: Money
    fee: FeeRule | None
    is_down: bool

    def takes(self, amount: Money) -> bool:
        return self.least.currency == amount.currency and self.least <= amount <= self.most

    def takes_any(self, least: Money, most: Money) -> bool:
        """Whether it takes anything between these two."""
        same = self.least.currency == least.currency
        return same and self.least <= most and least <= self.most


@dataclass(frozen=True, slots=True)
class Offer:
    """The catalog in force, and the ways to pay, see `by_preference`."""

    catalog: Catalog
    ways: tuple[Way, ...]

    def of_ware(self, ware: Ware) -> list[GatewayName]:
        """Who takes one of its prices. Inside Telegram it may be fewer, see `offered_at`."""
        allowed = self._allowed(allowed_gateways(ware, self.catalog))
        return _names(way for way in allowed if any(map(way.takes, ware.terms.prices)))

    def of_deposit(self, least: Money, most: Money) -> list[GatewayName]:
        """Who takes a deposit between these two."""
        allowed = self._allowed(allowed_gateways(Deposit(), self.catalog))
        return _names(way for way in allowed if way.takes_any(least, most))

    def _allowed(self, gateways: Collection[GatewayName]) -> list[Way]:
        return [way for way in self.ways if not gateways or way.gateway in gateways]


def _names(ways: Iterable[Way]) -> list[GatewayName]:
    return list(dict.fromkeys(way.gateway for way in ways))


class ShowOffer:
    """What anybody may know of the business: plans, deposits, ways to pay."""

    def __init__(self, store: Store, gateways: Gateways) -> None:
        self._store = store
        self._gateways = gateways

    async def __call__(self) -> Offer:
        """
        Raises:
            CatalogMissing
        """
        async with self._store.read() as view:
            catalog = await view.catalogs.current()
            off = await view.switches.off()
        ways = (
            Way(
                one.name,
                least,
                most,
                one.abilities.fees.get(code),
                one.is_down or gateway_switch(one.name) in off,
            )
            for one in by_preference(self._gateways)
            for code, (least, most) in one.abilities.bounds.items()
        )
        return Offer(catalog, tuple(ways))

    async def deposits(self, customer_id: CustomerId, *, in_telegram: bool = False) -> list[Way]:
        """
        By which ways this customer can put money into the wallet, by the catalog's currencies and
        then by preference, each within the catalog's bounds and its gateway's. `in_telegram`:
        inside Telegram, see `offered_at`.

        Raises:
            CustomerNotFound
        """
        async with self._store.read() as view:
            standing = (await view.overview(customer_id)).standing
            off = await view.switches.off()
        terms = standing.catalog.money.deposit
        return [
            Way(
                one.name,
                max(least, lowest),
                min(most, highest),
                one.abilities.fees.get(code),
                one.is_down,
            )
            for least, most in terms.bounds
            for one in by_preference(
                offered_at(standing, self._gateways, off, in_telegram=in_telegram)
            )
            if not terms.gateways or one.name in terms.gateways
            for code, (lowest, highest) in one.abilities.bounds.items()
            if code == least.currency.code and lowest <= most and least <= highest
        ]
