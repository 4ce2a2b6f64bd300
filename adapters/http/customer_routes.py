"""What a customer may do: by a session for oneself, or through the business's API key."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from adapters.http.bodies import (
    CaptureRequest,
    CheckoutRequest,
    ConsumeRequest,
    DecisionBody,
    EndedHoldBody,
    ErasedBody,
    FeatureText,
    HoldBody,
    HoldRequest,
    MeBody,
    PreviewBody,
    PurchaseBody,
    PurchasesBody,
    body_from_account,
    body_from_decision,
    body_from_ended,
    body_from_held,
    body_from_preview,
    body_from_started,
)
from adapters.http.browsers import CsrfTokenNotValid, OriginNotListed
from adapters.http.edge import Call, by_address, edge_of, key_call, key_of, session_call
from adapters.http.init_data import InitDataNotTrusted, InitDataTooOld
from adapters.http.limits import OPENING_BY_ADDRESS, LimitsAway, TooManyRequests
from adapters.http.operations import Answer, Closed, Operation
from adapters.http.return_urls import ReturnUrlNotListed
from adapters.http.ware_requests import PreviewRequest, PurchaseRequest
from core.domain.cause import KeyUsedOtherwise, StillRunning, StoreBusy
from core.domain.credentials import (
    NotSignedIn,
    Scope,
    ScopeMissing,
    SignedOutBefore,
    SignInTooOldForMoney,
)
from core.domain.customer import CustomerBlocked, CustomerNotFound, IdentityNotReadable
from core.domain.errors import BillingError
from core.domain.money_terms import NotOffered
from core.domain.plan import (
    Feature,
    FeatureNotFound,
    NoWayToPay,
    PackNotFound,
    PlanNotForSale,
    PlanNotFound,
)
from core.domain.purchase import PurchaseId, PurchaseNotFound, PurchaseNotPending
from core.domain.referral_program import (
    OwnReferralCode,
    ReferralCodeNotFound,
    ReferredAlready,
    ReferrerNotOlder,
    TooLateToJoin,
)
from core.domain.usage_quota import (
    CaptureNotUsable,
    HoldId,
    RequestIdUsedOtherwise,
    UsageHoldEnded,
    UsageHoldNotFound,
)
from core.ports.payment_gateway import CheckoutDeclined, GatewayNotFound, GatewayUnavailable
from core.ports.unit_of_work import CatalogMissing
from core.use_cases.buying import SalesPaused
from core.use_cases.checkouts import NoGatewayTakes, ReceiptContactMissing
from core.use_cases.erasing import EscrowUnderWay, WalletNotEmpty, WithdrawalUnderWay
from core.use_cases.grouping import TooManyAsks
from core.use_cases.purchases import PreviewOutdated
from core.use_cases.quotas import Ask
from core.use_cases.wallet import WalletTooLow

ROOT: Final = "/api/v1/billing"
SESSION: Final = "session"
COOKIE_SESSION: Final = "cookie_session"
CSRF: Final = "csrf"
API_KEY: Final = "api_key"
_FOR_CUSTOMER: Final = "_for_customer"

READING: Final = (SESSION, COOKIE_SESSION)
CHANGING: Final = (SESSION, (COOKIE_SESSION, CSRF))
"""The ways in which a customer may be known."""

# The pattern is told, and the core judges: it has a word of its own for a name that cannot be.
_Ref = Annotated[
    str,
    Field(
        min_length=1,
        max_length=160,
        description="telegram:…, external:… or cus_…",
        json_schema_extra={
            "pattern": "^(telegram:[1-9][0-9]{0,15}|cus_[a-z0-9]{8,40}"
            "|external:[A-Za-z0-9][A-Za-z0-9._@+-]{0,127})$"
        },
    ),
]
_PurchaseRef = Annotated[str, Field(pattern=r"^pur_[a-z0-9]{8,40}$")]


class CustomerPath(BaseModel):
    ref: _Ref


class PurchasePath(BaseModel):
    purchase_id: _PurchaseRef


class CustomerPurchasePath(CustomerPath, PurchasePath):
    pass


class FeaturePath(CustomerPath):
    feature: FeatureText


class HoldPath(BaseModel):
    hold_id: Annotated[str, Field(pattern=r"^hld_[a-z0-9]{8,40}$")]


class IdempotencyHeader(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    key: str = Field(alias="Idempotency-Key", pattern=r"^[!-~]{1,255}$")


class PageQuery(Closed):
    limit: int = Field(20, ge=1, le=100)
    cursor: _PurchaseRef | None = None


async def show_me(call: Call) -> MeBody:
    return body_from_account(await call.billing.show_account(call.customer_id))


async def erase_customer(call: Call) -> ErasedBody:
    call.require_fresh_sign_in()
    await call.billing.erase_customer(call.customer_id)
    return ErasedBody(status="leaving")


async def preview_purchase(call: Call, body: PreviewRequest) -> PreviewBody:
    code, kind = body.ware
    return body_from_preview(
        await call.billing.preview_purchase(
            call.customer_id,
            code,
            kind=kind,
            gateway=body.gateway,
            in_telegram=call.in_telegram,
        )
    )


async def start_purchase(
    call: Call, body: PurchaseRequest, headers: IdempotencyHeader
) -> PurchaseBody:
    call.require_fresh_sign_in()
    return_url = call.edge.return_urls.checked(body.return_url)
    cause = call.cause("start_purchase", headers.key, body.model_dump(exclude_none=True))
    await call.count_opening(cause)
    code, kind = body.ware
    started = await call.billing.start_purchase(
        call.customer_id,
        code,
        kind=kind,
        gateway=body.gateway,
        preview_id=body.preview_id,
        return_url=return_url,
        in_telegram=call.in_telegram,
        cause=cause,
    )
    return body_from_started(started)


async def list_purchases(call: Call, query: PageQuery) -> PurchasesBody:
    after = None if query.cursor is None else PurchaseId(query.cursor)
    found = await call.billing.show_purchases.page(
        call.customer_id, limit=query.limit + 1, after=after
    )
    items = [body_from_started(one) for one in found[: query.limit]]
    has_more = len(found) > query.limit
    return PurchasesBody(items=items, next_cursor=items[-1].id if has_more else None)


async def show_purchase(call: Call, params: PurchasePath) -> PurchaseBody:
    return body_from_started(
        await call.billing.show_purchases.one(call.customer_id, PurchaseId(params.purchase_id))
    )


async def add_checkout(
    call: Call, params: PurchasePath, body: CheckoutRequest, headers: IdempotencyHeader
) -> PurchaseBody:
    call.require_fresh_sign_in()
    return_url = call.edge.return_urls.checked(body.return_url)
    asked = (params.purchase_id, body.model_dump(exclude_none=True))
    cause = call.cause("add_checkout", headers.key, *asked)
    await call.count_opening(cause)
    started = await call.billing.add_checkout(
        call.customer_id,
        PurchaseId(params.purchase_id),
        gateway=body.gateway,
        return_url=return_url,
        in_telegram=call.in_telegram,
        cause=cause,
    )
    return body_from_started(started)


async def cancel_purchase(call: Call, params: PurchasePath) -> PurchaseBody:
    return body_from_started(
        await call.billing.cancel_purchase(call.customer_id, PurchaseId(params.purchase_id))
    )


async def consume_quota(call: Call, params: FeaturePath, body: ConsumeRequest) -> DecisionBody:
    ask = Ask(call.customer_id, Feature(params.feature), body.amount, body.request_id)
    return body_from_decision(await call.billing.consume_quota(ask))


async def hold_quota(call: Call, params: FeaturePath, body: HoldRequest) -> HoldBody:
    ask = Ask(
        call.customer_id,
        Feature(params.feature),
        body.amount,
        body.request_id,
        hold_seconds=body.expires_in_seconds,
    )
    return body_from_held(await call.billing.consume_quota(ask))


async def capture_hold(request: Request, params: HoldPath, body: CaptureRequest) -> EndedHoldBody:
    await key_of(request, Scope.USAGE)
    billing = edge_of(request).billing
    return body_from_ended(await billing.capture_hold(HoldId(params.hold_id), body.amount))


async def release_hold(request: Request, params: HoldPath) -> EndedHoldBody:
    await key_of(request, Scope.USAGE)
    return body_from_ended(await edge_of(request).billing.release_hold(HoldId(params.hold_id)))


_OF_INIT_DATA: Final = (InitDataNotTrusted, InitDataTooOld, SignedOutBefore, CustomerNotFound)
_OF_THE_COOKIE: Final = (OriginNotListed, CsrfTokenNotValid)
OF_THE_CLAIM: Final = (KeyUsedOtherwise, StillRunning)
OF_THE_OFFER: Final = (
    PlanNotFound,
    PackNotFound,
    PlanNotForSale,
    NoWayToPay,
    NoGatewayTakes,
    GatewayNotFound,
)
OF_THE_WALLET: Final = (WalletTooLow,)
OF_THE_CODE: Final = (
    ReferralCodeNotFound,
    OwnReferralCode,
    ReferrerNotOlder,
    ReferredAlready,
    TooLateToJoin,
    NotOffered,
    CatalogMissing,
)
OF_THE_LIMITS: Final = (TooManyRequests, LimitsAway)
OF_THE_GATEWAY: Final = (CheckoutDeclined, GatewayUnavailable, ReceiptContactMissing)

Endpoint = Callable[..., Awaitable[Answer]]


def for_both(
    method: str,
    path: str,
    endpoint: Endpoint,
    summary: str,
    response: type[BaseModel],
    *,
    key_path: str | None = None,
    scope: Scope = Scope.PURCHASES,
    status: int = 200,
    params: type[BaseModel] | None = None,
    customer_params: type[BaseModel] | None = None,
    errors: tuple[type[BillingError], ...] = (),
    opens_a_checkout: bool = False,
    leads_to: tuple[str, ...] = (),
    **models: type[BaseModel],
) -> list[Operation]:
    """The same operation for a customer's session, and under `/customers/{ref}/` for a key."""
    own = Operation(
        method=method,
        path=ROOT + path,
        endpoint=_with_session(endpoint, reading=method == "GET"),
        summary=summary,
        responses={status: response},
        tags=("customer",),
        params=params,
        security=READING if method == "GET" else CHANGING,
        first=by_address(OPENING_BY_ADDRESS) if opens_a_checkout else None,
        errors=(
            *errors,
            *(_OF_INIT_DATA if method == "GET" else _OF_THE_COOKIE),
            NotSignedIn,
            CustomerBlocked,
            SignInTooOldForMoney,
            StoreBusy,
        ),
        leads_to=leads_to,
        **models,
    )
    hosted = hosted_operation(
        method,
        f"/customers/{{ref}}{path if key_path is None else key_path}",
        endpoint,
        summary,
        response,
        scope=scope,
        status=status,
        params=CustomerPath if params is None else customer_params or CustomerPurchasePath,
        errors=errors,
        leads_to=leads_to,
        **models,
    )
    return [own, hosted]


