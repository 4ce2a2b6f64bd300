"""Signing in and out, customers of the business's backend, and the gateways' webhooks."""

import hmac
import json
from contextlib import suppress
from typing import Annotated, Final

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from adapters.http.bodies import (
    CookieBody,
    CustomerRequest,
    MeBody,
    RefreshRequest,
    SignedInBody,
    TelegramSignIn,
    TokenBody,
    body_from_account,
    body_from_session,
)
from adapters.http.browsers import (
    CsrfTokenNotValid,
    OriginNotListed,
    clear_cookie,
    require_our_page,
    set_cookie,
)
from adapters.http.customer_routes import API_KEY, CHANGING, OF_THE_CODE, ROOT, CustomerPath
from adapters.http.edge import (
    INIT_DATA_LIFE,
    INIT_DATA_LIFE_FOR_MONEY,
    Edge,
    by_address,
    count_once,
    edge_of,
    key_call,
    key_of,
    presented,
)
from adapters.http.init_data import InitDataNotTrusted, InitDataTooOld, read_init_data
from adapters.http.json_reader import (
    BodyNotJson,
    BodyTooLarge,
    MediaTypeNotSupported,
    read_body,
)
from adapters.http.limits import (
    REFRESH_BY_ADDRESS,
    SIGN_IN_BY_ADDRESS,
    SIGN_IN_BY_CUSTOMER,
    UNLISTED_SENDER,
    LimitsAway,
    TooManyRequests,
    address_key,
)
from adapters.http.operations import Operation
from adapters.http.problems import PathNotFound
from adapters.locales.translations import guessed
from core.domain.cause import StoreBusy
from core.domain.credentials import (
    NotSignedIn,
    Scope,
    ScopeMissing,
    Session,
    SignedOutBefore,
)
from core.domain.customer import (
    CustomerBlocked,
    CustomerNotFound,
    Identity,
    IdentityKind,
    IdentityNotReadable,
    identity,
)
from core.domain.errors import Conflict, Invalid, NotFound, Refused
from core.domain.period import UnknownTimeZone, time_zone
from core.domain.referral_program import Door, Invitation, code_in
from core.ports.notifier import NotifierUnavailable
from core.ports.payment_gateway import (
    GatewayNotFound,
    SenderNotListed,
    Webhook,
    WebhookNotReadable,
    WebhookNotTrusted,
)

WEBHOOK_SIZE_MAX = 256 * 1024
TELEGRAM_PROOF: Final = "X-Telegram-Bot-Api-Secret-Token"
_COUNTED = (TooManyRequests, LimitsAway)


class GatewayPath(BaseModel):
    gateway: Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]


async def sign_in_with_telegram(request: Request, body: TelegramSignIn) -> Response:
    edge = edge_of(request)
    if body.cookie:
        require_our_page(request, edge.page_origins)
    now = edge.now()
    data = read_init_data(body.init_data, bot_token=edge.bot_token, now=now, max_age=INIT_DATA_LIFE)
    await count_once(request, SIGN_IN_BY_CUSTOMER, str(data.user_id))
    code = code_in(data.start_param or "")
    invitation = None if code is None else Invitation(code, Door.MINI_APP)
    customer = await edge.billing.register_customer(
        Identity(IdentityKind.TELEGRAM, str(data.user_id)),
        first_language=guessed(data.language_code),
        invitation=invitation,
    )
    if invitation is not None:  # Whatever a link says, nobody is kept from signing in by it.
        with suppress(Invalid, NotFound, Refused, Conflict):
            await edge.billing.join_referral(customer.id, invitation)
    session = await edge.billing.open_session(
        customer.id,
        may_pay=now - data.auth_date <= INIT_DATA_LIFE_FOR_MONEY,
        in_telegram=True,
        proof=data.proof,
    )
    return _signed_in(edge, session, by_cookie=body.cookie)


