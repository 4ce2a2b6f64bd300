"""What every route may use, and who is calling."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from starlette.requests import Request

from adapters.http.client_address import TrustedProxies, client_address
from adapters.http.init_data import read_init_data
from adapters.http.limits import RateLimits
from adapters.http.return_urls import ReturnUrls
from adapters.http.tokens import AccessTokens, TokenNotValid, api_key_hash
from core.domain.cause import Cause
from core.domain.credentials import (
    ApiKey,
    NotSignedIn,
    Scope,
    ScopeMissing,
    Session,
    SessionId,
    SignInTooOldForMoney,
)
from core.domain.customer import CustomerId, Identity, IdentityKind, customer_ref
from core.ports.unit_of_work import Now
from core.use_cases.billing import Billing

INIT_DATA_LIFE: Final = timedelta(hours=24)
INIT_DATA_LIFE_FOR_MONEY: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class UpdatesDoor:
    """Where Telegram's updates go that come with our secret."""

    secret: str = field(repr=False)
    take_in: Callable[[Mapping[str, object]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Edge:
    """All that the HTTP edge needs of the rest; one per process, in the lifespan's state."""

    billing: Billing
    now: Now
    tokens: AccessTokens
    limits: RateLimits
    return_urls: ReturnUrls
    proxies: TrustedProxies
    bot_token: str = field(repr=False)
    updates: "UpdatesDoor | None"
    key_pepper: str = field(repr=False)

    def sender(self, request: Request) -> str | None:
        peer = request.client.host if request.client else None
        lines = request.headers.getlist("x-forwarded-for")
        return client_address(peer, lines, self.proxies)


def edge_of(request: Request) -> Edge:
    edge = request.state.edge
    assert isinstance(edge, Edge)
    return edge


@dataclass(frozen=True, slots=True)
class Call:
    """
    A request on behalf of one customer. `caller` tells callers' idempotency keys apart;
    `may_pay` is false for a session whose proof was old when it signed in.
    """

    edge: Edge
    caller: str
    customer_id: CustomerId
    may_pay: bool = True

    @property
    def billing(self) -> Billing:
        return self.edge.billing

    def cause(self, operation: str, key: str, *asked: object) -> Cause:
        """`asked`: everything in the request that makes it another request."""
        text = json.dumps([self.customer_id, *asked], sort_keys=True, default=str)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return Cause(f"{self.caller} {operation}", key, digest)

    def require_fresh_sign_in(self) -> None:
        """
        Raises:
            SignInTooOldForMoney
        """
        if not self.may_pay:
            raise SignInTooOldForMoney


async def session_call(request: Request, *, reading: bool) -> Call:
    """
    The customer whose session it is; `Authorization: tma <initData>` too, for reading only.

    Raises:
        NotSignedIn, TokenNotValid, InitDataNotTrusted, InitDataTooOld
    """
    edge = edge_of(request)
    kind, credentials = _authorization(request)
    if kind == "tma" and reading:
        customer_id = await _customer_of_init_data(edge, credentials)
        return Call(edge, f"customer {customer_id}", customer_id, may_pay=False)
    if kind != "bearer" or credentials.startswith("bh_"):
        raise NotSignedIn
    session = await session_of(edge, credentials)
    return Call(edge, f"customer {session.customer_id}", session.customer_id, session.may_pay)


async def session_of(edge: Edge, token: str) -> Session:
    claims = edge.tokens.read(token)
    session = await edge.billing.check_session(SessionId(claims.session_id))
    if session.customer_id != claims.customer_id:
        raise TokenNotValid
    return session


async def key_call(request: Request, ref: str, scope: Scope) -> Call:
    """
    The business's backend, acting for the customer it names.

    Raises:
        NotSignedIn, ScopeMissing, IdentityNotReadable, CustomerNotFound
    """
    key = await key_of(request, scope)
    edge = edge_of(request)
    named = customer_ref(ref)
    return Call(edge, f"key {key.name}", await edge.billing.find_customer(named))


async def key_of(request: Request, scope: Scope) -> ApiKey:
    edge = edge_of(request)
    kind, credentials = _authorization(request)
    if kind != "bearer" or not credentials.startswith("bh_"):
        raise NotSignedIn
    key = await edge.billing.check_key(api_key_hash(credentials, edge.key_pepper))
    if not key.allows(scope):
        raise ScopeMissing(scope)
    return key


def bearer_of(request: Request) -> str:
    kind, credentials = _authorization(request)
    if kind != "bearer":
        raise NotSignedIn
    return credentials


def _authorization(request: Request) -> tuple[str, str]:
    lines = request.headers.getlist("authorization")
    if len(lines) != 1:
        raise NotSignedIn
    kind, _, credentials = lines[0].partition(" ")
    return kind.lower(), credentials.strip()


async def _customer_of_init_data(edge: Edge, raw: str) -> CustomerId:
    data = read_init_data(raw, bot_token=edge.bot_token, now=edge.now(), max_age=INIT_DATA_LIFE)
    return await edge.billing.find_customer(Identity(IdentityKind.TELEGRAM, str(data.user_id)))
