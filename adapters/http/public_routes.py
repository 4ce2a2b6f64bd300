"""Plans, signing in and out, customers of the business's backend, and the gateways' webhooks."""

import hmac
from typing import Annotated, Final

from pydantic import BaseModel, Field
from starlette.requests import Request

from adapters.http.bodies import (
    CustomerRequest,
    Language,
    MeBody,
    PlansBody,
    TelegramSignIn,
    TokenBody,
    body_from_account,
    body_from_plan,
    body_from_session,
)
from adapters.http.customer_routes import API_KEY, ROOT, SESSION, CustomerPath
from adapters.http.edge import (
    INIT_DATA_LIFE,
    INIT_DATA_LIFE_FOR_MONEY,
    Edge,
    bearer_of,
    edge_of,
    key_call,
    key_of,
    session_of,
)
from adapters.http.init_data import InitDataNotTrusted, InitDataTooOld, read_init_data
from adapters.http.json_reader import (
    BodyNotJson,
    BodyTooLarge,
    MediaTypeNotSupported,
    parse_json,
    read_body,
)
from adapters.http.limits import UNLISTED_SENDER, TooManyRequests, address_key
from adapters.http.operations import Closed, Operation
from adapters.http.problems import PathNotFound
from core.domain.cause import StoreBusy
from core.domain.credentials import NotSignedIn, Scope, ScopeMissing, Session
from core.domain.customer import (
    CustomerNotFound,
    Identity,
    IdentityKind,
    IdentityNotReadable,
    identity,
)
from core.domain.period import UnknownTimeZone, time_zone
from core.ports.notifier import NotifierUnavailable
from core.ports.payment_gateway import (
    GatewayNotFound,
    SenderNotListed,
    Webhook,
    WebhookNotReadable,
    WebhookNotTrusted,
)
from core.ports.unit_of_work import CatalogMissing

WEBHOOK_SIZE_MAX = 256 * 1024
TELEGRAM_PROOF: Final = "X-Telegram-Bot-Api-Secret-Token"


class LanguageQuery(Closed):
    language: Language = "en"


class GatewayPath(BaseModel):
    gateway: Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]


async def list_plans(request: Request, query: LanguageQuery) -> PlansBody:
    catalog = await edge_of(request).billing.show_catalog()
    return PlansBody(
        items=[
            body_from_plan(plan, query.language, is_default=code == catalog.default_plan)
            for code, plan in catalog.plans.items()
        ]
    )


async def sign_in_with_telegram(request: Request, body: TelegramSignIn) -> TokenBody:
    edge = edge_of(request)
    now = edge.now()
    data = read_init_data(body.init_data, bot_token=edge.bot_token, now=now, max_age=INIT_DATA_LIFE)
    customer = await edge.billing.register_customer(
        Identity(IdentityKind.TELEGRAM, str(data.user_id)),
        first_language=(data.language_code or "en")[:2].lower(),
    )
    session = await edge.billing.open_session(
        customer.id, may_pay=now - data.auth_date <= INIT_DATA_LIFE_FOR_MONEY
    )
    return _token(edge, session)


async def refresh_session(request: Request) -> TokenBody:
    edge = edge_of(request)
    return _token(edge, await session_of(edge, bearer_of(request)))


async def sign_out(request: Request) -> tuple[int, None]:
    edge = edge_of(request)
    await edge.billing.close_session(await session_of(edge, bearer_of(request)))
    return 204, None


async def open_session_for_customer(request: Request, params: CustomerPath) -> TokenBody:
    call = await key_call(request, params.ref, Scope.CUSTOMERS)
    session = await call.billing.open_session(call.customer_id, may_pay=True)
    return _token(call.edge, session)


async def put_customer(request: Request, params: CustomerPath, body: CustomerRequest) -> MeBody:
    await key_of(request, Scope.CUSTOMERS)
    if body.zone is not None:
        time_zone(body.zone)
    edge = edge_of(request)
    customer = await edge.billing.register_customer(
        identity(params.ref),
        language=body.language,
        receipt_contact=body.receipt_contact,
        zone=body.zone,
    )
    return body_from_account(await edge.billing.show_account(customer.id))


async def take_in_webhook(request: Request, params: GatewayPath) -> tuple[int, None]:
    """Stored, then answered. A stranger is refused before anything is read or counted as ours."""
    edge = edge_of(request)
    sender = edge.sender(request)
    body = await read_body(request, size_max=WEBHOOK_SIZE_MAX)
    webhook = Webhook(sender, dict(request.headers), body)
    try:
        await edge.billing.take_in_webhook(params.gateway, webhook)
    except SenderNotListed:
        await edge.limits.hit(UNLISTED_SENDER, address_key(sender))
        raise
    return 200, None


async def take_in_update(request: Request) -> tuple[int, None]:
    """
    Acted on, then answered. 503 has Telegram send it again, and anything else would have it wait
    in front of everything that the same person sends for a day.
    """
    updates = edge_of(request).updates
    if updates is None:  # Updates are asked for, or there is no bot.
        raise PathNotFound
    given = request.headers.get(TELEGRAM_PROOF, "").encode()
    body = await read_body(request, size_max=WEBHOOK_SIZE_MAX)
    if not hmac.compare_digest(given, updates.secret.encode()):
        raise WebhookNotTrusted
    try:
        told = parse_json(body)
    except BodyNotJson:
        raise WebhookNotReadable from None
    if not isinstance(told, dict):
        raise WebhookNotReadable
    await updates.take_in(told)
    return 200, None


def _token(edge: Edge, session: Session) -> TokenBody:
    now = edge.now()
    token = edge.tokens.issue(session.id, session.customer_id, session.access_until(now))
    return body_from_session(session, token, at=now)


def public_operations() -> list[Operation]:
    """What is not done by or for a customer that is known already."""
    return [*_signing_in(), *_for_the_host(), _for_telegram(), _for_the_gateways()]


def _signing_in() -> list[Operation]:
    return [
        Operation(
            method="GET",
            path=f"{ROOT}/plans/",
            endpoint=list_plans,
            summary="The plans on offer",
            tags=("public",),
            query=LanguageQuery,
            responses={200: PlansBody},
            errors=(CatalogMissing, StoreBusy),
        ),
        Operation(
            method="POST",
            path=f"{ROOT}/auth/telegram/",
            endpoint=sign_in_with_telegram,
            summary="Sign in from a Mini App; the first time registers",
            tags=("public",),
            body=TelegramSignIn,
            responses={200: TokenBody},
            errors=(InitDataNotTrusted, InitDataTooOld, StoreBusy),
        ),
        Operation(
            method="POST",
            path=f"{ROOT}/auth/refresh/",
            endpoint=refresh_session,
            summary="A fresh token for the same session",
            tags=("customer",),
            responses={200: TokenBody},
            security=(SESSION,),
            errors=(NotSignedIn, StoreBusy),
        ),
        Operation(
            method="POST",
            path=f"{ROOT}/auth/logout/",
            endpoint=sign_out,
            summary="End the session; its tokens are refused from now on",
            tags=("customer",),
            responses={204: None},
            security=(SESSION,),
            errors=(NotSignedIn, StoreBusy),
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
            errors=(NotSignedIn, ScopeMissing, IdentityNotReadable, CustomerNotFound, StoreBusy),
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
