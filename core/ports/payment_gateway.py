"""A place that takes money for us: what we ask of it, and what it may answer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from core.domain.checkout import Checkout
from core.domain.errors import Invalid, Refused, Unavailable
from core.domain.money import Money
from core.domain.payment import Notice, OpenedCheckout, PaymentFacts, PaymentId
from core.domain.plan import GatewayName


@dataclass(eq=False)
class GatewayUnavailable(Unavailable):
    """The payment provider did not answer; nothing is known about the outcome."""

    gateway: str
    retry_after_seconds: int = 5


@dataclass(eq=False)
class CheckoutDeclined(Refused):
    """The payment provider refused to take this payment."""

    gateway: str
    reason: str


@dataclass(eq=False)
class GatewayNotFound(Invalid):
    """No such payment gateway is switched on."""

    gateway: str


@dataclass(eq=False)
class SenderNotListed(Refused):
    """The webhook came from an address that is not the provider's."""


@dataclass(eq=False)
class WebhookNotTrusted(Refused):
    """The webhook's proof is missing or wrong."""


@dataclass(eq=False)
class WebhookNotReadable(Invalid):
    """The webhook is authentic, but it is not what the provider's documentation describes."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A request as it arrived. `sender` is the address after trusted proxies; None: unknown."""

    sender: str | None
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Abilities:
    """
    What a gateway can do. `bounds` has the smallest and the largest amount it takes, by currency.
    `key_memory` is how long it remembers an idempotency key: asking again within it is safe.
    """

    bounds: Mapping[str, tuple[Money, Money]]
    key_memory: timedelta

    @property
    def currencies(self) -> frozenset[str]:
        return frozenset(self.bounds)

    def takes(self, amount: Money) -> bool:
        bounds = self.bounds.get(amount.currency.code)
        return bounds is not None and bounds[0] <= amount <= bounds[1]


class PaymentGateway(Protocol):
    """
    One adapter per provider, all tested by one suite.

    Every method that calls out raises GatewayUnavailable when nothing is known about the outcome,
    and must not be called while a unit of work is open.
    """

    @property
    def name(self) -> GatewayName: ...

    @property
    def abilities(self) -> Abilities: ...

    async def open_checkout(self, checkout: Checkout) -> OpenedCheckout:
        """
        Ask for exactly `checkout.amount`. The checkout id is the provider's idempotency key and
        everything the request is built from is frozen in `checkout`, so a repeat within
        `abilities.key_memory` is the same request and opens nothing new.

        Raises:
            CheckoutDeclined: the provider answered, and said no.
        """
        ...

    def read_webhook(self, webhook: Webhook) -> Notice:
        """
        Prove who sent it, then say what it claims. Pure: no network, nothing stored.
        Where the provider does not sign, the notice is only a reason to ask (`find_payment`).

        Raises:
            SenderNotListed, WebhookNotTrusted: the proof failed; the body was not parsed.
            WebhookNotReadable: proven, and not a notification.
        """
        ...

    async def find_payment(self, payment_id: PaymentId) -> PaymentFacts | None:
        """What the provider says now; None: it knows no such payment. An unknown status is never paid."""
        ...

    async def find_checkout(self, checkout: Checkout) -> PaymentFacts | None:
        """
        The payment that was opened for this checkout, if the provider knows one. For checkouts
        whose opening had no answer, at any age; asking opens nothing.
        """
        ...


class Gateways:
    """The gateways that are switched on, in the operator's order of preference."""

    def __init__(self, *gateways: PaymentGateway) -> None:
        self._by_name = {gateway.name: gateway for gateway in gateways}

    def __iter__(self) -> Iterator[PaymentGateway]:
        return iter(self._by_name.values())

    def get(self, name: str) -> PaymentGateway:
        found = self._by_name.get(GatewayName(name))
        if found is None:
            raise GatewayNotFound(name[:64])
        return found
