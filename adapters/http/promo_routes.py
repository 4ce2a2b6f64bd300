"""Promo codes over HTTP: a customer uses one, an operator makes, shows and stops them."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import Request

from adapters.http.bodies import FeatureText, WareCodeText
from adapters.http.customer_routes import OF_THE_CLAIM, IdempotencyHeader, for_both
from adapters.http.edge import Call, edge_of, key_of
from adapters.http.operations import Closed, Moment, Operation
from adapters.http.operator_routes import ReasonRequest, operator_of, operator_operation
from core.domain.credentials import Scope
from core.domain.customer import CustomerBlocked
from core.domain.plan import Feature, FeatureNotFound, PlanCode, PlanNotFound
from core.domain.promo_code import (
    PERCENT_MAX,
    USES_MAX,
    DaysOf,
    DiscountWaits,
    Gives,
    PercentOff,
    PromoCode,
    PromoCodeNotFound,
    PromoCodeNotReadable,
    PromoCodeNotTaken,
    PromoCodeNotUsable,
    PromoCodeTaken,
    PromoCodeUsed,
    TooManyWrongCodes,
    UnitsOf,
)
from core.domain.usage_quota import UNITS_MAX
from core.use_cases.gifts import DAYS_MAX, AnotherPlanRuns
from core.use_cases.promo_codes import WantedCode

CodeText = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{4,32}$")]


class PromoRequest(Closed):
    """The code as it was given; capital or small letters are the same."""

    code: CodeText


class PercentRequest(Closed):
    """Off the next purchase of one of these plans, or of any where none is named."""

    percent: Annotated[int, Field(ge=1, le=PERCENT_MAX)]
    plans: Annotated[list[WareCodeText], Field(default_factory=list, max_length=20)]


class DaysRequest(Closed):
    plan: WareCodeText
    days: Annotated[int, Field(ge=1, le=DAYS_MAX)]


class UnitsRequest(Closed):
    feature: FeatureText
    units: Annotated[int, Field(ge=1, le=UNITS_MAX)]


class CreatePromoRequest(ReasonRequest):
    """
    No `name`: one is made up. `limit` is to how many customers in all, `only_new`: to those alone
    who never paid.
    """

    gives: PercentRequest | DaysRequest | UnitsRequest
    name: CodeText | None = None
    limit: Annotated[int, Field(ge=1, le=USES_MAX)] | None = None
    until: Moment | None = None
    only_new: bool = False


class PromoPath(BaseModel):
    promo_code: CodeText


class PromosQuery(Closed):
    limit: int = Field(100, ge=1, le=1000)
    cursor: CodeText | None = None


class GivesBody(BaseModel):
    """
    One of three: `percent` off the next purchase (of `plans`, empty: of any), `days` of a `plan`,
    or `units` of a `feature`.
    """

    percent: int | None = None
    plans: list[str] = []
    plan: str | None = None
    days: int | None = None
    feature: str | None = None
    units: int | None = None


class RedeemedBody(BaseModel):
    code: str
    gives: GivesBody


class PromoBody(BaseModel):
    name: str
    gives: GivesBody
    created_at: AwareDatetime
    used: int
    limit: int | None
    until: AwareDatetime | None
    only_new: bool
    stopped_at: AwareDatetime | None


class PromosBody(BaseModel):
    items: list[PromoBody]
    next_cursor: str | None


async def redeem_promo_code(
    call: Call, body: PromoRequest, headers: IdempotencyHeader
) -> RedeemedBody:
    cause = call.cause("redeem_promo_code", headers.key, body.code.upper())
    code = await call.billing.redeem_promo_code(call.customer_id, body.code, cause=cause)
    return RedeemedBody(code=code.name, gives=_body_from_gives(code.gives))


async def create_promo_code(
    request: Request, body: CreatePromoRequest, headers: IdempotencyHeader
) -> PromoBody:
    call, deed = await operator_of(request, body.reason)
    wanted = WantedCode(_gives(body.gives), body.name, body.limit, body.until, body.only_new)
    cause = call.cause("create_promo_code", headers.key, body.model_dump(mode="json"))
    return _body_from_code(await call.billing.create_promo_code(wanted, deed=deed, cause=cause))


async def list_promo_codes(request: Request, query: PromosQuery) -> PromosBody:
    await key_of(request, Scope.OPERATOR)
    after = None if query.cursor is None else query.cursor.upper()
    show = edge_of(request).billing.show_promo_codes
    found = await show.page(limit=query.limit + 1, after=after)
    items = [_body_from_code(one) for one in found[: query.limit]]
    has_more = len(found) > query.limit
    return PromosBody(items=items, next_cursor=items[-1].name if has_more else None)


async def show_promo_code(request: Request, params: PromoPath) -> PromoBody:
    await key_of(request, Scope.OPERATOR)
    show = edge_of(request).billing.show_promo_codes
    return _body_from_code(await show.one(params.promo_code))


async def stop_promo_code(request: Request, params: PromoPath, body: ReasonRequest) -> PromoBody:
    call, deed = await operator_of(request, body.reason)
    stopped = await call.billing.stop_promo_code(params.promo_code, deed=deed)
    return _body_from_code(stopped)


def _gives(body: PercentRequest | DaysRequest | UnitsRequest) -> Gives:
    match body:
        case PercentRequest(percent=percent, plans=plans):
            return PercentOff(percent, tuple(PlanCode(one) for one in dict.fromkeys(plans)))
        case DaysRequest(plan=plan, days=days):
            return DaysOf(PlanCode(plan), days)
        case UnitsRequest(feature=feature, units=units):
            return UnitsOf(Feature(feature), units)


def _body_from_gives(gives: Gives) -> GivesBody:
    match gives:
        case PercentOff(percent, plans):
            return GivesBody(percent=percent, plans=list(plans))
        case DaysOf(plan, days):
            return GivesBody(plan=plan, days=days)
        case UnitsOf(feature, units):
            return GivesBody(feature=feature, units=units)


def _body_from_code(code: PromoCode) -> PromoBody:
    return PromoBody(
        name=code.name,
        gives=_body_from_gives(code.gives),
        created_at=code.created_at,
        used=code.used,
        limit=code.limit,
        until=code.until,
        only_new=code.only_new,
        stopped_at=code.stopped_at,
    )


def promo_operations() -> list[Operation]:
    return [
        *for_both("POST", "/promo/", redeem_promo_code,
                  "Use a promo code: a discount for the next purchase, days of a plan, or units",
                  RedeemedBody, scope=Scope.PURCHASES, body=PromoRequest,
                  headers=IdempotencyHeader,
                  errors=(PromoCodeNotReadable, PromoCodeNotTaken, PromoCodeUsed, DiscountWaits,
                          AnotherPlanRuns, TooManyWrongCodes, CustomerBlocked, *OF_THE_CLAIM)),
        operator_operation("POST", "/promo-codes/", create_promo_code, "Make a promo code",
                           PromoBody, PromoCodeNotReadable, PromoCodeNotUsable, PromoCodeTaken,
                           PlanNotFound, FeatureNotFound, *OF_THE_CLAIM, body=CreatePromoRequest,
                           headers=IdempotencyHeader),
        operator_operation("GET", "/promo-codes/", list_promo_codes,
                           "Promo codes and how often each was used, the newest first", PromosBody,
                           query=PromosQuery),
        operator_operation("GET", "/promo-codes/{promo_code}/", show_promo_code, "One promo code",
                           PromoBody, PromoCodeNotFound, params=PromoPath),
        operator_operation("POST", "/promo-codes/{promo_code}/stop/", stop_promo_code,
                           "Let nobody use a promo code any more", PromoBody, PromoCodeNotFound,
                           params=PromoPath, body=ReasonRequest),
    ]  # fmt: skip
