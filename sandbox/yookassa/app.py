"""HTTP round the rules of YooKassa: the API, the hosted page, the tester's controls, webhooks."""

from collections.abc import Iterator
from dataclasses import asdict, replace
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
from sandbox.yookassa.machine import MoveNotAllowed, NoSuchPayment
from sandbox.yookassa.page import checkout_page
from sandbox.yookassa.rules import YooKassaRules
from sandbox.yookassa.wire import Call, Json, Refused, Shop

REFUSALS: Final = {NoSuchPayment: 404, MoveNotAllowed: 409, Refused: 422}


class YooKassaDouble(GatewayDouble):
    """Mount `routes`, and keep `running` entered while they serve: it sends the webhooks."""

    title, api_path = "YooKassa", "/v3"
    accepts_any_success = False

    def __init__(self, rules: YooKassaRules, **options: Any) -> None:
        super().__init__("yookassa", rules, refusals=REFUSALS, **options)
        self.rules = rules
        payment, refund = "payments/{payment_id}", "refunds/{refund_id}"
        payout = "payouts/{payout_id}"
        self.routes: list[BaseRoute] = [
            Route("/yookassa/v3/{path:path}", self._api, methods=METHODS),
            Route("/yookassa/checkout/{payment_id}", self._page, methods=["GET"]),
            Route("/yookassa/checkout/{payment_id}", self._act_on_page, methods=["POST"]),
            *self.control(f"{payment}/pay", self._pay),
            *self.control(f"{payment}/decline", self._decline),
            *self.control(f"{payment}/expire", self._expire),
            *self.control(f"{payment}/refund", self._refund_at_dashboard),
            *self.control("payments", self._pay_at_dashboard),
            *self.control(f"{refund}/finish", self._finish_refund),
            *self.control(f"{refund}/reject", self._reject_refund),
            *self.control(f"{payout}/finish", self._finish_payout),
            *self.control(f"{payout}/fail", self._fail_payout),
            *self.control("methods/{method_id}/revoke", self._revoke_method),
            *self.control("shops", self._put_shop),
            *self.shared_controls(),
        ]

    def newest(self) -> Iterator[tuple[str, str, str]]:
        for payment in self.rules.payments():
            body = payment.body
            amount = f"{body['amount']['value']} {body['amount']['currency']}"
            yield body["id"], amount, f"{body['status']} {body.get('description', '')}"

    # The API.

    async def _api(self, request: Request) -> Response:
        shop_id, secret = basic_credentials(request)
        call = Call(
            request.method,
            "/" + request.path_params["path"],
            shop_id,
            secret,
            key=request.headers.get("Idempotence-Key"),
            query=dict(request.query_params),
            body=await json_of(request),
        )
        answer = self.rules.answer(call, at=self._now())
        self.keep()
        return await self.told(answer)

    # The hosted page.

    async def _page(self, request: Request) -> Response:
        try:
            payment = self.rules.payment(request.path_params["payment_id"], at=self._now())
        except NoSuchPayment:
            return page_of_nothing()
        return HTMLResponse(checkout_page(payment), headers=PAGE_HEADERS)

    async def _act_on_page(self, request: Request) -> Response:
        """Like YooKassa, the page leads back to the shop whatever the outcome, and says nothing."""
        payment_id = request.path_params["payment_id"]
        form = parse_qs((await request.body()).decode(errors="replace"))
        act = self.rules.decline if form.get("action") == ["decline"] else self.rules.pay
        try:
            act(payment_id, at=self._now())
        except NoSuchPayment:
            return page_of_nothing()
        except MoveNotAllowed:  # It ended while the page was open; the page says how.
            return back_to(request.url.path)
        self.keep()
        return_url = self.rules.payment(payment_id, at=self._now()).return_url
        return back_to(return_url or request.url.path)

    # The tester's controls.

    def _pay(self, _fields: Json, payment_id: str) -> Json:
        return self.rules.pay(payment_id, at=self._now())

    def _decline(self, fields: Json, payment_id: str) -> Json:
        reason = text_field(fields, "reason", "insufficient_funds")
        return self.rules.decline(payment_id, at=self._now(), reason=reason)

    def _expire(self, _fields: Json, payment_id: str) -> Json:
        return self.rules.expire(payment_id, at=self._now())

    def _pay_at_dashboard(self, fields: Json) -> Json:
        shop_id = text_field(fields, "shop_id", next(iter(self.rules.shops)))
        if shop_id not in self.rules.shops:
            raise ValueError(f"no such shop: {shop_id}")
        return self.rules.pay_at_dashboard(shop_id, text_field(fields, "amount"), at=self._now())

    def _refund_at_dashboard(self, fields: Json, payment_id: str) -> Json:
        value = text_field(fields, "amount") if "amount" in fields else None
        return self.rules.refund_at_dashboard(payment_id, at=self._now(), value=value)

    def _finish_refund(self, _fields: Json, refund_id: str) -> Json:
        return self.rules.finish_refund(refund_id, at=self._now())

    def _reject_refund(self, fields: Json, refund_id: str) -> Json:
        reason = text_field(fields, "reason", "rejected_by_payee")
        return self.rules.reject_refund(refund_id, at=self._now(), reason=reason)

    def _finish_payout(self, _fields: Json, payout_id: str) -> Json:
        return self.rules.finish_payout(payout_id, at=self._now())

    def _fail_payout(self, fields: Json, payout_id: str) -> Json:
        reason = text_field(fields, "reason", "recipient_not_found")
        return self.rules.fail_payout(payout_id, at=self._now(), reason=reason)

    def _revoke_method(self, _fields: Json, method_id: str) -> Json:
        self.rules.revoke_method(method_id)
        return {"id": method_id, "status": "inactive"}

    def _put_shop(self, fields: Json) -> Json:
        """Opens a shop, or changes the switches of one; the fields are those of `Shop`."""
        shop_id = text_field(fields, "shop_id")
        known = self.rules.shops.get(shop_id) or Shop(shop_id, text_field(fields, "secret"))
        kinds = {name: type(value) for name, value in asdict(known).items()}
        wrong = [name for name, value in fields.items() if type(value) is not kinds.get(name)]
        if wrong:
            raise ValueError(f"not fields of a shop, or not of their type: {', '.join(wrong)}")
        shop = replace(known, **fields)
        self.rules.shops[shop_id] = shop
        self.rules.changes += 1
        return {name: value for name, value in asdict(shop).items() if name != "secret"}
