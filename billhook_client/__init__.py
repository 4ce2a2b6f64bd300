"""A small client of Billhook for Python services: ask for quotas, hold them, never count twice."""

from billhook_client.answers import Decision, EndedHold
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

__all__ = [
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
    "Quota",
    "QuotaDenied",
    "RequestIdUsedOtherwise",
    "Unavailable",
]