def hosted_operation(
    method: str,
    path: str,
    endpoint: Endpoint,
    summary: str,
    response: type[BaseModel],
    *,
    scope: Scope,
    params: type[BaseModel],
    status: int = 200,
    errors: tuple[type[BillingError], ...] = (),
    leads_to: tuple[str, ...] = (),
    **models: type[BaseModel],
) -> Operation:
    return Operation(
        method=method,
        path=ROOT + path,
        endpoint=_with_key(endpoint, scope, passes_params=set(params.model_fields) != {"ref"}),
        summary=f"{summary} (for the customer named)",
        responses={status: response},
        tags=("host",),
        params=params,
        security=(API_KEY,),
        first=None,
        errors=(
            *errors,
            NotSignedIn,
            ScopeMissing,
            IdentityNotReadable,
            CustomerNotFound,
            TooManyRequests,
            StoreBusy,
        ),
        leads_to=tuple(f"{name}{_FOR_CUSTOMER}" for name in leads_to),
        **models,
    )


def _with_session(endpoint: Endpoint, *, reading: bool) -> Endpoint:
    async def called(request: Request, **given: Any) -> Answer:
        return await endpoint(await session_call(request, reading=reading), **given)

    called.__name__ = endpoint.__name__
    return called


def _with_key(endpoint: Endpoint, scope: Scope, *, passes_params: bool) -> Endpoint:
    async def called(request: Request, params: Any, **given: Any) -> Answer:
        call = await key_call(request, params.ref, scope)
        if passes_params:
            given["params"] = params
        return await endpoint(call, **given)

    called.__name__ = f"{endpoint.__name__}{_FOR_CUSTOMER}"
    return called


