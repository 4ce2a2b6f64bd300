"""
PayMongo as pure rules (PayMongo docs: Checkout Sessions, Refunds, Batch Transfers, Webhooks).

Sessions honour no idempotency key, stay `active` when they are paid, and may be paid again.
"""

import hmac
import json
from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any, Final

from sandbox.deliveries import Notification
from sandbox.faults import REFUSING_FAULTS, Faults
from sandbox.gateway_rules import (
    Answer,
    Call,
    GatewayRules,
    Json,
    MoveNotAllowed,
    NoSuchThing,
    Refused,
)

CHECKOUT_URL: Final = "https://checkout.paymongo.com/"
PAUSES: Final = tuple(timedelta(seconds=2**k) for k in range(1, 13))
DEAD_EVENTS: Final = 3
"""So many events in a row that nobody took, and the webhook is disabled."""
LEAST: Final = 100
METHODS: Final = ("card", "gcash", "paymaya", "grab_pay", "qrph", "billease", "dob")
PAGE_MAX: Final = 100
INSTAPAY_MOST: Final = 50_000_00
FEE_BASIS_POINTS: Final = 250


def error(status: int, code: str, detail: str, attribute: str | None = None) -> Refused:
    one: Json = {"code": code, "detail": detail}
    if attribute is not None:
        one["source"] = {"pointer": attribute, "attribute": attribute}
    return Refused(status, {"errors": [one]})


def missing(attribute: str) -> Refused:
    return error(400, "parameter_required", f"{attribute} is required.", attribute)


def below(attribute: str) -> Refused:
    detail = f"The value for {attribute} cannot be less than {LEAST}."
    return error(400, "parameter_below_minimum", detail, attribute)


