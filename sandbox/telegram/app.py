"""HTTP round the rules of Telegram: the Bot API, the chat's page, the tester's controls."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.clock import replace_file
from sandbox.controls import (
    Control,
    LostResponse,
    control,
    number_field,
    plan_fault,
    text_field,
)
from sandbox.pages import page_routes
from sandbox.telegram.chats import ChatIsClosed, NoSuchButton
from sandbox.telegram.payment_controls import PAYMENT_REFUSALS, payment_controls
from sandbox.telegram.rules import TelegramRules, Webhook
from sandbox.telegram.updates import Pending
from sandbox.telegram.wire import Answer, Call, Json, bad_request

WEBHOOK_TIMEOUT_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.2
HOST_STARTS_SECONDS: Final = 1.0
SECRET_HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - its name.
REFUSALS: Final = PAYMENT_REFUSALS | {NoSuchButton: 404, ChatIsClosed: 409}
CHAT_PAGE_MAY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; frame-src 'self' https: http://127.0.0.1:* http://localhost:*;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Mini Apps, wherever they live, are the only thing from elsewhere, and in a frame of their own."""


class TelegramDouble:
    """
    Mount `routes`, and keep `running` entered while they serve: it posts updates to the webhook.

    With a `state_file`, an answered call is on disk before its answer leaves.
    """

    def __init__(
        self,
        rules: TelegramRules,
        *,
        now: Callable[[], datetime],
        state_file: Path | None = None,
        slow_seconds: float = 3.0,
        lost_after_seconds: float = 0.0,
        held_seconds_max: float = 2.0,
    ) -> None:
        """A long poll is held for less than it asks for: a host that stops waits for its end."""
        self.rules = rules
        self._now = now
        self._state_file = state_file
        self._slow_seconds = slow_seconds
        self._lost_after_seconds = lost_after_seconds
        self._held_seconds_max = held_seconds_max
        self._changed = asyncio.Event()
        self._sending: set[int] = set()
        if state_file is not None and state_file.exists():
            rules.restore(json.loads(state_file.read_text()))
        self._changes_kept = rules.changes
        user = "/telegram/users/{user_id:int}"
        self.routes: list[BaseRoute] = [
            Route("/telegram/bot{token}/{method}", self._api, methods=["GET", "POST"]),
            *page_routes("/telegram", Path(__file__).parent / "chat", CHAT_PAGE_MAY),
            Route(f"{user}/chat", self._view, methods=["GET"]),
            *self._control("/telegram/users", self._users, "GET"),
            *self._control(f"{user}/messages", self._messages, "GET"),
            *self._control(f"{user}/send", self._send),
            *self._control(f"{user}/press", self._press),
            *self._control(f"{user}/open", self._open),
            *self._control(f"{user}/block", self._block),
            *self._control(f"{user}/unblock", self._unblock),
            *self._control(f"{user}/profile", self._profile),
            *self._control(f"{user}/init_data", self._init_data),
            *payment_controls(rules, now, self._control),
            *self._control("/telegram/faults", self._plan_fault),
            *self._control("/telegram/calls", self._calls, "GET"),
        ]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        sender = asyncio.create_task(self._post_updates())
        try:
            yield
        finally:
            sender.cancel()
            with suppress(asyncio.CancelledError):
                await sender

    # The API.

    async def _api(self, request: Request) -> Response:
        try:
            params = await _params(request)
        except ValueError:
            return _told(bad_request("can't parse the request's parameters").answer())
        call = Call(request.path_params["token"], request.path_params["method"], params)
        answer = self.rules.answer(call, at=self._now())
        self._keep()
        held_until = asyncio.get_running_loop().time() + self._held_seconds_max
        while answer.held is not None and asyncio.get_running_loop().time() < held_until:
            await self._change()
            if await request.is_disconnected():
                return Response()  # Nobody hears it, and without the next offset nothing is lost.
            answer = self.rules.resume(answer.held, at=self._now())
        if answer.slow:
            await asyncio.sleep(self._slow_seconds)
        if answer.lost:
            await asyncio.sleep(self._lost_after_seconds)
            return LostResponse()
        return _told(answer)

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

    def _control(self, path: str, act: Control, method: str = "POST") -> list[BaseRoute]:
        def act_and_keep(fields: Json, **names: object) -> object:
            told = act(fields, **names)
            self._keep()
            return told

        return control(path, act_and_keep, method=method, refusals=REFUSALS)

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

    def _plan_fault(self, fields: Json) -> Json:
        told = plan_fault(self.rules.faults, fields)
        self.rules.changes += 1
        return told

    def _calls(self, _fields: Json) -> Json:
        """The journal of the API, oldest first; `status` is null where the answer was lost."""
        records = self.rules.calls
        return {"items": [asdict(record) | {"at": record.at.isoformat()} for record in records]}

    # Keeping, and posting.

    def _keep(self) -> None:
        if self.rules.changes == self._changes_kept:
            return
        if self._state_file is not None:
            state = json.dumps(self.rules.snapshot(), default=datetime.isoformat)
            replace_file(self._state_file, state)
        self._changes_kept = self.rules.changes
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _change(self) -> None:
        """Waits for the next change, and no longer than a moment: the clock may be moved."""
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._changed.wait()

    async def _post_updates(self) -> None:
        timeout = httpx.Timeout(WEBHOOK_TIMEOUT_SECONDS, pool=None)
        async with (
            httpx.AsyncClient(timeout=timeout, trust_env=False) as client,
            asyncio.TaskGroup() as sending,
        ):
            if self.rules.due_updates(self._now()):
                # Kept from before a restart; the host that we are part of listens in a moment.
                await asyncio.sleep(HOST_STARTS_SECONDS)
            while True:
                webhook = self.rules.webhook
                for one in self.rules.due_updates(self._now()):
                    if webhook is None or len(self._sending) >= webhook.max_connections:
                        break
                    if one.id not in self._sending:
                        self._sending.add(one.id)
                        sending.create_task(self._post(client, webhook, one))
                await self._change()

    async def _post(self, client: httpx.AsyncClient, webhook: Webhook, update: Pending) -> None:
        headers = {SECRET_HEADER: webhook.secret_token} if webhook.secret_token else {}
        wrong, retry_after, gone = "", 0, False
        try:
            response = await client.post(webhook.url, json=update.body, headers=headers)
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
            self.rules.failed(update.id, wrong, at=self._now(), retry_after=retry_after, gone=gone)
        else:
            self.rules.delivered(update.id)
        self._sending.discard(update.id)
        self._keep()


def _told(answer: Answer) -> JSONResponse:
    headers = {} if answer.retry_after is None else {"Retry-After": str(answer.retry_after)}
    return JSONResponse(answer.body, answer.status, headers)


async def _params(request: Request) -> Json:
    """From the address, and from a body that is a form, as most libraries send it, or JSON."""
    body = await request.body()
    params: Json = dict(request.query_params)
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        given = json.loads(body or b"{}")
        json.dumps(given, ensure_ascii=False).encode()  # Half a surrogate pair is no text.
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
