"""Xendit's list of transactions and ours: what has moved there, payments and payouts. Pure."""

from typing import Final

from adapters.gateways.calls import at, text_at
from adapters.gateways.xendit.account import XenditAccount
from adapters.gateways.xendit.translate import (
    ID,
    NAME,
    PAYMENT_ID,
    foreign_of,
    money_from,
    ours_in,
)
from core.domain.payment import (
    OutgoingStatus,
    PaymentFacts,
    PaymentId,
    PaymentStatus,
    PayoutFacts,
    PayoutId,
)

TRANSACTION_STATUSES: Final = {
    "PENDING": (PaymentStatus.PENDING, OutgoingStatus.PENDING),
    "SUCCESS": (PaymentStatus.PAID, OutgoingStatus.DONE),
    "FAILED": (PaymentStatus.CANCELED, OutgoingStatus.FAILED),
    "VOIDED": (PaymentStatus.CANCELED, OutgoingStatus.FAILED),
    "REVERSED": (PaymentStatus.UNKNOWN, OutgoingStatus.RETURNED),
}
"""As the list of transactions says it, of a payment and of a payout."""


def payment_from_transaction(transaction: object, account: XenditAccount) -> PaymentFacts | None:
    """
    A payment as it is listed, by its own id. None: it is of another product, such as an invoice,
    by which nothing is sold here.
    """
    charge_id = text_at(transaction, "product_id")
    if not charge_id.startswith("py-") or not PAYMENT_ID.fullmatch(charge_id):
        return None
    status, _ = _transaction_status(transaction)
    paid = money_from(at(transaction, "amount"), text_at(transaction, "currency"))
    if status is PaymentStatus.PAID and (paid is None or not paid.is_positive):
        status = PaymentStatus.UNKNOWN
    return PaymentFacts(
        gateway=NAME,
        payment_id=PaymentId(charge_id),
        charge_id=charge_id,
        status=status,
        paid=paid if status is PaymentStatus.PAID else None,
        checkout_id=ours_in(transaction).get("reference_id"),
        foreign=foreign_of(transaction, account),
    )


def payout_from_transaction(transaction: object) -> PayoutFacts | None:
    """None: it is of another product, or of a currency without books."""
    id_ = text_at(transaction, "product_id")
    amount = money_from(at(transaction, "amount"), text_at(transaction, "currency"))
    if not id_.startswith("disb-") or not ID.fullmatch(id_) or amount is None:
        return None
    _, status = _transaction_status(transaction)
    our_id = ours_in(transaction).get("reference_id")
    return PayoutFacts(NAME, PayoutId(id_), status, amount, our_id=our_id)


def _transaction_status(transaction: object) -> tuple[PaymentStatus, OutgoingStatus]:
    unknown = (PaymentStatus.UNKNOWN, OutgoingStatus.UNKNOWN)
    return TRANSACTION_STATUSES.get(text_at(transaction, "status"), unknown)
