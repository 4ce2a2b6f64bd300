"""The sandbox whole: the doubles of the gateways under one roof, with one clock."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from html import escape
from itertools import islice
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from sandbox.clock import SandboxClock
from sandbox.controls import PAGE_HEADERS, control, number_field
from sandbox.cryptopay.app import CryptoPayDouble
from sandbox.cryptopay.rules import CryptoPayRules
from sandbox.double import GatewayDouble
from sandbox.faults import Faults
from sandbox.miniapp.app import MiniApp
from sandbox.panel.app import PanelDouble
from sandbox.panel.rules import PanelRules
from sandbox.paymongo.app import PayMongoDouble
from sandbox.paymongo.rules import PayMongoRules
from sandbox.receiver import Receiver
from sandbox.telegram.app import TelegramDouble
from sandbox.telegram.rules import TelegramRules
from sandbox.xendit.app import XenditDouble
from sandbox.xendit.rules import XenditRules
from sandbox.yookassa.app import YooKassaDouble
from sandbox.yookassa.rules import YooKassaRules
from sandbox.yookassa.wire import Shop

DEMO_SHOP_ID: Final = "100500"
DEMO_SECRET: Final = "test_sandbox_secret"  # noqa: S105 - known to everybody, opens nothing.
DEMO: Final[Mapping[str, tuple[str, ...]]] = {
    "yookassa": (DEMO_SHOP_ID, DEMO_SECRET),
    "paymongo": ("sk_test_sandbox", "whsk_sandbox"),
    "xendit": ("xnd_development_sandbox", "xendit-callback-token-sandbox"),
    "cryptopay": ("100500:sandbox-token",),
    "telegram_payments": ("100500:TEST:development",),
}
"""What opens each double: known to everybody."""
DEMO_AGENT: Final = ("100600", "test_sandbox_agent_secret")
"""What opens YooKassa's gateway of payouts."""
DEMO_PANEL: Final = ("panel-token-sandbox", "whsec_c2FuZGJveCBzZWNyZXQgb2YgdGhlIHBhbmVs")
"""The access panel's token, and the secret of orders to a business's own system."""
DEMO_WEBHOOK_SECRET: Final = "whsec_c2FuZGJveC13ZWJob29rLXNlY3JldC1rbm93bi10by1hbGw="  # noqa: S105
"""What proves our webhooks to the double of the business's own system: as above."""
DEMO_BOT_TOKEN: Final = "100500:development-bot-token"  # noqa: S105 - as above.
DEMO_BOT_USERNAME: Final = "billhook_demo_bot"
DEMO_BOT_NAME: Final = "Billhook demo"
PAYMENTS_SHOWN: Final = 50


@dataclass(frozen=True)
class Sandbox:
    """
    Mount `app` at `/sandbox`. A mounted app is not started by its host: enter `running` too.

    An app served by itself needs nothing more.
    """

    app: Starlette
    gateways: Mapping[str, GatewayDouble]
    telegram: TelegramDouble
    panel: PanelDouble
    running: Callable[[], AbstractAsyncContextManager[None]]


def sandbox_app(
    *,
    base_url: str,
    webhooks_url: str,
    clock: SandboxClock,
    state_dir: Path | None = None,
    bot_token: str = DEMO_BOT_TOKEN,
    api_url: str | None = None,
    api_key: str | Callable[[], str] = "",
    squads: Sequence[str] = (),
    slow_seconds: float = 3.0,
    lost_after_seconds: float = 0.0,
) -> Sandbox:
    """
    `base_url` is where browsers find the host, such as `http://127.0.0.1:8000`; below
    `webhooks_url` each gateway posts to its own name, such as `…/webhooks/yookassa/`.

    The sample Mini App's own backend finds Billhook at `api_url` (`base_url`'s, if not told), and
    says who it is by `api_key`. `squads` are what the access panel can give. With a `state_dir`,
    payments, users and chats outlive a restart.
    `lost_after_seconds` is how long the fault `timeout_after_acting` keeps its caller waiting
    before it breaks the connection.
    """

    def options(name: str) -> dict[str, Any]:
        return {
            "now": clock.now,
            "state_file": None if state_dir is None else state_dir / f"{name}.json",
            "slow_seconds": slow_seconds,
            "lost_after_seconds": lost_after_seconds,
        }

    def hooked(name: str) -> dict[str, Any]:
        return options(name) | {"webhook_url": f"{webhooks_url}/{name}/"}

    gateways = _gateways(base_url, hooked)
    telegram = TelegramDouble(
        TelegramRules(bot_token, username=DEMO_BOT_USERNAME, name=DEMO_BOT_NAME),
        **options("telegram"),
    )
    panel = _panel(base_url, squads, options("panel"))
    receiver = Receiver(DEMO_WEBHOOK_SECRET, now=clock.now, slow_seconds=slow_seconds)
    miniapp = MiniApp(
        api_url or f"{base_url}/api/v1/billing", api_key, bot_token=bot_token, now=clock.now
    )

    parts = [*(gateway.running for gateway in gateways), telegram.running, miniapp.running]

    async def index(_request: Request) -> HTMLResponse:
        page = _index_page(gateways, telegram, panel, receiver, clock)
        return HTMLResponse(page, headers=PAGE_HEADERS)

    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for part in parts:
                await stack.enter_async_context(part())
            yield

    routes = [
        Route("/", index, methods=["GET"]),
        *control("/clock/advance", partial(_advance, clock)),
        *(route for gateway in gateways for route in gateway.routes),
        *telegram.routes,
        *panel.routes,
        *miniapp.routes,
        *receiver.routes,
    ]
    app = Starlette(routes=routes, lifespan=lambda _app: running())
    return Sandbox(app, {one.name: one for one in gateways}, telegram, panel, running)


