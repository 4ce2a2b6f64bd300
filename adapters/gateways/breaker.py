"""Breakers: a gateway that does not answer is left alone for a while, operation by operation."""

from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import structlog

from core.domain.checkout import Checkout
from core.domain.errors import BillingError
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
from core.ports.payment_gateway import Abilities, GatewayUnavailable, PaymentGateway, Webhook
from core.ports.unit_of_work import Now

FAILURES_MAX: Final = 5
"""So many failures within FAILING open a breaker."""

FAILING: Final = timedelta(seconds=60)
RESTING: Final = timedelta(seconds=60)
"""For so long nothing is sent; then one call is let through to try."""

SECOND: Final = timedelta(seconds=1)

log = structlog.get_logger()


class Group(StrEnum):
    """What fails together. Enquiries stay apart: while they are down, customers may still buy."""

    OPENING = "opening"
    CLOSING = "closing"
    ENQUIRY = "enquiry"
    CHARGE = "charge"
    REFUND = "refund"
    PAYOUT = "payout"


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Told:
    """How a breaker stands. `failures` are those of the last FAILING, `since` is of the state."""

    state: BreakerState
    since: datetime
    failures: int


class Breaker:
    """
    Of one group of operations of one gateway, in this process alone.

    Only silence (GatewayUnavailable) is a failure; a refusal is an answer. What is neither, such
    as a caller who went away, says nothing of the gateway.
    """

    def __init__(self, gateway: GatewayName, group: Group, now: Now) -> None:
        self._gateway = gateway
        self._group = group
        self._now = now
        self._failed_at: deque[datetime] = deque(maxlen=FAILURES_MAX)
        self._opened_at: datetime | None = None
        self._since = now()
        self._is_trying = False
        self._round = 0
        """Of calls that began before the last change of state: what they end in is old news."""

    def told(self) -> Told:
        now = self._now()
        failures = sum(now - at <= FAILING for at in self._failed_at)
        if self._opened_at is None:
            return Told(BreakerState.CLOSED, self._since, failures)
        if self._rests_for() > timedelta():
            return Told(BreakerState.OPEN, self._opened_at, failures)
        return Told(BreakerState.HALF_OPEN, self._opened_at + RESTING, failures)

    @property
    def refuses(self) -> bool:
        """Whether a call would not be sent now."""
        return self._opened_at is not None and (self._is_trying or self._rests_for() > timedelta())

    @contextmanager
    def call(self) -> Iterator[None]:
        """
        Round one call.

        Raises:
            GatewayUnavailable: it is open, and the call must not be made.
        """
        began_in = self._admit()
        try:
            yield
        except GatewayUnavailable:
            self._failed(began_in)
            raise
        except BillingError:
            self._answered(began_in)
            raise
        except BaseException:
            self._says_nothing(began_in)
            raise
        else:
            self._answered(began_in)

    def close(self) -> None:
        """Believe in it again, and forget its failures."""
        self._failed_at.clear()
        self._opened_at = None
        self._moved()

    def _admit(self) -> int:
        if self._opened_at is not None:
            left = self._rests_for()
            if left > timedelta():
                # Rounded up: whoever comes back when told is never too early.
                raise GatewayUnavailable(self._gateway, -(-left // SECOND))
            if self._is_trying:
                raise GatewayUnavailable(self._gateway)
            self._is_trying = True
        return self._round

    def _answered(self, began_in: int) -> None:
        if began_in == self._round and self._opened_at is not None:
            self.close()
            log.info("breaker closed", gateway=self._gateway, group=self._group.value)

    def _failed(self, began_in: int) -> None:
        if began_in != self._round:
            return
        now, failed_at = self._now(), self._failed_at
        failed_at.append(now)
        if self._opened_at is None and (
            len(failed_at) < FAILURES_MAX or now - failed_at[0] > FAILING
        ):
            return
        self._opened_at = now
        self._moved()
        log.warning("breaker opened", gateway=self._gateway, group=self._group.value)

    def _says_nothing(self, began_in: int) -> None:
        if began_in == self._round:
            self._is_trying = False

    def _moved(self) -> None:
        self._since = self._now()
        self._is_trying = False
        self._round += 1

    def _rests_for(self) -> timedelta:
        """Nothing where the clock was put back: nobody is kept out for longer than is meant."""
        assert self._opened_at is not None
        passed = self._now() - self._opened_at
        return RESTING - passed if timedelta() <= passed < RESTING else timedelta()


class GuardedGateway:
    """
    A gateway with a breaker for each group of its operations. While one is open, what belongs to
    it raises GatewayUnavailable at once, with the seconds that are left, and nothing is sent.
    """

    def __init__(self, gateway: PaymentGateway, now: Now) -> None:
        self._gateway = gateway
        self.breakers: Mapping[Group, Breaker] = {
            group: Breaker(gateway.name, group, now) for group in Group
        }

    @property
    def name(self) -> GatewayName:
        return self._gateway.name

    @property
    def abilities(self) -> Abilities:
        return self._gateway.abilities

    @property
    def is_down(self) -> bool:
        return self.breakers[Group.OPENING].refuses

    def trust_again(self) -> None:
        for breaker in self.breakers.values():
            breaker.close()

    async def open_checkout(
        self, checkout: Checkout, billing: Billing | None = None
    ) -> OpenedCheckout:
        with self.breakers[Group.OPENING].call():
            return await self._gateway.open_checkout(checkout, billing)

    def read_webhook(self, webhook: Webhook) -> Notice:
        return self._gateway.read_webhook(webhook)

    def proven(self, notice: Notice) -> PaymentFacts | None:
        return self._gateway.proven(notice)

    def dispute_in(self, notice: Notice) -> RefundFacts | None:
        return self._gateway.dispute_in(notice)

    def renewal_in(self, notice: Notice) -> RenewalFacts | None:
        return self._gateway.renewal_in(notice)

    async def find_payment(self, payment_id: PaymentId) -> PaymentFacts | None:
        with self.breakers[Group.ENQUIRY].call():
            return await self._gateway.find_payment(payment_id)

    async def find_checkout(self, checkout: Checkout) -> PaymentFacts | None:
        with self.breakers[Group.ENQUIRY].call():
            return await self._gateway.find_checkout(checkout)

    async def close_checkout(self, payment_id: PaymentId) -> None:
        with self.breakers[Group.CLOSING].call():
            await self._gateway.close_checkout(payment_id)

    async def charge_saved(self, checkout: Checkout, token: str) -> PaymentFacts:
        with self.breakers[Group.CHARGE].call():
            return await self._gateway.charge_saved(checkout, token)

    async def set_renewal(self, charge_id: str, payer: str, *, renews: bool) -> None:
        with self.breakers[Group.CLOSING].call():
            await self._gateway.set_renewal(charge_id, payer, renews=renews)

    async def refund(self, refund: Refund) -> RefundFacts:
        with self.breakers[Group.REFUND].call():
            return await self._gateway.refund(refund)

    async def find_refunds(self, payment_id: PaymentId) -> list[RefundFacts]:
        with self.breakers[Group.ENQUIRY].call():
            return await self._gateway.find_refunds(payment_id)

    async def pay_out(self, order: PayoutOrder) -> PayoutFacts:
        with self.breakers[Group.PAYOUT].call():
            return await self._gateway.pay_out(order)

    async def find_payout(
        self, order: PayoutOrder, payout_id: PayoutId | None
    ) -> PayoutFacts | None:
        with self.breakers[Group.ENQUIRY].call():
            return await self._gateway.find_payout(order, payout_id)

    async def since(
        self, since: datetime
    ) -> AsyncIterator[PaymentFacts | RefundFacts | PayoutFacts]:
        found = self._gateway.since(since)
        while True:
            # One by one: what is done with each in between says nothing of the gateway.
            with self.breakers[Group.ENQUIRY].call():
                one = await anext(found, None)
            if one is None:
                return
            yield one
