"""What YooKassa API v3 accepts in a request; everything else is refused with 400."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

from sandbox.yookassa.wire import Json, Refused, Shop, invalid, minor_from_value

KEY_PATTERN: Final = re.compile(r"[0-9a-zA-Z+-_.]{1,64}")
"""As the specification has it: from plus to underscore is a range."""
PAYMENT_ID_PATTERN: Final = re.compile(r"[0-9a-f]{8}-000f-5000-[0-9a-f]{4}-[0-9a-f]{12}")
INCORRECT_PAYMENT_ID: Final = "Incorrect payment_id. Payment doesn't exist or access denied."
RUB_MINOR_MAX: Final = {"bank_card": 350_000_00, "sbp": 700_000_00}
RUB_MINOR_MIN: Final = 1_00
PAYMENT_MODES: Final = (
    "full_prepayment",
    "partial_prepayment",
    "advance",
    "full_payment",
    "partial_payment",
    "credit",
    "credit_payment",
)
PAYMENT_STATUSES: Final = frozenset({"pending", "waiting_for_capture", "succeeded", "canceled"})
REFUND_STATUSES: Final = frozenset({"pending", "succeeded", "canceled"})
FILTERS: Final[Mapping[str, tuple[frozenset[str], frozenset[str], frozenset[str]]]] = {
    "payments": (
        PAYMENT_STATUSES,
        frozenset({"created_at", "captured_at"}),
        frozenset({"status", "payment_method"}),
    ),
    "refunds": (
        REFUND_STATUSES,
        frozenset({"created_at"}),
        frozenset({"status", "payment_id"}),
    ),
    "payouts": (
        REFUND_STATUSES,
        frozenset({"created_at", "succeeded_at"}),
        frozenset({"status"}),
    ),
}
"""Of each list: the statuses there are, and which moments and words can be asked for."""
PAYOUT_MINOR: Final = {"bank_card": (5_00, 500_000_00), "yoo_money": (2_00, 500_000_00)}
PAYEES: Final = {
    "bank_card": ("card", "number", re.compile(r"[0-9]{16,19}")),
    "yoo_money": (None, "account_number", re.compile(r"[0-9]{11,33}")),
}
"""Where the payee's number stands in `payout_destination_data`, and what it looks like."""


@dataclass(frozen=True, slots=True)
class NewPayment:
    """A request to pay that passed every check."""

    minor: int
    capture: bool = False
    return_url: str | None = None
    method_type: str | None = None
    method_id: str | None = None
    save_method: bool = False
    has_receipt: bool = False
    echoed: Json = field(default_factory=dict)
    """What the payment repeats word for word."""


@dataclass(frozen=True, slots=True)
class NewPayout:
    """A request to pay out that passed every check."""

    minor: int
    destination: Json
    """As the payout shows it: of a card no more than its ends."""
    echoed: Json


@dataclass(frozen=True, slots=True)
class ListQuery:
    limit: int
    cursor: str | None
    equals: Mapping[str, str]
    times: tuple[tuple[str, str, datetime], ...]
    """Field, `gte | gt | lte | lt`, bound."""

    def fits(self, body: Json) -> bool:
        for name, value in self.equals.items():
            found = body.get(name)
            if (found.get("type") if isinstance(found, dict) else found) != value:
                return False
        return all(
            name in body and _holds(datetime.fromisoformat(body[name]), relation, bound)
            for name, relation, bound in self.times
        )

    def is_past(self, created_at: datetime) -> bool:
        """Whether this object, and all older ones, are too old."""
        return any(
            name == "created_at" and relation in {"gte", "gt"} and created_at < bound
            for name, relation, bound in self.times
        )


def checked_key(key: str | None) -> str:
    if not key:
        raise invalid("Idempotence-Key", "Idempotence key is empty")
    if not KEY_PATTERN.fullmatch(key):
        raise invalid("Idempotence-Key")
    return key


def checked_object(raw: object, parameter: str) -> Json:
    if not isinstance(raw, dict):
        raise invalid(parameter)
    return raw


