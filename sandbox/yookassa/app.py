"""HTTP round the rules of YooKassa: the API, the hosted page, the tester's controls, webhooks."""

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

import httpx
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.clock import replace_file
from sandbox.controls import (
    PAGE_HEADERS,
    Control,
    LostResponse,
    control,
    plan_fault,
    text_field,
)
from sandbox.deliveries import Notification
from sandbox.yookassa.machine import MoveNotAllowed, NoSuchPayment
from sandbox.yookassa.page import checkout_page
from sandbox.yookassa.rules import YooKassaRules
from sandbox.yookassa.wire import Call, Json, Refused, Shop, stamp

WEBHOOK_TIMEOUT_SECONDS: Final = 10.0
WEBHOOKS_AT_ONCE: Final = 16
POLL_SECONDS: Final = 0.2
HOST_STARTS_SECONDS: Final = 1.0
REFUSALS: Final = {NoSuchPayment: 404, MoveNotAllowed: 409, Refused: 422}
METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class YooKassaDouble:
    """
    Mount `routes`, and keep `running` entered while they serve: it sends the webhooks.

    With a `state_file`, an answered call is on disk before its answer leaves.
    """

    def __init__(
        self,
        rules: YooKassaRules,
        *,
        webhook_url: str,
        now: Callable[[], datetime],
        state_file: Path | None = None,
        slow_seconds: float = 3.0,
        lost_after_seconds: float = 0.0,
    ) -> None:
        self.rules = rules
        self._webhook_url = httpx.URL(webhook_url)
        self._now = now
        self._state_file = state_file
        self._slow_seconds = slow_seconds
        self._lost_after_seconds = lost_after_seconds
        self._wake = asyncio.Event()
        self._sending: set[int] = set()
        if state_file is not None and state_file.exists():
            rules.restore(json.loads(state_file.read_text()))
        self._changes_kept = rules.changes
        self.routes: list[BaseRoute] = [
            Route("/yookassa/v3/{path:path}", self._api, methods=METHODS),
            Route("/yookassa/checkout/{payment_id}", self._page, methods=["GET"]),
            Route("/yookassa/checkout/{payment_id}", self._act_on_page, methods=["POST"]),
            *self._control("/yookassa/payments/{payment_id}/pay", self._pay),
            *self._control("/yookassa/payments/{payment_id}/decline", self._decline),
            *self._control("/yookassa/payments/{payment_id}/expire", self._expire),
            *self._control("/yookassa/payments/{payment_id}/refund", self._refund_at_dashboard),
            *self._control("/yookassa/payments", self._pay_at_dashboard),
            *self._control("/yookassa/refunds/{refund_id}/finish", self._finish_refund),
            *self._control("/yookassa/refunds/{refund_id}/reject", self._reject_refund),
            *self._control("/yookassa/shops", self._put_shop),
            *self._control("/yookassa/faults", self._plan_fault),
            *self._control("/yookassa/calls", self._calls, "GET"),
        ]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        sender = asyncio.create_task(self._send_webhooks())
        try:
            yield
        finally:
            sender.cancel()
            with suppress(asyncio.CancelledError):
                await sender

    # The API.

    async def _api(self, request: Request) -> Response:
        shop_id, secret = _credentials(request.headers.get("Authorization", ""))
        call = Call(
            request.method,
            "/" + request.path_params["path"],
            shop_id,
            secret,
            key=request.headers.get("Idempotence-Key"),
            query=dict(request.query_params),
            body=_parsed(await request.body()),
        )
        answer = self.rules.answer(call, at=self._now())
        self._keep()
        if answer.slow:
            await asyncio.sleep(self._slow_seconds)
        if answer.lost:
            await asyncio.sleep(self._lost_after_seconds)
            return LostResponse()
        return JSONResponse(answer.body, answer.status)

    # The hosted page.

    async def _page(self, request: Request) -> Response:
        try:
            payment = self.rules.payment(request.path_params["payment_id"], at=self._now())
        except NoSuchPayment:
            return HTMLResponse("Такого платежа нет. No such payment.", 404)
        return HTMLResponse(checkout_page(payment), headers=PAGE_HEADERS)

    async def _act_on_page(self, request: Request) -> Response:
        """Like YooKassa, the page leads back to the shop whatever the outcome, and says nothing."""
        payment_id = request.path_params["payment_id"]
        form = parse_qs((await request.body()).decode(errors="replace"))
        act = self.rules.decline if form.get("action") == ["decline"] else self.rules.pay
        try:
            act(payment_id, at=self._now())
        except NoSuchPayment:
            return HTMLResponse("Такого платежа нет. No such payment.", 404)
        except MoveNotAllowed:  # It ended while the page was open; the page says how.
            return RedirectResponse(request.url.path, 303)
        self._keep()
        return_url = self.rules.payment(payment_id, at=self._now()).return_url
        return RedirectResponse(return_url or request.url.path, 303)

    # The tester's controls.

    def _control(self, path: str, act: Control, method: str = "POST") -> list[BaseRoute]:
        def act_and_keep(fields: Json, **names: str) -> object:
            told = act(fields, **names)
            self._keep()
            return told

        return control(path, act_and_keep, method=method, refusals=REFUSALS)

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

    def _plan_fault(self, fields: Json) -> Json:
        told = plan_fault(self.rules.faults, fields)
        self.rules.changes += 1
        return told

    def _calls(self, _fields: Json) -> Json:
        """The journal of the API, oldest first; `status` is null where the answer was lost."""
        return {"items": [asdict(record) | {"at": stamp(record.at)} for record in self.rules.calls]}

    # Keeping, and sending.

    def _keep(self) -> None:
        if self._state_file is not None and self.rules.changes != self._changes_kept:
            state = json.dumps(self.rules.snapshot(), default=datetime.isoformat)
            replace_file(self._state_file, state)
        self._changes_kept = self.rules.changes
        self._wake.set()

    async def _send_webhooks(self) -> None:
        limits = httpx.Limits(max_connections=WEBHOOKS_AT_ONCE)
        timeout = httpx.Timeout(WEBHOOK_TIMEOUT_SECONDS, pool=None)
        async with (
            httpx.AsyncClient(timeout=timeout, limits=limits, trust_env=False) as client,
            asyncio.TaskGroup() as sending,
        ):
            if self.rules.due_notifications(self._now()):
                # Kept from before a restart; the host that we are part of listens in a moment.
                await asyncio.sleep(HOST_STARTS_SECONDS)
            while True:
                self._wake.clear()
                for one in self.rules.due_notifications(self._now()):
                    if one.id not in self._sending:
                        self._sending.add(one.id)
                        sending.create_task(self._send(client, one))
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._wake.wait()

    async def _send(self, client: httpx.AsyncClient, notification: Notification) -> None:
        try:
            response = await client.post(self._webhook_url, json=notification.body)
            is_accepted = response.status_code == 200
        except httpx.HTTPError:
            is_accepted = False
        if is_accepted:
            self.rules.delivered(notification.id)
        else:
            self.rules.failed(notification.id, at=self._now())
        self._sending.discard(notification.id)
        self._keep()


def _credentials(header: str) -> tuple[str | None, str | None]:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "basic":
        return None, None
    try:
        shop_id, colon, secret = b64decode(token, validate=True).decode().partition(":")
    except ValueError:  # Neither base64 nor UTF-8.
        return None, None
    return (shop_id, secret) if colon else (None, None)


def _parsed(body: bytes) -> object:
    if not body:
        return {}
    try:
        parsed: object = json.loads(body)
        json.dumps(parsed, ensure_ascii=False).encode()  # Half a surrogate pair is no text.
    except (ValueError, RecursionError):
        return None
    return parsed
