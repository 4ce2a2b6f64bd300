"""What every route may use, and who is calling."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from limits import RateLimitItem, RateLimitItemPerMinute
from starlette.requests import Request

from adapters.http.browsers import COOKIE, CSRF_HEADER, CsrfTokenNotValid, require_our_page
from adapters.http.client_address import TrustedProxies, client_address
from adapters.http.init_data import read_init_data
from adapters.http.limits import (
    OPENINGS_BY_CUSTOMER,
    OPENINGS_REPEATED,
    LimitsAway,
    RateLimits,
    address_key,
)
from adapters.http.return_urls import ReturnUrls
from adapters.http.tokens import AccessClaims, AccessTokens, TokenNotValid, api_key_hash
from core.domain.cause import Cause
from core.domain.credentials import (
    ApiKey,
    NotSignedIn,
    Scope,
    ScopeMissing,
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
    """
    All that the HTTP edge needs of the rest; one per process, in the lifespan's state.

    `limits` may be shared with other processes, and away; `own_limits` never. `own_origin` is
    how browsers know us, empty where they cannot. Of several peppers the first is for new keys.
    """

    billing: Billing
    now: Now
    tokens: AccessTokens
    limits: RateLimits
    own_limits: RateLimits
    return_urls: ReturnUrls
    proxies: TrustedProxies
    own_origin: str
    bot_token: str = field(repr=False)
    updates: "UpdatesDoor | None"
    key_peppers: tuple[str, ...] = field(repr=False)
    key_limit: RateLimitItemPerMinute | None = None

    def sender(self, request: Request) -> str | None:
        peer = request.client.host if request.client else None
        lines = request.headers.getlist("x-forwarded-for")
        return client_address(peer, lines, self.proxies)

    @property
    def page_origins(self) -> frozenset[str]:
        """Whose pages may act with a cookie."""
        return (self.return_urls.origins | {self.own_origin}) - {""}


def edge_of(request: Request) -> Edge:
    edge = request.state.edge
    assert isinstance(edge, Edge)
    return edge


@dataclass(frozen=True, slots=True)
class Call:
    """
    A request on behalf of one customer. `caller` tells callers' idempotency keys apart;
    `may_pay` is false for a session whose proof was old when it signed in; `in_telegram` is true
    for a Mini App, where Telegram's rules hold for what is sold.
    """

    edge: Edge
    caller: str
    customer_id: CustomerId
    may_pay: bool = True
    in_telegram: bool = False

    @property
    def billing(self) -> Billing:
        return self.edge.billing

    @property
    def is_backend(self) -> bool:
        """Whether the business's own backend calls, and not a customer."""
        return self.caller.startswith("key ")

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

    async def count_opening(self, cause: Cause) -> None:
        """
        Before a checkout is opened because of this.

        Raises:
            TooManyRequests, LimitsAway
        """
        await self.edge.limits.hit_once(
            OPENINGS_BY_CUSTOMER,
            self.customer_id,
            f"{cause.scope} {cause.key}",
            again=OPENINGS_REPEATED,
        )


def by_address(limit: RateLimitItem) -> Callable[[Request], Awaitable[None]]:
    """For `Operation.first`. Raises TooManyRequests, LimitsAway."""

    async def count(request: Request) -> None:
        edge = edge_of(request)
        await edge.limits.hit(limit, address_key(edge.sender(request)))

    return count


async def count_once(request: Request, limit: RateLimitItem, key: str) -> None:
    """
    Once per request, however often its unit of work is tried again.

    Raises:
        TooManyRequests, LimitsAway
    """
    counted = request.scope.setdefault("billhook.counted", set())
    if (limit, key) not in counted:
        counted.add((limit, key))
        await edge_of(request).limits.hit(limit, key)


@dataclass(frozen=True, slots=True)
class Presented:
    """A token of ours that came with a request, as a bearer's or in the cookie."""

    claims: AccessClaims
    by_cookie: bool

    @property
    def session_id(self) -> SessionId:
        return SessionId(self.claims.session_id)


def presented(request: Request, *, reading: bool = False) -> Presented:
    """
    The header wins over the cookie, even where it is no good. A cookie comes by itself, so what
    changes anything with it must come from our own page and prove that the page is the session's.

    Raises:
        NotSignedIn, TokenNotValid, OriginNotListed, CsrfTokenNotValid
    """
    edge = edge_of(request)
    if "authorization" in request.headers:
        kind, token = _authorization(request)
        if kind != "bearer" or token.startswith("bh_"):
            raise NotSignedIn
        return Presented(edge.tokens.read(token), by_cookie=False)
    if COOKIE not in request.cookies:
        raise NotSignedIn
    found = Presented(edge.tokens.read(request.cookies[COOKIE]), by_cookie=True)
    if not reading:
        require_our_page(request, edge.page_origins)
        told = request.headers.getlist(CSRF_HEADER)
        if len(told) != 1 or not edge.tokens.is_csrf_token(told[0], found.session_id):
            raise CsrfTokenNotValid
    return found


async def session_call(request: Request, *, reading: bool) -> Call:
    """
    The customer whose session it is; `Authorization: tma <initData>` too, for reading only.

    Raises:
        NotSignedIn, TokenNotValid, OriginNotListed, CsrfTokenNotValid, CustomerBlocked
        InitDataNotTrusted, InitDataTooOld, SignedOutBefore
    """
    edge = edge_of(request)
    if reading and "authorization" in request.headers:
        kind, credentials = _authorization(request)
        if kind == "tma":
            customer_id = await _customer_of_init_data(edge, credentials)
            caller = f"customer {customer_id}"
            return Call(edge, caller, customer_id, may_pay=False, in_telegram=True)
    shown = presented(request, reading=reading)
    session = await edge.billing.check_session(shown.session_id, shown.claims.turn, reading=reading)
    if session.customer_id != shown.claims.customer_id:
        raise TokenNotValid
    return Call(
        edge,
        f"customer {session.customer_id}",
        session.customer_id,
        may_pay=session.may_pay,
        in_telegram=session.in_telegram,
    )


async def key_call(request: Request, ref: str, scope: Scope) -> Call:
    """
    The business's backend, acting for the customer it names.

    Raises:
        NotSignedIn, ScopeMissing, TooManyRequests, IdentityNotReadable, CustomerNotFound
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
    key = await edge.billing.check_key(
        *(api_key_hash(credentials, pepper) for pepper in edge.key_peppers)
    )
    if edge.key_limit is not None:
        # It spares us work and protects nobody's money, so it is no reason to refuse anything.
        with suppress(LimitsAway):
            await count_once(request, edge.key_limit, key.name)
    if not key.allows(scope):
        raise ScopeMissing(scope)
    return key


def _authorization(request: Request) -> tuple[str, str]:
    lines = request.headers.getlist("authorization")
    if len(lines) != 1:
        raise NotSignedIn
    kind, _, credentials = lines[0].partition(" ")
    return kind.lower(), credentials.strip()


async def _customer_of_init_data(edge: Edge, raw: str) -> CustomerId:
    data = read_init_data(raw, bot_token=edge.bot_token, now=edge.now(), max_age=INIT_DATA_LIFE)
    named = Identity(IdentityKind.TELEGRAM, str(data.user_id))
    return await edge.billing.check_proof(named, data.proof)
