"""
Xendit as pure rules (Xendit docs: Payment Sessions, Payments API v3, Refunds, Payouts v2,
Transactions, Webhooks).

Sessions honour no idempotency key, and one `reference_id` may name several. Rehearsed are PAY
sessions with a payment link and automatic capture.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sandbox.gateway_rules import Answer, Call, Json
from sandbox.xendit.checks import check_payout, check_session, error, expiry_of
from sandbox.xendit.machine import XenditMachine, stamp
from sandbox.xendit.transactions import page_of_transactions

CALLS_A_MINUTE: Final = {"test": 60, "live": 600}
PAGE_MAX: Final = 100


class XenditRules(XenditMachine):
    def act(self, call: Call, at: datetime) -> Answer:
        if call.user != self.secret_key:
            raise error(401, "INVALID_API_KEY", "API key is not authorized for this API")
        if self.faults.take("flood"):
            message = "You have exceeded the maximum number of requests"
            raise error(429, "RATE_LIMIT_EXCEEDED", message)
        match [call.method, *call.path.strip("/").split("/")]:
            case [_, "sessions", *_] | [_, "v3", *_] as asked:
                answer = self._about_payments(asked, call, at)
            case [_, "refunds", *_] as asked:
                answer = self._about_refunds(asked, call, at)
            case [_, "v2", "payouts", *_] as asked:
                answer = self._about_payouts(asked, call, at)
            case ["GET", "transactions"]:
                moved = {kind: self.all(kind) for kind in ("payment", "refund", "payout")}
                answer = page_of_transactions(moved, call.query, business_id=self.business_id)
            case _:
                answer = None
        if answer is None:
            raise error(404, "NOT_FOUND", "The requested resource was not found")
        return answer

    def _about_payments(self, asked: list[str], call: Call, at: datetime) -> Answer | None:
        match asked:
            case ["POST", "sessions"]:
                return Answer(201, self._open(call.body, at))
            case ["GET", "sessions", id_]:
                return Answer(200, self.found("session", id_, "Session not found"))
            case ["POST", "sessions", id_, "cancel"]:
                return self._cancel_session(self.found("session", id_, "Session not found"), at)
            case ["GET", "v3", "payment_requests", id_]:
                return Answer(200, self.found("payment_request", id_))
            case ["GET", "v3", "payments", id_]:
                return Answer(200, self.found("payment", id_))
        return None

    def _about_refunds(self, asked: list[str], call: Call, at: datetime) -> Answer | None:
        match asked:
            case ["POST", "refunds"]:
                return self.once(
                    call,
                    lambda: Answer(200, self.make_refund(call.body, at)),
                    clash=_REFUND_KEY_CLASH,
                    at=at,
                )
            case ["GET", "refunds"]:
                return self._page("refund", call.query, "payment_request_id")
            case ["GET", "refunds", id_]:
                return Answer(200, self.found("refund", id_))
        return None

    def _about_payouts(self, asked: list[str], call: Call, at: datetime) -> Answer | None:
        match asked:
            case ["POST", _, _] if not call.key:
                raise error(400, "API_VALIDATION_ERROR", "idempotency-key is required")
            case ["POST", _, _]:
                return self.once(
                    call,
                    lambda: Answer(200, self._payout(call.body, at)),
                    clash=_PAYOUT_KEY_CLASH,
                    at=at,
                )
            case ["GET", _, _] if not call.query.get("reference_id"):
                raise error(400, "API_VALIDATION_ERROR", "reference_id is required")
            case ["GET", _, _]:
                return self._page("payout", call.query, "reference_id")
            case ["GET", _, _, id_]:
                return Answer(200, self.found("payout", id_))
            case ["POST", _, _, id_, "cancel"]:
                return self._cancel_payout(self.found("payout", id_), at)
        return None

    def rate_limit(self, at: datetime) -> dict[str, str]:
        """
        The headers of an answer. They count the calls of this minute; none is refused for it,
        which only the fault `flood` does.
        """
        minute = at.replace(second=0, microsecond=0)
        limit = CALLS_A_MINUTE[self.mode]
        used = sum(one.at >= minute for one in self.calls)
        return {
            "Rate-Limit-Limit": str(limit),
            "Rate-Limit-Remaining": str(max(0, limit - used)),
            "Rate-Limit-Reset": str(60 - at.second),
        }

    def _page(self, kind: str, query: Mapping[str, str], named: str) -> Answer:
        """The newest first; `after_id` is the last id of the page before."""
        try:
            limit = min(int(float(query.get("limit", "10"))), PAGE_MAX)  # "2.0" of a library.
        except (ValueError, OverflowError):
            limit = 10
        wanted = query.get(named)
        things = [one for one in reversed(self.all(kind)) if wanted in {None, one[named]}]
        if "after_id" in query:
            ids = [one["id"] for one in things]
            if query["after_id"] not in ids:
                raise error(404, "DATA_NOT_FOUND", "after_id was not found")
            things = things[ids.index(query["after_id"]) + 1 :]
        told = {"data": things[:limit], "has_more": len(things) > limit, "links": []}
        return Answer(200, told)

    def _open(self, body: object, at: datetime) -> Json:
        asked = check_session(body, at, accepts_local_urls=self.accepts_local_urls)
        if self.faults.take("refuse"):
            raise error(400, "INVALID_PAYMENT_CHANNEL", "No payment channel is activated")
        id_ = f"ps-{self.digits()[:24]}"
        customer_id = asked.get("customer_id")
        if asked.get("customer"):
            customer_id = self.made_id("cust")
            self.put("customer", customer_id, asked["customer"] | {"id": customer_id})
        session: Json = {
            "payment_session_id": id_,
            "created": stamp(at),
            "updated": stamp(at),
            "reference_id": asked["reference_id"],
            "customer_id": customer_id,
            "session_type": "PAY",
            "allow_save_payment_method": asked.get("allow_save_payment_method", "DISABLED"),
            "currency": asked["currency"],
            "amount": asked["amount"],
            "country": asked["country"],
            "mode": "PAYMENT_LINK",
            "capture_method": "AUTOMATIC",
            "channel_properties": asked.get("channel_properties") or {},
            "allowed_payment_channels": asked.get("allowed_payment_channels") or [],
            "expires_at": stamp(expiry_of(asked, at)),
            "locale": asked.get("locale") or "en",
            "description": asked.get("description"),
            "success_return_url": asked.get("success_return_url"),
            "cancel_return_url": asked.get("cancel_return_url"),
            "items": asked.get("items"),
            "metadata": asked.get("metadata"),
            "status": "ACTIVE",
            "payment_link_url": f"{self.checkout_url}{id_}",
            "payment_token_id": None,
            "payment_request_id": None,
            "business_id": self.business_id,
        }
        return self.put("session", id_, session)

    def _cancel_session(self, session: Json, at: datetime) -> Answer:
        """No webhook tells of it (Xendit docs, Payment Sessions)."""
        if session["status"] != "ACTIVE":
            # Which code it is refused by is not documented.
            raise error(400, "INVALID_SESSION_STATUS", f"The session is {session['status']}")
        return Answer(200, self.change(session, at, status="CANCELED"))

    def _payout(self, body: object, at: datetime) -> Json:
        asked = check_payout(body)
        id_ = f"disb-{self.digits()[:24]}"
        names = ("amount", "channel_code", "currency", "description", "reference_id")
        payout: Json = {
            "id": id_,
            **{name: asked.get(name) for name in names},
            "status": "ACCEPTED",
            "created": stamp(at),
            "updated": stamp(at),
            "estimated_arrival_time": stamp(at + timedelta(minutes=15)),
            "business_id": self.business_id,
            "channel_properties": asked["channel_properties"],
            "metadata": asked.get("metadata"),
        }
        return self.put("payout", id_, payout)

    def _cancel_payout(self, payout: Json, at: datetime) -> Answer:
        if payout["status"] != "ACCEPTED":
            raise error(400, "INVALID_PAYOUT_STATUS", f"The payout is {payout['status']}")
        return Answer(200, self.change(payout, at, status="CANCELLED"))


_REFUND_KEY_CLASH: Final = error(
    409, "DUPLICATE_ERROR", "Idempotency key has been used with a different request"
)
_PAYOUT_KEY_CLASH: Final = error(
    409, "IDEMPOTENCY_ERROR", "The idempotency key was used with different parameters"
)
