"""A small client of Billhook for Python services: quotas and wallets, and nothing counted twice."""

from billhook_client.answers import Balances, Decision, EndedHold, Purchase
from billhook_client.billhook import Billhook, Hold, Quota
from billhook_client.errors import (
    BillhookError,
    Conflict,
    HoldEnded,
    Invalid,
    NotAllowed,
    NotFound,
    Problem,
    QuotaDenied,
    RequestIdUsedOtherwise,
    Unavailable,
)
from billhook_client.wallet import Wallet

__all__ = [
    "Balances",
    "Billhook",
    "BillhookError",
    "Conflict",
    "Decision",
    "EndedHold",
    "Hold",
    "HoldEnded",
    "Invalid",
    "NotAllowed",
    "NotFound",
    "Problem",
    "Purchase",
    "Quota",
    "QuotaDenied",
    "RequestIdUsedOtherwise",
    "Unavailable",
    "Wallet",
]
