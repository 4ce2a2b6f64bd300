"""What Xendit lists as transactions (Xendit docs, List Transactions): made of what moved there."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Final

from sandbox.gateway_rules import Answer, Json
from sandbox.xendit.checks import error

PAGE_MAX: Final = 50
KINDS: Final = {"payment": "PAYMENT", "refund": "REFUND", "payout": "DISBURSEMENT"}
STATUSES: Final = {
    "SUCCEEDED": "SUCCESS",
    "FAILED": "FAILED",
    "CANCELLED": "VOIDED",
    "REVERSED": "REVERSED",
}
"""Whatever has not ended is PENDING."""
CATEGORIES: Final = {"CARDS": "CARDS", "QRPH": "QR_CODE", "7ELEVEN": "RETAIL_OUTLET"}
NO_FEE: Final = {
    "xendit_fee": 0,
    "value_added_tax": 0,
    "xendit_withholding_tax": 0,
    "third_party_withholding_tax": 0,
    "status": "NOT_APPLICABLE",
}
EXACT: Final = {"types": "type", "statuses": "status", "channel_categories": "channel_category"} | {
    name: name for name in ("reference_id", "product_id", "currency")
}
"""What of a transaction each filter asks for."""


def page_of_transactions(
    moved: Mapping[str, Iterable[Json]], query: Mapping[str, str], *, business_id: str
) -> Answer:
    """The newest first. Raises: Refused."""
    made = [
        _transaction(
            one, KINDS[kind], one["payment_id" if kind == "payment" else "id"], business_id
        )
        for kind, things in moved.items()
        for one in things
    ]
    made.sort(key=lambda one: (one["created"], one["id"]), reverse=True)
    wanted = [one for one in made if _is_wanted(one, query)]
    for name in ("after_id", "before_id"):
        if name in query:
            ids = [one["id"] for one in wanted]
            if query[name] not in ids:
                raise error(404, "DATA_NOT_FOUND", f"{name} was not found")
            at = ids.index(query[name])
            wanted = wanted[at + 1 :] if name == "after_id" else wanted[:at]
    limit = _limit(query.get("limit", "10"))
    return Answer(200, {"has_more": len(wanted) > limit, "data": wanted[:limit], "links": []})


def _transaction(thing: Json, kind: str, product_id: str, business_id: str) -> Json:
    digits = sha256(product_id.encode()).hexdigest()
    captured = thing.get("captures") or [{"capture_amount": thing.get("request_amount")}]
    amount = (
        sum(one["capture_amount"] for one in captured) if kind == "PAYMENT" else thing["amount"]
    )
    made: Json = {
        "id": f"txn_{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:32]}",
        "product_id": product_id,
        "type": kind,
        "status": STATUSES.get(thing["status"], "PENDING"),
        "channel_category": "BANK"
        if kind == "DISBURSEMENT"
        else CATEGORIES.get(thing["channel_code"], "EWALLET"),
        "channel_code": thing["channel_code"],
        "reference_id": thing["reference_id"],
        "account_identifier": None,
        "currency": thing["currency"],
        "amount": amount,
        "net_amount": amount,
        "net_amount_currency": thing["currency"],
        "cashflow": "MONEY_IN" if kind == "PAYMENT" else "MONEY_OUT",
        "settlement_status": None,
        "estimated_settlement_time": None,
        "business_id": business_id,
        "created": thing["created"],
        "updated": thing["updated"],
        "fee": NO_FEE,
    }
    if kind == "PAYMENT":
        made["product_data"] = {"payment_request_id": thing["payment_request_id"]}
    return made


def _is_wanted(one: Json, query: Mapping[str, str]) -> bool:
    if any(one[field] != query.get(name, one[field]) for name, field in EXACT.items()):
        return False
    for name in ("created", "updated"):
        at = datetime.fromisoformat(one[name])
        if at < _moment(query.get(f"{name}[gte]"), at) or at > _moment(
            query.get(f"{name}[lte]"), at
        ):
            return False
    return True


def _moment(text: str | None, otherwise: datetime) -> datetime:
    try:
        return otherwise if text is None else datetime.fromisoformat(text)
    except ValueError:
        raise error(400, "API_VALIDATION_ERROR", "a date is not ISO 8601") from None


def _limit(asked: str) -> int:
    try:
        limit = int(float(asked))  # "2.0" of a library.
    except (ValueError, OverflowError):
        limit = 0
    if not 1 <= limit <= PAGE_MAX:
        raise error(400, "API_VALIDATION_ERROR", f"limit is 1 to {PAGE_MAX}")
    return limit
