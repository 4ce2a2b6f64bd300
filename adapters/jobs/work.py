"""Which use case does which job."""

from collections.abc import Awaitable, Callable, Mapping

from core.domain.checkout import CheckoutId
from core.domain.customer import CustomerId
from core.domain.payment import PaymentId
from core.domain.plan import GatewayName
from core.domain.purchase import PurchaseId
from core.domain.usage_quota import HoldId
from core.use_cases.billing import Billing
from core.use_cases.consequences import (
    END_PERIOD,
    EXPIRE_HOLD,
    EXPIRE_PURCHASE,
    SETTLE_PAYMENT,
    WATCH_CHECKOUT,
)

Payload = Mapping[str, str]
Work = Mapping[str, Callable[[Payload], Awaitable[None]]]


def work_of(billing: Billing) -> Work:
    """The jobs that Billhook enqueues, each with what does it."""

    async def settle_payment(payload: Payload) -> None:
        await billing.settle_payment(
            GatewayName(payload["gateway"]),
            PaymentId(payload["payment_id"]),
            inbox_id=payload.get("inbox_id"),
        )

    async def watch_checkout(payload: Payload) -> None:
        await billing.watch_checkout(CheckoutId(payload["checkout_id"]))

    async def expire_purchase(payload: Payload) -> None:
        await billing.expire_purchase(PurchaseId(payload["purchase_id"]))

    async def expire_hold(payload: Payload) -> None:
        await billing.expire_hold(HoldId(payload["hold_id"]))

    async def end_period(payload: Payload) -> None:
        await billing.end_period(CustomerId(payload["customer_id"]))

    return {
        SETTLE_PAYMENT: settle_payment,
        WATCH_CHECKOUT: watch_checkout,
        EXPIRE_PURCHASE: expire_purchase,
        EXPIRE_HOLD: expire_hold,
        END_PERIOD: end_period,
    }
