"""Xendit's notices of disputes and the chargebacks that may come of them. Pure."""

import json
from typing import Final

from adapters.gateways.calls import at, text_at
from adapters.gateways.xendit.translate import NAME, money_from
from core.domain.payment import Notice, OutgoingStatus, RefundFacts, RefundId

DISPUTE_STATUSES: Final = {
    "ACTION_REQUIRED": OutgoingStatus.PENDING,
    "UNDER_REVIEW": OutgoingStatus.PENDING,
    "WON": OutgoingStatus.FAILED,
    "LOST": OutgoingStatus.DONE,
}
"""Of a dispute, as the chargeback that may come of it (Xendit docs, Manage Disputes via API)."""


def chargeback_from_notice(notice: Notice) -> RefundFacts | None:
    """What a notice of a dispute says; None: it is of none, or does not say of how much."""
    if not notice.event.startswith("dispute.") or notice.payment_id is None:
        return None
    told = at(json.loads(notice.body), "data")
    amount = money_from(at(told, "amount"), text_at(told, "currency"))
    if amount is None:
        return None
    return RefundFacts(
        gateway=NAME,
        refund_id=RefundId(text_at(told, "id")),
        payment_id=notice.payment_id,
        status=DISPUTE_STATUSES.get(text_at(told, "status"), OutgoingStatus.UNKNOWN),
        amount=amount,
        charge_id=notice.payment_id,
        is_chargeback=True,
    )
