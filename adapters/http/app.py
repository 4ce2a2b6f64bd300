"""The web application: all routes, one table of errors, one front door."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from adapters.http.broadcast_routes import broadcast_operations
from adapters.http.browsers import COOKIE, CSRF_HEADER, Cors
from adapters.http.customer_routes import (
    API_KEY,
    COOKIE_SESSION,
    CSRF,
    SESSION,
    customer_operations,
)
from adapters.http.delivery_routes import delivery_operations
from adapters.http.documents import document_routes
from adapters.http.edge import Edge
from adapters.http.escrow_routes import escrow_operations
from adapters.http.offer_routes import offer_operations
from adapters.http.operations import Operation, routes
from adapters.http.operator_routes import operator_operations
from adapters.http.problems import ANSWERS_TO_ERRORS, FrontDoor, problem_page
from adapters.http.promo_routes import promo_operations
from adapters.http.public_routes import public_operations
from adapters.http.referral_routes import referral_operations
from adapters.http.subscription_routes import subscription_operations
from adapters.http.switch_routes import switch_operations
from adapters.http.wallet_routes import wallet_operations
from adapters.http.withdrawal_routes import withdrawal_operations

TITLE: Final = "Billhook"
VERSION: Final = version("billhook")
SECURITY_SCHEMES: Final[Mapping[str, object]] = {
    SESSION: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    COOKIE_SESSION: {"type": "apiKey", "in": "cookie", "name": COOKIE},
    CSRF: {"type": "apiKey", "in": "header", "name": CSRF_HEADER},
    API_KEY: {"type": "http", "scheme": "bearer", "bearerFormat": "bh_…"},
}


@dataclass(frozen=True, slots=True)
class Health:
    """
    `not_ready`: why this process should get no traffic; `status`: what an operator looks at, with
    its `state`; `measured`: what monitoring reads, as Prometheus has it.
    """

    not_ready: Callable[[], Awaitable[Sequence[str]]]
    status: Callable[[], Awaitable[Mapping[str, object]]]
    measured: Callable[[], Awaitable[bytes]]


def operations() -> list[Operation]:
    """Everything under `/api/v1/billing`, in the order that the documentation tells it."""
    return [
        *offer_operations(),
        *public_operations(),
        *customer_operations(),
        *subscription_operations(),
        *referral_operations(),
        *wallet_operations(),
        *escrow_operations(),
        *withdrawal_operations(),
        *operator_operations(),
        *delivery_operations(),
        *switch_operations(),
        *promo_operations(),
        *broadcast_operations(),
    ]


def web_app(
    opened: Callable[[], AbstractAsyncContextManager[tuple[Edge, Health]]],
    *,
    new_request_id: Callable[[], str],
    hosts: Sequence[str] = (),
    origins: Collection[str] = (),
    more: Sequence[BaseRoute] = (),
    show_docs: bool = True,
) -> ASGIApp:
    """
    `opened` is entered for as long as the server runs; `origins` are those whose pages may call
    from browsers; `more` are routes of other rooms.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[Mapping[str, object]]:
        async with opened() as (edge, health):
            yield {"edge": edge, "health": health}

    declared = operations()
    documents = document_routes(
        declared, title=TITLE, version=VERSION, security_schemes=SECURITY_SCHEMES
    )
    app = Starlette(
        routes=[
            *routes(declared),
            Route("/health/live", _live),
            Route("/health/ready", _ready),
            Route("/health/status", _status),
            Route("/metrics", _metrics),
            Route("/problems/{code}", problem_page),
            *(documents if show_docs else ()),
            *more,
        ],
        exception_handlers=ANSWERS_TO_ERRORS,  # type: ignore[arg-type]
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return FrontDoor(Cors(app, origins), new_request_id=new_request_id, hosts=hosts)


async def _live(_: Request) -> Response:
    return JSONResponse({"status": "live"})


async def _ready(request: Request) -> Response:
    reasons = list(await request.state.health.not_ready())
    told = {"status": "not ready" if reasons else "ready", "reasons": reasons}
    return JSONResponse(told, 503 if reasons else 200)


async def _status(request: Request) -> Response:
    """503 where nothing can be done at present, so that any monitor sees it."""
    told = await request.state.health.status()
    return JSONResponse(told, 503 if told["state"] == "unavailable" else 200)


async def _metrics(request: Request) -> Response:
    text = await request.state.health.measured()
    return Response(text, media_type="text/plain; version=0.0.4")
