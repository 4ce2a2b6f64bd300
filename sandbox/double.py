"""HTTP round the rules of any double: state on disk, the tester's controls, webhooks going out."""

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

import httpx
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute

from sandbox.clock import replace_file
from sandbox.controls import Control, LostResponse, control, plan_fault
from sandbox.deliveries import Notification
from sandbox.faults import Faults
from sandbox.reading import parsed

WEBHOOKS_AT_ONCE: Final = 16
POLL_SECONDS: Final = 0.2
HOST_STARTS_SECONDS: Final = 1.0
METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]

Json = dict[str, Any]


class Told(Protocol):
    """What a call was answered with; `slow` and `lost` are faults to show."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> Any: ...
    @property
    def slow(self) -> bool: ...
    @property
    def lost(self) -> bool: ...


class Kept(Protocol):
    """Rules whose state outlives a restart. `changes` grows with every change worth keeping."""

    changes: int
    faults: Faults

    @property
    def calls(self) -> Iterable[Any]: ...
    def snapshot(self) -> Json: ...
    def restore(self, state: Json) -> None: ...


class Sends(Kept, Protocol):
    """Rules of a gateway, which owes its shop webhooks."""

    def due_notifications(self, at: datetime) -> list[Notification]: ...
    def delivered(self, notification_id: int) -> None: ...
    def failed(self, notification_id: int, *, at: datetime) -> None: ...
    def signed(self, notification: Notification, at: datetime) -> tuple[bytes, Mapping[str, str]]:
        """The exact bytes to post, and the headers that prove them."""
        ...


class Numbered(Protocol):
    @property
    def id(self) -> int: ...


Owed = TypeVar("Owed", bound=Numbered)


class Double(Generic[Owed]):
    """
    What every double has. With a `state_file`, a call is on disk before its answer leaves; what
    is `owed` to the receiver of webhooks goes out while `running` is entered.
    """

    webhook_timeout_seconds = 10.0

    def __init__(
        self,
        name: str,
        rules: Kept,
        *,
        now: Callable[[], datetime],
        state_file: Path | None = None,
        refusals: Mapping[type[Exception], int] | None = None,
        slow_seconds: float = 3.0,
        lost_after_seconds: float = 0.0,
    ) -> None:
        """`refusals` are errors of the rules and the statuses that the controls answer them with."""
        self.name = name
        self._kept = rules
        self._now = now
        self._state_file = state_file
        self._refusals = refusals
        self._slow_seconds = slow_seconds
        self._lost_after_seconds = lost_after_seconds
        self._changed = asyncio.Event()
        self._sending: set[int] = set()
        if state_file is not None and state_file.exists():
            rules.restore(json.loads(state_file.read_text()))
        self._changes_kept = rules.changes

    @property
    def at_once(self) -> int:
        """How many webhooks may be on their way together."""
        return WEBHOOKS_AT_ONCE

    def owed(self, at: datetime) -> Sequence[Owed]:
        """What is due to be sent, each until `send` has told the rules what became of it."""
        raise NotImplementedError

    async def send(self, client: httpx.AsyncClient, one: Owed) -> None:
        raise NotImplementedError

    def control(self, path: str, act: Control, method: str = "POST") -> list[BaseRoute]:
        """A control below the double's own name; what it changed is kept before it is told."""

        def act_and_keep(fields: Json, **names: object) -> object:
            told = act(fields, **names)
            self.keep()
            return told

        return control(f"/{self.name}/{path}", act_and_keep, method=method, refusals=self._refusals)

    def shared_controls(self) -> list[BaseRoute]:
        """Faults to come, and the journal of calls."""
        return [
            *self.control("faults", self._plan_fault),
            *self.control("calls", self._calls, "GET"),
        ]

    def keep(self) -> None:
        if self._kept.changes == self._changes_kept:
            return
        if self._state_file is not None:
            state = json.dumps(self._kept.snapshot(), default=datetime.isoformat)
            replace_file(self._state_file, state)
        self._changes_kept = self._kept.changes
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def told(self, answer: Told, headers: Mapping[str, str] | None = None) -> Response:
        """The answer on its way, late or lost where the faults say so."""
        if answer.slow:
            await asyncio.sleep(self._slow_seconds)
        if answer.lost:
            await asyncio.sleep(self._lost_after_seconds)
            return LostResponse()
        return JSONResponse(answer.body, answer.status, headers)

    async def change(self) -> None:
        """Waits for the next change, and no longer than a moment: the clock may be moved."""
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._changed.wait()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        sender = asyncio.create_task(self._send_what_is_owed())
        try:
            yield
        finally:
            sender.cancel()
            with suppress(asyncio.CancelledError):
                await sender

    async def _send_what_is_owed(self) -> None:
        timeout = httpx.Timeout(self.webhook_timeout_seconds, pool=None)
        async with (
            httpx.AsyncClient(timeout=timeout, trust_env=False) as client,
            asyncio.TaskGroup() as sending,
        ):
            if self.owed(self._now()):
                # Kept from before a restart; the host that we are part of listens in a moment.
                await asyncio.sleep(HOST_STARTS_SECONDS)
            while True:
                for one in self.owed(self._now()):
                    if len(self._sending) >= self.at_once:
                        break  # One that waits is not signed yet: its proof shows when it left.
                    if one.id not in self._sending:
                        self._sending.add(one.id)
                        sending.create_task(self._send_and_keep(client, one))
                await self.change()

    async def _send_and_keep(self, client: httpx.AsyncClient, one: Owed) -> None:
        await self.send(client, one)
        self._sending.discard(one.id)
        self.keep()

    def _plan_fault(self, fields: Json) -> Json:
        told = plan_fault(self._kept.faults, fields)
        self._kept.changes += 1
        return told

    def _calls(self, _fields: Json) -> Json:
        """The journal of the API, oldest first; `status` is null where the answer was lost."""
        records = self._kept.calls
        return {"items": [asdict(record) | {"at": _stamp(record.at)} for record in records]}


