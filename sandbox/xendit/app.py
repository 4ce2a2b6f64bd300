"""HTTP round the rules of Xendit: the API, the hosted page, the tester's controls, webhooks."""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.controls import PAGE_HEADERS, number_field, text_field
from sandbox.double import (
    METHODS,
    GatewayDouble,
    back_to,
    basic_credentials,
    json_of,
    page_of_nothing,
)
from sandbox.gateway_rules import Call, Json, MoveNotAllowed, NoSuchThing, Refused
from sandbox.till import DECLINE, Action, till_page
from sandbox.xendit.checks import minor_of
from sandbox.xendit.rules import XenditRules

REFUSALS: Final = {NoSuchThing: 404, MoveNotAllowed: 409, Refused: 422}
WAYS: Final = (
    Action("GCASH", "GCash", "GCash"),
    Action("CARDS", "Карта", "Card"),
    Action("QRPH", "QR Ph", "QR Ph"),
    DECLINE,
)
SAID: Final = {
    "ACTIVE": ("Ожидает оплаты", "Awaiting payment"),
    "COMPLETED": ("Оплачено", "Paid"),
    "EXPIRED": ("Время на оплату вышло", "The time to pay is over"),
    "CANCELED": ("Отменено магазином", "Canceled by the shop"),
}


class XenditDouble(GatewayDouble):
    """Mount `routes`, and keep `running` entered while they serve: it sends the webhooks."""

    title = "Xendit"

    def __init__(self, rules: XenditRules, **options: Any) -> None:
        super().__init__("xendit", rules, refusals=REFUSALS, **options)
        self.rules = rules
        payment, refund, payout = "payments/{id}", "refunds/{id}", "payouts/{id}"
        self.routes: list[BaseRoute] = [
            Route("/xendit/checkout/{id}", self._page, methods=["GET"]),
            Route("/xendit/checkout/{id}", self._act_on_page, methods=["POST"]),
            *self.control(f"{payment}/pay", self._pay),
            *self.control(f"{payment}/pay_again", self._pay_again),
            *self.control(f"{payment}/decline", self._decline),
            *self.control(f"{payment}/expire", self._expire),
            *self.control(f"{payment}/refund", self._refund_at_dashboard),
            *self.control(f"{refund}/finish", self._finish_refund),
            *self.control(f"{refund}/reject", self._reject_refund),
            *self.control(f"{payout}/finish", self._finish_payout),
            *self.control(f"{payout}/fail", self._fail_payout),
            *self.control(f"{payout}/reverse", self._reverse_payout),
            *self.shared_controls(),
            # All else is the API's, which has no prefix of its own.
            Route("/xendit/{path:path}", self._api, methods=METHODS),
        ]

    def newest(self) -> Iterator[tuple[str, str, str]]:
        for session in reversed(self.rules.all("session")):
            said = f"{session['status']} {session['description'] or ''}"
            yield session["payment_session_id"], _amount(session), said

    async def _api(self, request: Request) -> Response:
        user, password = basic_credentials(request)
        at = self._now()
        call = Call(
            request.method,
            f"/{request.path_params['path']}",
            None if password else user,  # The key is the user, and there is no password.
            key=request.headers.get("idempotency-key"),
            query=dict(request.query_params),
            body=await json_of(request),
        )
        answer = self.rules.answer(call, at=at)
        self.keep()
        headers = self.rules.rate_limit(at)
        if answer.status == 429:
            headers["Rate-Limit-Remaining"] = "0"
        return await self.told(answer, headers)

    async def _page(self, request: Request) -> Response:
        try:
            session = self.rules.session(request.path_params["id"], at=self._now())
        except NoSuchThing:
            return page_of_nothing()
        status = session["status"]
        page = till_page(
            amount=_amount(session),
            description=session["description"] or "",
            shop=session["business_id"],
            status=status,
            said=SAID[status],
            actions=WAYS if status == "ACTIVE" else (),
            back=session["success_return_url" if status == "COMPLETED" else "cancel_return_url"],
        )
        return HTMLResponse(page, headers=PAGE_HEADERS)

    async def _act_on_page(self, request: Request) -> Response:
        """A payment leads on to the shop; a refusal leaves the payer here for another try."""
        id_ = request.path_params["id"]
        form = parse_qs((await request.body()).decode(errors="replace"))
        action = form.get("action", ["GCASH"])[0]
        try:
            if action == "decline":
                session = self.rules.decline(id_, at=self._now())
            else:
                session = self.rules.pay(id_, at=self._now(), channel=action)
        except NoSuchThing:
            return page_of_nothing()
        except MoveNotAllowed:  # It ended while the page was open; the page says how.
            return back_to(request.url.path)
        self.keep()
        is_paid = session["status"] == "COMPLETED"
        return back_to((is_paid and session["success_return_url"]) or request.url.path)

    # The tester's controls.

    def _pay(self, fields: Json, id: str) -> Json:  # noqa: A002 - As the path calls it.
        channel = text_field(fields, "channel", "GCASH")
        return self.rules.pay(id, at=self._now(), channel=channel)

    def _pay_again(self, fields: Json, id: str) -> Json:  # noqa: A002
        channel = text_field(fields, "channel", "GCASH")
        return self.rules.pay(id, at=self._now(), channel=channel, again=True)

    def _decline(self, fields: Json, id: str) -> Json:  # noqa: A002
        code = text_field(fields, "failure_code", "INSUFFICIENT_BALANCE")
        return self.rules.decline(id, at=self._now(), failure_code=code)

    def _expire(self, _fields: Json, id: str) -> Json:  # noqa: A002
        return self.rules.expire(id, at=self._now())

    def _refund_at_dashboard(self, fields: Json, id: str) -> Json:  # noqa: A002
        amount = number_field(fields, "amount", 0) or None
        return self.rules.refund_at_dashboard(id, at=self._now(), amount=amount)

    def _finish_refund(self, _fields: Json, id: str) -> Json:  # noqa: A002
        return self.rules.finish_refund(id, at=self._now())

    def _reject_refund(self, fields: Json, id: str) -> Json:  # noqa: A002
        code = text_field(fields, "failure_code", "REFUND_FAILED")
        return self.rules.finish_refund(id, at=self._now(), failure_code=code)

    def _finish_payout(self, _fields: Json, id: str) -> Json:  # noqa: A002
        return self.rules.finish_payout(id, at=self._now())

    def _fail_payout(self, fields: Json, id: str) -> Json:  # noqa: A002
        code = text_field(fields, "failure_code", "INVALID_DESTINATION")
        return self.rules.finish_payout(id, at=self._now(), status="FAILED", failure_code=code)

    def _reverse_payout(self, _fields: Json, id: str) -> Json:  # noqa: A002
        return self.rules.finish_payout(id, at=self._now(), status="REVERSED")


def _amount(session: Json) -> str:
    whole, rest = divmod(minor_of(session["amount"]) or 0, 100)
    return f"{whole}.{rest:02d} {session['currency']}"
