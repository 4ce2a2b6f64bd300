"""A place that takes money for us: what we ask of it, and what it may answer."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from core.domain.checkout import Checkout
from core.domain.errors import Invalid, Refused, Unavailable
from core.domain.money import Money
from core.domain.payment import (
    Notice,
    OpenedCheckout,
    PaymentFacts,
    PaymentId,
    PayoutFacts,
    PayoutId,
    RefundFacts,
    RenewalFacts,
)
from core.domain.payment_method import Billing
from core.domain.payout import PayoutOrder
from core.domain.plan import GatewayName
from core.domain.refund import Refund


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
class RefundDeclined(Refused):
    """The payment provider refused to give this money back."""

    gateway: str
    reason: str


@dataclass(eq=False)
class RenewalDeclined(Refused):
    """The payment provider refused to change whether it charges by itself."""

    gateway: str
    reason: str


@dataclass(eq=False)
class PayoutNotFindable(Refused):
    """The payment provider cannot be asked about a payout of which it never told the id."""

    gateway: str


@dataclass(eq=False)
class PayoutDeclined(Refused):
    """The payment provider refused to send this money."""

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


class Refunding(StrEnum):
    """What a gateway can give back of a payment by itself."""

    NONE = "none"
    WHOLE = "whole"  # All of it, at once.
    PARTS = "parts"


@dataclass(frozen=True, slots=True)
class FeeRule:
    """What a gateway is expected to keep: so many hundredths of a percent, and a fixed sum."""

    basis_points: int
    fixed: Money

    def on(self, amount: Money) -> Money:
        """Rounded up: what is expected is never less than what comes."""
        share = -(-amount.amount_minor * self.basis_points // 10_000)
        return Money(share, amount.currency) + self.fixed


Bounds = Mapping[str, tuple[Money, Money]]
"""The smallest and the largest amount, by currency."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """
    What a gateway can do. `bounds` are of payments. `key_memory` is how long it remembers an
    idempotency key: asking again within it is safe. Zero: it honours none, so that whatever asks
    twice opens two. `payouts` are the bounds of payouts; empty: it makes none. `accounts` are the
    kinds of account that it can send to (empty: of any kind). `charges_saved`: a token that it
    gave can be charged later. `subscribes`: it can charge a plan again by itself. `lists`: it can be asked for all that happened since a time.
    `fees`: what it is expected to keep of a payment, by currency; no entry: not known before.
    `coins`: what it pays on as it came. A price in one of them needs no rate, so it is the first asked for.
    """

    bounds: Bounds
    key_memory: timedelta
    refunding: Refunding = Refunding.NONE
    payouts: Bounds = field(default_factory=dict)
    accounts: frozenset[str] = frozenset()
    charges_saved: bool = False
    subscribes: bool = False
    lists: bool = False
    fees: Mapping[str, FeeRule] = field(default_factory=dict)
    coins: frozenset[str] = frozenset()

    @property
    def currencies(self) -> frozenset[str]:
        return frozenset(self.bounds)

    def takes(self, amount: Money) -> bool:
        return _is_within(self.bounds, amount)

    def sends(self, amount: Money, kind: str) -> bool:
        """Whether it can pay this out to an account of this kind."""
        return _is_within(self.payouts, amount) and (not self.accounts or kind in self.accounts)


def _is_within(bounds: Bounds, amount: Money) -> bool:
    lowest_and_highest = bounds.get(amount.currency.code)
    if lowest_and_highest is None:
        return False
    lowest, highest = lowest_and_highest
    return lowest <= amount <= highest


class PaymentGateway(Protocol):
    """
    One adapter per provider, all tested by one suite.

    Every method that calls out raises GatewayUnavailable when nothing is known about the outcome,
    and must not be called while a unit of work is open. What `abilities` does not declare is
    never called.
    """

    @property
    def name(self) -> GatewayName: ...

    @property
    def abilities(self) -> Abilities: ...

    @property
    def is_down(self) -> bool:
        """Whether it is known that nothing can be opened there just now: others come first."""
        ...

    def trust_again(self) -> None:
        """A person says that it is well again, whatever was learned of it before."""
        ...

    async def open_checkout(
        self, checkout: Checkout, billing: Billing | None = None
    ) -> OpenedCheckout:
        """
        Ask for exactly `checkout.amount`. The checkout id is the provider's idempotency key and
        everything the request is built from is frozen in `checkout`, so a repeat within
        `abilities.key_memory` is the same request and opens nothing new. `billing` is of the
        payment method that it proves; a method's never changes. It is told where a request has a
        place for it.

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

    def proven(self, notice: Notice) -> PaymentFacts | None:
        """
        What a stored notice proves by itself, where the provider vouches for it and cannot be
        asked (Telegram). Pure. None: it proves nothing, ask.
        """
        ...

    def dispute_in(self, notice: Notice) -> RefundFacts | None:
        """
        The chargeback that a stored notice tells of, where the provider signs its notices and
        cannot be asked for disputes. Pure. It counts only beside `find_refunds`: by the same
        `refund_id` the provider, asked, calls the payment disputed. None: it is of no dispute.
        """
        ...

    def renewal_in(self, notice: Notice) -> RenewalFacts | None:
        """
        What a notice tells of the payer's word on a subscription that it charges by itself, which
        nobody can be asked about. Pure. None: it tells nothing of that.
        """
        ...

    async def find_payment(self, payment_id: PaymentId) -> PaymentFacts | None:
        """What the provider says now; None: it knows no such payment. An unknown status is never paid."""
        ...

    async def find_checkout(self, checkout: Checkout) -> PaymentFacts | None:
        """
        The payment that was opened for this checkout, if the provider knows one. For checkouts
        whose opening had no answer, at any age; asking opens nothing. A provider that cannot be
        asked by our id answers None: nobody has the address of what it may have opened.
        """
        ...

    async def close_checkout(self, payment_id: PaymentId) -> None:
        """
        See to it that this can no longer be paid, where the provider can. No promise: whoever
        needs to know asks afterwards. Closing what has ended changes nothing.
        """
        ...

    async def charge_saved(self, checkout: Checkout, token: str) -> PaymentFacts:
        """
        Charge the payer of a saved method now, nobody being there. The checkout id is the key, as
        for `open_checkout`. A refusal by the payer's bank is CANCELED, not an error.

        Raises:
            CheckoutDeclined: the provider will not try; the token is of no more use.
        """
        ...

    async def set_renewal(self, charge_id: str, payer: str, *, renews: bool) -> None:
        """
        Whether it goes on charging this payer by itself for what began with that charge. Saying
        the same again changes nothing; what the payer has stopped there stays so.

        Raises:
            RenewalDeclined: the provider answered, and will not.
        """
        ...

    async def refund(self, refund: Refund) -> RefundFacts:
        """
        Give back exactly `refund.amount` of its payment. `refund.id` is the key: asked again, it
        is the same refund, and no second one.

        Raises:
            RefundDeclined: the provider answered, and will not.
        """
        ...

    async def find_refunds(self, payment_id: PaymentId) -> list[RefundFacts]:
        """All refunds of a payment that the provider knows, whoever made them; disputes too."""
        ...

    async def pay_out(self, order: PayoutOrder) -> PayoutFacts:
        """
        Send exactly `order.amount`. `order.id` is the key: asked again, it is the same payout, and
        no second one.

        Raises:
            PayoutDeclined: the provider answered, and sent nothing.
        """
        ...

    async def find_payout(
        self, order: PayoutOrder, payout_id: PayoutId | None
    ) -> PayoutFacts | None:
        """
        What became of it, by the provider's id where it named one, else by our key. None: the
        provider has never heard of it, which is said only where it could not have been missed.

        Raises:
            GatewayUnavailable
            PayoutNotFindable: it has no id, and this provider finds none by our key.
        """
        ...

    def since(self, since: datetime) -> AsyncIterator[PaymentFacts | RefundFacts | PayoutFacts]:
        """Everything that was made since then, page by page, each kind in the provider's order."""
        ...