class GatewayDouble(Double[Notification]):
    """
    A gateway: its routes, its payment page, and its webhooks, which go out while `running` is
    entered. A double of one gateway adds its API and its own controls to `routes`.
    """

    routes: list[BaseRoute]
    title: str
    """As the provider calls itself."""
    api_path = ""
    """Below the double's name: what a client's address of the API ends with."""
    accepts_any_success = True
    """Whether any 2xx ends a webhook; else only 200 does."""

    def __init__(self, name: str, rules: Sends, *, webhook_url: str, **options: Any) -> None:
        super().__init__(name, rules, **options)
        self._sends = rules
        self._webhook_url = httpx.URL(webhook_url)

    @property
    def faults(self) -> Faults:
        return self._kept.faults

    def newest(self) -> Iterator[tuple[str, str, str]]:
        """What can be paid or was: the page's id, the amount, and what to say of it."""
        raise NotImplementedError

    def owed(self, at: datetime) -> Sequence[Notification]:
        return self._sends.due_notifications(at)

    async def send(self, client: httpx.AsyncClient, one: Notification) -> None:
        body, proof = self._sends.signed(one, self._now())
        headers = {"Content-Type": "application/json", **proof}
        try:
            response = await client.post(self._webhook_url, content=body, headers=headers)
            good = response.is_success if self.accepts_any_success else response.status_code == 200
        except httpx.HTTPError:
            good = False
        if good:
            self._sends.delivered(one.id)
        else:
            self._sends.failed(one.id, at=self._now())


def page_of_nothing() -> Response:
    return HTMLResponse("Такого платежа нет. No such payment.", 404)


def back_to(url: str) -> Response:
    return RedirectResponse(url, 303)


def basic_credentials(request: Request) -> tuple[str | None, str | None]:
    """User and password of Basic authentication; None where it is absent or unreadable."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None, None
    try:
        user, colon, password = b64decode(token, validate=True).decode().partition(":")
    except ValueError:  # Neither base64 nor UTF-8.
        return None, None
    return (user, password) if colon else (None, None)


async def json_of(request: Request) -> object:
    """The parsed body; an empty object for no body at all, None for what is not JSON."""
    return parsed(await request.body())


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
