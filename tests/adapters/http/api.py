"""The whole web application over the in-memory world, called as clients call it."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import httpx
from limits import RateLimitItemPerMinute
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.http.app import Health, web_app
from adapters.http.client_address import TrustedProxies
from adapters.http.edge import Edge, UpdatesDoor
from adapters.http.limits import RateLimits
from adapters.http.return_urls import ReturnUrls
from adapters.http.tokens import AccessTokens, api_key_hash
from core.domain import credentials
from tests.world import World

ROOT = "/api/v1/billing"
BOT_TOKEN = "100500:test-bot-token"
PEPPER = "a pepper for tests that is long enough"
OLD_PEPPER = "the pepper that was used until last week"
KEY = "bh_test_key_of_the_host"


class _WithState:
    """What the server does with the lifespan's state; httpx's transport runs no lifespan."""

    def __init__(self, app: ASGIApp, state: Mapping[str, object]) -> None:
        self._app, self._state = app, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "state": dict(self._state)}, receive, send)


class Api:
    """A client of the application, and the world behind it."""

    def __init__(self, world: World, client: httpx.AsyncClient, app: ASGIApp, edge: Edge) -> None:
        self.world = world
        self.client = client
        self.app = app
        self.edge = edge

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        key: str | None = None,
        **headers: str,
    ) -> httpx.Response:
        """`token`: what follows Bearer; `key`: the idempotency key."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if key is not None:
            sent["Idempotency-Key"] = key
        return await self.client.request(
            method, path if path.startswith("/") else f"{ROOT}/{path}", json=body, headers=sent
        )

    async def host(self, method: str, path: str, body: object = None, **more: Any) -> Any:
        return await self.call(method, path, body, token=KEY, **more)

    async def session(self, user_id: int = 1001, **fields: object) -> str:
        answer = await self.call(
            "POST", "auth/telegram/", {"init_data": self.init_data(user_id, **fields)}
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def init_data(
        self, user_id: int = 1001, *, age_seconds: int = 0, start_param: str | None = None
    ) -> str:
        fields = {
            "user": json.dumps({"id": user_id, "first_name": "Анна", "language_code": "ru"}),
            "auth_date": str(int(self.world.clock().timestamp()) - age_seconds),
            "query_id": "AAH",
            **({} if start_param is None else {"start_param": start_param}),
        }
        secret = hmac.digest(b"WebAppData", BOT_TOKEN.encode(), hashlib.sha256)
        text = "\n".join(f"{name}={value}" for name, value in sorted(fields.items()))
        fields["hash"] = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
        return urlencode(fields)


async def an_app(
    world: World,
    *,
    not_ready: Sequence[str] = (),
    limits: RateLimits | None = None,
    key_limit: RateLimitItemPerMinute | None = None,
    updates: UpdatesDoor | None = None,
) -> tuple[ASGIApp, Edge]:
    """The application over that world, with a key for its host."""
    await world.billing.put_key("host", api_key_hash(KEY, PEPPER), frozenset(credentials.Scope))
    edge = Edge(
        billing=world.billing,
        now=world.clock,
        tokens=AccessTokens("k" * 32, now=world.clock),
        limits=limits or RateLimits(world.clock),
        own_limits=RateLimits(world.clock),
        return_urls=ReturnUrls(["https://shop.example.com"], "https://shop.example.com/paid"),
        proxies=TrustedProxies.parsed(["127.0.0.1"]),
        bot_token=BOT_TOKEN,
        updates=updates,
        own_origin="https://billing.example.com",
        key_peppers=(PEPPER, OLD_PEPPER),
        key_limit=key_limit,
    )

    async def reasons() -> Sequence[str]:
        return not_ready

    async def status() -> Mapping[str, object]:
        return {"state": "ok"}

    async def measured() -> bytes:
        return b""

    @asynccontextmanager
    async def never() -> AsyncIterator[tuple[Edge, Health]]:
        raise AssertionError
        yield

    origins = edge.return_urls.origins
    app = web_app(never, new_request_id=lambda: "request-0001", origins=origins)
    state = {"edge": edge, "health": Health(reasons, status, measured)}
    return _WithState(app, state), edge


@asynccontextmanager
async def an_api(world: World, **how: Any) -> AsyncIterator[Api]:
    """`how`: as `an_app`."""
    app, edge = await an_app(world, **how)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield Api(world, client, app, edge)
