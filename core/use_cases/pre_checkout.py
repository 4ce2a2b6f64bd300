"""Before the money: Telegram asks whether a payment is welcome, and waits ten seconds."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from core.domain.checkout import CheckoutStatus
from core.domain.customer import Identity
from core.domain.payment import PaymentId
from core.domain.plan import GatewayName
from core.domain.purchase import Purchase, PurchaseStatus
from core.ports.unit_of_work import Now, Store, View
from core.use_cases.checkouts import STARS, TELEGRAM_PAYMENTS

STARS_CURRENCY: Final = "XTR"


class Refusal(StrEnum):
    """Why a payment is not welcome; the payer is told, and nothing is taken."""

    UNKNOWN = "unknown"
    OTHER_PAYER = "other_payer"  # A forwarded invoice: what it buys is somebody else's.
    BLOCKED = "blocked"
    PAID = "paid"
    ENDED = "ended"
    OVER = "over"
    OTHER_SUM = "other_sum"
    SUBSCRIBED = "subscribed"  # It would be charged twice every month from now on.


@dataclass(frozen=True, slots=True)
class AboutToPay:
    """Somebody pressed Pay. `total_minor` of `currency`, as they are asked for it."""

    payment_id: PaymentId
    payer: Identity
    currency: str
    total_minor: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """`refusal` is None where the payment is welcome; `language` is the payer's, if we know one."""

    refusal: Refusal | None
    language: str | None = None


def gateway_of(currency: str) -> GatewayName:
    """Which of the two that are paid in a chat takes this currency."""
    return STARS if currency == STARS_CURRENCY else TELEGRAM_PAYMENTS


class AllowPayment:
    """
    Say whether a payment is welcome, by reading alone. An invoice of Telegram never ends, anybody
    can pay it and as often as they like: what it may buy, for whom, at what price and until when
    is kept here and nowhere else. What slips through all the same is booked as it is.
    """

    def __init__(self, store: Store, now: Now) -> None:
        self._store = store
        self._now = now

    async def __call__(self, asked: AboutToPay) -> Verdict:
        gateway = gateway_of(asked.currency)
        async with self._store.read() as view:
            payer = await view.customers.find(asked.payer)
            language = None if payer is None else payer.language
            checkout = await view.checkouts.find_by_payment(gateway, asked.payment_id)
            if checkout is None or checkout.opened is None:
                return Verdict(Refusal.UNKNOWN, language)
            if payer is None or payer.id != checkout.customer_id:
                return Verdict(Refusal.OTHER_PAYER, language)
            purchase = await view.purchases.get(checkout.purchase_id)
            is_subscribed = checkout.saves_method and await self._is_subscribed(view, purchase)
        ends_at = checkout.opened.expires_at
        asked_for = (checkout.amount.currency.code, checkout.amount.amount_minor)
        refusal = None
        if not payer.is_served:
            refusal = Refusal.BLOCKED
        elif purchase.status is PurchaseStatus.PAID or checkout.status is CheckoutStatus.PAID:
            refusal = Refusal.PAID
        elif not purchase.is_pending:
            refusal = Refusal.ENDED
        elif (
            checkout.status is not CheckoutStatus.OPEN or ends_at is None or ends_at <= self._now()
        ):
            refusal = Refusal.OVER
        elif (asked.currency, asked.total_minor) != asked_for:
            refusal = Refusal.OTHER_SUM
        elif is_subscribed:
            refusal = Refusal.SUBSCRIBED
        return Verdict(refusal, language)

    async def _is_subscribed(self, view: View, purchase: Purchase) -> bool:
        present = (await view.subscriptions.get(purchase.customer_id)).at(self._now())
        return purchase.plan is not None and present.is_subscribed(purchase.plan, purchase.amount)
