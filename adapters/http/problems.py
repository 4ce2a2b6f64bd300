"""How a refusal is told over HTTP (RFC 9457), and what every answer carries."""

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.http.browsers import CsrfTokenNotValid, OriginNotListed
from adapters.http.init_data import InitDataNotTrusted, InitDataTooOld
from adapters.http.json_reader import BodyNotJson, BodyTooLarge, MediaTypeNotSupported
from adapters.http.limits import TooManyRequests
from adapters.http.tokens import TokenNotValid
from core.domain.credentials import (
    NotSignedIn,
    ScopeMissing,
    SignedOutBefore,
    SignInTooOldForMoney,
)
from core.domain.customer import CustomerBlocked
from core.domain.errors import (
    BillingError,
    Conflict,
    Invalid,
    NotFound,
    PaymentWouldHelp,
    Refused,
    Unavailable,
)
from core.domain.money import Currency, Money
from core.domain.promo_code import TooManyWrongCodes
from core.ports.payment_gateway import SenderNotListed, WebhookNotReadable, WebhookNotTrusted
from core.use_cases.wallet import WalletTooLow

PROBLEM_JSON: Final = "application/problem+json"
TEXT_LENGTH_MAX: Final = 256
RETRY_AFTER_SECONDS: Final = 5

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)
_WHOSE = re.compile(r"/api/v1/billing(?:/customers/[^/]+)?")
_HOST = re.compile(r"([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)


@dataclass(eq=False)
class PathNotFound(NotFound):
    """There is nothing at this path."""


@dataclass(eq=False)
class MethodNotAllowed(Invalid):
    """This path does not take this method; the Allow header lists those it takes."""


@dataclass(eq=False)
class RequestNotReadable(Invalid):
    """The request could not be read."""


@dataclass(eq=False)
class RequestTooSlow(Invalid):
    """The request did not arrive in time; nothing was done."""


@dataclass(eq=False)
class HeadTooLarge(Invalid):
    """The request's headers are too many or too long."""


@dataclass(eq=False)
class TooManyConnections(Refused):
    """Too many connections from this address, or to this server; use the open ones."""

    retry_after_seconds: int


@dataclass(eq=False)
class HostNotAllowed(Invalid):
    """This server does not answer under that host name."""


@dataclass(eq=False)
class HeadersNotValid(Invalid):
    """A header is missing, or not in its form."""

    errors: Sequence[Mapping[str, str]]


@dataclass(eq=False)
class FieldsNotValid(Invalid):
    """A field is missing, unknown, or not in its form."""

    errors: Sequence[Mapping[str, str]]


@dataclass(eq=False)
class InternalError(Unavailable):
    """Something broke on our side; the request id tells us what."""


STATUS: Final[Mapping[type[BillingError], int]] = {
    Invalid: 422,
    NotFound: 404,
    Refused: 409,
    PaymentWouldHelp: 402,
    Conflict: 409,
    Unavailable: 503,
    # What only HTTP knows; the nearest class wins.
    BodyNotJson: 400,
    HeadersNotValid: 400,
    HostNotAllowed: 400,
    RequestNotReadable: 400,
    WebhookNotReadable: 400,
    InitDataNotTrusted: 401,
    InitDataTooOld: 401,
    NotSignedIn: 401,
    SignedOutBefore: 401,
    TokenNotValid: 401,
    WebhookNotTrusted: 401,
    CsrfTokenNotValid: 403,
    CustomerBlocked: 403,
    OriginNotListed: 403,
    ScopeMissing: 403,
    SenderNotListed: 403,
    SignInTooOldForMoney: 403,
    MethodNotAllowed: 405,
    RequestTooSlow: 408,
    BodyTooLarge: 413,
    MediaTypeNotSupported: 415,
    TooManyConnections: 429,
    TooManyRequests: 429,
    TooManyWrongCodes: 429,
    HeadTooLarge: 431,
    InternalError: 500,
}


def status_of(kind: type[BillingError]) -> int:
    return next((STATUS[each] for each in kind.__mro__ if each in STATUS), 500)


def title_of(kind: type[BillingError]) -> str:
    """The first paragraph of the docstring, on one line."""
    return " ".join((kind.__doc__ or "").strip().partition("\n\n")[0].split())


def problem_response(
    error: BillingError,
    request_id: str,
    headers: Mapping[str, str] | None = None,
    *,
    more: Mapping[str, str] | None = None,
) -> Response:
    """The facts of the error are members of the body, and `more`; the standing ones win over them."""
    status = status_of(type(error))
    body = {
        **{name: to_json(value) for name, value in error.facts.items()},
        **(more or {}),
        "type": f"/problems/{error.code}",
        "title": title_of(type(error)),
        "status": status,
        "code": error.code,
        "request_id": request_id,
    }
    sent = dict(headers or {})
    seconds = error.facts.get("retry_after_seconds", RETRY_AFTER_SECONDS if status == 503 else None)
    if isinstance(seconds, int):
        sent["Retry-After"] = str(max(1, seconds))
    if status == 401:
        sent["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body, status, sent, media_type=PROBLEM_JSON)


def to_json(value: object) -> object:
    """A fact as JSON. Of a thing it does not know it tells the class alone, never the contents."""
    known = (write for kind, write in _WRITERS if isinstance(value, kind))
    write = next(known, lambda unknown: type(unknown).__name__)
    return write(value)


# The first that fits: an Enum may be a str as well, a datetime is a date, and bytes are a Sequence.
_WRITERS: Final[tuple[tuple[type, Callable[[Any], object]], ...]] = (
    (type(None), lambda _: None),
    (Enum, lambda member: to_json(member.value)),
    (int, lambda number: number),
    (str, lambda text: text[:TEXT_LENGTH_MAX]),
    (bytes, lambda _: "bytes"),
    (Money, lambda money: {"amount_minor": money.amount_minor, "currency": money.currency.code}),
    (Currency, lambda currency: currency.code),
    (datetime, lambda moment: moment.astimezone(UTC).isoformat().replace("+00:00", "Z")),
    (date, lambda day: day.isoformat()),
    (timedelta, lambda span: int(span.total_seconds())),
    (Mapping, lambda items: {str(name): to_json(item) for name, item in items.items()}),
    (AbstractSet, lambda items: sorted(str(item) for item in items)),
    (Sequence, lambda items: [to_json(item) for item in items]),
)


async def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, BillingError)
    more = _how_to_go_on(request) if isinstance(error, WalletTooLow) else None
    return problem_response(error, request_id_of(request), more=more)


def _how_to_go_on(request: Request) -> Mapping[str, str]:
    """Where the same caller adds what is missing, for the same customer."""
    whose = _WHOSE.match(request.url.path)
    return {} if whose is None else {"deposit_path": f"{whose[0]}/wallet/deposits/"}


async def _starlette_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known: dict[int, BillingError] = {404: PathNotFound(), 405: MethodNotAllowed()}
    told = known.get(error.status_code, RequestNotReadable())
    return problem_response(told, request_id_of(request), error.headers)


async def _accident(request: Request, _: Exception) -> Response:
    # Starlette raises it again once this is sent, so the server's log has the trace.
    return problem_response(InternalError(), request_id_of(request))


ANSWERS_TO_ERRORS: Final[Mapping[type[Exception], Callable[[Request, Exception], object]]] = {
    BillingError: _refusal,
    HTTPException: _starlette_refusal,
    Exception: _accident,
}
"""For `Starlette(exception_handlers=...)`."""


def request_id_of(request: Request) -> str:
    return str(request.scope.get("request_id", ""))


async def problem_page(request: Request) -> Response:
    """`GET /problems/{code}`: what a code means, from the class itself."""
    code = request.path_params["code"]
    kind = next((each for each in error_kinds() if each.code == code), None)
    if kind is None:
        raise PathNotFound
    paragraphs = [" ".join(part.split()) for part in (kind.__doc__ or "").split("\n\n")]
    facts = "".join(f"<li><code>{field.name}</code></li>" for field in fields(kind))
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{code}</title>'
        f"<h1>{code}</h1>"
        + "".join(f"<p>{html.escape(text)}</p>" for text in paragraphs)
        + f"<p>HTTP status {status_of(kind)}.</p>"
        + (f"<p>Facts told with it:</p><ul>{facts}</ul>" if facts else "")
    )