async def refresh_session(request: Request, body: RefreshRequest) -> Response:
    """A page that was given a bearer's token may exchange it for the cookie here."""
    edge, shown = edge_of(request), presented(request)
    if body.cookie:
        require_our_page(request, edge.page_origins)
    session = await edge.billing.refresh_session(shown.session_id, shown.claims.turn)
    return _signed_in(edge, session, by_cookie=body.cookie or shown.by_cookie)


async def sign_out(request: Request) -> Response:
    """Any token of the session will do, also a retired one: nobody gains by it."""
    shown = presented(request)
    await edge_of(request).billing.close_session(shown.session_id)
    response = Response(status_code=204)
    if shown.by_cookie:
        clear_cookie(response)
    return response


async def open_session_for_customer(request: Request, params: CustomerPath) -> TokenBody:
    await key_of(request, Scope.PURCHASES)  # Whoever has the token buys with it.
    call = await key_call(request, params.ref, Scope.CUSTOMERS)
    session = await call.billing.open_session(call.customer_id, may_pay=True)
    return _token(call.edge, session)


async def put_customer(request: Request, params: CustomerPath, body: CustomerRequest) -> MeBody:
    await key_of(request, Scope.CUSTOMERS)
    if body.zone is not None:
        time_zone(body.zone)
    edge = edge_of(request)
    code = body.referral_code
    invitation = None if code is None else Invitation(code, Door.API)
    customer = await edge.billing.register_customer(
        identity(params.ref),
        language=body.language,
        receipt_contact=body.receipt_contact,
        zone=body.zone,
        invitation=invitation,
    )
    if invitation is not None:
        await edge.billing.join_referral(customer.id, invitation)
    return body_from_account(await edge.billing.show_account(customer.id))


async def take_in_webhook(request: Request, params: GatewayPath) -> tuple[int, None]:
    """
    Stored, then answered. A stranger is refused before anything of it is parsed or stored; and
    counted in this process, so that a gateway is heard whatever became of the shared limits.
    """
    edge = edge_of(request)
    sender = edge.sender(request)
    body = await read_body(request, size_max=WEBHOOK_SIZE_MAX)
    webhook = Webhook(sender, dict(request.headers), body)
    try:
        await edge.billing.take_in_webhook(params.gateway, webhook)
    except SenderNotListed:
        await edge.own_limits.hit(UNLISTED_SENDER, address_key(sender))
        raise
    return 200, None


async def take_in_update(request: Request) -> tuple[int, None]:
    """
    Acted on, then answered. 503 has Telegram send it again, and anything else would have it wait
    in front of everything that the same person sends for a day. So it is read as polling reads it:
    once it is proven to be Telegram's, no limit of ours is on how much somebody's message says.
    """
    updates = edge_of(request).updates
    if updates is None:  # Updates are asked for, or there is no bot.
        raise PathNotFound
    given = request.headers.get(TELEGRAM_PROOF, "").encode()
    if not hmac.compare_digest(given, updates.secret.encode()):
        raise WebhookNotTrusted
    try:
        told = json.loads(await read_body(request, size_max=WEBHOOK_SIZE_MAX))
    except (BodyNotJson, ValueError, RecursionError):
        raise WebhookNotReadable from None
    if not isinstance(told, dict):
        raise WebhookNotReadable
    await updates.take_in(told)
    return 200, None


def _token(edge: Edge, session: Session) -> TokenBody:
    now = edge.now()
    token = edge.tokens.issue(
        session.id, session.customer_id, session.access_until(now), turn=session.turn
    )
    return body_from_session(session, token, at=now)


def _signed_in(edge: Edge, session: Session, *, by_cookie: bool) -> Response:
    told = _token(edge, session)
    if not by_cookie:
        return _json(SignedInBody(told))
    csrf_token = edge.tokens.csrf_token(session.id)
    response = _json(SignedInBody(CookieBody(csrf_token=csrf_token, expires_in=told.expires_in)))
    set_cookie(response, told.access_token, seconds=told.expires_in)
    return response


