"""HTTP round the rules of Telegram: the Bot API, the chat's page, the tester's controls."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.controls import number_field, text_field
from sandbox.double import Double
from sandbox.pages import page_routes
from sandbox.reading import parsed
from sandbox.telegram.chats import ChatIsClosed, NoSuchButton
from sandbox.telegram.payment_controls import PAYMENT_REFUSALS, payment_controls
from sandbox.telegram.rules import TelegramRules
from sandbox.telegram.updates import Pending
from sandbox.telegram.wire import Answer, Call, Json, bad_request

SECRET_HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - its name.
REFUSALS: Final = PAYMENT_REFUSALS | {NoSuchButton: 404, ChatIsClosed: 409}
CHAT_PAGE_MAY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; frame-src 'self' https: http://127.0.0.1:* http://localhost:*;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Mini Apps, wherever they live, are the only thing from elsewhere, and in a frame of their own."""


class TelegramDouble(Double[Pending]):
    """Mount `routes`, and keep `running` entered while they serve: it posts the updates."""

    webhook_timeout_seconds = 30.0

    def __init__(
        self, rules: TelegramRules, *, held_seconds_max: float = 2.0, **options: Any
    ) -> None:
        """A long poll is held for less than it asks for: a host that stops waits for its end."""
        super().__init__("telegram", rules, refusals=REFUSALS, **options)
        self.rules = rules
        self._held_seconds_max = held_seconds_max
        user = "users/{user_id:int}"
        self.routes: list[BaseRoute] = [
            Route("/telegram/bot{token}/{method}", self._api, methods=["GET", "POST"]),
            *page_routes("/telegram", Path(__file__).parent / "chat", CHAT_PAGE_MAY),
            Route(f"/telegram/{user}/chat", self._view, methods=["GET"]),
            *self.control("users", self._users, "GET"),
            *self.control(f"{user}/messages", self._messages, "GET"),
            *self.control(f"{user}/send", self._send),
            *self.control(f"{user}/press", self._press),
            *self.control(f"{user}/open", self._open),
            *self.control(f"{user}/block", self._block),
            *self.control(f"{user}/unblock", self._unblock),
            *self.control(f"{user}/profile", self._profile),
            *self.control(f"{user}/init_data", self._init_data),
            *payment_controls(rules, self._now, self.control),
            *self.shared_controls(),
        ]

    # The API.

    async def _api(self, request: Request) -> Response:
        try:
            params = await _params(request)
        except ValueError:
            return await self.told(bad_request("can't parse the request's parameters").answer())
        call = Call(request.path_params["token"], request.path_params["method"], params)
        answer = self.rules.answer(call, at=self._now())
        self.keep()
        held_until = asyncio.get_running_loop().time() + self._held_seconds_max
        while answer.held is not None and asyncio.get_running_loop().time() < held_until:
            await self.change()
            if await request.is_disconnected():
                return Response()  # Nobody hears it, and without the next offset nothing is lost.
            answer = self.rules.resume(answer.held, at=self._now())
        return await self.told(answer, _headers(answer))

    # The chat's page.

    async def _view(self, request: Request) -> Response:
        """All that the page shows; only `now`, if the page has seen the newest `version`."""
        at = self._now()
        told: Json = {"now": at.isoformat()}
        if request.query_params.get("seen") != str(self.rules.changes):
            try:
                told |= self.rules.view(request.path_params["user_id"], at=at)
            except ValueError as error:
                return JSONResponse({"error": str(error)}, 422)
        # Told last: whoever is looked at for the first time springs into being.
        return JSONResponse(told | {"version": self.rules.changes})

    # The tester's controls.

    def _users(self, _fields: Json) -> Json:
        return {"items": [user.as_told for user in self.rules.users()]}

    def _messages(self, _fields: Json, user_id: int) -> Json:
        return {"items": self.rules.messages(user_id)}

    def _send(self, fields: Json, user_id: int) -> Json:
        return self.rules.send(user_id, text_field(fields, "text"), at=self._now())

    def _press(self, fields: Json, user_id: int) -> Json:
        return self.rules.press(
            user_id,
            text_field(fields, "button"),
            at=self._now(),
            message_id=_whole_or_none(fields, "message_id"),
            index=_whole_or_none(fields, "index"),
            scheme=text_field(fields, "scheme", "light"),
        )

    def _open(self, fields: Json, user_id: int) -> Json:
        """A Mini App at this address, or that of the menu button; with a start_param, by a link."""
        button = self.rules.profile.menu_button(str(user_id))
        url = text_field(fields, "url", button.get("web_app", {}).get("url", ""))
        if not url:
            raise NoSuchButton("the menu button of this chat opens no Mini App")
        launched = self.rules.launch(
            user_id,
            url,
            at=self._now(),
            scheme=text_field(fields, "scheme", "light"),
            start_param=text_field(fields, "start_param", ""),
        )
        return {"web_app": launched}

    def _block(self, _fields: Json, user_id: int) -> Json:
        self.rules.block(user_id, at=self._now())
        return {"blocked": True}

    def _unblock(self, _fields: Json, user_id: int) -> Json:
        self.rules.unblock(user_id, at=self._now())
        return {"blocked": False}

    def _profile(self, fields: Json, user_id: int) -> Json:
        return self.rules.set_profile(user_id, fields)

    def _init_data(self, fields: Json, user_id: int) -> Json:
        init_data = self.rules.init_data(
            user_id,
            at=self._now(),
            start_param=text_field(fields, "start_param", ""),
            age_seconds=number_field(fields, "age_seconds", 0),
        )
        return {"init_data": init_data}

    # Posting.

    @property
    def at_once(self) -> int:
        return 0 if self.rules.webhook is None else self.rules.webhook.max_connections

    def owed(self, at: datetime) -> Sequence[Pending]:
        self.rules.pass_time(at)
        self.keep()
        return self.rules.due_updates(at)

    async def send(self, client: httpx.AsyncClient, one: Pending) -> None:
        webhook = self.rules.webhook
        if webhook is None:  # Deleted this very moment: the update waits for whoever asks next.
            return
        headers = {SECRET_HEADER: webhook.secret_token} if webhook.secret_token else {}
        wrong, retry_after, gone = "", 0, False
        try:
            response = await client.post(webhook.url, json=one.body, headers=headers)
            if not response.is_success:
                status = f"{response.status_code} {response.reason_phrase}"
                wrong = f"Wrong response from the webhook: {status}"
                gone = response.status_code == 410
                asked = response.headers.get("Retry-After", "")
                retry_after = int(asked) if asked.isdecimal() else 0
        except httpx.TimeoutException:
            wrong = "Read timeout expired"
        except (httpx.HTTPError, httpx.InvalidURL):
            wrong = "Connection refused"
        if wrong:
            self.rules.failed(one.id, wrong, at=self._now(), retry_after=retry_after, gone=gone)
        else:
            self.rules.delivered(one.id)


def _headers(answer: Answer) -> dict[str, str]:
    return {} if answer.retry_after is None else {"Retry-After": str(answer.retry_after)}


async def _params(request: Request) -> Json:
    """From the address, and from a body that is a form, as most libraries send it, or JSON."""
    body = await request.body()
    params: Json = dict(request.query_params)
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        given = parsed(body)
        if not isinstance(given, dict):
            raise ValueError("not an object")
        return params | given
    return params | dict(parse_qsl(body.decode(), keep_blank_values=True))


def _whole_or_none(fields: Json, name: str) -> int | None:
    """Raises: ValueError."""
    value = fields.get(name)
    if value is not None and type(value) is not int:
        raise ValueError(f"{name} must be a whole number")
    return value
