"""What only browsers need: the session's cookie, whose page is asking, and CORS."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from core.domain.errors import Refused

COOKIE: Final = "__Host-billhook"
CSRF_HEADER: Final = "X-CSRF-Token"
PREFLIGHT_SECONDS: Final = 600


@dataclass(eq=False)
class OriginNotListed(Refused):
    """A page of this origin may not act with a cookie here."""


@dataclass(eq=False)
class CsrfTokenNotValid(Refused):
    """With a cookie, the header X-CSRF-Token must hold the token that came with the session."""


def require_our_page(request: Request, origins: Collection[str]) -> None:
    """
    Browsers say whose page it is; who says nothing is none of ours.

    Raises:
        OriginNotListed
    """
    named = request.headers.getlist("origin")
    if named:
        if len(named) != 1 or named[0] not in origins:
            raise OriginNotListed
    elif request.headers.getlist("sec-fetch-site") not in (["same-origin"], ["none"]):
        raise OriginNotListed


def set_cookie(response: Response, token: str, *, seconds: int) -> None:
    """The prefix makes browsers insist on Secure, on this very host and on the whole path."""
    response.set_cookie(
        COOKIE, token, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax"
    )


def clear_cookie(response: Response) -> None:
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")


class Cors:
    """
    Lets pages of the listed origins, to the letter, call us and hear us, with credentials. To
    any other origin nothing is said of CORS at all: Starlette's own middleware would tell every
    origin what a listed one may do.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app = app
        self._origins = origins
        self._open = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=("Authorization", "Content-Type", "Idempotency-Key", CSRF_HEADER),
            allow_credentials=True,
            expose_headers=("Retry-After", "X-Request-ID"),
            max_age=PREFLIGHT_SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_listed = scope["type"] == "http" and _origin_of(scope) in self._origins
        await (self._open if is_listed else self._app)(scope, receive, send)


def _origin_of(scope: Scope) -> str | None:
    named = Headers(scope=scope).getlist("origin")
    return named[0] if len(named) == 1 else None