def checked_text(raw: object, parameter: str, *, longest: int) -> str:
    if not isinstance(raw, str) or len(raw) > longest:
        raise invalid(parameter)
    return raw


def checked_amount(raw: object, shop: Shop) -> int:
    """Minor units, more than zero, in the shop's currency."""
    amount = checked_object(raw, "amount")
    minor = minor_from_value(amount.get("value"))
    if not minor:
        raise invalid("amount.value")
    if amount.get("currency") != shop.currency:
        raise invalid("amount.currency")
    return minor


def checked_payment(raw: object, shop: Shop) -> NewPayment:
    """The limits are those of YooKassa docs, Creating a payment."""
    body = checked_object(raw, "body")
    minor = checked_amount(body.get("amount"), shop)
    method_type, method_id = _checked_method(body, shop)
    _check_limits(minor, shop, method_type)
    save_method = _checked_flag(body, "save_payment_method")
    if (save_method or method_id) and not shop.recurring_allowed:
        raise Refused(
            403,
            "forbidden",
            "This store can't make recurring payments. Contact the YooMoney manager to learn more",
        )
    return NewPayment(
        minor,
        capture=_checked_flag(body, "capture"),
        return_url=_checked_confirmation(body.get("confirmation"), has_method=bool(method_id)),
        method_type=method_type,
        method_id=method_id,
        save_method=save_method,
        has_receipt=check_receipt(body.get("receipt"), minor, shop, asked=shop.receipt_required),
        echoed=checked_echo(body, {"description": 128, "merchant_customer_id": 200}),
    )


def checked_echo(body: Json, longest: Mapping[str, int]) -> Json:
    """What an object repeats word for word: texts up to their lengths, and metadata."""
    echoed: Json = {
        name: checked_text(body[name], name, longest=length)
        for name, length in longest.items()
        if body.get(name) is not None
    }
    if body.get("metadata") is not None:
        metadata = checked_object(body["metadata"], "metadata")
        if len(metadata) > 16 or any(len(name) > 32 for name in metadata):
            raise invalid("metadata")
        for value in metadata.values():
            checked_text(value, "metadata", longest=512)
        echoed["metadata"] = metadata
    return echoed


def check_receipt(raw: object, minor: int, shop: Shop, *, asked: bool) -> bool:
    """Whether there is a receipt, which must then be whole and come to the amount."""
    if raw is None and not asked:
        return False
    illegal = invalid("receipt", "Receipt is missing or illegal")
    if not isinstance(raw, dict) or not isinstance(raw.get("items"), list):
        raise illegal
    customer = raw.get("customer")
    if not isinstance(customer, dict) or not (customer.get("email") or customer.get("phone")):
        raise illegal
    if not 1 <= len(raw["items"]) <= 100:
        raise illegal
    lines = [_receipt_line(item, shop) for item in raw["items"]]
    if None in lines or sum(line for line in lines if line is not None) != minor:
        raise illegal
    return True


def checked_list_query(query: Mapping[str, str], *, of: str) -> ListQuery:
    """A filter that YooKassa does not have is refused, not ignored."""
    statuses, moments, words = FILTERS[of]
    if query.get("status", "pending") not in statuses:
        raise invalid("status")
    limit = query.get("limit", "10")
    if not re.fullmatch(r"[0-9]{1,3}", limit) or not 1 <= int(limit) <= 100:
        raise invalid("limit")
    times = []
    for name, value in query.items():
        moment, _, relation = name.partition(".")
        if moment in moments and relation in {"gte", "gt", "lte", "lt"}:
            times.append((moment, relation, _checked_time(value, name)))
        elif name not in words | {"limit", "cursor"}:
            raise invalid(name)
    equals = {name: query[name] for name in sorted(words) if name in query}
    return ListQuery(int(limit), query.get("cursor"), equals, tuple(times))


