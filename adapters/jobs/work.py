"""Which use case does which job."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final

import structlog

from core.domain.broadcast import BroadcastId
from core.domain.charge import ChargeKey
from core.domain.checkout import CheckoutId
from core.domain.customer import CustomerId
from core.domain.delivery import DeliveryId
from core.domain.item import EscrowId, EscrowPart, PaymentMethodId
from core.domain.ledger import EntryId
from core.domain.payment import PaymentId, PayoutId
from core.domain.plan import Feature, GatewayName, PlanCode
from core.domain.purchase import PurchaseId
from core.domain.refund import OurRefundId
from core.domain.usage_quota import HoldId
from core.domain.withdrawal import WithdrawalId
from core.ports.notifier import NewsKind
from core.use_cases.announcements import DELIVER_WEBHOOK
from core.use_cases.billing import Billing
from core.use_cases.consequences import (
    ASK_PAYOUT,
    BOOK_REFUNDS,
    CHARGE_RENEWAL,
    CLEAN_METHOD,
    ERASE_CUSTOMER,
    EXPIRE_HOLD,
    EXPIRE_PURCHASE,
    HEAR_RENEWAL,
    MAKE_ACCESS,
    MATCH_RENEWAL,
    PAY_WAITING,
    RECONCILE,
    RELEASE_ESCROW,
    REMIND,
    SEND_BROADCAST,
    SEND_WITHDRAWAL,
    SETTLE_PAYMENT,
    TELL_CUSTOMER,
    TEND_REWARD,
    TEND_SUBSCRIPTION,
    WATCH_CHECKOUT,
    WATCH_REFUND,
)
from core.use_cases.deliveries import EventRef
from core.use_cases.news import NewsRef

ASIDE: Final = frozenset(
    {
        TELL_CUSTOMER,
        REMIND,
        MAKE_ACCESS,
        RECONCILE,
        DELIVER_WEBHOOK,
        ERASE_CUSTOMER,
        SEND_BROADCAST,
    }
)
"""
Nobody's money waits for a chat, a panel or a receiver of webhooks that is slow, for thousands who
are told something, or for two days of a gateway that are looked through.
"""

log: Final = structlog.get_logger(__name__)

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

    async def release_escrow(payload: Payload) -> None:
        await billing.release_due(EscrowId(payload["escrow_id"]))

    async def tend_subscription(payload: Payload) -> None:
        await billing.tend_subscription(CustomerId(payload["customer_id"]))

    async def charge_renewal(payload: Payload) -> None:
        await billing.charge_renewal(
            CustomerId(payload["customer_id"]),
            PurchaseId(payload["purchase_id"]),
            PaymentMethodId(payload["method_id"]),
            payload["try"],
        )

    async def match_renewal(payload: Payload) -> None:
        first = ChargeKey(GatewayName(payload["gateway"]), payload["charge_id"])
        await billing.match_renewal(CustomerId(payload["customer_id"]), first)

    async def hear_renewal(payload: Payload) -> None:
        await billing.hear_renewal(
            GatewayName(payload["gateway"]),
            PaymentId(payload["payment_id"]),
            goes_on=payload["goes_on"] == str(True),
        )

    async def remind(payload: Payload) -> None:
        await billing.remind_customer(CustomerId(payload["customer_id"]))

    async def tell_customer(payload: Payload) -> None:
        await billing.tell_customer(news_ref_from_payload(payload))

    return (
        _of_money(billing)
        | _of_the_outside(billing)
        | {
            SETTLE_PAYMENT: settle_payment,
            WATCH_CHECKOUT: watch_checkout,
            EXPIRE_PURCHASE: expire_purchase,
            EXPIRE_HOLD: expire_hold,
            RELEASE_ESCROW: release_escrow,
            TEND_SUBSCRIPTION: tend_subscription,
            CHARGE_RENEWAL: charge_renewal,
            MATCH_RENEWAL: match_renewal,
            HEAR_RENEWAL: hear_renewal,
            REMIND: remind,
            TELL_CUSTOMER: tell_customer,
        }
    )


def _of_the_outside(billing: Billing) -> dict[str, Callable[[Payload], Awaitable[None]]]:
    """What the outside is made to be, or is told: the panel's and the business's own."""

    async def deliver_webhook(payload: Payload) -> None:
        delivery_id = DeliveryId(payload["delivery_id"])
        await billing.deliver_webhook(delivery_id, event_ref_from_payload(payload))

    async def make_access(payload: Payload) -> None:
        case = await billing.make_access(CustomerId(payload["customer_id"]))
        if case is not None:
            log.error("access is not made", case=case.cause, why=case.facts["error"])

    async def erase_customer(payload: Payload) -> None:
        gateway, charge_id = payload.get("gateway"), payload.get("charge_id")
        first = None
        if gateway is not None and charge_id is not None:
            first = ChargeKey(GatewayName(gateway), charge_id)
        await billing.finish_erasing(CustomerId(payload["customer_id"]), first)

    async def send_broadcast(payload: Payload) -> None:
        await billing.send_broadcast(BroadcastId(payload["broadcast_id"]))

    return {
        MAKE_ACCESS: make_access,
        DELIVER_WEBHOOK: deliver_webhook,
        ERASE_CUSTOMER: erase_customer,
        SEND_BROADCAST: send_broadcast,
    }


def _of_money(billing: Billing) -> dict[str, Callable[[Payload], Awaitable[None]]]:
    """Wallets, refunds, rewards, escrows, withdrawals."""

    async def pay_waiting(payload: Payload) -> None:
        await billing.pay_waiting(CustomerId(payload["customer_id"]), payload["cause"])

    async def book_refunds(payload: Payload) -> None:
        await billing.book_refunds(
            GatewayName(payload["gateway"]),
            PaymentId(payload["payment_id"]),
            inbox_id=payload.get("inbox_id"),
        )

    async def watch_refund(payload: Payload) -> None:
        await billing.watch_refund(OurRefundId(payload["refund_id"]))

    async def send_withdrawal(payload: Payload) -> None:
        await billing.send_withdrawal(WithdrawalId(payload["withdrawal_id"]))

    async def ask_payout(payload: Payload) -> None:
        await billing.ask_payout(
            GatewayName(payload["gateway"]),
            PayoutId(payload["payout_id"]),
            inbox_id=payload.get("inbox_id"),
        )

    async def clean_method(payload: Payload) -> None:
        await billing.clean_method(PaymentMethodId(payload["method_id"]))

    async def tend_reward(payload: Payload) -> None:
        await billing.tend_reward(PurchaseId(payload["purchase_id"]))

    async def reconcile(payload: Payload) -> None:
        done = await billing.reconcile(GatewayName(payload["gateway"]))
        if done.healed or not done.agrees:
            log.warning(
                "reconciled",
                gateway=done.gateway,
                agrees=done.agrees,
                healed=len(done.healed),
                cases=len(done.cases),
            )

    return {
        RECONCILE: reconcile,
        TEND_REWARD: tend_reward,
        PAY_WAITING: pay_waiting,
        BOOK_REFUNDS: book_refunds,
        WATCH_REFUND: watch_refund,
        SEND_WITHDRAWAL: send_withdrawal,
        ASK_PAYOUT: ask_payout,
        CLEAN_METHOD: clean_method,
    }


def event_ref_from_payload(payload: Payload) -> EventRef | None:
    """None: what is to be told is written down already."""
    if "event" not in payload:
        return None
    at = datetime.fromisoformat(payload["at"])
    return EventRef(payload["event"], payload["subject"], at)


def news_ref_from_payload(payload: Payload) -> NewsRef:
    purchase_id, entry_id, plan, escrow_id, part, withdrawal_id, reward_of = map(
        payload.get,
        ("purchase_id", "entry_id", "plan", "escrow_id", "part", "withdrawal_id", "reward_of"),
    )
    feature, until, days = map(payload.get, ("feature", "until", "days"))
    return NewsRef(
        payload["news_id"],
        NewsKind(payload["kind"]),
        CustomerId(payload["customer_id"]),
        None if purchase_id is None else PurchaseId(purchase_id),
        None if entry_id is None else EntryId(entry_id),
        None if plan is None else PlanCode(plan),
        None if escrow_id is None else EscrowId(escrow_id),
        None if part is None else EscrowPart(part),
        None if withdrawal_id is None else WithdrawalId(withdrawal_id),
        None if reward_of is None else PurchaseId(reward_of),
        None if feature is None else Feature(feature),
        None if until is None else datetime.fromisoformat(until),
        None if days is None else int(days),
    )