def _of_a_hold(
    path: str,
    endpoint: Endpoint,
    summary: str,
    *errors: type[BillingError],
    **models: type[BaseModel],
) -> Operation:
    """A hold is known by its id alone, so these name no customer."""
    return Operation(
        method="POST",
        path=f"{ROOT}/usage/holds/{{hold_id}}/{path}/",
        endpoint=endpoint,
        summary=summary,
        responses={200: EndedHoldBody},
        tags=("host",),
        params=HoldPath,
        security=(API_KEY,),
        first=None,
        errors=(
            *errors,
            UsageHoldNotFound,
            UsageHoldEnded,
            NotSignedIn,
            ScopeMissing,
            TooManyRequests,
            StoreBusy,
        ),
        leads_to=(),
        **models,
    )


def customer_operations() -> list[Operation]:
    """Every call that concerns one customer."""
    started: Mapping[str, Any] = {
        "status": 201,
        "headers": IdempotencyHeader,
        "opens_a_checkout": True,
        "errors": (
            *OF_THE_CLAIM,
            *OF_THE_OFFER,
            *OF_THE_WALLET,
            *OF_THE_GATEWAY,
            *OF_THE_LIMITS,
            CustomerBlocked,
            ReturnUrlNotListed,
        ),
    }
    return [
        *for_both("GET", "/me/", show_me, "Who I am, what I have, what I used", MeBody,
                   key_path="/", scope=Scope.CUSTOMERS),
        *for_both("DELETE", "/me/", erase_customer,
                   "Forget the person: the plan ends, bonus is given up, the books stay whole",
                   ErasedBody, key_path="/", scope=Scope.CUSTOMERS,
                   errors=(WalletNotEmpty, WithdrawalUnderWay, EscrowUnderWay)),
        *for_both("POST", "/purchases/preview/", preview_purchase,
                   "What a purchase would cost and do", PreviewBody,
                   body=PreviewRequest, errors=(*OF_THE_OFFER, CustomerBlocked)),
        *for_both("POST", "/purchases/", start_purchase,
                   "Buy a plan or a pack: agree on the price and get an address to pay at", PurchaseBody,
                   body=PurchaseRequest,
                   leads_to=("show_purchase", "add_checkout", "cancel_purchase"),
                   **{**started, "errors": (*started["errors"], PreviewOutdated, SalesPaused)}),
        *for_both("GET", "/purchases/", list_purchases, "Purchases, the newest first",
                   PurchasesBody, query=PageQuery, errors=(PurchaseNotFound,)),
        *for_both("GET", "/purchases/{purchase_id}/", show_purchase, "One purchase", PurchaseBody,
                   params=PurchasePath, errors=(PurchaseNotFound,)),
        *for_both("POST", "/purchases/{purchase_id}/checkouts/", add_checkout,
                   "Another way to pay an open purchase", PurchaseBody, params=PurchasePath,
                   body=CheckoutRequest,
                   **{**started,
                      "errors": (*started["errors"], PurchaseNotFound, PurchaseNotPending)}),
        *for_both("POST", "/purchases/{purchase_id}/cancel/", cancel_purchase,
                   "Give up an open purchase", PurchaseBody, params=PurchasePath,
                   errors=(PurchaseNotFound, PurchaseNotPending)),
        hosted_operation("POST", "/customers/{ref}/usage/{feature}/consume/", consume_quota,
                "Use a feature, if the quota allows it", DecisionBody, scope=Scope.USAGE,
                params=FeaturePath, body=ConsumeRequest,
                errors=(FeatureNotFound, RequestIdUsedOtherwise, TooManyAsks)),
        hosted_operation("POST", "/customers/{ref}/usage/{feature}/holds/", hold_quota,
                "Hold units for work that may fail, if the quota allows it", HoldBody,
                scope=Scope.USAGE, params=FeaturePath, body=HoldRequest,
                errors=(FeatureNotFound, RequestIdUsedOtherwise, TooManyAsks)),
        _of_a_hold("capture", capture_hold, "The work is done: use what was held, or less of it",
                   CaptureNotUsable, body=CaptureRequest),
        _of_a_hold("release", release_hold, "The work failed: give back what was held"),
    ]  # fmt: skip