def checked_payout(raw: object, shop: Shop) -> NewPayout:
    """The limits are those of YooKassa docs, Payouts."""
    body = checked_object(raw, "body")
    minor = checked_amount(body.get("amount"), shop)
    told = checked_object(body.get("payout_destination_data"), "payout_destination_data")
    kind = told.get("type")
    if not isinstance(kind, str) or kind not in PAYEES:  # SBP is not rehearsed.
        raise invalid("payout_destination_data.type")
    outer, name, form = PAYEES[kind]
    holder = told if outer is None else checked_object(told.get(outer), outer)
    number = holder.get(name)
    if not isinstance(number, str) or not form.fullmatch(number):
        raise invalid(f"payout_destination_data.{name}")
    least, most = PAYOUT_MINOR[kind]
    if not least <= minor <= most:
        raise invalid("amount.value")
    destination: Json = {"type": kind, "account_number": number}
    if kind == "bank_card":
        card = {"first6": number[:6], "last4": number[-4:], "card_type": "Mir"}
        card |= {"issuer_country": "RU", "issuer_name": "SberBank"}
        destination = {"type": kind, "card": card}
    return NewPayout(minor, destination, checked_echo(body, {"description": 128}))


def _checked_flag(body: Json, name: str) -> bool:
    flag = body.get(name)
    if flag is not None and not isinstance(flag, bool):
        raise invalid(name)
    return bool(flag)


def _checked_method(body: Json, shop: Shop) -> tuple[str | None, str | None]:
    """The asked type of a new method, or the id of a saved one."""
    ways = ("payment_method_data", "payment_method_id", "payment_token")
    given = [name for name in ways if body.get(name) is not None]
    if len(given) > 1 or given == ["payment_token"]:  # A token needs YooKassa's own widget.
        raise invalid(given[0])
    if given == ["payment_method_id"]:
        return None, checked_text(body["payment_method_id"], "payment_method_id", longest=64)
    if given:
        kind = checked_object(body["payment_method_data"], "payment_method_data").get("type")
        if kind not in shop.payment_methods:
            raise invalid("payment_method_data.type")
        return kind, None
    return None, None


def _check_limits(minor: int, shop: Shop, method_type: str | None) -> None:
    kinds = shop.payment_methods if method_type is None else (method_type,)
    most = max(RUB_MINOR_MAX.get(kind, RUB_MINOR_MAX["bank_card"]) for kind in kinds)
    if shop.currency == "RUB" and not RUB_MINOR_MIN <= minor <= most:
        raise invalid("amount.value")


def _checked_confirmation(raw: object, *, has_method: bool) -> str | None:
    if raw is None or has_method:
        return None
    confirmation = checked_object(raw, "confirmation")
    if confirmation.get("type") != "redirect":
        raise invalid("confirmation.type")
    url = checked_text(confirmation.get("return_url"), "confirmation.return_url", longest=2048)
    try:
        parts = urlsplit(url)
    except ValueError as error:  # A broken IPv6 address.
        raise invalid("confirmation.return_url") from error
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise invalid("confirmation.return_url")
    return url


def _receipt_line(item: object, shop: Shop) -> Decimal | None:
    """Price x quantity in minor units; None for a line that the tax service would not take."""
    if not isinstance(item, dict) or not isinstance(item.get("amount"), dict):
        return None
    description, vat_code = item.get("description"), item.get("vat_code")
    quantity = str(item.get("quantity"))
    minor = minor_from_value(item["amount"].get("value"))
    is_whole = (
        isinstance(description, str)
        and 1 <= len(description) <= 128
        and isinstance(vat_code, int)
        and 1 <= vat_code <= 12
        and item.get("payment_mode") in PAYMENT_MODES
        and bool(item.get("payment_subject"))
        and re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,3})?", quantity)
        and item["amount"].get("currency") == shop.currency
    )
    return Decimal(quantity) * minor if is_whole and minor is not None else None


def _checked_time(value: str, parameter: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise invalid(parameter) from error
    if moment.tzinfo is None:
        raise invalid(parameter)
    return moment


def _holds(moment: datetime, relation: str, bound: datetime) -> bool:
    if relation in {"gte", "gt"}:
        return moment > bound or (relation == "gte" and moment == bound)
    return moment < bound or (relation == "lte" and moment == bound)
