"""HTTP round the rules of Crypto Pay: the API, the hosted page, the tester's controls, webhooks."""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.controls import PAGE_HEADERS, text_field
from sandbox.cryptopay.rules import CryptoPayRules
from sandbox.double import METHODS, GatewayDouble, back_to, json_of, page_of_nothing
from sandbox.gateway_rules import Call, Json, MoveNotAllowed, NoSuchThing, Refused
from sandbox.till import Action, till_page

REFUSALS: Final = {NoSuchThing: 404, MoveNotAllowed: 409, Refused: 422}
SAID: Final = {
    "active": ("Ожидает оплаты", "Awaiting payment"),
    "paid": ("Оплачено", "Paid"),
    "expired": ("Время на оплату вышло", "The time to pay is over"),
}


class CryptoPayDouble(GatewayDouble):
    """Mount `routes`, and keep `running` entered while they serve: it sends the webhooks."""

    title = "Crypto Pay"
    api_path = "/api"
    accepts_any_success = False

    def __init__(self, rules: CryptoPayRules, **options: Any) -> None:
        super().__init__("cryptopay", rules, refusals=REFUSALS, **options)
        self.rules = rules
        self.routes: list[BaseRoute] = [
            Route("/cryptopay/api/{method:path}", self._api, methods=METHODS),
            Route("/cryptopay/checkout/{id}", self._page, methods=["GET"]),
            Route("/cryptopay/checkout/{id}", self._act_on_page, methods=["POST"]),
            *self.control("payments/{id}/pay", self._pay),
            *self.control("payments/{id}/expire", self._expire),
            *self.control("balance/top_up", self._top_up),
            *self.control("users/{user_id:int}/forget", self._forget),
            *self.control("switch", self._switch),
            *self.shared_controls(),
        ]

    def newest(self) -> Iterator[tuple[str, str, str]]:
        for invoice in reversed(self.rules.all("invoice")):
            said = f"{invoice['status']} {invoice.get('description', '')}"
            yield str(invoice["invoice_id"]), _amount(invoice), said

    async def _api(self, request: Request) -> Response:
        call = Call(
            request.method,
            f"/{request.path_params['method']}",
            request.headers.get("Crypto-Pay-API-Token"),
            query=dict(request.query_params),
            body=await _fields_of(request),
        )
        answer = self.rules.answer(call, at=self._now())
        self.keep()
        return await self.told(answer)

    async def _page(self, request: Request) -> Response:
        try:
            invoice = self.rules.invoice(request.path_params["id"], at=self._now())
        except NoSuchThing:
            return page_of_nothing()
        status = invoice["status"]
        ways = [
            Action(asset, f"Оплатить {amount} {asset}", "Pay")
            for asset, amount in self.rules.prices(invoice).items()
        ]
        page = till_page(
            amount=_amount(invoice),
            description=invoice.get("description", ""),
            shop=self.rules.app_name,
            status=status,
            said=SAID[status],
            actions=ways if status == "active" else (),
            back=invoice.get("paid_btn_url") if status == "paid" else None,
        )
        return HTMLResponse(page, headers=PAGE_HEADERS)

    async def _act_on_page(self, request: Request) -> Response:
        """As in Telegram, the payer stays; the shop's button is on the page of a paid invoice."""
        form = dict(parse_qsl((await request.body()).decode(errors="replace")))
        try:
            self.rules.pay(
                request.path_params["id"], at=self._now(), asset=form.get("action") or None
            )
        except NoSuchThing:
            return page_of_nothing()
        except MoveNotAllowed:
            pass  # It ended while the page was open; the page says how.
        self.keep()
        return back_to(request.url.path)

    # The tester's controls.

    def _pay(self, fields: Json, id: str) -> Json:  # noqa: A002 - As the path calls it.
        asset = text_field(fields, "asset", "") or None
        return self.rules.pay(id, at=self._now(), asset=asset)

    def _expire(self, _fields: Json, id: str) -> Json:  # noqa: A002
        return self.rules.expire(id, at=self._now())

    def _top_up(self, fields: Json) -> Json:
        asset = text_field(fields, "asset")
        return {asset: self.rules.top_up(asset, text_field(fields, "amount"))}

    def _forget(self, _fields: Json, user_id: int) -> Json:
        self.rules.forget(user_id)
        return {"user_id": user_id}

    def _switch(self, fields: Json) -> Json:
        """What is not named stays as it is."""
        present = {
            "transfers": self.rules.transfers_are_on,
            "webhooks": not self.rules.webhooks_are_off,
        }
        wanted = present | fields
        if wanted.keys() != present.keys() or not all(type(one) is bool for one in wanted.values()):
            raise ValueError('{"transfers": true, "webhooks": true}, or one of them')
        self.rules.switch(**wanted)
        return wanted


async def _fields_of(request: Request) -> object:
    """JSON or a form, as the body says that it is."""
    if "x-www-form-urlencoded" not in request.headers.get("Content-Type", ""):
        return await json_of(request)
    return dict(parse_qsl((await request.body()).decode(errors="replace")))


def _amount(invoice: Json) -> str:
    return f"{invoice['amount']} {invoice.get('fiat') or invoice['asset']}"
