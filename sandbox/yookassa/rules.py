"""YooKassa API v3 as pure rules: a call and the time in, an answer out."""

import json
from collections import deque
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from sandbox.yookassa import checks
from sandbox.yookassa.machine import CHECKOUT_URL, Payment, Refund
from sandbox.yookassa.payouts import Payout, PayoutMachine
from sandbox.yookassa.wire import Answer, Call, Json, Refused, Shop, invalid, money, not_found

KEYS_REMEMBERED: Final = timedelta(hours=24)
CALLS_KEPT: Final = 1000
PRODUCTS: Final = ("payments", "refunds", "payouts")
Listed = Payment | Refund | Payout


@dataclass(frozen=True, slots=True)
class Remembered:
    fingerprint: str
    answer: Answer
    at: datetime


@dataclass(frozen=True, slots=True)
class CallRecord:
    method: str
    path: str
    key: str | None
    status: int | None
    """None where the answer was lost on its way."""
    at: datetime


class YooKassaRules(PayoutMachine):
    """The payments and payouts, and the API that shops call about them."""

    def __init__(
        self, shops: Iterable[Shop], *, checkout_url: str = CHECKOUT_URL, seed: int = 0
    ) -> None:
        super().__init__(shops, checkout_url=checkout_url, seed=seed)
        self._payouts = {}
        self.calls: deque[CallRecord] = deque(maxlen=CALLS_KEPT)
        """Oldest first."""
        self._remembered: dict[tuple[str, str], Remembered] = {}

    def answer(self, call: Call, *, at: datetime) -> Answer:
        """One call, whole: faults, credentials, idempotence, the deed, the journal."""
        self._age(at)
        if self.faults.take("down"):
            # Of several, the last is the documented 500.
            status = 503 if self.faults.left.get("down", 0) % 2 else 500
            answer = self._refusal(
                Refused(status, "internal_server_error", "Internal server error", retry_after=1800)
            )
        else:
            answer = replace(self._decide(call, at), slow=self.faults.take("slow"))
            if call.method == "POST" and answer.status == 200:
                answer = replace(answer, lost=self.faults.take("timeout_after_acting"))
        told = None if answer.lost else answer.status
        self.calls.append(CallRecord(call.method, call.path, call.key, told, at))
        return answer

    def snapshot(self) -> Json:
        """What must outlive a restart, for `json.dumps(..., default=datetime.isoformat)`."""
        return {
            "ids_made": self._ids_made,
            "shops": [asdict(shop) for shop in self.shops.values()],
            "faults": self.faults.left,
            "payments": [asdict(payment) for payment in self._payments.values()],
            "refunds": [asdict(refund) for refund in self._refunds.values()],
            "payouts": [asdict(payout) for payout in self._payouts.values()],
            "saved_methods": self._saved_methods,
            "remembered": [[*owner, asdict(one)] for owner, one in self._remembered.items()],
            "deliveries": self._deliveries.snapshot(),
        }

    def restore(self, state: Json) -> None:
        """Takes up a snapshot that went through JSON."""
        self._ids_made = state["ids_made"]
        self.shops |= {raw["shop_id"]: Shop(**raw) for raw in state["shops"]}
        self.faults.left = dict(state["faults"])
        for raw in state["payments"]:
            payment = Payment(**_with_times(raw, "created_at", "deadline"))
            self._payments[payment.body["id"]] = payment
            if payment.deadline is not None:
                self._wait(payment, payment.deadline)
        for raw in state["refunds"]:
            self._refunds[raw["body"]["id"]] = Refund(**_with_times(raw, "created_at"))
        for raw in state.get("payouts", []):
            self._payouts[raw["body"]["id"]] = Payout(**_with_times(raw, "created_at"))
        for method_id, (shop_id, method) in state["saved_methods"].items():
            self._saved_methods[method_id] = (shop_id, method)
        for shop_id, key, raw in state["remembered"]:
            one = _with_times(raw, "at") | {"answer": Answer(**raw["answer"])}
            self._remembered[shop_id, key] = Remembered(**one)
        self._deliveries.restore(state["deliveries"])

    def _decide(self, call: Call, at: datetime) -> Answer:
        try:
            shop = self._shop_of(call)
            if call.method == "POST":
                return self._act_once(shop, call, at)
            return Answer(200, deepcopy(self._read(shop, call)))
        except Refused as refused:
            return self._refusal(refused)

    def _shop_of(self, call: Call) -> Shop:
        if call.shop_id is None or call.secret is None:
            raise Refused(401, "invalid_credentials", "Basic authentication failed")
        shop = self.shops.get(call.shop_id)
        if shop is None or shop.secret != call.secret:
            raise Refused(
                401,
                "invalid_credentials",
                "Error in shopId or secret key. Check their validity."
                " You can reissue the key in the Merchant Profile",
            )
        product = call.path.strip("/").split("/")[0]
        if product in PRODUCTS and (product == "payouts") != shop.pays_out:
            raise Refused(403, "forbidden", "This is not available for your account")
        return shop

    def _act_once(self, shop: Shop, call: Call, at: datetime) -> Answer:
        """A key repeats its first answer, refusals too, for 24 hours; then it is a new key."""
        owner = (shop.shop_id, checks.checked_key(call.key))
        self._forget_old_keys(at)
        content = json.dumps([call.path, call.body], sort_keys=True)
        fingerprint = sha256(content.encode()).hexdigest()
        known = self._remembered.get(owner)
        if known is not None:
            if known.fingerprint != fingerprint:
                raise invalid("Idempotence-Key", "Idempotence key duplicated")
            return deepcopy(known.answer)
        try:
            answer = Answer(200, deepcopy(self._act(shop, call, at)))
        except Refused as refused:
            answer = self._refusal(refused)
        self._remembered[owner] = Remembered(fingerprint, deepcopy(answer), at)
        self.changes += 1
        return answer

    def _forget_old_keys(self, at: datetime) -> None:
        while self._remembered:
            oldest = next(iter(self._remembered))
            if at < self._remembered[oldest].at + KEYS_REMEMBERED:
                break
            del self._remembered[oldest]

    def _act(self, shop: Shop, call: Call, at: datetime) -> Json:
        match call.path.strip("/").split("/"):
            case ["payments"]:
                return self._create(shop, call.body, at)
            case ["payments", payment_id, "capture"]:
                return self._capture(shop, payment_id, call.body, at)
            case ["payments", payment_id, "cancel"]:
                payment = self._held_payment(shop, payment_id)
                self._cancel(payment, "merchant", "canceled_by_merchant", at)
                return payment.body
            case ["refunds"]:
                return self._refund(shop, checks.checked_object(call.body, "body"), at)
            case ["payouts"]:
                return self._pay_out(shop, checks.checked_object(call.body, "body"), at)
        raise _no_such_call(call)

    def _read(self, shop: Shop, call: Call) -> Json:
        match [call.method, *call.path.strip("/").split("/")]:
            case ["GET", "me"]:
                return self._settings(shop)
            case ["GET", "payments", payment_id]:
                return self._payment_of(shop, payment_id).body
            case ["GET", ("refunds" | "payouts") as kind, object_id]:
                found = self._kept(kind).get(object_id)
                if found is None or found.shop_id != shop.shop_id:
                    raise not_found(kind[:-1].capitalize())
                return found.body
            case ["GET", ("payments" | "refunds" | "payouts") as kind]:
                query = checks.checked_list_query(call.query, of=kind)
                return _page(shop, self._kept(kind), query)
        raise _no_such_call(call)

    def _kept(self, kind: str) -> Mapping[str, Listed]:
        """Of a kind that is listed: all that there are, the oldest first."""
        kept: Mapping[str, Mapping[str, Listed]] = {
            "payments": self._payments,
            "refunds": self._refunds,
            "payouts": self._payouts,
        }
        return kept[kind]

    def _create(self, shop: Shop, raw: object, at: datetime) -> Json:
        wanted = checks.checked_payment(raw, shop)
        if wanted.method_id is None:
            return self._open(shop, wanted, at).body
        owner, method = self._saved_methods.get(wanted.method_id, ("", {}))
        if owner != shop.shop_id:
            raise invalid("payment_method_id")
        payment = self._open(shop, wanted, at)
        if method["status"] == "active":
            self._charge(payment, deepcopy(method), at)
        else:
            # YooKassa goes on showing the method as it was.
            payment.body["payment_method"] = deepcopy(method) | {"status": "active"}
            self._cancel(payment, "yoo_money", "permission_revoked", at)
        return payment.body

    def _capture(self, shop: Shop, payment_id: str, raw: object, at: datetime) -> Json:
        payment = self._held_payment(shop, payment_id)
        body = checks.checked_object(raw, "body")
        minor = payment.minor
        if body.get("amount") is not None:
            minor = checks.checked_amount(body["amount"], shop)
        if minor > payment.minor:
            raise invalid("amount.value")
        # The receipt given at the start is wrong for a part.
        asked = shop.receipt_required and minor < payment.minor
        if checks.check_receipt(body.get("receipt"), minor, shop, asked=asked):
            payment.has_receipt = True
        payment.minor = minor
        self._settle(payment, at)
        return payment.body

    def _payment_of(self, shop: Shop, payment_id: str) -> Payment:
        """YooKassa says 404 or 400 for an id it does not know; the second for what is no id."""
        payment = self._payments.get(payment_id)
        if payment is not None and payment.shop_id == shop.shop_id:
            return payment
        if checks.PAYMENT_ID_PATTERN.fullmatch(payment_id):
            raise not_found("Payment")
        raise invalid("payment_id", checks.INCORRECT_PAYMENT_ID)

    def _held_payment(self, shop: Shop, payment_id: str) -> Payment:
        payment = self._payment_of(shop, payment_id)
        if payment.body["status"] != "waiting_for_capture":
            raise invalid("payment_id")
        return payment

    def _settings(self, shop: Shop) -> Json:
        if shop.pays_out:
            return {
                "account_id": shop.shop_id,
                "status": "enabled",
                "test": shop.test,
                "payout_methods": list(checks.PAYEES),
                "name": "Payouts",
                "payout_balance": money(self.balance(shop), shop.currency),
            }
        fiscalization: Json = {"enabled": shop.receipt_required}
        if shop.receipt_required:
            fiscalization["provider"] = "avanpost"
        return {
            "account_id": shop.shop_id,
            "status": "enabled",
            "test": shop.test,
            "fiscalization": fiscalization,
            "fiscalization_enabled": shop.receipt_required,
            "payment_methods": list(shop.payment_methods),
            "itn": "7700000000",
        }

    def _refusal(self, refused: Refused) -> Answer:
        digits = self._digits()
        error_id = f"{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-8{digits[15:18]}-{digits[18:30]}"
        return Answer(refused.status, refused.body(error_id))


def _page(shop: Shop, objects: Mapping[str, Listed], query: checks.ListQuery) -> Json:
    """Newest first; the cursor is the last id of the page before."""
    if query.cursor is not None and query.cursor not in objects:
        raise invalid("cursor")
    found: list[Json] = []
    is_reached = query.cursor is None
    for one in reversed(list(objects.values())):
        if is_reached and query.is_past(one.created_at):
            break
        if is_reached and one.shop_id == shop.shop_id and query.fits(one.body):
            found.append(one.body)
        if len(found) > query.limit:
            return {"type": "list", "items": found[:-1], "next_cursor": found[-2]["id"]}
        is_reached = is_reached or one.body["id"] == query.cursor
    return {"type": "list", "items": found}


def _no_such_call(call: Call) -> Refused:
    if call.path.strip("/").split("/")[0] in {"me", *PRODUCTS}:
        return Refused(405, "method_not_allowed", "Method not allowed")
    return not_found("Resource")


def _with_times(raw: Json, *names: str) -> Json:
    return raw | {
        name: datetime.fromisoformat(raw[name]) for name in names if raw[name] is not None
    }