class PayMongoRules(GatewayRules):
    down = Answer(500, {"errors": [{"code": "internal_error", "detail": "Something went wrong."}]})

    def __init__(
        self,
        *,
        secret_key: str,
        webhook_secret: str,
        checkout_url: str = CHECKOUT_URL,
        seed: int = 0,
    ) -> None:
        super().__init__(pauses=PAUSES, seed=seed)
        self.faults = Faults(modes=REFUSING_FAULTS)
        self.secret_key = secret_key
        self.webhook_secret = webhook_secret
        self.livemode = secret_key.startswith("sk_live_")
        self._checkout_url = checkout_url
        self._dead_events = 0
        self.transfers_are_on = True
        """Money Movement is a product of its own: without it, 404."""

    # The API.

    def act(self, call: Call, at: datetime) -> Answer:  # noqa: PLR0911 - One for each call.
        if call.user != self.secret_key:
            raise error(401, "api_key_invalid", "API key is invalid.")
        match [call.method, *call.path.strip("/").split("/")]:
            case ["POST", "v1", "checkout_sessions"]:
                return _told(self._open(_attributes(call.body), at))
            case ["GET", "v1", "checkout_sessions", id_]:
                return _told(self._found("checkout_session", id_))
            case ["POST", "v1", "checkout_sessions", id_, "expire"]:
                return _told(self._expire(self._found("checkout_session", id_), at))
            case ["GET", "v1", "payments"]:
                return self._page("payment", call.query)
            case ["GET", "v1", "payments", id_]:
                return _told(self._found("payment", id_))
            case ["POST", "v1", "refunds"]:
                return self.once(
                    call,
                    lambda: _told(self._refund(_attributes(call.body), at)),
                    clash=_KEY_CLASH,
                    at=at,
                )
            case ["GET", "v1", "refunds"]:
                return self._page("refund", call.query)
            case ["GET", "v1", "refunds", id_]:
                return _told(self._found("refund", id_))
            case ["POST", "v2", "batch_transfers"] if self.transfers_are_on:
                return self.once(
                    call,
                    lambda: Answer(200, {"data": self._transfer(call.body, at)}),
                    clash=_KEY_CLASH,
                    at=at,
                )
            case ["GET", "v2", "transfers", id_] if self.transfers_are_on:
                return Answer(200, {"data": self._found("transfer", id_)})
        raise error(404, "resource_not_found", "The requested resource was not found.")

    def _found(self, kind: str, id_: str) -> Json:
        try:
            return self.find(kind, id_)
        except NoSuchThing:
            raise error(404, "resource_not_found", f"No such {kind} with id {id_}.") from None

    def _page(self, kind: str, query: Mapping[str, str]) -> Answer:
        """Newest first; `after` is the last id of the page before."""
        asked = query.get("limit", "10")
        limit = min(int(asked), PAGE_MAX) if asked.isdecimal() else 10
        things = self.all(kind)[::-1]
        if "payment_id" in query:
            wanted = query["payment_id"]
            things = [one for one in things if one["attributes"]["payment_id"] == wanted]
        if "after" in query:
            ids = [one["id"] for one in things]
            if query["after"] not in ids:
                raise error(404, "resource_not_found", f"No such {kind} with id {query['after']}.")
            things = things[ids.index(query["after"]) + 1 :]
        return Answer(200, {"data": things[:limit], "has_more": len(things) > limit})

    def _open(self, asked: Json, at: datetime) -> Json:
        amount = _total(asked.get("line_items"))
        methods = asked.get("payment_method_types")
        if not isinstance(methods, list) or not methods:
            raise missing("payment_method_types")
        switched_on = () if self.faults.take("refuse") else METHODS
        unknown = [one for one in methods if one not in switched_on]
        if unknown:
            raise error(
                400, "parameter_invalid", f"{unknown[0]} is not allowed.", "payment_method_types"
            )
        if amount < LEAST:
            raise below("amount")
        metadata = asked.get("metadata") or {}
        if not all(isinstance(one, str) for one in metadata.values()):
            raise error(400, "parameter_invalid", "metadata values are strings.", "metadata")
        id_, intent = self._id("cs"), self._id("pi")
        attributes: Json = {
            "billing": asked.get("billing") or {"name": None, "email": None, "phone": None},
            "cancel_url": asked.get("cancel_url"),
            "checkout_url": f"{self._checkout_url}{id_}",
            "client_key": f"{id_}_client_{self.digits()[:24]}",
            "description": asked.get("description"),
            "line_items": asked["line_items"],
            "livemode": self.livemode,
            "merchant": "Sandbox",
            "paid_at": None,
            "payments": [],
            "payment_intent": {
                "id": intent,
                "type": "payment_intent",
                "attributes": {
                    "amount": amount,
                    "currency": "PHP",
                    "livemode": self.livemode,
                    "status": "awaiting_payment_method",
                    "metadata": metadata,
                },
            },
            "payment_method_types": methods,
            "payment_method_used": None,
            "reference_number": asked.get("reference_number"),
            "status": "active",
            "success_url": asked.get("success_url"),
            "created_at": _seconds(at),
            "updated_at": _seconds(at),
            "metadata": metadata,
        }
        session: Json = {"id": id_, "type": "checkout_session", "attributes": attributes}
        return self.put("checkout_session", id_, session)

    def _expire(self, session: Json, at: datetime) -> Json:
        attributes = session["attributes"]
        if attributes["status"] == "expired":
            raise error(400, "parameter_invalid", "Checkout session is already expired")
        attributes |= {"status": "expired", "updated_at": _seconds(at)}
        self.changes += 1
        return session

    def _refund(self, asked: Json, at: datetime) -> Json:
        for name in ("amount", "payment_id", "reason"):
            if asked.get(name) is None:
                raise missing(name)
        payment = self._found("payment", str(asked["payment_id"]))
        paid, amount = payment["attributes"], asked["amount"]
        if type(amount) is not int or amount < LEAST:
            raise below("amount")
        if paid["status"] != "paid" or paid["source"]["type"] == "qrph":
            raise error(400, "parameter_invalid", "This payment cannot be refunded.", "payment_id")
        if amount > paid["amount"] - _refunded(paid):
            detail = "The amount is greater than what is left to refund."
            raise error(400, "allowed_amount_exceeded", detail, "amount")
        id_ = self._id("ref")
        refund: Json = {
            "id": id_,
            "type": "refund",
            "attributes": {
                "amount": amount,
                "currency": "PHP",
                "livemode": self.livemode,
                "metadata": asked.get("metadata") or {},
                "notes": asked.get("notes"),
                "payment_id": payment["id"],
                "reason": asked["reason"],
                "status": "pending",
                "created_at": _seconds(at),
                "refunded_at": None,
                "updated_at": _seconds(at),
            },
        }
        paid["refunds"].append(refund)
        return self.put("refund", id_, refund)

    def _transfer(self, body: object, at: datetime) -> Json:
        transfers = body.get("transfers") if isinstance(body, dict) else None
        if not isinstance(transfers, list) or not transfers:
            raise missing("transfers")
        made = []
        for asked in transfers:
            amount = asked.get("amount")
            if type(amount) is not int or not 1 <= amount <= INSTAPAY_MOST:
                raise error(400, "parameter_invalid", "amount is not allowed.", "amount")
            id_ = self._id("tr")
            kept = {name: asked.get(name) for name in _OF_A_TRANSFER}
            times = {"created_at": _seconds(at), "updated_at": _seconds(at)}
            made.append(self.put("transfer", id_, {"id": id_, "status": "pending"} | kept | times))
        return {"id": self._id("batch_tr"), "status": "pending", "transfers": deepcopy(made)}

    # The payer, the dashboard, the banks.

    def pay(
        self, session_id: str, *, at: datetime, method: str = "gcash", again: bool = False
    ) -> Json:
        """
        The payer pays; a paid session only repeats its webhook, unless they pay `again`.

        Raises: NoSuchThing, MoveNotAllowed.
        """
        session = self.find("checkout_session", session_id)
        attributes = session["attributes"]
        if attributes["payments"] and not again:
            self._event("checkout_session.payment.paid", session, at)
            return deepcopy(session)
        if attributes["status"] != "active":
            raise MoveNotAllowed(f"the session is {attributes['status']}")
        if self.faults.take("decline"):
            return self.decline(session_id, at=at)
        amount = attributes["payment_intent"]["attributes"]["amount"]
        if self.faults.take("amount"):
            amount -= 1
        payment = self._payment(session, amount, method, at, status="paid")
        attributes["payments"].append(payment)
        attributes["payment_intent"]["attributes"]["status"] = "succeeded"
        attributes |= {
            "paid_at": attributes["paid_at"] or _seconds(at),
            "payment_method_used": method,
            "updated_at": _seconds(at),
        }
        self._event("payment.paid", payment, at)
        self._event("checkout_session.payment.paid", session, at)
        return deepcopy(session)

    def decline(self, session_id: str, *, at: datetime) -> Json:
        """The payer's bank refuses; the session stays open for another try."""
        session = self.find("checkout_session", session_id)
        if session["attributes"]["status"] != "active":
            raise MoveNotAllowed(f"the session is {session['attributes']['status']}")
        amount = session["attributes"]["payment_intent"]["attributes"]["amount"]
        payment = self._payment(session, amount, "card", at, status="failed")
        payment["attributes"] |= {
            "failed_code": "insufficient_funds",
            "failed_message": "The card has insufficient funds to complete the purchase.",
        }
        self._event("payment.failed", payment, at)
        return deepcopy(session)

    def expire(self, session_id: str, *, at: datetime) -> Json:
        session = self.find("checkout_session", session_id)
        if session["attributes"]["status"] == "expired":
            raise MoveNotAllowed("the session is expired")
        return deepcopy(self._expire(session, at))

    def refund_at_dashboard(
        self, session_id: str, *, at: datetime, amount: int | None = None
    ) -> Json:
        """By hand, of all that is left by default; it reaches the payer at once."""
        payments = self.find("checkout_session", session_id)["attributes"]["payments"]
        if not payments:
            raise MoveNotAllowed("nothing was paid")
        payment = self.find("payment", payments[0]["id"])
        left = payment["attributes"]["amount"] - _refunded(payment["attributes"])
        asked = {"amount": amount or left, "payment_id": payment["id"], "reason": "others"}
        return self.finish_refund(self._refund(asked, at)["id"], at=at)

    def finish_refund(self, refund_id: str, *, at: datetime, status: str = "succeeded") -> Json:
        """A pending refund reaches the payer, or has `failed`."""
        refund = self.find("refund", refund_id)
        attributes = refund["attributes"]
        if attributes["status"] != "pending":
            raise MoveNotAllowed(f"the refund is {attributes['status']}")
        attributes |= {"status": status, "updated_at": _seconds(at)}
        if status == "succeeded":
            attributes["refunded_at"] = _seconds(at)
            self._event("payment.refunded", self.find("payment", attributes["payment_id"]), at)
        self._event("payment.refund.updated", refund, at)
        return deepcopy(refund)

    def dispute(self, session_id: str, *, at: datetime, amount: int | None = None) -> Json:
        """The payer's bank is asked to take it back, all of it by default."""
        payments = self.find("checkout_session", session_id)["attributes"]["payments"]
        if not payments or payments[0]["attributes"]["disputed"]:
            raise MoveNotAllowed("nothing was paid, or it is disputed already")
        payment, id_ = self.find("payment", payments[0]["id"]), self._id("dsp")
        payment["attributes"] |= {"disputed": True, "updated_at": _seconds(at)}
        # Which attributes a dispute has is not documented; these are the least that it needs.
        attributes: Json = {
            "amount": amount or payment["attributes"]["amount"],
            "currency": "PHP",
            "livemode": self.livemode,
            "payment_id": payment["id"],
            "status": "needs_response",
            "created_at": _seconds(at),
            "updated_at": _seconds(at),
        }
        dispute = self.put("dispute", id_, {"id": id_, "type": "dispute", "attributes": attributes})
        self._event("dispute.created", dispute, at)
        return deepcopy(dispute)

    def resolve_dispute(self, dispute_id: str, status: str, *, at: datetime) -> Json:
        """It is `won`, and nothing was taken, or `lost`. The payment stays `disputed`."""
        dispute = self.find("dispute", dispute_id)
        if dispute["attributes"]["status"] in {"won", "lost"}:
            raise MoveNotAllowed(f"the dispute is {dispute['attributes']['status']}")
        dispute["attributes"] |= {"status": status, "updated_at": _seconds(at)}
        self._event("dispute.resolved", dispute, at)
        return deepcopy(dispute)

    def finish_transfer(self, transfer_id: str, *, at: datetime, status: str = "succeeded") -> Json:
        """The bank of the payee took it, or it has `failed`; only the callback tells."""
        transfer = self.named("transfer", transfer_id, reference="reference_number")
        if transfer["status"] != "pending":
            raise MoveNotAllowed(f"the transfer is {transfer['status']}")
        transfer |= {"status": status, "updated_at": _seconds(at)}
        told = {name: transfer[name] for name in ("amount", "currency", "status", "metadata")}
        told |= {"reference_number": transfer["reference_number"], "livemode": self.livemode}
        self.notify(
            {
                "data": {
                    "id": self._id("wallet_tr"),
                    "type": "wallet_transaction",
                    "attributes": told,
                }
            },
            at,
        )
        return deepcopy(transfer)

    # Webhooks.

    def signed(self, notification: Notification, at: datetime) -> tuple[bytes, Mapping[str, str]]:
        """`t` is stamped at each try; test mode fills `te`, live mode `li`."""
        body = json.dumps(notification.body, ensure_ascii=False).encode()
        stamp = str(_seconds(at))
        proof = hmac.new(
            self.webhook_secret.encode(), stamp.encode() + b"." + body, "sha256"
        ).hexdigest()
        test, live = ("", proof) if self.livemode else (proof, "")
        return body, {"Paymongo-Signature": f"t={stamp},te={test},li={live}"}

    def delivered(self, notification_id: int) -> None:
        self._dead_events = 0
        super().delivered(notification_id)

    def given_up(self, notification: Notification) -> None:  # noqa: ARG002
        self._dead_events += 1
        self.webhooks_are_off = self.webhooks_are_off or self._dead_events >= DEAD_EVENTS

    def restore(self, state: Json) -> None:
        super().restore(state)
        # What JSON took apart is one thing again: a payment in its session, a refund in its payment.
        for session in self.all("checkout_session"):
            payments = session["attributes"]["payments"]
            payments[:] = [self.find("payment", one["id"]) for one in payments]
        for payment in self.all("payment"):
            refunds = payment["attributes"]["refunds"]
            refunds[:] = [self.find("refund", one["id"]) for one in refunds]

    def _payment(
        self, session: Json, amount: int, method: str, at: datetime, *, status: str
    ) -> Json:
        is_paid = status == "paid"
        fee = -(-amount * FEE_BASIS_POINTS // 10_000) if is_paid else 0
        id_, attributes = self._id("pay"), session["attributes"]
        payment: Json = {
            "id": id_,
            "type": "payment",
            "attributes": {
                "amount": amount,
                "billing": attributes["billing"],
                "currency": "PHP",
                "description": attributes["description"],
                "disputed": False,
                "fee": fee,
                "foreign_fee": 0,
                "livemode": self.livemode,
                "net_amount": amount - fee,
                "payment_intent_id": attributes["payment_intent"]["id"],
                "source": {"id": self._id("src"), "type": method},
                "status": status,
                "tax_amount": None,
                "metadata": attributes["metadata"],
                "refunds": [],
                "created_at": _seconds(at),
                "paid_at": _seconds(at) if is_paid else None,
                "updated_at": _seconds(at),
            },
        }
        return self.put("payment", id_, payment)

    def _event(self, kind: str, resource: Json, at: datetime) -> None:
        attributes = {
            "type": kind,
            "livemode": self.livemode,
            "data": resource,
            "previous_data": {},
            "pending_webhooks": 1,
            "created_at": _seconds(at),
            "updated_at": _seconds(at),
        }
        event = {"id": self._id("evt"), "type": "event", "attributes": attributes}
        self.notify({"data": event}, at)

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{self.digits()[:24]}"


_OF_A_TRANSFER: Final = (
    "provider",
    "amount",
    "currency",
    "purpose",
    "description",
    "reference_number",
    "source_account",
    "destination_account",
    "metadata",
)
_KEY_CLASH: Final = error(400, "parameter_invalid", "The idempotency key was used otherwise.")


def _told(resource: Json) -> Answer:
    return Answer(200, {"data": resource})


def _attributes(body: object) -> Json:
    found: Any = body
    for name in ("data", "attributes"):
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, dict):
        raise missing("data.attributes")
    return found


def _total(items: object) -> int:
    if not isinstance(items, list) or not items:
        raise missing("line_items")
    total = 0
    for item in items:
        is_line = isinstance(item, dict) and isinstance(item.get("name"), str)
        amount, quantity = (item.get("amount"), item.get("quantity")) if is_line else (None, None)
        if type(amount) is not int or type(quantity) is not int or item["currency"] != "PHP":
            raise error(400, "parameter_invalid", "line_items is not valid.", "line_items")
        total += amount * quantity
    return total


def _refunded(paid: Json) -> int:
    refunds = (one["attributes"] for one in paid["refunds"])
    return sum(one["amount"] for one in refunds if one["status"] != "failed")


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
