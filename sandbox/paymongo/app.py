"""HTTP round the rules of PayMongo: the API, the hosted page, the tester's controls, webhooks."""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.controls import PAGE_HEADERS, text_field
from sandbox.double import (
    METHODS,
    GatewayDouble,
    back_to,
    basic_credentials,
    json_of,
    page_of_nothing,
)
from sandbox.gateway_rules import Call, Json, MoveNotAllowed, NoSuchThing, Refused
from sandbox.paymongo.rules import PayMongoRules
from sandbox.till import DECLINE, Action, till_page

REFUSALS: Final = {NoSuchThing: 404, MoveNotAllowed: 409, Refused: 422}
WAYS: Final = (
    Action("gcash", "GCash", "GCash"),
    Action("card", "Карта", "Card"),
    Action("qrph", "QR Ph", "QR Ph"),
    DECLINE,
)
SAID: Final = {
    "active": ("Ожидает оплаты", "Awaiting payment"),
    "paid": ("Оплачено", "Paid"),
    "expired": ("Время на оплату вышло", "The time to pay is over"),
}


class PayMongoDouble(GatewayDouble):
    """Mount `routes`, and keep `running` entered while they serve: it sends the webhooks."""

    title = "PayMongo"

    def __init__(self, rules: PayMongoRules, **options: Any) -> None:
        super().__init__("paymongo", rules, refusals=REFUSALS, **options)
        self.rules = rules
        payment, refund, payout = "payments/{id}", "refunds/{id}", "payouts/{id}"
        self.routes: list[BaseRoute] = [
            *(
                Route(f"/paymongo/{version}/{{path:path}}", self._api, methods=METHODS)
                for version in ("v1", "v2")
            ),
            Route("/paymongo/checkout/{id}", self._page, methods=["GET"]),
            Route("/paymongo/checkout/{id}", self._act_on_page, methods=["POST"]),
            *self.control(f"{payment}/pay", self._pay),
            *self.control(f"{payment}/pay_again", self._pay_again),
            *self.control(f"{payment}/decline", self._decline),
            *self.control(f"{payment}/expire", self._expire),
            *self.control(f"{payment}/refund", self._refund_at_dashboard),
            *self.control(f"{payment}/dispute", self._dispute),
            *self.control("disputes/{id}/win", self._win_dispute),
            *self.control("disputes/{id}/lose", self._lose_dispute),
            *self.control(f"{refund}/finish", self._finish_refund),
            *self.control(f"{refund}/reject", self._reject_refund),
            *self.control(f"{payout}/finish", self._finish_transfer),
            *self.control(f"{payout}/fail", self._fail_transfer),
            *self.shared_controls(),
        ]

    def newest(self) -> Iterator[tuple[str, str, str]]:
        for session in reversed(self.rules.all("checkout_session")):
            told = session["attributes"]
            amount = told["payment_intent"]["attributes"]["amount"]
            status = "paid" if told["payments"] else told["status"]
            yield session["id"], f"{amount / 100:.2f} PHP", f"{status} {told['description'] or ''}"

    async def _api(self, request: Request) -> Response:
        user, _ = basic_credentials(request)
        call = Call(
            request.method,
            request.url.path[request.url.path.index("/paymongo/") + len("/paymongo") :],
            user,
            key=request.headers.get("Idempotency-Key"),
            query=dict(request.query_params),
            body=await json_of(request),
        )
        answer = self.rules.answer(call, at=self._now())
        self.keep()
        return await self.told(answer)

    async def _page(self, request: Request) -> Response:
        try:
            session = self.rules.find("checkout_session", request.path_params["id"])
        except NoSuchThing:
            return page_of_nothing()
        told = session["attributes"]
        status = "paid" if told["payments"] else told["status"]
        amount = told["payment_intent"]["attributes"]["amount"]
        page = till_page(
            amount=f"{amount // 100}.{amount % 100:02d} PHP",
            description=told["description"] or "",
            shop=told["merchant"],
            status=status,
            said=SAID[status],
            actions=WAYS if status == "active" else (),
            back=told["success_url"],
        )
        return HTMLResponse(page, headers=PAGE_HEADERS)

    async def _act_on_page(self, request: Request) -> Response:
        """A payment leads on to the shop; a refusal leaves the payer here for another try."""
        id_ = request.path_params["id"]
        form = parse_qs((await request.body()).decode(errors="replace"))
        action = form.get("action", ["gcash"])[0]
        try:
            if action == "decline":
                self.rules.decline(id_, at=self._now())
            else:
                self.rules.pay(id_, at=self._now(), method=action)
            session = self.rules.find("checkout_session", id_)
        except NoSuchThing:
            return page_of_nothing()
        except MoveNotAllowed:  # It ended while the page was open; the page says how.
            return back_to(request.url.path)
        self.keep()
        told = session["attributes"]
        return back_to((told["payments"] and told["success_url"]) or request.url.path)

    # The tester's controls.

    def _pay(self, fields: Json, id: str) -> Json:  # noqa: A002 - As the path calls it.
        method = text_field(fields, "method", "gcash")
        return self.rules.pay(id, at=self._now(), method=method)

    def _pay_again(self, _fields: Json, id: str) -> Json:  # noqa: A002
        return self.rules.pay(id, at=self._now(), again=True)

    def _decline(self, _fields: Json, id: str) -> Json:  # noqa: A002
        return self.rules.decline(id, at=self._now())

    def _expire(self, _fields: Json, id: str) -> Json:  # noqa: A002
        return self.rules.expire(id, at=self._now())

    def _refund_at_dashboard(self, fields: Json, id: str) -> Json:  # noqa: A002
        return self.rules.refund_at_dashboard(id, at=self._now(), amount=_centavos(fields))

    def _dispute(self, fields: Json, id: str) -> Json:  # noqa: A002
        return self.rules.dispute(id, at=self._now(), amount=_centavos(fields))

    def _win_dispute(self, _fields: Json, id: str) -> Json:  # noqa: A002
        return self.rules.resolve_dispute(id, "won", at=self._now())

    def _lose_dispute(self, _fields: Json, id: str) -> Json:  # noqa: A002
        return self.rules.resolve_dispute(id, "lost", at=self._now())

    def _finish_refund(self, _fields: Json, id: str) -> Json:  # noqa: A002
        return self.rules.finish_refund(id, at=self._now())

    def _reject_refund(self, _fields: Json, id: str) -> Json:  # noqa: A002
        return self.rules.finish_refund(id, at=self._now(), status="failed")

    def _finish_transfer(self, _fields: Json, id: str) -> Json:  # noqa: A002
        return self.rules.finish_transfer(id, at=self._now())

    def _fail_transfer(self, _fields: Json, id: str) -> Json:  # noqa: A002
        return self.rules.finish_transfer(id, at=self._now(), status="failed")


def _centavos(fields: Json) -> int | None:
    """None: all of it."""
    amount = fields.get("amount")
    if amount is not None and type(amount) is not int:
        raise ValueError("amount is in centavos, a whole number")
    return amount
