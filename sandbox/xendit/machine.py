"""What becomes of sessions, payments, refunds and payouts at Xendit, and which webhooks tell of it."""

import json
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from sandbox.deliveries import Notification
from sandbox.faults import XENDIT_FAULTS, Faults
from sandbox.gateway_rules import Answer, GatewayRules, Json, MoveNotAllowed, NoSuchThing
from sandbox.xendit.checks import CHANNELS, check_refund, error, minor_of, on_wire

CHECKOUT_URL: Final = "https://checkout-staging.xendit.co/sessions/"
BUSINESS_ID: Final = "661f87c614802d6c402cd82d"
AFTER_FIRST: Final = tuple(
    timedelta(**after)
    for after in (
        {"minutes": 15},
        {"hours": 1},
        {"hours": 3},
        {"hours": 6},
        {"hours": 12},
        {"hours": 24},
    )
)
"""When a webhook is tried again, counted from the first try."""
PAUSES: Final = tuple(
    later - earlier
    for earlier, later in zip((timedelta(), *AFTER_FIRST), AFTER_FIRST, strict=False)
)
REQUESTED_AFTER: Final = timedelta(minutes=1)
"""A payout can be canceled until it is handed to its channel."""
WITHOUT_REFUNDS: Final = frozenset({"QRPH", "7ELEVEN"})
ONLY_WHOLE_REFUNDS: Final = frozenset({"GRABPAY"})
"""Which channels these are varies by shop (Xendit docs, Refunds); some of each are rehearsed."""


