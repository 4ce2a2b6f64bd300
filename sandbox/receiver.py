"""A double of the business's own system: it is told what happens, and believes only what is signed."""

import asyncio
import base64
import hashlib
import hmac
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.controls import PAGE_HEADERS, control, plan_fault
from sandbox.faults import RECEIVER_FAULTS, Faults

CALLS_KEPT: Final = 200
SKEW_MAX: Final = timedelta(minutes=5)
NAME: Final = "webhooks"


@dataclass(frozen=True, slots=True)
class Call:
    """One call that came, with what it was answered. `is_new`: its id had not come before."""

    at: str
    id: str
    status: int
    is_new: bool
    body: str


class Receiver:
    """Keeps the newest calls in memory, and shows them at its own address."""

    def __init__(
        self, secret: str, *, now: Callable[[], datetime], slow_seconds: float = 3.0
    ) -> None:
        """`secret` is `whsec_` and base64, as Standard Webhooks has it."""
        self.faults: Final = Faults(modes=RECEIVER_FAULTS)
        self.calls: Final[deque[Call]] = deque(maxlen=CALLS_KEPT)
        self._key = base64.b64decode(secret.removeprefix("whsec_"))
        self._now = now
        self._slow_seconds = slow_seconds

    @property
    def routes(self) -> list[BaseRoute]:
        return [
            *(
                Route(f"/{NAME}{end}", act, methods=[method])
                for end in ("", "/")
                for method, act in (("POST", self._take), ("GET", self._page))
            ),
            *control(f"/{NAME}/faults", lambda fields: plan_fault(self.faults, fields)),
            *control(f"/{NAME}/calls", self._told, method="GET"),
        ]

    async def _take(self, request: Request) -> Response:
        body = await request.body()
        if self.faults.take("slow"):
            await asyncio.sleep(self._slow_seconds)
        status = next((code for code in (503, 410) if self.faults.take(_FAULT_OF[code])), None)
        if status is None:
            status = 204 if self._is_signed(request.headers, body) else 401
        id_ = request.headers.get("webhook-id", "")
        is_new = not any(one.id == id_ and one.status == 204 for one in self.calls)
        text = body.decode(errors="replace")
        self.calls.append(Call(self._now().isoformat(), id_, status, is_new, text))
        return Response(status_code=status)

    def _is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        id_, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not timestamp.isdecimal() or len(timestamp) > 12:
            return False
        if abs(self._now().timestamp() - int(timestamp)) > SKEW_MAX.total_seconds():
            return False
        signed = f"{id_}.{timestamp}.".encode() + body
        proof = base64.b64encode(hmac.new(self._key, signed, hashlib.sha256).digest()).decode()
        told = headers.get("webhook-signature", "").split(" ")
        return any(hmac.compare_digest(one.encode(), f"v1,{proof}".encode()) for one in told)

    def _told(self, _fields: dict[str, Any]) -> dict[str, Any]:
        return {"items": [asdict(one) for one in self.calls]}

    async def _page(self, _request: Request) -> HTMLResponse:
        rows = "".join(
            f"<li><b>{one.status}</b> {escape(one.at[:19])} <code>{escape(one.id)}</code>"
            f"{'' if one.is_new else ' (again)'}<pre>{escape(one.body)}</pre></li>"
            for one in reversed(self.calls)
        )
        return HTMLResponse(
            f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Your own system</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>:root {{ color-scheme: light dark; }} body {{ max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; }} pre {{ white-space: pre-wrap;
  overflow-wrap: anywhere; }}</style></head>
<body><h1>Your own system</h1>
<p>It was told this by Billhook's webhooks, the newest first: 204 is what it took, 401 what was
not signed as it should be.</p><ul>{rows or "<li>nothing yet</li>"}</ul></body></html>""",
            headers=PAGE_HEADERS,
        )


_FAULT_OF: Final = {503: "down", 410: "gone"}