def error_kinds(kind: type[BillingError] = BillingError) -> Iterator[type[BillingError]]:
    """Every refusal there is, kinds and leaves."""
    for child in kind.__subclasses__():
        yield child
        yield from error_kinds(child)


class FrontDoor:
    """
    Stands before the whole application, so that not even an accident's answer escapes it: gives
    every request its id (the caller's own, if well-formed), turns foreign host names away, and
    puts id and security headers on every answer. An answer's own header wins over ours.
    """

    def __init__(
        self, app: ASGIApp, *, new_request_id: Callable[[], str], hosts: Sequence[str] = ()
    ) -> None:
        """`hosts`: names without a port (`billing.example.com`, `[::1]`); none means any."""
        self._app = app
        self._new_request_id = new_request_id
        self._hosts = {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        offered = headers.getlist("x-request-id")
        is_usable = len(offered) == 1 and _REQUEST_ID.fullmatch(offered[0])
        request_id = offered[0] if is_usable else self._new_request_id()

        async def send_dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = MutableHeaders(scope=message)
                sent["X-Request-ID"] = request_id
                for name, value in _EVERY_ANSWER.items():
                    sent.setdefault(name, value)
            await send(message)

        app = self._app
        if not self._knows(headers.getlist("host")):
            app = problem_response(HostNotAllowed(), request_id)
        await app({**scope, "request_id": request_id}, receive, send_dressed)

    def _knows(self, named: list[str]) -> bool:
        if not self._hosts:
            return True
        parsed = _HOST.fullmatch(named[0].lower()) if len(named) == 1 else None
        return parsed is not None and parsed[1] in self._hosts


_EVERY_ANSWER = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
