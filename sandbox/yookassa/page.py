"""YooKassa's hosted checkout page."""

from typing import Final

from sandbox.till import DECLINE, PAY, till_page
from sandbox.yookassa.machine import Payment

STATUSES: Final = {
    "pending": ("Ожидает оплаты", "Awaiting payment"),
    "waiting_for_capture": ("Деньги зарезервированы", "Money is held"),
    "succeeded": ("Оплачено", "Paid"),
    "canceled": ("Отменено", "Canceled"),
}
REASONS: Final = {
    "expired_on_confirmation": ("Время на оплату вышло", "The time to pay is over"),
    "insufficient_funds": ("Недостаточно средств", "Insufficient funds"),
}


def checkout_page(payment: Payment) -> str:
    body = payment.body
    reason = body.get("cancellation_details", {}).get("reason")
    return till_page(
        amount=f"{body['amount']['value']} {body['amount']['currency']}",
        description=body.get("description", ""),
        shop=payment.shop_id,
        status=body["status"],
        said=REASONS.get(reason, STATUSES[body["status"]]),
        actions=(PAY, DECLINE) if body["status"] == "pending" else (),
        back=payment.return_url,
    )
