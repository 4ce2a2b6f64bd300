"""The sandbox whole: the doubles of the gateways under one roof, with one clock."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from sandbox.clock import SandboxClock
from sandbox.controls import PAGE_HEADERS, control, number_field
from sandbox.faults import FAULT_MODES
from sandbox.yookassa.app import YooKassaDouble
from sandbox.yookassa.rules import YooKassaRules
from sandbox.yookassa.wire import Shop

DEMO_SHOP_ID: Final = "100500"
DEMO_SECRET: Final = "test_sandbox_secret"  # noqa: S105 - known to everybody, opens nothing.


@dataclass(frozen=True)
class Sandbox:
    """
    Mount `app` at `/sandbox`. A mounted app is not started by its host: enter `running` too.

    An app served by itself needs nothing more.
    """

    app: Starlette
    yookassa: YooKassaDouble
    running: Callable[[], AbstractAsyncContextManager[None]]


def sandbox_app(
    *,
    base_url: str,
    webhook_url: str,
    clock: SandboxClock,
    state_dir: Path | None = None,
    slow_seconds: float = 3.0,
    lost_after_seconds: float = 0.0,
) -> Sandbox:
    """
    `base_url` is where browsers find the host, such as `http://127.0.0.1:8000`.

    With a `state_dir`, payments outlive a restart. `lost_after_seconds` is how long the fault
    `timeout_after_acting` keeps its caller waiting before it breaks the connection.
    """
    rules = YooKassaRules(
        [Shop(DEMO_SHOP_ID, DEMO_SECRET)],
        checkout_url=f"{base_url}/sandbox/yookassa/checkout/",
    )
    yookassa = YooKassaDouble(
        rules,
        webhook_url=webhook_url,
        now=clock.now,
        state_file=None if state_dir is None else state_dir / "yookassa.json",
        slow_seconds=slow_seconds,
        lost_after_seconds=lost_after_seconds,
    )

    def advance(fields: dict[str, Any]) -> dict[str, str]:
        units = ("days", "hours", "minutes", "seconds")
        now = clock.advance(**{unit: number_field(fields, unit, 0) for unit in units})
        return {"now": now.isoformat()}

    async def index(_request: Request) -> HTMLResponse:
        return HTMLResponse(_index_page(rules, clock), headers=PAGE_HEADERS)

    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        async with yookassa.running():
            yield

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with running():
            yield

    routes = [
        Route("/", index, methods=["GET"]),
        *control("/clock/advance", advance),
        *yookassa.routes,
    ]
    return Sandbox(Starlette(routes=routes, lifespan=lifespan), yookassa, running)


def _index_page(rules: YooKassaRules, clock: SandboxClock) -> str:
    """Links are relative, so the page works wherever it is mounted."""
    rows = [
        f'<li><a href="yookassa/checkout/{escape(payment.body["id"])}">'
        f"{escape(payment.body['amount']['value'])} {escape(payment.body['amount']['currency'])}"
        f"</a> {escape(payment.body['status'])} {escape(payment.body.get('description', ''))}</li>"
        for payment, _ in zip(rules.payments(), range(50), strict=False)
    ]
    faults = ", ".join(f"{mode}: {rules.faults.left.get(mode, 0)}" for mode in FAULT_MODES)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sandbox</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{ max-width: 44rem; margin: 2rem auto; padding: 0 1rem;
  font: 16px/1.5 system-ui, sans-serif; }} code {{ overflow-wrap: anywhere; }}</style></head>
<body><h1>Sandbox</h1>
<p>It is {clock.now():%Y-%m-%d %H:%M:%S} UTC here.
<code>POST clock/advance {{"days": 30}}</code> moves time forward.</p>
<h2>YooKassa</h2>
<p>API at <code>yookassa/v3</code>, shop <code>{DEMO_SHOP_ID}</code>,
<a href="yookassa/calls">journal of calls</a>.
<code>POST yookassa/payments/&lt;id&gt;/pay</code>, <code>decline</code>, <code>expire</code>,
<code>refund</code>.</p>
<p>Faults to come, by <code>POST yookassa/faults {{"mode": "drop", "next": 1}}</code>: {faults}.</p>
<h3>Payments, newest first</h3><ul>{"".join(rows) or "<li>none yet</li>"}</ul>
</body></html>"""
