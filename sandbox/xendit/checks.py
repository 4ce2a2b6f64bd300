"""What Xendit refuses of a request, and how it says so (Xendit docs: Errors of each product)."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

from sandbox.gateway_rules import Json, Refused

SESSION_TERM: Final = timedelta(minutes=30)
SESSION_TERM_LEAST: Final = timedelta(minutes=10)
REFERENCE_MAX: Final = 64
PAYOUT_REFERENCE_MAX: Final = 255
DESCRIPTION_MAX: Final = 1000
EMAIL_MAX: Final = 50
METADATA_KEYS, METADATA_KEY_MAX, METADATA_VALUE_MAX = 20, 40, 80
AMOUNT_MAX: Final = 10**13
CURRENCIES: Final = ("IDR", "PHP", "VND", "THB", "SGD", "MYR", "USD")
COUNTRIES: Final = ("ID", "PH", "VN", "TH", "SG", "MY")
CHANNELS: Final = ("GCASH", "CARDS", "PAYMAYA", "GRABPAY", "QRPH", "7ELEVEN")
SAVES: Final = ("DISABLED", "OPTIONAL", "FORCED")
REASONS: Final = ("FRAUDULENT", "DUPLICATE", "REQUESTED_BY_CUSTOMER", "CANCELLATION", "OTHERS")
LOCAL_HOSTS: Final = ("127.0.0.1", "localhost")


def error(status: int, code: str, message: str) -> Refused:
    return Refused(status, {"error_code": code, "message": message})


def invalid(name: str, problem: str) -> Refused:
    told = {"message": problem, "path": f"/body/{name}"}
    message = f"request/body/{name} {problem}"
    return Refused(
        400, {"error_code": "API_VALIDATION_ERROR", "message": message, "errors": [told]}
    )


def missing(name: str) -> Refused:
    problem = f"must have required property '{name}'"
    told = {"message": problem, "path": f"/body/{name}"}
    message = f"request/body {problem}"
    return Refused(
        400, {"error_code": "API_VALIDATION_ERROR", "message": message, "errors": [told]}
    )


def fields_of(body: object, required: Iterable[str]) -> Json:
    """Raises: Refused."""
    if not isinstance(body, dict):
        raise error(400, "API_VALIDATION_ERROR", "request/body must be object")
    for name in required:
        if body.get(name) is None:
            raise missing(name)
    return body


def minor_of(amount: Any) -> int | None:
    """Hundredths of an amount on the wire, a JSON number in major units; None: it is none."""
    if isinstance(amount, bool) or not isinstance(amount, int | float):
        return None
    if not 0 <= amount <= AMOUNT_MAX:
        return None
    hundredths = Decimal(str(amount)) * 100
    return int(hundredths) if hundredths == int(hundredths) else None


def on_wire(minor: int) -> int | float:
    """The JSON number: whole where it can be."""
    whole, rest = divmod(minor, 100)
    return minor / 100 if rest else whole


def check_session(body: object, at: datetime, *, accepts_local_urls: bool) -> Json:
    """The fields of `POST /sessions`. Raises: Refused."""
    required = ("reference_id", "session_type", "mode", "amount", "currency", "country")
    asked = fields_of(body, required)
    _check_text(asked, "reference_id", REFERENCE_MAX)
    if asked["session_type"] != "PAY":
        raise error(400, "SESSION_TYPE_NOT_SUPPORTED", "Only PAY sessions are rehearsed")
    if asked["mode"] != "PAYMENT_LINK":
        raise error(400, "MODE_NOT_SUPPORTED", "Only payment links are rehearsed")
    if not minor_of(asked["amount"]):
        raise error(400, "INVALID_AMOUNT", "Amount must be greater than zero")
    if asked["currency"] not in CURRENCIES:
        raise error(400, "INVALID_CURRENCY", "Currency is not supported")
    if asked["country"] not in COUNTRIES:
        raise error(400, "INVALID_COUNTRY", "Country is not supported")
    if asked.get("capture_method", "AUTOMATIC") != "AUTOMATIC":
        raise error(400, "DISALLOWED_CAPTURE_METHOD", "Only AUTOMATIC is rehearsed")
    if asked.get("description") is not None:
        _check_text(asked, "description", DESCRIPTION_MAX)
    channels = asked.get("allowed_payment_channels") or []
    if not isinstance(channels, list) or any(one not in CHANNELS for one in channels):
        raise error(400, "INVALID_PAYMENT_CHANNEL", "The payment channel is not available")
    _check_saving(asked)
    _check_customer(asked.get("customer"))
    _check_metadata(asked.get("metadata"))
    _check_items(asked.get("items"))
    for name in ("success_return_url", "cancel_return_url"):
        if asked.get(name) is not None:
            _check_url(asked[name], name, accepts_local_urls=accepts_local_urls)
    if expiry_of(asked, at) < at + SESSION_TERM_LEAST:
        message = "expires_at must be at least 10 minutes in the future"
        raise error(400, "INVALID_EXPIRY_DATE", message)
    return asked


def expiry_of(asked: Json, at: datetime) -> datetime:
    """Raises: Refused."""
    said = asked.get("expires_at")
    if said is None:
        return at + SESSION_TERM
    try:
        moment = datetime.fromisoformat(said)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise invalid("expires_at", 'must match format "date-time"')
    return moment


def check_refund(body: object) -> Json:
    """The fields of `POST /refunds`. Raises: Refused."""
    asked = fields_of(body, ["reason"])
    if asked["reason"] not in REASONS:
        raise invalid("reason", "must be equal to one of the allowed values")
    if asked.get("payment_request_id") is None and asked.get("payment_id") is None:
        raise missing("payment_request_id")
    if asked.get("amount") is not None and not minor_of(asked["amount"]):
        raise invalid("amount", "must be > 0")
    return asked


def check_payout(body: object) -> Json:
    """The fields of `POST /v2/payouts`. Raises: Refused."""
    required = ("reference_id", "channel_code", "channel_properties", "amount", "currency")
    asked = fields_of(body, required)
    _check_text(asked, "reference_id", PAYOUT_REFERENCE_MAX)
    properties = asked["channel_properties"]
    for name in ("account_number", "account_holder_name"):
        told = properties.get(name) if isinstance(properties, dict) else None
        if not isinstance(told, str) or not told:
            raise invalid("channel_properties", f"must have required property '{name}'")
    if not minor_of(asked["amount"]):
        raise invalid("amount", "must be > 0")
    channel = asked["channel_code"]
    if not isinstance(channel, str) or channel.partition("_")[0] not in COUNTRIES:
        raise error(400, "CHANNEL_CODE_NOT_SUPPORTED", "The channel code is not supported")
    if asked["currency"] not in CURRENCIES:
        raise error(400, "INVALID_CURRENCY", "Currency is not supported")
    return asked


def _check_text(asked: Json, name: str, most: int) -> None:
    if not isinstance(asked[name], str):
        raise invalid(name, "must be string")
    if not 1 <= len(asked[name]) <= most:
        raise invalid(name, f"must have 1 to {most} characters")


def _check_saving(asked: Json) -> None:
    saving = asked.get("allow_save_payment_method", "DISABLED")
    if saving not in SAVES:
        raise invalid("allow_save_payment_method", "must be equal to one of the allowed values")
    if saving != "DISABLED" and not (asked.get("customer") or asked.get("customer_id")):
        raise error(400, "MISSING_CUSTOMER", "customer or customer_id is required")


def _check_customer(customer: object) -> None:
    if customer is None:
        return
    if not isinstance(customer, dict) or customer.get("type") != "INDIVIDUAL":
        raise invalid("customer.type", "must be equal to one of the allowed values")
    told = customer.get("individual_detail")
    for holder, name in ((customer, "reference_id"), (told, "given_names")):
        if not isinstance(holder, dict) or not holder.get(name):
            raise missing(f"customer.{name}")
    if len(str(customer.get("email"))) > EMAIL_MAX:
        raise invalid("customer.email", f"must have at most {EMAIL_MAX} characters")
    number = customer.get("mobile_number")
    if number is not None and not re.fullmatch(r"\+[1-9][0-9]{6,14}", str(number)):
        raise invalid("customer.mobile_number", "must be in E.164 format")


def _check_metadata(metadata: object) -> None:
    """The table of errors says 20 keys, 40 and 80 characters; the schema allows more."""
    if metadata is None:
        return
    fits = (
        isinstance(metadata, dict)
        and len(metadata) <= METADATA_KEYS
        and all(len(key) <= METADATA_KEY_MAX for key in metadata)
        and all(
            isinstance(value, str) and len(value) <= METADATA_VALUE_MAX
            for value in metadata.values()
        )
    )
    if not fits:
        raise error(400, "INVALID_METADATA", "Metadata is too large, or holds more than texts")


def _check_items(items: object) -> None:
    required = ("reference_id", "type", "name", "net_unit_amount", "quantity", "category")
    if items is not None and not isinstance(items, list):
        raise invalid("items", "must be array")
    for item in items or []:
        if not isinstance(item, dict) or any(item.get(name) is None for name in required):
            raise invalid("items", "must have all required properties")


def _check_url(url: object, name: str, *, accepts_local_urls: bool) -> None:
    try:
        scheme, host = urlsplit(str(url)).scheme, urlsplit(str(url)).hostname
    except ValueError:
        scheme, host = "", None
    is_local = accepts_local_urls and scheme == "http" and host in LOCAL_HOSTS
    if not host or (scheme != "https" and not is_local):
        raise error(400, "INVALID_URL", f"{name} must be an HTTPS URL")