def _advance(clock: SandboxClock, fields: dict[str, Any]) -> dict[str, str]:
    units = ("days", "hours", "minutes", "seconds")
    now = clock.advance(**{unit: number_field(fields, unit, 0) for unit in units})
    return {"now": now.isoformat()}


def _gateways(base_url: str, hooked: Callable[[str], dict[str, Any]]) -> tuple[GatewayDouble, ...]:
    """In the order that the index tells them; `hooked` are the options of one by its name."""
    tills = f"{base_url}/sandbox/{{}}/checkout/"
    yookassa = YooKassaDouble(
        YooKassaRules(
            [Shop(DEMO_SHOP_ID, DEMO_SECRET), Shop(*DEMO_AGENT, pays_out=True)],
            checkout_url=tills.format("yookassa"),
        ),
        **hooked("yookassa"),
    )
    secret_key, webhook_secret = DEMO["paymongo"]
    paymongo = PayMongoDouble(
        PayMongoRules(
            secret_key=secret_key,
            webhook_secret=webhook_secret,
            checkout_url=tills.format("paymongo"),
        ),
        **hooked("paymongo"),
    )
    secret_key, callback_token = DEMO["xendit"]
    xendit = XenditDouble(
        XenditRules(
            secret_key=secret_key,
            callback_token=callback_token,
            checkout_url=tills.format("xendit"),
        ),
        **hooked("xendit"),
    )
    [token] = DEMO["cryptopay"]
    cryptopay = CryptoPayDouble(
        CryptoPayRules(token=token, checkout_url=tills.format("cryptopay")),
        **hooked("cryptopay"),
    )
    return yookassa, paymongo, xendit, cryptopay


def _panel(base_url: str, squads: Sequence[str], options: Mapping[str, Any]) -> PanelDouble:
    token, secret = DEMO_PANEL
    links = f"{base_url}/sandbox/panel/sub/"
    rules = PanelRules(token=token, secret=secret, link_url=links, squads=squads)
    return PanelDouble(rules, **options)


def _index_page(
    gateways: Sequence[GatewayDouble],
    telegram: TelegramDouble,
    panel: PanelDouble,
    receiver: Receiver,
    clock: SandboxClock,
) -> str:
    """Links are relative, so the page works wherever it is mounted."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sandbox</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>:root {{ color-scheme: light dark; }} body {{ max-width: 44rem; margin: 2rem auto;
  padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; }} code {{ overflow-wrap: anywhere; }}
</style></head>
<body><h1>Sandbox</h1>
<p>It is {clock.now():%Y-%m-%d %H:%M:%S} UTC here.
<code>POST clock/advance {{"days": 30}}</code> moves time forward.</p>
<h2>Telegram</h2>
<p><a href="telegram/">The chat with the bot</a>, as Anna, Ben or anybody. The sample
<a href="app/">Mini App</a> opens from it.</p>
<p>Bot API at <code>telegram/bot&lt;token&gt;/&lt;method&gt;</code>, bot
<code>@{escape(telegram.rules.bot["username"])}</code>,
<a href="telegram/calls">journal of calls</a>.
<code>POST telegram/users/1001/send {{"text": "/start"}}</code>,
<code>press {{"button": "…"}}</code>, <code>block</code>, <code>unblock</code>,
<code>profile</code>, <code>init_data</code>;
invoices: <code>POST telegram/invoices/&lt;slug&gt;/pay {{"user_id": 1001}}</code>, and what was
<a href="telegram/stars">paid</a>: <code>POST telegram/stars/&lt;charge_id&gt;/refund</code>,
<code>renew</code>, <code>subscription {{"state": "canceled"}}</code>;
<a href="telegram/users/1001/messages"><code>GET telegram/users/1001/messages</code></a>.</p>
<p>Faults to come, by <code>POST telegram/faults {{"mode": "flood", "next": 1}}</code>:
{_told(telegram.rules.faults)}.</p>
<h2>Access panel</h2>
<p><a href="panel/">Who has access</a>, <a href="panel/calls">journal of calls</a>. It speaks
Remnawave's API at <code>panel</code>, and takes a business's own signed orders there too.</p>
<p>Faults to come, by <code>POST panel/faults {{"mode": "down", "next": 1}}</code>:
{_told(panel.rules.faults)}.</p>
<h2>Your own system</h2>
<p><a href="webhooks">What it was told</a> by our webhooks. Faults to come, by
<code>POST webhooks/faults {{"mode": "down", "next": 1}}</code>: {_told(receiver.faults)}.</p>
{"".join(map(_section, gateways))}
</body></html>"""


def _section(gateway: GatewayDouble) -> str:
    """What one gateway has, and what can be done with it."""
    name = gateway.name
    rows = [
        f'<li><a href="{name}/checkout/{escape(id_)}">{escape(amount)}</a> {escape(said)}</li>'
        for id_, amount, said in islice(gateway.newest(), PAYMENTS_SHOWN)
    ]
    return f"""<h2>{escape(gateway.title)}</h2>
<p>API at <code>{name}{gateway.api_path}</code>, <a href="{name}/calls">journal of calls</a>.
<code>POST {name}/payments/&lt;id&gt;/pay</code>, <code>decline</code>, <code>expire</code>,
<code>refund</code>.</p>
<p>Faults to come, by <code>POST {name}/faults {{"mode": "drop", "next": 1}}</code>:
{_told(gateway.faults)}.</p>
<p>Payments, newest first:</p><ul>{"".join(rows) or "<li>none yet</li>"}</ul>"""


def _told(faults: Faults) -> str:
    return ", ".join(f"{mode}: {faults.left.get(mode, 0)}" for mode in faults.modes)