def _json(body: BaseModel) -> Response:
    return Response(body.model_dump_json(), media_type="application/json")


def public_operations() -> list[Operation]:
    """What is not done by or for a customer that is known already."""
    return [*_signing_in(), *_for_the_host(), _for_telegram(), _for_the_gateways()]


def _signing_in() -> list[Operation]:
    return [
        Operation(
            method="POST",
            path=f"{ROOT}/auth/telegram/",
            endpoint=sign_in_with_telegram,
            summary="Sign in from a Mini App; the first time registers",
            tags=("public",),
            body=TelegramSignIn,
            responses={200: SignedInBody},
            first=by_address(SIGN_IN_BY_ADDRESS),
            errors=(
                InitDataNotTrusted,
                InitDataTooOld,
                SignedOutBefore,
                CustomerBlocked,
                OriginNotListed,
                *_COUNTED,
                StoreBusy,
            ),
        ),
        Operation(
            method="POST",
            path=f"{ROOT}/auth/refresh/",
            endpoint=refresh_session,
            summary="The session's next token; the one presented is retired",
            tags=("customer",),
            body=RefreshRequest,
            responses={200: SignedInBody},
            security=CHANGING,
            first=by_address(REFRESH_BY_ADDRESS),
            errors=(
                NotSignedIn,
                CustomerBlocked,
                OriginNotListed,
                CsrfTokenNotValid,
                *_COUNTED,
                StoreBusy,
            ),
        ),
        Operation(
            method="POST",
            path=f"{ROOT}/auth/logout/",
            endpoint=sign_out,
            summary="End the session; its tokens and its sign-in data are refused from now on",
            tags=("customer",),
            responses={204: None},
            security=CHANGING,
            errors=(NotSignedIn, OriginNotListed, CsrfTokenNotValid, StoreBusy),
        ),
    ]


def _for_the_host() -> list[Operation]:
    return [
        Operation(
            method="PUT",
            path=f"{ROOT}/customers/{{ref}}/",
            endpoint=put_customer,
            summary="Make sure a customer exists; set what is given",
            tags=("host",),
            params=CustomerPath,
            body=CustomerRequest,
            responses={200: MeBody},
            security=(API_KEY,),
            errors=(
                NotSignedIn,
                ScopeMissing,
                IdentityNotReadable,
                UnknownTimeZone,
                *OF_THE_CODE,
                TooManyRequests,
                StoreBusy,
            ),
        ),
        Operation(
            method="POST",
            path=f"{ROOT}/customers/{{ref}}/sessions/",
            endpoint=open_session_for_customer,
            summary="Sign a customer of yours in",
            tags=("host",),
            params=CustomerPath,
            responses={201: TokenBody},
            security=(API_KEY,),
            errors=(
                NotSignedIn,
                ScopeMissing,
                IdentityNotReadable,
                CustomerNotFound,
                CustomerBlocked,
                TooManyRequests,
                StoreBusy,
            ),
        ),
    ]


def _for_telegram() -> Operation:
    return Operation(
        method="POST",
        path=f"{ROOT}/webhooks/telegram/",
        endpoint=take_in_update,
        summary="For Telegram: acted on, then answered 200",
        tags=("gateways",),
        responses={200: None},
        errors=(
            PathNotFound,
            WebhookNotTrusted,
            WebhookNotReadable,
            BodyTooLarge,
            MediaTypeNotSupported,
            StoreBusy,
            NotifierUnavailable,
        ),
    )


def _for_the_gateways() -> Operation:
    return Operation(
        method="POST",
        path=f"{ROOT}/webhooks/{{gateway}}/",
        endpoint=take_in_webhook,
        summary="For the gateways: stored, then answered 200",
        tags=("gateways",),
        params=GatewayPath,
        responses={200: None},
        errors=(
            GatewayNotFound,
            SenderNotListed,
            WebhookNotTrusted,
            WebhookNotReadable,
            BodyTooLarge,
            TooManyRequests,
            StoreBusy,
        ),
    )