class TakesPayments:
    """What a gateway need not write that only takes payments: the rest of the port, undeclared."""

    @property
    def is_down(self) -> bool:
        return False

    def trust_again(self) -> None:
        """Nothing is held against it."""

    def proven(self, notice: Notice) -> PaymentFacts | None:  # noqa: ARG002
        return None

    def dispute_in(self, notice: Notice) -> RefundFacts | None:  # noqa: ARG002
        return None

    def renewal_in(self, notice: Notice) -> RenewalFacts | None:  # noqa: ARG002
        return None

    async def set_renewal(self, charge_id: str, payer: str, *, renews: bool) -> None:
        raise NotImplementedError

    async def close_checkout(self, payment_id: PaymentId) -> None:
        """It cannot be closed; it ends by itself."""

    async def charge_saved(self, checkout: Checkout, token: str) -> PaymentFacts:
        raise NotImplementedError

    async def refund(self, refund: Refund) -> RefundFacts:
        raise NotImplementedError

    async def find_refunds(self, payment_id: PaymentId) -> list[RefundFacts]:  # noqa: ARG002
        return []

    async def pay_out(self, order: PayoutOrder) -> PayoutFacts:
        raise NotImplementedError

    async def find_payout(
        self, order: PayoutOrder, payout_id: PayoutId | None
    ) -> PayoutFacts | None:
        raise NotImplementedError

    def since(self, since: datetime) -> AsyncIterator[PaymentFacts | RefundFacts | PayoutFacts]:
        raise NotImplementedError


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