class XenditMachine(GatewayRules):
    """All of Xendit that is not its API: payers, banks, the dashboard, time, and webhooks."""

    down = Answer(
        500,
        {
            "error_code": "SERVER_ERROR",
            "message": "Something unexpected happened. We are investigating this issue."
            " Please try again later.",
        },
    )

    def __init__(
        self,
        *,
        secret_key: str,
        callback_token: str,
        business_id: str = BUSINESS_ID,
        checkout_url: str = CHECKOUT_URL,
        accepts_local_urls: bool = True,
        seed: int = 0,
    ) -> None:
        """
        Xendit refuses return URLs without https; `accepts_local_urls` lets this machine's own
        through, so that a rehearsal needs no certificate.
        """
        super().__init__(pauses=PAUSES, seed=seed)
        self.faults = Faults(modes=XENDIT_FAULTS)
        self.secret_key = secret_key
        self.callback_token = callback_token
        self.business_id = business_id
        self.mode = "live" if secret_key.startswith("xnd_production_") else "test"
        self.checkout_url = checkout_url
        self.accepts_local_urls = accepts_local_urls

    def age(self, at: datetime) -> None:
        """Sessions run out of time, and payouts are handed to their channels."""
        for session in self.all("session"):
            ends_at = datetime.fromisoformat(session["expires_at"])
            if session["status"] == "ACTIVE" and ends_at <= at:
                self._end(session, "EXPIRED", ends_at)
        for payout in self.all("payout"):
            moved_at = datetime.fromisoformat(payout["created"]) + REQUESTED_AFTER
            if payout["status"] == "ACCEPTED" and moved_at <= at:
                self.change(payout, moved_at, status="REQUESTED")

    # What the API asks for too.

    def found(self, kind: str, id_: str, message: str | None = None) -> Json:
        """Raises: Refused."""
        try:
            return self.find(kind, id_)
        except NoSuchThing:
            code = "NOT_FOUND" if message else "DATA_NOT_FOUND"
            raise error(404, code, message or f"The {kind} was not found") from None

    def make_refund(self, body: object, at: datetime) -> Json:
        """Raises: Refused."""
        asked = check_refund(body)
        payment = self._refundable(asked)
        paid, left = _captured(payment), _captured(payment) - self._refunded(payment)
        channel = payment["channel_code"]
        if payment["status"] != "SUCCEEDED":
            raise error(400, "INELIGIBLE_TRANSACTION", "The payment was not captured")
        if channel in WITHOUT_REFUNDS:
            message = "Refund is not supported for this channel"
            raise error(400, "REFUND_NOT_SUPPORTED", message)
        amount = left if asked.get("amount") is None else minor_of(asked["amount"])
        if not amount or amount > left:
            message = "The refund amount exceeds the refundable amount"
            raise error(400, "MAXIMUM_REFUND_AMOUNT_REACHED", message)
        if amount != paid and channel in ONLY_WHOLE_REFUNDS:
            message = "Partial refund is not supported for this channel"
            raise error(400, "PARTIAL_REFUND_NOT_SUPPORTED", message)
        id_ = self.made_id("rfd")
        refund: Json = {
            "id": id_,
            "payment_request_id": payment["payment_request_id"],
            "payment_id": payment["payment_id"],
            "invoice_id": None,
            "payment_method_type": "CARD" if channel == "CARDS" else "EWALLET",
            "reference_id": asked.get("reference_id"),
            "channel_code": channel,
            "currency": payment["currency"],
            "amount": on_wire(amount),
            "status": "PENDING",
            "reason": asked["reason"],
            "failure_code": None,
            "refund_fee_amount": None,
            "metadata": asked.get("metadata"),
            "created": stamp(at),
            "updated": stamp(at),
        }
        return self.put("refund", id_, refund)

    def _refundable(self, asked: Json) -> Json:
        """The payment that is to be refunded, by its request or by itself."""
        payment_id = asked.get("payment_id")
        if payment_id is None:
            request = self.found("payment_request", str(asked["payment_request_id"]))
            payment_id = request["latest_payment_id"]
        payment = self.found("payment", str(payment_id))
        if asked.get("currency", payment["currency"]) != payment["currency"]:
            raise error(400, "API_VALIDATION_ERROR", "currency is not the payment's")
        return payment

    def _refunded(self, payment: Json) -> int:
        return sum(
            minor_of(one["amount"]) or 0
            for one in self.all("refund")
            if one["payment_id"] == payment["payment_id"] and one["status"] != "FAILED"
        )

    # The payer, the dashboard, the banks.

    def session(self, session_id: str, *, at: datetime) -> Json:
        """As it is at that time. Raises: NoSuchThing."""
        self.age(at)
        return self.find("session", session_id)

    def pay(
        self, session_id: str, *, at: datetime, channel: str = "GCASH", again: bool = False
    ) -> Json:
        """
        The payer pays; a completed session only repeats its webhooks. `again`: a second payment
        with the same metadata and reference, as support may ask a payer for; the session does not
        know of it.

        Raises: NoSuchThing, MoveNotAllowed.
        """
        session = self.session(session_id, at=at)
        if channel not in CHANNELS:
            raise MoveNotAllowed(f"{channel} is no channel")
        if session["status"] == "COMPLETED" and not again:
            self._tell_paid(session, at)
            return deepcopy(session)
        if session["status"] != ("COMPLETED" if again else "ACTIVE"):
            raise MoveNotAllowed(f"the session is {session['status']}")
        if not again and self.faults.take("decline"):
            return self.decline(session_id, at=at, channel=channel)
        payment = self._pay(session, channel, at)
        if again:
            self._event("payment.capture", payment, at)
            return deepcopy(session)
        told = {name: payment[name] for name in ("payment_request_id", "payment_id")}
        told["payment_token_id"] = payment.get("payment_token_id")
        self.change(session, at, status="COMPLETED", **told)
        self._tell_paid(session, at)
        return deepcopy(session)

    def decline(
        self,
        session_id: str,
        *,
        at: datetime,
        channel: str = "CARDS",
        failure_code: str = "INSUFFICIENT_BALANCE",
    ) -> Json:
        """The payer's bank refuses; the session stays ACTIVE for another try."""
        session = self.session(session_id, at=at)
        if session["status"] != "ACTIVE":
            raise MoveNotAllowed(f"the session is {session['status']}")
        payment = self._attempt(session, channel, at, status="FAILED")
        payment["failure_code"] = failure_code
        self._event("payment.failure", payment, at)
        return deepcopy(session)

    def expire(self, session_id: str, *, at: datetime) -> Json:
        session = self.session(session_id, at=at)
        if session["status"] != "ACTIVE":
            raise MoveNotAllowed(f"the session is {session['status']}")
        return deepcopy(self._end(session, "EXPIRED", at))

    def refund_at_dashboard(
        self, session_id: str, *, at: datetime, amount: float | None = None
    ) -> Json:
        """
        By hand, all that is left by default; it reaches the payer at once.

        Raises: NoSuchThing, MoveNotAllowed, Refused.
        """
        session = self.session(session_id, at=at)
        if session["status"] != "COMPLETED":
            raise MoveNotAllowed(f"the session is {session['status']}")
        asked = {"payment_id": session["payment_id"], "amount": amount, "reason": "OTHERS"}
        return self.finish_refund(self.make_refund(asked, at)["id"], at=at)

    def finish_refund(
        self, refund_id: str, *, at: datetime, failure_code: str | None = None
    ) -> Json:
        """A pending refund reaches the payer, or fails for a reason."""
        refund = self.find("refund", refund_id)
        if refund["status"] != "PENDING":
            raise MoveNotAllowed(f"the refund is {refund['status']}")
        status = "FAILED" if failure_code else "SUCCEEDED"
        self.change(refund, at, status=status, failure_code=failure_code)
        self._event(f"refund.{status.lower()}", refund, at)
        return deepcopy(refund)

    def finish_payout(
        self, payout_id: str, *, at: datetime, status: str = "SUCCEEDED", failure_code: str = ""
    ) -> Json:
        """It arrives, fails, or is REVERSED after it had arrived."""
        self.age(at)
        payout = self.named("payout", payout_id, reference="reference_id")
        is_open = payout["status"] in {"ACCEPTED", "REQUESTED"}
        allowed = payout["status"] == "SUCCEEDED" if status == "REVERSED" else is_open
        if not allowed:
            raise MoveNotAllowed(f"the payout is {payout['status']}")
        told = {"failure_code": failure_code} if failure_code else {}
        self.change(payout, at, status=status, **told)
        self._event(f"payout.{status.lower()}", payout, at)
        return deepcopy(payout)

    # Webhooks.

    def signed(self, notification: Notification, at: datetime) -> tuple[bytes, Mapping[str, str]]:
        """`created` is stamped at each try; `webhook-id` stays, and nothing signs the body."""
        told = dict(notification.body)
        webhook_id = told.pop("webhook_id")
        told["created"] = stamp(at)
        body = json.dumps(told, ensure_ascii=False).encode()
        return body, {"x-callback-token": self.callback_token, "webhook-id": webhook_id}

    def _event(self, kind: str, data: Json, at: datetime) -> None:
        names = ("id", "payment_session_id", "payment_id", "payment_token_id")
        subject = next(data[name] for name in names if data.get(name))
        content = f"{self._seed}:{kind}:{subject}"
        event: Json = {
            "webhook_id": sha256(content.encode()).hexdigest()[:32],
            "event": kind,
            "business_id": self.business_id,
            "created": stamp(at),
            "data": data,
        }
        if kind.startswith(("payment.", "payment_token.")):
            event["api_version"] = "v3"
        self.notify(event, at)

    def _tell_paid(self, session: Json, at: datetime) -> None:
        """The two events of one sale come in any order."""
        payment = self.find("payment", session["payment_id"])
        told = [("payment.capture", payment), ("payment_session.completed", _as_told(session))]
        if int(session["payment_session_id"][-1], 16) % 2:
            told.reverse()
        for kind, data in told:
            self._event(kind, data, at)

    # What happens.

    def _pay(self, session: Json, channel: str, at: datetime) -> Json:
        payment = self._attempt(session, channel, at, status="SUCCEEDED")
        captured = minor_of(session["amount"]) or 0
        if self.faults.take("amount"):
            captured -= 1
        payment["captures"] = [
            {
                "capture_timestamp": stamp(at),
                "capture_id": self.made_id("cptr"),
                "capture_amount": on_wire(captured),
            }
        ]
        if session["allow_save_payment_method"] != "DISABLED":
            token = {
                "payment_token_id": self.made_id("pt"),
                "business_id": self.business_id,
                "reference_id": session["reference_id"],
                "customer_id": session["customer_id"],
                "country": session["country"],
                "currency": session["currency"],
                "channel_code": channel,
                "status": "ACTIVE",
                "created": stamp(at),
                "updated": stamp(at),
            }
            payment |= {"payment_token_id": token["payment_token_id"], "type": "PAY_AND_SAVE"}
            self._event("payment_token.activation", token, at)
        return payment

    def _attempt(self, session: Json, channel: str, at: datetime, *, status: str) -> Json:
        """A payment of the session's amount, and the request that it belongs to."""
        shared: Json = {
            "payment_request_id": self.made_id("pr"),
            "business_id": self.business_id,
            "reference_id": session["reference_id"],
            "type": "PAY",
            "country": session["country"],
            "currency": session["currency"],
            "request_amount": session["amount"],
            "capture_method": "AUTOMATIC",
            "channel_code": channel,
            "status": status,
            "metadata": session["metadata"],
            "created": stamp(at),
            "updated": stamp(at),
        }
        payment_id = self.made_id("py")
        request = shared | {"latest_payment_id": payment_id}
        self.put("payment_request", shared["payment_request_id"], request)
        payment: Json = (
            {"payment_id": payment_id} | shared | {"captures": [], "payment_details": {}}
        )
        return self.put("payment", payment_id, payment)

    def _end(self, session: Json, status: str, at: datetime) -> Json:
        self.change(session, at, status=status)
        self._event(f"payment_session.{status.lower()}", _as_told(session), at)
        return session

    def change(self, thing: Json, at: datetime, **fields: Any) -> Json:
        thing |= {**fields, "updated": stamp(at)}
        self.changes += 1
        return thing

    def made_id(self, prefix: str) -> str:
        """Such as `py-` and a UUID."""
        one = self.digits()
        return f"{prefix}-{one[:8]}-{one[8:12]}-{one[12:16]}-{one[16:20]}-{one[20:32]}"


_NOT_TOLD: Final = frozenset(
    {"capture_method", "channel_properties", "allowed_payment_channels", "metadata"}
)


def _as_told(session: Json) -> Json:
    """As webhooks show it: without what is empty, and without metadata."""
    return {
        name: value
        for name, value in session.items()
        if value is not None and name not in _NOT_TOLD
    }


def _captured(payment: Json) -> int:
    return sum(minor_of(one["capture_amount"]) or 0 for one in payment["captures"])


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
