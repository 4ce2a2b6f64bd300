"""The means of payment that the double's payers have, and the traces they leave on a payment."""

from datetime import datetime
from typing import Final

from sandbox.yookassa.wire import Json

FEE_PERMILLE: Final = {"bank_card": 35, "yoo_money": 35, "sbp": 7}


def new_method(kind: str, payment_id: str, at: datetime) -> Json:
    """A method seen for the first time bears the id of its payment."""
    method: Json = {"type": kind, "id": payment_id, "saved": False, "status": "inactive"}
    if kind == "bank_card":
        card = {
            "first6": "555555",
            "last4": "4477",
            "expiry_year": str(at.year + 3),
            "expiry_month": "12",
            "card_type": "MasterCard",
            "card_product": {"code": "MCS", "name": "Mastercard Standard"},
            "issuer_country": "RU",
            "issuer_name": "Sberbank",
        }
        return method | {"title": "Bank card *4477", "card": card}
    if kind == "sbp":
        operation = f"B{_number(payment_id, 15)}A0000050011320801"
        bank = {"bank_id": "100000000111", "bic": "044525225"}
        return method | {
            "title": "СБП",
            "sbp_operation_id": operation,
            "payer_bank_details": bank,
        }
    return method | {
        "title": "YooMoney wallet 410011758831136",
        "account_number": "410011758831136",
    }


def authorization(kind: str, payment_id: str, *, payer_is_present: bool) -> Json:
    """What the bank leaves on a payment that it let pass; only cards have it."""
    if kind != "bank_card":
        return {}
    secure: Json = {"applied": payer_is_present}
    if payer_is_present:
        secure |= {"method_completed": False, "challenge_completed": True}
    details = {
        "rrn": _number(payment_id, 12),
        "auth_code": _number(payment_id, 6),
        "three_d_secure": secure,
    }
    return {"authorization_details": details}


def refusal(kind: str, *, payer_is_present: bool) -> Json:
    """What the bank leaves on a payment that it refused."""
    if kind != "bank_card":
        return {}
    return {"authorization_details": {"three_d_secure": {"applied": payer_is_present}}}


def refund_trace(kind: str, refund_id: str) -> Json:
    if kind == "sbp":
        operation = f"A{_number(refund_id, 15)}A0000050011320802"
        return {"refund_method": {"type": "sbp", "sbp_operation_id": operation}}
    return {"refund_authorization_details": {"rrn": _number(refund_id, 12)}}


def income(minor: int, kind: str) -> int:
    """What the shop gets when the gateway has kept its fee."""
    return minor - (minor * FEE_PERMILLE[kind] + 500) // 1000


def _number(object_id: str, digits: int) -> str:
    return f"{int(object_id[-12:], 16) % 10**digits:0{digits}d}"
