"""Whole things of money for tests: every optional field is set, as in `builders`."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from core.domain.charge import Charge, ChargeKey
from core.domain.delivery import Delivery, DeliveryId, DeliveryStatus
from core.domain.item import PaymentMethodId
from core.domain.money import Money
from core.domain.payment import (
    PaymentId,
    PayoutId,
    RefundId,
)
from core.domain.payment_method import Billing, MethodStatus, PaymentMethod
from core.domain.payout import PayoutAccount
from core.domain.purchase import PurchaseId
from core.domain.referral_program import Door, NoReward, Referral, Reward, RewardStatus
from core.domain.refund import OurRefundId, Refund, RefundStatus
from core.domain.withdrawal import Withdrawal, WithdrawalId, WithdrawalStatus
from tests.builders import ANNA, BORIS, NOON, YOOKASSA, a_checkout, a_pending_purchase, rub


def a_charge(**fields: Any) -> Charge:
    """Paid its purchase; 99 of 299 roubles are on their way back."""
    charge = Charge(
        ChargeKey(YOOKASSA, "2d8f0001"),
        PaymentId("2d8f0001-000f-5000-8000-18db351245c7"),
        rub(299),
        NOON + timedelta(minutes=5),
        settled=True,
        customer_id=ANNA,
        purchase_id=PurchaseId("pur_00000001"),
        fee=Money.of(1047, "RUB"),
        returning=rub(99),
        details={"rail": "sbp"},
    )
    return replace(charge, **fields)


def a_refund(**fields: Any) -> Refund:
    """Done. See `an_asked_refund` for a fresh one."""
    refund = Refund(
        id=OurRefundId("rfd_00000001"),
        purchase_id=PurchaseId("pur_00000001"),
        customer_id=ANNA,
        gateway=YOOKASSA,
        payment_id=PaymentId("2d8f0001-000f-5000-8000-18db351245c7"),
        charge_id="2d8f0001",
        amount=rub(99),
        paid=rub(299),
        reason="asked for in the first week",
        asked_at=NOON + timedelta(hours=1),
        receipt=a_checkout().receipt,
        status=RefundStatus.DONE,
        provider_id=RefundId("216749f7-0016-50be-b000-078d43a63ae4"),
        is_chargeback=True,
        ended_at=NOON + timedelta(hours=2),
        looked=3,
    )
    return replace(refund, **fields)


def an_asked_refund(**fields: Any) -> Refund:
    fresh = {
        "receipt": None,
        "status": RefundStatus.ASKED,
        "provider_id": None,
        "is_chargeback": False,
        "ended_at": None,
        "looked": 0,
        "due_at": NOON + timedelta(hours=1, seconds=30),
    }
    return a_refund(**fresh | fields)


def a_method(**fields: Any) -> PaymentMethod:
    """Verified, with a token. See `an_unproven_method` for a fresh one."""
    method = PaymentMethod(
        id=PaymentMethodId("pm_00000001"),
        customer_id=ANNA,
        gateway=YOOKASSA,
        account=PayoutAccount("gcash", "09171234567", "JUAN DELA CRUZ"),
        billing=Billing("Juan Dela Cruz", "juan@example.com", "+639171234567"),
        created_at=NOON,
        status=MethodStatus.VERIFIED,
        token="pm_token_0001",
    )
    return replace(method, **fields)


def an_unproven_method(**fields: Any) -> PaymentMethod:
    return a_method(**{"status": MethodStatus.UNVERIFIED, "token": None} | fields)


def a_withdrawal(**fields: Any) -> Withdrawal:
    """Returned. See `a_requested_withdrawal` for a fresh one."""
    withdrawal = Withdrawal(
        id=WithdrawalId("wd_00000001"),
        customer_id=ANNA,
        method_id=PaymentMethodId("pm_00000001"),
        gateway=YOOKASSA,
        account=a_method().account,
        amount=rub(400),
        requested_at=NOON,
        status=WithdrawalStatus.RETURNED,
        payout_id=PayoutId("po-0001"),
        reason="account_closed",
        ended_at=NOON + timedelta(days=2),
        looked=4,
    )
    return replace(withdrawal, **fields)


def a_requested_withdrawal(**fields: Any) -> Withdrawal:
    fresh = {
        "status": WithdrawalStatus.REQUESTED,
        "payout_id": None,
        "reason": None,
        "ended_at": None,
        "looked": 0,
        "due_at": NOON,
    }
    return a_withdrawal(**fresh | fields)


def a_referral(**fields: Any) -> Referral:
    """Anna brought Boris."""
    return replace(Referral(BORIS, ANNA, Door.MINI_APP, NOON), **fields)


def a_reward(**fields: Any) -> Reward:
    """Of a purchase of 299 roubles, a rouble of it taken back since."""
    reward = Reward(
        purchase_id=a_pending_purchase().id,
        customer_id=BORIS,
        referrer_id=ANNA,
        base=rub(299),
        count=3,
        basis_points=250,
        amount=rub(7),
        taken_back=rub(1),
        in_cash=True,
        at=NOON,
        ripe_at=NOON + timedelta(days=14),
        status=RewardStatus.EARNED,
    )
    return replace(reward, **fields)


def no_reward(**fields: Any) -> Reward:
    nothing = a_reward(
        amount=rub(0), taken_back=rub(0), status=RewardStatus.NONE, why=NoReward.BLOCKED
    )
    return replace(nothing, **fields)


def a_delivery(**fields: Any) -> Delivery:
    """Failed. See `a_fresh_delivery` for one that waits."""
    delivery = Delivery(
        id=DeliveryId("msg_00000000000000000000000000000001"),
        event="purchase.paid",
        host="app.example.com",
        body='{"type":"purchase.paid"}',
        created_at=NOON,
        status=DeliveryStatus.FAILED,
        attempts=10,
        answer="500",
        ended_at=NOON + timedelta(days=3),
    )
    return replace(delivery, **fields)


def a_fresh_delivery(**fields: Any) -> Delivery:
    fresh = {
        "status": DeliveryStatus.WAITING,
        "attempts": 0,
        "answer": None,
        "due_at": NOON + timedelta(minutes=2),
        "ended_at": None,
    }
    return a_delivery(**fresh | fields)
